//! Tasks of a job, narrowed and paged by the scheduler: there may be a million.

use crate::browser;
use crate::components::parts::{
    Panel, State, Status, icon, look, table_head, task_link, worker_link,
};
use crate::format::{NONE, bytes, csv, duration_us, grouped, middle};
use crate::live::{Act, Live, use_answer};
use crate::route::{Route, TaskFilter, task_key};
use crate::topics::latest_job;
use partita_observe::frame::{Answer, Question, Topic};
use partita_shared::ids::JobId;
use partita_shared::model::{TaskRow, TaskState};
use std::rc::Rc;
use yew::prelude::*;

/// Tasks of one page.
const PAGE_TASKS: u32 = 100;

/// How often the page asks again, in milliseconds.
const REFRESH_MS: u32 = 2_000;

/// Jobs that can be chosen: the latest.
const JOBS_OFFERED_MAX: usize = 100;

/// Characters of a text or name in a list.
const TEXT_CHARS_MAX: usize = 48;

/// What the page shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
    /// Which of them.
    pub filter: TaskFilter,
}

/// Tasks of a job.
#[component]
pub fn Tasks(props: &Props) -> Html {
    let live = &props.live;
    let Some(job) = props.filter.job.or_else(|| latest_job(live)) else {
        let has_come = live.has(Topic::Jobs);
        let status = Status::of(has_come, true, "No jobs yet, so there are no tasks.");
        return html! { <Panel title="Tasks" id="tasks" {status} /> };
    };
    let filter = TaskFilter { job: Some(job), ..props.filter };
    // Another filter begins at its first page.
    html! { <List key={filter.to_string()} live={live.clone()} {job} {filter} /> }
}

/// Where one is in a list of which only the next part can be asked for: behind which task each
/// page up to the present one begins.
#[derive(Clone, Debug, Default, PartialEq)]
struct Pager {
    begins: Vec<(u32, u32)>,
}

impl Pager {
    /// The task behind which the present page begins.
    fn after(&self) -> Option<(u32, u32)> {
        self.begins.last().copied()
    }

    /// The number of the present page, from 1.
    fn page(&self) -> usize {
        self.begins.len() + 1
    }

    /// The page behind these rows.
    fn next(&self, rows: &[TaskRow]) -> Self {
        let last = rows.last().map(|row| (row.id.stage.index, row.id.index));
        let begins = self.begins.iter().copied().chain(last).collect();
        Pager { begins }
    }

    /// The page before.
    fn previous(&self) -> Self {
        let mut begins = self.begins.clone();
        begins.pop();
        Pager { begins }
    }
}

#[derive(PartialEq, Properties)]
struct ListProps {
    live: Live,
    job: JobId,
    filter: TaskFilter,
}

#[component]
fn List(props: &ListProps) -> Html {
    let pager = use_state(Pager::default);
    let ListProps { live, job, filter } = props;
    let question = Question::Tasks {
        job: *job,
        stage: filter.stage,
        state: filter.state,
        after: pager.after(),
        limit: PAGE_TASKS,
    };
    let answer = use_answer(live, Some(question), REFRESH_MS);
    let (rows, more): (&[TaskRow], bool) = match answer.as_deref() {
        Some(Answer::Tasks { rows, more }) => (rows, *more),
        _ => (&[], false),
    };
    let status = match answer.as_deref() {
        None => Status::Loading,
        Some(Answer::None(why)) => Status::Empty(why.clone().into()),
        Some(_) => Status::of(true, rows.is_empty(), "No task matches the filter."),
    };
    let csv = answer.clone().map(|answer| Callback::from(move |()| as_csv(&answer)));
    let to = |pager: &UseStateHandle<Pager>, next: Pager| {
        let setter = pager.setter();
        Callback::from(move |_: MouseEvent| setter.set(next.clone()))
    };
    html! {
        <>
            <h1 class="offscreen">{ "Tasks" }</h1>
            <Panel title={format!("Tasks of {job}")} id="tasks" {status} {csv}
                tools={filters(live, *job, *filter)}
                note={format!("refreshed every {} s", REFRESH_MS / 1_000)}>
                <div class="scroll" role="group" aria-label="Tasks" tabindex="0">
                    <table class="rows">
                        { table_head(&COLUMNS) }
                        <tbody>{ for rows.iter().map(|row| task_row(live, *job, row)) }</tbody>
                    </table>
                </div>
            </Panel>
            <nav class="pager" aria-label="Pages of the list">
                <button type="button" disabled={pager.page() == 1}
                    onclick={to(&pager, pager.previous())}>{ "Previous" }</button>
                <span>{ format!("page {}", grouped(pager.page() as u64)) }</span>
                <button type="button" disabled={!more} onclick={to(&pager, pager.next(rows))}>
                    { "Next" }
                </button>
            </nav>
        </>
    }
}

/// The columns, and the class of their cells.
const COLUMNS: [(&str, &str); 8] = [
    ("Task", ""),
    ("State", ""),
    ("Stage", ""),
    ("Worker", ""),
    ("Attempts", "number"),
    ("Time on slot", "number"),
    ("Rows", "number"),
    ("Bytes", "number"),
];

fn task_row(live: &Live, job: JobId, row: &TaskRow) -> Html {
    let index = row.id.stage.index;
    let stage = live.stages.get(&job).and_then(|stages| stages.get(&index));
    let is_done = row.state == TaskState::Done;
    let figure = |text: String| if is_done { text } else { NONE.to_string() };
    html! {
        <tr key={task_key(row.id)}>
            <th scope="row">{ task_link(row.id) }</th>
            <td><State look={look::task(row.state)} /></td>
            <td>
                <span class="index">{ index }</span>
                { stage.map(|stage| stage.name.clone()).unwrap_or_default() }
            </td>
            <td>
                if let Some(worker) = row.worker {
                    { worker_link(live, worker) }
                } else {
                    { NONE }
                }
            </td>
            <td class="number">{ row.attempts }</td>
            <td class="number">{ figure(duration_us(row.busy_us)) }</td>
            <td class="number">{ figure(grouped(row.rows)) }</td>
            <td class="number">{ figure(bytes(row.bytes)) }</td>
        </tr>
    }
}

fn filters(live: &Live, job: JobId, filter: TaskFilter) -> Html {
    let go = {
        let actor = live.actor();
        move |filter| actor.emit(Act::Go(Route::Tasks(filter)))
    };
    let on_job = {
        let go = go.clone();
        Callback::from(move |event: Event| {
            if let Some(job) = browser::value_of(&event).and_then(|value| value.parse().ok()) {
                go(TaskFilter { state: filter.state, ..TaskFilter::of_job(job) });
            }
        })
    };
    let on_stage = {
        let go = go.clone();
        Callback::from(move |event: Event| {
            let stage = browser::value_of(&event).and_then(|value| value.parse().ok());
            go(TaskFilter { stage, ..filter });
        })
    };
    let jobs = live.jobs.values().rev().take(JOBS_OFFERED_MAX);
    let is_offered = live.jobs.keys().rev().take(JOBS_OFFERED_MAX).any(|id| *id == job);
    let stages = live.stages.get(&job);
    html! {
        <div class="filters">
            <select aria-label="Job" data-search="" onchange={on_job}>
                if !is_offered {
                    { option(job.0.to_string(), job.to_string(), true) }
                }
                { for jobs.map(|row| {
                    let text = format!("{} · {}", row.id, middle(&row.text, TEXT_CHARS_MAX));
                    option(row.id.0.to_string(), text, row.id == job)
                }) }
            </select>
            <select aria-label="Stage" onchange={on_stage}>
                { option(String::new(), "all stages".to_string(), filter.stage.is_none()) }
                { for stages.iter().flat_map(|stages| stages.values()).map(|stage| {
                    let index = stage.id.index;
                    let text = format!("{index} · {}", middle(&stage.name, TEXT_CHARS_MAX));
                    option(index.to_string(), text, filter.stage == Some(index))
                }) }
            </select>
            <div class="filters" role="group" aria-label="State">
                { state_button(live, filter, None) }
                { for TaskState::ALL.into_iter().map(|state| state_button(live, filter, Some(state))) }
            </div>
        </div>
    }
}

fn option(value: String, text: String, selected: bool) -> Html {
    html! { <option key={value.clone()} {value} {selected}>{ text }</option> }
}

fn state_button(live: &Live, filter: TaskFilter, state: Option<TaskState>) -> Html {
    let word = state.map_or("all", TaskState::as_str);
    let is_pressed = filter.state == state;
    let actor = live.actor();
    let onclick = Callback::from(move |_: MouseEvent| {
        actor.emit(Act::Go(Route::Tasks(TaskFilter { state, ..filter })));
    });
    html! {
        <button key={word} type="button" aria-pressed={is_pressed.to_string()} {onclick}>
            if let Some(state) = state {
                { icon(look::task(state).glyph) }{ " " }
            }
            { word }
        </button>
    }
}

fn as_csv(answer: &Rc<Answer>) -> String {
    let rows: &[TaskRow] = match &**answer {
        Answer::Tasks { rows, .. } => rows,
        Answer::Task(_) | Answer::Profiles(_) | Answer::WorkerLog(_) | Answer::None(_) => &[],
    };
    csv(
        ["task", "state", "attempts", "worker", "busy_us", "rows", "bytes"],
        rows.iter().map(|row| {
            [
                task_key(row.id),
                row.state.as_str().to_string(),
                row.attempts.to_string(),
                row.worker.map(|worker| worker.0.to_string()).unwrap_or_default(),
                row.busy_us.to_string(),
                row.rows.to_string(),
                row.bytes.to_string(),
            ]
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::work::tasks_answer;
    use crate::fixtures::{all_new, busy_updates, follower, live, told};
    use crate::live::Health;
    use crate::testing::{assert_shows, draw_page};
    use partita_observe::frame::{Source, Update};

    fn question(stage: Option<u32>, state: Option<TaskState>) -> Question {
        Question::Tasks { job: JobId(7), stage, state, after: None, limit: PAGE_TASKS }
    }

    fn shown(answers: Vec<(Question, Answer)>) -> Live {
        let (topics, updates) = busy_updates();
        live(follower(Source::Live, topics, updates), Health::Live, answers)
    }

    /// Tasks are listed with their state, place and figures; those that are not done have none.
    #[test]
    fn tasks_are_listed() {
        let filter = TaskFilter { job: Some(JobId(7)), stage: Some(3), state: None };
        let live = shown(vec![tasks_answer(question(Some(3), None))]);
        let html = draw_page("tasks", &live, &Route::Tasks(filter));
        assert_shows(
            &html,
            &[
                "Tasks of job-7",
                "job-7 · SELECT n.region",
                "3 · join orders",
                "7.3.0 done 3 join orders n0413-0 1 2.6 s 61 000 11.0 MiB",
                "7.3.26 running 3 join orders n0413-2 2 – – –",
                "7.3.39 waiting 3 join orders – 0 – – –",
                "page 1",
            ],
        );
    }

    /// Nothing asked yet, nothing there, and nothing like that are three things.
    #[test]
    fn an_empty_list_says_why() {
        let filter = TaskFilter { job: Some(JobId(7)), ..TaskFilter::default() };
        let page = |live: Live| draw_page("tasks-empty", &live, &Route::Tasks(filter));
        assert_shows(&page(shown(Vec::new())), &["Loading…"]);
        let none = Answer::None("job-7 is not known".into());
        assert_shows(&page(shown(vec![(question(None, None), none)])), &["job-7 is not known"]);
        let empty = Answer::Tasks { rows: Vec::new(), more: false };
        assert_shows(
            &page(shown(vec![(question(None, None), empty)])),
            &["No task matches the filter."],
        );
        let no_jobs = told(vec![Topic::Jobs], vec![Update::Jobs(all_new(Vec::new()))]);
        let html = draw_page("tasks-none", &no_jobs, &Route::Tasks(TaskFilter::default()));
        assert_shows(&html, &["No jobs yet"]);
    }

    /// The pager goes forth and back over the pages that it has seen, and no further.
    #[test]
    fn the_pager_goes_both_ways() {
        let (_, answer) = tasks_answer(question(None, None));
        let Answer::Tasks { rows, .. } = answer else { panic!("no tasks") };
        let first = Pager::default();
        assert_eq!((first.after(), first.page()), (None, 1));
        let second = first.next(&rows);
        assert_eq!((second.after(), second.page()), (Some((3, 39)), 2));
        let third = second.next(&rows[..10]);
        assert_eq!((third.after(), third.page()), (Some((3, 9)), 3));
        assert_eq!(third.previous(), second);
        assert_eq!(second.previous(), first);
        assert_eq!(first.previous(), first);
        assert_eq!(first.next(&[]), first);
    }
}
