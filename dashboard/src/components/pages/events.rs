//! What happened.

use crate::components::parts::{
    Age, Panel, ROWS_SHOWN_STEP, Same, Search, ShowMore, State, Status, job_link, look, task_link,
    worker_link,
};
use crate::format::{counted, csv, grouped, middle};
use crate::live::Live;
use crate::order::sort_by_key;
use partita_observe::event::Level;
use partita_observe::frame::Topic;
use partita_observe::view::{EVENT_WORKERS_MAX, EventKind, EventRow};
use std::collections::BTreeMap;
use std::rc::Rc;
use web_sys::HtmlSelectElement;
use yew::prelude::*;

/// Workers that an event names; the rest is counted.
const WORKERS_NAMED_MAX: usize = 4;
/// A text longer than this is folded, in characters.
const TEXT_CHARS: usize = 240;

/// The kinds, in the order of the choice.
const KINDS: [EventKind; 7] = [
    EventKind::AttemptFailed,
    EventKind::JobFailed,
    EventKind::JobCancelled,
    EventKind::WorkerLost,
    EventKind::WorkerLeft,
    EventKind::WorkerJoined,
    EventKind::Note,
];

/// What the page shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
}

/// The word for a kind.
fn kind_word(kind: EventKind) -> &'static str {
    match kind {
        EventKind::WorkerJoined => "worker joined",
        EventKind::WorkerLeft => "worker left",
        EventKind::WorkerLost => "worker lost",
        EventKind::JobFailed => "job failed",
        EventKind::JobCancelled => "job cancelled",
        EventKind::AttemptFailed => "tasks failed",
        EventKind::Note => "note",
    }
}

/// What is listed.
#[derive(Clone, Debug, Default, PartialEq)]
struct Filter {
    level: Option<Level>,
    kind: Option<EventKind>,
    text: String,
}

impl Filter {
    fn takes(&self, row: &EventRow) -> bool {
        let wanted = self.text.trim().to_ascii_lowercase();
        let has_text = || row.text.to_ascii_lowercase().contains(&wanted);
        self.level.is_none_or(|level| row.level >= level)
            && self.kind.is_none_or(|kind| row.kind == kind)
            && (wanted.is_empty() || has_text())
    }
}

/// Events that a filter takes, those that happened last first.
fn listed(
    rows: &BTreeMap<u32, Rc<EventRow>>,
    takes: impl Fn(&EventRow) -> bool,
) -> Vec<Rc<EventRow>> {
    let mut rows: Vec<Rc<EventRow>> = rows.values().filter(|row| takes(row)).cloned().collect();
    sort_by_key(&mut rows, |row| std::cmp::Reverse((row.last_ms, row.id)));
    rows
}

/// What failed, by how often: the same error of the same stage is one.
fn is_error(row: &EventRow) -> bool {
    matches!(row.kind, EventKind::AttemptFailed | EventKind::JobFailed)
}

/// What happened.
#[component]
pub fn Events(props: &Props) -> Html {
    let live = &props.live;
    let filter = use_state(Filter::default);
    let events = Same::of(&live.events);
    let has_come = live.has(Topic::Events);
    let errors = use_memo(events.clone(), |events| listed(events, is_error));
    let deaths =
        use_memo(events.clone(), |events| listed(events, |row| row.kind == EventKind::WorkerLost));
    let all = use_memo((events, (*filter).clone()), |(events, filter)| {
        listed(events, |row| filter.takes(row))
    });
    let none =
        if live.events.is_empty() { "No events yet." } else { "No event matches the filter." };
    html! {
        <>
            <h1 class="offscreen">{ "Events" }</h1>
            <Listing live={live.clone()} id="events-errors" title="Failures"
                rows={Same::of(&errors)}
                status={Status::of(has_come, errors.is_empty(), "No task or job has failed.")} />
            <Listing live={live.clone()} id="events-deaths" title="Lost workers"
                rows={Same::of(&deaths)}
                status={Status::of(has_come, deaths.is_empty(), "No worker was lost.")} />
            <Listing live={live.clone()} id="events-all" title="All events"
                rows={Same::of(&all)} tools={tools(&filter)}
                status={Status::of(has_come, all.is_empty(), none)} />
        </>
    }
}

/// The choice of levels and kinds.
fn tools(filter: &UseStateHandle<Filter>) -> Html {
    let chosen = |change: fn(&mut Filter, usize)| {
        let filter = filter.clone();
        Callback::from(move |event: Event| {
            let field = event.target_dyn_into::<HtmlSelectElement>();
            if let Some(at) = field.and_then(|field| field.value().parse().ok()) {
                let mut next = (*filter).clone();
                change(&mut next, at);
                filter.set(next);
            }
        })
    };
    let on_level = chosen(|filter, at| {
        filter.level = [None, Some(Level::Warning), Some(Level::Error)].get(at).copied().flatten();
    });
    let on_kind = chosen(|filter, at| {
        filter.kind = at.checked_sub(1).and_then(|at| KINDS.get(at)).copied();
    });
    let on_text = {
        let filter = filter.clone();
        Callback::from(move |text| filter.set(Filter { text, ..(*filter).clone() }))
    };
    html! {
        <>
            <Search label="Search events" value={filter.text.clone()} {on_text} />
            <select aria-label="Level" onchange={on_level}>
                <option value="0" selected={filter.level.is_none()}>{ "all levels" }</option>
                <option value="1" selected={filter.level == Some(Level::Warning)}>{ "warnings and errors" }</option>
                <option value="2" selected={filter.level == Some(Level::Error)}>{ "errors" }</option>
            </select>
            <select aria-label="Kind" onchange={on_kind}>
                <option value="0" selected={filter.kind.is_none()}>{ "all kinds" }</option>
                { for KINDS.into_iter().zip(1..).map(|(kind, at)| html! {
                    <option key={at} value={at.to_string()} selected={filter.kind == Some(kind)}>
                        { kind_word(kind) }
                    </option>
                }) }
            </select>
        </>
    }
}

#[derive(PartialEq, Properties)]
struct ListingProps {
    live: Live,
    id: &'static str,
    title: &'static str,
    rows: Same<Vec<Rc<EventRow>>>,
    status: Status,
    #[prop_or_default]
    tools: Html,
}

/// A list of events.
#[component]
fn Listing(props: &ListingProps) -> Html {
    let shown = use_state(|| ROWS_SHOWN_STEP);
    let rows = &props.rows;
    let copied = {
        let rows = rows.clone();
        Callback::from(move |()| as_csv(&rows))
    };
    let note = match rows.len() {
        0 => String::new(),
        several => counted(several as u64, "event", "events"),
    };
    html! {
        <Panel id={props.id} title={props.title} {note} tools={props.tools.clone()}
            status={props.status.clone()} csv={copied}>
            <ul class="events">
                { for rows.iter().take(*shown).map(|row| view_event(&props.live, row)) }
            </ul>
            <ShowMore total={rows.len()} {shown} />
        </Panel>
    }
}

fn view_event(live: &Live, row: &EventRow) -> Html {
    let named = row.workers.iter().take(WORKERS_NAMED_MAX);
    let more = row.workers.len().saturating_sub(WORKERS_NAMED_MAX);
    let at_least = if row.workers.len() >= EVENT_WORKERS_MAX { "or more " } else { "" };
    html! {
        <li key={row.id}>
            <div class="event-head">
                <State look={look::level(row.level)} />
                <b>{ kind_word(row.kind) }</b>
                if row.count > 1 {
                    <span class="count">{ format!("{} ×", grouped(row.count.into())) }</span>
                }
                <span class="hint">
                    if row.count > 1 {
                        { "first " }<Age at_ms={row.first_ms} now_ms={live.now_ms} />{ ", last " }
                    }
                    <Age at_ms={row.last_ms} now_ms={live.now_ms} />
                </span>
            </div>
            { view_text(&row.text) }
            <p class="event-links">
                if let Some(job) = row.job { <span>{ job_link(job) }</span> }
                if let Some(task) = row.task { <span>{ "task " }{ task_link(task) }</span> }
                if !row.workers.is_empty() {
                    <span>
                        { "on " }
                        { for named.enumerate().map(|(at, id)| html! {
                            <>{ if at > 0 { ", " } else { "" } }{ worker_link(live, *id) }</>
                        }) }
                        if more > 0 { { format!(" and {more} {at_least}more") } }
                    </span>
                } else if let Some(worker) = row.worker {
                    <span>{ "on " }{ worker_link(live, worker) }</span>
                }
            </p>
        </li>
    }
}

/// A long text, such as a traceback, is folded behind its beginning.
fn view_text(text: &str) -> Html {
    let first = text.lines().next().unwrap_or_default();
    if text.lines().nth(1).is_none() && text.chars().count() <= TEXT_CHARS {
        return html! { <p>{ text.to_string() }</p> };
    }
    html! {
        <details>
            <summary>{ middle(first, TEXT_CHARS) }</summary>
            <pre tabindex="0">{ text.to_string() }</pre>
        </details>
    }
}

fn as_csv(rows: &[Rc<EventRow>]) -> String {
    let line = |row: &Rc<EventRow>| {
        let workers: Vec<String> = row.workers.iter().map(ToString::to_string).collect();
        [
            look::level(row.level).word.to_string(),
            kind_word(row.kind).to_string(),
            row.count.to_string(),
            row.first_ms.to_string(),
            row.last_ms.to_string(),
            workers.join(" "),
            row.text.clone(),
        ]
    };
    csv(["level", "kind", "count", "first_ms", "last_ms", "workers", "text"], rows.iter().map(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::drawings::events;

    fn rows() -> BTreeMap<u32, Rc<EventRow>> {
        events().into_iter().map(|row| (row.id, Rc::new(row))).collect()
    }

    /// A level takes what matters as much or more; kinds and words narrow it further.
    #[test]
    fn filters_narrow() {
        let rows = rows();
        let count = |filter: Filter| listed(&rows, |row| filter.takes(row)).len();
        let all = count(Filter::default());
        let warnings = count(Filter { level: Some(Level::Warning), ..Filter::default() });
        let errors = count(Filter { level: Some(Level::Error), ..Filter::default() });
        assert!(all > warnings && warnings > errors && errors > 0);
        let lost = Filter { kind: Some(EventKind::WorkerLost), ..Filter::default() };
        assert_eq!(count(lost), 1);
        assert_eq!(count(Filter { text: " PARQUET".into(), ..Filter::default() }), 2);
    }

    /// The latest comes first, also if it began long ago.
    #[test]
    fn the_latest_is_first() {
        let rows = listed(&rows(), |_| true);
        assert!(rows.is_sorted_by_key(|row| std::cmp::Reverse(row.last_ms)));
        assert!(as_csv(&rows).lines().count() > rows.len());
    }
}
