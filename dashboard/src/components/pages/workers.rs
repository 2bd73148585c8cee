//! All workers.

use crate::live::Live;
use yew::prelude::*;

/// What the page shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
}

/// All workers.
#[component]
pub fn Workers(_props: &Props) -> Html {
    html! { <p class="empty">{ "This page is not there yet." }</p> }
}
