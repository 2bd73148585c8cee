//! How a client uploads a partition: the command of its `DoPut`.
//!
//! It is written in JSON inside the `Any` of Flight SQL's commands, so that clients in any language
//! can make it with little.

use arrow_flight::sql::Any;
use futures::stream::{self, BoxStream, StreamExt};
use partita_shared::endpoint::Endpoint;
use partita_shared::ids::{JobId, StageId, TaskId};
use prost::Message;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

/// The type that the command has in its `Any`.
pub const TYPE_URL: &str = "type.googleapis.com/partita.Upload";

/// Which partition it is, and who shall hold it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadCommand {
    /// The job that stands for the table, or to which a value belongs.
    pub job: u32,
    /// The stage of a value.
    #[serde(default)]
    pub stage: u32,
    /// The partition.
    pub index: u32,
    /// Where the worker is that shall hold it.
    pub address: Endpoint,
}

/// Only the messages. If one cannot be made, the stream does not end, since the receiver would take
/// its end for success; the error is returned separately.
pub fn unbroken<T, E>(
    messages: BoxStream<'static, Result<T, E>>,
) -> (BoxStream<'static, T>, oneshot::Receiver<E>)
where
    T: Send + 'static,
    E: Send + 'static,
{
    let (sender, broken) = oneshot::channel();
    let messages = stream::unfold((messages, Some(sender)), |(mut messages, mut sender)| async {
        match messages.next().await? {
            Ok(message) => Some((message, (messages, sender))),
            Err(error) => {
                if let Some(sender) = sender.take() {
                    let _ = sender.send(error);
                }
                std::future::pending().await
            }
        }
    });
    (messages.boxed(), broken)
}

impl UploadCommand {
    /// The task that stands for the partition.
    pub fn task(&self) -> TaskId {
        TaskId { stage: StageId { job: JobId(self.job), index: self.stage }, index: self.index }
    }

    /// The command as the bytes of a Flight descriptor.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let value = serde_json::to_vec(self)?.into();
        Ok(Any { type_url: TYPE_URL.to_string(), value }.encode_to_vec())
    }

    /// Reads a command; none if it is another one.
    ///
    /// # Errors
    /// If it is one and cannot be read.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, String> {
        match Any::decode(bytes) {
            Ok(any) if any.type_url == TYPE_URL => Self::from_json(&any.value).map(Some),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// Reads what is in the `Any`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn from_json(json: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(json).map_err(|error| format!("cannot read the upload: {error}"))
    }
}
