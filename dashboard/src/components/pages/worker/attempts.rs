//! Tables of a worker's attempts and partitions.

use crate::charts::{Column, Grid, Source, micros, task_number};
use crate::components::parts::{Age, Same, State, look, task_link};
use crate::format::{NONE, bytes, grouped};
use crate::route::{Route, task_key};
use partita_observe::view::{AttemptView, PartitionView, WorkerView};
use yew::prelude::*;

/// An attempt as a row.
struct Line {
    attempt: AttemptView,
    now_ms: u64,
}

impl Line {
    fn ended_ms(&self) -> u64 {
        self.attempt.started_ms + self.attempt.busy_us / 1_000
    }
}

/// The time on the slot. One that was stopped before it was seen on a slot has none that is known.
fn time(attempt: &AttemptView) -> String {
    if attempt.busy_us == 0 { NONE.to_string() } else { micros(attempt.busy_us) }
}

fn share(part_us: u64, whole_us: u64) -> String {
    crate::format::percent(part_us, whole_us).to_string()
}

const COLUMNS: &[Column<Line>] = &[
    Column::<Line>::new(
        "Task",
        "w7",
        |line| task_link(line.attempt.task),
        |line| task_key(line.attempt.task),
    )
    .by(|one, other| one.attempt.task.cmp(&other.attempt.task)),
    Column::<Line>::new(
        "Ended",
        "w7",
        |line| html! { <State look={look::ending(line.attempt.ending)} /> },
        |line| look::ending(line.attempt.ending).word.to_string(),
    )
    .by(|one, other| {
        let word = |line: &Line| look::ending(line.attempt.ending).word;
        word(one).cmp(word(other))
    }),
    Column::<Line>::new(
        "When",
        "w6 number p2",
        |line| html! { <Age at_ms={line.ended_ms()} now_ms={line.now_ms} /> },
        |line| line.ended_ms().to_string(),
    )
    .by(|one, other| one.ended_ms().cmp(&other.ended_ms())),
    Column::<Line>::new(
        "Time",
        "w5 number",
        |line| time(&line.attempt).into(),
        |line| line.attempt.busy_us.to_string(),
    )
    .by(|one, other| one.attempt.busy_us.cmp(&other.attempt.busy_us)),
    Column::<Line>::new("Network wait, %", "w7 number p3", |line| transfer(line).into(), transfer)
        .by(|one, other| one.attempt.transfer_us.cmp(&other.attempt.transfer_us))
        .hint("Share of the time that it waited for other workers"),
    Column::<Line>::new("Disk wait, %", "w6 number p3", |line| disk(line).into(), disk)
        .by(|one, other| one.attempt.disk_us.cmp(&other.attempt.disk_us))
        .hint("Share of the time that it waited for the disk"),
    Column::<Line>::new(
        "Rows",
        "w6 number p2",
        |line| grouped(line.attempt.rows).into(),
        |line| line.attempt.rows.to_string(),
    )
    .by(|one, other| one.attempt.rows.cmp(&other.attempt.rows)),
    Column::<Line>::new(
        "Bytes",
        "w5 number p2",
        |line| bytes(line.attempt.bytes).into(),
        |line| line.attempt.bytes.to_string(),
    )
    .by(|one, other| one.attempt.bytes.cmp(&other.attempt.bytes)),
    Column::<Line>::new(
        "Why",
        "wide",
        |line| why(&line.attempt),
        |line| line.attempt.error.clone(),
    )
    .by(|one, other| one.attempt.error.cmp(&other.attempt.error)),
];

fn transfer(line: &Line) -> String {
    share(line.attempt.transfer_us, line.attempt.busy_us)
}

fn disk(line: &Line) -> String {
    share(line.attempt.disk_us, line.attempt.busy_us)
}

fn why(attempt: &AttemptView) -> Html {
    let error = if attempt.error.is_empty() { NONE } else { &attempt.error };
    html! { <span title={error.to_string()}>{ error.to_string() }</span> }
}

/// The table of attempts that ended.
pub fn attempts_table(page: &WorkerView, now_ms: u64) -> Same<dyn Source> {
    let rows = page.recent.iter().map(|attempt| Line { attempt: attempt.clone(), now_ms });
    Grid {
        rows: rows.collect(),
        columns: COLUMNS,
        key: |line| task_number(line.attempt.task) << 16 | u128::from(line.attempt.attempt),
        class: |_| "",
        address: |line| Some(Route::Task(line.attempt.task).to_string()),
    }
    .share()
}

const PARTITION_COLUMNS: &[Column<PartitionView>] = &[
    Column::<PartitionView>::new(
        "Output of",
        "w7",
        |part| task_link(part.task),
        |part| task_key(part.task),
    )
    .by(|one, other| one.task.cmp(&other.task)),
    Column::<PartitionView>::new(
        "In memory",
        "w6 number",
        |part| bytes(part.memory_bytes).into(),
        |part| part.memory_bytes.to_string(),
    )
    .by(|one, other| one.memory_bytes.cmp(&other.memory_bytes)),
    Column::<PartitionView>::new(
        "On disk",
        "w6 number",
        |part| bytes(part.disk_bytes).into(),
        |part| part.disk_bytes.to_string(),
    )
    .by(|one, other| one.disk_bytes.cmp(&other.disk_bytes)),
];

/// The table of the largest partitions.
pub fn partitions_table(page: &WorkerView) -> Same<dyn Source> {
    Grid {
        rows: page.partitions.clone(),
        columns: PARTITION_COLUMNS,
        key: |part| task_number(part.task),
        class: |_| "",
        address: |part| Some(Route::Task(part.task).to_string()),
    }
    .share()
}
