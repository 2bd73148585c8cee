//! What the core costs by itself, without a network: time for an event with its placement, and bytes for
//! a task and an edge. `cargo bench -p partita-core` prints the figures; `benches/README.md` keeps them.

use partita_core::{
    Core, Effect, Event, Growth, JobSpec, Options, Order, StageGrowth, StageSpec, TaskRange,
};
use partita_shared::edges::EdgeList;
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::message::{
    Exchange, InputSpec, Outcome, Registration, RunTask, Spent, TaskFigures, TaskReport, ToWorker,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

/// Counts the bytes that are allocated.
struct Counting;

static ALLOCATED: AtomicI64 = AtomicI64::new(0);

#[expect(unsafe_code, reason = "an allocator that counts and passes everything on")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size() as i64, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Events that are handled before a placement on a busy cluster, where two workers with one slot have
/// read ahead that much.
const BATCH: u64 = 64;

/// Tasks that are appended at a time to an open job.
const APPENDED: u32 = 1_000;

/// A core with workers, and what they run.
struct Cluster {
    core: Core,
    runs: VecDeque<(WorkerId, RunTask)>,
    effects: Vec<Effect>,
    now: u64,
    finished: u64,
}

impl Cluster {
    fn new(workers: u32, slots: u32) -> Self {
        let mut core = Core::new(Options::new("bench"));
        let mut effects = Vec::new();
        for request in 0..u64::from(workers) {
            let registration = Box::new(Registration { slots, ..Registration::default() });
            core.handle(0, Event::WorkerJoined { request, registration }, &mut effects);
        }
        effects.clear();
        Cluster { core, runs: VecDeque::new(), effects, now: 0, finished: 0 }
    }

    fn handle(&mut self, event: Event) {
        self.core.handle(self.now, event, &mut self.effects);
    }

    fn submit(&mut self, spec: JobSpec) {
        self.handle(Event::JobSubmitted { request: 0, planned: None, spec: Box::new(spec) });
        self.place();
    }

    /// Places, and takes the tasks that are given to workers.
    fn place(&mut self) {
        self.core.place(&mut self.effects);
        let mut delivered = Vec::new();
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Send { worker, message: ToWorker::Run(tasks) } => {
                    self.runs.extend(tasks.into_iter().map(|run| (worker, run)));
                }
                Effect::Deliver { job, index, .. } => delivered.push((job, index)),
                _ => {}
            }
        }
        for (job, index) in delivered {
            self.handle(Event::Delivered { job, index, rows: 1 });
        }
    }

    /// The task that runs longest finishes.
    fn finish_one(&mut self) {
        let Some((worker, run)) = self.runs.pop_front() else {
            eprintln!("nothing runs");
            std::process::exit(1);
        };
        let figures = TaskFigures { bytes: 8, ..TaskFigures::default() };
        let spent = Spent { busy_us: 100, ..Spent::default() };
        let outcome = Outcome::Finished(figures);
        let report = TaskReport { task: run.task, attempt: run.attempt, spent, outcome };
        self.now += 1;
        self.finished += 1;
        self.handle(Event::Reports { worker, reports: vec![report] });
    }

    /// Nanoseconds for each of `count` tasks that finish, with a placement after each `batch` of them.
    fn measure(&mut self, count: u64, batch: u64) -> f64 {
        let start = Instant::now();
        for _ in 0..count / batch {
            (0..batch).for_each(|_| self.finish_one());
            self.place();
        }
        start.elapsed().as_nanos() as f64 / count as f64
    }
}

fn source(tasks: u32) -> StageSpec {
    StageSpec { tasks, ..StageSpec::default() }
}

/// Stages of tasks that read nothing, and a task that reads all of the first one.
fn gathered(stages: u32, tasks: u32) -> JobSpec {
    let end = InputSpec { stage: 0, exchange: Exchange::Gather, first: 0, count: 1 };
    let mut all: Vec<StageSpec> = (0..stages).map(|_| source(tasks)).collect();
    all.push(StageSpec { inputs: vec![end], ..source(1) });
    JobSpec { stages: all, ..JobSpec::default() }
}

/// Stages of tasks that do not depend on each other, on many workers: the cost of a task must depend on
/// neither number.
fn many_stages(workers: u32, stages: u32, tasks: u32) -> f64 {
    let mut cluster = Cluster::new(workers, 1);
    cluster.submit(gathered(stages, tasks));
    cluster.measure(200_000, 1)
}

/// An open stage that grows: each task reads two earlier ones. Prints the cost of a task of each tenth,
/// from its arrival to its end.
fn open_stage(tasks: u32) {
    let mut cluster = Cluster::new(100, 1);
    let rows = |from: u32, count: u32| -> EdgeList {
        let row = |task: u32| if task < 2 { vec![] } else { vec![task - 1 - task % 2, task / 2] };
        (from..from + count).map(row).collect()
    };
    let before = ALLOCATED.load(Ordering::Relaxed);
    let exchange = Exchange::Explicit(Arc::new(rows(0, APPENDED)));
    let inputs = vec![InputSpec { stage: 0, exchange, first: 0, count: APPENDED }];
    let wanted = vec![TaskRange { stage: 0, first: 0, count: APPENDED }];
    let stages = vec![StageSpec { inputs, ..source(APPENDED) }];
    let (open, order) = (true, Order::DepthFirst);
    cluster.submit(JobSpec { stages, wanted, open, order, ..JobSpec::default() });
    let mut sent = APPENDED;
    let mut tenths = Vec::new();
    let mut start = Instant::now();
    while sent < tasks {
        let edges = vec![rows(sent, APPENDED)];
        let grown = StageGrowth { stage: 0, count: APPENDED, edges, ..StageGrowth::default() };
        let wanted = vec![TaskRange { stage: 0, first: sent, count: APPENDED }];
        let growth = Growth { tasks: vec![grown], wanted, ..Growth::default() };
        cluster.handle(Event::JobGrown { request: 0, job: JobId(1), growth: Box::new(growth) });
        cluster.place();
        sent += APPENDED;
        while cluster.finished + u64::from(APPENDED) < u64::from(sent) {
            cluster.finish_one();
            cluster.place();
        }
        if sent.is_multiple_of(tasks / 10) {
            tenths.push(start.elapsed().as_nanos() as u64 / u64::from(tasks / 10));
            start = Instant::now();
        }
    }
    let bytes = (ALLOCATED.load(Ordering::Relaxed) - before) as f64 / f64::from(tasks);
    println!("an open stage of {tasks} tasks with 2 inputs each, {APPENDED} at a time:");
    println!("    ns for a task, by tenths: {tenths:?}");
    println!("    {bytes:.0} bytes for a task with its edges");
}

/// Nanoseconds for a task of an open stage with this number of inputs, of which it reads one, from its arrival to
/// its end.
fn many_inputs(inputs: u32) -> f64 {
    let mut cluster = Cluster::new(100, 1);
    let stages = vec![source(1); inputs as usize];
    let sources = (0..inputs).map(|stage| TaskRange { stage, first: 0, count: 1 });
    let (open, order, wanted) = (true, Order::DepthFirst, sources.collect());
    cluster.submit(JobSpec { stages, wanted, open, order, ..JobSpec::default() });
    cluster.measure(u64::from(inputs), 1);
    let reads = |task: u32, input: u32| (task % inputs == input).then_some(0);
    let edges = |input| (0..APPENDED).map(|task| reads(task, input)).collect();
    let grown = StageGrowth {
        stage: inputs,
        count: APPENDED,
        inputs: (0..inputs).collect(),
        edges: (0..inputs).map(edges).collect(),
        arguments: None,
    };
    let wanted = vec![TaskRange { stage: inputs, first: 0, count: APPENDED }];
    let growth = Growth { tasks: vec![grown], stages: vec![source(0)], wanted };
    let start = Instant::now();
    cluster.handle(Event::JobGrown { request: 0, job: JobId(1), growth: Box::new(growth) });
    cluster.place();
    cluster.measure(u64::from(APPENDED), 1);
    start.elapsed().as_nanos() as f64 / f64::from(APPENDED)
}

/// Bytes that a job takes, for each of `count`.
fn bytes_for(count: u32, spec: JobSpec) -> f64 {
    let mut cluster = Cluster::new(1, 1);
    let before = ALLOCATED.load(Ordering::Relaxed);
    cluster.submit(spec);
    (ALLOCATED.load(Ordering::Relaxed) - before) as f64 / f64::from(count)
}

/// A stage that reads each task of another, `edges` times.
fn listed(tasks: u32, edges: u32) -> JobSpec {
    let list: EdgeList =
        (0..tasks).map(|task| (0..edges).map(move |e| (task + e) % tasks)).collect();
    let exchange = Exchange::Explicit(Arc::new(list));
    let inputs = vec![InputSpec { stage: 0, exchange, first: 0, count: tasks }];
    let stages = vec![source(tasks), StageSpec { inputs, ..source(tasks) }];
    JobSpec { stages, ..JobSpec::default() }
}

fn main() {
    let mut cluster = Cluster::new(2, 1);
    cluster.submit(gathered(1, 1_000_000));
    println!("{:.0} ns for an event and a placement", cluster.measure(400_000, 1));
    let ns = cluster.measure(400_000, BATCH);
    println!("{ns:.0} ns for an event where {BATCH} come before a placement, as on a busy cluster");
    for (workers, stages, tasks) in
        [(100, 1_000, 10_000), (100, 2_100, 100), (10_000, 1_000, 10_000)]
    {
        let ns = many_stages(workers, stages, tasks);
        println!("{ns:.0} ns for a task of {stages} stages of {tasks}, on {workers} workers");
    }
    open_stage(1_000_000);
    for inputs in [10, 1_000, 5_000] {
        let ns = many_inputs(inputs);
        println!(
            "{ns:.0} ns for a task of an open stage with {inputs} inputs, of which it reads one"
        );
    }
    let tasks = 1_000_000;
    let plain = bytes_for(tasks, JobSpec { stages: vec![source(tasks)], ..JobSpec::default() });
    println!("{plain:.0} bytes for a ready task, its place in a queue included");
    let [one, nine] = [1, 9].map(|edges| bytes_for(tasks, listed(tasks, edges)));
    println!("{:.1} bytes for a listed edge", (nine - one) / 8.0);
}
