//! What the core's thread tells the observer, and what that thread costs.

use crate::hub::LinkBytes;
use crate::observer::Outlet;
use partita_core::Core;
use partita_observe::event::{CoreFigures, Observation, Seen};
use partita_observe::spread::Spread;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often figures that changed are told, at most.
const COUNTERS_INTERVAL: Duration = Duration::from_millis(100);
/// How often the thread's own cost is told.
const FIGURES_INTERVAL: Duration = Duration::from_secs(1);
/// Times of this many intervals are counted together.
const WINDOWS: usize = 10;

/// Gathers what the observer is told.
pub(super) struct Telling {
    outlet: Outlet,
    bytes: Arc<LinkBytes>,
    pub(super) messages_in: u64,
    pub(super) messages_out: u64,
    events: u64,
    busy: Duration,
    counters_told: Instant,
    figures_told: Instant,
    /// Times of events in nanoseconds, for each of the last intervals.
    windows: [Spread; WINDOWS],
    window: usize,
}

impl Telling {
    pub(super) fn new(outlet: Outlet, bytes: Arc<LinkBytes>) -> Self {
        Telling {
            outlet,
            bytes,
            messages_in: 0,
            messages_out: 0,
            events: 0,
            busy: Duration::ZERO,
            counters_told: Instant::now(),
            figures_told: Instant::now(),
            windows: Default::default(),
            window: 0,
        }
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
        self.windows[self.window].add_many(each, events as u32);
        if self.counters_told.elapsed() >= COUNTERS_INTERVAL {
            self.counters_told = Instant::now();
            core.note_counters();
        }
        let mut seen = core.take_seen();
        if self.figures_told.elapsed() >= FIGURES_INTERVAL {
            self.figures_told = Instant::now();
            let figures = self.figures(queued as u32, longest_outbox());
            self.window = (self.window + 1) % WINDOWS;
            self.windows[self.window] = Spread::default();
            let at_us = crate::now_us();
            seen.push(Seen { at_us, what: Observation::Core(Box::new(figures)) });
        }
        self.outlet.tell(seen);
    }

    fn figures(&self, queued: u32, worker_queue_max: u32) -> CoreFigures {
        let mut times = Spread::default();
        self.windows.iter().for_each(|window| times.merge(window));
        CoreFigures {
            events: self.events,
            busy_us: self.busy.as_micros() as u64,
            event_p50_ns: times.quantile(1, 2),
            event_p99_ns: times.quantile(99, 100),
            queued,
            worker_queue_max,
            messages_in: self.messages_in,
            messages_out: self.messages_out,
            bytes_in: self.bytes.received.load(Ordering::Relaxed),
            bytes_out: self.bytes.sent.load(Ordering::Relaxed),
            dropped: self.outlet.dropped(),
        }
    }
}
