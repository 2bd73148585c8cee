//! What happened.

use crate::live::Live;
use yew::prelude::*;

/// What the page shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
}

/// What happened.
#[component]
pub fn Events(_props: &Props) -> Html {
    html! { <p class="empty">{ "This page is not there yet." }</p> }
}
