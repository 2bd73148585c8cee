//! Where lanes and bars of a timeline stand, what lies under a point, and what the whole of it
//! says in a sentence. Plain arithmetic: nothing here draws.

use super::scale::{clock, micros};
use super::viewport::Viewport;
use crate::format::counted;
use partita_observe::event::Ending;
use partita_observe::view::{Bar, EventKind, Lane, Mark, TimelineView};

/// Height of the axis of time, in pixels.
pub const AXIS_PX: f64 = 24.0;
/// Heights of a lane that one can choose from, in pixels.
pub const LANE_HEIGHTS_PX: [f64; 5] = [4.0, 8.0, 14.0, 20.0, 28.0];
/// The height of a lane at first: its place in [`LANE_HEIGHTS_PX`].
pub const LANE_HEIGHT_DEFAULT: usize = 3;
/// A bar is drawn at least this wide, in pixels: one that is not seen was not there.
pub const BAR_PX_MIN: f64 = 1.0;
/// How far beside a bar the pointer may be, in pixels.
const REACH_PX: f64 = 3.0;

/// How a timeline is laid out on its canvas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layout {
    /// The canvas, in pixels.
    pub width_px: f64,
    /// The canvas, in pixels.
    pub height_px: f64,
    /// Names of workers at the left, in pixels.
    pub label_px: f64,
    /// The axis of time at the top, in pixels.
    pub axis_px: f64,
    /// The height of a lane, in pixels.
    pub lane_px: f64,
    /// How far it is scrolled down, in pixels.
    pub scroll_px: f64,
    /// The left edge, in milliseconds since the epoch.
    pub from_ms: u64,
    /// The length, in milliseconds.
    pub span_ms: u64,
}

impl Layout {
    /// Pixels of time.
    pub fn plot_px(&self) -> f64 {
        (self.width_px - self.label_px).max(1.0)
    }

    /// Where a moment stands, in pixels from the left; it may be outside.
    pub fn x(&self, at_us: f64) -> f64 {
        let from_us = self.from_ms as f64 * 1e3;
        self.label_px + (at_us - from_us) * self.plot_px() / (self.span_ms.max(1) as f64 * 1e3)
    }

    /// The moment at a place, in microseconds since the epoch.
    pub fn at_us(&self, x: f64) -> f64 {
        let place = (x - self.label_px) / self.plot_px();
        self.from_ms as f64 * 1e3 + place * self.span_ms as f64 * 1e3
    }

    /// The place in the stretch of time, from 0 to 1.
    pub fn place(&self, x: f64) -> f64 {
        ((x - self.label_px) / self.plot_px()).clamp(0.0, 1.0)
    }

    /// The upper edge of a lane, in pixels.
    pub fn y(&self, lane: u32) -> f64 {
        self.axis_px + f64::from(lane) * self.lane_px - self.scroll_px
    }

    /// The lane at a height.
    pub fn lane(&self, y: f64) -> Option<u32> {
        let lane = (y - self.axis_px + self.scroll_px) / self.lane_px.max(1.0);
        (y >= self.axis_px && y < self.height_px && lane >= 0.0).then_some(lane as u32)
    }

    /// Left and right edge of a bar of a view, in pixels: at least [`BAR_PX_MIN`] apart.
    pub fn extent(&self, view: &TimelineView, bar: &Bar) -> (f64, f64) {
        let start_us = view.from_ms as f64 * 1e3 + bar.start_us as f64;
        let (left, right) = (self.x(start_us), self.x(start_us + bar.length_us as f64));
        (left, right.max(left + BAR_PX_MIN))
    }
}

/// Which bar of a view: the lane's place in it and the bar's place in the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarAt {
    /// The lane's place in [`TimelineView::lanes`].
    pub lane: usize,
    /// The bar's place in [`Lane::bars`].
    pub bar: usize,
}

/// The bar under a point, or close beside it.
pub fn hit(view: &TimelineView, layout: &Layout, x: f64, y: f64) -> Option<BarAt> {
    if x < layout.label_px {
        return None;
    }
    let lane = layout.lane(y)?.checked_sub(view.first_lane)? as usize;
    let bars = &view.lanes.get(lane)?.bars;
    let at_us = layout.at_us(x) - view.from_ms as f64 * 1e3;
    // Bars of a lane follow each other in time: only the two beside the point can be meant.
    let next = bars.partition_point(|bar| bar.start_us as f64 <= at_us);
    let distance = |bar: usize| {
        let (left, right) = layout.extent(view, bars.get(bar)?);
        let away = (left - x).max(x - right).max(0.0);
        (away <= REACH_PX).then_some((away, bar))
    };
    let before = next.checked_sub(1).and_then(distance);
    let after = distance(next);
    let nearest = match (before, after) {
        (Some(one), Some(other)) if other.0 < one.0 => other,
        (Some(one), _) => one,
        (None, other) => other?,
    };
    Some(BarAt { lane, bar: nearest.1 })
}

/// The bar at or before a moment of a lane, for keys: microseconds from the view's left edge.
pub fn nearest(lane: &Lane, at_us: f64) -> Option<usize> {
    let next = lane.bars.partition_point(|bar| bar.start_us as f64 <= at_us);
    if lane.bars.is_empty() { None } else { Some(next.saturating_sub(1)) }
}

/// What a part of a bar was spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Waiting for other workers' partitions.
    Transfer,
    /// Waiting for the disk.
    Disk,
    /// The work itself.
    Compute,
}

/// The shares of a bar, in the order in which they are drawn, as parts of 1. How much was spent on
/// each is known, and not when: they stand side by side.
pub fn shares(bar: &Bar) -> [(Activity, f64); 3] {
    let transfer = f64::from(bar.transfer) / 255.0;
    let disk = (f64::from(bar.disk) / 255.0).min(1.0 - transfer);
    [
        (Activity::Transfer, transfer),
        (Activity::Disk, disk),
        (Activity::Compute, 1.0 - transfer - disk),
    ]
}

/// Whether an ending is drawn as a failure.
pub fn is_failure(ending: Option<Ending>) -> bool {
    matches!(ending, Some(Ending::Failed(_) | Ending::Lost))
}

/// The word for an ending.
pub fn ending_word(ending: Option<Ending>) -> &'static str {
    match ending {
        None => "running",
        Some(Ending::Finished) => "done",
        Some(Ending::Failed(_)) => "failed",
        Some(Ending::Lost) => "lost with its worker",
        Some(Ending::Stopped) => "stopped",
    }
}

/// The figures of the lanes of a view.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Bars.
    pub bars: u64,
    /// Time on slots, in microseconds.
    pub busy_us: f64,
    /// The part of it that waited for other workers' partitions.
    pub transfer_us: f64,
    /// The part of it that waited for the disk.
    pub disk_us: f64,
    /// Attempts that failed or were lost.
    pub failed: u64,
    /// Attempts that run.
    pub running: u64,
}

impl Totals {
    /// Those of some bars.
    pub fn of<'a>(bars: impl IntoIterator<Item = &'a Bar>) -> Totals {
        let mut totals = Totals::default();
        for bar in bars {
            let busy_us = bar.length_us as f64 * f64::from(bar.busy) / 255.0;
            totals.bars += 1;
            totals.busy_us += busy_us;
            totals.transfer_us += busy_us * f64::from(bar.transfer) / 255.0;
            totals.disk_us += busy_us * f64::from(bar.disk) / 255.0;
            totals.failed += u64::from(is_failure(bar.ending));
            totals.running += u64::from(bar.ending.is_none());
        }
        totals
    }
}

/// A share in whole percent.
pub fn percent_of(part: f64, whole: f64) -> u64 {
    if whole > 0.0 { (part / whole * 100.0).round().clamp(0.0, 100.0) as u64 } else { 0 }
}

/// What a timeline says, for those who do not see it.
pub fn sentence(view: &TimelineView, offset_min: i32) -> String {
    let totals = Totals::of(view.lanes.iter().flat_map(|lane| &lane.bars));
    let span_us = view.to_ms.saturating_sub(view.from_ms) as f64 * 1e3;
    let slots_us = span_us * view.lanes.len() as f64;
    let time = |at| clock(at, 1_000, offset_min);
    let what = match view.exact {
        true => counted(totals.bars, "task", "tasks"),
        false => "too many tasks to draw each".to_string(),
    };
    let mut text = format!(
        "Timeline of {} of {} slots from {} to {}: {what}, {} % of the time busy, {} % of that \
         waiting for other workers, {} % for the disk",
        view.lanes.len(),
        view.lanes_total,
        time(view.from_ms),
        time(view.to_ms),
        percent_of(totals.busy_us, slots_us),
        percent_of(totals.transfer_us, totals.busy_us),
        percent_of(totals.disk_us, totals.busy_us),
    );
    if totals.failed > 0 {
        text.push_str(&format!(", {} failed", totals.failed));
    }
    let lost = view.marks.iter().filter(|mark| mark.kind == EventKind::WorkerLost).count();
    if lost > 0 {
        text.push_str(&format!(", {} lost", counted(lost as u64, "worker", "workers")));
    }
    text.push('.');
    text
}

/// The mark on the axis at or close beside a point.
pub fn mark_at(view: &TimelineView, layout: &Layout, x: f64, y: f64) -> Option<usize> {
    if y >= layout.axis_px || x < layout.label_px {
        return None;
    }
    let away = |mark: &Mark| (layout.x(mark.at_ms as f64 * 1e3) - x).abs();
    let marks = view.marks.iter().enumerate().filter(|(_, mark)| away(mark) <= 2.0 * REACH_PX);
    marks.min_by(|(_, one), (_, other)| away(one).total_cmp(&away(other))).map(|(at, _)| at)
}

/// What a mark says.
pub fn mark_word(kind: EventKind) -> &'static str {
    match kind {
        EventKind::WorkerJoined => "joined",
        EventKind::WorkerLeft => "left",
        EventKind::WorkerLost => "lost",
        EventKind::JobFailed | EventKind::JobCancelled | EventKind::AttemptFailed => "failed",
        EventKind::Note => "note",
    }
}

/// What a bar says, in the order of lines: shares of its time, for a tooltip.
pub fn bar_lines(view: &TimelineView, bar: &Bar) -> Vec<(&'static str, String)> {
    let share = |share: u8| {
        let us = bar.length_us as f64 * f64::from(bar.busy) / 255.0 * f64::from(share) / 255.0;
        format!("{} % · {}", u64::from(share) * 100 / 255, micros(us as u64))
    };
    let mut lines = Vec::new();
    if view.exact {
        lines.push(("state", ending_word(bar.ending).to_string()));
        let began_before = if bar.start_us == 0 { "at least " } else { "" };
        lines.push(("time", format!("{began_before}{}", micros(bar.length_us))));
        if bar.attempt > 1 {
            lines.push(("attempt", bar.attempt.to_string()));
        }
    } else {
        lines.push(("time", micros(bar.length_us)));
        lines.push(("busy", format!("{} %", u64::from(bar.busy) * 100 / 255)));
    }
    if bar.transfer > 0 {
        lines.push(("waited for others", share(bar.transfer)));
    }
    if bar.disk > 0 {
        lines.push(("waited for disk", share(bar.disk)));
    }
    lines
}

/// The layout of a canvas.
pub fn layout(
    size: (f64, f64),
    lane_px: f64,
    scroll_px: f64,
    viewport: &Viewport,
    present_ms: u64,
) -> Layout {
    /// Below this width, names get less room, in pixels.
    const NARROW_PX: f64 = 560.0;
    let (width_px, height_px) = size;
    Layout {
        width_px,
        height_px,
        label_px: if width_px < NARROW_PX { 92.0 } else { 136.0 },
        axis_px: AXIS_PX,
        lane_px,
        scroll_px,
        from_ms: viewport.left_ms(present_ms),
        span_ms: viewport.span_ms,
    }
}
