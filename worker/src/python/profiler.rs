//! A sampling profile of running calls, taken from outside their processes.
//!
//! A thread reads the Python frames of each process that runs a call, from its memory, without stopping it (as py-spy
//! does, whose library this is). A process that could not be read is left alone from then on.

use crate::python::source::is_own_file;
use partita_shared::ids::{Attempt, StageId, TaskId};
use partita_shared::limits::{
    FRAME_TEXT_BYTES_MAX, SAMPLE_INTERVAL_MS, SAMPLED_CALLS_MAX, SAMPLED_STAGES_MAX,
    STACK_FRAMES_MAX,
};
use partita_shared::model::{CallStack, Samples, StackFrame};
use partita_shared::profile::ProfileTree;
use py_spy::config::LockingStrategy;
use py_spy::{Config, Frame, PythonSpy};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Time from one sample to the next.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(SAMPLE_INTERVAL_MS);
/// What a process must have run of calls before it is sampled: to find its frames takes long once.
const RUN_TIME_MIN: Duration = Duration::from_millis(100);
/// A process is not read again before this many times what reading it took: it costs at most 2 % of a core.
const COST_PARTS: u32 = 60;
/// Samples that one stands for at most.
const WEIGHT_MAX: u64 = 20;
/// A call that runs shorter is over before anybody could look at where it is.
const SHOWN_TIME_MIN: Duration = Duration::from_millis(500);
/// Failures in a row after which a process is not read any more.
const FAILURES_MAX: u32 = 20;
/// Time without a call after which the thread ends.
const IDLE_TIME_MAX: Duration = Duration::from_secs(5);
/// Time from one message about samples to the next.
const TELL_INTERVAL: Duration = Duration::from_secs(1);

/// Samples the calls that run.
#[derive(Debug)]
pub(crate) struct Profiler {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// By process.
    running: HashMap<u32, Running>,
    /// Samples since the scheduler was told.
    trees: HashMap<StageId, ProfileTree>,
    /// Where calls were last, by process.
    stacks: HashMap<u32, CallStack>,
    told: Instant,
    had_stacks: bool,
    has_thread: bool,
}

/// A process that runs calls of a stage.
#[derive(Clone, Copy, Debug)]
struct Running {
    stage: StageId,
    /// The call, if it is a task.
    attempt: Option<(TaskId, Attempt)>,
    since: Instant,
}

/// Has a process sampled until it is dropped.
#[derive(Debug)]
pub(super) struct Sampled {
    profiler: Arc<Profiler>,
    pid: u32,
}

impl Sampled {
    /// The next call begins.
    pub(super) fn begin(&self, attempt: (TaskId, Attempt)) {
        let mut state = self.profiler.lock();
        if let Some(running) = state.running.get_mut(&self.pid) {
            (running.attempt, running.since) = (Some(attempt), Instant::now());
        }
    }
}

impl Drop for Sampled {
    fn drop(&mut self) {
        let mut state = self.profiler.lock();
        state.running.remove(&self.pid);
        state.stacks.remove(&self.pid);
    }
}

impl Profiler {
    /// None runs yet.
    pub(super) fn new() -> Arc<Self> {
        let state = State {
            running: HashMap::new(),
            trees: HashMap::new(),
            stacks: HashMap::new(),
            told: Instant::now(),
            had_stacks: false,
            has_thread: false,
        };
        Arc::new(Profiler { state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A process runs calls of a stage from now on, until the guard is dropped.
    pub(super) fn sample(self: &Arc<Self>, pid: u32, stage: StageId) -> Sampled {
        let mut state = self.lock();
        let since = Instant::now();
        state.running.insert(pid, Running { stage, attempt: None, since });
        if !std::mem::replace(&mut state.has_thread, true) {
            drop(state);
            self.start();
        }
        Sampled { profiler: Arc::clone(self), pid }
    }

    fn start(self: &Arc<Self>) {
        let profiler = Arc::clone(self);
        let thread = std::thread::Builder::new().name("profiler".to_string());
        if let Err(error) = thread.spawn(move || profiler.run()) {
            tracing::warn!(%error, "calls of functions are not profiled");
        }
    }

    fn run(&self) {
        let mut processes: HashMap<u32, Process> = HashMap::new();
        let (mut busy, mut next) = (Instant::now(), Instant::now());
        loop {
            // What it could not do in time it leaves out.
            next = (next + SAMPLE_INTERVAL).max(Instant::now());
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            let running: Vec<(u32, Running)> =
                self.lock().running.iter().map(|(pid, one)| (*pid, *one)).collect();
            if running.is_empty() {
                if busy.elapsed() < IDLE_TIME_MAX {
                    continue;
                }
                let mut state = self.lock();
                if state.running.is_empty() {
                    state.has_thread = false;
                    return;
                }
            }
            busy = Instant::now();
            for (pid, one) in &running {
                let process = processes.entry(*pid).or_insert_with(|| Process::new(*pid));
                let began = Instant::now();
                if began < process.due {
                    continue;
                }
                let was_known = process.spy.is_some();
                if let Some(stack) = process.sample() {
                    let weight = weight(process.sampled, one.since, began);
                    self.add(*pid, one, (stack, weight));
                }
                process.sampled = Some(began);
                // To find the frames takes long once, which does not count.
                let cost = if was_known { began.elapsed() } else { Duration::ZERO };
                process.due = began + (cost * COST_PARTS).max(SAMPLE_INTERVAL / 2);
            }
            if processes.len() > 2 * running.len().max(8) {
                let known: HashSet<u32> = running.iter().map(|(pid, _)| *pid).collect();
                processes.retain(|pid, _| known.contains(pid));
            }
        }
    }

    /// Adds where a process was, if it still runs what it ran before it was read.
    fn add(&self, pid: u32, was: &Running, (frames, weight): (Vec<StackFrame>, u64)) {
        let mut state = self.lock();
        let now = state.running.get(&pid).copied();
        if now.is_none_or(|now| now.stage != was.stage || now.attempt != was.attempt) {
            return;
        }
        if state.trees.len() < SAMPLED_STAGES_MAX || state.trees.contains_key(&was.stage) {
            state.trees.entry(was.stage).or_default().add(&frames, weight);
        }
        if let Some((task, attempt)) = was.attempt.filter(|_| was.since.elapsed() >= SHOWN_TIME_MIN)
        {
            state.stacks.insert(pid, CallStack { task, attempt, frames });
        }
    }

    /// What was seen since the last time, if it is time to tell.
    pub(crate) fn take(&self) -> Option<Samples> {
        let mut state = self.lock();
        if state.told.elapsed() < TELL_INTERVAL {
            return None;
        }
        let stacks: Vec<CallStack> =
            state.stacks.values().take(SAMPLED_CALLS_MAX).cloned().collect();
        // That no call runs any more is told once.
        let had_stacks = std::mem::replace(&mut state.had_stacks, !stacks.is_empty());
        if state.trees.is_empty() && stacks.is_empty() && !had_stacks {
            return None;
        }
        state.told = Instant::now();
        let trees = std::mem::take(&mut state.trees);
        drop(state);
        let profiles = trees.into_iter().map(|(stage, tree)| (stage, tree.into_profile()));
        Some(Samples { profiles: profiles.collect(), stacks })
    }
}

/// How many samples one stands for: as many as there would have been since the last one, or since the call began.
fn weight(last: Option<Instant>, since: Instant, now: Instant) -> u64 {
    let from = last.map_or(since, |last| last.max(since));
    let passed = now.saturating_duration_since(from).as_millis() as u64;
    (passed / SAMPLE_INTERVAL_MS).clamp(1, WEIGHT_MAX)
}

/// A process that is read.
struct Process {
    pid: u32,
    /// When it was read last, and when it may be read again.
    sampled: Option<Instant>,
    due: Instant,
    spy: Option<PythonSpy>,
    /// How often it was found at work, before its frames were looked for.
    found: u32,
    failures: u32,
}

impl Process {
    fn new(pid: u32) -> Self {
        Process { pid, sampled: None, due: Instant::now(), spy: None, found: 0, failures: 0 }
    }

    /// The frames of the call that runs, the outermost first. None if they could not be read, or there are none.
    fn sample(&mut self) -> Option<Vec<StackFrame>> {
        if self.failures >= FAILURES_MAX {
            return None;
        }
        self.found = self.found.saturating_add(1);
        if SAMPLE_INTERVAL * self.found < RUN_TIME_MIN {
            return None;
        }
        match self.read() {
            Ok(frames) => {
                self.failures = 0;
                frames
            }
            Err(error) => {
                self.failures += 1;
                if self.failures == FAILURES_MAX {
                    tracing::info!(pid = self.pid, %error, "cannot profile a Python process");
                }
                None
            }
        }
    }

    fn read(&mut self) -> Result<Option<Vec<StackFrame>>, Failure> {
        let spy = match &mut self.spy {
            Some(spy) => spy,
            None => {
                let config = Config { blocking: LockingStrategy::NonBlocking, ..Config::default() };
                self.spy.insert(PythonSpy::new(self.pid as py_spy::Pid, &config)?)
            }
        };
        let traces = spy.get_stack_traces()?;
        // Functions run in the thread of the runner's own code.
        let own = |frame: &Frame| is_own_file(&frame.filename);
        let trace = traces.iter().find(|trace| trace.frames.last().is_some_and(own));
        let Some(trace) = trace else { return Ok(None) };
        let frames = trace.frames.iter().rev().skip_while(|frame| own(frame));
        let frames: Vec<StackFrame> = frames.take(STACK_FRAMES_MAX).map(shown).collect();
        Ok((!frames.is_empty()).then_some(frames))
    }
}

/// Why a process could not be read.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn shown(frame: &Frame) -> StackFrame {
    StackFrame {
        function: shortened(&frame.name),
        file: shortened(&frame.filename),
        line: u32::try_from(frame.line).unwrap_or(0),
    }
}

/// The end of a text that is too long: that of a path tells more than its beginning.
fn shortened(text: &str) -> String {
    match text.len().checked_sub(FRAME_TEXT_BYTES_MAX) {
        None | Some(0) => text.to_string(),
        Some(surplus) => text[text.ceil_char_boundary(surplus)..].to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use partita_shared::ids::JobId;

    fn stage() -> StageId {
        StageId { job: JobId(1), index: 0 }
    }

    fn frames() -> Vec<StackFrame> {
        vec![StackFrame { function: "f".to_string(), file: "a.py".to_string(), line: 1 }]
    }

    /// A sample counts for the calls that ran when their process was read, and for no others.
    #[test]
    fn samples_count_for_the_calls_that_ran() {
        let profiler = Profiler::new();
        let attempt = (TaskId { stage: stage(), index: 3 }, 1);
        let began = Instant::now() - SHOWN_TIME_MIN;
        let was = Running { stage: stage(), attempt: Some(attempt), since: began };
        {
            let mut state = profiler.lock();
            state.told = Instant::now() - TELL_INTERVAL;
            state.running.insert(7, was);
        }
        profiler.add(7, &was, (frames(), 1));
        profiler.add(8, &was, (frames(), 1));
        profiler.add(7, &Running { attempt: None, ..was }, (frames(), 1));
        let told = profiler.take().unwrap();
        assert!(told.is_valid());
        assert_eq!((told.profiles.len(), told.profiles[0].1.samples()), (1, 1));
        assert_eq!((told.stacks.len(), told.stacks[0].task), (1, attempt.0));
    }

    /// That no call runs any more is told once.
    #[test]
    fn the_end_of_calls_is_told_once() {
        let profiler = Profiler::new();
        let due = || profiler.lock().told = Instant::now() - TELL_INTERVAL;
        due();
        assert_eq!(profiler.take(), None);
        profiler.lock().had_stacks = true;
        assert_eq!(profiler.take(), Some(Samples::default()));
        due();
        assert_eq!(profiler.take(), None);
    }

    /// A sample that comes late stands for those that were left out, but not for time before its call.
    #[test]
    fn late_samples_count_for_more() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        assert_eq!(weight(Some(at(0)), began, at(10)), 1);
        assert_eq!(weight(Some(at(0)), began, at(45)), 4);
        assert_eq!(weight(Some(at(0)), at(30), at(45)), 1);
        assert_eq!(weight(None, at(0), at(60_000)), WEIGHT_MAX);
    }

    /// Of a text that is too long the end is kept.
    #[test]
    fn long_texts_are_shortened() {
        assert_eq!(shortened("a.py"), "a.py");
        let long = format!("{}/b.py", "ä".repeat(FRAME_TEXT_BYTES_MAX));
        let short = shortened(&long);
        assert!(short.ends_with("/b.py") && short.len() <= FRAME_TEXT_BYTES_MAX);
    }
}
