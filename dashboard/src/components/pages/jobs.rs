//! All jobs that are remembered.

use crate::browser;
use crate::components::parts::{
    Panel, ROWS_SHOWN_STEP, Same, Search, ShowMore, State, StateBar, Status, job_link, look,
    table_head,
};
use crate::format::{NONE, bytes, counted, csv, grouped, percent, span};
use crate::live::Live;
use crate::order;
use partita_observe::frame::Topic;
use partita_shared::model::{JobRow, JobState};
use std::cmp::Reverse;
use std::rc::Rc;
use yew::prelude::*;

/// What the page shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
}

/// All jobs that are remembered: those that run or wait first, then the latest.
#[component]
pub fn Jobs(props: &Props) -> Html {
    let shown = use_state(|| ROWS_SHOWN_STEP);
    let wanted_state = use_state(|| None::<JobState>);
    let wanted_text = use_state(String::new);
    let live = &props.live;
    let all: Vec<&Rc<JobRow>> = live.jobs.values().collect();
    let mut jobs: Vec<&Rc<JobRow>> = all
        .iter()
        .copied()
        .filter(|job| wanted_state.is_none_or(|state| job.state == state))
        .filter(|job| matches_text(job, &wanted_text))
        .collect();
    order::sort_by_key(&mut jobs, |job| (job.state.is_final(), Reverse(job.id)));

    let is_narrowed = !all.is_empty() && jobs.is_empty();
    let when_empty = if is_narrowed {
        "No job matches the filter."
    } else {
        "No jobs yet. Send one with `partita sql`."
    };
    let status = Status::of(live.has(Topic::Jobs), jobs.is_empty(), when_empty);
    let csv = {
        let rows: Vec<Rc<JobRow>> = jobs.iter().map(|job| (*job).clone()).collect();
        Callback::from(move |()| as_csv(&rows))
    };
    let tools = html! {
        <>
            { state_filter(&all, &wanted_state) }
            <Search label="Search: text, client or number" value={(*wanted_text).clone()}
                on_text={let text = wanted_text.setter(); move |new| text.set(new)} />
        </>
    };
    let total = jobs.len();
    html! {
        <>
            <h1 class="offscreen">{ "Jobs" }</h1>
            <Panel title="Jobs" id="jobs" {status} {tools} {csv}
                note={counted(total as u64, "job", "jobs")}>
                <div class="scroll" role="group" aria-label="Jobs" tabindex="0">
                    <table class="wide">
                        { table_head(&COLUMNS) }
                        <tbody>
                            { for jobs.into_iter().take(*shown).map(|job| html! {
                                <Row key={job.id.0} job={Same::of(job)} now_s={live.now_ms / 1_000} />
                            }) }
                        </tbody>
                    </table>
                </div>
                <ShowMore {total} {shown} />
            </Panel>
        </>
    }
}

/// Whether a job is one that the user looks for: by its text, who sent it, or its number.
fn matches_text(job: &JobRow, wanted: &str) -> bool {
    let wanted = wanted.trim().to_ascii_lowercase();
    wanted.is_empty()
        || job.text.to_ascii_lowercase().contains(&wanted)
        || job.client.to_ascii_lowercase().contains(&wanted)
        || job.error.to_ascii_lowercase().contains(&wanted)
        || job.id.to_string() == wanted
        || job.id.0.to_string() == wanted
}

fn state_filter(jobs: &[&Rc<JobRow>], wanted: &UseStateHandle<Option<JobState>>) -> Html {
    let button = |state: Option<JobState>, word: &'static str, number: usize| {
        let is_pressed = **wanted == state;
        let setter = wanted.setter();
        let onclick = Callback::from(move |_: MouseEvent| setter.set(state));
        html! {
            <button key={word} type="button" aria-pressed={is_pressed.to_string()} {onclick}>
                { format!("{word} {}", grouped(number as u64)) }
            </button>
        }
    };
    let number = |state| jobs.iter().filter(|job| job.state == state).count();
    html! {
        <div class="filters" role="group" aria-label="State">
            { button(None, "all", jobs.len()) }
            { for JobState::ALL.into_iter().filter(|state| number(*state) > 0 || **wanted == Some(*state))
                .map(|state| button(Some(state), state.as_str(), number(state))) }
        </div>
    }
}

/// The columns, and the class of their cells.
const COLUMNS: [(&str, &str); 10] = [
    ("Job", ""),
    ("State", ""),
    ("Text", "text"),
    ("Client", ""),
    ("Submitted", "number"),
    ("Duration", "number"),
    ("Tasks", "progress"),
    ("Output rows", "number"),
    ("Output bytes", "number"),
    ("Retries", "number"),
];

#[derive(PartialEq, Properties)]
struct RowProps {
    job: Same<JobRow>,
    now_s: u64,
}

/// How long a job runs or ran.
pub fn duration(job: &JobRow, now_ms: u64) -> String {
    match job.started_ms {
        Some(started_ms) => span(started_ms, job.ended_ms.unwrap_or(now_ms)),
        None => NONE.to_string(),
    }
}

#[component]
fn Row(props: &RowProps) -> Html {
    let job = &props.job;
    let now_ms = props.now_s * 1_000;
    let tasks = &job.tasks;
    let delivered = format!("{} delivered to the client", grouped(job.delivered_rows));
    html! {
        <tr>
            <th scope="row">{ job_link(job.id) }</th>
            <td><State look={look::job(job.state)} /></td>
            <td class="text">
                <code class="one-line" title={job.text.clone()}>{ job.text.clone() }</code>
                if !job.error.is_empty() {
                    <span class="details one-line" title={job.error.clone()}>{ job.error.clone() }</span>
                }
            </td>
            <td>{ job.client.clone() }</td>
            <td class="number" title={browser::date_and_zone(job.submitted_ms)}>
                { browser::clock_time(job.submitted_ms) }
            </td>
            <td class="number">{ duration(job, now_ms) }</td>
            <td class="progress">
                if tasks.total() > 0 {
                    <StateBar tasks={*tasks} />
                    <span class="details">
                        { format!(
                            "{}\u{202f}% of {}",
                            percent(tasks.done, tasks.total()),
                            grouped(tasks.total())
                        ) }
                    </span>
                } else {
                    { NONE }
                }
            </td>
            <td class="number" title={delivered}>{ grouped(job.rows) }</td>
            <td class="number">{ bytes(job.bytes) }</td>
            <td class="number">{ grouped(job.retries) }</td>
        </tr>
    }
}

fn as_csv(jobs: &[Rc<JobRow>]) -> String {
    let head = [
        "job",
        "state",
        "text",
        "client",
        "submitted_ms",
        "started_ms",
        "ended_ms",
        "tasks",
        "done",
        "failed",
        "rows",
        "bytes",
        "retries",
        "error",
    ];
    let maybe = |ms: Option<u64>| ms.map(|ms| ms.to_string()).unwrap_or_default();
    csv(
        head,
        jobs.iter().map(|job| {
            [
                job.id.0.to_string(),
                job.state.as_str().to_string(),
                job.text.clone(),
                job.client.clone(),
                job.submitted_ms.to_string(),
                maybe(job.started_ms),
                maybe(job.ended_ms),
                job.tasks.total().to_string(),
                job.tasks.done.to_string(),
                job.tasks.failed.to_string(),
                job.rows.to_string(),
                job.bytes.to_string(),
                job.retries.to_string(),
                job.error.clone(),
            ]
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{all_new, busy, told};
    use crate::route::Route;
    use crate::testing::{assert_shows, draw_page, text_of};
    use partita_observe::frame::Update;

    /// Jobs that run stand before those that ended, and each says what came of it.
    #[test]
    fn jobs_are_listed_with_what_came_of_them() {
        let html = draw_page("jobs", &busy(), &Route::Jobs);
        assert_shows(
            &html,
            &[
                "8 jobs",
                "all 8 queued 1 running 3 done 2 failed 1 cancelled 1",
                "job-7 running SELECT n.region",
                "65 % of 18 400",
                "jonas@login1",
                "failed SELECT avg(delay)",
                "the file is 0 bytes long",
                "cancelled by mara@login2",
            ],
        );
        let text = text_of(&html);
        assert!(text.find("job-10") < text.find("job-7"));
        assert!(text.find("job-7 ") < text.find("job-6 "));
    }

    /// Nothing yet, and nothing at all, are two things.
    #[test]
    fn an_empty_list_says_why() {
        let loading = told(vec![Topic::Jobs], Vec::new());
        assert_shows(&draw_page("jobs-loading", &loading, &Route::Jobs), &["Loading…"]);
        let empty = told(vec![Topic::Jobs], vec![Update::Jobs(all_new(Vec::new()))]);
        assert_shows(
            &draw_page("jobs-empty", &empty, &Route::Jobs),
            &["No jobs yet. Send one with `partita sql`."],
        );
    }

    /// A job is found by what people know of it.
    #[test]
    fn jobs_are_found_by_what_is_known() {
        let live = busy();
        let found = |wanted: &str| -> Vec<u32> {
            let jobs = live.jobs.values().filter(|job| matches_text(job, wanted));
            jobs.map(|job| job.id.0).collect()
        };
        assert_eq!(found("ZONAL"), [9]);
        assert_eq!(found("job-7"), [7]);
        assert_eq!(found(" 10 "), [10]);
        assert_eq!(found("0 bytes"), [4]);
        assert_eq!(found("mara@"), [2, 4, 5, 6, 8, 10]);
        assert_eq!(found("").len(), 8);
    }

    /// What is copied has all columns, and texts with commas are quoted.
    #[test]
    fn jobs_are_copied_as_a_table() {
        let jobs: Vec<Rc<JobRow>> = busy().jobs.values().cloned().collect();
        let text = as_csv(&jobs);
        assert!(text.starts_with("job,state,text,"));
        assert!(text.contains("4,failed,\"SELECT avg(delay)"));
    }
}
