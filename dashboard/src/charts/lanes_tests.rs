//! Tests of [`super::lanes`].

use super::lanes::*;
use super::viewport::Viewport;
use partita_observe::event::Ending;
use partita_observe::view::{Bar, EventKind, Lane, Mark, TimelineView};
use partita_shared::ids::{JobId, StageId, TaskId, WorkerId};

fn bar(start_us: u64, length_us: u64) -> Bar {
    let stage = StageId { job: JobId(1), index: 0 };
    Bar {
        start_us,
        length_us,
        task: TaskId { stage, index: 3 },
        attempt: 1,
        ending: Some(Ending::Finished),
        busy: 255,
        transfer: 51,
        disk: 0,
    }
}

fn view() -> TimelineView {
    let lane = |slot, bars| Lane {
        worker: WorkerId(1),
        name: "n01".to_string(),
        host: "n01".to_string(),
        slot,
        is_there: true,
        bars,
    };
    TimelineView {
        from_ms: 1_000_000,
        to_ms: 1_010_000,
        lanes_total: 12,
        first_lane: 4,
        lanes: vec![
            lane(0, vec![bar(0, 2_000_000), bar(2_000_000, 100), bar(4_000_000, 6_000_000)]),
            lane(1, Vec::new()),
        ],
        exact: true,
        marks: vec![Mark { at_ms: 1_005_000, kind: EventKind::WorkerLost, worker: WorkerId(9) }],
        gaps: Vec::new(),
        oldest_ms: 0,
    }
}

/// 1000 pixels for ten seconds, 20 pixels a lane, four lanes scrolled away.
fn plain() -> Layout {
    let viewport = Viewport { end_ms: None, span_ms: 10_000 };
    layout((1_136.0, 264.0), 20.0, 80.0, &viewport, 1_010_000)
}

/// Time and pixels are each other's inverse.
#[test]
fn time_and_pixels_agree() {
    let layout = plain();
    assert_eq!(layout.x(1_005_000e3), 136.0 + 500.0);
    assert_eq!(layout.at_us(layout.x(1_003_210_123.0)).round(), 1_003_210_123.0);
    assert_eq!(layout.place(0.0), 0.0);
    assert_eq!(layout.place(1_136.0), 1.0);
    assert_eq!(layout.y(4), AXIS_PX);
    assert_eq!(layout.lane(AXIS_PX + 39.0), Some(5));
    assert_eq!(layout.lane(AXIS_PX - 1.0), None);
}

/// A point finds the bar below it, one beside it within reach, and none in a gap, on the axis, on a
/// name, or in a lane that has not come.
#[test]
fn points_find_bars() {
    let (view, layout) = (view(), plain());
    let at = |x: f64, y: f64| hit(&view, &layout, 136.0 + x, AXIS_PX + y).map(|at| at.bar);
    assert_eq!(at(100.0, 10.0), Some(0));
    // A tenth of a millisecond is a hundredth of a pixel, and is found nevertheless.
    assert_eq!(at(202.0, 10.0), Some(1));
    assert_eq!(at(300.0, 10.0), None);
    assert_eq!(at(398.0, 10.0), Some(2));
    assert_eq!(at(999.0, 10.0), Some(2));
    assert_eq!(at(100.0, 30.0), None);
    assert_eq!(at(100.0, 50.0), None);
    assert_eq!(at(100.0, -10.0), None);
    assert_eq!(at(-100.0, 10.0), None);
}

/// What was asked for a moment ago is drawn where it belongs in the window of now.
#[test]
fn a_view_of_another_window_is_moved() {
    let view = view();
    let viewport = Viewport { end_ms: None, span_ms: 5_000 };
    let layout = layout((1_136.0, 264.0), 20.0, 80.0, &viewport, 1_010_000);
    let (left, right) = layout.extent(&view, &view.lanes[0].bars[2]);
    assert_eq!((left, right), (136.0 - 200.0, 1_136.0));
}

/// Shares are parts of one, even if figures of a worker are more than the whole.
#[test]
fn shares_are_parts_of_one() {
    let mut bar = bar(0, 1_000);
    (bar.transfer, bar.disk) = (200, 200);
    let sum: f64 = shares(&bar).iter().map(|(_, share)| share).sum();
    assert!((sum - 1.0).abs() < 1e-9);
    assert!(shares(&bar).iter().all(|(_, share)| *share >= 0.0));
}

/// The sentence says how busy it was and what went wrong.
#[test]
fn the_sentence_says_what_is_seen() {
    let mut view = view();
    view.lanes[0].bars[1].ending = Some(Ending::Lost);
    assert_eq!(
        sentence(&view, 0),
        "Timeline of 2 of 12 slots from 00:16:40 to 00:16:50: 3 tasks, 40 % of the time busy, 20 % \
         of that waiting for other workers, 0 % for the disk, 1 failed, 1 worker lost."
    );
    view.exact = false;
    assert!(sentence(&view, 0).contains("too many tasks to draw each"));
    assert!(sentence(&TimelineView::default(), 0).contains("0 of 0 slots"));
}

/// A tooltip says what is known, and no more of one that began before the window.
#[test]
fn a_bar_says_what_is_known() {
    let view = view();
    let lines = bar_lines(&view, &view.lanes[0].bars[0]);
    assert_eq!(lines[0], ("state", "done".to_string()));
    assert_eq!(lines[1], ("time", "at least 2.00 s".to_string()));
    assert_eq!(lines[2], ("waited for others", "20 % · 400 ms".to_string()));
    assert_eq!(nearest(&view.lanes[0], 3_000_000.0), Some(1));
    assert_eq!(nearest(&view.lanes[1], 3_000_000.0), None);
}

/// Marks are found on the axis alone: below it, bars are meant.
#[test]
fn marks_are_found_on_the_axis() {
    let (view, layout) = (view(), plain());
    assert_eq!(mark_at(&view, &layout, 136.0 + 504.0, 10.0), Some(0));
    assert_eq!(mark_at(&view, &layout, 136.0 + 520.0, 10.0), None);
    assert_eq!(mark_at(&view, &layout, 136.0 + 500.0, 40.0), None);
    assert_eq!(mark_word(view.marks[0].kind), "lost");
}
