//! The objects that a call reads: from this worker's store, from the memory of another worker of this node, or as a copy.

use crate::exec::failure::InputLost;
use crate::exec::fetch::{remote_messages, unreadable};
use crate::exec::inputs::TaskInputs;
use crate::exec::waits::waited;
use crate::memory::{FETCH_MESSAGES_MAX, SegmentPlace, own_node};
use crate::store;
use arrow_flight::decode::{DecodedPayload, FlightDataDecoder};
use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::Result;
use futures::stream::{self, StreamExt, TryStreamExt};
use partita_net::payload::{Header, Payload, PayloadError};
use partita_net::peer::{FetchTicket, Part};
use partita_shared::ids::{StageId, TaskId, WorkerId};
use partita_shared::message::Holder;
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

/// Objects that one call reads at once.
const OBJECTS_AT_ONCE: usize = 8;

/// An object that a call reads.
#[derive(Debug)]
pub(crate) struct ReadObject {
    pub(crate) stage: u32,
    pub(crate) index: u32,
    pub(crate) value: Object,
}

/// An object, or what stands for it.
#[derive(Debug)]
pub(crate) enum Object {
    /// A partition that a worker holds.
    Held(Payload),
    /// A small output, as it came with the task.
    Small(Arc<[u8]>),
}

impl TaskInputs {
    /// All objects that this task reads, each once.
    pub(crate) async fn objects(&self) -> Result<Vec<ReadObject>> {
        let mut wanted = BTreeMap::new();
        for (input, partitions) in &self.own {
            let Some(spec) = self.fragment.inputs.get(*input as usize) else { continue };
            wanted.extend(partitions.iter().map(|(at, holder)| ((spec.stage, *at), *holder)));
        }
        let read = wanted.into_iter().map(|((stage, index), holder)| async move {
            let value = match self.small.get(&(stage, index)) {
                Some(small) => Object::Small(Arc::clone(small)),
                None => Object::Held(self.object(stage, index, holder).await?),
            };
            Ok(ReadObject { stage, index, value })
        });
        stream::iter(read).buffered(OBJECTS_AT_ONCE).try_collect().await
    }

    /// One object that a worker holds. What comes from another worker, or from disk, is kept for the next calls.
    async fn object(&self, stage: u32, index: u32, holder: Holder) -> Result<Payload> {
        let stage = StageId { job: self.fragment.stage.job, index: stage };
        let task = TaskId { stage, index };
        let store = &self.source.store;
        let data = self.source.runtimes.data();
        let key = (task, holder.attempt);
        if holder.worker != self.source.peers.own() {
            return store.fetched(key, data, self.remote_object(task, holder)).await;
        }
        let found = self.found(task, holder.attempt, None)?;
        if found.bucket.sections.is_empty() {
            let payload = self.payload(task, holder.worker, &found.bucket.batches)?;
            return Ok(store.shareable(task, holder.attempt, payload));
        }
        let read = async {
            let rows = waited(store::rows(found), &self.waits.disk_us);
            let batches: Vec<RecordBatch> = rows.try_collect().await?;
            self.payload(task, holder.worker, &batches)
        };
        store.fetched(key, data, read).await
    }

    /// An object of another worker: its memory if that is on this node, else a copy.
    async fn remote_object(&self, task: TaskId, holder: Holder) -> Result<Payload> {
        let peers = &self.source.peers;
        let node = own_node().filter(|_| peers.shares_memory(holder.worker));
        if let Some(node) = node {
            let part = Part::Shared { node: node.to_string() };
            if let Some(payload) = self.fetch(task, holder, part).await? {
                return Ok(payload);
            }
            peers.set_apart(holder.worker);
        }
        let payload = self.fetch(task, holder, Part::All).await?;
        payload.ok_or_else(|| {
            InputLost::error(holder.worker, format!("the output of {task} was not sent"))
        })
    }

    /// What a worker answers. None if it says where the object lies, and this process cannot open that.
    async fn fetch(&self, task: TaskId, holder: Holder, part: Part) -> Result<Option<Payload>> {
        let tasks = vec![(task.index, holder.attempt)];
        let ticket = FetchTicket { stage: task.stage, part, tasks };
        let (source, fetched) = (&self.source, Arc::clone(&self.fetched_bytes));
        let messages = remote_messages(source, holder.worker, ticket, fetched, FETCH_MESSAGES_MAX);
        let messages = waited(messages, &self.waits.transfer_us);
        let mut answer = FlightDataDecoder::new(messages);
        let mut batches = Vec::new();
        while let Some(message) = answer.next().await {
            let message = message.map_err(|error| unreadable(holder.worker, error))?;
            match message.payload {
                DecodedPayload::Schema(schema) => {
                    let Some(place) = SegmentPlace::of_schema(&schema) else { continue };
                    let opened = place.map_err(Into::into).and_then(|at| self.open(&schema, &at));
                    return Ok(opened
                        .inspect_err(|error| {
                            tracing::debug!(%error, "cannot open memory of {}", holder.worker);
                        })
                        .ok());
                }
                DecodedPayload::RecordBatch(batch) => batches.push(batch),
                DecodedPayload::None => {}
            }
        }
        self.payload(task, holder.worker, &batches).map(Some)
    }

    /// The object with this schema whose place an answer tells.
    fn open(&self, schema: &Schema, place: &SegmentPlace) -> Result<Payload, Box<dyn Error>> {
        let header = Header::of(schema)?.ok_or(PayloadError::Rows)?;
        let bytes = self.source.store.segments().adopt(place.open()?, place.bytes)?;
        Ok(Payload::new(header, bytes)?)
    }

    /// An object as it lies in the store of a worker.
    fn payload(&self, task: TaskId, from: WorkerId, batches: &[RecordBatch]) -> Result<Payload> {
        let damaged = |cause: String| InputLost::error(from, cause);
        if batches.is_empty() {
            return Err(damaged(format!("the output of {task} is empty")));
        }
        let payload = self.source.store.object(batches);
        payload.map_err(|error| damaged(error.to_string()))
    }
}
