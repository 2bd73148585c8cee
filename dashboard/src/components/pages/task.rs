//! One task: what it is doing, why it is not, and what became of it.

use crate::browser;
use crate::components::parts::{
    Age, Panel, State, Status, job_link, look, stage_link, worker_link,
};
use crate::format::{NONE, bytes, counted, duration_us, grouped};
use crate::live::{Live, use_answer};
use crate::route::task_key;
use partita_observe::frame::{Answer, Question};
use partita_observe::view::{AttemptView, InputView, TaskView};
use partita_shared::ids::{StageId, TaskId};
use partita_shared::model::{CallText, CallTextKind, StackFrame, TaskRow, TaskState};
use yew::prelude::*;

/// How often the page asks again, in milliseconds.
const REFRESH_MS: u32 = 2_000;

/// What the page shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
    /// The task.
    pub id: TaskId,
}

/// One task.
#[component]
pub fn Task(props: &Props) -> Html {
    let (live, id) = (&props.live, props.id);
    let answer = use_answer(live, Some(Question::Task(id)), REFRESH_MS);
    match answer.as_deref() {
        None => title(id, html! { <p class="empty loading" role="status">{ "Loading…" }</p> }),
        Some(Answer::Task(task)) => whole(live, task),
        Some(Answer::None(why)) => title(id, html! { <p class="empty">{ why.clone() }</p> }),
        Some(Answer::Tasks { .. } | Answer::Profiles(_) | Answer::WorkerLog(_)) => Html::default(),
    }
}

fn title(id: TaskId, content: Html) -> Html {
    html! {
        <section class="strip">
            <div class="title"><h1>{ format!("task {}", task_key(id)) }</h1></div>
            { content }
        </section>
    }
}

fn whole(live: &Live, task: &TaskView) -> Html {
    let waits = matches!(task.row.state, TaskState::Waiting | TaskState::Ready);
    html! {
        <>
            { head(live, task) }
            if waits {
                { why(live, task) }
            }
            { attempts(live, &task.attempts) }
            if !task.stack.is_empty() {
                { stack(&task.stack) }
            }
            if !task.texts.is_empty() {
                { texts(&task.texts) }
            }
            <div class="columns">
                { inputs(live, task.row.id.stage, &task.inputs) }
                { story(live, task) }
            </div>
        </>
    }
}

fn head(live: &Live, task: &TaskView) -> Html {
    let row = &task.row;
    let is_done = row.state == TaskState::Done;
    let figure = |name: &'static str, value: Html| {
        html! { <div key={name} class="total"><dt>{ name }</dt><dd>{ value }</dd></div> }
    };
    // While it runs, its present attempt says for how long it has been on the slot.
    let running = task.attempts.last().filter(|_| row.state == TaskState::Running);
    let busy_us = running.map(|attempt| attempt.busy_us).or(is_done.then_some(row.busy_us));
    let on_slot = busy_us.map_or(NONE.to_string(), duration_us);
    let if_done = |text: String| {
        if is_done {
            html! { text }
        } else {
            html! { NONE }
        }
    };
    let holder = match (row.state, row.worker) {
        (TaskState::Running, Some(worker)) => ("runs on", worker_link(live, worker)),
        (TaskState::Done, Some(worker)) => ("stored on", worker_link(live, worker)),
        (_, Some(worker)) => ("ran on", worker_link(live, worker)),
        (_, None) => ("stored on", html! { NONE }),
    };
    html! {
        <section class="strip" aria-label="Summary of the task">
            <div class="title">
                <h1>{ format!("task {}", task_key(row.id)) }</h1>
                <State look={look::task(row.state)} />
                <span class="details">
                    { job_link(row.id.stage.job) }{ " · " }
                    { stage_link(row.id.stage, &task.stage_name) }
                </span>
            </div>
            { task_totals(row, figure, if_done, on_slot, holder) }
        </section>
    }
}

fn task_totals(
    row: &TaskRow,
    figure: impl Fn(&'static str, Html) -> Html,
    if_done: impl Fn(String) -> Html,
    on_slot: String,
    (held, holder): (&'static str, Html),
) -> Html {
    html! {
        <dl class="totals">
            { figure("attempts", html! { row.attempts }) }
            { figure(held, holder) }
            { figure("time on slot", on_slot.into()) }
            { figure("rows", if_done(grouped(row.rows))) }
            { figure("bytes", if_done(bytes(row.bytes))) }
        </dl>
    }
}

/// Why a task is not running: about the task first, then worker by worker.
fn why(live: &Live, task: &TaskView) -> Html {
    let status = Status::of(true, task.why.is_empty(), "Nothing prevents it; it starts next.");
    html! {
        <Panel title="Why it is not running" id="why" {status}>
            <ul class="reasons">
                { for task.why.iter().enumerate().map(|(at, reason)| html! {
                    <li key={at}>
                        if let Some(worker) = reason.worker {
                            <span class="who">{ worker_link(live, worker) }</span>
                        }
                        <span>{ reason.text.clone() }</span>
                    </li>
                }) }
            </ul>
        </Panel>
    }
}

fn attempts(live: &Live, attempts: &[AttemptView]) -> Html {
    let status = Status::of(true, attempts.is_empty(), "Not started yet.");
    html! {
        <Panel title="Attempts" id="attempts" {status}>
            <div class="scroll" role="group" aria-label="Attempts" tabindex="0">
                <table class="rows">
                    <thead>
                        <tr>
                            <th scope="col">{ "Attempt" }</th>
                            <th scope="col">{ "Result" }</th>
                            <th scope="col">{ "Worker" }</th>
                            <th scope="col" class="number">{ "Slot" }</th>
                            <th scope="col" class="number">{ "Started" }</th>
                            <th scope="col" class="number">{ "In queue" }</th>
                            <th scope="col" class="number">{ "On slot" }</th>
                            <th scope="col" class="number">{ "Transfer" }</th>
                            <th scope="col" class="number">{ "Disk" }</th>
                            <th scope="col" class="number">{ "Fetched" }</th>
                            <th scope="col">{ "Cause" }</th>
                        </tr>
                    </thead>
                    <tbody>{ for attempts.iter().map(|attempt| attempt_row(live, attempt)) }</tbody>
                </table>
            </div>
        </Panel>
    }
}

fn attempt_row(live: &Live, attempt: &AttemptView) -> Html {
    html! {
        <tr key={attempt.attempt}>
            <th scope="row">{ attempt.attempt }</th>
            <td><State look={look::ending(attempt.ending)} /></td>
            <td>{ worker_link(live, attempt.worker) }</td>
            <td class="number">{ attempt.slot }</td>
            <td class="number" title={browser::date_and_zone(attempt.started_ms)}>
                { browser::clock_time(attempt.started_ms) }
            </td>
            <td class="number">{ duration_us(attempt.queued_us) }</td>
            <td class="number">{ duration_us(attempt.busy_us) }</td>
            <td class="number">{ duration_us(attempt.transfer_us) }</td>
            <td class="number">{ duration_us(attempt.disk_us) }</td>
            <td class="number">{ bytes(attempt.fetched_bytes) }</td>
            <td class="cause">{ attempt.error.clone() }</td>
        </tr>
    }
}

/// Where the call is that runs now.
fn stack(frames: &[StackFrame]) -> Html {
    html! {
        <Panel title="Call stack" id="stack" status={Status::Ready}
            note="the innermost function is the last">
            <ol class="story">
                { for frames.iter().enumerate().map(|(at, frame)| html! {
                    <li key={at}>
                        <code>{ frame.function.clone() }</code>{ " " }
                        <span class="details">{ format!("{}:{}", frame.file, frame.line) }</span>
                    </li>
                }) }
            </ol>
        </Panel>
    }
}

/// What the calls of a function printed, and how they failed.
fn texts(texts: &[CallText]) -> Html {
    let heading = |text: &CallText| {
        let what = match text.kind {
            CallTextKind::Printed => "Printed",
            CallTextKind::Arguments => "Arguments",
            CallTextKind::Traceback => "Traceback",
        };
        format!("{what}, attempt {}", text.attempt)
    };
    html! {
        <Panel title="Output of the function" id="texts" status={Status::Ready}>
            { for texts.iter().enumerate().map(|(at, text)| html! {
                <div key={at}>
                    <h3 class="empty">{ heading(text) }</h3>
                    <pre class="text" tabindex="0">{ text.text.clone() }</pre>
                </div>
            }) }
        </Panel>
    }
}

fn inputs(live: &Live, of: StageId, inputs: &[InputView]) -> Html {
    let status = Status::of(true, inputs.is_empty(), "This task reads no other stage.");
    html! {
        <Panel title="Inputs" id="inputs" {status}>
            <ul class="list">
                { for inputs.iter().enumerate().map(|(at, input)| html! {
                    <li key={at} class="job">
                        <p class="input-head">
                            { stage_link(StageId { job: of.job, index: input.stage }, &input.name) }
                            <span class="details">{ input.exchange.clone() }</span>
                            <span class="left">{ held(input) }</span>
                        </p>
                        if input.exchange == "Shuffle" {
                            <p class="details">
                                { "The task reads its bucket of each partition; the sizes are those of \
                                   whole partitions." }
                            </p>
                        }
                        <ul class="places">
                            { for input.places.iter().map(|(worker, partitions, size)| html! {
                                <li key={worker.0}>
                                    <span>{ worker_link(live, *worker) }</span>
                                    <span class="number">
                                        { counted((*partitions).into(), "partition", "partitions") }
                                    </span>
                                    <span class="number">{ bytes(*size) }</span>
                                </li>
                            }) }
                        </ul>
                    </li>
                }) }
            </ul>
        </Panel>
    }
}

fn held(input: &InputView) -> String {
    let all = counted(input.partitions.into(), "partition", "partitions");
    match input.partitions.checked_sub(input.held) {
        Some(0) | None => format!("all of {all} there"),
        Some(missing) => format!("{} of {all} missing", grouped(missing.into())),
    }
}

fn story(live: &Live, task: &TaskView) -> Html {
    let status = Status::of(true, task.story.is_empty(), "No history yet.");
    html! {
        <Panel title="History" id="story" {status}>
            <ol class="story">
                { for task.story.iter().enumerate().map(|(at, (when_ms, what))| html! {
                    <li key={at}>
                        <Age at_ms={*when_ms} now_ms={live.now_ms} />
                        <span>{ what.clone() }</span>
                    </li>
                }) }
            </ol>
        </Panel>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::work::{task, task_answer};
    use crate::fixtures::{busy_updates, follower, live};
    use crate::live::Health;
    use crate::route::Route;
    use crate::testing::{assert_hides, assert_shows, draw_page};
    use partita_observe::frame::Source;

    fn shown(answers: Vec<(Question, Answer)>) -> Live {
        let (topics, updates) = busy_updates();
        live(follower(Source::Live, topics, updates), Health::Live, answers)
    }

    /// Why it is not running is told in words, for the task and for each worker; so is its story.
    #[test]
    fn a_task_tells_why_it_does_not_run() {
        let id = task(7, 3, 871);
        let html = draw_page("task", &shown(vec![task_answer()]), &Route::Task(id));
        assert_shows(
            &html,
            &[
                "task 7.3.871 ready job-7 · join orders",
                "Why it is not running It was tried 2 times",
                "n0413-2 all 8 slots are taken",
                "2 failed n0415-0",
                "no space left on device",
                "scan orders Shuffle 22 of 4 000 partitions missing",
                "all of 6 000 partitions there",
                "42 s ago attempt 2 failed for want of memory",
                "Output of the function Printed, attempt 1 reading part 871",
                "Traceback, attempt 1",
                "KeyError: 'price'",
            ],
        );
    }

    /// A task that is done is not asked why it does not run.
    #[test]
    fn a_done_task_has_no_excuse() {
        let (question, answer) = task_answer();
        let Answer::Task(mut view) = answer else { panic!("no task") };
        (view.row.state, view.row.rows) = (TaskState::Done, 61_000);
        let live = shown(vec![(question, Answer::Task(view))]);
        let html = draw_page("task-done", &live, &Route::Task(task(7, 3, 871)));
        assert_shows(&html, &["done", "rows 61 000"]);
        assert_hides(&html, &["Why it is not running"]);
    }

    /// Unknown values are explained in the scheduler's words.
    #[test]
    fn an_unknown_task_is_told_as_such() {
        let id = task(7, 3, 9_999_999);
        assert_shows(
            &draw_page("task-loading", &shown(Vec::new()), &Route::Task(id)),
            &["Loading…"],
        );
        let none = Answer::None("stage 3 of job-7 has 3379 tasks".into());
        let live = shown(vec![(Question::Task(id), none)]);
        assert_shows(&draw_page("task-none", &live, &Route::Task(id)), &["has 3379 tasks"]);
    }
}
