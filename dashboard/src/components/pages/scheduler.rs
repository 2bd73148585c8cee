//! What the scheduler itself costs.

use crate::browser;
use crate::charts::{Lines, Series, Unit};
use crate::components::parts::{Age, Panel, State, Status, icon, look::Look};
use crate::format::{NONE, bytes, bytes_per_s, count, csv, duration_ns, grouped, rate};
use crate::live::Live;
use partita_observe::frame::Topic;
use partita_observe::view::SchedulerView;
use yew::prelude::*;

/// Below this share of a processor the core waits most of the time, in thousandths.
const CALM_MILLI: u32 = 500;
/// Above this share of a processor workers wait for the core, in thousandths.
const BUSY_MILLI: u32 = 850;
/// More events than this are a queue, not a breath.
const QUEUED_MAX: u32 = 1_000;
/// Seconds of the core's share that the page remembers.
const SECONDS_KEPT: usize = 601;

/// What the page shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
}

/// Whether the scheduler holds the cluster up, in a look and a sentence.
fn verdict(view: &SchedulerView) -> (Look, String) {
    let percent = view.core_milli / 10;
    let look = |glyph, class, word| Look { glyph, class, word };
    let queued = view.core.queued;
    if view.core_milli >= BUSY_MILLI || queued > QUEUED_MAX {
        let text = format!(
            "The scheduler is busy {percent} % of the time and {} events wait: workers may wait for \
             it. Use fewer and larger tasks.",
            grouped(queued.into())
        );
        (look("✖\u{fe0e}", "failed", "a bottleneck"), text)
    } else if view.core_milli >= CALM_MILLI {
        let text =
            format!("The scheduler is busy {percent} % of the time and has little reserve left.");
        (look("▲", "ready", "busy"), text)
    } else {
        let text = format!(
            "The scheduler is idle {} % of the time; it does not slow the cluster down.",
            100 - percent.min(100)
        );
        (look("✔\u{fe0e}", "done", "not a bottleneck"), text)
    }
}

/// What the scheduler itself costs.
#[component]
pub fn Scheduler(props: &Props) -> Html {
    let live = &props.live;
    let seen = use_mut_ref(Vec::<(u64, f64, f64)>::new);
    let view = live.scheduler.clone().filter(|_| live.has(Topic::Scheduler));
    let now_s = live.now_ms / 1_000;
    if let Some(view) = &view {
        remember(&mut seen.borrow_mut(), now_s, view);
    }
    let Some(view) = view else {
        return html! { <Panel id="scheduler-load" title="Load" status={Status::Loading} /> };
    };
    html! {
        <>
            <h1 class="offscreen">{ "Scheduler" }</h1>
            { core(&view) }
            <Panel id="scheduler-history" title="Since this page was opened">
                <div class="curves-grid">{ curves(&seen.borrow(), now_s) }</div>
            </Panel>
            <div class="columns">
                { queues(&view) }
                { facts(&view, live.now_ms) }
            </div>
            { settings(&view) }
        </>
    }
}

/// Keeps the core's share and its events by the second.
fn remember(seen: &mut Vec<(u64, f64, f64)>, now_s: u64, view: &SchedulerView) {
    let now = (now_s, f64::from(view.core_milli), f64::from(view.events_per_s));
    match seen.last_mut() {
        Some(last) if last.0 == now_s => *last = now,
        // A replay may have gone back.
        Some(last) if last.0 > now_s => *seen = vec![now],
        _ => seen.push(now),
    }
    if seen.len() > SECONDS_KEPT {
        seen.remove(0);
    }
}

fn curves(seen: &[(u64, f64, f64)], to_s: u64) -> Html {
    let series = |name, values: Vec<(u64, f64)>| {
        vec![Series { name, class: "one", is_filled: true, values }]
    };
    let share = seen.iter().map(|(second, milli, _)| (*second, *milli)).collect();
    let events = seen.iter().map(|(second, _, per_s)| (*second, *per_s)).collect();
    html! {
        <>
            <Lines title="CPU" unit={Unit::CoreMilli} {to_s} series={series("scheduler", share)}
                limit={Some(("one core", 1_000.0))} />
            <Lines title="Events" unit={Unit::PerS} {to_s} series={series("taken", events)} />
        </>
    }
}

fn fact(term: &'static str, value: impl Into<Html>) -> Html {
    html! { <div key={term}><dt>{ term }</dt><dd>{ value.into() }</dd></div> }
}

fn core(view: &SchedulerView) -> Html {
    let (look, sentence) = verdict(view);
    let core = &view.core;
    html! {
        <Panel id="scheduler-load" title="Load" tools={html! { <State {look} /> }}>
            <p class="pad">{ sentence }</p>
            <dl class="facts large">
                { fact("median time per event", duration_ns(core.event_p50_ns)) }
                { fact("99th percentile", duration_ns(core.event_p99_ns)) }
                { fact("CPU, % of a core", format!("{}.{}", view.core_milli / 10, view.core_milli % 10)) }
                { fact("events per second", rate(view.events_per_s)) }
                { fact("events since start", count(core.events)) }
            </dl>
        </Panel>
    }
}

fn queues(view: &SchedulerView) -> Html {
    let core = &view.core;
    let dropped = if core.dropped == 0 {
        html! { "none" }
    } else {
        html! {
            <span class="state ready">
                <span class="glyph">{ icon("▲") }</span>{ grouped(core.dropped) }
            </span>
        }
    };
    html! {
        <Panel id="scheduler-queues" title="Queues and messages">
            <dl class="facts">
                { fact("queued events", grouped(core.queued.into())) }
                { fact("longest queue to a worker", grouped(core.worker_queue_max.into())) }
                { fact("messages per second", rate(view.messages_per_s)) }
                { fact("bytes per second", bytes_per_s(view.bytes_per_s.max(0.0) as u64)) }
                { fact("messages from workers", format!("{} · {}", count(core.messages_in), bytes(core.bytes_in))) }
                { fact("messages to workers", format!("{} · {}", count(core.messages_out), bytes(core.bytes_out))) }
                { fact("observations dropped", dropped) }
                { fact("pages open", grouped(view.browsers.into())) }
            </dl>
            if core.dropped > 0 {
                <p class="hint pad">
                    { "Counters are correct; the timeline is hatched where attempts were not \
                       recorded." }
                </p>
            }
        </Panel>
    }
}

fn facts(view: &SchedulerView, now_ms: u64) -> Html {
    let facts = &view.facts;
    let page = partita_shared::VERSION;
    let journal = match &view.journal {
        Some(path) => {
            html! { <><code>{ path.clone() }</code>{ format!(" · {}", bytes(view.journal_bytes)) }</> }
        }
        None => html! { "none" },
    };
    html! {
        <Panel id="scheduler-facts" title="Facts">
            <dl class="facts">
                { fact("cluster", facts.cluster.clone()) }
                { fact("address", html! { <code>{ facts.address.clone() }</code> }) }
                { fact("host", facts.host.clone()) }
                { fact("process id", facts.pid.to_string()) }
                { fact("started", html! { <Age at_ms={facts.started_ms} {now_ms} /> }) }
                { fact("started at", browser::date_and_zone(facts.started_ms)) }
                { fact("scheduler version", or_none(&facts.version)) }
                { fact("page version", page.to_string()) }
                { fact("journal", journal) }
            </dl>
        </Panel>
    }
}

fn or_none(text: &str) -> String {
    if text.is_empty() { NONE.to_string() } else { text.to_string() }
}

fn settings(view: &SchedulerView) -> Html {
    let settings = view.facts.settings.clone();
    let status = Status::of(true, settings.is_empty(), "No settings were received.");
    let copied = {
        let settings = settings.clone();
        Callback::from(move |()| {
            csv(
                ["setting", "value"],
                settings.iter().map(|(name, value)| [name.clone(), value.clone()]),
            )
        })
    };
    html! {
        <Panel id="scheduler-settings" title="Settings" {status} csv={copied}>
            <dl class="facts settings">
                { for settings.iter().map(|(name, value)| html! {
                    <div key={name.clone()}>
                        <dt>{ name.clone() }</dt><dd><code>{ value.clone() }</code></dd>
                    </div>
                }) }
            </dl>
        </Panel>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page says in words whether the scheduler is what one waits for.
    #[test]
    fn the_verdict_follows_the_load() {
        let mut view = SchedulerView::default();
        assert_eq!(verdict(&view).0.word, "not a bottleneck");
        view.core_milli = CALM_MILLI;
        assert_eq!(verdict(&view).0.word, "busy");
        view.core_milli = BUSY_MILLI;
        assert_eq!(verdict(&view).0.word, "a bottleneck");
        (view.core_milli, view.core.queued) = (10, QUEUED_MAX + 1);
        assert!(verdict(&view).1.contains("events wait"));
    }

    /// What was seen is bounded, has one value a second, and begins anew when time goes back.
    #[test]
    fn what_was_seen_is_bounded() {
        let mut seen = Vec::new();
        let view = SchedulerView::default();
        (0..2_000).for_each(|second| remember(&mut seen, second, &view));
        remember(&mut seen, 1_999, &view);
        assert_eq!(seen.len(), SECONDS_KEPT);
        remember(&mut seen, 5, &view);
        assert_eq!(seen.len(), 1);
    }
}
