//! What a worker measures of itself, for its heartbeats.

use crate::engine::Engine;
use crate::memory::{cpu_ticks, resident_bytes};
use partita_shared::message::WorkerMetrics;
use std::time::Instant;

/// Clock ticks of `/proc/self/stat` in a second: fixed for user space on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Remembers the last measurement, for rates.
#[derive(Debug)]
pub(crate) struct Meter {
    at: Instant,
    cpu_ticks: u64,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Meter { at: Instant::now(), cpu_ticks: cpu_ticks("self") }
    }

    pub(crate) fn measure(&mut self, engine: &Engine) -> WorkerMetrics {
        let (python_bytes, python_ticks) = engine.python_usage();
        let now = Instant::now();
        let cpu = cpu_ticks("self") + python_ticks;
        let elapsed = now.duration_since(self.at).as_secs_f64().max(0.001);
        let cpu_milli = (cpu.saturating_sub(self.cpu_ticks) as f64 / TICKS_PER_SECOND / elapsed
            * 1000.0) as u32;
        (self.at, self.cpu_ticks) = (now, cpu);
        let (reserved_bytes, above_mark, store) = engine.memory();
        let (running, queued) = engine.runner().load();
        let (fetched_bytes, served_bytes) = engine.traffic();
        let (disk_read_bytes, disk_written_bytes) = disk_bytes();
        WorkerMetrics {
            cpu_milli,
            resident_bytes: resident_bytes() + python_bytes,
            reserved_bytes,
            stored_bytes: store.stored_bytes,
            spilled_bytes: store.spilled_bytes,
            partitions: store.partitions,
            running,
            queued,
            fetched_bytes,
            served_bytes,
            above_mark,
            spilled_partitions: store.spilled_partitions,
            disk_read_bytes,
            disk_written_bytes,
        }
    }
}

/// Bytes that this process read from disks and wrote to them.
fn disk_bytes() -> (u64, u64) {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let field = |name: &str| {
        let line = io.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
    };
    (field("read_bytes:"), field("write_bytes:"))
}
