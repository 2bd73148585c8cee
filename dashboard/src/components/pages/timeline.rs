//! Slots over time.

use crate::live::Live;
use partita_shared::ids::JobId;
use yew::prelude::*;

/// What the page shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
    /// One job alone.
    pub job: Option<JobId>,
}

/// Slots over time.
#[component]
pub fn Timeline(_props: &Props) -> Html {
    html! { <p class="empty">{ "This page is not there yet." }</p> }
}
