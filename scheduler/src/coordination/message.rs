//! The messages of the stream, in the form of [`crate::flight::exchange`].

use crate::coordination::{Answer, Value};
use crate::flight::exchange;
use crate::functions::Place;
use arrow_flight::FlightData;
use bytes::Bytes;
use serde::Deserialize;
use std::time::Duration;

/// The first message of each side.
pub(super) const HELLO: u8 = 16;
/// A request, and its answer.
const REQUEST: u8 = 17;
const ANSWER: u8 = 17;
/// The client does not want an answer any more; the request cannot be done.
const WITHDRAW: u8 = 18;
const FAILED: u8 = 18;
/// A message of a topic.
const EVENT: u8 = 19;

/// What a client says.
#[derive(Debug)]
pub(super) enum FromClient {
    Request(Box<Request>),
    Withdraw(u64),
}

/// A request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) number: u64,
    pub(super) timeout: Option<Duration>,
    pub(super) op: Op,
    /// The value that it brings.
    pub(super) value: Value,
}

#[derive(Deserialize)]
struct RequestHeader {
    request: u64,
    #[serde(default)]
    timeout: Option<f64>,
    #[serde(default)]
    futures: Vec<Place>,
    #[serde(flatten)]
    op: Op,
}

#[derive(Deserialize)]
struct WithdrawHeader {
    request: u64,
}

/// What is asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(super) enum Op {
    /// One lease of some of these semaphores, which have room for `max` leases.
    Acquire {
        names: Vec<String>,
        need: usize,
        max: u32,
        lease: String,
    },
    Release {
        lease: String,
    },
    /// How many leases of a semaphore are taken.
    Semaphore {
        name: String,
        max: u32,
    },
    CloseSemaphore {
        name: String,
    },
    Event {
        name: String,
        #[serde(rename = "do")]
        act: EventAct,
    },
    Queue {
        name: String,
        #[serde(rename = "do")]
        act: QueueAct,
        #[serde(default)]
        maxsize: usize,
        #[serde(default)]
        batch: Option<Batch>,
        /// Whether a value goes to the front, whatever the queue holds: its reader gives it back.
        #[serde(default)]
        front: bool,
        /// Whether the queue ends with its client.
        #[serde(default)]
        own: bool,
        /// Whether a value is refused if the queue is not there.
        #[serde(default)]
        existing: bool,
    },
    Variable {
        name: String,
        #[serde(rename = "do")]
        act: VariableAct,
    },
    Metadata {
        #[serde(rename = "do")]
        act: MetadataAct,
        keys: Vec<String>,
    },
    /// Puts a message into topics.
    Log {
        topics: Vec<String>,
    },
    /// The messages of a topic, or of all.
    Events {
        topic: Option<String>,
    },
    Follow {
        topic: String,
    },
    Unfollow {
        topic: String,
    },
    /// Values that users publish.
    Publish(Kept),
    /// Files and plugins that functions need.
    Setup(Kept),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum EventAct {
    Set,
    Clear,
    IsSet,
    Wait,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum QueueAct {
    Open,
    Put,
    Get,
    Size,
    Close,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum VariableAct {
    Set,
    Get,
    Delete,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum MetadataAct {
    Set,
    Get,
}

/// How many values are taken from a queue: this many, or all that it holds.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Batch {
    Count(usize),
    All(bool),
}

/// An operation on values that are kept by name.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Kept {
    #[serde(rename = "do")]
    pub(super) act: KeptAct,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default, rename = "override")]
    pub(super) replaces: bool,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum KeptAct {
    Put,
    Get,
    Delete,
    List,
}

impl FromClient {
    /// Reads a message.
    ///
    /// # Errors
    /// If it cannot be read, with the reason.
    pub(super) fn read(message: Bytes) -> Result<Self, String> {
        let (kind, header, parts) = exchange::Parts::open(message)?;
        match kind {
            REQUEST => {
                let header: RequestHeader = exchange::header(&header)?;
                let timeout = header.timeout.map(|seconds| {
                    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
                });
                let value = Value { body: parts.rest(), futures: header.futures };
                let (number, op) = (header.request, header.op);
                Ok(FromClient::Request(Box::new(Request { number, timeout, op, value })))
            }
            WITHDRAW => {
                Ok(FromClient::Withdraw(exchange::header::<WithdrawHeader>(&header)?.request))
            }
            other => Err(format!("kind {other} is not known")),
        }
    }
}

/// The answer to the first message.
pub(super) fn hello() -> FlightData {
    exchange::message(HELLO, &serde_json::json!({}), &[])
}

/// The message with an answer.
pub(super) fn answer(request: u64, answer: Answer) -> FlightData {
    match answer {
        Answer::Result(result) => {
            let header = serde_json::json!({"request": request, "result": result});
            exchange::message(ANSWER, &header, &[])
        }
        Answer::Values(values) => {
            let described = values.iter().map(|(value, about)| {
                let mut header =
                    serde_json::json!({"bytes": value.body.len(), "futures": value.futures});
                if let (Some(header), Some(about)) = (header.as_object_mut(), about.as_object()) {
                    header.extend(about.clone());
                }
                header
            });
            let described: Vec<serde_json::Value> = described.collect();
            let header = serde_json::json!({"request": request, "values": described});
            let bodies: Vec<&[u8]> = values.iter().map(|(value, _)| &value.body[..]).collect();
            exchange::message(ANSWER, &header, &bodies.concat())
        }
        Answer::Failed(kind, error) => {
            let header =
                serde_json::json!({"request": request, "kind": kind.code(), "error": error});
            exchange::message(FAILED, &header, &[])
        }
    }
}

/// The message about a message of a topic.
pub(super) fn event(topic: &str, time: f64, body: &[u8]) -> FlightData {
    exchange::message(EVENT, &serde_json::json!({"topic": topic, "time": time}), body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> Result<FromClient, String> {
        let length = (header.len() as u32).to_le_bytes();
        FromClient::read([&[REQUEST], &length[..], header.as_bytes(), b"body"].concat().into())
    }

    /// Operations are read with their options, and unknown ones are refused.
    #[test]
    fn requests_are_read() {
        let text = r#"{"request": 3, "op": "queue", "do": "get", "name": "q", "batch": true, "timeout": 0.5, "futures": [[1, 2, 3]]}"#;
        let Ok(FromClient::Request(request)) = read(text) else { panic!() };
        assert_eq!((request.number, request.timeout), (3, Some(Duration::from_millis(500))));
        assert_eq!(request.value.futures, [Place(1, 2, 3)]);
        assert_eq!(&request.value.body[..], b"body");
        let Op::Queue { act: QueueAct::Get, batch: Some(Batch::All(true)), .. } = request.op else {
            panic!()
        };
        let text = r#"{"request": 4, "op": "publish", "do": "put", "name": "n", "override": true}"#;
        let Ok(FromClient::Request(request)) = read(text) else { panic!() };
        let Op::Publish(Kept { act: KeptAct::Put, replaces: true, .. }) = request.op else {
            panic!()
        };
        assert!(read(r#"{"request": 5, "op": "explode"}"#).is_err());
    }
}
