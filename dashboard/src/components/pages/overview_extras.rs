//! The drawings of the overview: they are made of what the pages of workers and of the timeline
//! are made of.

use crate::charts::{HeatGrid, MINI_WINDOW, MiniTimeline};
use crate::components::parts::{Bar, MemoryUse, Part, Same, icon, look};
use crate::format::cores;
use crate::live::{Live, use_topics};
use crate::route::Route;
use partita_observe::frame::Topic;
use partita_shared::model::WorkerRow;
use yew::prelude::*;

/// What the drawings show.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment. The overview follows workers and the cluster's history already.
    pub live: Live,
}

/// Up to this many workers are rows with their names; more are a grid.
const ROWS_MAX: usize = 16;

/// The workers: few as rows, many as a grid with one cell each.
#[component]
pub fn WorkersGrid(props: &Props) -> Html {
    let workers = &props.live.workers;
    let there = || workers.values().filter(|row| super::workers::is_there(row));
    if there().count() > ROWS_MAX {
        return html! { <HeatGrid workers={Same::of(workers)} /> };
    }
    html! {
        <ul class="list">
            { for there().map(|row| html! { <WorkerRows key={row.id.0} row={Same::of(row)} /> }) }
        </ul>
    }
}

#[derive(PartialEq, Properties)]
struct RowProps {
    row: Same<WorkerRow>,
}

/// A worker's name, state, processor and memory.
#[component]
fn WorkerRows(props: &RowProps) -> Html {
    let row = &props.row;
    let used = row.metrics.cpu_milli.into();
    let whole = u64::from(row.slots) * 1_000;
    let label = format!("{} of {} cores", cores(used), row.slots);
    let look = look::worker(row);
    html! {
        <li class="worker">
            <span class="name">
                <span class={classes!("state", look.class)} title={look.word}>
                    <span class="glyph">{ icon(look.glyph) }</span>
                </span>
                <a href={Route::Worker(row.id).to_string()}>{ row.name.clone() }</a>
            </span>
            <span class="with-bar">
                <Bar parts={vec![Part { class: "running", size: used }]} {whole} label={label.clone()} />
                <span>{ format!("{}\u{202f}cores", cores(used)) }</span>
            </span>
            { MemoryUse::of(row).cell() }
        </li>
    }
}

/// The slots over the last minute.
#[component]
pub fn LastMinute(props: &Props) -> Html {
    let live = &props.live;
    use_topics(live, "last-minute", vec![Topic::Timeline(MINI_WINDOW)]);
    let came = live.timeline.as_ref().filter(|(window, _)| window.job.is_none());
    html! { <MiniTimeline live={live.clone()} view={came.map(|(_, view)| Same::of(view))} /> }
}
