//! A button below a long list.

use crate::format::grouped;
use yew::prelude::*;

/// Rows of one table that are drawn at first, and that each press of its button adds. Drawing
/// thousands ten times a second would make the page slow.
pub const ROWS_SHOWN_STEP: usize = 200;

/// What is not shown.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// Rows that there are.
    pub total: usize,
    /// Rows that are drawn at most.
    pub shown: UseStateHandle<usize>,
}

/// A button that adds rows to a list, if there are more.
#[component]
pub fn ShowMore(props: &Props) -> Html {
    let hidden = props.total.saturating_sub(*props.shown);
    if hidden == 0 {
        return Html::default();
    }
    let shown = props.shown.clone();
    let onclick = Callback::from(move |_: MouseEvent| shown.set(*shown + ROWS_SHOWN_STEP));
    html! {
        <button type="button" class="more" {onclick}>
            { format!("Show more: {} not shown", grouped(hidden as u64)) }
        </button>
    }
}
