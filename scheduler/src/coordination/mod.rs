//! What clients coordinate themselves by: semaphores and locks, events, queues, variables, metadata, topics, and values
//! that are kept by name.
//!
//! Each client has a stream of requests and answers of its own ([`stream`]). What the clients share is one state
//! ([`Coordination`]) of plain collections that wait for nobody: a request is answered at once, or when another one makes it
//! possible. When a stream ends, its waiting requests are dropped and its leases are released. Values with futures in them
//! keep the results of these ([`crate::functions::Sharing`]).

mod events;
mod kept;
mod message;
mod outbox;
mod queues;
mod semaphores;
mod state;
mod stream;
mod variables;

pub(crate) use state::Coordination;
pub(crate) use stream::{is_hello, serve};

/// A request that waits: the stream, and its number there.
type Waiting = (u64, u64);

/// A value that the cluster keeps.
#[derive(Clone, Debug, PartialEq)]
struct Value {
    body: bytes::Bytes,
    /// Results that it needs, which are pinned while it is kept.
    futures: Vec<crate::functions::Place>,
}

/// What a request is answered.
#[derive(Clone, Debug, PartialEq)]
enum Answer {
    /// A result, in JSON.
    Result(serde_json::Value),
    /// Values, each with what describes it.
    Values(Vec<(Value, serde_json::Value)>),
    /// It cannot be done.
    Failed(Failure, String),
}

/// Why a request cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// Its time is over.
    Timeout,
    /// It makes no sense.
    Invalid,
    /// There is no room.
    Full,
    /// What it names is not there, or was closed.
    Gone,
    /// Its client does not want the answer any more.
    Withdrawn,
    /// What it would make already exists.
    Exists,
}

impl Failure {
    fn code(self) -> &'static str {
        match self {
            Failure::Timeout => "timeout",
            Failure::Invalid => "invalid",
            Failure::Full => "full",
            Failure::Gone => "gone",
            Failure::Withdrawn => "withdrawn",
            Failure::Exists => "exists",
        }
    }
}

/// Answers to requests, in order.
type Answers = Vec<(Waiting, Answer)>;

/// A result that says no more than that.
fn said(value: impl Into<serde_json::Value>) -> Answer {
    Answer::Result(value.into())
}

/// A value, with nothing more to say of it.
fn one(value: Value) -> Answer {
    Answer::Values(vec![(value, serde_json::Value::Null)])
}
