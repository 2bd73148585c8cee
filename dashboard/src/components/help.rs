//! The list of keys and signs.

use super::parts::{State, look};
use crate::route::Tab;
use partita_shared::model::TaskState;
use wasm_bindgen::JsCast;
use web_sys::HtmlDialogElement;
use yew::prelude::*;

/// Whom the list tells.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// It is to be closed.
    pub on_close: Callback<()>,
}

/// What each state of a task means.
const STATES: [(TaskState, &str); 5] = [
    (TaskState::Waiting, "an input is incomplete"),
    (TaskState::Ready, "it can run and waits for a slot"),
    (TaskState::Running, "it is assigned to a worker"),
    (TaskState::Done, "it has finished"),
    (TaskState::Failed, "it is not retried"),
];

/// The list of keys and signs, over the page.
#[component]
pub fn Help(props: &Props) -> Html {
    let dialog = use_node_ref();
    {
        let dialog = dialog.clone();
        use_effect_with((), move |()| {
            // A modal keeps the keyboard's focus inside, and the browser closes it on Escape.
            if let Some(dialog) = dialog.get() {
                let _ = dialog.unchecked_into::<HtmlDialogElement>().show_modal();
            }
        });
    }
    let onclose = props.on_close.reform(|_: Event| ());
    let onclick = props.on_close.reform(|_: MouseEvent| ());
    html! {
        <dialog ref={dialog} class="help" aria-labelledby="help" {onclose}>
            <h2 id="help">{ "Keys and signs" }</h2>
            <dl class="keys">
                { for Tab::ALL.into_iter().enumerate().map(|(at, tab)| {
                    key((at + 1).to_string(), tab.name())
                }) }
                { key("/".into(), "to the search field") }
                { key("space".into(), "pause or resume; in a replay, play or stop") }
                { key("?".into(), "this list") }
            </dl>
            <h3>{ "States of a task" }</h3>
            <dl class="keys">
                { for STATES.into_iter().map(|(state, meaning)| html! {
                    <div key={meaning}>
                        <dt><State look={look::task(state)} /></dt><dd>{ meaning }</dd>
                    </div>
                }) }
            </dl>
            <button type="button" {onclick}>{ "Close" }</button>
        </dialog>
    }
}

fn key(key: String, meaning: &'static str) -> Html {
    html! { <div key={meaning}><dt><kbd>{ key }</kbd></dt><dd>{ meaning }</dd></div> }
}
