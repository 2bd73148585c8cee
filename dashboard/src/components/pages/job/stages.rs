//! The stages of a job as a table: how far each is, and how its tasks differ.

use crate::components::parts::{
    Panel, Quantiles, Same, StateBar, Status, Unit, icon, stage_link, table_head,
};
use crate::format::{NONE, bytes, counted, csv, grouped, percent, time_left};
use crate::live::Live;
use partita_observe::frame::Topic;
use partita_observe::view::{Quartiles, StageView};
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

/// The stages of a job as a table.
#[component]
pub fn Stages(props: &Props) -> Html {
    let (live, id) = (&props.live, props.id);
    let stages: Vec<&Rc<StageView>> =
        live.stages.get(&id).map(|stages| stages.values().collect()).unwrap_or_default();
    let has_come = live.has(Topic::Stages(id));
    let status = Status::of(has_come, stages.is_empty(), "This job has no stages.");
    let csv = {
        let rows: Vec<Rc<StageView>> = stages.iter().map(|stage| (*stage).clone()).collect();
        Callback::from(move |()| as_csv(&rows))
    };
    let note = format!(
        "{}; smallest, median and largest task of each",
        counted(stages.len() as u64, "stage", "stages")
    );
    html! {
        <Panel title="Tasks by stage" id="stages" {status} {csv} {note}>
            <div class="scroll" role="group" aria-label="Tasks by stage" tabindex="0">
                <table class="wide">
                    { table_head(&COLUMNS) }
                    <tbody>
                        { for stages.into_iter().map(|stage| html! {
                            <Row key={stage.id.index} stage={Same::of(stage)} />
                        }) }
                    </tbody>
                </table>
            </div>
        </Panel>
    }
}

/// The columns, and the class of their cells.
const COLUMNS: [(&str, &str); 9] = [
    ("Stage", ""),
    ("Tasks", "progress"),
    ("Left", "number"),
    ("Time per task", ""),
    ("Rows per task", ""),
    ("Bytes per task", ""),
    ("Rows", "number"),
    ("Stored", "number"),
    ("Failures", "number"),
];

#[derive(PartialEq, Properties)]
struct RowProps {
    stage: Same<StageView>,
}

#[component]
fn Row(props: &RowProps) -> Html {
    let stage = &props.stage;
    let tasks = &stage.tasks;
    let left = match stage.left {
        Some(_) => time_left(stage.left),
        None if tasks.done == tasks.total() => "done".to_string(),
        None => NONE.to_string(),
    };
    let held =
        format!("{} of it in {} partitions", bytes(stage.held_bytes), grouped(stage.held.into()));
    html! {
        <tr>
            <th scope="row">
                <span class="index">{ stage.id.index }</span>{ stage_link(stage.id, &stage.name) }
            </th>
            <td class="progress">
                <StateBar tasks={*tasks} />
                <span class="details">
                    { format!("{}\u{202f}% of {}", percent(tasks.done, tasks.total()), grouped(tasks.total())) }
                </span>
            </td>
            <td class="number">{ left }</td>
            <td>{ quantiles(stage.time_us, Unit::Us) }</td>
            <td>{ quantiles(stage.task_rows, Unit::Count) }</td>
            <td>{ quantiles(stage.task_bytes, Unit::Bytes) }</td>
            <td class="number">{ grouped(stage.rows) }</td>
            <td class="number" title={held}>{ bytes(stage.held_bytes) }</td>
            <td class="number">
                if stage.failures > 0 {
                    <span class="state failed">
                        <span class="glyph">{ icon("✖") }</span>
                        { grouped(stage.failures) }
                    </span>
                } else {
                    { "0" }
                }
            </td>
        </tr>
    }
}

fn quantiles(of: Quartiles, unit: Unit) -> Html {
    if of == Quartiles::default() {
        return html! { <span class="details">{ NONE }</span> };
    }
    html! { <Quantiles {of} {unit} /> }
}

fn as_csv(stages: &[Rc<StageView>]) -> String {
    let head = [
        "stage",
        "name",
        "tasks",
        "done",
        "running",
        "failed",
        "failures",
        "rows",
        "bytes",
        "busy_us",
        "transfer_us",
        "disk_us",
        "time_min_us",
        "time_q1_us",
        "time_median_us",
        "time_q3_us",
        "time_max_us",
    ];
    csv(
        head,
        stages.iter().map(|stage| {
            let figures = [
                stage.tasks.total(),
                stage.tasks.done,
                stage.tasks.running,
                stage.tasks.failed,
                stage.failures,
                stage.rows,
                stage.bytes,
                stage.busy_us,
                stage.transfer_us,
                stage.disk_us,
                stage.time_us.min,
                stage.time_us.q1,
                stage.time_us.median,
                stage.time_us.q3,
                stage.time_us.max,
            ];
            std::array::from_fn(|column| match column {
                0 => stage.id.index.to_string(),
                1 => stage.name.clone(),
                figure => figures[figure - 2].to_string(),
            })
        }),
    )
}
