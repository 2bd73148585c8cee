//! One job.

use crate::live::Live;
use partita_shared::ids::JobId;
use yew::prelude::*;

/// What the page shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
    /// The job.
    pub id: JobId,
}

/// One job.
#[component]
pub fn Job(_props: &Props) -> Html {
    html! { <p class="empty">{ "This page is not there yet." }</p> }
}
