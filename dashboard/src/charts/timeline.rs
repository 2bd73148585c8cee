//! Slots over time, on a canvas: a lane for each slot, a bar for each attempt.
//!
//! Two canvases lie above each other in what scrolls: bars on the lower, what moves with the
//! pointer on the upper one. Each is painted at most once for each frame of the browser, and only
//! if something of it changed.

use super::canvas::{Inks, SizeWatch, clock_offset_min, element, prepare, set_style};
use super::hues::{Hues, busy_by_stage};
use super::lanes::{AXIS_PX, LANE_HEIGHT_DEFAULT, LANE_HEIGHTS_PX, Layout, layout};
use super::paint::{Picture, Pointed, paint, paint_pointed};
use super::timeline_input::{Drag, ZOOM_STEP};
use super::viewport::{LaneRange, SPAN_MS_DEFAULT, Viewport};
use crate::browser;
use crate::components::parts::Same;
use crate::live::{Health, Live};
use gloo_events::{EventListener, EventListenerOptions};
use gloo_timers::callback::Timeout;
use partita_observe::view::{Bar, TimelineView, TimelineWindow};
use partita_shared::ids::{JobId, StageId, TaskId};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use wasm_bindgen::JsCast;
use web_sys::WheelEvent;
use yew::prelude::*;

/// Windows are asked for at most this often, in milliseconds: a drag goes through hundreds.
const ASK_INTERVAL_MS: u32 = 120;
/// What runs is drawn on for this long after the last figures, in milliseconds: then they are old,
/// and nobody knows whether it still runs.
const RUNS_ON_MS_MAX: u64 = 2_000;
/// Widths are requested in steps of this many pixels, so that a moved border causes few requests.
const WIDTH_STEP_PX: u32 = 8;

/// Lanes that fill the window are not higher than this, in pixels.
const LANE_PX_MAX: f64 = 96.0;
/// Height of the page around the lanes, in pixels.
const AROUND_PX: f64 = 320.0;

thread_local! {
    /// What was shown last: whoever comes back from a task's page goes on where they were.
    static LAST: Cell<(Viewport, usize)> = const {
        Cell::new((Viewport { end_ms: None, span_ms: SPAN_MS_DEFAULT }, LANE_HEIGHT_DEFAULT))
    };
}

/// What is shown.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
    /// The bars, once they have arrived.
    pub view: Option<Same<TimelineView>>,
    /// Only this job.
    pub job: Option<JobId>,
    /// Gets the window that is to be followed.
    pub on_window: Callback<TimelineWindow>,
}

/// What the buttons do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Stop at the present, or follow it.
    Follow(bool),
    /// Show less time, or more.
    Zoom(bool),
    /// Show this many milliseconds.
    Span(u64),
    /// Higher lanes, or lower.
    Lanes(bool),
    /// The table in the place of the drawing.
    Table(bool),
}

/// What a timeline reacts to.
pub enum Msg {
    /// Its size changed.
    Size,
    /// The browser is about to draw.
    Paint,
    /// It was scrolled.
    Scrolled,
    /// The pointer went down.
    Down(PointerEvent),
    /// The pointer moved.
    Move(PointerEvent),
    /// The pointer went up.
    Up(PointerEvent),
    /// The pointer left.
    Leave,
    /// The wheel turned with a key that means zooming or sideways.
    Wheel(WheelEvent),
    /// A key was pressed.
    Key(KeyboardEvent),
    /// A button was pressed.
    Tool(Tool),
    /// The pause between two windows is over.
    Ask,
}

/// Slots over time.
pub struct Timeline {
    pub(super) scroller: NodeRef,
    space: NodeRef,
    sticky: NodeRef,
    lower: NodeRef,
    upper: NodeRef,
    tip: NodeRef,
    pub(super) viewport: Viewport,
    pub(super) lane_height: usize,
    pub(super) shows_table: bool,
    pub(super) hues: Hues,
    lanes_total: u32,
    /// The span for which the hues were given.
    hues_span_ms: u64,
    /// Time by stage in what is shown, in microseconds.
    pub(super) busy: Rc<BTreeMap<StageId, u64>>,
    lanes: Option<LaneRange>,
    pub(super) size: (f64, f64),
    pub(super) scroll_px: f64,
    inks: Option<Inks>,
    pub(super) pointed: Pointed,
    /// Where the pointer stands.
    pub(super) pointer: (f64, f64),
    /// Whether what is pointed at stays so: it was picked by key or finger.
    pub(super) is_pinned: bool,
    pub(super) drag: Option<Drag>,
    is_lower_old: bool,
    is_upper_old: bool,
    waits_for_frame: bool,
    asked: Option<TimelineWindow>,
    asks: Option<Timeout>,
    _watch: Option<SizeWatch>,
    _wheel: Option<EventListener>,
}

impl Timeline {
    pub(super) fn lane_px(&self) -> f64 {
        let chosen = LANE_HEIGHTS_PX.get(self.lane_height).copied().unwrap_or(AXIS_PX);
        if self.lane_height != LANE_HEIGHT_DEFAULT || self.lanes_total == 0 {
            return chosen;
        }
        // Few lanes fill the window.
        let room_px = browser::window_size().1 - AROUND_PX;
        (room_px / f64::from(self.lanes_total)).floor().clamp(chosen, LANE_PX_MAX)
    }

    /// The present, as far as figures go.
    pub(super) fn present(live: &Live, view: &TimelineView) -> u64 {
        let latest = view.to_ms;
        match live.health() {
            Health::Live | Health::Replay => {
                live.now_ms.clamp(latest, latest.saturating_add(RUNS_ON_MS_MAX))
            }
            Health::Loading
            | Health::Unreachable
            | Health::Held
            | Health::Stale
            | Health::Reconnecting => latest,
        }
    }

    pub(super) fn present_ms(props: &Props) -> u64 {
        props.view.as_ref().map_or(props.live.now_ms, |view| Self::present(&props.live, view))
    }

    pub(super) fn present_of(&self, props: &Props) -> u64 {
        // What is not followed ends where it ends: the latest figures are those of its window.
        if self.viewport.follows() { Self::present_ms(props) } else { props.live.now_ms }
    }

    pub(super) fn layout(&self, props: &Props) -> Layout {
        let present_ms = self.present_of(props);
        layout(self.size, self.lane_px(), self.scroll_px, &self.viewport, present_ms)
    }

    /// Paints with the next frame.
    pub(super) fn redraw(&mut self, ctx: &Context<Self>, lower: bool) {
        self.is_lower_old |= lower;
        self.is_upper_old = true;
        if !std::mem::replace(&mut self.waits_for_frame, true) {
            let link = ctx.link().clone();
            browser::on_next_frame(move || link.send_message(Msg::Paint));
        }
    }

    fn paint(&mut self, props: &Props) {
        self.waits_for_frame = false;
        let (width, height) = self.size;
        let Some(view) = props.view.as_ref().filter(|_| width > 0.0 && height > 0.0) else {
            return;
        };
        if self.inks.is_none() {
            self.inks = Inks::make();
        }
        let Some(inks) = &self.inks else { return };
        let layout = self.layout(props);
        let picture = Picture {
            view,
            layout: &layout,
            hues: &self.hues,
            present_ms: Self::present_ms(props),
            offset_min: clock_offset_min(layout.from_ms),
        };
        if std::mem::take(&mut self.is_lower_old)
            && let Some(context) = prepare(&self.lower, self.size, inks.ratio)
        {
            paint(&context, inks, &picture);
        }
        if std::mem::take(&mut self.is_upper_old)
            && let Some(context) = prepare(&self.upper, self.size, inks.ratio)
        {
            paint_pointed(&context, inks, &picture, &self.pointed);
        }
    }

    /// Measures the scroller, and makes what is in it as high as all lanes.
    fn measure(&mut self, props: &Props) -> bool {
        let lanes = props.view.as_ref().map_or(0, |view| view.lanes_total);
        let content = AXIS_PX + f64::from(lanes) * self.lane_px();
        set_style(&self.space, "height", &format!("{}px", content as u32));
        let Some(scroller) = element(&self.scroller) else { return false };
        let size = (f64::from(scroller.client_width()), f64::from(scroller.client_height()));
        self.scroll_px = f64::from(scroller.scroll_top());
        set_style(&self.sticky, "height", &format!("{}px", size.1 as u32));
        std::mem::replace(&mut self.size, size) != size
    }

    /// Asks for the window that is seen, now or after a pause.
    fn ask(&mut self, ctx: &Context<Self>) {
        let (width, height) = self.size;
        if width <= 0.0 || self.asks.is_some() {
            return;
        }
        let lanes = LaneRange::around(self.scroll_px, height, self.lane_px(), self.lanes);
        self.lanes = Some(lanes);
        let width_px = self.layout(ctx.props()).plot_px() as u32 / WIDTH_STEP_PX * WIDTH_STEP_PX;
        let window = self.viewport.window(width_px.max(WIDTH_STEP_PX), lanes, ctx.props().job);
        if self.asked != Some(window) {
            self.asked = Some(window);
            ctx.props().on_window.emit(window);
            let link = ctx.link().clone();
            self.asks = Some(Timeout::new(ASK_INTERVAL_MS, move || link.send_message(Msg::Ask)));
        }
    }

    pub(super) fn change(&mut self, ctx: &Context<Self>) {
        self.redraw(ctx, true);
        self.ask(ctx);
    }

    /// The bar that is pointed at.
    pub(super) fn pointed_bar(&self, props: &Props) -> Option<Bar> {
        let (lane, bar) = self.pointed.bar?;
        props.view.as_ref()?.lanes.get(lane)?.bars.get(bar).copied()
    }

    /// Its lane.
    pub(super) fn pointed_lane(&self) -> Option<usize> {
        self.pointed.bar.map(|(lane, _)| lane)
    }

    /// The task whose tooltip has a link in it that can be pressed.
    pub(super) fn pinned(&self, props: &Props) -> Option<TaskId> {
        self.pointed_bar(props).filter(|_| self.is_pinned).map(|bar| bar.task)
    }

    fn on_tool(&mut self, ctx: &Context<Self>, tool: Tool) {
        match tool {
            Tool::Follow(true) => self.viewport.follow(),
            Tool::Follow(false) => self.viewport.pause(Self::present_ms(ctx.props())),
            Tool::Zoom(true) => self.zoom(ctx, ZOOM_STEP, 0.5),
            Tool::Zoom(false) => self.zoom(ctx, 1.0 / ZOOM_STEP, 0.5),
            Tool::Span(span_ms) => {
                let factor = span_ms as f64 / self.viewport.span_ms.max(1) as f64;
                self.zoom(ctx, factor, 1.0);
            }
            Tool::Lanes(higher) => {
                let height = self.lane_height.saturating_add_signed(if higher { 1 } else { -1 });
                self.lane_height = height.min(LANE_HEIGHTS_PX.len() - 1);
                self.measure(ctx.props());
            }
            Tool::Table(shows) => self.shows_table = shows,
        }
        self.change(ctx);
    }

    /// Where the bar stands that was picked: it moves with time.
    fn picked_place(&self, props: &Props) -> Option<(f64, f64)> {
        let (view, bar) = (props.view.as_ref()?, self.pointed_bar(props)?);
        let layout = self.layout(props);
        let (left, right) = layout.extent(view, &bar);
        let lane = view.first_lane + self.pointed_lane().filter(|_| self.is_pinned)? as u32;
        let middle = left.max(layout.label_px).midpoint(right.min(layout.width_px));
        Some((middle, layout.y(lane)))
    }

    /// Puts the tooltip beside the pointer, inside of the window: beyond the canvas if that is low.
    fn place_tip(&self, props: &Props) {
        /// From the pointer to the tooltip, in pixels.
        const AWAY_PX: f64 = 14.0;
        let Some(tip) = element(&self.tip) else { return };
        let frame = tip.get_bounding_client_rect();
        let size = (frame.width(), frame.height());
        let (x, y) = self.picked_place(props).unwrap_or(self.pointer);
        let Some(canvas) = element(&self.upper) else { return };
        let corner = canvas.get_bounding_client_rect();
        let beside = |at: f64, size: f64, room: f64| {
            let fits = at + AWAY_PX + size < room;
            if fits { at + AWAY_PX } else { (at - AWAY_PX - size).max(0.0) }
        };
        let (width, height) = browser::window_size();
        let left = beside(x + corner.x(), size.0, width);
        let top = beside(y + corner.y(), size.1, height);
        set_style(&self.tip, "left", &format!("{}px", left as i32));
        set_style(&self.tip, "top", &format!("{}px", top as i32));
    }

    fn attach(&mut self, ctx: &Context<Self>) {
        let link = ctx.link();
        self._watch = SizeWatch::new(&self.scroller, link.callback(|()| Msg::Size));
        // Yew listens at the page's root, where a wheel's default cannot be prevented.
        let link = link.clone();
        self._wheel = element(&self.scroller).map(|scroller| {
            let options = EventListenerOptions::enable_prevent_default();
            EventListener::new_with_options(&scroller, "wheel", options, move |event| {
                let event: &WheelEvent = event.unchecked_ref();
                let is_sideways = event.delta_x().abs() > event.delta_y().abs();
                if event.ctrl_key() || event.meta_key() || event.shift_key() || is_sideways {
                    event.prevent_default();
                    link.send_message(Msg::Wheel(event.clone()));
                }
            })
        });
    }
}

impl Component for Timeline {
    type Message = Msg;
    type Properties = Props;

    fn create(ctx: &Context<Self>) -> Self {
        let (viewport, lane_height) = LAST.get();
        let mut timeline = Timeline {
            scroller: NodeRef::default(),
            space: NodeRef::default(),
            sticky: NodeRef::default(),
            lower: NodeRef::default(),
            upper: NodeRef::default(),
            tip: NodeRef::default(),
            viewport,
            lane_height,
            shows_table: false,
            hues: Hues::shared(),
            lanes_total: 0,
            hues_span_ms: 0,
            busy: Rc::default(),
            lanes: None,
            size: (0.0, 0.0),
            scroll_px: 0.0,
            inks: None,
            pointed: Pointed::default(),
            pointer: (0.0, 0.0),
            is_pinned: false,
            drag: None,
            is_lower_old: true,
            is_upper_old: true,
            waits_for_frame: false,
            asked: None,
            asks: None,
            _watch: None,
            _wheel: None,
        };
        timeline.take(ctx.props());
        timeline
    }

    fn changed(&mut self, ctx: &Context<Self>, before: &Props) -> bool {
        let props = ctx.props();
        let is_other_view = props.view != before.view;
        if is_other_view {
            self.take(props);
            self.keep_pointing(before, props);
        }
        if props.job != before.job {
            self.ask(ctx);
        }
        let is_other_theme = Inks::are_old(&self.inks);
        if is_other_theme {
            self.inks = None;
        }
        if is_other_view || is_other_theme || self.viewport.follows() {
            self.redraw(ctx, true);
        }
        true
    }

    fn update(&mut self, ctx: &Context<Self>, msg: Msg) -> bool {
        match msg {
            Msg::Paint => {
                self.paint(ctx.props());
                return false;
            }
            Msg::Size | Msg::Scrolled => {
                self.measure(ctx.props());
                self.change(ctx);
                return self.pointed.bar.is_some();
            }
            Msg::Ask => {
                self.asks = None;
                self.ask(ctx);
                return false;
            }
            Msg::Down(event) => return self.on_down(&event),
            Msg::Move(event) => return self.on_move(ctx, &event),
            Msg::Up(event) => return self.on_up(ctx, &event),
            Msg::Leave if self.is_pinned => return false,
            Msg::Leave => {
                self.point(ctx.props(), None);
                self.redraw(ctx, false);
            }
            Msg::Wheel(event) => self.on_wheel(ctx, &event),
            Msg::Key(event) => {
                if !self.on_key(ctx, &event) {
                    return false;
                }
                event.prevent_default();
            }
            Msg::Tool(tool) => self.on_tool(ctx, tool),
        }
        true
    }

    fn rendered(&mut self, ctx: &Context<Self>, is_first: bool) {
        if is_first {
            self.attach(ctx);
        }
        if self.measure(ctx.props()) || is_first {
            self.change(ctx);
        }
        self.place_tip(ctx.props());
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        let link = ctx.link();
        let nodes = self.view_canvases(ctx);
        let is_hidden = self.shows_table.then_some("offscreen");
        html! {
            <div class="tl">
                { self.view_tools(ctx) }
                <div class={classes!("tl-scroll", is_hidden)} ref={&self.scroller} tabindex="0"
                    role="group" aria-label="Timeline" aria-describedby="tl-keys"
                    onscroll={link.callback(|_| Msg::Scrolled)}
                    onkeydown={link.callback(Msg::Key)}>
                    <div class="tl-space" ref={&self.space}>{ nodes }</div>
                </div>
                if self.shows_table {
                    { self.view_table(ctx) }
                }
                { self.view_legend(ctx) }
            </div>
        }
    }
}

impl Timeline {
    fn take(&mut self, props: &Props) {
        if let Some(view) = &props.view {
            self.lanes_total = view.lanes_total;
            let busy = busy_by_stage(view);
            let span_ms = view.to_ms.saturating_sub(view.from_ms);
            let before = std::mem::replace(&mut self.hues_span_ms, span_ms);
            if before > 0 && before != span_ms {
                self.hues.clear();
            }
            self.hues.assign(&busy);
            self.busy = Rc::new(busy);
        }
    }

    /// Bars have other places in another view. What was picked stays the same attempt; else the
    /// pointer is over what moved below it.
    fn keep_pointing(&mut self, before: &Props, props: &Props) {
        if !self.is_pinned {
            let at = self.pointed.x.map(|_| self.pointer);
            if at.is_some() && self.drag.is_none() {
                self.point(props, at);
            } else {
                (self.pointed.bar, self.pointed.mark) = (None, None);
            }
            return;
        }
        let Some(bar) = self.pointed_bar(before) else { return };
        let lanes = props.view.iter().flat_map(|view| view.lanes.iter().enumerate());
        let same = |other: &Bar| other.task == bar.task && other.attempt == bar.attempt;
        self.pointed.bar =
            lanes.filter_map(|(at, lane)| Some((at, lane.bars.iter().position(same)?))).next();
        self.is_pinned = self.pointed.bar.is_some();
    }

    fn view_canvases(&self, ctx: &Context<Self>) -> Html {
        let link = ctx.link();
        let props = ctx.props();
        let sentence = props
            .view
            .as_ref()
            .map(|view| super::lanes::sentence(view, clock_offset_min(view.to_ms)))
            .unwrap_or_default();
        let class = classes!("tl-upper", self.pointed.bar.is_some().then_some("can-open"));
        html! {
            <div class="tl-sticky" ref={&self.sticky}>
                <canvas class="tl-lower" ref={&self.lower} role="img" aria-label={sentence}></canvas>
                <canvas {class} ref={&self.upper} aria-hidden="true"
                    onpointerdown={link.callback(Msg::Down)}
                    onpointermove={link.callback(Msg::Move)}
                    onpointerup={link.callback(Msg::Up)}
                    onpointerleave={link.callback(|_| Msg::Leave)}></canvas>
                { self.view_tip(props, &self.tip) }
            </div>
        }
    }
}
