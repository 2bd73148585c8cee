//! Answers to the questions of pages: from the core as long as it has the tasks, else from what the
//! observer remembers.

use crate::hub::Hub;
use crate::observer::Observer;
use partita_observe::frame::{Answer, Question, TASKS_PAGE_MAX};
use partita_observe::view::TaskView;
use partita_shared::ids::TaskId;

/// Who answers.
#[derive(Clone, Debug)]
pub(crate) enum Answers {
    /// The core of a live cluster, then its observer.
    Live(Hub),
    /// Only the observer.
    Remembered,
}

impl Answers {
    pub(crate) async fn answer(&self, observer: &Observer, question: Question) -> Answer {
        let Answers::Live(hub) = self else { return observer.ask(question).await };
        let live = match &question {
            Question::Tasks { job, stage, state, after, limit } => {
                let (job, stage, state, after) = (*job, *stage, *state, *after);
                let limit = (*limit).clamp(1, TASKS_PAGE_MAX) as usize;
                // One more than was asked for tells whether there are more.
                let rows = hub
                    .query(move |core| core.tasks_of(job, stage, state, after, limit + 1))
                    .await
                    .flatten();
                rows.map(|mut rows| {
                    let more = rows.len() > limit;
                    rows.truncate(limit);
                    Answer::Tasks { rows, more }
                })
            }
            Question::Task(task) => live_task(hub, observer, *task).await,
            Question::Profiles { .. } | Question::WorkerLog(_) => None,
        };
        match live {
            Some(answer) => answer,
            None => observer.ask(question).await,
        }
    }
}

/// A task that the core knows, with the attempts and the story that the observer remembers.
async fn live_task(hub: &Hub, observer: &Observer, task: TaskId) -> Option<Answer> {
    let mut view = hub.query(move |core| core.task_view(task)).await??;
    if let Answer::Task(remembered) = observer.ask(Question::Task(task)).await {
        let TaskView { attempts, story, texts, stack, .. } = *remembered;
        (view.attempts, view.story, view.texts, view.stack) = (attempts, story, texts, stack);
    }
    Some(Answer::Task(Box::new(view)))
}
