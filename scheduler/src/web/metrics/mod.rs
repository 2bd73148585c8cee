//! The metrics, as Prometheus reads them: its text format, version 0.0.4.

#[cfg(test)]
mod tests;

use crate::hub::Hub;
use crate::telemetry::Telemetry;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use partita_core::Core;
use partita_shared::model::{ClusterRow, JobState, WorkerRow, WorkerState};
use std::fmt::Write;
use std::sync::Arc;

/// What Prometheus calls this format.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Clock ticks of `/proc/self/stat` in a second: fixed for user space on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

pub(crate) async fn render(
    State(hub): State<Hub>,
    State(telemetry): State<Arc<Telemetry>>,
) -> Response {
    let asked = (telemetry.cluster(&hub).await, hub.query(Figures::of).await);
    let (Some(cluster), Some(figures)) = asked else {
        return (StatusCode::SERVICE_UNAVAILABLE, "the scheduler is shutting down\n")
            .into_response();
    };
    let text = page(&cluster, &figures, &Process::this());
    ([(header::CONTENT_TYPE, CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")], text)
        .into_response()
}

/// What the metrics show beyond the cluster's row.
struct Figures {
    /// The connected workers. Those that are gone have no series: their number is a counter.
    workers: Vec<WorkerRow>,
    /// Jobs that are remembered, by state.
    jobs: [u64; JobState::ALL.len()],
}

impl Figures {
    fn of(core: &Core) -> Self {
        let mut jobs = [0; JobState::ALL.len()];
        for row in core.jobs(None, usize::MAX) {
            for (state, count) in JobState::ALL.iter().zip(&mut jobs) {
                *count += u64::from(row.state == *state);
            }
        }
        Figures { workers: core.workers(false), jobs }
    }
}

/// What the system says of this process; what it does not say is left out.
#[derive(Default)]
struct Process {
    resident_bytes: Option<f64>,
    cpu_seconds: Option<f64>,
    open_fds: Option<f64>,
}

impl Process {
    fn this() -> Self {
        Process {
            resident_bytes: read_resident_bytes(),
            cpu_seconds: read_cpu_seconds(),
            // The folder that is being read is open too, but not for long.
            open_fds: std::fs::read_dir("/proc/self/fd")
                .ok()
                .map(|entries| entries.count().saturating_sub(1) as f64),
        }
    }
}

fn read_resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0)
}

fn read_cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field, the name in brackets, may hold spaces: count from behind it.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

/// What kind of number a metric is.
#[derive(Clone, Copy)]
enum Kind {
    Gauge,
    Counter,
}

/// A metric of which each worker has one.
struct WorkerMetric {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    value: fn(&WorkerRow) -> f64,
}

const fn gauge(
    name: &'static str,
    help: &'static str,
    value: fn(&WorkerRow) -> f64,
) -> WorkerMetric {
    WorkerMetric { name, kind: Kind::Gauge, help, value }
}

const fn counter(
    name: &'static str,
    help: &'static str,
    value: fn(&WorkerRow) -> f64,
) -> WorkerMetric {
    WorkerMetric { name, kind: Kind::Counter, help, value }
}

/// What each worker has, in the order in which it is shown.
const WORKER_METRICS: [WorkerMetric; 17] = [
    gauge("partita_worker_up", "Whether the worker takes tasks; 0 while it is retiring.", |w| {
        f64::from(u8::from(w.state == WorkerState::Up))
    }),
    gauge("partita_worker_slots", "Slots of the worker: the tasks that it runs at once.", |w| {
        f64::from(w.slots)
    }),
    gauge("partita_worker_cpu_cores", "Recent CPU usage, in cores.", |w| {
        f64::from(w.metrics.cpu_milli) / 1000.0
    }),
    gauge("partita_worker_memory_limit_bytes", "Memory limit of the worker.", |w| {
        w.memory_limit_bytes as f64
    }),
    gauge("partita_worker_memory_resident_bytes", "Resident set of the worker's process.", |w| {
        w.metrics.resident_bytes as f64
    }),
    gauge(
        "partita_worker_memory_reserved_bytes",
        "Bytes reserved for operators and partitions in memory.",
        |w| w.metrics.reserved_bytes as f64,
    ),
    gauge("partita_worker_memory_stored_bytes", "Bytes of partitions in memory.", |w| {
        w.metrics.stored_bytes as f64
    }),
    gauge("partita_worker_spilled_bytes", "Bytes of partitions on disk.", |w| {
        w.metrics.spilled_bytes as f64
    }),
    gauge(
        "partita_worker_above_memory_mark",
        "Whether the worker is paused because its memory use is above the threshold.",
        |w| f64::from(u8::from(w.metrics.above_mark)),
    ),
    gauge("partita_worker_partitions", "Partitions held, in memory or on disk.", |w| {
        f64::from(w.metrics.partitions)
    }),
    gauge("partita_worker_tasks_running", "Tasks that run in slots.", |w| {
        f64::from(w.metrics.running)
    }),
    gauge("partita_worker_tasks_queued", "Tasks at the worker that wait for a slot.", |w| {
        f64::from(w.metrics.queued)
    }),
    counter("partita_worker_tasks_finished_total", "Tasks that the worker finished.", |w| {
        w.finished as f64
    }),
    counter("partita_worker_fetched_bytes_total", "Bytes read from other workers.", |w| {
        w.metrics.fetched_bytes as f64
    }),
    counter("partita_worker_served_bytes_total", "Bytes sent to other workers.", |w| {
        w.metrics.served_bytes as f64
    }),
    gauge("partita_worker_joined_timestamp_seconds", "When the worker joined.", |w| {
        seconds(w.joined_ms)
    }),
    gauge(
        "partita_worker_last_heartbeat_timestamp_seconds",
        "When the last heartbeat of the worker arrived.",
        |w| seconds(w.last_seen_ms),
    ),
];

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

/// The whole text.
fn page(cluster: &ClusterRow, figures: &Figures, process: &Process) -> String {
    let mut text = Text::default();
    show_cluster(&mut text, cluster, figures);
    for metric in &WORKER_METRICS {
        // Names need not differ between workers, identifiers do: without them, two series could
        // be one, and Prometheus would drop the whole page.
        let rows = figures.workers.iter().map(|row| (row, row.id.to_string()));
        text.family(metric.name, metric.kind, metric.help);
        for (row, id) in rows {
            let labels = [("worker", row.name.as_str()), ("host", &row.host), ("id", &id)];
            text.sample(metric.name, &labels, (metric.value)(row));
        }
    }
    let own = [
        (
            "process_resident_memory_bytes",
            Kind::Gauge,
            "Resident set of the scheduler's process.",
            process.resident_bytes,
        ),
        (
            "process_cpu_seconds_total",
            Kind::Counter,
            "CPU time that the scheduler used.",
            process.cpu_seconds,
        ),
        (
            "process_open_fds",
            Kind::Gauge,
            "File descriptors that the scheduler has open.",
            process.open_fds,
        ),
    ];
    for (name, kind, help, value) in own {
        if let Some(value) = value {
            text.one(name, kind, help, value);
        }
    }
    text.0
}

fn show_cluster(text: &mut Text, row: &ClusterRow, figures: &Figures) {
    let name = "partita_build_info";
    text.family(name, Kind::Gauge, "Always 1; the label is the version of the scheduler.");
    text.sample(name, &[("version", &row.version)], 1.0);
    let name = "partita_cluster_info";
    text.family(name, Kind::Gauge, "Always 1; the label is the name of the cluster.");
    text.sample(name, &[("cluster", &row.name)], 1.0);
    let help = "When the scheduler started, in seconds since the epoch.";
    let started = seconds(row.started_ms);
    text.one("partita_scheduler_start_time_seconds", Kind::Gauge, help, started);

    let name = "partita_workers";
    text.family(name, Kind::Gauge, "Connected workers, by state.");
    for (word, state) in [("up", WorkerState::Up), ("leaving", WorkerState::Leaving)] {
        let count = figures.workers.iter().filter(|worker| worker.state == state).count();
        text.sample(name, &[("state", word)], count as f64);
    }
    let lost = f64::from(row.workers_lost);
    text.one(
        "partita_workers_lost_total",
        Kind::Counter,
        "Workers lost since the scheduler started.",
        lost,
    );
    let sums = [
        ("partita_slots", "Slots of the connected workers.", u64::from(row.slots)),
        (
            "partita_memory_limit_bytes",
            "The sum of the workers' memory limits.",
            row.memory_limit_bytes,
        ),
        (
            "partita_memory_reserved_bytes",
            "Bytes that the workers reserved for operators and partitions in memory.",
            row.reserved_bytes,
        ),
        (
            "partita_memory_stored_bytes",
            "Bytes of partitions in the workers' memory.",
            row.stored_bytes,
        ),
        ("partita_spilled_bytes", "Bytes of partitions on the workers' disks.", row.spilled_bytes),
    ];
    for (name, help, value) in sums {
        text.one(name, Kind::Gauge, help, value as f64);
    }

    let name = "partita_jobs";
    text.family(name, Kind::Gauge, "Jobs that the scheduler remembers, by state.");
    for (state, count) in JobState::ALL.iter().zip(figures.jobs) {
        text.sample(name, &[("state", state.as_str())], count as f64);
    }
    let name = "partita_tasks";
    text.family(name, Kind::Gauge, "Tasks of the jobs that have not ended, by state.");
    let tasks = &row.tasks;
    for (state, count) in [
        ("waiting", tasks.waiting),
        ("ready", tasks.ready),
        ("running", tasks.running),
        ("done", tasks.done),
        ("failed", tasks.failed),
    ] {
        text.sample(name, &[("state", state)], count as f64);
    }
    let help = "Tasks that finished since the scheduler started.";
    let finished = row.tasks_finished as f64;
    text.one("partita_tasks_finished_total", Kind::Counter, help, finished);
}

/// The text as it grows. Writing to a string cannot fail.
#[derive(Default)]
struct Text(String);

impl Text {
    /// Begins a metric: the samples that follow are its own.
    fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (number, (label, text)) in labels.iter().enumerate() {
            let before = if number == 0 { '{' } else { ',' };
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{before}{label}=\"{text}\"");
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    /// A metric with one sample and no labels.
    fn one(&mut self, name: &str, kind: Kind, help: &str, value: f64) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }
}
