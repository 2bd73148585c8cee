//! The groups of a job as a table: how far each is, and how its tasks differ.

use crate::components::parts::{
    Panel, Quantiles, Same, StateBar, Status, Unit, group_link, table_head,
};
use crate::format::{NONE, bytes, counted, csv, duration_ms, grouped, percent};
use crate::live::Live;
use partita_observe::frame::Topic;
use partita_observe::view::{GroupView, Quartiles};
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

/// The groups of a job as a table.
#[component]
pub fn Groups(props: &Props) -> Html {
    let (live, id) = (&props.live, props.id);
    let groups: Vec<&Rc<GroupView>> =
        live.groups.get(&id).map(|groups| groups.values().collect()).unwrap_or_default();
    let has_come = live.has(Topic::Groups(id));
    let status = Status::of(has_come, groups.is_empty(), "This job has no groups.");
    let csv = {
        let rows: Vec<Rc<GroupView>> = groups.iter().map(|group| (*group).clone()).collect();
        Callback::from(move |()| as_csv(&rows))
    };
    let note = format!(
        "{}; smallest, median and largest task of each",
        counted(groups.len() as u64, "group", "groups")
    );
    html! {
        <Panel title="Tasks by group" id="groups" {status} {csv} {note}>
            <div class="scroll" role="group" aria-label="Tasks by group" tabindex="0">
                <table class="wide">
                    { table_head(&COLUMNS) }
                    <tbody>
                        { for groups.into_iter().map(|group| html! {
                            <Row key={group.id.index} group={Same::of(group)} />
                        }) }
                    </tbody>
                </table>
            </div>
        </Panel>
    }
}

/// The columns, and the class of their cells.
const COLUMNS: [(&str, &str); 9] = [
    ("Group", ""),
    ("Tasks", "progress"),
    ("Left", "number"),
    ("Time per task", ""),
    ("Rows per task", ""),
    ("Bytes per task", ""),
    ("Rows", "number"),
    ("Held", "number"),
    ("Failures", "number"),
];

#[derive(PartialEq, Properties)]
struct RowProps {
    group: Same<GroupView>,
}

#[component]
fn Row(props: &RowProps) -> Html {
    let group = &props.group;
    let tasks = &group.tasks;
    let left = match group.left_ms {
        Some(left_ms) => duration_ms(left_ms),
        None if tasks.done == tasks.total() => "done".to_string(),
        None => NONE.to_string(),
    };
    let held =
        format!("{} of it in {} partitions", bytes(group.held_bytes), grouped(group.held.into()));
    html! {
        <tr>
            <th scope="row">
                <span class="index">{ group.id.index }</span>{ group_link(group.id, &group.name) }
            </th>
            <td class="progress">
                <StateBar tasks={*tasks} />
                <span class="details">
                    { format!("{}\u{202f}% of {}", percent(tasks.done, tasks.total()), grouped(tasks.total())) }
                </span>
            </td>
            <td class="number">{ left }</td>
            <td>{ quantiles(group.time_us, Unit::Us) }</td>
            <td>{ quantiles(group.task_rows, Unit::Count) }</td>
            <td>{ quantiles(group.task_bytes, Unit::Bytes) }</td>
            <td class="number">{ grouped(group.rows) }</td>
            <td class="number" title={held}>{ bytes(group.held_bytes) }</td>
            <td class="number">
                if group.failures > 0 {
                    <span class="state failed">
                        <span class="glyph" aria-hidden="true">{ "✖\u{fe0e}" }</span>
                        { grouped(group.failures) }
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

fn as_csv(groups: &[Rc<GroupView>]) -> String {
    let head = [
        "group",
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
        groups.iter().map(|group| {
            let figures = [
                group.tasks.total(),
                group.tasks.done,
                group.tasks.running,
                group.tasks.failed,
                group.failures,
                group.rows,
                group.bytes,
                group.busy_us,
                group.transfer_us,
                group.disk_us,
                group.time_us.min,
                group.time_us.q1,
                group.time_us.median,
                group.time_us.q3,
                group.time_us.max,
            ];
            std::array::from_fn(|column| match column {
                0 => group.id.index.to_string(),
                1 => group.name.clone(),
                figure => figures[figure - 2].to_string(),
            })
        }),
    )
}
