//! The table of workers.

use super::ROWS_SHOWN_STEP;
use super::bar::{Bar, Part};
use crate::browser;
use crate::format::{NONE, age, counted, cpu_percent, grouped};
use crate::model::Frame;
use partita_shared::model::{WorkerRow, WorkerState};
use partita_shared::units::format_bytes;
use yew::prelude::*;

/// What the table shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The latest frame.
    pub frame: Frame,
    /// The scheduler's time, in milliseconds since the epoch.
    pub now_ms: u64,
}

/// Glyph, class and word of a worker's state.
fn legend(worker: &WorkerRow) -> (&'static str, &'static str, &'static str) {
    match worker.state {
        WorkerState::Up if worker.metrics.above_mark => ("▲", "ready", "memory full"),
        WorkerState::Up => ("●", "done", "up"),
        WorkerState::Leaving => ("◔", "ready", "leaving"),
        WorkerState::Left => ("○", "waiting", "left"),
        WorkerState::Lost => ("✖\u{fe0e}", "failed", "lost"),
    }
}

/// Those that are there come first: they are what one looks for.
fn rank(state: WorkerState) -> u8 {
    match state {
        WorkerState::Up => 0,
        WorkerState::Leaving => 1,
        WorkerState::Lost => 2,
        WorkerState::Left => 3,
    }
}

/// The table of workers.
#[component]
pub fn Workers(props: &Props) -> Html {
    let shown = use_state(|| ROWS_SHOWN_STEP);
    let mut workers: Vec<&WorkerRow> = props.frame.workers.iter().collect();
    workers.sort_by_key(|worker| (rank(worker.state), worker.id));
    let hidden = workers.len().saturating_sub(*shown);
    let more = {
        let shown = shown.clone();
        Callback::from(move |_: MouseEvent| shown.set(*shown + ROWS_SHOWN_STEP))
    };
    html! {
        <section class="panel" aria-labelledby="workers">
            <h2 id="workers">{ "Workers" }</h2>
            if workers.is_empty() {
                <p class="empty">
                    { "No worker has joined yet. Start one with " }<code>{ "partita worker" }</code>
                    { "." }
                </p>
            } else {
                <table role="table" class="workers">
                    { head() }
                    <tbody role="rowgroup">
                        { for workers.iter().take(*shown).map(|worker| row(worker, props.now_ms)) }
                    </tbody>
                </table>
            }
            if hidden > 0 {
                <button type="button" onclick={more}>
                    { format!("Show more: {} not shown", counted(hidden as u64, "worker", "workers")) }
                </button>
            }
        </section>
    }
}

fn head() -> Html {
    let column = |name: &'static str, class: &'static str| {
        html! { <th role="columnheader" scope="col" {class}>{ name }</th> }
    };
    html! {
        <thead role="rowgroup">
            <tr role="row">
                { column("Name", "") }
                { column("Host", "") }
                { column("State", "") }
                { column("Slots", "number") }
                { column("Running", "number") }
                { column("CPU %", "number") }
                { column("Reserved", "number") }
                { column("Stored", "number") }
                { column("Spilled", "number") }
                { column("Limit", "number") }
                { column("Last heard", "number") }
            </tr>
        </thead>
    }
}

fn cell(label: &'static str, class: &'static str, content: Html) -> Html {
    html! { <td role="cell" data-label={label} {class}>{ content }</td> }
}

fn row(worker: &WorkerRow, now_ms: u64) -> Html {
    let metrics = &worker.metrics;
    let is_there = matches!(worker.state, WorkerState::Up | WorkerState::Leaving);
    // What one measured last is no news of one that is gone.
    let figure = |text: String| if is_there { text } else { NONE.to_string() };
    let bytes = |bytes: u64| html! { figure(format_bytes(bytes)) };
    let title = format!(
        "{}: {}, process {}, data at {}, files in {}",
        worker.name, worker.id, worker.pid, worker.address, worker.local_directory
    );
    let heard = html! {
        <span title={browser::date_and_zone(worker.heard_ms)}>
            { format!("{} ago", age(now_ms, worker.heard_ms)) }
        </span>
    };
    html! {
        <tr role="row" key={worker.id.0} class={classes!((!is_there).then_some("gone"))}>
            <th role="rowheader" scope="row" {title}>{ worker.name.clone() }</th>
            { cell("Host", "", html! { worker.host.clone() }) }
            { cell("State", "", state(worker)) }
            { cell("Slots", "number", html! { grouped(worker.slots.into()) }) }
            { cell("Running", "number", html! { figure(grouped(metrics.running.into())) }) }
            { cell("CPU %", "number", html! { figure(cpu_percent(metrics.cpu_milli)) }) }
            { cell("Reserved", "number", reserved(worker, is_there)) }
            { cell("Stored", "number", bytes(metrics.stored_bytes)) }
            { cell("Spilled", "number", bytes(metrics.spilled_bytes)) }
            { cell("Limit", "number", html! { format_bytes(worker.memory_limit_bytes) }) }
            { cell("Last heard", "number", heard) }
        </tr>
    }
}

fn state(worker: &WorkerRow) -> Html {
    let (glyph, class, word) = legend(worker);
    html! {
        <>
            <span class={classes!("state", class)}>
                <span class="glyph" aria-hidden="true">{ glyph }</span>{ word }
            </span>
            if !worker.cause.is_empty() {
                <span class="details">{ worker.cause.clone() }</span>
            }
        </>
    }
}

fn reserved(worker: &WorkerRow, is_there: bool) -> Html {
    if !is_there {
        return html! { NONE };
    }
    let metrics = &worker.metrics;
    let operators = metrics.reserved_bytes.saturating_sub(metrics.stored_bytes);
    let parts = [
        Part { class: "stored", size: metrics.stored_bytes },
        Part { class: "used", size: operators },
    ];
    let text = format_bytes(metrics.reserved_bytes);
    let label = format!("{text} of {} reserved", format_bytes(worker.memory_limit_bytes));
    html! {
        <>
            { text }
            <Bar parts={parts.to_vec()} whole={worker.memory_limit_bytes} {label} />
        </>
    }
}
