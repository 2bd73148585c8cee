//! How the memory of all workers is used.

use crate::components::parts::{MemoryUse, Panel, Same, Status};
use crate::live::Live;
use partita_observe::view::ClusterView;
use yew::prelude::*;

/// What the panel shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
}

/// How the memory of all workers is used: partitions, operators, what is rest of the process, and
/// what was spilled.
#[component]
pub fn Memory(props: &Props) -> Html {
    let cluster = props.live.cluster.as_ref();
    let workers = cluster.map_or(0, |cluster| cluster.row.workers);
    let status = Status::of(cluster.is_some(), workers == 0, "No workers are connected.");
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
    let memory = MemoryUse::of_cluster(&props.cluster);
    html! {
        <div class="memory">
            { memory.bar() }
            <dl class="legend">{ memory.legend(props.cluster.row.spilled_bytes) }</dl>
        </div>
    }
}
