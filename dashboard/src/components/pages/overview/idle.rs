//! What the overview shows while nothing runs.

use crate::components::parts::{Age, CopyButton, Panel, State, job_link, look};
use crate::format::{NONE, counted, span};
use crate::live::Live;
use crate::order;
use crate::route::Route;
use partita_shared::model::JobRow;
use std::cmp::Reverse;
use yew::prelude::*;

/// Ended jobs that are listed.
const RECENT_MAX: usize = 10;

/// What the panels show.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
}

/// The jobs that ended last.
#[component]
pub fn Recent(props: &Props) -> Html {
    let live = &props.live;
    let mut jobs: Vec<&JobRow> = live.jobs.values().map(|job| &**job).collect();
    order::sort_by_key(&mut jobs, |job| Reverse((job.ended_ms, job.id)));
    let total = counted(jobs.len() as u64, "job has ended", "jobs have ended");
    html! {
        <Panel title="Recently ended" id="recent" note={format!("no jobs are running; {total}")}
            tools={html! { <a href={Route::Jobs.to_string()}>{ "all jobs" }</a> }}>
            <ul class="list">
                { for jobs.into_iter().take(RECENT_MAX).map(|job| recent(live, job)) }
            </ul>
        </Panel>
    }
}

fn recent(live: &Live, job: &JobRow) -> Html {
    let duration = match (job.started_ms, job.ended_ms) {
        (Some(started_ms), Some(ended_ms)) => span(started_ms, ended_ms),
        _ => NONE.to_string(),
    };
    html! {
        <li class="job" key={job.id.0}>
            <p class="job-head">
                { job_link(job.id) }
                <code class="one-line" title={job.text.clone()}>{ job.text.clone() }</code>
                <span class="left">{ duration }</span>
            </p>
            <p class="details">
                <State look={look::job(job.state)} />
                if let Some(ended_ms) = job.ended_ms {
                    { " " }<Age at_ms={ended_ms} now_ms={live.now_ms} />
                }
                if !job.error.is_empty() {
                    { format!(" · {}", job.error) }
                }
            </p>
        </li>
    }
}

/// The first query that is suggested: it needs no data.
const FIRST_QUERY: &str =
    "partita sql \"select count(*), avg(value) from generate_series(1, 10000000)\"";

/// How to begin, as long as nothing was submitted.
#[component]
pub fn FirstQuery(props: &Props) -> Html {
    let workers = props.live.cluster.as_ref().map_or(0, |cluster| cluster.row.workers);
    html! {
        <Panel title="No jobs yet" id="first">
            <div class="first">
                if workers == 0 {
                    <p>
                        { "The scheduler is running, and no workers are connected. Start some, on \
                           this machine or in a job script:" }
                    </p>
                    { command("partita worker --nworkers 4") }
                    <p>{ "Then send a first query:" }</p>
                } else {
                    <p>
                        { format!("{} ready. Send a first query:",
                            counted(workers.into(), "worker is", "workers are")) }
                    </p>
                }
                { command(FIRST_QUERY) }
                <p class="details">
                    { "Any Flight SQL client can connect too. Its progress shows here at once." }
                </p>
            </div>
        </Panel>
    }
}

fn command(text: &'static str) -> Html {
    let copied = Callback::from(move |()| text.to_string());
    html! {
        <div class="command">
            <pre><code>{ text }</code></pre>
            <CopyButton label="copy" text={copied} />
        </div>
    }
}
