//! The frame of every list and drawing.

use super::copy::CopyButton;
use crate::route::{Route, panel_address};
use yew::prelude::*;

/// What there is to show.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Status {
    /// What is inside.
    #[default]
    Ready,
    /// It has not come yet.
    Loading,
    /// Nothing to show: a sentence that says so.
    Empty(AttrValue),
}

impl Status {
    /// Loading until it has come, then empty if there is nothing.
    pub fn of(has_come: bool, is_empty: bool, when_empty: &'static str) -> Self {
        match (has_come, is_empty) {
            (false, true) => Status::Loading,
            (true, true) => Status::Empty(AttrValue::Static(when_empty)),
            // Available rows are shown, even while the others are on their way.
            (_, false) => Status::Ready,
        }
    }
}

/// Where panels are: on which page, and whether only one of them is to be shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The page.
    pub page: Route,
    /// The panel that is shown alone.
    pub alone: Option<AttrValue>,
}

impl Place {
    /// The link that shows only this panel, or its page again.
    fn link(&self, id: &str) -> Html {
        let (href, title) = match self.alone {
            Some(_) => (self.page.to_string(), "the whole page"),
            None => (panel_address(id, &self.page), "only this panel"),
        };
        html! {
            <a class="alone-link" {href} {title} aria-label={title}>
                <svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true">
                    <path d="M.5 3.5h8v8h-8zM3.5 3V.5h8v8H9" fill="none" stroke="currentColor" />
                </svg>
            </a>
        }
    }
}

/// A panel.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// Its title.
    pub title: AttrValue,
    /// Its name among the panels of its page.
    pub id: &'static str,
    /// Further classes.
    #[prop_or_default]
    pub class: Classes,
    /// What there is to show.
    #[prop_or_default]
    pub status: Status,
    /// A few words beside the title: how many there are, or that only some are shown.
    #[prop_or_default]
    pub note: AttrValue,
    /// Fields and buttons beside the title.
    #[prop_or_default]
    pub tools: Html,
    /// Makes comma-separated values of what is shown, when they are wanted.
    #[prop_or_default]
    pub csv: Option<Callback<(), String>>,
    /// What is inside.
    #[prop_or_default]
    pub children: Html,
}

/// The frame of a list or drawing: its title, its content or why it has none, and a button that
/// copies it.
#[component]
pub fn Panel(props: &Props) -> Html {
    let place = use_context::<Place>();
    let alone = place.as_ref().and_then(|place| place.alone.as_deref());
    if alone.is_some_and(|alone| alone != props.id) {
        return Html::default();
    }
    let is_ready = props.status == Status::Ready;
    html! {
        <section class={classes!("panel", props.class.clone())} aria-labelledby={props.id}>
            <div class="panel-head">
                <h2 id={props.id}>{ &props.title }</h2>
                if !props.note.is_empty() {
                    <span class="note">{ &props.note }</span>
                }
                <div class="panel-tools">
                    { props.tools.clone() }
                    if let Some(csv) = props.csv.clone().filter(|_| is_ready) {
                        <CopyButton label="copy as CSV" text={csv} />
                    }
                    { for place.iter().map(|place| place.link(props.id)) }
                </div>
            </div>
            { match &props.status {
                Status::Ready => props.children.clone(),
                Status::Loading => html! { <p class="empty loading" role="status">{ "Loading…" }</p> },
                Status::Empty(text) => html! { <p class="empty">{ text }</p> },
            } }
        </section>
    }
}
