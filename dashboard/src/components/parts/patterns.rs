//! The patterns that fill bars and nodes besides their colours.

use yew::prelude::*;

/// Patterns, by identifier: `hatch-spilled` (lines), `hatch-failed` (crossed
/// lines), `hatch-transfer` (slanted lines). They lie over a colour and leave most of it. Once on
/// the page; used as `fill="url(#hatch-failed)"`.
#[component]
pub fn Patterns() -> Html {
    let pattern = |id: &'static str, size: &'static str, path: &'static str| {
        html! {
            <pattern {id} width={size} height={size} patternUnits="userSpaceOnUse">
                <path class="hatch" d={path} />
            </pattern>
        }
    };
    html! {
        <svg class="offscreen" width="0" height="0" aria-hidden="true" focusable="false">
            <defs>
                { pattern("hatch-spilled", "4", "M0 2h4") }
                { pattern("hatch-failed", "6", "M0 0l6 6M6 0l-6 6") }
                { pattern("hatch-transfer", "6", "M-1 1l2 -2M0 6l6 -6M5 7l2 -2") }
            </defs>
        </svg>
    }
}
