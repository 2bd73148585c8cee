//! Which stretch of time a timeline shows, and how keys and pointers change it.

use partita_observe::view::TimelineWindow;
use partita_shared::ids::JobId;

/// The shortest stretch, in milliseconds.
pub const SPAN_MS_MIN: u64 = 10;
/// The longest stretch, in milliseconds: two days.
pub const SPAN_MS_MAX: u64 = 172_800_000;
/// What is shown at first, in milliseconds.
pub const SPAN_MS_DEFAULT: u64 = 60_000;

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Viewport {
    /// Its end, in milliseconds since the epoch; `None` follows the present.
    pub end_ms: Option<u64>,
    /// Its length, in milliseconds.
    pub span_ms: u64,
}

impl Viewport {
    /// Whether it moves with the present.
    pub fn follows(&self) -> bool {
        self.end_ms.is_none()
    }

    /// The right edge.
    pub fn right_ms(&self, present_ms: u64) -> u64 {
        self.end_ms.unwrap_or(present_ms)
    }

    /// The left edge.
    pub fn left_ms(&self, present_ms: u64) -> u64 {
        self.right_ms(present_ms).saturating_sub(self.span_ms)
    }

    /// Stops at the present.
    pub fn pause(&mut self, present_ms: u64) {
        self.end_ms = Some(self.right_ms(present_ms));
    }

    /// Moves with the present again.
    pub fn follow(&mut self) {
        self.end_ms = None;
    }

    /// Makes the stretch `factor` times as long around a place in it (0 is its left edge, 1 its
    /// right one). One that follows the present keeps its right edge there.
    pub fn zoom(&mut self, factor: f64, place: f64, present_ms: u64) {
        let span = self.span_ms as f64 * factor;
        let span = (span.round() as u64).clamp(SPAN_MS_MIN, SPAN_MS_MAX);
        if let Some(end) = self.end_ms {
            let behind = 1.0 - place.clamp(0.0, 1.0);
            let held_ms = end as f64 - self.span_ms as f64 * behind;
            let end = (held_ms + span as f64 * behind).round() as u64;
            self.end_ms = Some(end.min(present_ms));
        }
        self.span_ms = span;
    }

    /// Moves by this many milliseconds; there is nothing to the right of the present, so a view
    /// that arrives there follows it.
    pub fn pan(&mut self, by_ms: i64, present_ms: u64, oldest_ms: u64) {
        let end = self.right_ms(present_ms).saturating_add_signed(by_ms);
        // The oldest moment may come as far as the middle: there is nothing left of it.
        let least = oldest_ms.saturating_add(self.span_ms / 2).min(present_ms);
        self.end_ms = (end < present_ms).then_some(end.max(least));
        if by_ms < 0 && self.end_ms.is_none() {
            self.end_ms = Some(present_ms);
        }
    }

    /// Shows what lies between two places in it.
    pub fn brush(&mut self, one: f64, other: f64, present_ms: u64) {
        let (left, right) = if one < other { (one, other) } else { (other, one) };
        let (left, right) = (left.clamp(0.0, 1.0), right.clamp(0.0, 1.0));
        let from = self.left_ms(present_ms) as f64;
        let end = from + self.span_ms as f64 * right;
        let span = self.span_ms as f64 * (right - left);
        self.span_ms = (span.round() as u64).clamp(SPAN_MS_MIN, SPAN_MS_MAX);
        self.end_ms = Some((end.round() as u64).min(present_ms));
    }

    /// What is to be asked for.
    pub fn window(&self, width_px: u32, lanes: LaneRange, job: Option<JobId>) -> TimelineWindow {
        TimelineWindow {
            end_ms: self.end_ms,
            span_ms: self.span_ms,
            width_px,
            first_lane: lanes.first,
            lanes: lanes.count,
            job,
        }
    }
}

/// Lanes that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneRange {
    /// The first.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// Lanes that are asked for above and below those that are seen, so that scrolling shows them at
/// once.
const LANES_SPARE: u32 = 8;

impl LaneRange {
    /// The lanes to ask for when these are seen. What `before` asked for is kept if it has all that
    /// is seen: each other range is another question.
    pub fn around(
        scroll_px: f64,
        height_px: f64,
        lane_px: f64,
        before: Option<LaneRange>,
    ) -> LaneRange {
        let lane_px = lane_px.max(1.0);
        let first_seen = (scroll_px.max(0.0) / lane_px).floor() as u32;
        let seen = (height_px.max(0.0) / lane_px).ceil() as u32 + 1;
        let count = seen.saturating_add(2 * LANES_SPARE);
        let keeps = |range: &LaneRange| {
            range.count == count
                && range.first <= first_seen
                && range.first + range.count >= first_seen + seen
        };
        before
            .filter(keeps)
            .unwrap_or(LaneRange { first: first_seen.saturating_sub(LANES_SPARE), count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_000;

    /// Zooming keeps the moment under the pointer where it is, within the bounds of the span.
    #[test]
    fn zoom_keeps_the_moment_under_the_pointer() {
        let mut view = Viewport { end_ms: Some(500_000), span_ms: 100_000 };
        view.zoom(0.5, 0.25, NOW);
        // The pointer was at 425 000.
        assert_eq!(view, Viewport { end_ms: Some(462_500), span_ms: 50_000 });
        view.zoom(2.0, 0.25, NOW);
        assert_eq!(view, Viewport { end_ms: Some(500_000), span_ms: 100_000 });
        view.zoom(0.0, 0.5, NOW);
        assert_eq!(view.span_ms, SPAN_MS_MIN);
        view.zoom(1e12, 0.5, NOW);
        assert_eq!((view.span_ms, view.end_ms), (SPAN_MS_MAX, Some(NOW)));
    }

    /// One that follows the present goes on to do so while it is zoomed.
    #[test]
    fn zoom_keeps_following() {
        let mut view = Viewport { end_ms: None, span_ms: SPAN_MS_DEFAULT };
        view.zoom(0.5, 0.1, NOW);
        assert_eq!(view, Viewport { end_ms: None, span_ms: 30_000 });
        assert_eq!((view.left_ms(NOW), view.right_ms(NOW)), (NOW - 30_000, NOW));
    }

    /// Panning left leaves the present, panning beyond it follows it again, and what nobody
    /// remembers cannot be reached.
    #[test]
    fn panning_has_two_ends() {
        let mut view = Viewport { end_ms: None, span_ms: 10_000 };
        view.pan(-2_000, NOW, 0);
        assert_eq!(view.end_ms, Some(NOW - 2_000));
        view.pan(5_000, NOW, 0);
        assert!(view.follows());
        view.pan(-900_000, NOW, 980_000);
        assert_eq!(view.end_ms, Some(985_000));
        // Nothing is remembered yet: it stops where it is.
        view.pan(-1_000, NOW, u64::MAX);
        assert_eq!(view.end_ms, Some(NOW));
    }

    /// A brush works in both directions and stops at the edges.
    #[test]
    fn a_brush_becomes_the_window() {
        let mut view = Viewport { end_ms: Some(500_000), span_ms: 100_000 };
        view.brush(0.75, 0.25, NOW);
        assert_eq!(view, Viewport { end_ms: Some(475_000), span_ms: 50_000 });
        view.brush(-3.0, 9.0, NOW);
        assert_eq!(view, Viewport { end_ms: Some(475_000), span_ms: 50_000 });
        view.brush(0.5, 0.5, NOW);
        assert_eq!(view.span_ms, SPAN_MS_MIN);
    }

    /// Pausing stops at the present; following goes on.
    #[test]
    fn pause_and_follow() {
        let mut view = Viewport { end_ms: None, span_ms: SPAN_MS_DEFAULT };
        view.pause(NOW);
        assert_eq!(view.end_ms, Some(NOW));
        view.pause(NOW + 5);
        assert_eq!(view.end_ms, Some(NOW));
        view.follow();
        assert!(view.follows());
    }

    /// Scrolling a little asks for nothing new; scrolling far does.
    #[test]
    fn lanes_have_a_margin() {
        let first = LaneRange::around(0.0, 400.0, 20.0, None);
        assert_eq!(first, LaneRange { first: 0, count: 37 });
        assert_eq!(LaneRange::around(100.0, 400.0, 20.0, Some(first)), first);
        let far = LaneRange::around(1_000.0, 400.0, 20.0, Some(first));
        assert_eq!(far, LaneRange { first: 42, count: 37 });
        assert_eq!(LaneRange::around(0.0, 400.0, 0.0, None).count, 417);
    }
}
