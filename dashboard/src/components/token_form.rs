//! The form shown without a token; nothing else is shown then.

use crate::components::parts::icon;
use wasm_bindgen::JsCast;
use web_sys::HtmlInputElement;
use yew::prelude::*;

/// What the form knows and whom it tells.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// Whether a token was given and refused.
    pub refused: bool,
    /// Gets the token.
    pub on_token: Callback<String>,
}

/// Asks for the token.
#[component]
pub fn TokenForm(props: &Props) -> Html {
    let input = use_node_ref();
    use_effect_with((), |()| {
        // In a notebook, the keys belong to the cells around the panel.
        if !crate::browser::is_framed() {
            crate::browser::focus("#token");
        }
    });
    let onsubmit = {
        let input = input.clone();
        let on_token = props.on_token.clone();
        Callback::from(move |event: SubmitEvent| {
            // The form must not load the page anew, which would put the token into the address.
            event.prevent_default();
            let field = input.get().map(|node| node.unchecked_into::<HtmlInputElement>());
            let token = field.map(|field| field.value()).unwrap_or_default();
            if !token.trim().is_empty() {
                on_token.emit(token.trim().to_string());
            }
        })
    };
    html! {
        <main class="gate">
            <h1><span class="mark">{ icon("▣") }</span>{ "Partita" }</h1>
            <form {onsubmit}>
                if props.refused {
                    <p class="warning" role="alert">
                        { "The scheduler refused this token. The dashboard's token is not the \
                           cluster's." }
                    </p>
                }
                <label for="token">{ "Token of the dashboard" }</label>
                <input id="token" ref={input} type="password" autocomplete="off" required=true
                    spellcheck="false" aria-describedby="where" />
                <button type="submit">{ "Show the cluster" }</button>
                <p id="where" class="hint">
                    { "A link contains it: " }<code>{ "partita dashboard" }</code>
                    { " prints it on the cluster's machine, and " }
                    <code>{ "print(client.dashboard_link)" }</code>{ " in Python." }
                </p>
            </form>
        </main>
    }
}
