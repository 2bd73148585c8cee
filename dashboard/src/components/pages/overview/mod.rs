//! The cluster at a glance: is it alive, does it move, when is it done, what needs attention.

mod attention;
mod idle;
mod memory;
mod progress;
mod strip;

use super::overview_extras::{LastMinute, WorkersGrid};
use crate::components::parts::{Panel, Status};
use crate::live::Live;
use crate::route::Route;
use attention::Attention;
use idle::{FirstQuery, Recent};
use memory::Memory;
use partita_observe::frame::Topic;
use partita_observe::view::is_under_way;
use progress::Progress;
pub use progress::job_left;
use strip::Strip;
use yew::prelude::*;

/// What the page shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
}

/// The cluster at a glance.
#[component]
pub fn Overview(props: &Props) -> Html {
    let live = &props.live;
    let runs = live.jobs.values().any(|job| is_under_way(job.state));
    let is_new = live.has(Topic::Jobs) && live.jobs.is_empty();
    let has_workers = live.has(Topic::Workers);
    let workers = Status::of(has_workers, live.workers.is_empty(), "No workers are connected.");
    html! {
        <>
            <h1 class="offscreen">{ "Overview" }</h1>
            <Strip live={live.clone()} />
            <div class="overview">
                <div class="column">
                    if is_new {
                        <FirstQuery live={live.clone()} />
                    } else if runs || !live.has(Topic::Jobs) {
                        <Progress live={live.clone()} />
                    } else {
                        <Recent live={live.clone()} />
                    }
                </div>
                <div class="column">
                    <Panel title="Last minute" id="last-minute" tools={link(&Route::Timeline(None), "timeline")}>
                        <LastMinute live={live.clone()} />
                    </Panel>
                    <Memory live={live.clone()} />
                    <Panel title="Workers" id="grid" status={workers} tools={link(&Route::Workers, "all workers")}>
                        <WorkersGrid live={live.clone()} />
                    </Panel>
                </div>
                <div class="column">
                    <Attention live={live.clone()} />
                </div>
            </div>
        </>
    }
}

fn link(to: &Route, word: &'static str) -> Html {
    html! { <a href={to.to_string()}>{ word }</a> }
}

#[cfg(test)]
mod tests;
