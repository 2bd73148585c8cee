//! The cluster at a glance.

use crate::live::Live;
use yew::prelude::*;

/// What the page shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
}

/// The cluster at a glance.
#[component]
pub fn Overview(_props: &Props) -> Html {
    html! { <p class="empty">{ "This page is not there yet." }</p> }
}
