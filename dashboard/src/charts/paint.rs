//! Paints a timeline.

use super::canvas::{Inks, edge, fill, fill_hatch, fitting, line, text};
use super::hues::{EDGES, HUES, Hues};
use super::lanes::Layout;
use super::scale::{clock, time_step_ms, time_ticks};
use super::shapes::{DISK, FAILED, OTHER, Rect, Shapes, TRANSFER, bar_rect, shapes};
use partita_observe::view::{EventKind, TimelineView};
use web_sys::CanvasRenderingContext2d;

/// Ticks of the axis are at least so far apart, in pixels.
const TICK_APART_PX: f64 = 88.0;
/// Lanes lower than this have no number of their slot, in pixels.
const SLOT_PX_MIN: f64 = 12.0;
/// Lanes lower than this have no line below them, in pixels.
const RULE_PX_MIN: f64 = 14.0;
/// The height of a name, in pixels: names closer than this are left out.
const NAME_PX: f64 = 12.0;
/// The size of small text on a canvas, in pixels.
const TEXT_PX: u32 = 11;

/// What is painted.
pub struct Picture<'a> {
    /// The bars.
    pub view: &'a TimelineView,
    /// Where they stand.
    pub layout: &'a Layout,
    /// Whose hue is which.
    pub hues: &'a Hues,
    /// The present, in milliseconds since the epoch.
    pub present_ms: u64,
    /// What the local clock is ahead of UTC, in minutes.
    pub offset_min: i32,
}

/// Paints all but what moves with the pointer.
pub fn paint(context: &CanvasRenderingContext2d, inks: &Inks, picture: &Picture) {
    let Picture { layout, .. } = picture;
    let theme = &inks.theme;
    let plot = Rect {
        x: layout.label_px,
        y: layout.axis_px,
        w: layout.plot_px(),
        h: (layout.height_px - layout.axis_px).max(0.0),
    };
    fill(
        context,
        &theme.surface,
        &[Rect { x: 0.0, y: 0.0, w: layout.width_px, h: layout.height_px }],
    );
    context.save();
    clip(context, &plot);
    paint_unknown(context, inks, picture, &plot);
    paint_grid(context, inks, picture, &plot);
    let shapes = shapes(picture.view, layout, picture.hues, picture.present_ms);
    paint_bars(context, inks, &shapes);
    context.restore();
    paint_names(context, inks, picture);
    paint_axis(context, inks, picture);
    paint_marks(context, inks, picture);
}

fn clip(context: &CanvasRenderingContext2d, rect: &Rect) {
    context.begin_path();
    context.rect(rect.x, rect.y, rect.w, rect.h);
    context.clip();
}

/// Times of which nothing is known: observations that were dropped, and what is forgotten.
fn paint_unknown(context: &CanvasRenderingContext2d, inks: &Inks, picture: &Picture, plot: &Rect) {
    let layout = picture.layout;
    let stretch = |from_ms: u64, to_ms: u64| {
        let left = layout.x(from_ms as f64 * 1e3).max(plot.x);
        let right = layout.x(to_ms as f64 * 1e3).min(plot.x + plot.w);
        Rect { x: left, w: (right - left).max(1.0), ..*plot }
    };
    let mut unknown: Vec<Rect> =
        picture.view.gaps.iter().map(|(from, to, _)| stretch(*from, *to)).collect();
    if picture.view.oldest_ms > layout.from_ms {
        unknown.push(stretch(layout.from_ms, picture.view.oldest_ms));
    }
    fill_hatch(context, inks.gap.as_ref(), inks.ratio, &unknown);
}

fn paint_grid(context: &CanvasRenderingContext2d, inks: &Inks, picture: &Picture, plot: &Rect) {
    let layout = picture.layout;
    context.set_stroke_style_str(&inks.theme.border);
    context.set_line_width(1.0);
    context.set_global_alpha(0.6);
    for (x, _) in ticks(picture) {
        line(context, (x, plot.y), (x, plot.y + plot.h));
    }
    if layout.lane_px >= RULE_PX_MIN {
        for lane in seen_lanes(picture) {
            let y = layout.y(lane + 1).round() - 0.5;
            line(context, (plot.x, y), (plot.x + plot.w, y));
        }
    }
    context.set_global_alpha(1.0);
}

/// Lanes that exist and are visible.
fn seen_lanes(picture: &Picture) -> std::ops::Range<u32> {
    let Picture { layout, view, .. } = picture;
    let first = (layout.scroll_px / layout.lane_px.max(1.0)) as u32;
    let count = (layout.height_px / layout.lane_px.max(1.0)) as u32 + 2;
    first..view.lanes_total.min(first.saturating_add(count))
}

/// Ticks of the axis: where they stand, and what they say.
fn ticks(picture: &Picture) -> Vec<(f64, String)> {
    let layout = picture.layout;
    let step = time_step_ms(layout.span_ms, layout.plot_px(), TICK_APART_PX);
    let to_ms = layout.from_ms.saturating_add(layout.span_ms);
    time_ticks(layout.from_ms, to_ms, step, picture.offset_min)
        .into_iter()
        .map(|at| {
            let x = layout.x(at as f64 * 1e3).round() + 0.5;
            (x, clock(at, step, picture.offset_min))
        })
        .collect()
}

fn paint_bars(context: &CanvasRenderingContext2d, inks: &Inks, shapes: &Shapes) {
    let theme = &inks.theme;
    for (ink, rects) in shapes.fills.iter().enumerate() {
        match ink {
            OTHER => fill(context, &theme.grey, rects),
            TRANSFER => fill_hatch(context, inks.diagonal.as_ref(), inks.ratio, rects),
            DISK => fill_hatch(context, inks.horizontal.as_ref(), inks.ratio, rects),
            FAILED => fill_hatch(context, inks.cross.as_ref(), inks.ratio, rects),
            hue => fill(context, HUES[hue], rects),
        }
    }
    for (ink, rects) in shapes.edges.iter().enumerate() {
        match ink {
            FAILED => edge(context, &theme.failed, rects),
            hue if hue < HUES.len() => edge(context, EDGES[hue], rects),
            _ => edge(context, &theme.muted, rects),
        }
    }
    edge(context, &theme.grey, &shapes.hollow);
    shapes.crosses.iter().for_each(|(x, y)| paint_cross(context, inks, *x, *y, 4.0));
    context.set_fill_style_str(&theme.surface);
    context.set_stroke_style_str(&theme.text);
    for (x, y) in &shapes.arrows {
        triangle(context, [(*x - 3.0, *y - 4.0), (*x + 3.5, *y), (*x - 3.0, *y + 4.0)]);
        context.stroke();
    }
}

fn triangle(context: &CanvasRenderingContext2d, corners: [(f64, f64); 3]) {
    context.begin_path();
    context.move_to(corners[0].0, corners[0].1);
    context.line_to(corners[1].0, corners[1].1);
    context.line_to(corners[2].0, corners[2].1);
    context.line_to(corners[0].0, corners[0].1);
    context.fill();
}

/// A cross on a clear ground, so that it is seen on any hatch.
fn paint_cross(context: &CanvasRenderingContext2d, inks: &Inks, x: f64, y: f64, reach: f64) {
    for (ink, width) in [(&inks.theme.surface, 5.0), (&inks.theme.failed, 2.0)] {
        context.set_stroke_style_str(ink);
        context.set_line_width(width);
        line(context, (x - reach, y - reach), (x + reach, y + reach));
        line(context, (x - reach, y + reach), (x + reach, y - reach));
    }
    context.set_line_width(1.0);
}

/// Names of workers, once for all their slots, and numbers of slots.
fn paint_names(context: &CanvasRenderingContext2d, inks: &Inks, picture: &Picture) {
    let Picture { layout, view, .. } = picture;
    let theme = &inks.theme;
    let bottom = layout.height_px;
    context.save();
    let names = Rect {
        x: 0.0,
        y: layout.axis_px,
        w: layout.label_px,
        h: (bottom - layout.axis_px).max(0.0),
    };
    clip(context, &names);
    context.set_font(&format!("{TEXT_PX}px {}", theme.font));
    context.set_text_baseline("middle");
    let mut name_from = f64::NEG_INFINITY;
    let mut before = None;
    for (index, lane) in view.lanes.iter().enumerate() {
        let y = layout.y(view.first_lane + index as u32);
        let is_seen = y + layout.lane_px > layout.axis_px && y < bottom;
        let is_first = before != Some(lane.worker);
        before = Some(lane.worker);
        if !is_seen {
            continue;
        }
        let middle = y.max(layout.axis_px) + (layout.lane_px / 2.0).max(NAME_PX / 2.0);
        // Where lanes are low, a line would strike out the name of a worker above.
        let is_clear = y >= name_from - NAME_PX / 2.0;
        let is_seen_first = is_first || name_from == f64::NEG_INFINITY;
        if is_seen_first && middle >= name_from {
            context.set_fill_style_str(if lane.is_there { &theme.text } else { &theme.muted });
            context.set_text_align("left");
            let slot_px = if layout.lane_px >= SLOT_PX_MIN { 32.0 } else { 16.0 };
            let left = if lane.is_there { 8.0 } else { 20.0 };
            let width = layout.label_px - slot_px - left + 8.0;
            text(context, &fitting(&lane.name, width), left, middle, width);
            if !lane.is_there {
                paint_cross(context, inks, 11.0, middle, 3.0);
            }
            name_from = middle + NAME_PX;
        }
        if is_first && is_clear && y > layout.axis_px {
            context.set_stroke_style_str(&theme.border);
            line(context, (0.0, y.round() - 0.5), (layout.label_px, y.round() - 0.5));
        }
        if layout.lane_px >= SLOT_PX_MIN {
            context.set_fill_style_str(&theme.muted);
            context.set_text_align("right");
            let middle = y + layout.lane_px / 2.0;
            text(context, &lane.slot.to_string(), layout.label_px - 8.0, middle, 24.0);
        }
    }
    context.restore();
    context.set_stroke_style_str(&theme.border);
    let x = layout.label_px - 0.5;
    line(context, (x, 0.0), (x, bottom));
}

fn paint_axis(context: &CanvasRenderingContext2d, inks: &Inks, picture: &Picture) {
    let layout = picture.layout;
    let theme = &inks.theme;
    fill(context, &theme.raised, &[Rect { x: 0.0, y: 0.0, w: layout.width_px, h: layout.axis_px }]);
    context.set_stroke_style_str(&theme.border);
    line(context, (0.0, layout.axis_px - 0.5), (layout.width_px, layout.axis_px - 0.5));
    context.set_font(&format!("{TEXT_PX}px {}", theme.font));
    context.set_fill_style_str(&theme.muted);
    context.set_text_baseline("middle");
    context.set_text_align("center");
    for (x, label) in ticks(picture) {
        line(context, (x, layout.axis_px - 5.0), (x, layout.axis_px - 1.0));
        // A label at an edge would be cut in two.
        if x > layout.label_px + 24.0 && x < layout.width_px - 28.0 {
            text(context, &label, x, layout.axis_px / 2.0 - 1.0, TICK_APART_PX);
        }
    }
}

/// Where workers came and went: a line, and a sign on the axis.
fn paint_marks(context: &CanvasRenderingContext2d, inks: &Inks, picture: &Picture) {
    let Picture { layout, view, .. } = picture;
    let theme = &inks.theme;
    for mark in &view.marks {
        let x = layout.x(mark.at_ms as f64 * 1e3).round() + 0.5;
        if x < layout.label_px || x > layout.width_px {
            continue;
        }
        let ink = match mark.kind {
            EventKind::WorkerJoined => &theme.done,
            EventKind::WorkerLost => &theme.failed,
            _ => &theme.muted,
        };
        context.set_stroke_style_str(ink);
        context.set_line_width(1.0);
        dashed(context, x, layout.axis_px, layout.height_px);
        context.set_fill_style_str(ink);
        let y = layout.axis_px - 4.0;
        match mark.kind {
            EventKind::WorkerJoined => {
                triangle(context, [(x - 4.0, y), (x, y - 7.0), (x + 4.0, y)])
            }
            EventKind::WorkerLost => paint_cross(context, inks, x, y - 3.0, 3.5),
            _ => triangle(context, [(x - 4.0, y - 7.0), (x, y), (x + 4.0, y - 7.0)]),
        }
    }
}

/// An upright line of dashes.
fn dashed(context: &CanvasRenderingContext2d, x: f64, from: f64, to: f64) {
    /// The length of a dash, and of what is between two, in pixels.
    const DASH_PX: f64 = 3.0;
    context.begin_path();
    let mut y = from;
    while y < to {
        context.move_to(x, y);
        context.line_to(x, (y + DASH_PX).min(to));
        y += 2.0 * DASH_PX;
    }
    context.stroke();
}

/// What moves with the pointer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pointed {
    /// The bar that is pointed at: the lane's number and the bar's place in it.
    pub bar: Option<(usize, usize)>,
    /// The mark that is pointed at: its place in the view.
    pub mark: Option<usize>,
    /// From where to where is brushed, in pixels.
    pub brush: Option<(f64, f64)>,
    /// Where the pointer stands, in pixels from the left.
    pub x: Option<f64>,
}

/// Paints what moves with the pointer, on a canvas of its own.
pub fn paint_pointed(
    context: &CanvasRenderingContext2d,
    inks: &Inks,
    picture: &Picture,
    pointed: &Pointed,
) {
    let Picture { layout, view, .. } = picture;
    let theme = &inks.theme;
    if let Some((one, other)) = pointed.brush {
        let (left, right) = if one < other { (one, other) } else { (other, one) };
        let rect = Rect {
            x: left,
            y: layout.axis_px,
            w: right - left,
            h: layout.height_px - layout.axis_px,
        };
        context.set_global_alpha(0.2);
        fill(context, &theme.accent, &[rect]);
        context.set_global_alpha(1.0);
        edge(context, &theme.accent, &[rect]);
    }
    let found = pointed.bar.and_then(|(lane, bar)| {
        let found = view.lanes.get(lane)?.bars.get(bar)?;
        let lane = view.first_lane + lane as u32;
        Some(bar_rect(view, layout, lane, found, picture.present_ms))
    });
    if let Some(rect) = found {
        context.begin_path();
        context.rect(rect.x - 1.0, rect.y - 1.0, rect.w + 2.0, rect.h + 2.0);
        for (ink, width) in [(&theme.surface, 4.0), (&theme.text, 2.0)] {
            context.set_stroke_style_str(ink);
            context.set_line_width(width);
            context.stroke();
        }
    }
    if let Some(x) = pointed.x.filter(|x| *x >= layout.label_px) {
        paint_time(context, inks, picture, x);
    }
}

/// The time at the pointer, on the axis.
fn paint_time(context: &CanvasRenderingContext2d, inks: &Inks, picture: &Picture, x: f64) {
    /// Room for a time with thousandths, in pixels.
    const WIDTH_PX: f64 = 80.0;
    let layout = picture.layout;
    let theme = &inks.theme;
    let pixel_ms = layout.span_ms as f64 / layout.plot_px();
    let step = if pixel_ms < 500.0 { 1 } else { 1_000 };
    let label = clock((layout.at_us(x) / 1e3) as u64, step, picture.offset_min);
    // Where there is no room for both, the left edge wins.
    let middle = x.min(layout.width_px - WIDTH_PX / 2.0).max(layout.label_px + WIDTH_PX / 2.0);
    context.set_stroke_style_str(&theme.muted);
    context.set_line_width(1.0);
    line(context, (x.round() + 0.5, layout.axis_px), (x.round() + 0.5, layout.height_px));
    fill(
        context,
        &theme.text,
        &[Rect { x: middle - WIDTH_PX / 2.0, y: 2.0, w: WIDTH_PX, h: layout.axis_px - 5.0 }],
    );
    context.set_font(&format!("{TEXT_PX}px {}", theme.font));
    context.set_fill_style_str(&theme.surface);
    context.set_text_baseline("middle");
    context.set_text_align("center");
    text(context, &label, middle, layout.axis_px / 2.0, WIDTH_PX);
}

/// Paints a timeline of few pixels: bars and names, without an axis.
pub fn paint_mini(context: &CanvasRenderingContext2d, inks: &Inks, picture: &Picture) {
    let layout = picture.layout;
    let whole = Rect { x: 0.0, y: 0.0, w: layout.width_px, h: layout.height_px };
    let plot = Rect { x: layout.label_px, w: layout.plot_px(), ..whole };
    fill(context, &inks.theme.surface, &[whole]);
    context.save();
    clip(context, &plot);
    paint_unknown(context, inks, picture, &plot);
    let shapes = shapes(picture.view, layout, picture.hues, picture.present_ms);
    paint_bars(context, inks, &shapes);
    context.restore();
    paint_names(context, inks, picture);
}
