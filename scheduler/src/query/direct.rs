//! Large result partitions that a client reads straight from their holders.
//!
//! The client's stream carries, in the place of such a partition's rows, a message that says where it
//! is. What became of it the client tells over its control link, and the next partition's turn comes.
//! A client that cannot reach a worker gets that partition, and the rest, through the scheduler.

use crate::query::QueryError;
use arrow_flight::FlightData;
use datafusion::arrow::ipc;
use flatbuffers::FlatBufferBuilder;
use partita_net::peer::FetchTicket;
use partita_shared::endpoint::Endpoint;
use partita_shared::ids::JobId;
use partita_shared::message::Direct;
use partita_shared::wire;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// The smallest partition that is not passed on through the scheduler, in bytes in memory. A smaller
/// one is there sooner than a connection to its holder.
pub(crate) const DIRECT_BYTES_MIN: u64 = 8 << 20;

/// What became of a partition that a client was sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ack {
    /// It has all of it.
    Taken {
        /// The rows.
        rows: u64,
    },
    /// It has nothing of it: its holder could not be reached or does not hold it.
    Unreachable(String),
    /// It has a part of it.
    Broken(String),
}

/// Who waits for a client's word.
#[derive(Debug, Default)]
pub(crate) struct Acks(Mutex<HashMap<(JobId, u32), oneshot::Sender<Ack>>>);

impl Acks {
    fn lock(&self) -> MutexGuard<'_, HashMap<(JobId, u32), oneshot::Sender<Ack>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the word on a partition.
    pub(crate) fn expect(&self, job: JobId, index: u32) -> Expected<'_> {
        let (sender, receiver) = oneshot::channel();
        self.lock().insert((job, index), sender);
        Expected { acks: self, of: (job, index), receiver }
    }

    /// The word has come. False if nobody waits for it.
    pub(crate) fn tell(&self, job: JobId, index: u32, ack: Ack) -> bool {
        let waiting = self.lock().remove(&(job, index));
        waiting.is_some_and(|waiting| waiting.send(ack).is_ok())
    }
}

/// A word that is waited for until this is dropped.
#[derive(Debug)]
pub(crate) struct Expected<'a> {
    acks: &'a Acks,
    of: (JobId, u32),
    pub(crate) receiver: oneshot::Receiver<Ack>,
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        self.acks.lock().remove(&self.of);
    }
}

/// The message that sends a client to a holder: one without rows, so that no decoder minds it.
pub(crate) fn message(
    index: u32,
    address: &Endpoint,
    ticket: &FetchTicket,
) -> Result<FlightData, QueryError> {
    let failed = |error: wire::WireError| QueryError::Failed(error.to_string());
    let ticket = wire::encode(ticket).map_err(failed)?;
    let direct = Direct { index, address: address.clone(), ticket };
    let metadata = wire::encode(&direct).map_err(failed)?;
    let mut builder = FlatBufferBuilder::new();
    let mut message = ipc::MessageBuilder::new(&mut builder);
    message.add_version(ipc::MetadataVersion::V5);
    message.add_header_type(ipc::MessageHeader::NONE);
    let message = message.finish();
    builder.finish(message, None);
    Ok(FlightData::new()
        .with_data_header(builder.finished_data().to_vec())
        .with_app_metadata(metadata))
}
