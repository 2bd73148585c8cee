//! Slots over time.

use crate::charts;
use crate::components::parts::{Panel, Same, job_link};
use crate::live::{Live, use_topics};
use crate::order::sort_by_key;
use crate::route::Route;
use partita_observe::frame::Topic;
use partita_observe::view::{TimelineView, TimelineWindow};
use partita_shared::ids::JobId;
use std::cmp::Reverse;
use wasm_bindgen::JsCast;
use web_sys::HtmlSelectElement;
use yew::prelude::*;

/// Jobs whose stages are named: those with bars in the window that took the most time.
const JOBS_NAMED_MAX: usize = 8;
/// Characters of a job's text in the choice of jobs.
const JOB_TEXT_CHARS: usize = 48;

/// What the page shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
    /// Only this job.
    pub job: Option<JobId>,
}

/// Slots over time.
#[component]
pub fn Timeline(props: &Props) -> Html {
    let Props { live, job } = props;
    let window = use_state(|| None::<TimelineWindow>);
    // What came for another page, or for another job, is not what is asked for here.
    let came = live.timeline.as_ref().filter(|(window, _)| window.job == *job);
    let view = came.map(|(_, view)| Same::of(view));
    let jobs = use_memo(view.clone(), jobs_seen);
    use_topics(live, "timeline", topics(*window, &jobs));
    let on_window = {
        let window = window.setter();
        use_callback((), move |asked: TimelineWindow, ()| window.set(Some(asked)))
    };
    let is_idle = live.workers.is_empty() && live.has(Topic::Workers);
    let no_lanes = view.as_ref().is_none_or(|view| view.lanes_total == 0);
    html! {
        <>
            <h1 class="offscreen">{ "Timeline" }</h1>
            <Panel id="timeline" title="Slots over time" class="flush" tools={choice(live, *job)}>
                if let Some(job) = job {
                    <p class="hint pad">{ "Tasks of " }{ job_link(*job) }{ " alone." }</p>
                }
                if is_idle && no_lanes {
                    <p class="empty">
                        { "No workers are connected. Start one with " }<code>{ "partita worker" }</code>{ "." }
                    </p>
                }
                <charts::Timeline live={live.clone()} {view} job={*job} {on_window} />
            </Panel>
        </>
    }
}

fn topics(window: Option<TimelineWindow>, jobs: &[JobId]) -> Vec<Topic> {
    let window = window.map(Topic::Timeline);
    window.into_iter().chain(jobs.iter().copied().map(Topic::Stages)).collect()
}

/// The jobs whose stages are named.
fn jobs_seen(view: &Option<Same<TimelineView>>) -> Vec<JobId> {
    let busy = view.as_ref().map(|view| charts::busy_by_stage(view)).unwrap_or_default();
    let mut stages: Vec<(u64, JobId)> =
        busy.into_iter().map(|(stage, us)| (us, stage.job)).collect();
    sort_by_key(&mut stages, |stage| Reverse(*stage));
    let mut jobs = Vec::new();
    for (_, job) in stages {
        if jobs.len() < JOBS_NAMED_MAX && !jobs.contains(&job) {
            jobs.push(job);
        }
    }
    // In one order, however the times change.
    sort_by_key(&mut jobs, |job| *job);
    jobs
}

/// All jobs or one of them.
fn choice(live: &Live, job: Option<JobId>) -> Html {
    let act = live.actor();
    let onchange = Callback::from(move |event: Event| {
        let chosen = event.target().and_then(|target| target.dyn_into::<HtmlSelectElement>().ok());
        let job = chosen.and_then(|chosen| chosen.value().parse().ok());
        act.emit(crate::live::Act::Go(Route::Timeline(job)));
    });
    let option = |id: JobId, text: &str| {
        let text = crate::format::middle(text, JOB_TEXT_CHARS);
        html! {
            <option key={id.0} value={id.0.to_string()} selected={job == Some(id)}>
                { format!("{id}: {text}") }
            </option>
        }
    };
    html! {
        <span class="filters">
        <select aria-label="Job" {onchange}>
            <option value="" selected={job.is_none()}>{ "all jobs" }</option>
            { for live.jobs.values().rev().map(|row| option(row.id, &row.text)) }
        </select>
        </span>
    }
}
