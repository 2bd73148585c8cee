//! What the scheduler itself costs.

use crate::live::Live;
use yew::prelude::*;

/// What the page shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
}

/// What the scheduler itself costs.
#[component]
pub fn Scheduler(_props: &Props) -> Html {
    html! { <p class="empty">{ "This page is not there yet." }</p> }
}
