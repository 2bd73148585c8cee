//! One task.

use crate::live::Live;
use partita_shared::ids::TaskId;
use yew::prelude::*;

/// What the page shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
    /// The task.
    pub id: TaskId,
}

/// One task.
#[component]
pub fn Task(_props: &Props) -> Html {
    html! { <p class="empty">{ "This page is not there yet." }</p> }
}
