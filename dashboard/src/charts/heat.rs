//! A cell for each worker.

use super::heat_cells::{Host, LEVELS, Metric, by_host, sentence, sign, summary};
use crate::components::parts::Same;
use crate::format::grouped;
use crate::route::Route;
use partita_shared::ids::WorkerId;
use partita_shared::model::{WorkerRow, WorkerState};
use std::collections::BTreeMap;
use std::rc::Rc;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};
use yew::prelude::*;

/// Cells that are drawn at most.
const CELLS_MAX: usize = 2_000;
/// Cells that a key looks through for one above or below, in each direction.
const REACH: i64 = 200;
/// Cells that are less apart than this stand in one line, in pixels.
const LINE_PX: f64 = 4.0;

/// What is shown.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The workers: [`partita_shared::observe::follower::Follower::workers`].
    pub workers: Same<BTreeMap<WorkerId, Rc<WorkerRow>>>,
    /// What is shown at first.
    #[prop_or(Metric::Cpu)]
    pub metric: Metric,
    /// Whether workers stand by host, with the host's name.
    #[prop_or_default]
    pub by_host: bool,
}

/// A cell for each worker, with a choice of what it shows.
#[component]
pub fn HeatGrid(props: &Props) -> Html {
    let metric = use_state(|| props.metric);
    let picked = use_state(|| None::<usize>);
    let grid = use_node_ref();
    let hosts =
        use_memo(props.workers.clone(), |workers| by_host(workers.values().cloned(), CELLS_MAX));
    let cells: Vec<Rc<WorkerRow>> =
        hosts.iter().flat_map(|host| host.workers.iter().cloned()).collect();
    let hidden = props.workers.len().saturating_sub(CELLS_MAX);
    let at = (*picked).filter(|at| *at < cells.len());
    let readout = match at.and_then(|at| cells.get(at)) {
        Some(row) => sentence(row, *metric),
        None => summary(&cells, *metric),
    };
    html! {
        <div class="heat">
            { choice(&metric) }
            <div class={classes!("cells", props.by_host.then_some("hosts"))} ref={&grid}
                role="group" aria-label={summary(&cells, *metric)}
                onpointerover={on_point(&picked)} onfocusin={on_focus(&picked)}
                onpointerleave={on_leave(&picked)} onkeydown={on_key(&grid, at)}>
                { view_hosts(&hosts, props.by_host, *metric, at) }
            </div>
            <p class="readout">{ readout }</p>
            { ramp(*metric) }
            if hidden > 0 {
                <p class="hint">{ format!("{} more are not drawn.", grouped(hidden as u64)) }</p>
            }
        </div>
    }
}

fn choice(metric: &UseStateHandle<Metric>) -> Html {
    html! {
        <div class="choice" role="group" aria-label="What cells show">
            { for Metric::ALL.into_iter().map(|one| {
                let metric = metric.clone();
                let is_on = *metric == one;
                let onclick = Callback::from(move |_: MouseEvent| metric.set(one));
                html! {
                    <button key={one.name()} type="button" {onclick} aria-pressed={is_on.to_string()}>
                        { one.name() }
                    </button>
                }
            }) }
        </div>
    }
}

fn view_hosts(hosts: &[Host], is_by_host: bool, metric: Metric, picked: Option<usize>) -> Html {
    let mut at = 0;
    let mut cells = |host: &Host| -> Html {
        let from = at;
        at += host.workers.len();
        host.workers
            .iter()
            .zip(from..)
            .map(|(row, at)| view_cell(row, at, metric, picked.unwrap_or(0) == at))
            .collect()
    };
    if is_by_host {
        let host = |host: &Host| {
            html! {
                <div key={host.name.clone()} class="host">
                    <span class="hint">{ host.name.clone() }</span>
                    <span class="host-cells">{ cells(host) }</span>
                </div>
            }
        };
        hosts.iter().map(host).collect()
    } else {
        hosts.iter().map(cells).collect()
    }
}

/// A link that looks like a cell. One of them is in the order of the Tab key; arrow keys go on.
fn view_cell(row: &WorkerRow, at: usize, metric: Metric, is_first: bool) -> Html {
    let is_lost = row.state == WorkerState::Lost;
    let level = if is_lost { "lost" } else { LEVEL_CLASSES[metric.level(row) % LEVELS] };
    html! {
        <a key={row.id.0} class={classes!("cell", level)} href={Route::Worker(row.id).to_string()}
            data-at={at.to_string()} tabindex={if is_first { "0" } else { "-1" }}
            aria-label={sentence(row, metric)}>{ sign(row) }</a>
    }
}

/// Classes of the steps of the ramp.
const LEVEL_CLASSES: [&str; LEVELS] = ["h0", "h1", "h2", "h3", "h4", "h5", "h6", "h7", "h8"];

/// What colours and signs mean.
fn ramp(metric: Metric) -> Html {
    let (low, high) = metric.ends();
    html! {
        <p class="ramp hint">
            { low }
            <span class="steps" aria-hidden="true">
                { for LEVEL_CLASSES.into_iter().map(|class| html! {
                    <i key={class} class={classes!("step", class)} />
                }) }
            </span>
            { high }
            <span>{ "▲ memory full" }</span><span>{ "◔ leaving" }</span>
            <span>{ "✖\u{fe0e} lost" }</span>
        </p>
    }
}

fn cell_of(target: Option<web_sys::EventTarget>) -> Option<usize> {
    target?.dyn_into::<Element>().ok()?.get_attribute("data-at")?.parse().ok()
}

fn on_point(picked: &UseStateHandle<Option<usize>>) -> Callback<PointerEvent> {
    let picked = picked.clone();
    Callback::from(move |event: PointerEvent| picked.set(cell_of(event.target())))
}

fn on_focus(picked: &UseStateHandle<Option<usize>>) -> Callback<FocusEvent> {
    let picked = picked.clone();
    Callback::from(move |event: FocusEvent| picked.set(cell_of(event.target())))
}

fn on_leave(picked: &UseStateHandle<Option<usize>>) -> Callback<PointerEvent> {
    let picked = picked.clone();
    Callback::from(move |_| picked.set(None))
}

fn on_key(grid: &NodeRef, at: Option<usize>) -> Callback<KeyboardEvent> {
    let grid = grid.clone();
    Callback::from(move |event: KeyboardEvent| {
        let Some(grid) = grid.cast::<Element>() else { return };
        let at = at.unwrap_or(0) as i64;
        let to = match event.key().as_str() {
            "ArrowRight" => Some(at + 1),
            "ArrowLeft" => Some(at - 1),
            "ArrowDown" => beside(&grid, at, 1),
            "ArrowUp" => beside(&grid, at, -1),
            "Home" => Some(0),
            _ => return,
        };
        event.prevent_default();
        if let Some(cell) = to.and_then(|to| cell(&grid, to)) {
            let _ = cell.focus();
        }
    })
}

fn cell(grid: &Element, at: i64) -> Option<HtmlElement> {
    grid.query_selector(&format!("[data-at='{at}']")).ok()??.dyn_into().ok()
}

/// The cell above or below one, wherever lines break: the nearest of the next line.
fn beside(grid: &Element, at: i64, step: i64) -> Option<i64> {
    let here = cell(grid, at)?.get_bounding_client_rect();
    let mut best: Option<(f64, f64, i64)> = None;
    for to in (1..=REACH).map(|by| at + by * step) {
        let Some(cell) = cell(grid, to) else { break };
        let frame = cell.get_bounding_client_rect();
        if (frame.top() - here.top()).abs() < LINE_PX {
            continue;
        }
        let away = (frame.left() - here.left()).abs();
        match best {
            Some((top, ..)) if (frame.top() - top).abs() > LINE_PX => break,
            Some((_, nearest, _)) if nearest <= away => {}
            _ => best = Some((frame.top(), away, to)),
        }
    }
    best.map(|(_, _, to)| to)
}
