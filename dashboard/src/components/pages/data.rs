//! Where the memory goes.

use crate::live::Live;
use yew::prelude::*;

/// What the page shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
}

/// Where the memory goes.
#[component]
pub fn Data(_props: &Props) -> Html {
    html! { <p class="empty">{ "This page is not there yet." }</p> }
}
