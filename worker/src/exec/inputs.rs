//! The rows that a task reads: from this worker's store by reference, from others by Flight.

use crate::exec::failure::InputLost;
use crate::exec::fetch::remote;
use crate::exec::stage::Stage;
use crate::exec::waits::{Waits, waited};
use crate::memory::FETCH_MESSAGES_MAX;
use crate::peers::Peers;
use crate::runtimes::Runtimes;
use crate::store::{self, Found, Store};
use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream::{self, Stream, StreamExt};
use partita_net::peer::{FetchTicket, Part};
use partita_operators::progress::Progress;
use partita_plan::exchange::{Inputs, Selection};
use partita_shared::ids::{Attempt, StageId, TaskId, WorkerId};
use partita_shared::message::{Fragment, Holder, OwnInput, RunTask};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

/// Messages of one fetch that may wait to be decoded where a merge reads many at once.
const MERGED_MESSAGES_MAX: usize = 1;

/// How long a task may go from batch to batch without looking up.
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(20);

/// Where the tasks of this worker read their inputs.
#[derive(Clone, Debug)]
pub(crate) struct InputSource {
    pub(crate) store: Arc<Store>,
    pub(crate) peers: Arc<Peers>,
    pub(crate) runtimes: Arc<Runtimes>,
    /// Workers that one task reads an input from at once.
    pub(crate) fetches: usize,
}

impl InputSource {
    /// What an attempt of a task of this stage may read.
    pub(crate) fn for_task(
        &self,
        stage: &Stage,
        task: &RunTask,
        (waits, progress): (Waits, Arc<Progress>),
    ) -> TaskInputs {
        TaskInputs {
            source: self.clone(),
            fragment: Arc::clone(&stage.fragment),
            locations: stage.locations(),
            own: by_input(&task.own),
            small: small_values(stage, &task.own),
            fetched_bytes: Arc::default(),
            waits,
            progress,
        }
    }
}

/// What one task may read.
#[derive(Debug)]
pub(crate) struct TaskInputs {
    pub(super) source: InputSource,
    pub(super) fragment: Arc<Fragment>,
    /// The holders of inputs that are read whole, by input.
    pub(crate) locations: BTreeMap<u32, Arc<Vec<Holder>>>,
    /// The holders of what this task alone reads, by input.
    pub(super) own: BTreeMap<u32, Vec<(u32, Holder)>>,
    /// The small ones among what this task alone reads, by stage and index: they came with the task.
    pub(super) small: BTreeMap<(u32, u32), Arc<[u8]>>,
    /// What was read from other workers so far.
    pub(crate) fetched_bytes: Arc<AtomicU64>,
    pub(super) waits: Waits,
    pub(super) progress: Arc<Progress>,
}

/// The partitions in a message, by the input that they belong to.
fn by_input(own: &[OwnInput]) -> BTreeMap<u32, Vec<(u32, Holder)>> {
    own.iter().map(|own| (own.input, own.partitions.clone())).collect()
}

/// The small values in a message.
fn small_values(stage: &Stage, own: &[OwnInput]) -> BTreeMap<(u32, u32), Arc<[u8]>> {
    let inputs = &stage.fragment.inputs;
    let of_input = |own: &OwnInput| {
        let from = inputs.get(own.input as usize).map(|input| input.stage);
        let values = own.values.iter().map(|(index, value)| (*index, Arc::clone(value)));
        from.map(|from| {
            values.map(move |(index, value)| ((from, index), value)).collect::<Vec<_>>()
        })
    };
    own.iter().filter_map(of_input).flatten().collect()
}

impl TaskInputs {
    /// What this worker holds.
    pub(super) fn found(
        &self,
        task: TaskId,
        attempt: Attempt,
        bucket: Option<u32>,
    ) -> Result<Found> {
        let gone = || {
            let cause = format!("the output of {task} is not available");
            InputLost::error(self.source.peers.own(), cause)
        };
        self.source.store.get(task, attempt, bucket).ok_or_else(gone)
    }

    /// The partitions that a selection means, with their holders.
    fn partitions(&self, input: u32, selection: Selection) -> Vec<(u32, Holder)> {
        if let Some(own) = self.own.get(&input) {
            return own.clone();
        }
        let Some(holders) = self.locations.get(&input) else { return Vec::new() };
        match selection {
            Selection::Partition(partition) => holders
                .get(partition as usize)
                .map(|holder| vec![(partition, *holder)])
                .unwrap_or_default(),
            Selection::Bucket(_) | Selection::All => {
                holders.iter().enumerate().map(|(at, holder)| (at as u32, *holder)).collect()
            }
        }
    }
}

#[async_trait]
impl Inputs for TaskInputs {
    fn read(
        &self,
        input: u32,
        selection: Selection,
        schema: SchemaRef,
    ) -> Result<SendableRecordBatchStream> {
        let spec = self.fragment.inputs.get(input as usize).ok_or_else(|| {
            DataFusionError::Internal(format!("the fragment has no input {input}"))
        })?;
        let persisted = self.fragment.persisted.iter().find(|(number, _)| *number == input);
        let own = StageId { job: self.fragment.stage.job, index: spec.stage };
        let stage = persisted.map_or(own, |(_, stage)| *stage);
        let wanted = self.partitions(input, selection);
        let progress = self.progress.source(schema.fields().len(), wanted.len() as u64);
        let (bucket, messages_max) = match selection {
            Selection::Bucket(bucket) => (Some(bucket), FETCH_MESSAGES_MAX),
            Selection::All => (None, FETCH_MESSAGES_MAX),
            Selection::Partition(_) => (None, MERGED_MESSAGES_MAX),
        };
        let mut here = Vec::new();
        let mut elsewhere: BTreeMap<WorkerId, Vec<(u32, u16)>> = BTreeMap::new();
        let this = self.source.peers.own();
        for (partition, holder) in wanted {
            if holder.worker == this {
                here.push((partition, holder.attempt));
            } else {
                elsewhere.entry(holder.worker).or_default().push((partition, holder.attempt));
            }
        }
        let mut held = Vec::new();
        for (index, attempt) in here {
            let task = TaskId { stage, index };
            let found = self.found(task, attempt, bucket)?;
            progress.know(found.rows(), 1);
            held.push(found);
        }
        // One partition of this worker after the other, each opened when it is its turn: only one
        // of them waits between the disk and the reader.
        let near = waited(stream::iter(held).flat_map(store::rows), &self.waits.disk_us);
        let (source, fetched) = (self.source.clone(), Arc::clone(&self.fetched_bytes));
        let (fetches, expected_rows) = (source.fetches, Arc::clone(&progress));
        let far = stream::iter(elsewhere)
            .map(move |(worker, tasks)| {
                let part = bucket.map_or(Part::All, Part::Bucket);
                let ticket = FetchTicket { stage, part, tasks };
                let counted = (Arc::clone(&fetched), Arc::clone(&expected_rows));
                remote(&source, worker, ticket, counted, messages_max)
            })
            .flatten_unordered(fetches);
        let far = waited(far, &self.waits.transfer_us);
        // Batches carry the schema of the task that made them, which may say less or more of
        // nullability than the plan of this one; the plan's counts here.
        let expected = Arc::clone(&schema);
        let rows = stream::select(near, far).map(move |batch| {
            let batch = batch?;
            progress.read(batch.num_rows() as u64);
            with_schema(batch, &expected)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, looking_up(rows))))
    }
}

/// Has the task look up now and then, also where all its batches lie in memory and it never has to
/// wait: only there can it be stopped.
fn looking_up(
    rows: impl Stream<Item = Result<RecordBatch>> + Send + 'static,
) -> impl Stream<Item = Result<RecordBatch>> + Send + 'static {
    let mut last = Instant::now();
    rows.then(move |batch| {
        let due = last.elapsed() >= LOOK_UP_INTERVAL;
        if due {
            last = Instant::now();
        }
        async move {
            if due {
                tokio::task::yield_now().await;
            }
            batch
        }
    })
}

fn with_schema(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if batch.schema_ref() == schema {
        return Ok(batch);
    }
    let rows =
        datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let columns = batch.columns().to_vec();
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &rows)?)
}
