//! The bar at the bottom: the link in figures, and what watching costs.

use crate::format::{age, bytes_per_s, counted, duration_ns, grouped};
use crate::live::{Health, Live};
use yew::prelude::*;

/// What the bar shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
}

/// The bar at the bottom.
#[component]
pub fn StatusBar(props: &Props) -> Html {
    let live = &props.live;
    let figures = live.link();
    let is_of_now = matches!(live.health(), Health::Live | Health::Replay);
    let figures_age = match live.figures_age_ms() {
        0..=999 => "figures under 1\u{202f}s old".to_string(),
        _ if is_of_now => "figures under 2\u{202f}s old".to_string(),
        age_ms => format!("figures {} old", age(age_ms, 0)),
    };
    html! {
        <footer class="status" aria-label="Details of the connection">
            if live.health() != Health::Replay {
                <span>{ figures_age }</span>
                <span>{ bytes_per_s(figures.bytes_per_s) }</span>
            }
            if let Some(cluster) = &live.cluster {
                if cluster.dropped > 0 {
                    <span title="The observer fell behind. Counts are correct; single attempts may be missing.">
                        { format!("{} dropped", counted(cluster.dropped, "observation", "observations")) }
                    </span>
                }
                if live.health() != Health::Replay {
                    <span title={format!(
                        "99 of 100 events took the scheduler less than {}; frame {}",
                        duration_ns(cluster.event_p99_ns),
                        grouped(figures.frame)
                    )}>
                        { counted(cluster.browsers.into(), "page open", "pages open") }
                    </span>
                }
                <span class="version">
                    { format!("{} · Partita {}", cluster.row.address, cluster.row.version) }
                </span>
            }
        </footer>
    }
}
