//! What the tables of workers and hosts show.

use super::rates::Rates;
use crate::charts::{Column, Grid, Source, natural};
use crate::components::parts::{Age, MemoryUse, Same, State, icon, look};
use crate::format::{NONE, age, bytes, bytes_per_s, cores, grouped};
use crate::route::Route;
use partita_shared::ids::WorkerId;
use partita_shared::message::WorkerMetrics;
use partita_shared::model::WorkerRow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;
use yew::prelude::*;

/// A worker that has less time left than this is marked, in milliseconds.
const SHORT_LEFT_MS: u64 = 600_000;

/// A worker as a row.
struct Line {
    row: Rc<WorkerRow>,
    per_s: Option<u64>,
    now_ms: u64,
}

impl Line {
    fn metrics(&self) -> &WorkerMetrics {
        &self.row.metrics
    }

    fn left_ms(&self) -> Option<u64> {
        self.row.ends_ms.map(|ends| ends.saturating_sub(self.now_ms))
    }
}

fn slots(running: u64, slots: u64) -> String {
    format!("{} / {}", grouped(running), grouped(slots))
}

fn left(line: &Line) -> String {
    line.left_ms().map_or(NONE.to_string(), |left| age(left, 0))
}

fn left_cell(line: &Line) -> Html {
    match line.left_ms() {
        Some(ms) if ms < SHORT_LEFT_MS => html! {
            <span class="state ready"><span class="glyph">{ icon("▲") }</span>{ left(line) }</span>
        },
        _ => left(line).into(),
    }
}

fn network(per_s: Option<u64>) -> String {
    per_s.map_or(NONE.to_string(), bytes_per_s)
}

/// Those that want attention first.
fn rank(row: &WorkerRow) -> u8 {
    match look::worker(row).class {
        "failed" => 0,
        "ready" => 1,
        _ => 2,
    }
}

fn name_link(row: &WorkerRow) -> Html {
    let title = format!("{}, {}, process {}", row.id, row.address, row.pid);
    html! { <a href={Route::Worker(row.id).to_string()} tabindex="-1" {title}>{ row.name.clone() }</a> }
}

fn by_name(one: &WorkerRow, other: &WorkerRow) -> Ordering {
    natural(&one.name).cmp(natural(&other.name)).then(one.id.cmp(&other.id))
}

const COLUMNS: &[Column<Line>] = &[
    Column::<Line>::new("Name", "w8", |line| name_link(&line.row), |line| line.row.name.clone())
        .by(|one, other| by_name(&one.row, &other.row)),
    Column::<Line>::new(
        "State",
        "w7",
        |line| html! { <State look={look::worker(&line.row)} /> },
        |line| look::worker(&line.row).word.to_string(),
    )
    .by(|one, other| (rank(&one.row), look::worker(&one.row).word).cmp(&(rank(&other.row), look::worker(&other.row).word))),
    Column::<Line>::new("Host", "w6 p3", |line| line.row.host.clone().into(), |line| line.row.host.clone())
        .by(|one, other| natural(&one.row.host).cmp(natural(&other.row.host))),
    Column::<Line>::new(
        "Slots",
        "w4 number",
        |line| slots(line.metrics().running.into(), line.row.slots.into()).into(),
        |line| line.metrics().running.to_string(),
    )
    .by(|one, other| one.metrics().running.cmp(&other.metrics().running))
    .hint("Slots with a task, and all slots"),
    Column::<Line>::new(
        "CPU cores",
        "w5 number",
        |line| cores(line.metrics().cpu_milli.into()).into(),
        |line| cores(line.metrics().cpu_milli.into()),
    )
    .by(|one, other| one.metrics().cpu_milli.cmp(&other.metrics().cpu_milli))
    .hint("CPU time that the process uses, in cores"),
    Column::<Line>::new(
        "Memory, % of limit",
        "w9 number bar-cell",
        |line| MemoryUse::of(&line.row).cell(),
        |line| MemoryUse::of(&line.row).percent().to_string(),
    )
    .by(|one, other| MemoryUse::of(&one.row).percent().cmp(&MemoryUse::of(&other.row).percent()))
    .hint("Memory of the process: stored partitions (full), operators (low) and the rest (outline)"),
    Column::<Line>::new("Limit", "w5 number p3", |line| bytes(line.row.memory_limit_bytes).into(), |line| {
        line.row.memory_limit_bytes.to_string()
    })
    .by(|one, other| one.row.memory_limit_bytes.cmp(&other.row.memory_limit_bytes)),
    Column::<Line>::new("Spilled", "w5 number p2", |line| bytes(line.metrics().spilled_bytes).into(), |line| {
        line.metrics().spilled_bytes.to_string()
    })
    .by(|one, other| one.metrics().spilled_bytes.cmp(&other.metrics().spilled_bytes)),
    Column::<Line>::new(
        "Partitions",
        "w5 number p3",
        |line| grouped(line.metrics().partitions.into()).into(),
        |line| line.metrics().partitions.to_string(),
    )
    .by(|one, other| one.metrics().partitions.cmp(&other.metrics().partitions)),
    Column::<Line>::new("Finished", "w5 number p3", |line| grouped(line.row.finished).into(), |line| {
        line.row.finished.to_string()
    })
    .by(|one, other| one.row.finished.cmp(&other.row.finished))
    .hint("Tasks that it finished"),
    Column::<Line>::new("Network", "w6 number p2", |line| network(line.per_s).into(), |line| {
        line.per_s.map(|per_s| per_s.to_string()).unwrap_or_default()
    })
    .by(|one, other| one.per_s.cmp(&other.per_s))
    .hint("Bytes per second read from other workers and sent to them"),
    Column::<Line>::new(
        "Last seen",
        "w5 number p3",
        |line| html! { <Age at_ms={line.row.last_seen_ms} now_ms={line.now_ms.max(line.row.last_seen_ms)} /> },
        |line| line.row.last_seen_ms.to_string(),
    )
    .by(|one, other| other.row.last_seen_ms.cmp(&one.row.last_seen_ms))
    .hint("When it last reported"),
    Column::<Line>::new("Slurm job", "w5 p3", |line| slurm(&line.row).into(), |line| slurm(&line.row))
        .by(|one, other| one.row.slurm_job.cmp(&other.row.slurm_job)),
    Column::<Line>::new("Time left", "w6 number p2", left_cell, |line| {
        line.left_ms().map(|ms| (ms / 1_000).to_string()).unwrap_or_default()
    })
    .by(|one, other| {
        let left = |line: &Line| line.left_ms().unwrap_or(u64::MAX);
        left(one).cmp(&left(other))
    })
    .hint("Until its Slurm job ends"),
];

fn slurm(row: &WorkerRow) -> String {
    row.slurm_job.clone().unwrap_or(NONE.to_string())
}

/// The table of connected workers.
pub fn table(rows: &[Rc<WorkerRow>], rates: &Rates, now_ms: u64) -> Same<dyn Source> {
    let line = |row: &Rc<WorkerRow>| Line { row: row.clone(), per_s: rates.of(row.id), now_ms };
    Grid {
        rows: rows.iter().map(line).collect(),
        columns: COLUMNS,
        key: |line| line.row.id.0.into(),
        class: |_| "",
        address: |line| Some(Route::Worker(line.row.id).to_string()),
    }
    .share()
}

/// What the workers of a host are together.
#[derive(Default)]
struct HostSum {
    host: String,
    first: Option<WorkerId>,
    workers: u64,
    slots: u64,
    running: u64,
    cpu_milli: u64,
    memory: MemoryUse,
    spilled: u64,
    partitions: u64,
    finished: u64,
    per_s: Option<u64>,
}

const HOST_COLUMNS: &[Column<HostSum>] = &[
    Column::<HostSum>::new("Host", "w8", |sum| sum.host.clone().into(), |sum| sum.host.clone())
        .by(|one, other| natural(&one.host).cmp(natural(&other.host))),
    Column::<HostSum>::new(
        "Workers",
        "w4 number",
        |sum| grouped(sum.workers).into(),
        |sum| sum.workers.to_string(),
    )
    .by(|one, other| one.workers.cmp(&other.workers)),
    Column::<HostSum>::new(
        "Slots",
        "w5 number",
        |sum| slots(sum.running, sum.slots).into(),
        |sum| sum.running.to_string(),
    )
    .by(|one, other| one.running.cmp(&other.running)),
    Column::<HostSum>::new(
        "CPU cores",
        "w5 number",
        |sum| cores(sum.cpu_milli).into(),
        |sum| cores(sum.cpu_milli),
    )
    .by(|one, other| one.cpu_milli.cmp(&other.cpu_milli)),
    Column::<HostSum>::new(
        "Memory, % of limit",
        "w9 number bar-cell",
        |sum| sum.memory.cell(),
        |sum| sum.memory.percent().to_string(),
    )
    .by(|one, other| one.memory.percent().cmp(&other.memory.percent())),
    Column::<HostSum>::new(
        "Spilled",
        "w5 number p2",
        |sum| bytes(sum.spilled).into(),
        |sum| sum.spilled.to_string(),
    )
    .by(|one, other| one.spilled.cmp(&other.spilled)),
    Column::<HostSum>::new(
        "Partitions",
        "w5 number p2",
        |sum| grouped(sum.partitions).into(),
        |sum| sum.partitions.to_string(),
    )
    .by(|one, other| one.partitions.cmp(&other.partitions)),
    Column::<HostSum>::new(
        "Finished",
        "w5 number p3",
        |sum| grouped(sum.finished).into(),
        |sum| sum.finished.to_string(),
    )
    .by(|one, other| one.finished.cmp(&other.finished)),
    Column::<HostSum>::new(
        "Network",
        "w6 number p2",
        |sum| network(sum.per_s).into(),
        |sum| sum.per_s.map(|per_s| per_s.to_string()).unwrap_or_default(),
    )
    .by(|one, other| one.per_s.cmp(&other.per_s)),
];

/// The table of hosts, with sums of their workers.
pub fn hosts_table(rows: &[Rc<WorkerRow>], rates: &Rates) -> Same<dyn Source> {
    let mut hosts: BTreeMap<&str, HostSum> = BTreeMap::new();
    for row in rows {
        let sum = hosts.entry(&row.host).or_default();
        let metrics = &row.metrics;
        sum.first = sum.first.or(Some(row.id));
        sum.workers += 1;
        sum.slots += u64::from(row.slots);
        sum.running += u64::from(metrics.running);
        sum.cpu_milli = sum.cpu_milli.saturating_add(metrics.cpu_milli.into());
        sum.memory.add(&MemoryUse::of(row));
        sum.spilled = sum.spilled.saturating_add(metrics.spilled_bytes);
        sum.partitions += u64::from(metrics.partitions);
        sum.finished = sum.finished.saturating_add(row.finished);
        if let Some(per_s) = rates.of(row.id) {
            sum.per_s = Some(sum.per_s.unwrap_or(0).saturating_add(per_s));
        }
    }
    let sums = hosts.into_iter().map(|(host, sum)| HostSum { host: host.to_string(), ..sum });
    Grid {
        rows: sums.collect(),
        columns: HOST_COLUMNS,
        // The first worker of a host is on no other.
        key: |sum| sum.first.map_or(0, |id| id.0.into()),
        class: |_| "",
        address: |_| None,
    }
    .share()
}

const GONE_COLUMNS: &[Column<Line>] = &[
    Column::<Line>::new("Name", "w8", |line| name_link(&line.row), |line| line.row.name.clone())
        .by(|one, other| by_name(&one.row, &other.row)),
    Column::<Line>::new(
        "State",
        "w5",
        |line| html! { <State look={look::worker(&line.row)} /> },
        |line| look::worker(&line.row).word.to_string(),
    )
    .by(|one, other| rank(&one.row).cmp(&rank(&other.row))),
    Column::<Line>::new("Why", "wide", why, |line| line.row.cause.clone())
        .by(|one, other| one.row.cause.cmp(&other.row.cause)),
    Column::<Line>::new(
        "Last seen",
        "w7 number p2",
        |line| html! { <Age at_ms={line.row.last_seen_ms} now_ms={line.now_ms.max(line.row.last_seen_ms)} /> },
        |line| line.row.last_seen_ms.to_string(),
    )
    .by(|one, other| one.row.last_seen_ms.cmp(&other.row.last_seen_ms))
    .hint("When it last reported"),
    Column::<Line>::new("Finished", "w5 number p3", |line| grouped(line.row.finished).into(), |line| {
        line.row.finished.to_string()
    })
    .by(|one, other| one.row.finished.cmp(&other.row.finished)),
    Column::<Line>::new("Slurm job", "w5 p3", |line| slurm(&line.row).into(), |line| slurm(&line.row))
        .by(|one, other| one.row.slurm_job.cmp(&other.row.slurm_job)),
];

fn why(line: &Line) -> Html {
    let cause = if line.row.cause.is_empty() { NONE } else { &line.row.cause };
    html! { <span title={cause.to_string()}>{ cause.to_string() }</span> }
}

/// The table of workers that went, with the cause.
pub fn gone_table(rows: &[Rc<WorkerRow>], now_ms: u64) -> Same<dyn Source> {
    let line = |row: &Rc<WorkerRow>| Line { row: row.clone(), per_s: None, now_ms };
    Grid {
        rows: rows.iter().map(line).collect(),
        columns: GONE_COLUMNS,
        key: |line| line.row.id.0.into(),
        class: |_| "gone",
        address: |line| Some(Route::Worker(line.row.id).to_string()),
    }
    .share()
}
