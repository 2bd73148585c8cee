//! The bar at the top: the cluster's name, its pages, and whether the page shows current data.

use crate::components::parts::icon;
use crate::format::age;
use crate::live::{Act, Health, Live};
use crate::route::Tab;
use crate::theme::Theme;
use yew::prelude::*;

/// What the header shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
    /// The page that is shown.
    pub tab: Option<Tab>,
    /// Asks for the list of keys.
    pub on_help: Callback<()>,
}

/// Glyph, class and word of a health. The word changes seldom: it is read aloud when it does.
fn state(health: Health) -> (&'static str, &'static str, &'static str) {
    match health {
        Health::Loading => ("◌", "waiting", "connecting"),
        Health::Unreachable => ("↻", "failed", "not reachable, retrying"),
        Health::Live => ("●", "done", "live"),
        Health::Replay => ("▶\u{fe0e}", "done", "replay"),
        Health::Held => ("❚❚", "waiting", "paused"),
        Health::Stale => ("◌", "waiting", "stale"),
        Health::Reconnecting => ("↻", "failed", "reconnecting"),
    }
}

/// The bar at the top.
#[component]
pub fn Header(props: &Props) -> Html {
    let live = &props.live;
    let name = live.greeting.as_ref().map_or("Partita", |greeting| greeting.cluster.as_str());
    let on_help = props.on_help.reform(|_: MouseEvent| ());
    html! {
        <header class="top">
            <h1>
                <a class="brand" href="#/" title="Overview">
                    <span class="mark">{ icon("▣") }</span>{ name.to_string() }
                </a>
            </h1>
            <nav aria-label="Pages">
                <ul>{ for Tab::ALL.into_iter().map(|tab| tab_link(tab, props.tab)) }</ul>
            </nav>
            <LinkState health={live.health()} age={figures_age(live)} />
            <div class="tools">
                { hold_button(live) }
                <ThemeButton />
                <button type="button" class="tool" title="Keys and signs (?)" aria-label="Help"
                    onclick={on_help}>{ "?" }</button>
            </div>
        </header>
    }
}

fn tab_link(tab: Tab, present: Option<Tab>) -> Html {
    let current = (present == Some(tab)).then_some("page");
    html! {
        <li key={tab.name()}>
            <a href={tab.route().to_string()} aria-current={current}>{ tab.name() }</a>
        </li>
    }
}

/// How old the figures are, if they are old. While they are of now it would only flicker.
fn figures_age(live: &Live) -> AttrValue {
    match live.health() {
        Health::Held | Health::Stale | Health::Reconnecting => {
            format!("figures {} old", age(live.figures_age_ms(), 0)).into()
        }
        Health::Loading | Health::Unreachable | Health::Live | Health::Replay => {
            AttrValue::default()
        }
    }
}

#[derive(PartialEq, Properties)]
struct LinkStateProps {
    health: Health,
    age: AttrValue,
}

#[component]
fn LinkState(props: &LinkStateProps) -> Html {
    let (glyph, class, word) = state(props.health);
    html! {
        <p class={classes!("link", class)}>
            <span class="glyph">{ icon(glyph) }</span>
            <span role="status" aria-live="polite">{ word }</span>
            if !props.age.is_empty() {
                <span class="age">{ &props.age }</span>
            }
        </p>
    }
}

fn hold_button(live: &Live) -> Html {
    let is_held = match live.health() {
        Health::Live | Health::Stale => false,
        Health::Held => true,
        Health::Loading | Health::Unreachable | Health::Replay | Health::Reconnecting => {
            return Html::default();
        }
    };
    let actor = live.actor();
    let onclick = Callback::from(move |_: MouseEvent| actor.emit(Act::Hold(!is_held)));
    let (glyph, title) =
        if is_held { ("▶\u{fe0e}", "Resume (space)") } else { ("❚❚", "Pause (space)") };
    html! {
        <button type="button" class="tool" {title} aria-label={title} {onclick}>{ icon(glyph) }</button>
    }
}

#[component]
fn ThemeButton() -> Html {
    let theme = use_state(Theme::stored);
    let onclick = {
        let theme = theme.clone();
        Callback::from(move |_: MouseEvent| {
            let next = theme.next();
            next.choose();
            theme.set(next);
        })
    };
    let label = format!("Colours: {}. Press for {}.", theme.name(), theme.next().name());
    html! {
        <button type="button" class="tool" title={label.clone()} aria-label={label} {onclick}>
            { icon(theme.glyph()) }
        </button>
    }
}
