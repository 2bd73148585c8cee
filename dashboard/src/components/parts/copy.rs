//! A button that copies a text.

use crate::browser;
use gloo_timers::callback::Timeout;
use yew::prelude::*;

/// How long the button says that it was done, in milliseconds.
const SAID_MS: u32 = 1_500;

/// What is copied.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// What the button says.
    pub label: AttrValue,
    /// Makes the text, when it is wanted.
    pub text: Callback<(), String>,
}

/// A button that copies a text and says that it did.
#[component]
pub fn CopyButton(props: &Props) -> Html {
    let said = use_state(|| None::<Timeout>);
    let onclick = {
        let said = said.clone();
        let text = props.text.clone();
        Callback::from(move |_: MouseEvent| {
            browser::copy(&text.emit(()));
            let setter = said.setter();
            said.set(Some(Timeout::new(SAID_MS, move || setter.set(None))));
        })
    };
    let label = if said.is_some() { AttrValue::Static("copied") } else { props.label.clone() };
    html! { <button type="button" class="quiet" {onclick}>{ label }</button> }
}
