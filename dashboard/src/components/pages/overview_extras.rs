//! The drawings of the overview: they are made of what the pages of workers and of the timeline
//! are made of.

use crate::charts::{HeatGrid, MINI_WINDOW, MiniTimeline};
use crate::components::parts::Same;
use crate::live::{Live, use_topics};
use partita_observe::frame::Topic;
use yew::prelude::*;

/// What the drawings show.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment. The overview follows workers and the cluster's history already.
    pub live: Live,
}

/// The workers as a grid: one cell each.
#[component]
pub fn WorkersGrid(props: &Props) -> Html {
    html! { <HeatGrid workers={Same::of(&props.live.workers)} /> }
}

/// The slots over the last minute.
#[component]
pub fn LastMinute(props: &Props) -> Html {
    let live = &props.live;
    use_topics(live, "last-minute", vec![Topic::Timeline(MINI_WINDOW)]);
    let came = live.timeline.as_ref().filter(|(window, _)| window.job.is_none());
    html! { <MiniTimeline live={live.clone()} view={came.map(|(_, view)| Same::of(view))} /> }
}
