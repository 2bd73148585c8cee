//! What stands around the canvases of a [`Timeline`]: buttons, legend, tooltip, and the table.

use super::canvas::clock_offset_min;
use super::hues::HUES;
use super::lanes::{Totals, bar_lines, mark_word, percent_of};
use super::rows::{Column, Grid, Sort, task_number};
use super::scale::{clock, micros};
use super::table::Table;
use super::timeline::{Msg, Props, Timeline, Tool};
use super::viewport::{SPAN_MS_MAX, SPAN_MS_MIN};
use crate::components::parts::{Same, icon, task_link};
use crate::format::{bytes, counted, grouped, span};
use crate::live::{Live, use_answer};
use crate::order::sort_by_key;
use crate::route::{Route, task_key};
use gloo_timers::callback::Timeout;
use partita_observe::frame::{Answer, Question};
use partita_observe::view::{Bar, EventKind, Lane, TimelineView};
use partita_shared::ids::{StageId, TaskId};
use yew::prelude::*;

/// Spans that have a button: milliseconds and name.
const SPANS: [(u64, &str); 4] =
    [(10_000, "10 s"), (60_000, "1 min"), (600_000, "10 min"), (3_600_000, "1 h")];

/// The name of a stage, as far as it is known.
pub fn stage_name(live: &Live, stage: StageId) -> String {
    let known = live.stages.get(&stage.job).and_then(|stages| stages.get(&stage.index));
    known.map_or_else(|| format!("stage {}", stage.index), |row| row.name.clone())
}

impl Timeline {
    pub(super) fn view_tools(&self, ctx: &Context<Self>) -> Html {
        let props = ctx.props();
        let button = |tool: Tool, word: Html, label: &str, is_on: Option<bool>, is_off: bool| {
            let onclick = ctx.link().callback(move |_| Msg::Tool(tool));
            html! {
                <button type="button" {onclick} aria-label={label.to_string()} title={label.to_string()}
                    aria-pressed={is_on.map(|is_on| is_on.to_string())} disabled={is_off}>
                    { word }
                </button>
            }
        };
        let follows = self.viewport.follows();
        let (sign, word, label) = match follows {
            true => ("❚❚", " pause", "pause: stop following the current time"),
            false => ("▶", " follow", "follow the current time"),
        };
        let span_ms = self.viewport.span_ms;
        html! {
            <div class="tl-tools" role="toolbar" aria-label="Timeline">
                <span class="tl-buttons">
                    { button(Tool::Follow(!follows), signed(sign, word), label, None, false) }
                </span>
                <span class="tl-buttons">
                    { button(Tool::Zoom(false), "−".into(), "Show more time", None, span_ms >= SPAN_MS_MAX) }
                    { for SPANS.into_iter().map(|(span_ms, name)| {
                        let is_on = Some(self.viewport.span_ms == span_ms);
                        button(Tool::Span(span_ms), name.into(), &format!("Show {name}"), is_on, false)
                    }) }
                    { button(Tool::Zoom(true), "+".into(), "Show less time", None, span_ms <= SPAN_MS_MIN) }
                </span>
                <span class="tl-buttons">
                    { button(Tool::Lanes(false), icon("≡"), "Lower lanes, to see more of them", None,
                        self.lane_height == 0) }
                    { button(Tool::Lanes(true), icon("☰"), "Higher lanes", None,
                        self.lane_height + 1 >= super::lanes::LANE_HEIGHTS_PX.len()) }
                </span>
                <span class="tl-buttons">
                    { button(Tool::Table(!self.shows_table), signed("▦", " table"), "View as a table",
                        Some(self.shows_table), false) }
                </span>
                <span class="tl-range">{ self.range_text(props) }</span>
                <span class="tl-keys hint" id="tl-keys">
                    { "Drag pans, Shift and drag zooms in, Ctrl and wheel zooms. Keys: ← → pan, + − \
                       zoom, End follows, Shift and arrows pick a task, Enter opens it." }
                </span>
            </div>
        }
    }

    /// From when to when, and how long that is.
    fn range_text(&self, props: &Props) -> String {
        let present_ms = self.present_of(props);
        let (from, to) = (self.viewport.left_ms(present_ms), self.viewport.right_ms(present_ms));
        let step = if self.viewport.span_ms < 5_000 { 1 } else { 1_000 };
        let offset = clock_offset_min(to);
        format!("{} – {} · {}", clock(from, step, offset), clock(to, step, offset), span(from, to))
    }

    pub(super) fn view_legend(&self, ctx: &Context<Self>) -> Html {
        let Some(view) = &ctx.props().view else { return Html::default() };
        html! {
            <ul class="tl-legend" aria-label="What colours and patterns mean">
                { self.view_stages(&ctx.props().live) }
                { view_signs(&Totals::of(view.lanes.iter().flat_map(|lane| &lane.bars))) }
                <li key="marks" class="hint">
                    { "Workers: " }{ icon("▲") }{ " joined, " }{ icon("▼") }{ " left, " }
                    { icon("✖") }{ " lost. The patterns show how much of a \
                       task's time was spent waiting, not when." }
                    if !view.exact {
                        { " There are too many tasks to draw each: heights show how busy a slot \
                           was, colours which stage took most of it. Zoom in to see tasks." }
                    }
                    if !view.gaps.is_empty() {
                        { " Hatched spans were not recorded." }
                    }
                </li>
            </ul>
        }
    }

    /// The stages that have a hue, those that took the most time first.
    fn view_stages(&self, live: &Live) -> Html {
        let all: u64 = self.busy.values().sum();
        let mut named: Vec<(usize, StageId, u64)> = self
            .hues
            .held()
            .filter_map(|(hue, stage)| Some((hue, stage, *self.busy.get(&stage)?)))
            .collect();
        sort_by_key(&mut named, |(_, _, busy)| u64::MAX - busy);
        let first_job = named.first().map(|(_, stage, _)| stage.job);
        let is_one_job = named.iter().all(|(_, stage, _)| Some(stage.job) == first_job);
        let in_hues: u64 = named.iter().map(|(_, _, busy)| busy).sum();
        let others = self.busy.len() - named.len();
        let share = |busy: u64| format!("{} %", percent_of(busy as f64, all as f64));
        let item = |(hue, stage, busy): (usize, StageId, u64)| {
            let title = format!("{}, {}", stage.job, micros(busy));
            html! {
                <li key={stage.to_string()}>
                    { swatch(HUE_CLASSES[hue % HUES.len()]) }
                    <a href={Route::Job(stage.job).to_string()} {title}>{ stage_name(live, stage) }</a>
                    <span class="hint">
                        if !is_one_job { { format!("{} · ", stage.job) } }
                        { share(busy) }
                    </span>
                </li>
            }
        };
        html! {
            <>
                { for named.into_iter().map(item) }
                if others > 0 {
                    <li key="others">
                        { swatch("other") }{ counted(others as u64, "other stage", "other stages") }
                        <span class="hint">{ share(all.saturating_sub(in_hues)) }</span>
                    </li>
                }
            </>
        }
    }

    pub(super) fn view_tip(&self, props: &Props, node: &NodeRef) -> Html {
        let (Some(bar), Some(view)) = (self.pointed_bar(props), &props.view) else {
            return self.view_mark(props, node);
        };
        let lane = self.pointed_lane().and_then(|lane| view.lanes.get(lane));
        let place = lane.map(|lane| format!("{}, slot {}", lane.name, lane.slot));
        let is_pinned = self.pinned(props).is_some();
        html! {
            <div class={classes!("tip", is_pinned.then_some("pinned"))} ref={node}
                role={is_pinned.then_some("status")}>
                <Tip key={format!("{}-{}", bar.task, bar.attempt)} live={props.live.clone()} {bar}
                    view={view.clone()} place={place.unwrap_or_default()} />
            </div>
        }
    }

    /// Who came or went where the pointer is.
    fn view_mark(&self, props: &Props, node: &NodeRef) -> Html {
        let mark = self.pointed.mark.and_then(|at| props.view.as_ref()?.marks.get(at));
        let Some(mark) = mark else { return Html::default() };
        let row = props.live.workers.get(&mark.worker);
        let name = row.map_or_else(|| mark.worker.to_string(), |row| row.name.clone());
        let cause =
            row.filter(|_| mark.kind != EventKind::WorkerJoined).map(|row| row.cause.clone());
        html! {
            <div class="tip" ref={node}>
                <p class="tip-head"><b>{ name }</b>{ " " }{ mark_word(mark.kind) }</p>
                <p>{ clock(mark.at_ms, 1_000, clock_offset_min(mark.at_ms)) }</p>
                <p>{ cause.unwrap_or_default() }</p>
            </div>
        }
    }

    pub(super) fn view_table(&self, ctx: &Context<Self>) -> Html {
        let Some(view) = &ctx.props().view else { return Html::default() };
        let live = &ctx.props().live;
        let source = if view.exact { bars_table(live, view) } else { lanes_table(view) };
        let label = if view.exact { "Tasks of the timeline" } else { "Slots of the timeline" };
        html! {
            <Table key={label} {source} {label} id="tl-table"
                sort={Some(Sort { column: 0, is_descending: false })} />
        }
    }
}

/// A sign and a word.
pub(super) fn signed(sign: &str, word: &'static str) -> Html {
    html! { <>{ icon(sign) }{ word }</> }
}

/// What patterns and signs mean, and how much of it there is.
fn view_signs(totals: &Totals) -> Html {
    let share = |part_us: f64| format!("{} %", percent_of(part_us, totals.busy_us));
    let item = |class: &'static str, word: &'static str, figure: String| {
        html! {
            <li key={word}>{ swatch(class) }{ word }<span class="hint">{ figure }</span></li>
        }
    };
    let failed = if totals.failed > 0 { grouped(totals.failed) } else { String::new() };
    html! {
        <>
            { item("transfer", "waited for other workers", share(totals.transfer_us)) }
            { item("disk", "waited for disk", share(totals.disk_us)) }
            { item("cross", "failed or lost", failed) }
            { item("hollow", "stopped", String::new()) }
            <li key="running">{ signed("▶", " running") }</li>
        </>
    }
}

/// Classes of the hues, in their order.
/// The classes of hues.
pub const HUE_CLASSES: [&str; HUES.len()] =
    ["hue0", "hue1", "hue2", "hue3", "hue4", "hue5", "hue6"];

/// A sample of a colour or pattern.
pub fn swatch(class: &'static str) -> Html {
    let lines = match class {
        "transfer" | "unknown" => "M-1 5L5 -1M1 13L13 1M7 13L13 7M-1 11L11 -1",
        "disk" => "M0 3h14M0 7h14M0 11h14",
        "cross" => "M0 0L12 12M0 6L6 12M6 0L12 6M0 12L12 0M0 6L6 0M6 12L12 6",
        _ => "",
    };
    html! {
        <svg class={classes!("swatch", class)} width="12" height="12" aria-hidden="true">
            <rect x="0.5" y="0.5" width="11" height="11" />
            <path d={lines} />
        </svg>
    }
}

/// What a tooltip shows.
#[derive(PartialEq, Properties)]
struct TipProps {
    live: Live,
    bar: Bar,
    view: Same<TimelineView>,
    place: AttrValue,
}

/// How long the pointer rests before more is asked about a task, in milliseconds.
const REST_MS: u32 = 200;
/// How often it is asked again, in milliseconds: a running task changes.
const ASK_MS: u32 = 2_000;

/// What is known of a bar. Rows and bytes are asked for when the pointer rests.
#[component]
fn Tip(props: &TipProps) -> Html {
    let TipProps { live, bar, view, place } = props;
    let rests = use_state(|| false);
    {
        let rests = rests.setter();
        use_effect_with((), move |()| {
            let timeout = Timeout::new(REST_MS, move || rests.set(true));
            move || drop(timeout)
        });
    }
    let question = (*rests && view.exact).then_some(Question::Task(bar.task));
    let answer = use_answer(live, question, ASK_MS);
    let known = match answer.as_deref() {
        Some(Answer::Task(task)) => {
            task.attempts.iter().find(|attempt| attempt.attempt == bar.attempt).cloned()
        }
        _ => None,
    };
    let name = stage_name(live, bar.task.stage);
    let line = |term: &'static str, text: String| html! { <><dt>{ term }</dt><dd>{ text }</dd></> };
    html! {
        <>
            <p class="tip-head">
                if view.exact { { "task " }{ task_link(bar.task) }{ " · " } }
                <b>{ name }</b>
            </p>
            <dl>
                { line("job", bar.task.stage.job.to_string()) }
                { line("where", place.to_string()) }
                { for bar_lines(view, bar).into_iter().map(|(term, text)| line(term, text)) }
                if let Some(known) = known {
                    { line("queued", micros(known.queued_us)) }
                    { line("rows", grouped(known.rows)) }
                    { line("bytes", bytes(known.bytes)) }
                    { line("fetched", bytes(known.fetched_bytes)) }
                    if !known.error.is_empty() {
                        { line("error", crate::format::middle(&known.error, 160)) }
                    }
                }
            </dl>
        </>
    }
}

/// One bar as a row.
struct BarRow {
    task: TaskId,
    attempt: u16,
    stage: String,
    place: String,
    from_us: u64,
    bar: Bar,
}

const BAR_COLUMNS: &[Column<BarRow>] = &[
    Column::<BarRow>::new("Task", "w7", |row| task_link(row.task), |row| task_key(row.task))
        .by(|one, other| (one.task, one.attempt).cmp(&(other.task, other.attempt))),
    Column::<BarRow>::new(
        "Stage",
        "w12 p2",
        |row| row.stage.clone().into(),
        |row| row.stage.clone(),
    )
    .by(|one, other| one.stage.cmp(&other.stage)),
    Column::<BarRow>::new("Slot", "w8", |row| row.place.clone().into(), |row| row.place.clone())
        .by(|one, other| one.place.cmp(&other.place)),
    Column::<BarRow>::new("Began", "w6 number p2", |row| began(row).into(), began)
        .by(|one, other| one.from_us.cmp(&other.from_us)),
    Column::<BarRow>::new(
        "Time",
        "w5 number",
        |row| micros(row.bar.length_us).into(),
        |row| row.bar.length_us.to_string(),
    )
    .by(|one, other| one.bar.length_us.cmp(&other.bar.length_us)),
    Column::<BarRow>::new(
        "Network wait, %",
        "w6 number p3",
        |row| share(row.bar.transfer).into(),
        |row| share(row.bar.transfer),
    )
    .by(|one, other| one.bar.transfer.cmp(&other.bar.transfer))
    .hint("Share of the time that it waited for other workers"),
    Column::<BarRow>::new(
        "Disk wait, %",
        "w5 number p3",
        |row| share(row.bar.disk).into(),
        |row| share(row.bar.disk),
    )
    .by(|one, other| one.bar.disk.cmp(&other.bar.disk))
    .hint("Share of the time that it waited for the disk"),
    Column::<BarRow>::new("Ended", "w6", |row| ended(row).into(), |row| ended(row).to_string())
        .by(|one, other| ended(one).cmp(ended(other))),
];

fn began(row: &BarRow) -> String {
    let at_ms = row.from_us / 1_000;
    clock(at_ms, 1, clock_offset_min(at_ms))
}

fn share(share: u8) -> String {
    (u64::from(share) * 100 / 255).to_string()
}

fn ended(row: &BarRow) -> &'static str {
    super::lanes::ending_word(row.bar.ending)
}

fn bars_table(live: &Live, view: &TimelineView) -> Same<dyn super::rows::Source> {
    let row = |lane: &Lane, bar: &Bar| BarRow {
        task: bar.task,
        attempt: bar.attempt,
        stage: stage_name(live, bar.task.stage),
        place: format!("{} / {}", lane.name, lane.slot),
        from_us: view.from_ms.saturating_mul(1_000).saturating_add(bar.start_us),
        bar: *bar,
    };
    let rows = view.lanes.iter().flat_map(|lane| lane.bars.iter().map(move |bar| row(lane, bar)));
    Grid {
        rows: rows.collect(),
        columns: BAR_COLUMNS,
        key: |row| task_number(row.task) << 16 | u128::from(row.attempt),
        class: |_| "",
        address: |row| Some(Route::Task(row.task).to_string()),
    }
    .share()
}

/// One slot as a row.
struct LaneRow {
    worker: u32,
    slot: u16,
    name: String,
    span_us: f64,
    totals: Totals,
}

const LANE_COLUMNS: &[Column<LaneRow>] = &[
    Column::<LaneRow>::new("Slot", "w10", |row| lane_name(row).into(), lane_name)
        .by(|one, other| (&one.name, one.slot).cmp(&(&other.name, other.slot))),
    Column::<LaneRow>::new(
        "Busy, %",
        "w5 number",
        |row| busy(row).into(),
        |row| busy(row).to_string(),
    )
    .by(|one, other| one.totals.busy_us.total_cmp(&other.totals.busy_us)),
    Column::<LaneRow>::new(
        "Network wait, %",
        "w5 number",
        |row| transfer(row).into(),
        |row| transfer(row).to_string(),
    )
    .by(|one, other| transfer(one).cmp(&transfer(other))),
    Column::<LaneRow>::new(
        "Disk wait, %",
        "w5 number",
        |row| disk(row).into(),
        |row| disk(row).to_string(),
    )
    .by(|one, other| disk(one).cmp(&disk(other))),
];

fn lane_name(row: &LaneRow) -> String {
    format!("{} / {}", row.name, row.slot)
}

fn busy(row: &LaneRow) -> u64 {
    percent_of(row.totals.busy_us, row.span_us)
}

fn transfer(row: &LaneRow) -> u64 {
    percent_of(row.totals.transfer_us, row.totals.busy_us)
}

fn disk(row: &LaneRow) -> u64 {
    percent_of(row.totals.disk_us, row.totals.busy_us)
}

fn lanes_table(view: &TimelineView) -> Same<dyn super::rows::Source> {
    let span_us = view.to_ms.saturating_sub(view.from_ms) as f64 * 1e3;
    let row = |lane: &Lane| LaneRow {
        worker: lane.worker.0,
        slot: lane.slot,
        name: lane.name.clone(),
        span_us,
        totals: Totals::of(&lane.bars),
    };
    Grid {
        rows: view.lanes.iter().map(row).collect(),
        columns: LANE_COLUMNS,
        key: |row| u128::from(row.worker) << 16 | u128::from(row.slot),
        class: |_| "",
        address: |row| Some(Route::Worker(partita_shared::ids::WorkerId(row.worker)).to_string()),
    }
    .share()
}
