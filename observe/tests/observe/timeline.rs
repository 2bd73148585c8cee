//! Windows into the attempts of slots.

use crate::observe::fixture::{BEGIN_US, Bench, finished, task};
use partita_observe::event::{AttemptEnd, Ending, Observation};
use partita_observe::model::ModelLimits;
use partita_observe::view::{BARS_MAX, Bar, EventKind, TimelineView, TimelineWindow};
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::message::{FailureKind, SlotTask, WorkerMetrics};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

const WINDOW: TimelineWindow = TimelineWindow {
    end_ms: None,
    span_ms: 10_000,
    width_px: 1_000,
    first_lane: 0,
    lanes: 100,
    job: None,
};

/// An attempt and when it ended.
type Ended = (u64, AttemptEnd);

/// Slots that run one task after the other, with pauses.
fn busy(seed: u64, limits: ModelLimits, ends: usize, longest_us: u64) -> (Bench, Vec<Ended>) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut bench = Bench::with_limits(limits);
    let (workers, slots) = (rng.random_range(1..6), rng.random_range(1..5));
    (0..workers).for_each(|id| bench.join(id, slots));
    (1..4).for_each(|id| bench.submit(id, &[1_000, 1_000]));
    let mut lanes: Vec<(u64, u32, u16)> =
        (0..workers).flat_map(|w| (0..slots).map(move |s| (BEGIN_US, w, s as u16))).collect();
    let mut all = Vec::new();
    for index in 0..ends {
        lanes.sort_unstable();
        let (free_us, worker, slot) = lanes[0];
        let start_us = free_us + rng.random_range(0..longest_us / 2);
        let busy_us = rng.random_range(0..longest_us);
        lanes[0].0 = start_us + busy_us;
        let of = task(rng.random_range(1..4), rng.random_range(0..2), index as u32 % 1_000);
        let mut end = finished(of, worker, slot, busy_us);
        if rng.random_range(0..50) == 0 {
            end.ending = Ending::Failed(FailureKind::Retry);
        }
        all.push((lanes[0].0, end));
    }
    all.sort_by_key(|(at_us, _)| *at_us);
    for (at_us, end) in &all {
        bench.now_us = *at_us;
        bench.end(end.clone());
    }
    (bench, all)
}

/// The bars of a lane by looking at every attempt.
fn brute(
    all: &[Ended],
    view: &TimelineView,
    worker: WorkerId,
    slot: u16,
    job: Option<JobId>,
) -> Vec<Bar> {
    let (from_us, to_us) = (view.from_ms * 1000, view.to_ms * 1000);
    let mut bars = Vec::new();
    for (end_us, end) in all {
        let start_us = end_us - end.busy_us;
        let is_in_view = *end_us > from_us && start_us < to_us;
        let is_of_job = job.is_none_or(|job| job == end.task.stage.job);
        if (end.worker, end.slot) != (worker, slot) || !is_in_view || !is_of_job {
            continue;
        }
        let share =
            |part: u64| (part * 255 + end.busy_us / 2).checked_div(end.busy_us).unwrap_or(0);
        bars.push(Bar {
            start_us: start_us.saturating_sub(from_us),
            length_us: (*end_us).min(to_us) - start_us.max(from_us),
            task: end.task,
            attempt: end.attempt,
            ending: Some(end.ending),
            busy: 255,
            transfer: share(end.transfer_us) as u8,
            disk: share(end.disk_us) as u8,
        });
    }
    bars
}

/// Where attempts are few, each is a bar, and the bars are those that looking at every attempt
/// finds, whatever the window, the lanes and the job.
#[test]
fn exact_bars_are_all_attempts_in_view() {
    for seed in 0..100 {
        let (bench, all) = busy(seed, ModelLimits::default(), 1_500, 40_000);
        let mut rng = SmallRng::seed_from_u64(seed);
        for _ in 0..20 {
            let window = TimelineWindow {
                end_ms: rng.random::<bool>().then(|| bench.now_ms() - rng.random_range(0..20_000)),
                span_ms: rng.random_range(1..20_000),
                first_lane: rng.random_range(0..5),
                lanes: rng.random_range(0..30),
                job: rng.random::<bool>().then(|| JobId(rng.random_range(1..5))),
                ..WINDOW
            };
            let view = bench.model.timeline(&window);
            assert!(view.exact, "seed {seed}");
            let lanes = view.lanes_total.saturating_sub(window.first_lane).min(window.lanes);
            assert_eq!(view.lanes.len() as u32, lanes, "seed {seed}");
            for lane in &view.lanes {
                let expected = brute(&all, &view, lane.worker, lane.slot, window.job);
                assert_eq!(lane.bars, expected, "seed {seed}, {window:?}");
            }
        }
    }
}

/// Where attempts are many, there are never more bars than there may be, and what they say of busy,
/// transfer and disk time adds up to the attempts' own, but for the rounding of a share.
#[test]
fn summaries_are_bounded_and_add_up() {
    for seed in 0..30 {
        let (bench, all) = busy(seed, ModelLimits::default(), 30_000, 2_000);
        for (width_px, span_ms) in [(40, 60_000), (1_000, 60_000), (4_096, 20_000), (1_000, 3_000)]
        {
            let window = TimelineWindow { width_px, span_ms, ..WINDOW };
            let view = bench.model.timeline(&window);
            let bars: usize = view.lanes.iter().map(|lane| lane.bars.len()).sum();
            assert!(bars <= BARS_MAX, "seed {seed}: {bars} bars");
            for lane in &view.lanes {
                let exact = brute(&all, &view, lane.worker, lane.slot, None);
                if view.exact {
                    assert_eq!(lane.bars, exact, "seed {seed}");
                    continue;
                }
                let ordered =
                    |pair: &[Bar]| pair[0].start_us + pair[0].length_us <= pair[1].start_us;
                assert!(lane.bars.windows(2).all(ordered), "seed {seed}");
                let figures: [fn(&Bar) -> u8; 3] =
                    [|bar| bar.busy, |bar| bar.transfer, |bar| bar.disk];
                for figure in figures {
                    let sum = |bars: &[Bar]| -> f64 {
                        bars.iter()
                            .map(|bar| f64::from(figure(bar)) * bar.length_us as f64 / 255.0)
                            .sum()
                    };
                    let drawn: f64 = lane.bars.iter().map(|bar| bar.length_us as f64).sum();
                    let off = (sum(&lane.bars) - sum(&exact)).abs();
                    // Half a step of a share for what is drawn, another for the exact ones.
                    assert!(off <= drawn / 255.0 + 2_000.0, "seed {seed}: off by {off} of {drawn}");
                }
            }
        }
    }
}

/// A pixel is drawn as the stage that took most of it, and that something failed in it is seen.
#[test]
fn a_pixel_shows_its_largest_stage_and_failures() {
    let mut bench = Bench::new();
    bench.join(1, 1);
    bench.submit(1, &[100_000, 100_000]);
    for index in 0..6_000 {
        for (stage, busy_us) in [(0, 700), (1, 300)] {
            bench.now_us += busy_us;
            let mut end = finished(task(1, stage, index), 1, 0, busy_us);
            if index >= 3_000 && index % 10 == 0 {
                end.ending = Ending::Failed(FailureKind::Fatal);
            }
            bench.end(end);
        }
    }
    let window = TimelineWindow { span_ms: 6_000, width_px: 60, ..WINDOW };
    let view = bench.model.timeline(&window);
    assert!(!view.exact);
    let bars = &view.lanes[0].bars;
    assert!(bars.iter().all(|bar| bar.task.stage.index == 0 && bar.busy == 255));
    let endings: Vec<_> = bars.iter().map(|bar| bar.ending).collect();
    assert_eq!(endings, [Some(Ending::Finished), Some(Ending::Failed(FailureKind::Fatal))]);
    assert_eq!(bars[0].length_us + bars[1].length_us, 6_000_000);
}

/// A task on a slot is drawn up to now without an end; when it ends, its bar has one. A worker that
/// was lost has nothing on its slots, and its coming and going are marked.
#[test]
fn running_tasks_are_open_ended() {
    let mut bench = Bench::new();
    bench.join(1, 2);
    bench.submit(1, &[10]);
    bench.pass(1_000);
    let on =
        SlotTask { slot: 1, task: task(1, 0, 3), attempt: 2, since_us: 400_000, read_milli: None };
    bench.measure(1, WorkerMetrics::default(), vec![on]);
    bench.pass(500);
    let window = TimelineWindow { span_ms: 2_000, ..WINDOW };
    let bars = |bench: &Bench| bench.model.timeline(&window).lanes[1].bars.clone();
    let open = bars(&bench)[0];
    assert_eq!((open.ending, open.task, open.attempt), (None, on.task, 2));
    assert_eq!((open.start_us, open.length_us), (1_100_000, 900_000));
    let mut end = finished(on.task, 1, 1, 900_000);
    end.attempt = 2;
    bench.end(end);
    assert_eq!(bars(&bench).len(), 1);
    assert_eq!(bars(&bench)[0].ending, Some(Ending::Finished));
    bench.measure(1, WorkerMetrics::default(), vec![on]);
    bench.lose(1, "it died");
    let view = bench.model.timeline(&window);
    assert!(view.lanes.iter().all(|lane| !lane.is_there));
    assert_eq!(view.lanes[1].bars.len(), 1);
    let kinds: Vec<EventKind> = view.marks.iter().map(|mark| mark.kind).collect();
    assert_eq!(kinds, [EventKind::WorkerJoined, EventKind::WorkerLost]);
    bench.pass(3_000);
    let view = bench.model.timeline(&window);
    assert_eq!((view.lanes_total, view.lanes.len()), (0, 0), "it was gone before that");
}

/// Attempts whose reports came in one message lie one after the other, not on top of each other.
#[test]
fn attempts_that_are_told_together_do_not_overlap() {
    let mut bench = Bench::new();
    bench.join(1, 1);
    bench.submit(1, &[100]);
    bench.pass(1_000);
    (0..20).for_each(|index| bench.end(finished(task(1, 0, index), 1, 0, 10_000)));
    let bars =
        bench.model.timeline(&TimelineWindow { span_ms: 1_000, ..WINDOW }).lanes[0].bars.clone();
    assert_eq!(bars.len(), 20);
    for (index, bar) in bars.iter().enumerate() {
        assert_eq!((bar.start_us, bar.length_us), (800_000 + index as u64 * 10_000, 10_000));
    }
}

/// Forgotten parts are marked: the time from which attempts are known, and when some were not seen.
#[test]
fn what_is_not_known_is_said() {
    let limits = ModelLimits { attempts: 100, ..ModelLimits::default() };
    let mut bench = Bench::with_limits(limits);
    bench.join(1, 1);
    bench.submit(1, &[1_000]);
    let oldest = |bench: &Bench| bench.model.timeline(&WINDOW).oldest_ms;
    assert_eq!(oldest(&bench), BEGIN_US / 1000);
    for index in 0..150 {
        bench.now_us += 10_000;
        bench.end(finished(task(1, 0, index), 1, 0, 5_000));
    }
    assert_eq!(oldest(&bench), BEGIN_US / 1000 + 500);
    let before_ms = bench.now_ms();
    bench.now_us += 40_000;
    bench.see(Observation::Gap { dropped: 7 });
    bench.see(Observation::Gap { dropped: 2 });
    let view = bench.model.timeline(&WINDOW);
    assert_eq!(view.gaps, [(before_ms, before_ms + 40, 9)]);
    assert_eq!(view.lanes[0].bars.len(), 100);
}

/// No window breaks anything, however odd, and none gives more than there may be.
#[test]
fn odd_windows_are_answered() {
    let (bench, _) = busy(1, ModelLimits::default(), 20_000, 500);
    let numbers = [0, 1, 999, u64::from(u32::MAX), u64::MAX];
    for end in numbers {
        for span_ms in numbers {
            for small in [0, 1, u32::MAX] {
                for end_ms in [Some(end), None] {
                    let window = TimelineWindow {
                        end_ms,
                        span_ms,
                        width_px: small,
                        first_lane: small / 2,
                        lanes: small,
                        job: None,
                    };
                    let view = bench.model.timeline(&window);
                    assert!(
                        view.lanes.iter().map(|lane| lane.bars.len()).sum::<usize>() <= BARS_MAX
                    );
                }
            }
        }
    }
}
