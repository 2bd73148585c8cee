//! The table of jobs.

use super::ROWS_SHOWN_STEP;
use super::bar::{Bar, Part};
use crate::browser;
use crate::format::{age, counted, grouped, percent, span};
use crate::model::Frame;
use partita_shared::model::{JobRow, JobState};
use std::cmp::Reverse;
use yew::prelude::*;

/// What the table shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The latest frame.
    pub frame: Frame,
    /// The scheduler's time, in milliseconds since the epoch.
    pub now_ms: u64,
}

/// Glyph and class of a job's state; its word is [`JobState::as_str`].
fn legend(state: JobState) -> (&'static str, &'static str) {
    match state {
        JobState::Queued => ("◔", "ready"),
        JobState::Running => ("▶\u{fe0e}", "running"),
        JobState::Done => ("✔\u{fe0e}", "done"),
        JobState::Failed => ("✖\u{fe0e}", "failed"),
        JobState::Cancelled => ("⊘", "waiting"),
    }
}

/// The table of jobs.
#[component]
pub fn Jobs(props: &Props) -> Html {
    let shown = use_state(|| ROWS_SHOWN_STEP);
    let mut jobs: Vec<&JobRow> = props.frame.jobs.iter().collect();
    jobs.sort_by_key(|job| (job.state.is_final(), Reverse(job.id)));
    let hidden = jobs.len().saturating_sub(*shown);
    let more = {
        let shown = shown.clone();
        Callback::from(move |_: MouseEvent| shown.set(*shown + ROWS_SHOWN_STEP))
    };
    html! {
        <section class="panel" aria-labelledby="jobs">
            <h2 id="jobs">{ "Jobs" }</h2>
            if jobs.is_empty() {
                <p class="empty">
                    { "No job was submitted yet. Send one with " }<code>{ "partita sql" }</code>
                    { "." }
                </p>
            } else {
                <table role="table" class="jobs">
                    { head() }
                    <tbody role="rowgroup">
                        { for jobs.iter().take(*shown).map(|job| row(job, props.now_ms)) }
                    </tbody>
                </table>
            }
            if hidden > 0 {
                <button type="button" onclick={more}>
                    { format!("Show more: {} not shown", counted(hidden as u64, "job", "jobs")) }
                </button>
            }
        </section>
    }
}

fn head() -> Html {
    let column = |name: &'static str, class: &'static str| {
        html! { <th role="columnheader" scope="col" {class}>{ name }</th> }
    };
    html! {
        <thead role="rowgroup">
            <tr role="row">
                { column("Job", "") }
                { column("Text", "") }
                { column("State", "") }
                { column("Progress", "progress") }
                { column("Rows made", "number") }
                { column("Started", "number") }
            </tr>
        </thead>
    }
}

fn row(job: &JobRow, now_ms: u64) -> Html {
    let rows_title = format!("{} delivered to the client", grouped(job.delivered_rows));
    html! {
        <tr role="row" key={job.id.0}>
            <th role="rowheader" scope="row">{ job.id.to_string() }</th>
            <td role="cell" data-label="Text" class="text">
                <span class="clamp" title={job.text.clone()}><code>{ job.text.clone() }</code></span>
                if !job.error.is_empty() {
                    <span class="details clamp" title={job.error.clone()}>{ job.error.clone() }</span>
                }
            </td>
            <td role="cell" data-label="State">{ state(job) }</td>
            <td role="cell" data-label="Progress" class="progress">{ progress(job) }</td>
            <td role="cell" data-label="Rows made" class="number" title={rows_title}>
                { grouped(job.rows) }
            </td>
            <td role="cell" data-label="Started" class="number">{ started(job, now_ms) }</td>
        </tr>
    }
}

fn state(job: &JobRow) -> Html {
    let (glyph, class) = legend(job.state);
    html! {
        <span class={classes!("state", class)}>
            <span class="glyph" aria-hidden="true">{ glyph }</span>{ job.state.as_str() }
        </span>
    }
}

fn progress(job: &JobRow) -> Html {
    let tasks = &job.tasks;
    let total = tasks.total();
    let percent = percent(tasks.done, total);
    let parts = [
        Part { class: "done", size: tasks.done },
        Part { class: "running", size: tasks.running },
        Part { class: "failed", size: tasks.failed },
    ];
    let label = format!("{} of {} tasks done", grouped(tasks.done), grouped(total));
    html! {
        <>
            <Bar parts={parts.to_vec()} whole={total} label={label.clone()} />
            <span class="details" title={label}>
                { format!("{percent} % · {} / {} tasks", grouped(tasks.done), grouped(total)) }
                if job.retries > 0 {
                    { format!(" · {} started again", grouped(job.retries)) }
                }
            </span>
        </>
    }
}

fn started(job: &JobRow, now_ms: u64) -> Html {
    let Some(started_ms) = job.started_ms else {
        return html! { "not yet" };
    };
    let took = match job.ended_ms {
        Some(ended_ms) => format!("took {}", span(started_ms, ended_ms)),
        None => "still going".to_string(),
    };
    html! {
        <>
            <span title={browser::date_and_zone(started_ms)}>
                { format!("{} ago", age(now_ms, started_ms)) }
            </span>
            <span class="details">{ took }</span>
        </>
    }
}
