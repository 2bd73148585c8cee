//! The last ten minutes, a point a second, of the cluster and of each worker.
//!
//! The points of all workers together are bounded: when there are more workers than fit at a point
//! a second, every worker's points are 2, then 4, then 8 seconds apart, and each is the mean of
//! those that it takes the place of.

use crate::follower::HISTORY_SECONDS;
use crate::view::Point;
use partita_shared::ids::WorkerId;
use partita_shared::message::WorkerMetrics;
use std::collections::{BTreeMap, VecDeque};

/// Points of one history, by second.
#[derive(Clone, Debug, Default)]
pub struct Ring {
    points: VecDeque<(u64, Point)>,
}

impl Ring {
    /// Takes the point of a second, which is later than those before it.
    fn push(&mut self, second: u64, point: Point) {
        self.points.push_back((second, point));
        let oldest = (second + 1).saturating_sub(HISTORY_SECONDS);
        while self.points.front().is_some_and(|(second, _)| *second < oldest) {
            self.points.pop_front();
        }
    }

    /// The points after a second, at most `limit`, and whether there are more.
    pub fn after(&self, second: Option<u64>, limit: usize) -> (Vec<(u64, Point)>, bool) {
        let from = second.map_or(0, |second| self.points.partition_point(|(at, _)| *at <= second));
        let points: Vec<_> = self.points.range(from..).take(limit).copied().collect();
        let more = from + points.len() < self.points.len();
        (points, more)
    }

    /// The second of the latest point.
    pub fn last(&self) -> Option<u64> {
        self.points.back().map(|(second, _)| *second)
    }

    /// How many points there are.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Keeps a point for each `step` seconds: the mean of those that it stands for.
    fn thin(&mut self, step: u64) {
        let mut kept = VecDeque::with_capacity(self.points.len() / 2 + 1);
        let mut mean = Mean::default();
        for (second, point) in self.points.drain(..) {
            mean.add(&point);
            if second % step == 0 {
                kept.push_back((second, std::mem::take(&mut mean).point()));
            }
        }
        self.points = kept;
    }
}

/// The mean of points.
#[derive(Clone, Debug, Default)]
struct Mean {
    sums: [u64; 11],
    count: u64,
}

impl Mean {
    fn add(&mut self, point: &Point) {
        let figures = [
            u64::from(point.cpu_milli),
            u64::from(point.finished),
            u64::from(point.running),
            point.resident_bytes,
            point.reserved_bytes,
            point.stored_bytes,
            point.spilled_bytes,
            point.fetched_bytes,
            point.served_bytes,
            point.disk_read_bytes,
            point.disk_written_bytes,
        ];
        for (sum, figure) in self.sums.iter_mut().zip(figures) {
            *sum = sum.saturating_add(figure);
        }
        self.count += 1;
    }

    fn point(self) -> Point {
        let count = self.count.max(1);
        let mean = |at: usize| (self.sums[at] + count / 2) / count;
        let small = |at: usize| u32::try_from(mean(at)).unwrap_or(u32::MAX);
        Point {
            cpu_milli: small(0),
            finished: small(1),
            running: small(2),
            resident_bytes: mean(3),
            reserved_bytes: mean(4),
            stored_bytes: mean(5),
            spilled_bytes: mean(6),
            fetched_bytes: mean(7),
            served_bytes: mean(8),
            disk_read_bytes: mean(9),
            disk_written_bytes: mean(10),
        }
    }
}

/// Counters of a worker that only grow while its process lives: bytes fetched, served, read from
/// disk and written to disk.
type Totals = [u64; 4];

fn totals(metrics: &WorkerMetrics) -> Totals {
    [
        metrics.fetched_bytes,
        metrics.served_bytes,
        metrics.disk_read_bytes,
        metrics.disk_written_bytes,
    ]
}

/// The time after which a worker's measurements are outdated, in microseconds.
const STALE_US: u64 = 5_000_000;

/// What makes a worker's points of what it measures.
#[derive(Clone, Debug)]
struct Meter {
    ring: Ring,
    /// What the counters were; `None` until the worker has measured: what they were before is not
    /// new.
    totals: Option<Totals>,
    measured_us: u64,
    /// What was added in the second at hand, and over how much time.
    added: Totals,
    added_us: u64,
    /// Bytes in a second, as they were last.
    rates: Totals,
    /// Tasks that it had finished at the last point.
    finished: u64,
    mean: Mean,
}

/// A worker's state as its point needs it.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// What it measured last.
    pub metrics: WorkerMetrics,
    /// Tasks that it finished since its start.
    pub finished: u64,
}

/// Histories of the cluster and its workers.
#[derive(Clone, Debug)]
pub struct Series {
    cluster: Ring,
    workers: BTreeMap<WorkerId, Meter>,
    /// Seconds between two points of a worker.
    step: u64,
    worker_points_max: usize,
    /// The second at hand, since the epoch.
    second: u64,
    finished: u64,
}

impl Series {
    /// Has no points, and will not have more than this for all workers together.
    pub fn new(worker_points_max: usize) -> Self {
        Series {
            cluster: Ring::default(),
            workers: BTreeMap::new(),
            step: 1,
            worker_points_max,
            second: 0,
            finished: 0,
        }
    }

    /// The cluster's points.
    pub fn cluster(&self) -> &Ring {
        &self.cluster
    }

    /// A worker's points.
    pub fn worker(&self, worker: WorkerId) -> Option<&Ring> {
        self.workers.get(&worker).map(|meter| &meter.ring)
    }

    /// Seconds between two points of a worker.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Points of all workers together.
    pub fn worker_points(&self) -> usize {
        self.workers.values().map(|meter| meter.ring.len()).sum()
    }

    /// A worker is there from now on, with these figures.
    pub fn join(&mut self, worker: WorkerId, at_us: u64, standing: &Standing) {
        let room = self.worker_points_max / (self.workers.len() + 1);
        while self.step < HISTORY_SECONDS && room < (HISTORY_SECONDS / self.step) as usize {
            self.step *= 2;
            let step = self.step;
            self.workers.values_mut().for_each(|meter| meter.ring.thin(step));
        }
        self.workers.entry(worker).or_insert_with(|| Meter {
            ring: Ring::default(),
            totals: None,
            measured_us: at_us,
            added: Totals::default(),
            added_us: 0,
            rates: Totals::default(),
            finished: standing.finished,
            mean: Mean::default(),
        });
    }

    /// A worker is forgotten.
    pub fn forget(&mut self, worker: WorkerId) {
        self.workers.remove(&worker);
    }

    /// A worker measured.
    pub fn measured(&mut self, worker: WorkerId, at_us: u64, metrics: &WorkerMetrics) {
        let Some(meter) = self.workers.get_mut(&worker) else { return };
        let new = totals(metrics);
        if let Some(old) = meter.totals {
            for ((added, new), old) in meter.added.iter_mut().zip(new).zip(old) {
                // A counter that falls back began anew: it counts from there.
                *added = added.saturating_add(new.saturating_sub(old));
            }
            meter.added_us += at_us.saturating_sub(meter.measured_us);
        }
        (meter.totals, meter.measured_us) = (Some(new), at_us);
    }

    /// Number of tasks that had finished before the first second that is counted.
    pub fn begin(&mut self, finished: u64) {
        if self.cluster.is_empty() {
            self.finished = finished;
        }
    }

    /// Whether a second is over, so that [`Series::turn`] has something to do.
    pub fn is_over(&self, now_us: u64) -> bool {
        now_us / 1_000_000 > self.second
    }

    /// A second is over: every worker that is there gets its point, the cluster the sum of them.
    pub fn turn<'a>(
        &mut self,
        now_us: u64,
        finished: u64,
        there: impl Iterator<Item = (WorkerId, &'a WorkerMetrics, u64)>,
    ) {
        let ended = std::mem::replace(&mut self.second, now_us / 1_000_000);
        if ended == 0 {
            self.finished = finished;
            return;
        }
        let mut sum = Point::default();
        for (worker, metrics, finished) in there {
            let Some(meter) = self.workers.get_mut(&worker) else { continue };
            let point = meter.point((ended + 1) * 1_000_000, metrics, finished);
            add(&mut sum, &point);
            meter.mean.add(&point);
            if ended.is_multiple_of(self.step) {
                meter.ring.push(ended, std::mem::take(&mut meter.mean).point());
            }
        }
        sum.finished = u32::try_from(finished.saturating_sub(self.finished)).unwrap_or(u32::MAX);
        self.finished = finished;
        self.cluster.push(ended, sum);
    }
}

impl Meter {
    fn point(&mut self, end_us: u64, metrics: &WorkerMetrics, finished: u64) -> Point {
        if self.added_us > 0 {
            let per_second = |bytes: u64| {
                let bytes = u128::from(bytes) * 1_000_000 / u128::from(self.added_us);
                u64::try_from(bytes).unwrap_or(u64::MAX)
            };
            self.rates = self.added.map(per_second);
            (self.added, self.added_us) = (Totals::default(), 0);
        } else if end_us.saturating_sub(self.measured_us) > STALE_US {
            self.rates = Totals::default();
        }
        let ended = finished.saturating_sub(self.finished);
        self.finished = finished;
        let [fetched_bytes, served_bytes, disk_read_bytes, disk_written_bytes] = self.rates;
        Point {
            cpu_milli: metrics.cpu_milli,
            finished: u32::try_from(ended).unwrap_or(u32::MAX),
            running: metrics.running,
            resident_bytes: metrics.resident_bytes,
            reserved_bytes: metrics.reserved_bytes,
            stored_bytes: metrics.stored_bytes,
            spilled_bytes: metrics.spilled_bytes,
            fetched_bytes,
            served_bytes,
            disk_read_bytes,
            disk_written_bytes,
        }
    }
}

fn add(sum: &mut Point, point: &Point) {
    sum.cpu_milli = sum.cpu_milli.saturating_add(point.cpu_milli);
    sum.running = sum.running.saturating_add(point.running);
    sum.resident_bytes = sum.resident_bytes.saturating_add(point.resident_bytes);
    sum.reserved_bytes = sum.reserved_bytes.saturating_add(point.reserved_bytes);
    sum.stored_bytes = sum.stored_bytes.saturating_add(point.stored_bytes);
    sum.spilled_bytes = sum.spilled_bytes.saturating_add(point.spilled_bytes);
    sum.fetched_bytes = sum.fetched_bytes.saturating_add(point.fetched_bytes);
    sum.served_bytes = sum.served_bytes.saturating_add(point.served_bytes);
    sum.disk_read_bytes = sum.disk_read_bytes.saturating_add(point.disk_read_bytes);
    sum.disk_written_bytes = sum.disk_written_bytes.saturating_add(point.disk_written_bytes);
}

/// How fast a counter grew over the last while.
#[derive(Clone, Debug)]
pub struct Rate {
    window_us: u64,
    samples: VecDeque<(u64, u64)>,
}

/// Samples that a [`Rate`] keeps.
const SAMPLES_MAX: u64 = 16;

impl Rate {
    /// Over this many microseconds.
    pub fn over(window_us: u64) -> Self {
        Rate { window_us, samples: VecDeque::new() }
    }

    /// Takes the counter's value. One that fell back begins anew.
    pub fn sample(&mut self, now_us: u64, value: u64) {
        if self.samples.back().is_some_and(|(_, last)| *last > value) {
            self.samples.clear();
        }
        // The oldest sample stays until the next one is old enough, so that the window is full.
        while self.samples.get(1).is_some_and(|(at, _)| at + self.window_us <= now_us) {
            self.samples.pop_front();
        }
        let pause = self.window_us / SAMPLES_MAX;
        let before = self.samples.len().checked_sub(2).and_then(|at| self.samples.get(at));
        // The last sample is the present one; it stays only if the one before it is old enough.
        if before.is_some_and(|(at, _)| at + pause > now_us) {
            self.samples.pop_back();
        }
        self.samples.push_back((now_us, value));
    }

    /// How much it grew and in how many microseconds, over the window.
    pub fn growth(&self) -> (u64, u64) {
        match (self.samples.front(), self.samples.back()) {
            (Some((from, old)), Some((to, new))) => (new - old, to - from),
            _ => (0, 0),
        }
    }

    /// How much it grows in a second; 0 if nothing is known yet.
    pub fn per_s(&self) -> f64 {
        let (grown, time_us) = self.growth();
        if time_us == 0 { 0.0 } else { grown as f64 * 1e6 / time_us as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn metrics(fetched_bytes: u64) -> WorkerMetrics {
        WorkerMetrics { fetched_bytes, resident_bytes: 7, ..WorkerMetrics::default() }
    }

    fn standing(metrics: WorkerMetrics) -> Standing {
        Standing { metrics, finished: 0 }
    }

    /// Cumulative counters become figures of a second, whatever the heartbeat's pace; the first
    /// measurement is the baseline, and so is one that falls back; a worker that is silent has no traffic.
    #[test]
    fn counters_become_rates() {
        let mut series = Series::new(10_000);
        let worker = WorkerId(1);
        series.join(worker, 10 * SECOND, &standing(metrics(0)));
        series.turn(10 * SECOND, 0, std::iter::empty());
        let told = [(10_500_000, 50), (11_000_000, 100), (13_000_000, 500), (14_000_000, 40)];
        let mut now = metrics(0);
        for second in 10..25 {
            let (from, to) = (second * SECOND, (second + 1) * SECOND);
            for (at, fetched) in told.iter().filter(|(at, _)| *at >= from && *at < to) {
                now = metrics(*fetched);
                series.measured(worker, *at, &now);
            }
            assert!(series.is_over(to));
            series.turn(to, second, [(worker, &now, 3)].into_iter());
        }
        let (points, more) = series.worker(worker).expect("is there").after(None, 100);
        let fetched: Vec<u64> = points.iter().map(|(_, point)| point.fetched_bytes).collect();
        assert_eq!(fetched[..6], [0, 100, 100, 200, 0, 0]);
        assert_eq!((fetched[14], points[0].0, points.len(), more), (0, 10, 15, false));
        let (cluster, _) = series.cluster().after(Some(11), 2);
        assert_eq!(cluster.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [12, 13]);
        assert_eq!(cluster[0].1.resident_bytes, 7);
        assert_eq!(cluster[0].1.finished, 1);
    }

    /// With more workers than fit, points come further apart, as means, and their number stays below
    /// its bound; the cluster keeps a point a second for ten minutes.
    #[test]
    fn points_of_many_workers_are_bounded() {
        let mut series = Series::new(3_000);
        let workers: Vec<WorkerId> = (0..20).map(WorkerId).collect();
        let mut now_us = 100 * SECOND;
        for count in [2, 20] {
            workers[..count]
                .iter()
                .for_each(|worker| series.join(*worker, now_us, &standing(metrics(0))));
            for second in 0..700_u64 {
                now_us += SECOND;
                let running = WorkerMetrics { running: second as u32 % 2 * 2, ..metrics(0) };
                series.turn(now_us, 0, workers[..count].iter().map(|w| (*w, &running, 0)));
            }
            assert!(series.worker_points() <= 3_000);
            assert_eq!(series.cluster().len() as u64, HISTORY_SECONDS);
        }
        assert_eq!(series.step(), 4);
        let (points, _) = series.worker(WorkerId(0)).expect("is there").after(None, 1_000);
        assert_eq!(points.len(), 150);
        assert!(points.iter().all(|(second, point)| second % 4 == 0 && point.running == 1));
    }

    /// A rate covers only its window, and starts anew when its counter does.
    #[test]
    fn rates_forget_what_is_past() {
        let mut rate = Rate::over(10 * SECOND);
        assert_eq!(rate.per_s(), 0.0);
        for tenth in 0..1_000 {
            rate.sample(tenth * SECOND / 10, if tenth < 500 { tenth * 10 } else { 5_000 });
            assert!(rate.samples.len() <= SAMPLES_MAX as usize + 4);
            if tenth == 499 {
                assert!((rate.per_s() - 100.0).abs() < 1.0, "{}", rate.per_s());
            }
        }
        assert_eq!(rate.per_s(), 0.0);
        rate.sample(100 * SECOND, 3);
        assert_eq!(rate.growth(), (0, 0));
    }
}
