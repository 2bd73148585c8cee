//! What is painted of a timeline's lanes, sorted by ink: a canvas is slow at changing its ink and
//! fast at filling rectangles with one. Plain arithmetic.

use super::hues::{HUES, Hues};
use super::lanes::{Activity, Layout, is_failure, shares};
use partita_observe::event::Ending;
use partita_observe::view::{Bar, TimelineView};

/// A rectangle on a canvas, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rect {
    /// The left edge.
    pub x: f64,
    /// The upper edge.
    pub y: f64,
    /// The width.
    pub w: f64,
    /// The height.
    pub h: f64,
}

/// Place of the grey of all stages without a hue, behind the hues.
pub const OTHER: usize = HUES.len();
/// Place of the hatch of time spent waiting for other workers.
pub const TRANSFER: usize = OTHER + 1;
/// Place of the hatch of time spent waiting for the disk.
pub const DISK: usize = OTHER + 2;
/// Place of the cross hatch of what failed.
pub const FAILED: usize = OTHER + 3;
/// How many inks there are.
pub const INKS: usize = OTHER + 4;

/// Bars narrower than this have one ink and no edge, in pixels.
const PARTS_PX_MIN: f64 = 5.0;
/// Bars narrower than this have no sign on them, in pixels.
const SIGN_PX_MIN: f64 = 9.0;

/// What is painted.
#[derive(Clone, Debug, PartialEq)]
pub struct Shapes {
    /// Filled, by ink.
    pub fills: [Vec<Rect>; INKS],
    /// Edged, by the ink of the bar.
    pub edges: [Vec<Rect>; INKS],
    /// The middles of crosses: what failed.
    pub crosses: Vec<(f64, f64)>,
    /// The middles of arrows at the right end of what runs.
    pub arrows: Vec<(f64, f64)>,
    /// Outlined alone: what was stopped.
    pub hollow: Vec<Rect>,
}

impl Default for Shapes {
    fn default() -> Self {
        Shapes {
            fills: [const { Vec::new() }; INKS],
            edges: [const { Vec::new() }; INKS],
            crosses: Vec::new(),
            arrows: Vec::new(),
            hollow: Vec::new(),
        }
    }
}

/// The rectangle of a bar. What runs goes on to the present; a summary is as high as it is busy.
pub fn bar_rect(
    view: &TimelineView,
    layout: &Layout,
    lane: u32,
    bar: &Bar,
    present_ms: u64,
) -> Rect {
    let (left, mut right) = layout.extent(view, bar);
    if view.exact && bar.ending.is_none() {
        right = right.max(layout.x(present_ms as f64 * 1e3));
    }
    let (left, right) = (left.max(layout.label_px), right.min(layout.width_px));
    let margin = match layout.lane_px {
        ..4.0 => 0.0,
        ..12.0 => 0.5,
        _ => 2.0,
    };
    let full = (layout.lane_px - 2.0 * margin).max(1.0);
    let h = match view.exact {
        true => full,
        false => (full * f64::from(bar.busy) / 255.0).max(1.0),
    };
    Rect { x: left, y: layout.y(lane) + margin + full - h, w: right - left, h }
}

/// What is painted of a view.
pub fn shapes(view: &TimelineView, layout: &Layout, hues: &Hues, present_ms: u64) -> Shapes {
    let mut shapes = Shapes::default();
    for (lane_index, lane) in view.lanes.iter().enumerate() {
        let lane_number = view.first_lane + lane_index as u32;
        let y = layout.y(lane_number);
        if y + layout.lane_px < 0.0 || y > layout.height_px {
            continue;
        }
        for bar in &lane.bars {
            let rect = bar_rect(view, layout, lane_number, bar, present_ms);
            if rect.w > 0.0 {
                let ink = hues.index(bar.task.stage).unwrap_or(OTHER);
                shapes.add(view.exact, bar, ink, rect);
            }
        }
    }
    shapes
}

impl Shapes {
    fn add(&mut self, is_exact: bool, bar: &Bar, ink: usize, rect: Rect) {
        let middle = (rect.x + rect.w / 2.0, rect.y + rect.h / 2.0);
        if is_failure(bar.ending) {
            self.fills[FAILED].push(rect);
            if rect.w >= PARTS_PX_MIN {
                self.edges[FAILED].push(rect);
            }
            if rect.w >= SIGN_PX_MIN && rect.h >= SIGN_PX_MIN {
                self.crosses.push(middle);
            }
            return;
        }
        if bar.ending == Some(Ending::Stopped) && is_exact {
            self.hollow.push(rect);
            return;
        }
        self.add_parts(is_exact, bar, ink, rect);
        if rect.w >= PARTS_PX_MIN && rect.h >= PARTS_PX_MIN && is_exact {
            self.edges[ink].push(rect);
        }
        if is_exact && bar.ending.is_none() && rect.w >= SIGN_PX_MIN && rect.h >= SIGN_PX_MIN {
            self.arrows.push((rect.x + rect.w - SIGN_PX_MIN / 2.0, middle.1));
        }
    }

    /// Parts of one attempt stand side by side, those of a summary above each other, where the
    /// width is time and the height is share.
    fn add_parts(&mut self, is_exact: bool, bar: &Bar, ink: usize, rect: Rect) {
        let shares = shares(bar);
        let inks = [TRANSFER, DISK, ink];
        let length = if is_exact { rect.w } else { rect.h };
        if length < PARTS_PX_MIN {
            // No room for parts: the largest stands for all.
            let largest =
                shares.iter().zip(inks).max_by(|(one, _), (two, _)| one.1.total_cmp(&two.1));
            self.fills[largest.map_or(ink, |(_, ink)| ink)].push(rect);
            return;
        }
        let mut offset = 0.0;
        for ((activity, share), ink) in shares.into_iter().zip(inks) {
            // A hatch narrower than a pixel is invisible.
            let part = share * length;
            let is_last = activity == Activity::Compute;
            if part < 1.0 && !is_last {
                continue;
            }
            let part = if is_last { length - offset } else { part };
            if part > 0.0 {
                self.fills[ink].push(match is_exact {
                    true => Rect { x: rect.x + offset, w: part, ..rect },
                    false => Rect { y: rect.y + rect.h - offset - part, h: part, ..rect },
                });
            }
            offset += part;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charts::lanes::layout;
    use crate::charts::viewport::Viewport;
    use partita_observe::view::Lane;
    use partita_shared::ids::{JobId, StageId, TaskId, WorkerId};

    const STAGE: StageId = StageId { job: JobId(1), index: 2 };

    fn bar(start_us: u64, length_us: u64, ending: Option<Ending>) -> Bar {
        let task = TaskId { stage: STAGE, index: 0 };
        Bar { start_us, length_us, task, attempt: 1, ending, busy: 255, transfer: 0, disk: 0 }
    }

    fn view(bars: Vec<Bar>) -> TimelineView {
        let lane = Lane {
            worker: WorkerId(1),
            name: String::new(),
            host: String::new(),
            slot: 0,
            is_there: true,
            bars,
        };
        TimelineView {
            from_ms: 0,
            to_ms: 10_000,
            lanes_total: 1,
            lanes: vec![lane],
            exact: true,
            ..TimelineView::default()
        }
    }

    /// 1000 pixels for ten seconds, lanes of 20 pixels.
    fn plain() -> Layout {
        layout((1_136.0, 264.0), 20.0, 0.0, &Viewport { end_ms: None, span_ms: 10_000 }, 10_000)
    }

    fn painted(view: &TimelineView) -> Shapes {
        let mut hues = Hues::default();
        hues.assign(&super::super::hues::busy_by_stage(view));
        shapes(view, &plain(), &hues, 10_000)
    }

    /// What runs goes on to the present, and has an arrow.
    #[test]
    fn what_runs_reaches_the_present() {
        let shapes = painted(&view(vec![bar(5_000_000, 1_000, None)]));
        assert_eq!(shapes.fills[0], [Rect { x: 636.0, y: 26.0, w: 500.0, h: 16.0 }]);
        assert_eq!(shapes.arrows.len(), 1);
        assert_eq!(shapes.edges[0].len(), 1);
    }

    /// What waited has its own ink, beside the rest, and together they are the bar.
    #[test]
    fn waiting_is_a_part_of_the_bar() {
        let mut waited = bar(0, 1_000_000, Some(Ending::Finished));
        (waited.transfer, waited.disk) = (51, 102);
        let shapes = painted(&view(vec![waited]));
        assert_eq!(shapes.fills[TRANSFER], [Rect { x: 136.0, y: 26.0, w: 20.0, h: 16.0 }]);
        assert_eq!(shapes.fills[DISK], [Rect { x: 156.0, y: 26.0, w: 40.0, h: 16.0 }]);
        assert_eq!(shapes.fills[0], [Rect { x: 196.0, y: 26.0, w: 40.0, h: 16.0 }]);
    }

    /// A summary is as high as its slot was busy, and parts lie above each other.
    #[test]
    fn a_summary_is_as_high_as_it_is_busy() {
        let mut run = bar(0, 1_000_000, Some(Ending::Finished));
        (run.busy, run.transfer) = (128, 128);
        let mut view = view(vec![run]);
        view.exact = false;
        let shapes = painted(&view);
        let (lower, upper) = (shapes.fills[TRANSFER][0], shapes.fills[0][0]);
        assert!(
            (lower.y + lower.h - 42.0).abs() < 1e-9 && (upper.y + upper.h - lower.y).abs() < 1e-9
        );
        assert!((upper.h + lower.h - 16.0 * 128.0 / 255.0).abs() < 1e-9);
    }

    /// What failed, what was stopped and what is hardly a pixel wide are told apart.
    #[test]
    fn endings_are_told_apart() {
        let shapes = painted(&view(vec![
            bar(0, 1_000_000, Some(Ending::Lost)),
            bar(2_000_000, 1_000_000, Some(Ending::Stopped)),
            bar(4_000_000, 10, Some(Ending::Finished)),
        ]));
        assert_eq!((shapes.fills[FAILED].len(), shapes.crosses.len()), (1, 1));
        assert_eq!(shapes.hollow.len(), 1);
        assert_eq!(shapes.fills[0], [Rect { x: 536.0, y: 26.0, w: 1.0, h: 16.0 }]);
        assert!(shapes.edges[0].is_empty());
    }

    /// Lanes and bars outside the canvas cost nothing.
    #[test]
    fn what_is_outside_is_not_painted() {
        let mut view = view(vec![bar(0, 1_000_000, Some(Ending::Finished))]);
        view.from_ms = 100_000;
        assert_eq!(painted(&view), Shapes::default());
        view.from_ms = 0;
        view.first_lane = 100;
        assert_eq!(painted(&view), Shapes::default());
    }
}
