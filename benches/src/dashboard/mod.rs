//! What the dashboard costs at 2,000 workers with a million tasks in flight.
//!
//! The scheduler is the real one, in a process of its own. The workers are simulated, many in this
//! process ([`fleet`]): each keeps its link, its slots and its heartbeats, and its tasks only take
//! time. Browsers are either links that take every frame ([`browsers`]), or Chromium, driven by
//! `tests/browser/frames.mjs`.

mod browsers;
mod fleet;

use crate::measure::{Background, median, say, timed};
use crate::opponents::partita;
use crate::report::Row;
use crate::{Options, cache};
use anyhow::{Context, Result, bail};
use browsers::Browsers;
use fleet::Fleet;
use partita_shared::access::Access;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Simulated workers.
const WORKERS: u32 = 2_000;
/// Slots of each.
const SLOTS: u32 = 4;
/// What a task takes, in milliseconds, give or take a half.
const TASK_MS: u64 = 2_000;
/// Jobs at once.
const JOBS: usize = 5;
/// Tasks of each job: a million together.
const TASKS: u32 = 200_000;
/// How long one measurement watches.
const WINDOW: Duration = Duration::from_secs(5);
/// How long a change of what is watched may take to be over.
const SETTLE: Duration = Duration::from_secs(2);
/// How often each of two things that are compared is measured, in turns.
const TURNS: usize = 5;
/// How long the scheduler may take to write its access file.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How long one look at a condition waits for the next.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// What can be measured here.
pub(crate) const NAMES: [&str; 3] = ["observer", "frames", "paint"];

/// The measurements that are wanted.
pub(crate) fn run(options: &Options) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    if options.wants("observer") {
        rows.extend(observer()?);
    }
    if options.wants("frames") {
        rows.extend(frames()?);
    }
    if options.wants("paint") {
        rows.push(first_paint()?);
    }
    Ok(rows)
}

/// A scheduler that believes in 2,000 workers.
struct SimulatedCluster {
    access: Access,
    fleet: Fleet,
    scheduler: Background,
    _jobs: Vec<Background>,
    _home: tempfile::TempDir,
}

impl SimulatedCluster {
    fn set() -> Result<Self> {
        let binary = partita()?;
        let home = tempfile::tempdir()?;
        let command = || {
            let mut command = Command::new(&binary);
            command.env("PARTITA_HOME", home.path()).env("PARTITA_LOG", "error");
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let scheduler = command()
            .args(["scheduler", "--host", "127.0.0.1", "--port", "0", "--name", "bench"])
            .spawn()?;
        let scheduler = Background(scheduler);
        let access = access(&home.path().join("bench.json"))?;
        say(&format!("{WORKERS} simulated workers ..."));
        let fleet = Fleet::start(&access, WORKERS, SLOTS, TASK_MS)?;
        timed(command().args(["wait", "--workers", &WORKERS.to_string()]))?;
        let job = || {
            let mut job = command();
            job.args(["empty-tasks", &TASKS.to_string()]);
            job.spawn().map(Background)
        };
        let jobs = (0..JOBS).map(|_| job()).collect::<std::io::Result<_>>()?;
        until("the slots are busy", START_TIMEOUT, || {
            (fleet.finished() > u64::from(WORKERS * SLOTS)).then_some(())
        })?;
        Ok(SimulatedCluster { access, fleet, scheduler, _jobs: jobs, _home: home })
    }

    /// What the threads `core` and `observer` of the scheduler take while a window passes.
    fn watch(&self) -> Result<Costs> {
        std::thread::sleep(SETTLE);
        let pid = self.scheduler.0.id();
        let before = (thread_ns(pid, "core")?, thread_ns(pid, "observer")?, self.fleet.finished());
        let begun = Instant::now();
        std::thread::sleep(WINDOW);
        let passed_ns = begun.elapsed().as_nanos() as f64;
        let after = (thread_ns(pid, "core")?, thread_ns(pid, "observer")?, self.fleet.finished());
        let tasks = after.2 - before.2;
        if tasks == 0 {
            bail!("the simulated workers have nothing to do any more");
        }
        Ok(Costs {
            core_us_a_task: (after.0 - before.0) as f64 / 1e3 / tasks as f64,
            observer_percent: (after.1 - before.1) as f64 / passed_ns * 100.0,
            tasks_a_second: tasks as f64 / passed_ns * 1e9,
        })
    }
}

/// What was measured in one window.
struct Costs {
    core_us_a_task: f64,
    observer_percent: f64,
    tasks_a_second: f64,
}

/// The access file, as soon as it is there.
fn access(path: &Path) -> Result<Access> {
    until("the scheduler is there", START_TIMEOUT, || Access::read(path).ok())
}

/// Looks again and again, within a bound.
fn until<T>(what: &str, bound: Duration, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if begun.elapsed() > bound {
            bail!("waited {} s until {what}", bound.as_secs());
        }
        std::thread::sleep(LOOK_PAUSE);
    }
}

/// Processor time that a thread of a process took so far, in nanoseconds.
fn thread_ns(pid: u32, name: &str) -> Result<u64> {
    for entry in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let folder = entry?.path();
        let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap_or_default();
        if read("comm").trim() == name {
            let text = read("schedstat");
            let first = text.split_whitespace().next().and_then(|field| field.parse().ok());
            return first.context("this kernel does not tell what threads take");
        }
    }
    bail!("the scheduler has no thread `{name}`")
}

/// The observer's share of a core, what pages cost the core, and what waits for a slow page.
fn observer() -> Result<Vec<Row>> {
    let cluster = SimulatedCluster::set()?;
    let [mut without, mut with] = [Vec::new(), Vec::new()];
    for turn in 1..=TURNS {
        say(&format!("the observer, turn {turn} of {TURNS} ..."));
        without.push(cluster.watch()?);
        let browsers = Browsers::open(&cluster.access)?;
        with.push(cluster.watch()?);
        drop(browsers);
    }
    let of =
        |costs: &[Costs], figure: fn(&Costs) -> f64| median(costs.iter().map(figure).collect());
    let share = |costs: &[Costs]| of(costs, |costs| costs.observer_percent);
    let each = |costs: &[Costs]| of(costs, |costs| costs.core_us_a_task);
    let (alone, watched) = (each(&without), each(&with));
    say("a browser that takes a frame every few seconds ...");
    let [early, late] = browsers::waiting_for_a_slow_one(&cluster.access)?;
    Ok(vec![
        Row::plain("tasks that end", of(&with, |costs| costs.tasks_a_second), "a second"),
        Row::plain("observer, no browser", share(&without), "% of a core"),
        Row::plain("observer, five browsers", share(&with), "% of a core"),
        Row::plain("the core's time a task, no browser", alone, "microseconds"),
        Row::plain("the core's time a task, five browsers", watched, "microseconds"),
        Row::plain("waiting for a slow browser, at first", early / 1024.0, "KiB"),
        Row::plain("waiting for a slow browser, at last", late / 1024.0, "KiB"),
    ])
}

/// Times between pictures of every page, in Chromium.
fn frames() -> Result<Vec<Row>> {
    let cluster = SimulatedCluster::set()?;
    say("every page in Chromium ...");
    let (address, token) = (&cluster.access.address, cluster.access.page_token());
    let link = format!("http://{address}/#token={token}");
    let mut rows = Vec::new();
    for line in script("frames.mjs", &[&link])? {
        let name = line["page"].as_str().unwrap_or_default().to_string();
        let figure = |name: &str| line[name].as_f64().unwrap_or(f64::NAN);
        rows.push(Row::plain(&format!("{name}, frames' p95"), figure("p95_ms"), "ms"));
        rows.push(Row::plain(&format!("{name}, work a frame"), figure("work_ms"), "ms"));
    }
    Ok(rows)
}

/// The first paint over 5 Mbit/s.
fn first_paint() -> Result<Row> {
    say("the first paint ...");
    let lines = script("measure.mjs", &[])?;
    let slow = lines
        .iter()
        .filter(|line| line["line"].as_str().is_some_and(|line| line.starts_with("5 Mbit/s")));
    let times: Vec<f64> = slow.filter_map(|line| line["paint_ms"].as_f64()).collect();
    Ok(Row::plain("first paint over 5 Mbit/s", median(times), "ms"))
}

/// Runs a script that drives Chromium, and reads the lines of JSON that it prints.
fn script(name: &str, args: &[&str]) -> Result<Vec<Value>> {
    let script: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/browser").join(name);
    let mut node = Command::new("node");
    node.arg(&script).args(args).env("PARTITA_TEST_BINARY", partita()?);
    node.env("PARTITA_TEST_NODE_MODULES", cache()?.join("browser/node_modules"));
    let (_, printed) = timed(&mut node)?;
    printed.lines().map(|line| serde_json::from_str(line).context("what node printed")).collect()
}
