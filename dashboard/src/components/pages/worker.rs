//! One worker.

use crate::live::Live;
use partita_shared::ids::WorkerId;
use yew::prelude::*;

/// What the page shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
    /// The worker.
    pub id: WorkerId,
}

/// One worker.
#[component]
pub fn Worker(_props: &Props) -> Html {
    html! { <p class="empty">{ "This page is not there yet." }</p> }
}
