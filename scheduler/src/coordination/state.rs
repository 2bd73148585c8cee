//! What all clients share, and who waits for what.

use crate::coordination::events::Events;
use crate::coordination::kept::{Metadata, Topics, Values};
use crate::coordination::message::{
    self, Batch, EventAct, Kept, KeptAct, MetadataAct, Op, QueueAct, Request, VariableAct,
};
use crate::coordination::outbox::Outbox;
use crate::coordination::queues::Queues;
use crate::coordination::semaphores::{Acquire, Semaphores};
use crate::coordination::variables::Variables;
use crate::coordination::{Answer, Answers, Failure, Value, Waiting, said};
use crate::functions::{Place, Sharing};
use crate::now_us;
use partita_shared::units::format_bytes;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of one value.
const VALUE_BYTES_MAX: usize = 16 << 20;
/// Bytes of all values that are kept.
const VALUES_BYTES_MAX: usize = 512 << 20;
/// Named objects of all kinds.
const OBJECTS_MAX: usize = 100_000;
/// Requests of one client that wait.
const WAITING_MAX: usize = 10_000;
/// Bytes of a name.
const NAME_BYTES_MAX: usize = 1_000;
/// Names in one request.
const NAMES_MAX: usize = 1_000;
/// For how long the results are kept that an answer names, so that its client can say that it needs them.
const HELD_TIME: Duration = Duration::from_secs(60);

/// The state that all clients share.
#[derive(Debug)]
pub(crate) struct Coordination {
    sharing: Arc<Sharing>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    streams: HashMap<u64, Stream>,
    next_stream: u64,
    semaphores: Semaphores,
    events: Events,
    queues: Queues,
    variables: Variables,
    metadata: Metadata,
    topics: Topics,
    published: Values,
    setup: Values,
    /// Bytes of all values.
    bytes: usize,
}

/// One client.
#[derive(Debug, Default)]
struct Stream {
    outbox: Arc<Outbox>,
    waiting: HashMap<u64, Wait>,
    /// When those of them end that wait for a limited time.
    ends: BTreeSet<(Instant, u64)>,
}

/// A request that waits.
#[derive(Debug)]
struct Wait {
    until: Option<Instant>,
    op: Op,
}

impl Stream {
    fn begin_waiting(&mut self, number: u64, wait: Wait) {
        self.ends.extend(wait.until.map(|until| (until, number)));
        self.waiting.insert(number, wait);
    }

    fn end_waiting(&mut self, number: u64) -> Option<Wait> {
        let wait = self.waiting.remove(&number)?;
        if let Some(until) = wait.until {
            self.ends.remove(&(until, number));
        }
        Some(wait)
    }
}

/// What follows from a request besides its answers.
#[derive(Debug, Default)]
struct Effects {
    answers: Answers,
    /// Values that are not kept any more.
    dropped: Vec<Value>,
}

impl Coordination {
    pub(crate) fn new(sharing: Arc<Sharing>) -> Self {
        Coordination { sharing, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client comes. Gives its number, and what it is sent.
    pub(super) fn join(&self) -> (u64, Arc<Outbox>) {
        let mut state = self.state();
        state.next_stream += 1;
        let (number, stream) = (state.next_stream, Stream::default());
        let outbox = Arc::clone(&stream.outbox);
        state.streams.insert(number, stream);
        (number, outbox)
    }

    /// A client has gone.
    pub(super) fn leave(&self, stream: u64) {
        let mut state = self.state();
        let Some(gone) = state.streams.remove(&stream) else { return };
        gone.outbox.close();
        let mut effects = Effects::default();
        for (number, wait) in gone.waiting {
            state.stop_waiting((stream, number), &wait.op, &mut effects);
        }
        state.semaphores.leave(stream, &mut effects.answers);
        let gone = state.queues.leave(stream, &mut effects.answers);
        state.drop_values(gone, &mut effects);
        state.topics.leave(stream);
        state.setup.leave(stream);
        self.perform(state, effects);
    }

    /// Does what a client asks for, or lets its request wait.
    pub(super) fn request(&self, stream: u64, request: Request) {
        let by = (stream, request.number);
        let mut state = self.state();
        let mut effects = Effects::default();
        if state.lacks_bytes(&request) || state.lacks_objects(&request) {
            // What clients left that have crashed.
            let gone = state.setup.take_orphans();
            state.drop_values(gone, &mut effects);
        }
        match self.take_in(&state, by, &request) {
            Err((kind, text)) => effects.answers.push((by, Answer::Failed(kind, text))),
            Ok(()) => {
                let until = request.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
                let op = request.op.clone();
                let waits = state.act(by, request, &mut effects);
                if waits && let Some(stream) = state.streams.get_mut(&stream) {
                    stream.begin_waiting(by.1, Wait { until, op });
                }
            }
        }
        self.perform(state, effects);
        self.expire(stream);
    }

    /// Checks a request against the limits, and pins the results that its value needs.
    fn take_in(
        &self,
        state: &State,
        by: Waiting,
        request: &Request,
    ) -> Result<(), (Failure, String)> {
        let invalid = |text: String| Err((Failure::Invalid, text));
        let full = |text: String| Err((Failure::Full, text));
        let names = request.op.names();
        if names.len() > NAMES_MAX || names.iter().any(|name| name.len() > NAME_BYTES_MAX) {
            return invalid(format!(
                "at most {NAMES_MAX} names of {NAME_BYTES_MAX} bytes are allowed"
            ));
        }
        let bytes = request.value.body.len();
        if bytes > VALUE_BYTES_MAX {
            return invalid(format!(
                "the value takes {} when it is pickled, of at most {}: share a future of it, or the name of a file",
                format_bytes(bytes as u64),
                format_bytes(VALUE_BYTES_MAX as u64)
            ));
        }
        if state.lacks_bytes(request) {
            return full(format!(
                "the values that the scheduler keeps would take more than {}",
                format_bytes(VALUES_BYTES_MAX as u64)
            ));
        }
        if state.lacks_objects(request) {
            return full(format!("the scheduler keeps at most {OBJECTS_MAX} named objects"));
        }
        let waiting = state.streams.get(&by.0).map_or(0, |stream| stream.waiting.len());
        if request.op.creates() && waiting >= WAITING_MAX {
            return full(format!("at most {WAITING_MAX} requests of a client may wait"));
        }
        self.sharing.pin(&request.value.futures).map_err(|text| (Failure::Full, text))
    }

    /// A client does not want an answer any more.
    pub(super) fn withdraw(&self, stream: u64, number: u64) {
        self.end_waiting(stream, number, Failure::Withdrawn, "withdrawn");
    }

    fn end_waiting(&self, stream: u64, number: u64, kind: Failure, text: &str) {
        let mut state = self.state();
        let found = state.streams.get_mut(&stream);
        let Some(wait) = found.and_then(|found| found.end_waiting(number)) else { return };
        let mut effects = Effects::default();
        state.stop_waiting((stream, number), &wait.op, &mut effects);
        effects.answers.push(((stream, number), Answer::Failed(kind, text.to_string())));
        self.perform(state, effects);
    }

    /// Ends the requests of a client whose time is over.
    pub(super) fn expire(&self, stream: u64) {
        let now = Instant::now();
        let over: Vec<u64> = {
            let state = self.state();
            let ends = state.streams.get(&stream).into_iter().flat_map(|found| &found.ends);
            ends.take_while(|(until, _)| *until <= now).map(|(_, number)| *number).collect()
        };
        for number in over {
            self.end_waiting(stream, number, Failure::Timeout, "the timeout is over");
        }
    }

    /// When the next request of a client has waited long enough.
    pub(super) fn next_timeout(&self, stream: u64) -> Option<Instant> {
        let state = self.state();
        state.streams.get(&stream)?.ends.first().map(|(until, _)| *until)
    }

    /// Sends answers, and lets go of the results that nothing needs any more.
    fn perform(&self, mut state: MutexGuard<'_, State>, effects: Effects) {
        let mut held: Vec<Place> = Vec::new();
        for ((stream, number), answer) in effects.answers {
            let Some(stream) = state.streams.get_mut(&stream) else { continue };
            stream.end_waiting(number);
            if let Answer::Values(values) = &answer {
                held.extend(values.iter().flat_map(|(value, _)| &value.futures));
            }
            stream.outbox.push(message::answer(number, answer));
        }
        drop(state);
        if !held.is_empty() && self.sharing.pin(&held).is_ok() {
            let sharing = Arc::clone(&self.sharing);
            tokio::spawn(async move {
                tokio::time::sleep(HELD_TIME).await;
                sharing.unpin(&held);
            });
        }
        for value in effects.dropped {
            self.sharing.unpin(&value.futures);
        }
    }
}

impl State {
    fn objects(&self) -> usize {
        self.semaphores.count()
            + self.events.count()
            + self.queues.count()
            + self.variables.count()
            + self.metadata.count()
            + self.topics.count()
            + self.published.count()
            + self.setup.count()
    }

    /// Values are not kept any more.
    /// Whether the value of a request would be too much.
    fn lacks_bytes(&self, request: &Request) -> bool {
        self.bytes + request.value.body.len() > VALUES_BYTES_MAX
    }

    /// Whether the objects that a request may create would be too many.
    fn lacks_objects(&self, request: &Request) -> bool {
        request.op.creates() && self.objects() + request.op.names().len() > OBJECTS_MAX
    }

    fn drop_values(&mut self, values: impl IntoIterator<Item = Value>, effects: &mut Effects) {
        for value in values {
            self.bytes = self.bytes.saturating_sub(value.body.len());
            effects.dropped.push(value);
        }
    }

    /// Values were taken out: their client has them now.
    fn hand_out(&mut self, from: usize, effects: &mut Effects) {
        let handed: Vec<Value> = effects.answers[from..]
            .iter()
            .filter_map(|(_, answer)| match answer {
                Answer::Values(values) => Some(values.iter().map(|(value, _)| value.clone())),
                Answer::Result(_) | Answer::Failed(..) => None,
            })
            .flatten()
            .collect();
        self.drop_values(handed, effects);
    }

    /// Does what a request asks for. Whether it waits.
    fn act(&mut self, by: Waiting, request: Request, effects: &mut Effects) -> bool {
        let Request { op, value, .. } = request;
        let keeps = op.keeps_value();
        match keeps {
            true => self.bytes += value.body.len(),
            false => effects.dropped.push(value.clone()),
        }
        let answers = &mut effects.answers;
        match op {
            Op::Acquire { names, need, max, lease } => {
                return self.semaphores.acquire(Acquire { names, need, max, lease, by }, answers);
            }
            Op::Release { lease } => {
                let was_taken = self.semaphores.release(&lease, answers);
                answers.push((by, said(was_taken)));
            }
            Op::Semaphore { name, max } => {
                let (taken, max) = self.semaphores.figures(&name, max);
                answers.push((by, said(serde_json::json!({"taken": taken, "max": max}))));
            }
            Op::CloseSemaphore { name } => {
                self.semaphores.close(&name, answers);
                answers.push((by, said(true)));
            }
            Op::Event { name, act } => return self.events.act(&name, act, by, answers),
            Op::Queue { .. } => return self.act_on_queue(by, &op, value, effects),
            Op::Variable { name, act } => {
                return self.act_on_variable(by, &name, act, value, effects);
            }
            Op::Metadata { act, keys } => {
                let told = self.metadata.act(act, &keys, value);
                self.tell_kept(by, told, effects);
            }
            Op::Log { topics } => self.log(by, &topics, &value, effects),
            Op::Events { topic } => answers.push((by, self.topics.messages(topic.as_deref()))),
            Op::Follow { topic } => {
                self.topics.follow(&topic, by.0, true);
                answers.push((by, said(true)));
            }
            Op::Unfollow { topic } => {
                self.topics.follow(&topic, by.0, false);
                answers.push((by, said(true)));
            }
            Op::Publish(what) => {
                let told = self.published.act(&what, value, by.0);
                self.tell_kept(by, told, effects);
            }
            Op::Setup(what) => {
                let told = self.setup.act(&what, value, by.0);
                self.tell_kept(by, told, effects);
            }
        }
        false
    }

    /// Answers an operation on what is kept, and drops the values that are not kept any more.
    fn tell_kept(
        &mut self,
        by: Waiting,
        (answer, gone): (Answer, impl IntoIterator<Item = Value>),
        effects: &mut Effects,
    ) {
        effects.answers.push((by, answer));
        self.drop_values(gone, effects);
    }

    fn act_on_queue(&mut self, by: Waiting, op: &Op, value: Value, effects: &mut Effects) -> bool {
        let Op::Queue { name, act, maxsize, batch, front, own, existing } = op else {
            return false;
        };
        let (from, answers) = (effects.answers.len(), &mut effects.answers);
        let mut waits = false;
        match (act, batch) {
            (QueueAct::Open, _) => {
                self.queues.open(name, *maxsize, *own, by);
                answers.push((by, said(true)));
            }
            (QueueAct::Put, _) if *existing && !self.queues.is_known(name) => {
                let text = format!("the queue {name} does not exist");
                answers.push((by, Answer::Failed(Failure::Gone, text)));
                self.drop_values([value], effects);
            }
            (QueueAct::Put, _) if *front => self.queues.put_back(name, value, by, answers),
            (QueueAct::Put, _) => waits = self.queues.put(name, value, by, answers),
            (QueueAct::Get, Some(Batch::All(true)) | Some(Batch::Count(0))) => {
                self.queues.get_all(name, by, answers);
            }
            (QueueAct::Get, Some(Batch::Count(count))) => {
                waits = self.queues.get(name, *count, by, answers);
            }
            (QueueAct::Get, None | Some(Batch::All(false))) => {
                waits = self.queues.get(name, 1, by, answers);
            }
            (QueueAct::Size, _) => answers.push((by, said(self.queues.size(name)))),
            (QueueAct::Close, _) => {
                let gone = self.queues.close(name, answers);
                answers.push((by, said(true)));
                self.drop_values(gone, effects);
            }
        }
        self.hand_out(from, effects);
        waits
    }

    fn act_on_variable(
        &mut self,
        by: Waiting,
        name: &str,
        act: VariableAct,
        value: Value,
        effects: &mut Effects,
    ) -> bool {
        let answers = &mut effects.answers;
        let gone = match act {
            VariableAct::Set => self.variables.set(name, value, by, answers),
            VariableAct::Get => return self.variables.get(name, by, answers),
            VariableAct::Delete => {
                let gone = self.variables.delete(name, answers);
                answers.push((by, said(gone.is_some())));
                gone
            }
        };
        self.drop_values(gone, effects);
        false
    }

    fn log(&mut self, by: Waiting, topics: &[String], value: &Value, effects: &mut Effects) {
        let time = now_us() as f64 / 1e6;
        for topic in topics {
            let (followers, dropped) = self.topics.log(topic, time, &value.body);
            self.bytes = (self.bytes + value.body.len()).saturating_sub(dropped);
            for follower in followers.iter().filter_map(|follower| self.streams.get(follower)) {
                follower.outbox.push_event(message::event(topic, time, &value.body));
            }
        }
        effects.answers.push((by, said(true)));
    }

    /// A request waits no longer.
    fn stop_waiting(&mut self, by: Waiting, op: &Op, effects: &mut Effects) {
        let from = effects.answers.len();
        match op {
            Op::Acquire { .. } => self.semaphores.withdraw(by),
            Op::Event { name, .. } => self.events.withdraw(name, by),
            Op::Variable { name, .. } => self.variables.withdraw(name, by),
            Op::Queue { name, .. } => {
                let gone = self.queues.withdraw(name, by, &mut effects.answers);
                self.drop_values(gone, effects);
                self.hand_out(from, effects);
            }
            // These are answered at once.
            _ => {}
        }
    }
}

impl Op {
    /// The names in it.
    fn names(&self) -> Vec<&str> {
        match self {
            Op::Acquire { names, lease, .. } => {
                names.iter().map(String::as_str).chain([lease.as_str()]).collect()
            }
            Op::Release { lease } => vec![lease],
            Op::Semaphore { name, .. }
            | Op::CloseSemaphore { name }
            | Op::Event { name, .. }
            | Op::Queue { name, .. }
            | Op::Variable { name, .. } => vec![name],
            Op::Metadata { keys, .. } => keys.iter().map(String::as_str).collect(),
            Op::Log { topics } => topics.iter().map(String::as_str).collect(),
            Op::Events { topic } => topic.iter().map(String::as_str).collect(),
            Op::Follow { topic } | Op::Unfollow { topic } => vec![topic],
            Op::Publish(kept) | Op::Setup(kept) => vec![&kept.name],
        }
    }

    /// Whether it may make something, or wait. What frees something is never refused.
    fn creates(&self) -> bool {
        matches!(
            self,
            Op::Acquire { .. }
                | Op::Event { act: EventAct::Set | EventAct::Wait, .. }
                | Op::Queue { act: QueueAct::Open | QueueAct::Put | QueueAct::Get, .. }
                | Op::Variable { act: VariableAct::Set | VariableAct::Get, .. }
                | Op::Metadata { act: MetadataAct::Set, .. }
                | Op::Log { .. }
                | Op::Follow { .. }
                | Op::Publish(Kept { act: KeptAct::Put, .. })
                | Op::Setup(Kept { act: KeptAct::Put, .. })
        )
    }

    /// Whether the value that comes with it is kept, or was for a moment.
    fn keeps_value(&self) -> bool {
        matches!(
            self,
            Op::Queue { act: QueueAct::Put, .. }
                | Op::Variable { act: VariableAct::Set, .. }
                | Op::Metadata { act: MetadataAct::Set, .. }
                | Op::Publish(Kept { act: KeptAct::Put, .. })
                | Op::Setup(Kept { act: KeptAct::Put, .. })
        )
    }
}
