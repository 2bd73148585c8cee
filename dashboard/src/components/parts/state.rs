//! A state: its glyph in its colour, and its word.

use super::icon;
use super::look::Look;
use yew::prelude::*;

/// What is shown.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// How it looks.
    pub look: Look,
}

/// A state: its glyph in its colour, and its word in the colour of text.
#[component]
pub fn State(props: &Props) -> Html {
    let Look { glyph, class, word } = props.look;
    html! {
        <span class={classes!("state", class)}>
            <span class="glyph">{ icon(glyph) }</span>{ word }
        </span>
    }
}
