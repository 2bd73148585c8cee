//! The last minute of all slots in a strip, to be seen at a glance.

use super::canvas::{Inks, SizeWatch, clock_offset_min, element, prepare};
use super::hues::{Hues, busy_by_stage};
use super::lanes::{Layout, sentence};
use super::paint::{Picture, paint_mini};
use super::timeline::Timeline;
use super::timeline_view::swatch;
use crate::browser;
use crate::components::parts::Same;
use crate::live::Live;
use partita_observe::view::{TimelineView, TimelineWindow};
use yew::prelude::*;

/// How much time is shown, in milliseconds.
const SPAN_MS: u64 = 60_000;
/// Lanes that are shown at most: more would be less than three pixels high.
const LANES_MAX: u32 = 64;
/// The height of a lane, in pixels: at least, and at most.
const LANE_PX: (f64, f64) = (2.0, 32.0);
/// The width of the names of workers, in pixels.
const LABEL_PX: f64 = 104.0;

/// What the strip shows: whoever shows it follows this.
pub const MINI_WINDOW: TimelineWindow = TimelineWindow {
    end_ms: None,
    span_ms: SPAN_MS,
    width_px: 600,
    first_lane: 0,
    lanes: LANES_MAX,
    job: None,
};

/// What is shown.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
    /// The bars of [`MINI_WINDOW`], once they have arrived.
    pub view: Option<Same<TimelineView>>,
}

/// What the strip reacts to.
pub enum Msg {
    /// Its size changed.
    Size,
    /// The browser is about to draw.
    Paint,
}

/// The last minute of all slots in a strip.
pub struct MiniTimeline {
    canvas: NodeRef,
    frame: NodeRef,
    hues: Hues,
    inks: Option<Inks>,
    waits_for_frame: bool,
    watch: Option<SizeWatch>,
}

impl MiniTimeline {
    fn redraw(&mut self, ctx: &Context<Self>) {
        if !std::mem::replace(&mut self.waits_for_frame, true) {
            let link = ctx.link().clone();
            browser::on_next_frame(move || link.send_message(Msg::Paint));
        }
    }

    fn take(&mut self, props: &Props) {
        if let Some(view) = &props.view {
            self.hues.assign(&busy_by_stage(view));
        }
    }

    fn paint(&mut self, props: &Props) {
        self.waits_for_frame = false;
        let (Some(view), Some(frame)) = (&props.view, element(&self.frame)) else { return };
        if self.inks.is_none() || Inks::are_old(&self.inks) {
            self.inks = Inks::make();
        }
        let Some(inks) = &self.inks else { return };
        let size = (f64::from(frame.client_width()), f64::from(frame.client_height()));
        let present_ms = Timeline::present(&props.live, view);
        let lanes = view.lanes.len().max(1) as f64;
        let layout = Layout {
            width_px: size.0,
            height_px: size.1,
            label_px: LABEL_PX.min(size.0 / 3.0),
            axis_px: 0.0,
            lane_px: (size.1 / lanes).floor().clamp(LANE_PX.0, LANE_PX.1),
            scroll_px: 0.0,
            from_ms: present_ms.saturating_sub(SPAN_MS),
            span_ms: SPAN_MS,
        };
        let picture =
            Picture { view, layout: &layout, hues: &self.hues, present_ms, offset_min: 0 };
        if let Some(context) = prepare(&self.canvas, size, inks.ratio) {
            paint_mini(&context, inks, &picture);
        }
    }
}

/// Whether a part of the last minute was seen by nobody: it is before the scheduler's start, or was
/// dropped.
fn has_unknown(view: &TimelineView) -> bool {
    !view.gaps.is_empty() || view.oldest_ms > view.to_ms.saturating_sub(SPAN_MS)
}

impl Component for MiniTimeline {
    type Message = Msg;
    type Properties = Props;

    fn create(ctx: &Context<Self>) -> Self {
        let mut strip = MiniTimeline {
            canvas: NodeRef::default(),
            frame: NodeRef::default(),
            hues: Hues::shared(),
            inks: None,
            waits_for_frame: false,
            watch: None,
        };
        strip.take(ctx.props());
        strip
    }

    fn changed(&mut self, ctx: &Context<Self>, before: &Props) -> bool {
        let is_other_view = ctx.props().view != before.view;
        self.take(ctx.props());
        self.redraw(ctx);
        is_other_view
    }

    fn update(&mut self, ctx: &Context<Self>, msg: Msg) -> bool {
        match msg {
            Msg::Paint => self.paint(ctx.props()),
            Msg::Size => self.redraw(ctx),
        }
        false
    }

    fn rendered(&mut self, ctx: &Context<Self>, _is_first: bool) {
        if self.watch.is_none() {
            let link = ctx.link();
            self.watch = SizeWatch::new(&self.frame, link.callback(|()| Msg::Size));
        }
        self.redraw(ctx);
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        let view = ctx.props().view.as_ref();
        let label =
            view.map(|view| sentence(view, clock_offset_min(view.to_ms))).unwrap_or_default();
        html! {
            <>
                <div class="tl-mini" ref={&self.frame}>
                    <canvas ref={&self.canvas} role="img" aria-label={label}></canvas>
                </div>
                <p class="key">
                    if view.is_some_and(|view| has_unknown(view)) {
                        <span>{ swatch("unknown") }{ "not recorded" }</span>
                    }
                    if view.is_some_and(|view| view.lanes_total > LANES_MAX) {
                        <span>{ format!("the first {LANES_MAX} slots") }</span>
                    }
                    <span class="left">{ "now" }</span>
                </p>
            </>
        }
    }
}
