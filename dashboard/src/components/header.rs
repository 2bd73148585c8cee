//! The bar at the top: which cluster this is, and whether what is shown is of now.

use crate::format::{age, counted};
use crate::model::Health;
use partita_shared::model::ClusterRow;
use yew::prelude::*;

/// What the header shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The cluster, once it is known.
    pub cluster: Option<ClusterRow>,
    /// How the link stands.
    pub health: Health,
    /// How old the figures are, in milliseconds.
    pub age_ms: u64,
    /// The scheduler's time, in milliseconds since the epoch.
    pub now_ms: u64,
}

/// Glyph, class and word of a health. The word changes seldom: it is read aloud when it does.
fn state(health: Health) -> (&'static str, &'static str, &'static str) {
    match health {
        Health::Loading => ("◌", "idle", "connecting"),
        Health::Unreachable => ("↻", "bad", "not reachable, trying again"),
        Health::Live => ("●", "good", "live"),
        Health::Stale => ("◌", "idle", "stale"),
        Health::Reconnecting => ("↻", "bad", "reconnecting"),
    }
}

/// The bar at the top.
#[component]
pub fn Header(props: &Props) -> Html {
    let (glyph, class, word) = state(props.health);
    let figures_are_old = matches!(props.health, Health::Stale | Health::Reconnecting);
    html! {
        <header class="top">
            <h1>
                <span class="mark" aria-hidden="true">{ "▣" }</span>
                { props.cluster.as_ref().map_or("Partita", |cluster| &cluster.name).to_string() }
            </h1>
            if let Some(cluster) = &props.cluster {
                <p class="about">
                    { format!("{} · Partita {}", cluster.address, cluster.version) }
                    <span class="extra">
                        { format!(" · up {}", age(props.now_ms, cluster.started_ms)) }
                        if cluster.jobs_live > 0 {
                            { format!(" · {}", counted(cluster.jobs_live.into(), "live job", "live jobs")) }
                        }
                    </span>
                </p>
            }
            <p class={classes!("link", class)}>
                <span aria-hidden="true">{ glyph }</span>
                <span role="status" aria-live="polite">{ word }</span>
                if figures_are_old {
                    <span class="age">{ format!("figures {} old", age(props.age_ms, 0)) }</span>
                }
            </p>
        </header>
    }
}
