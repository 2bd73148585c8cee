//! The text, made from a core that was driven by events.

use super::*;
use partita_core::{Event, JobSpec, Options, StageSpec};
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::message::{Registration, Work, WorkerMetrics};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

const DOCUMENT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md"));

fn registration(name: &str, host: &str) -> Box<Registration> {
    let (name, host) = (name.to_string(), host.to_string());
    Box::new(Registration {
        name,
        host,
        slots: 4,
        memory_limit_bytes: 8 << 30,
        ..Registration::default()
    })
}

fn job(tasks: u32) -> Box<JobSpec> {
    let stage = StageSpec {
        name: "scan".to_string(),
        plan: String::new(),
        tasks,
        work: Work::Empty,
        inputs: Vec::new(),
        origin: partita_core::Origin::Tasks,
        ..StageSpec::default()
    };
    Box::new(JobSpec {
        text: "select 1".to_string(),
        client: "tester".to_string(),
        stages: vec![stage],
        ..JobSpec::default()
    })
}

/// Four workers came, one of them with a name that is hard to write and two with one name; one
/// was lost, one is leaving. Three jobs came; one was cancelled.
fn made_up() -> Core {
    let mut core = Core::new(Options::new("a \"cluster\""));
    let mut effects = Vec::new();
    let metrics = WorkerMetrics {
        cpu_milli: 2500,
        resident_bytes: 5_000_000_000,
        reserved_bytes: 3 << 30,
        stored_bytes: 2 << 30,
        spilled_bytes: 7,
        partitions: 12,
        running: 4,
        queued: 3,
        fetched_bytes: 100,
        served_bytes: 200,
        above_mark: true,
        ..WorkerMetrics::default()
    };
    let worker = WorkerId(1);
    let events = [
        Event::WorkerJoined { request: 1, registration: registration("a\\b\"c\nd", "node-1") },
        Event::WorkerJoined { request: 2, registration: registration("twin", "node-2") },
        Event::WorkerJoined { request: 3, registration: registration("twin", "node-2") },
        Event::WorkerJoined { request: 4, registration: registration("gone", "node-3") },
        Event::Heartbeat { worker, metrics, on_slots: Vec::new() },
        Event::WorkerLeaving { worker: WorkerId(2), reason: "asked".to_string() },
        Event::WorkerLost { worker: WorkerId(4), cause: "it burnt".to_string() },
        Event::JobSubmitted { request: 5, planned: None, spec: job(100) },
        Event::JobSubmitted { request: 6, planned: None, spec: job(5) },
        Event::JobSubmitted { request: 7, planned: None, spec: job(1) },
        Event::JobCancelled { job: JobId(2), reason: "asked".to_string() },
    ];
    for event in events {
        core.handle(1_700_000_000_500_000, event, &mut effects);
    }
    core
}

fn made_up_page() -> String {
    let core = made_up();
    let row = ClusterRow { started_ms: 1_700_000_000_250, ..core.cluster() };
    page(&row, &Figures::of(&core), &Process::this())
}

/// Jobs are counted that wait, whose results are persisted, and that have ended, however many there are.
#[test]
fn every_job_is_counted() {
    let mut core = Core::new(Options::new("many"));
    let mut effects = Vec::new();
    let mut take = |event| core.handle(1, event, &mut effects);
    for request in 0..600 {
        for (owner, persist) in [("a", true), ("b", true), ("a", false), ("b", false)] {
            let spec = JobSpec { owner: owner.to_string(), persist, ..*job(1) };
            take(Event::JobSubmitted { request, planned: None, spec: Box::new(spec) });
        }
    }
    for number in 2401..=3400 {
        take(Event::JobSubmitted { request: 0, planned: None, spec: job(1) });
        take(Event::JobCancelled { job: JobId(number), reason: "asked".to_string() });
    }
    let counted = Figures::of(&core).jobs;
    assert_eq!((counted.iter().sum(), counted.contains(&2400)), (3400, true));
}

/// The text has the figures of the core, each under its name and with its labels.
#[test]
fn the_page_shows_what_the_core_knows() {
    let page = made_up_page();
    let version = partita_shared::VERSION;
    let first = r#"{worker="a\\b\"c\nd",host="node-1",id="worker-1"}"#;
    for line in [
        format!(r#"partita_build_info{{version="{version}"}} 1"#),
        r#"partita_cluster_info{cluster="a \"cluster\""} 1"#.to_string(),
        "partita_scheduler_start_time_seconds 1700000000.25".to_string(),
        r#"partita_workers{state="up"} 2"#.to_string(),
        r#"partita_workers{state="leaving"} 1"#.to_string(),
        "partita_workers_lost_total 1".to_string(),
        "partita_slots 12".to_string(),
        "partita_memory_limit_bytes 25769803776".to_string(),
        "partita_memory_reserved_bytes 3221225472".to_string(),
        "partita_memory_stored_bytes 2147483648".to_string(),
        "partita_spilled_bytes 7".to_string(),
        r#"partita_jobs{state="queued"} 2"#.to_string(),
        r#"partita_jobs{state="cancelled"} 1"#.to_string(),
        r#"partita_tasks{state="ready"} 101"#.to_string(),
        "partita_tasks_finished_total 0".to_string(),
        format!("partita_worker_up{first} 1"),
        r#"partita_worker_up{worker="twin",host="node-2",id="worker-2"} 0"#.to_string(),
        r#"partita_worker_up{worker="twin",host="node-2",id="worker-3"} 1"#.to_string(),
        format!("partita_worker_cpu_cores{first} 2.5"),
        format!("partita_worker_memory_limit_bytes{first} 8589934592"),
        format!("partita_worker_memory_resident_bytes{first} 5000000000"),
        format!("partita_worker_memory_reserved_bytes{first} 3221225472"),
        format!("partita_worker_memory_stored_bytes{first} 2147483648"),
        format!("partita_worker_spilled_bytes{first} 7"),
        format!("partita_worker_above_memory_mark{first} 1"),
        format!("partita_worker_partitions{first} 12"),
        format!("partita_worker_tasks_running{first} 4"),
        format!("partita_worker_tasks_queued{first} 3"),
        format!("partita_worker_fetched_bytes_total{first} 100"),
        format!("partita_worker_served_bytes_total{first} 200"),
        format!("partita_worker_last_heartbeat_timestamp_seconds{first} 1700000000.5"),
    ] {
        assert!(page.lines().any(|found| found == line), "no line `{line}` in\n{page}");
    }
    assert!(!page.contains("gone"), "a worker that is gone has no series:\n{page}");
}

/// No series is there twice, and each belongs to the metric whose help and type precede it: a
/// page where that is not so is dropped whole by Prometheus.
#[test]
fn each_series_is_there_once_below_its_metric() {
    let page = made_up_page();
    let (mut series, mut families) = (BTreeSet::new(), BTreeSet::new());
    let mut family = String::new();
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split(' ').next().unwrap().to_string();
            assert!(families.insert(family.clone()), "{family} is there twice");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let is_counter = family.ends_with("_total");
            let kind = kind.strip_prefix(&format!("{family} ")).unwrap();
            assert_eq!(kind, if is_counter { "counter" } else { "gauge" }, "{family}");
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().unwrap().is_finite(), "{line}");
            assert_eq!(name.split('{').next().unwrap(), family);
            assert!(series.insert(name.to_string()), "{name} is there twice");
        }
    }
}

/// The system says all three things of this process, and they are believable.
#[test]
fn the_process_knows_itself() {
    let process = Process::this();
    assert!(process.resident_bytes.unwrap() > 1e6);
    assert!(process.cpu_seconds.unwrap() < 1e6);
    assert!(process.open_fds.unwrap() >= 3.0);
}

/// The document names each metric that there is, and none that there is not.
#[test]
fn the_document_names_every_metric() {
    let page = made_up_page();
    let shown: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let row = |line: &'static str| line.strip_prefix("| `")?.split(['`', '{']).next();
    let is_metric = |name: &&str| name.starts_with("partita_") || name.starts_with("process_");
    let documented: BTreeSet<&str> = DOCUMENT.lines().filter_map(row).filter(is_metric).collect();
    assert_eq!(documented, shown);
}

/// Prometheus' own tool reads the page and has nothing to say against it. Skipped where
/// `PARTITA_PROMTOOL` does not say where that tool is.
#[test]
fn promtool_approves() {
    let Some(tool) = std::env::var_os("PARTITA_PROMTOOL") else { return };
    let mut child = Command::new(tool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(made_up_page().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    assert_eq!(String::from_utf8_lossy(&said), "");
}
