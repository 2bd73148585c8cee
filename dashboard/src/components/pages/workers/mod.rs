//! All workers: as cells, as a table, by host, and those that went.

mod columns;
mod rates;

use super::worker::Curves;
use crate::charts::{HeatGrid, Sort, Table};
use crate::components::parts::{Panel, Same, Search, Status};
use crate::format::{NONE, bytes, counted};
use crate::live::{Live, use_topics};
use columns::{gone_table, hosts_table, table};
use partita_observe::frame::Topic;
use partita_shared::ids::WorkerId;
use partita_shared::model::{WorkerRow, WorkerState};
use rates::Rates;
use std::collections::BTreeMap;
use std::rc::Rc;
use yew::prelude::*;

/// Shown in place of workers while none is connected.
const NONE_YET: &str = "No workers are connected. Start one with `partita worker`.";

/// The time that the curves show, in milliseconds.
const SPAN_MS: u64 = 600_000;

/// What the page shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
}

/// Whether a worker is there.
pub(super) fn is_there(row: &WorkerRow) -> bool {
    matches!(row.state, WorkerState::Up | WorkerState::Leaving)
}

/// Whether a worker has a text in its name, host, state, Slurm job or cause.
fn has_text(row: &WorkerRow, text: &str) -> bool {
    let job = row.slurm_job.as_deref().unwrap_or_default();
    let word = crate::components::parts::look::worker(row).word;
    [row.name.as_str(), &row.host, word, job, &row.cause, &row.id.to_string()]
        .iter()
        .any(|field| field.to_ascii_lowercase().contains(text))
}

/// All workers.
#[component]
pub fn Workers(props: &Props) -> Html {
    let live = &props.live;
    let text = use_state(String::new);
    let is_by_host = use_state(|| false);
    let rates = use_mut_ref(Rates::default);
    let workers = Same::of(&live.workers);
    use_topics(live, "workers", vec![Topic::History]);
    let status = Status::of(live.has(Topic::Workers), workers.is_empty(), NONE_YET);
    let found =
        use_memo((workers.clone(), (*text).clone()), |(workers, text)| found(workers, text));
    // Ages count by the second: more often would be the same table again.
    let now_s = live.now_ms / 1_000;
    let source = use_memo((Same::of(&found), now_s, *is_by_host), |(found, now_s, is_by_host)| {
        let mut rates = rates.borrow_mut();
        rates.take(&found.there);
        let now_ms = now_s * 1_000;
        if *is_by_host {
            hosts_table(&found.there, &rates)
        } else {
            table(&found.there, &rates, now_ms)
        }
    });
    let gone = use_memo((Same::of(&found), now_s), |(found, now_s)| {
        gone_table(&found.gone, now_s * 1_000)
    });
    let on_text = {
        let text = text.clone();
        Callback::from(move |typed| text.set(typed))
    };
    let tools = html! {
        <>
            <Search label="Search workers" value={(*text).clone()} {on_text} />
            { host_switch(&is_by_host) }
        </>
    };
    let is_ready = status == Status::Ready;
    html! {
        <>
            <h1 class="offscreen">{ "Workers" }</h1>
            <Panel id="workers-grid" title="Workers at a glance" note={note(&found)} status={status.clone()}>
                <HeatGrid workers={workers.clone()} by_host={*is_by_host} />
            </Panel>
            <Panel id="workers-table" title={if *is_by_host { "Hosts" } else { "Workers" }}
                class="flush" {tools} {status}>
                <Table key={is_by_host.to_string()} source={(*source).clone()} id="workers"
                    label="Workers" sort={Some(Sort { column: 0, is_descending: false })}
                    when_empty="No worker matches this name, host, state or Slurm job." />
            </Panel>
            if is_ready {
                <Panel id="workers-history" title="All workers over the last ten minutes"
                    status={Status::of(live.has(Topic::History), live.history.is_empty(),
                        "No measurements yet.")}>
                    <Curves points={Same::of(&live.history)} to_s={now_s} limit={limit(&workers, live.now_ms)} />
                </Panel>
            }
            if is_ready && !found.gone.is_empty() {
                <Panel id="workers-gone" title="Disconnected workers" class="flush"
                    note={counted(found.gone.len() as u64, "worker", "workers")}>
                    <Table source={(*gone).clone()} id="gone" label="Disconnected workers"
                        sort={Some(Sort { column: 3, is_descending: true })} />
                </Panel>
            }
        </>
    }
}

/// The memory that all workers have together, in bytes. Nothing if there were more within the ten minutes: what they
/// had is no limit of what was before.
fn limit(workers: &BTreeMap<WorkerId, Rc<WorkerRow>>, now_ms: u64) -> Option<u64> {
    let (there, gone): (Vec<&Rc<WorkerRow>>, Vec<_>) =
        workers.values().partition(|row| is_there(row));
    let is_recent = |row: &&Rc<WorkerRow>| row.last_seen_ms.saturating_add(SPAN_MS) > now_ms;
    let sum = || there.iter().map(|row| row.memory_limit_bytes).fold(0, u64::saturating_add);
    (!gone.iter().any(is_recent)).then(sum)
}

fn host_switch(is_by_host: &UseStateHandle<bool>) -> Html {
    let is_on = **is_by_host;
    let is_by_host = is_by_host.clone();
    let onclick = Callback::from(move |_: MouseEvent| is_by_host.set(!is_on));
    html! { <button type="button" {onclick} aria-pressed={is_on.to_string()}>{ "by host" }</button> }
}

/// Workers that a search left.
#[derive(Default)]
struct Found {
    there: Vec<Rc<WorkerRow>>,
    gone: Vec<Rc<WorkerRow>>,
}

fn found(workers: &BTreeMap<WorkerId, Rc<WorkerRow>>, text: &str) -> Found {
    let text = text.trim().to_ascii_lowercase();
    let rows = workers.values().filter(|row| text.is_empty() || has_text(row, &text)).cloned();
    let (there, gone) = rows.partition(|row| is_there(row));
    Found { there, gone }
}

/// The sums over the connected workers.
fn note(found: &Found) -> String {
    let sum = |of: fn(&WorkerRow) -> u64| found.there.iter().map(|row| of(row)).sum::<u64>();
    let slots = sum(|row| row.slots.into());
    if slots == 0 {
        return NONE.to_string();
    }
    format!(
        "{} · {} of {slots} slots busy · {} of {} in use · {} spilled",
        counted(found.there.len() as u64, "worker", "workers"),
        sum(|row| row.metrics.running.into()),
        bytes(sum(|row| row.metrics.resident_bytes)),
        bytes(sum(|row| row.memory_limit_bytes)),
        bytes(sum(|row| row.metrics.spilled_bytes)),
    )
}
