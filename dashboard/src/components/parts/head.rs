//! The head of a plain table.

use yew::prelude::*;

/// A row of column heads: the name of each, and the class of its cells.
pub fn table_head(columns: &[(&'static str, &'static str)]) -> Html {
    html! {
        <thead>
            <tr>
                { for columns.iter().map(|(name, class)| html! {
                    <th scope="col" class={*class}>{ *name }</th>
                }) }
            </tr>
        </thead>
    }
}
