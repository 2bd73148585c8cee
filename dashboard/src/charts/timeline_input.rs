//! How pointers, wheels and keys move a [`Timeline`].

use super::canvas::element;
use super::lanes::{AXIS_PX, BarAt, hit, mark_at, nearest};
use super::paint::Pointed;
use super::timeline::{Props, Timeline};
use super::viewport::Viewport;
use crate::browser;
use crate::route::Route;
use web_sys::{Element, WheelEvent};
use yew::prelude::*;

/// A press that moves less than this is a click, in pixels.
const CLICK_PX: f64 = 4.0;
/// What one step of zooming makes of the span.
pub(super) const ZOOM_STEP: f64 = 0.6;
/// What one notch of a wheel makes of it, as a power of e for each pixel of the notch.
const ZOOM_WHEEL: f64 = 0.002;
/// What one key pans, as a part of the span.
const PAN_STEP: f64 = 0.15;
/// Farther than any journal goes back, in milliseconds.
const FAR_MS: f64 = 9e15;

/// A press of the pointer.
pub(super) struct Drag {
    from: (f64, f64),
    is_brush: bool,
    has_moved: bool,
    /// The window when it began.
    viewport: Viewport,
}

impl Timeline {
    /// Selects the item under the pointer. Returns whether it differs from the one before.
    pub(super) fn point(&mut self, props: &Props, at: Option<(f64, f64)>) -> bool {
        let layout = self.layout(props);
        let found = at.zip(props.view.as_ref()).and_then(|((x, y), view)| hit(view, &layout, x, y));
        self.pointed.x = at.map(|(x, _)| x);
        self.pointer = at.unwrap_or(self.pointer);
        self.is_pinned = false;
        let mark =
            at.zip(props.view.as_ref()).and_then(|((x, y), view)| mark_at(view, &layout, x, y));
        let is_other_mark = std::mem::replace(&mut self.pointed.mark, mark) != mark;
        let bar = found.map(|at| (at.lane, at.bar));
        std::mem::replace(&mut self.pointed.bar, bar) != bar
            || bar.is_some()
            || is_other_mark
            || mark.is_some()
    }

    pub(super) fn zoom(&mut self, ctx: &Context<Self>, factor: f64, place: f64) {
        let present_ms = self.present_of(ctx.props());
        self.viewport.zoom(factor, place, present_ms);
        self.change(ctx);
    }

    fn pan(&mut self, ctx: &Context<Self>, by_ms: f64) {
        let oldest_ms = ctx.props().view.as_ref().map_or(0, |view| view.oldest_ms);
        let present_ms = Self::present_ms(ctx.props()).max(ctx.props().live.now_ms);
        self.viewport.pan(by_ms as i64, present_ms, oldest_ms);
        self.change(ctx);
    }

    pub(super) fn on_down(&mut self, event: &PointerEvent) -> bool {
        if event.button() != 0 {
            return false;
        }
        if let Some(target) = event.target_dyn_into::<Element>() {
            // Fails for a pointer that is gone in the meantime: then there is no drag either.
            let _ = target.set_pointer_capture(event.pointer_id());
        }
        let from = (f64::from(event.offset_x()), f64::from(event.offset_y()));
        self.drag = Some(Drag {
            from,
            is_brush: event.shift_key(),
            has_moved: false,
            viewport: self.viewport,
        });
        false
    }

    pub(super) fn on_move(&mut self, ctx: &Context<Self>, event: &PointerEvent) -> bool {
        let at = (f64::from(event.offset_x()), f64::from(event.offset_y()));
        let Some(drag) = &mut self.drag else {
            let changed = self.point(ctx.props(), Some(at));
            self.redraw(ctx, false);
            return changed;
        };
        let by_px = at.0 - drag.from.0;
        drag.has_moved |= by_px.abs() >= CLICK_PX;
        if !drag.has_moved {
            return false;
        }
        let had_bar = self.pointed.bar.take().is_some();
        if drag.is_brush {
            self.pointed.brush = Some((drag.from.0, at.0));
            self.redraw(ctx, false);
        } else {
            self.viewport = drag.viewport;
            let by_ms = -by_px * self.viewport.span_ms as f64 / self.layout(ctx.props()).plot_px();
            self.pan(ctx, by_ms);
        }
        had_bar || by_px.abs() < 2.0 * CLICK_PX
    }

    pub(super) fn on_up(&mut self, ctx: &Context<Self>, event: &PointerEvent) -> bool {
        let Some(drag) = self.drag.take() else { return false };
        if let Some((one, other)) = self.pointed.brush.take() {
            let layout = self.layout(ctx.props());
            let present_ms = self.present_of(ctx.props());
            self.viewport.brush(layout.place(one), layout.place(other), present_ms);
            self.change(ctx);
            return true;
        }
        if drag.has_moved {
            return true;
        }
        let at = (f64::from(event.offset_x()), f64::from(event.offset_y()));
        self.point(ctx.props(), Some(at));
        if event.pointer_type() == "mouse" {
            self.open(ctx.props());
        } else {
            // A finger cannot hover: the first touch shows what it is, with a link in it.
            self.is_pinned = self.pointed.bar.is_some();
        }
        self.redraw(ctx, false);
        true
    }

    fn open(&self, props: &Props) {
        if let Some(bar) = self.pointed_bar(props) {
            browser::go_to_fragment(&Route::Task(bar.task).to_string());
        }
    }

    pub(super) fn on_key(&mut self, ctx: &Context<Self>, event: &KeyboardEvent) -> bool {
        if event.ctrl_key() || event.alt_key() || event.meta_key() {
            return false;
        }
        let span_ms = self.viewport.span_ms as f64;
        match (event.key().as_str(), event.shift_key()) {
            ("ArrowLeft", false) => self.pan(ctx, -span_ms * PAN_STEP),
            ("ArrowRight", false) => self.pan(ctx, span_ms * PAN_STEP),
            ("+" | "=", _) => self.zoom(ctx, ZOOM_STEP, 0.5),
            ("-" | "_", _) => self.zoom(ctx, 1.0 / ZOOM_STEP, 0.5),
            ("Home", _) => self.pan(ctx, -FAR_MS),
            ("End", _) => {
                self.viewport.follow();
                self.change(ctx);
            }
            ("ArrowLeft", true) => self.pick(ctx, 0, -1),
            ("ArrowRight", true) => self.pick(ctx, 0, 1),
            ("ArrowUp", true) => self.pick(ctx, -1, 0),
            ("ArrowDown", true) => self.pick(ctx, 1, 0),
            ("Enter", _) if self.pointed.bar.is_some() => self.open(ctx.props()),
            ("Escape", _) if self.pointed.bar.is_some() => {
                self.pointed = Pointed::default();
                self.redraw(ctx, false);
            }
            _ => return false,
        }
        true
    }

    /// Picks the next bar of a lane, or the one of the next lane at the same time.
    fn pick(&mut self, ctx: &Context<Self>, lanes: i64, bars: i64) {
        let Some(view) = ctx.props().view.clone() else { return };
        let layout = self.layout(ctx.props());
        let picked = match self.pointed.bar {
            None => view.lanes.iter().position(|lane| !lane.bars.is_empty()).and_then(|lane| {
                let last = view.lanes.get(lane)?.bars.len().checked_sub(1)?;
                Some(BarAt { lane, bar: last })
            }),
            Some((lane, bar)) if bars != 0 => view.lanes.get(lane).map(|found| {
                let last = found.bars.len().saturating_sub(1);
                BarAt { lane, bar: bar.saturating_add_signed(bars as isize).min(last) }
            }),
            Some((lane, bar)) => {
                let at_us = view.lanes.get(lane).and_then(|lane| lane.bars.get(bar));
                let at_us =
                    at_us.map_or(0.0, |bar| bar.start_us as f64 + bar.length_us as f64 / 2.0);
                let others = 1..=view.lanes.len() as i64;
                others.map(|step| lane as i64 + step * lanes).find_map(|lane| {
                    let lane = usize::try_from(lane).ok()?;
                    let bar = nearest(view.lanes.get(lane)?, at_us)?;
                    Some(BarAt { lane, bar })
                })
            }
        };
        let Some(at) = picked else { return };
        self.pointed.bar = Some((at.lane, at.bar));
        self.is_pinned = true;
        self.pointed.x = None;
        self.show_lane(layout.y(view.first_lane + at.lane as u32));
        self.redraw(ctx, false);
    }

    /// Scrolls so that a lane is seen.
    fn show_lane(&self, y: f64) {
        let lane_px = self.lane_px();
        let by = if y < AXIS_PX { y - AXIS_PX } else { (y + lane_px - self.size.1).max(0.0) };
        if let Some(scroller) = element(&self.scroller).filter(|_| by != 0.0) {
            scroller.set_scroll_top((self.scroll_px + by) as i32);
        }
    }

    pub(super) fn on_wheel(&mut self, ctx: &Context<Self>, event: &WheelEvent) {
        let layout = self.layout(ctx.props());
        if event.ctrl_key() || event.meta_key() {
            let place = layout.place(f64::from(event.offset_x()));
            self.zoom(
                ctx,
                js_sys::Math::exp((event.delta_y() * ZOOM_WHEEL).clamp(-1.0, 1.0)),
                place,
            );
        } else {
            let by_px = if event.delta_x() == 0.0 { event.delta_y() } else { event.delta_x() };
            self.pan(ctx, by_px * self.viewport.span_ms as f64 / layout.plot_px());
        }
    }
}
