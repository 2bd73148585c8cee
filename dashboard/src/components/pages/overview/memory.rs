//! How the memory of all workers is used.

use crate::components::parts::{Bar, Panel, Part, Same, Status};
use crate::format::{bytes, percent};
use crate::live::Live;
use partita_observe::view::ClusterView;
use yew::prelude::*;

/// What the panel shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
}

/// How the memory of all workers is used: partitions, operators, what is not accounted for, and
/// what was spilled.
#[component]
pub fn Memory(props: &Props) -> Html {
    let cluster = props.live.cluster.as_ref();
    let workers = cluster.map_or(0, |cluster| cluster.row.workers);
    let status = Status::of(cluster.is_some(), workers == 0, "No worker is there.");
    html! {
        <Panel title="Memory" id="memory" {status}>
            if let Some(cluster) = cluster {
                <Split cluster={Same::of(cluster)} />
            }
        </Panel>
    }
}

#[derive(PartialEq, Properties)]
struct SplitProps {
    cluster: Same<ClusterView>,
}

#[component]
fn Split(props: &SplitProps) -> Html {
    let row = &props.cluster.row;
    let limit = row.memory_limit_bytes;
    let operators = row.reserved_bytes.saturating_sub(row.stored_bytes);
    // Code, buffers and what libraries hold: the processes have it, the budget does not know it.
    let other = props.cluster.resident_bytes.saturating_sub(row.reserved_bytes);
    let free = limit.saturating_sub(row.reserved_bytes).saturating_sub(other);
    let parts = [
        Part { class: "stored", size: row.stored_bytes },
        Part { class: "used", size: operators },
        Part { class: "other", size: other },
    ];
    let label = format!(
        "Of {}: partitions {} %, operators {} %, not accounted for {} %",
        bytes(limit),
        percent(row.stored_bytes, limit),
        percent(operators, limit),
        percent(other, limit)
    );
    html! {
        <div class="memory">
            <Bar parts={parts.to_vec()} whole={limit} label={label} />
            <dl class="legend">
                { entry("stored", "partitions", row.stored_bytes) }
                { entry("used", "operators", operators) }
                { entry("other", "not accounted for", other) }
                { entry("free", "free", free) }
                { entry("spilled", "spilled to disk", row.spilled_bytes) }
            </dl>
        </div>
    }
}

fn entry(class: &'static str, name: &'static str, size: u64) -> Html {
    html! {
        <div key={name}>
            <dt>
                <svg aria-hidden="true">
                    <rect {class} width="100%" height="100%" />
                    if class == "spilled" {
                        <rect fill="url(#hatch-spilled)" width="100%" height="100%" />
                    }
                </svg>
                { name }
            </dt>
            <dd>{ bytes(size) }</dd>
        </div>
    }
}
