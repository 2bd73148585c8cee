//! How long ago something was.

use crate::browser;
use crate::format::age;
use yew::prelude::*;

/// What is shown.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// When it was, in milliseconds since the epoch on the scheduler's clock.
    pub at_ms: u64,
    /// The moment that is shown, on the same clock.
    pub now_ms: u64,
}

/// How long ago something was; when that was, with its time zone, stands in the tooltip.
#[component]
pub fn Age(props: &Props) -> Html {
    let text = use_memo((props.at_ms, props.now_ms / 1_000, props.at_ms > props.now_ms), |_| {
        format!("{} ago", age(props.now_ms, props.at_ms))
    });
    let title = use_memo(props.at_ms, |at_ms| browser::date_and_zone(*at_ms));
    html! { <span class="age" title={(*title).clone()}>{ (*text).clone() }</span> }
}
