//! The watch over the process's memory, on the control runtime's thread.

use crate::engine::Engine;
use crate::memory::{ProcessMemory, Used};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// How often the resident set is measured.
const WATCH_INTERVAL: Duration = Duration::from_millis(20);
/// How many measurements in a row must be above the last mark before a task is ended: what operators
/// free when they are refused needs a moment.
const OVER_TICKS_MIN: u32 = 3;
/// How many measurements pass between two tasks that are ended: what the first had must be free.
const END_TICKS: u32 = 50;

/// Measures the process, has it give back what is free, holds tasks back and, last of all, ends the
/// one that grew most. Never returns.
pub(crate) async fn watch(engine: Arc<Engine>) -> Infallible {
    let Some(process) = engine.budget().process() else { return std::future::pending().await };
    let mut ticks = interval(WATCH_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watched = Watched::default();
    loop {
        ticks.tick().await;
        watched.tick(&engine, process);
    }
}

#[derive(Debug, Default)]
struct Watched {
    /// What was resident beyond what was reserved.
    unreserved_bytes: u64,
    /// Measurements above the last mark, one after the other.
    over: u32,
    /// Measurements until another task may be ended.
    pause: u32,
}

impl Watched {
    fn tick(&mut self, engine: &Arc<Engine>, process: &ProcessMemory) {
        let policy = engine.budget().policy();
        let mut used = process.measure();
        let must_give_back = policy.must_give_back(used);
        process.set_must_give_back(must_give_back);
        if must_give_back {
            if policy.is_tight() {
                process.release_code();
            }
            used = process.reduced();
        }
        let (reserved, _, store) = engine.memory();
        let unreserved = used.resident_bytes.saturating_sub(reserved);
        engine.runner().spread_growth(unreserved as i64 - self.unreserved_bytes as i64);
        self.unreserved_bytes = unreserved;
        // What functions use leaves less for stored partitions, and for further tasks.
        let (python_bytes, _) = engine.python_usage();
        let all = Used { resident_bytes: used.resident_bytes + python_bytes, ..used };
        engine.runner().set_waiting(policy.must_wait(all, 0));
        let excess = policy.spill_excess_bytes(all);
        if excess > 0 && store.stored_bytes > 0 {
            engine.runner().spill_store(excess);
        }
        self.over = if policy.is_over(used, 0) { self.over + 1 } else { 0 };
        self.pause = self.pause.saturating_sub(1);
        if self.over >= OVER_TICKS_MIN
            && self.pause == 0
            && engine.runner().end_largest_task(used.resident_bytes)
        {
            self.pause = END_TICKS;
        }
    }
}
