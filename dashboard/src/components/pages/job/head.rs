//! A summary of a job.

use crate::browser;
use crate::components::pages::jobs::duration;
use crate::components::pages::overview::job_left;
use crate::components::parts::{Age, Confirm, State, StateBar, job_link, look};
use crate::format::{NONE, bytes, counted, grouped, percent, time_left};
use crate::live::Live;
use crate::route::{Route, TaskFilter};
use partita_observe::view::is_under_way;
use partita_shared::ids::JobId;
use partita_shared::model::{JobRow, JobState};
use yew::prelude::*;

/// What the head shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
    /// The job.
    pub id: JobId,
}

/// A summary of a job, its error, and the button that cancels it.
#[component]
pub fn Head(props: &Props) -> Html {
    let (live, id) = (&props.live, props.id);
    let Some(job) = live.jobs.get(&id) else {
        return html! {
            <section class="strip">
                <div class="title"><h1>{ id.to_string() }</h1></div>
                <p class="empty loading" role="status">{ "Loading…" }</p>
            </section>
        };
    };
    let can_be_cancelled = is_under_way(job.state);
    html! {
        <section class="strip" aria-label="Summary of the job">
            <div class="title">
                <h1>{ id.to_string() }</h1>
                <State look={look::job(job.state)} />
                <span class="details">
                    { format!("{} · ", job.client) }
                    <Age at_ms={job.submitted_ms} now_ms={live.now_ms} />
                </span>
                <span class="links">
                    <a href={Route::Tasks(TaskFilter::of_job(id)).to_string()}>{ "tasks" }</a>
                    <a href={Route::Timeline(Some(id)).to_string()}>{ "timeline" }</a>
                    if job.state == JobState::Persisted {
                        <a href={Route::Tables(Some(id)).to_string()}>{ "table" }</a>
                    }
                </span>
                if can_be_cancelled {
                    <Confirm live={live.clone()} name="Cancel"
                        question={format!("Cancel {id}? Its results so far are lost.")}
                        yes="Cancel the job" no="Keep it" sent="Cancelling…"
                        path={format!("jobs/{}/cancel", id.0)} />
                }
            </div>
            { again(live, id) }
            { progress(live, job) }
            if !job.error.is_empty() {
                <p class="error" role="status">{ whole_error(live, job) }</p>
            }
            { figures(job, live.now_ms) }
        </section>
    }
}

/// A statement that ran out of memory has two jobs, each of which leads to the other.
fn again(live: &Live, id: JobId) -> Html {
    let Some(text) = live.job_texts.get(&id).and_then(Option::as_ref) else {
        return Html::default();
    };
    let (before, other, after) = match (text.again_for, text.again_as) {
        (Some(first), _) => ("low-memory mode, after ", first, " ran out of memory"),
        (_, Some(again)) => ("runs again as ", again, " in low-memory mode"),
        _ => return Html::default(),
    };
    html! { <p class="pad remedy">{ before }{ job_link(other) }{ after }</p> }
}

/// The row's error may be cut, as its text may.
fn whole_error(live: &Live, job: &JobRow) -> String {
    let text = live.job_texts.get(&job.id).and_then(|text| text.as_ref());
    text.map(|text| &text.error).filter(|e| !e.is_empty()).unwrap_or(&job.error).clone()
}

fn progress(live: &Live, job: &JobRow) -> Html {
    let tasks = &job.tasks;
    let left = match job.state {
        JobState::Running => format!(" · time left {}", time_left(job_left(live, job.id))),
        _ => String::new(),
    };
    if tasks.total() == 0 {
        return Html::default();
    }
    html! {
        <div class="job-progress">
            <StateBar tasks={*tasks} />
            <p>
                <b>{ format!("{}\u{202f}%", percent(tasks.done, tasks.total())) }</b>
                { format!(
                    " · {} of {} done",
                    grouped(tasks.done),
                    counted(tasks.total(), "task", "tasks")
                ) }
                { left }
            </p>
        </div>
    }
}

fn figures(job: &JobRow, now_ms: u64) -> Html {
    let figure = |name: &'static str, value: String, title: String| {
        html! { <div key={name} class="total" {title}><dt>{ name }</dt><dd>{ value }</dd></div> }
    };
    let plain = |name, value| figure(name, value, String::new());
    let started = match job.started_ms {
        Some(started_ms) => browser::clock_time(started_ms),
        None => NONE.to_string(),
    };
    let when = job.started_ms.map(browser::date_and_zone).unwrap_or_default();
    html! {
        <dl class="totals">
            { figure("started", started, when) }
            { plain("duration", duration(job, now_ms)) }
            { figure("output rows", grouped(job.rows), "Rows that the tasks of all stages made.".into()) }
            { figure("output bytes", bytes(job.bytes), "Bytes that the tasks of all stages made.".into()) }
            { figure(
                "rows delivered",
                grouped(job.delivered_rows),
                "Rows of the result that the client has read.".into(),
            ) }
            { figure(
                "retries",
                grouped(job.retries),
                format!("Tasks that were started again. Priority {}.", job.priority),
            ) }
        </dl>
    }
}
