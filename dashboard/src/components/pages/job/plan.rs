//! What the tasks of each stage run: its operators with their figures, or its plan.

use crate::components::parts::{Bar, Panel, Part, Same, Status};
use crate::format::{bytes, count, duration_ns, grouped};
use crate::live::Live;
use partita_observe::frame::Topic;
use partita_observe::view::JobView;
use partita_shared::ids::JobId;
use partita_shared::model::OperatorRow;
use yew::prelude::*;

/// Stages whose plans are listed.
const PLANS_MAX: usize = 300;

/// What the panel shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
    /// The job.
    pub id: JobId,
}

/// What the tasks of each stage run.
#[component]
pub fn Plan(props: &Props) -> Html {
    let (live, id) = (&props.live, props.id);
    let text = live.job_texts.get(&id).and_then(|text| text.as_ref());
    let is_empty = text.is_none_or(|text| text.stages.iter().all(|stage| stage.plan.is_empty()));
    let status = Status::of(live.has(Topic::Job(id)), is_empty, "This job has no plan.");
    let has_figures = text.is_some_and(|text| text.operators.iter().any(|rows| !rows.is_empty()));
    let has_ended = live.jobs.get(&id).is_some_and(|job| job.state.is_final());
    let note = if is_empty || (has_ended && !has_figures) {
        ""
    } else if has_figures {
        "rows, CPU time and spilled bytes of each operator, over all tasks"
    } else {
        "figures of its operators come when tasks have ended"
    };
    html! {
        <Panel title="Plan" id="plan" {status} {note}>
            if let Some(text) = text {
                <Plans text={Same::of(text)} />
            }
        </Panel>
    }
}

#[derive(PartialEq, Properties)]
struct PlansProps {
    text: Same<JobView>,
}

#[component]
fn Plans(props: &PlansProps) -> Html {
    let text = &props.text;
    let slowest = text.operators.iter().flatten().map(|row| row.elapsed_ns).max().unwrap_or(0);
    html! {
        <div class="plans">
            { for text.stages.iter().take(PLANS_MAX).enumerate().map(|(index, stage)| {
                let operators = text.operators.get(index).filter(|rows| !rows.is_empty());
                html! {
                    <details key={index} open={index == 0}>
                        <summary>
                            <span class="index">{ index }</span>{ stage.name.clone() }
                        </summary>
                        if let Some(operators) = operators {
                            { table(operators, slowest) }
                        } else {
                            <pre tabindex="0"><code>{ stage.plan.clone() }</code></pre>
                        }
                    </details>
                }
            }) }
        </div>
    }
}

fn table(operators: &[OperatorRow], slowest: u64) -> Html {
    html! {
        <div class="scroll" role="group" aria-label="Operators" tabindex="0">
            <table>
                <thead>
                    <tr>
                        <th scope="col">{ "Operator" }</th>
                        <th scope="col" class="number">{ "Rows" }</th>
                        <th scope="col" class="progress">{ "Share of the slowest" }</th>
                        <th scope="col" class="number">{ "CPU time" }</th>
                        <th scope="col" class="number">{ "Spilled" }</th>
                    </tr>
                </thead>
                <tbody>
                    { for operators.iter().enumerate().map(|(at, row)| operator(at, row, slowest)) }
                </tbody>
            </table>
        </div>
    }
}

fn operator(at: usize, row: &OperatorRow, slowest: u64) -> Html {
    let parts = vec![Part { class: "compute", size: row.elapsed_ns }];
    let time = duration_ns(row.elapsed_ns);
    html! {
        <tr key={at}>
            <td class="operator"><code title={row.line.trim_start().to_string()}>{ row.line.clone() }</code></td>
            <td class="number" title={grouped(row.rows)}>{ count(row.rows) }</td>
            <td class="progress"><Bar {parts} whole={slowest} label={time.clone()} /></td>
            <td class="number">{ time }</td>
            <td class="number">
                { if row.spilled_bytes > 0 { bytes(row.spilled_bytes) } else { "0".to_string() } }
            </td>
        </tr>
    }
}
