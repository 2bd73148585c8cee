//! A field that narrows a list.

use crate::browser;
use yew::prelude::*;

/// What the field holds and whom it tells.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// What is searched, for its label.
    pub label: AttrValue,
    /// The text in it.
    pub value: AttrValue,
    /// Gets the text whenever it changes.
    pub on_text: Callback<String>,
}

/// A field that narrows a list. The key `/` leads to the first of a page.
#[component]
pub fn Search(props: &Props) -> Html {
    let on_text = props.on_text.clone();
    let oninput = Callback::from(move |event: InputEvent| {
        if let Some(text) = browser::value_of(&event) {
            on_text.emit(text);
        }
    });
    html! {
        <input type="search" class="search" data-search="" aria-label={&props.label}
            placeholder={&props.label} value={&props.value} autocomplete="off" spellcheck="false"
            {oninput} />
    }
}
