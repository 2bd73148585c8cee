//! What stands under an address that no page has.

use yew::prelude::*;

/// The address.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// As it was given.
    pub address: String,
}

/// Says that there is no such page.
#[component]
pub fn Nowhere(props: &Props) -> Html {
    html! {
        <section class="notice">
            <h2>{ "No such page" }</h2>
            <p>
                { "No page at " }<code>{ props.address.clone() }</code>
                { ". Go to the " }<a href="#/">{ "overview" }</a>{ "." }
            </p>
        </section>
    }
}
