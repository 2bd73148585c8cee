//! What the core's thread tells the observer, and what that thread costs.

use crate::hub::LinkBytes;
use crate::observer::Outlet;
use partita_core::Core;
use partita_shared::observe::event::{CoreFigures, Observation, Seen};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often figures that changed are told, at most.
const COUNTERS_INTERVAL: Duration = Duration::from_millis(100);
/// How often the thread's own cost is told.
const FIGURES_INTERVAL: Duration = Duration::from_secs(1);
/// Times of so many intervals are counted together.
const WINDOWS: usize = 10;
/// Bins of a doubling of time.
const BINS_PER_DOUBLING: usize = 8;
/// Bins: the last is for 2^40 ns, some eighteen minutes, and more.
const BINS: usize = 40 * BINS_PER_DOUBLING;

/// A histogram of times.
type Histogram = Vec<u32>;

/// Gathers what the observer is told.
pub(super) struct Telling {
    outlet: Outlet,
    bytes: Arc<LinkBytes>,
    extra: Vec<Seen>,
    pub(super) messages_in: u64,
    pub(super) messages_out: u64,
    events: u64,
    busy: Duration,
    counters_told: Instant,
    figures_told: Instant,
    /// Times of events, one histogram for each of the last intervals.
    windows: [Histogram; WINDOWS],
    window: usize,
}

impl Telling {
    pub(super) fn new(outlet: Outlet, bytes: Arc<LinkBytes>) -> Self {
        Telling {
            outlet,
            bytes,
            extra: Vec::new(),
            messages_in: 0,
            messages_out: 0,
            events: 0,
            busy: Duration::ZERO,
            counters_told: Instant::now(),
            figures_told: Instant::now(),
            windows: std::array::from_fn(|_| vec![0; BINS]),
            window: 0,
        }
    }

    /// Something that the core does not know.
    pub(super) fn add(&mut self, seen: Seen) {
        self.extra.push(seen);
    }

    /// A batch of events was taken and all that followed was done.
    pub(super) fn batch(
        &mut self,
        core: &mut Core,
        events: usize,
        took: Duration,
        queued: usize,
        longest_outbox: impl FnOnce() -> u32,
    ) {
        self.events += events as u64;
        self.busy += took;
        let each = took.as_nanos() as u64 / events.max(1) as u64;
        self.windows[self.window][bin(each)] += events as u32;
        if self.counters_told.elapsed() >= COUNTERS_INTERVAL {
            self.counters_told = Instant::now();
            core.note_counters();
        }
        let mut seen = core.take_seen();
        seen.append(&mut self.extra);
        if self.figures_told.elapsed() >= FIGURES_INTERVAL {
            self.figures_told = Instant::now();
            let figures = self.figures(queued as u32, longest_outbox());
            self.window = (self.window + 1) % WINDOWS;
            self.windows[self.window].fill(0);
            let at_us = super::shell::now_us();
            seen.push(Seen { at_us, what: Observation::Core(Box::new(figures)) });
        }
        self.outlet.tell(seen);
    }

    fn figures(&self, queued: u32, worker_queue_max: u32) -> CoreFigures {
        CoreFigures {
            events: self.events,
            busy_us: self.busy.as_micros() as u64,
            event_p50_ns: self.quantile(1, 2),
            event_p99_ns: self.quantile(99, 100),
            queued,
            worker_queue_max,
            messages_in: self.messages_in,
            messages_out: self.messages_out,
            bytes_in: self.bytes.received.load(Ordering::Relaxed),
            bytes_out: self.bytes.sent.load(Ordering::Relaxed),
            dropped: self.outlet.dropped(),
        }
    }

    /// The time below which a share of the events of the last intervals took, in nanoseconds.
    fn quantile(&self, part: u64, of: u64) -> u64 {
        let total: u64 = self.windows.iter().flatten().map(|count| u64::from(*count)).sum();
        let wanted = (total * part).div_ceil(of);
        let mut below = 0;
        for at in 0..BINS {
            below += self.windows.iter().map(|window| u64::from(window[at])).sum::<u64>();
            if below >= wanted && below > 0 {
                return upper(at);
            }
        }
        0
    }
}

fn bin(ns: u64) -> usize {
    let position = (ns.max(1) as f64).log2() * BINS_PER_DOUBLING as f64;
    (position as usize).min(BINS - 1)
}

fn upper(bin: usize) -> u64 {
    2f64.powf((bin + 1) as f64 / BINS_PER_DOUBLING as f64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bin's upper edge is above what falls into it, by an eighth of a doubling at most.
    #[test]
    fn bins_hold_what_falls_into_them() {
        for ns in [1, 7, 999, 1_000_000, 1 << 39] {
            let edge = upper(bin(ns));
            assert!(edge >= ns && (edge as f64) < ns as f64 * 1.1 + 2.0, "{ns} {edge}");
        }
        assert_eq!(bin(u64::MAX), BINS - 1);
    }
}
