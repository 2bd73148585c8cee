//! Where the memory goes.

use crate::charts::{self, Column, Grid, Matrix, Sort, Table, natural, task_number};
use crate::components::parts::{Bar, MemoryUse, Panel, Part, Same, Status, stage_link, task_link};
use crate::format::{NONE, bytes, grouped};
use crate::live::Live;
use crate::route::{Route, TaskFilter, task_key};
use partita_observe::frame::{Source, Topic};
use partita_observe::view::{DataView, PartitionView, StageData};
use partita_shared::ids::{StageId, WorkerId};
use partita_shared::model::WorkerRow;
use std::collections::BTreeMap;
use std::rc::Rc;
use yew::prelude::*;

/// What the page shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
}

/// Where the memory goes.
#[component]
pub fn Data(props: &Props) -> Html {
    let live = &props.live;
    let workers = Same::of(&live.workers);
    let data = live.data.as_ref().filter(|_| live.has(Topic::Data)).map(Same::of);
    let tables = use_memo((data.clone(), workers.clone()), |(data, workers)| {
        let data = data.as_ref()?;
        Some(Tables { stages: stages_table(data), largest: largest_table(data, workers) })
    });
    let by_worker = use_memo(workers.clone(), |workers| workers_table(workers));
    let has = data.is_some();
    let empty = |is_empty: fn(&DataView) -> bool| data.as_ref().is_none_or(|data| is_empty(data));
    let stages =
        Status::of(has, empty(|data| data.stages.is_empty()), "No stage holds a partition.");
    // Workers tell of their partitions when someone begins to look.
    let will_be_told = live.source() == Source::Live
        && workers.values().any(|row| super::workers::is_there(row))
        && empty(|data| !data.is_told);
    let largest = Status::of(
        has && !will_be_told,
        empty(|data| data.largest.is_empty()),
        "No worker has reported a partition yet.",
    );
    let hosts = Status::of(
        has,
        empty(|data| data.hosts.is_empty()),
        "No worker has read a partition from another yet.",
    );
    let there = Status::of(
        live.has(Topic::Workers),
        workers.is_empty(),
        "No workers are connected. Start one with `partita worker`.",
    );
    html! {
        <>
            <h1 class="offscreen">{ "Data" }</h1>
            { totals(&workers) }
            <div class="columns">
                <Panel id="data-stages" title="Memory by stage" class="flush" status={stages}>
                    if let Some(tables) = &*tables {
                        <Table source={tables.stages.clone()} id="by-stage" label="Memory by stage"
                            sort={Some(Sort { column: 2, is_descending: true })} />
                    }
                </Panel>
                <Panel id="data-workers" title="Memory by worker" class="flush" status={there}>
                    <Table source={(*by_worker).clone()} id="by-worker" label="Memory by worker"
                        sort={Some(Sort { column: 1, is_descending: true })} />
                </Panel>
            </div>
            <div class="columns">
                <Panel id="data-largest" title="Largest partitions" class="flush" status={largest}>
                    if let Some(tables) = &*tables {
                        <Table source={tables.largest.clone()} id="largest" label="Largest partitions"
                            sort={Some(Sort { column: 2, is_descending: true })} />
                    }
                </Panel>
                <Panel id="data-hosts" title="Read between hosts" status={hosts}>
                    if let Some(data) = data {
                        <Matrix {data} now_s={live.now_ms / 1_000} />
                    }
                </Panel>
            </div>
        </>
    }
}

struct Tables {
    stages: Same<dyn charts::Source>,
    largest: Same<dyn charts::Source>,
}

/// What all workers hold together, as one bar.
fn totals(workers: &BTreeMap<WorkerId, Rc<WorkerRow>>) -> Html {
    let there = || workers.values().filter(|row| super::workers::is_there(row));
    let sum =
        |of: fn(&WorkerRow) -> u64| there().map(|row| of(row)).fold(0_u64, u64::saturating_add);
    let mut memory = MemoryUse::default();
    there().for_each(|row| memory.add(&MemoryUse::of(row)));
    if memory.limit == 0 {
        return Html::default();
    }
    let spilled = sum(|row| row.metrics.spilled_bytes);
    html! {
        <Panel id="data-all" title="Memory of all workers"
            note={format!("{}\u{202f}% of {}", memory.percent(), bytes(memory.limit))}>
            <div class="pad thick">{ memory.bar() }</div>
            <dl class="legend facts">{ memory.legend(spilled) }</dl>
        </Panel>
    }
}

/// A stage that holds something, as a row.
struct StageLine {
    id: StageId,
    name: String,
    partitions: u32,
    bytes: u64,
    split: Option<(u64, u64)>,
    most: u64,
}

const STAGE_COLUMNS: &[Column<StageLine>] = &[
    Column::<StageLine>::new(
        "Stage",
        "wide",
        |line| stage_link(line.id, &line.name),
        |line| line.name.clone(),
    )
    .by(|one, other| one.name.cmp(&other.name)),
    Column::<StageLine>::new(
        "Job",
        "w5 p2",
        |line| line.id.job.to_string().into(),
        |line| line.id.job.to_string(),
    )
    .by(|one, other| one.id.cmp(&other.id)),
    Column::<StageLine>::new("Bytes", "w10 number bar-cell", split_bar, |line| {
        line.bytes.to_string()
    })
    .by(|one, other| one.bytes.cmp(&other.bytes)),
    Column::<StageLine>::new(
        "Memory",
        "w5 number",
        |line| part_of(line, |split| split.0).into(),
        |line| line.split.map(|split| split.0.to_string()).unwrap_or_default(),
    )
    .by(|one, other| one.split.map(|split| split.0).cmp(&other.split.map(|split| split.0))),
    Column::<StageLine>::new(
        "Disk",
        "w5 number",
        |line| part_of(line, |split| split.1).into(),
        |line| line.split.map(|split| split.1.to_string()).unwrap_or_default(),
    )
    .by(|one, other| one.split.map(|split| split.1).cmp(&other.split.map(|split| split.1))),
    Column::<StageLine>::new(
        "Partitions",
        "w5 number",
        |line| grouped(line.partitions.into()).into(),
        |line| line.partitions.to_string(),
    )
    .by(|one, other| one.partitions.cmp(&other.partitions)),
];

/// A bar that is whole for the largest, and the bytes. What was spilled is apart from what is in
/// memory as soon as the workers have told of each partition.
fn split_bar(line: &StageLine) -> Html {
    let text = bytes(line.bytes);
    let (parts, label) = match line.split {
        Some((memory, disk)) => {
            // What is on disk takes another size there than in memory.
            let stored = memory.min(line.bytes);
            let parts = vec![
                Part { class: "stored", size: stored },
                Part { class: "spilled", size: if disk > 0 { line.bytes - stored } else { 0 } },
            ];
            (parts, format!("{text}: {} in memory, {} on disk", bytes(memory), bytes(disk)))
        }
        None => (vec![Part { class: "resident", size: line.bytes }], text.clone()),
    };
    html! {
        <span class="with-bar"><Bar {parts} whole={line.most} {label} /><span>{ text }</span></span>
    }
}

/// Bytes in memory or on disk, if the workers have told of each partition.
fn part_of(line: &StageLine, of: fn((u64, u64)) -> u64) -> String {
    line.split.map_or(NONE.to_string(), |split| bytes(of(split)))
}

fn stages_table(data: &DataView) -> Same<dyn charts::Source> {
    let most = data.stages.iter().map(|stage| stage.bytes).max().unwrap_or(0);
    let line = |stage: &StageData| StageLine {
        id: stage.id,
        name: stage.name.clone(),
        partitions: stage.partitions,
        bytes: stage.bytes,
        split: stage.split,
        most,
    };
    Grid {
        rows: data.stages.iter().map(line).collect(),
        columns: STAGE_COLUMNS,
        key: |line| u128::from(line.id.job.0) << 32 | u128::from(line.id.index),
        class: |_| "",
        address: |line| Some(Route::Tasks(TaskFilter::of_stage(line.id)).to_string()),
    }
    .share()
}

const WORKER_COLUMNS: &[Column<Rc<WorkerRow>>] = &[
    Column::<Rc<WorkerRow>>::new(
        "Worker",
        "w8",
        |row| html! { <a href={Route::Worker(row.id).to_string()} tabindex="-1">{ row.name.clone() }</a> },
        |row| row.name.clone(),
    )
    .by(|one, other| natural(&one.name).cmp(natural(&other.name))),
    Column::<Rc<WorkerRow>>::new(
        "Memory, % of limit",
        "w10 number bar-cell",
        |row| MemoryUse::of(row).cell(),
        |row| row.metrics.resident_bytes.to_string(),
    )
    .by(|one, other| MemoryUse::of(one).percent().cmp(&MemoryUse::of(other).percent()))
    .hint("Memory of the process: stored partitions (full), operators (low) and the rest (outline)"),
    Column::<Rc<WorkerRow>>::new("Stored", "w5 number", |row| bytes(row.metrics.stored_bytes).into(), |row| {
        row.metrics.stored_bytes.to_string()
    })
    .by(|one, other| one.metrics.stored_bytes.cmp(&other.metrics.stored_bytes)),
    Column::<Rc<WorkerRow>>::new("Spilled", "w5 number p2", |row| bytes(row.metrics.spilled_bytes).into(), |row| {
        row.metrics.spilled_bytes.to_string()
    })
    .by(|one, other| one.metrics.spilled_bytes.cmp(&other.metrics.spilled_bytes)),
];

fn workers_table(workers: &BTreeMap<WorkerId, Rc<WorkerRow>>) -> Same<dyn charts::Source> {
    let there = workers.values().filter(|row| super::workers::is_there(row));
    Grid {
        rows: there.cloned().collect(),
        columns: WORKER_COLUMNS,
        key: |row| row.id.0.into(),
        class: |_| "",
        address: |row| Some(Route::Worker(row.id).to_string()),
    }
    .share()
}

/// A partition and where it is, as a row.
struct PartitionLine {
    part: PartitionView,
    worker: String,
}

const PARTITION_COLUMNS: &[Column<PartitionLine>] = &[
    Column::<PartitionLine>::new("Output of", "w7", |line| task_link(line.part.task), |line| {
        task_key(line.part.task)
    })
    .by(|one, other| one.part.task.cmp(&other.part.task)),
    Column::<PartitionLine>::new(
        "Worker",
        "w7",
        |line| html! { <a href={Route::Worker(line.part.worker).to_string()} tabindex="-1">{ line.worker.clone() }</a> },
        |line| line.worker.clone(),
    )
    .by(|one, other| natural(&one.worker).cmp(natural(&other.worker))),
    Column::<PartitionLine>::new("In memory", "w6 number", |line| bytes(line.part.memory_bytes).into(), |line| {
        line.part.memory_bytes.to_string()
    })
    .by(|one, other| one.part.memory_bytes.cmp(&other.part.memory_bytes)),
    Column::<PartitionLine>::new("On disk", "w6 number", |line| bytes(line.part.disk_bytes).into(), |line| {
        line.part.disk_bytes.to_string()
    })
    .by(|one, other| one.part.disk_bytes.cmp(&other.part.disk_bytes)),
];

fn largest_table(
    data: &DataView,
    workers: &BTreeMap<WorkerId, Rc<WorkerRow>>,
) -> Same<dyn charts::Source> {
    let name =
        |id: WorkerId| workers.get(&id).map_or_else(|| id.to_string(), |row| row.name.clone());
    let line = |part: &PartitionView| PartitionLine { part: *part, worker: name(part.worker) };
    Grid {
        rows: data.largest.iter().map(line).collect(),
        columns: PARTITION_COLUMNS,
        // A partition may lie on two workers.
        key: |line| task_number(line.part.task) << 32 | u128::from(line.part.worker.0),
        class: |_| "",
        address: |line| Some(Route::Task(line.part.task).to_string()),
    }
    .share()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::worker;

    /// Workers that went hold nothing.
    #[test]
    fn only_what_is_there_counts() {
        let workers: BTreeMap<WorkerId, Rc<WorkerRow>> =
            (1..=24).map(|id| (WorkerId(id), Rc::new(worker(id)))).collect();
        assert_eq!(workers_table(&workers).len(), 23);
    }
}
