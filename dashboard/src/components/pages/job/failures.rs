//! Attempts that failed or were lost, and why.

use crate::components::parts::{Age, Panel, State, Status, look, task_link, worker_link};
use crate::format::{csv, duration_us};
use crate::live::Live;
use crate::route::task_key;
use partita_observe::frame::Topic;
use partita_observe::view::{AttemptView, FAILURES_MAX};
use partita_shared::ids::JobId;
use std::rc::Rc;
use yew::prelude::*;

/// What the table shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
    /// The job.
    pub id: JobId,
}

/// Attempts that failed or were lost, the latest first.
#[component]
pub fn Failures(props: &Props) -> Html {
    let (live, id) = (&props.live, props.id);
    let text = live.job_texts.get(&id).and_then(|text| text.as_ref());
    let failures = text.map(|text| text.failures.as_slice()).unwrap_or_default();
    let has_come = live.has(Topic::Job(id));
    let status = Status::of(has_come, failures.is_empty(), "No attempt has failed.");
    let note = match failures.len() {
        0 => String::new(),
        FAILURES_MAX.. => format!("the latest {FAILURES_MAX}"),
        number => number.to_string(),
    };
    let csv = text.map(|text| {
        let text = Rc::clone(text);
        Callback::from(move |()| as_csv(&text.failures))
    });
    html! {
        <Panel title="Failed attempts" id="failures" {status} {note} {csv}>
            <div class="scroll" role="group" aria-label="Failed attempts" tabindex="0">
                <table class="attempts">
                    <thead>
                        <tr>
                            <th scope="col">{ "Task" }</th>
                            <th scope="col" class="number">{ "Attempt" }</th>
                            <th scope="col">{ "Worker" }</th>
                            <th scope="col">{ "Result" }</th>
                            <th scope="col">{ "Cause" }</th>
                            <th scope="col" class="number">{ "After" }</th>
                            <th scope="col" class="number">{ "When" }</th>
                        </tr>
                    </thead>
                    <tbody>{ for failures.iter().map(|attempt| row(live, attempt)) }</tbody>
                </table>
            </div>
        </Panel>
    }
}

/// When an attempt ended.
fn ended_ms(attempt: &AttemptView) -> u64 {
    attempt.started_ms + attempt.busy_us / 1_000
}

fn row(live: &Live, attempt: &AttemptView) -> Html {
    html! {
        <tr key={format!("{} {}", task_key(attempt.task), attempt.attempt)}>
            <th scope="row">{ task_link(attempt.task) }</th>
            <td class="number">{ attempt.attempt }</td>
            <td>{ worker_link(live, attempt.worker) }</td>
            <td><State look={look::ending(attempt.ending)} /></td>
            <td class="cause">{ attempt.error.clone() }</td>
            <td class="number">{ duration_us(attempt.busy_us) }</td>
            <td class="number"><Age at_ms={ended_ms(attempt)} now_ms={live.now_ms} /></td>
        </tr>
    }
}

fn as_csv(failures: &[AttemptView]) -> String {
    csv(
        ["task", "attempt", "worker", "ending", "ended_ms", "busy_us", "error"],
        failures.iter().map(|attempt| {
            [
                task_key(attempt.task),
                attempt.attempt.to_string(),
                attempt.worker.0.to_string(),
                look::ending(attempt.ending).word.to_string(),
                ended_ms(attempt).to_string(),
                attempt.busy_us.to_string(),
                attempt.error.clone(),
            ]
        }),
    )
}
