//! The drawings of the overview: they are made of what the pages of workers and of the timeline
//! are made of.

use crate::live::Live;
use yew::prelude::*;

/// What the drawings show.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment. The overview follows workers and the cluster's history already.
    pub live: Live,
}

/// The workers as a grid: one cell each.
#[component]
pub fn WorkersGrid(_props: &Props) -> Html {
    Html::default()
}

/// The slots over the last minute.
#[component]
pub fn LastMinute(_props: &Props) -> Html {
    Html::default()
}
