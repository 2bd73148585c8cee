//! Tasks of a job.

use crate::live::Live;
use crate::route::TaskFilter;
use yew::prelude::*;

/// What the page shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
    /// Which of them.
    pub filter: TaskFilter,
}

/// Tasks of a job.
#[component]
pub fn Tasks(_props: &Props) -> Html {
    html! { <p class="empty">{ "This page is not there yet." }</p> }
}
