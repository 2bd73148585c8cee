//! One worker.

mod attempts;
mod log;

use crate::browser;
use crate::charts::{Lines, Series, Sort, Table, Unit};
use crate::components::parts::{
    Age, Confirm, MemoryUse, Panel, Same, State, Status, look, task_link, worker_link,
};
use crate::format::{NONE, age, bytes, cores, duration_us, grouped, percent};
use crate::live::{Live, use_topics};
use crate::route::Route;
use attempts::{attempts_table, partitions_table};
use log::LogTail;
use partita_observe::frame::{Source, Topic};
use partita_observe::view::{Point, WorkerView};
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::model::{WorkerRow, WorkerState};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use yew::prelude::*;

/// Jobs whose stages are named.
const JOBS_NAMED_MAX: usize = 4;

/// What the page shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
    /// The worker.
    pub id: WorkerId,
}

/// One worker.
#[component]
pub fn Worker(props: &Props) -> Html {
    let Props { live, id } = props;
    let row = live.workers.get(id).cloned();
    let page = live.worker_pages.get(id).cloned();
    let Some(row) = row else {
        return unknown(live, *id, matches!(page, Some(None)));
    };
    let page = page.flatten();
    // It tells of its partitions and its log when someone begins to look.
    let will_tell = live.source() == Source::Live
        && super::workers::is_there(&row)
        && page.as_ref().is_none_or(|page| !page.is_told);
    let now_s = live.now_ms / 1_000;
    let is_there = super::workers::is_there(&row);
    let history = live.worker_histories.get(id);
    // The ten minutes of a worker that is gone end with its last report.
    let last_s = history.and_then(|points| points.keys().next_back().copied());
    let to_s = if is_there { now_s } else { last_s.unwrap_or(now_s) };
    html! {
        <>
            { head(&row, live) }
            <div class="columns">
                <Panel id="worker-facts" title="Facts" note={if is_there { "" } else { "as last reported" }}>
                    { facts(&row, live.now_ms) }
                </Panel>
                if is_there {
                    <Slots live={live.clone()} page={page.as_ref().map(Same::of)} slots={row.slots} />
                }
            </div>
            <History history={history.map(Same::of)} {to_s} {is_there} limit={row.memory_limit_bytes} />
            <Recent page={page.as_ref().map(Same::of)} {now_s} {will_tell} {is_there} />
            <Panel id="worker-log" title="Log" class="flush" status={log_status(page.as_deref(), will_tell, is_there)}
                note="the last lines">
                <LogTail lines={page.as_ref().map(Same::of)} />
            </Panel>
            { before(live, page.as_deref()) }
        </>
    }
}

/// What stands in the place of a worker that is not among the workers.
fn unknown(live: &Live, id: WorkerId, is_unknown: bool) -> Html {
    if !is_unknown && !live.has(Topic::Workers) {
        return html! { <p class="notice" role="status">{ "Loading…" }</p> };
    }
    html! {
        <p class="notice">
            { format!("Unknown {id}: it never joined, or it left long ago. ") }
            <a href={Route::Workers.to_string()}>{ "All workers" }</a>
        </p>
    }
}

fn head(row: &WorkerRow, live: &Live) -> Html {
    let is_gone = !super::workers::is_there(row);
    html! {
        <div class="page-head">
            <h1>{ row.name.clone() }</h1>
            <State look={look::worker(row)} />
            <span class="hint">{ format!("{} on {}", row.id, row.host) }</span>
            if row.state == WorkerState::Up {
                <Confirm live={live.clone()} name="Retire"
                    question={format!("Retire {}? It finishes its tasks, migrates its partitions \
                        and exits.", row.name)}
                    yes="Retire the worker" no="Keep it" sent="Retiring…"
                    path={format!("workers/{}/retire", row.id.0)} />
            }
            if !row.cause.is_empty() {
                <p class={classes!("cause", is_gone.then_some("warning"))}>
                    { row.cause.clone() }
                    if is_gone {
                        <span class="hint">
                            { " · last seen " }<Age at_ms={row.last_seen_ms} now_ms={live.now_ms} />
                        </span>
                    }
                </p>
            }
        </div>
    }
}

fn facts(row: &WorkerRow, now_ms: u64) -> Html {
    let metrics = &row.metrics;
    let fact = |term: &'static str, value: Html| {
        html! { <div key={term}><dt>{ term }</dt><dd>{ value }</dd></div> }
    };
    let figure = |text: String| -> Html { text.into() };
    let left = row.ends_ms.map_or(NONE.to_string(), |ends| age(ends, now_ms));
    let memory = MemoryUse::of(row);
    let shown = html! {
        <>
            <span class={memory.is_near_limit().then_some("over")}>
                { format!("{} of {}, {}\u{202f}%", bytes(memory.resident), bytes(memory.limit),
                    memory.percent()) }
            </span>
            { memory.bar() }
        </>
    };
    let spilled = format!(
        "{} in {} partitions",
        bytes(metrics.spilled_bytes),
        grouped(metrics.spilled_partitions.into())
    );
    let slurm = row.slurm_job.clone().unwrap_or(NONE.to_string());
    let ends = row.ends_ms.map(browser::date_and_zone);
    html! {
        <dl class="facts">
            { fact("CPU", figure(format!("{} cores", cores(metrics.cpu_milli.into())))) }
            { fact("slots", figure(format!("{} of {} busy, {} tasks queued", metrics.running, row.slots,
                metrics.queued))) }
            { fact("memory", shown) }
            { fact("reserved", figure(bytes(metrics.reserved_bytes))) }
            { fact("partitions in memory", figure(bytes(metrics.stored_bytes))) }
            { fact("spilled", figure(spilled)) }
            { fact("partitions", figure(grouped(metrics.partitions.into()))) }
            { fact("tasks finished", grouped(row.finished).into()) }
            { fact("last seen", html! { <Age at_ms={row.last_seen_ms} {now_ms} /> }) }
            { fact("joined", html! { <Age at_ms={row.joined_ms} {now_ms} /> }) }
            { fact("Slurm job", slurm.into()) }
            { fact("time left", html! { <span title={ends}>{ figure(left) }</span> }) }
            { fact("data service", html! { <code>{ row.address.clone() }</code> }) }
            { fact("scratch folder", html! { <code>{ row.local_directory.clone() }</code> }) }
            { fact("process id", row.pid.to_string().into()) }
        </dl>
    }
}

#[derive(PartialEq, Properties)]
struct SlotsProps {
    live: Live,
    page: Option<Same<WorkerView>>,
    slots: u32,
}

/// The tasks on the slots.
#[component]
fn Slots(props: &SlotsProps) -> Html {
    let on_slots = props.page.as_ref().map(|page| page.on_slots.as_slice()).unwrap_or_default();
    let jobs: BTreeSet<JobId> = on_slots.iter().map(|slot| slot.task.stage.job).collect();
    let stages = jobs.into_iter().rev().take(JOBS_NAMED_MAX).map(Topic::Stages);
    use_topics(&props.live, "worker", stages.collect());
    let status = Status::of(props.page.is_some(), on_slots.is_empty(), "No tasks are running.");
    let note = format!("{} of {}", on_slots.len(), props.slots);
    html! {
        <Panel id="worker-slots" title="Tasks on slots" {note} {status}>
            <ul class="slots">
                { for on_slots.iter().map(|slot| {
                    let stage = crate::charts::stage_name(&props.live, slot.task.stage);
                    html! {
                        <li key={slot.slot}>
                            <span class="hint">{ slot.slot }</span>
                            { task_link(slot.task) }
                            <span class="grow">{ stage }</span>
                            { for slot.read_milli.map(|milli| html! {
                                <span class="hint">{ format!("{} % read", percent(milli.into(), 1_000)) }</span>
                            }) }
                            <span class="number">{ duration_us(slot.since_us) }</span>
                        </li>
                    }
                }) }
            </ul>
        </Panel>
    }
}

#[derive(PartialEq, Properties)]
struct HistoryProps {
    history: Option<Same<BTreeMap<u64, Point>>>,
    to_s: u64,
    is_there: bool,
    limit: u64,
}

/// What it did over the last ten minutes.
#[component]
fn History(props: &HistoryProps) -> Html {
    let has_points = props.history.as_ref().is_some_and(|history| !history.is_empty());
    let nothing =
        if props.is_there { "No measurements yet." } else { "It reported no measurements." };
    let status = Status::of(props.history.is_some(), !has_points, nothing);
    let empty = Rc::default();
    let points = props.history.as_ref().map_or(&empty, |history| &history.0);
    html! {
        <Panel id="worker-history" title="The last ten minutes" {status}
            note={if props.is_there { "" } else { "before it was disconnected" }}>
            <Curves points={Same::of(points)} to_s={props.to_s} limit={Some(props.limit)}
                end={if props.is_there { "now" } else { "last report" }} />
        </Panel>
    }
}

/// What curves show.
#[derive(PartialEq, Properties)]
pub struct CurvesProps {
    /// Points by second.
    pub points: Same<BTreeMap<u64, Point>>,
    /// The second at the right edge.
    pub to_s: u64,
    /// The memory that there is, in bytes.
    pub limit: Option<u64>,
    /// What the right edge is called.
    #[prop_or("now")]
    pub end: &'static str,
}

/// Processor, memory, network and disk over ten minutes, of a worker or of all of them.
#[component]
pub fn Curves(props: &CurvesProps) -> Html {
    let CurvesProps { points, to_s, limit, end } = props;
    let series = |name, class, is_filled, of: fn(&Point) -> f64| Series {
        name,
        class,
        is_filled,
        values: points.iter().map(|(second, point)| (*second, of(point))).collect(),
    };
    let limit = limit.map(|limit| ("limit", limit as f64));
    html! {
        <div class="curves-grid">
            <Lines title="CPU" unit={Unit::CoreMilli} to_s={*to_s} end={*end} series={vec![
                series("used", "one", true, |point| point.cpu_milli.into()),
            ]} />
            <Lines title="Memory" unit={Unit::Bytes} to_s={*to_s} end={*end} {limit} series={vec![
                series("process", "four", false, |point| point.resident_bytes as f64),
                series("reserved", "one", true, |point| point.reserved_bytes as f64),
                series("stored", "two", false, |point| point.stored_bytes as f64),
                series("spilled", "three", false, |point| point.spilled_bytes as f64),
            ]} />
            <Lines title="Network" unit={Unit::BytesPerS} to_s={*to_s} end={*end} series={vec![
                series("read", "one", true, |point| point.fetched_bytes as f64),
                series("sent", "two", false, |point| point.served_bytes as f64),
            ]} />
            <Lines title="Disk" unit={Unit::BytesPerS} to_s={*to_s} end={*end} series={vec![
                series("written", "one", true, |point| point.disk_written_bytes as f64),
                series("read", "two", false, |point| point.disk_read_bytes as f64),
            ]} />
            <Lines title="Tasks" unit={Unit::PerS} to_s={*to_s} end={*end} series={vec![
                series("finished", "one", true, |point| point.finished.into()),
            ]} />
        </div>
    }
}

#[derive(PartialEq, Properties)]
struct RecentProps {
    page: Option<Same<WorkerView>>,
    now_s: u64,
    will_tell: bool,
    is_there: bool,
}

/// Attempts that ended, and the largest partitions.
#[component]
fn Recent(props: &RecentProps) -> Html {
    let tables = use_memo((props.page.clone(), props.now_s), |(page, now_s)| {
        let page = page.as_ref()?;
        Some((attempts_table(page, now_s * 1_000), partitions_table(page)))
    });
    let has_come = props.page.is_some();
    let none =
        |is_empty: fn(&WorkerView) -> bool| props.page.as_ref().is_none_or(|page| is_empty(page));
    let recent = Status::of(
        has_come,
        none(|page| page.recent.is_empty()),
        "No attempt has ended on this worker.",
    );
    let held = Status::of(
        has_come && !props.will_tell,
        none(|page| page.partitions.is_empty()),
        if props.is_there {
            "This worker holds no partitions."
        } else {
            "Its partitions were not listed: a worker lists them while its page is open."
        },
    );
    html! {
        <>
            <Panel id="worker-recent" title="Recent attempts" class="flush" status={recent}>
                if let Some((attempts, _)) = &*tables {
                    <Table source={attempts.clone()} id="attempts" label="Recent attempts" />
                }
            </Panel>
            <Panel id="worker-partitions" title="Largest partitions" class="flush" status={held}>
                if let Some((_, partitions)) = &*tables {
                    <Table source={partitions.clone()} id="partitions" label="Largest partitions"
                        sort={Some(Sort { column: 1, is_descending: true })} />
                }
            </Panel>
        </>
    }
}

fn log_status(page: Option<&WorkerView>, will_tell: bool, is_there: bool) -> Status {
    let is_empty = page.is_none_or(|page| page.log.is_empty());
    let when_empty = if is_there {
        "No log lines were received."
    } else {
        "No log lines came from it before it ended."
    };
    Status::of(page.is_some() && !will_tell, is_empty, when_empty)
}

/// Earlier registrations of the same name.
fn before(live: &Live, page: Option<&WorkerView>) -> Html {
    let Some(page) = page.filter(|page| !page.before.is_empty()) else { return Html::default() };
    html! {
        <Panel id="worker-before" title="Earlier registrations of this name">
            <ul class="pad">
                { for page.before.iter().map(|(id, ended_ms, why)| html! {
                    <li key={id.0}>
                        { worker_link(live, *id) }{ " " }
                        <span class="hint">
                            { "ended " }<Age at_ms={*ended_ms} now_ms={live.now_ms} />{ ": " }
                        </span>
                        { if why.is_empty() { NONE.to_string() } else { why.clone() } }
                    </li>
                }) }
            </ul>
        </Panel>
    }
}
