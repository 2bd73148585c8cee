//! What tasks of windows over ranges run.
//!
//! An [`EdgeExec`] gives the last or the first rows of each partition, which the tasks of its
//! neighbours read. A [`HaloExec`] puts such rows before and after the rows of a partition; the
//! windows stand above it. A [`TrimExec`] at the top takes away what the windows gave for them. It
//! learns how many they are through the context in which it has its input run.

use super::Reach;
use crate::{Plan, over_input, plain_operator};
use datafusion::arrow::array::{Array, AsArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning,
    PlanProperties,
};
use futures::{StreamExt, TryFutureExt, TryStreamExt, stream};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The column of an edge's rows that says which partition they are from.
const PARTITION: &str = "partition";

/// Which rows of a partition an edge has.
#[derive(Clone, Debug, PartialEq)]
pub enum Edge {
    /// The first N rows.
    First(usize),
    /// Those that windows after the partition see, by the key in this column.
    Last {
        /// How far the windows see.
        reach: Reach,
        /// The column of the key.
        key: usize,
        /// Whether the greatest key comes first.
        descending: bool,
    },
}

/// Gives an edge of each partition, with the partition's number.
#[derive(Debug)]
pub struct EdgeExec {
    /// The partitions.
    pub input: Plan,
    /// Which rows of each it gives.
    pub edge: Edge,
    properties: Arc<PlanProperties>,
}

impl EdgeExec {
    /// The edge of each partition of `input`.
    pub fn new(input: Plan, edge: Edge) -> Self {
        let mut fields = input.schema().fields().to_vec();
        fields.push(Arc::new(Field::new(PARTITION, DataType::UInt32, false)));
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::new(Schema::new(fields))),
            Partitioning::UnknownPartitioning(input.output_partitioning().partition_count()),
            EmissionType::Final,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        EdgeExec { input, edge, properties: Arc::new(properties) }
    }
}

/// An operator over these children, of which it must have `N`.
pub fn children_of<const N: usize>(children: Vec<Plan>) -> Result<[Plan; N]> {
    children.try_into().map_err(|_| {
        DataFusionError::Internal("an operator has an unexpected number of children".to_string())
    })
}

impl DisplayAs for EdgeExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.edge {
            Edge::First(rows) => write!(f, "EdgeExec: first {rows} rows"),
            Edge::Last { reach, .. } => write!(f, "EdgeExec: last rows, for a window that {reach}"),
        }
    }
}

impl ExecutionPlan for EdgeExec {
    fn name(&self) -> &'static str {
        "EdgeExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Plan> {
        vec![&self.input]
    }

    plain_operator!(|this: &Arc<Self>, children| {
        let [input] = children_of(children)?;
        Ok(Arc::new(EdgeExec::new(input, this.edge.clone())) as Plan)
    });

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let mut rows = self.input.execute(partition, Arc::clone(&context))?;
        let (edge, schema) = (self.edge.clone(), self.schema());
        let mut kept = Kept::new("EdgeExec", &context);
        let made = Arc::clone(&schema);
        let work = async move {
            while let Some(batch) = rows.next().await {
                let batch = batch?;
                if batch.num_rows() == 0 {
                    continue;
                }
                kept.push(batch)?;
                match &edge {
                    Edge::First(wanted) if kept.rows >= *wanted => break,
                    Edge::First(_) => {}
                    Edge::Last { reach, key, descending } => {
                        let start = kept.start(reach, *key, *descending)?;
                        kept.drop_before(start)?;
                    }
                }
            }
            let (start, count) = match &edge {
                Edge::First(wanted) => (0, kept.rows.min(*wanted)),
                Edge::Last { reach, key, descending } => {
                    let start = kept.start(reach, *key, *descending)?;
                    (start, kept.rows - start)
                }
            };
            numbered(&kept.slice(start, count), partition, &made)
        };
        let stream = stream::once(work).try_filter_map(|batch| async move { Ok(batch) });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }
}

/// These rows, in memory of their own, with the number of their partition.
fn numbered(
    batches: &[RecordBatch],
    partition: usize,
    schema: &SchemaRef,
) -> Result<Option<RecordBatch>> {
    let Some(first) = batches.first() else { return Ok(None) };
    let rows = concat_batches(&first.schema(), batches)?;
    let number = UInt32Array::from_value(partition as u32, rows.num_rows());
    let mut columns = rows.columns().to_vec();
    columns.push(Arc::new(number));
    Ok(Some(RecordBatch::try_new(Arc::clone(schema), columns)?))
}

/// Batches in memory, on the account of the task.
pub(super) struct Kept {
    pub(super) batches: VecDeque<RecordBatch>,
    rows: usize,
    reservation: MemoryReservation,
}

impl Kept {
    pub(super) fn new(owner: &str, context: &TaskContext) -> Kept {
        let reservation = MemoryConsumer::new(owner).register(context.memory_pool());
        Kept { batches: VecDeque::new(), rows: 0, reservation }
    }

    fn push(&mut self, batch: RecordBatch) -> Result<()> {
        self.reservation.try_grow(batch.get_array_memory_size())?;
        self.rows += batch.num_rows();
        self.batches.push_back(batch);
        Ok(())
    }

    /// Some of the rows, one batch after the other. They are on the account until the last of them is given.
    fn given(
        self,
        start: usize,
        count: usize,
    ) -> impl futures::Stream<Item = Result<RecordBatch>> + Send + 'static {
        let slices = self.slice(start, count);
        let reservation = self.reservation;
        stream::iter(slices.into_iter().map(move |batch| {
            let _held = &reservation;
            Ok(batch)
        }))
    }

    /// Drops the batches that lie wholly before this row.
    fn drop_before(&mut self, mut start: usize) -> Result<()> {
        while let Some(first) = self.batches.front() {
            let (rows, bytes) = (first.num_rows(), first.get_array_memory_size());
            if rows > start {
                break;
            }
            start -= rows;
            self.rows -= rows;
            self.reservation.try_shrink(bytes)?;
            self.batches.pop_front();
        }
        Ok(())
    }

    /// The first of the rows that windows after all of them see.
    fn start(&self, reach: &Reach, key: usize, descending: bool) -> Result<usize> {
        let seen = match reach.distances.is_empty() {
            true => self.rows,
            false => self.first_seen(reach, key, descending)?,
        };
        Ok(seen.saturating_sub(reach.before))
    }

    /// The first row whose key windows after all rows see.
    fn first_seen(&self, reach: &Reach, key: usize, descending: bool) -> Result<usize> {
        let Some(last) = self.batches.back() else { return Ok(0) };
        let last = ScalarValue::try_from_array(last.column(key), last.num_rows() - 1)?;
        // Missing keys are the last or the first of all, and see only each other.
        let bound = match reach.bound(&last, descending) {
            Some(bound) if !bound.is_null() => bound,
            Some(_) => return Ok(self.rows),
            None => return Ok(0),
        };
        let mut first = self.rows;
        for batch in self.batches.iter().rev() {
            let keys = batch.column(key);
            let unseen = unseen(keys.as_ref(), &bound, descending)?;
            first -= batch.num_rows() - unseen;
            if unseen > 0 {
                break;
            }
        }
        Ok(first)
    }

    fn slice(&self, start: usize, count: usize) -> Vec<RecordBatch> {
        let mut slices = Vec::new();
        let mut first = 0;
        for batch in &self.batches {
            let from = start.clamp(first, first + batch.num_rows());
            let to = (start + count).clamp(first, first + batch.num_rows());
            if from < to {
                slices.push(batch.slice(from - first, to - from));
            }
            first += batch.num_rows();
        }
        slices
    }
}

/// How many of these keys, which are in order, are before the bound.
fn unseen(keys: &dyn Array, bound: &ScalarValue, descending: bool) -> Result<usize> {
    let (mut low, mut high) = (0, keys.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let is_before = match keys.is_null(middle) {
            // Only those that come first are found before a key that is not missing.
            true => true,
            false => {
                let key = ScalarValue::try_from_array(keys, middle)?;
                let order = key.partial_cmp(bound);
                order
                    == Some(if descending {
                        std::cmp::Ordering::Greater
                    } else {
                        std::cmp::Ordering::Less
                    })
            }
        };
        if is_before { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

/// How many rows a [`HaloExec`] has put before a partition, and how many of its own it has given.
#[derive(Debug, Default)]
struct Counts {
    before: AtomicUsize,
    own: AtomicUsize,
}

/// Gives the edges of the partitions before, a partition, and the edges of those after it.
#[derive(Debug)]
pub struct HaloExec {
    /// The partition, then the edges before it and after it, as far as these are wanted.
    children: Vec<Plan>,
    /// How many of the last rows before it are wanted, where their number alone counts.
    pub before: Option<usize>,
    /// Whether there are edges before the partition.
    pub has_before: bool,
}

impl HaloExec {
    /// A partition, and its edges.
    ///
    /// # Errors
    /// If there is no partition or too many edges.
    pub fn try_new(children: Vec<Plan>, before: Option<usize>, has_before: bool) -> Result<Self> {
        if !(1 + usize::from(has_before)..=2 + usize::from(has_before)).contains(&children.len()) {
            return Err(DataFusionError::Internal(
                "a partition has an unexpected number of edges".to_string(),
            ));
        }
        Ok(HaloExec { children, before, has_before })
    }

    fn edges(
        &self,
        child: Option<&Plan>,
        context: &Arc<TaskContext>,
    ) -> Result<Option<SendableRecordBatchStream>> {
        child.map(|edges| edges.execute(0, Arc::clone(context))).transpose()
    }
}

/// The rows of edges, in the order of their partitions.
pub(super) async fn sorted(
    edges: Option<SendableRecordBatchStream>,
    schema: SchemaRef,
    mut kept: Kept,
) -> Result<Kept> {
    let Some(mut edges) = edges else { return Ok(kept) };
    let mut found = Vec::new();
    while let Some(batch) = edges.next().await {
        let batch = batch?;
        if batch.num_rows() > 0 {
            kept.reservation.try_grow(batch.get_array_memory_size())?;
            found.push((partition(&batch)?, batch));
        }
    }
    found.sort_by_key(|(partition, _)| *partition);
    for (_, batch) in found {
        let columns = batch.columns().get(..schema.fields().len()).unwrap_or_default().to_vec();
        kept.rows += batch.num_rows();
        kept.batches.push_back(RecordBatch::try_new(Arc::clone(&schema), columns)?);
    }
    Ok(kept)
}

/// The partition that an edge is of.
fn partition(edge: &RecordBatch) -> Result<u32> {
    partitions(edge)?
        .first()
        .copied()
        .ok_or_else(|| DataFusionError::Internal("an edge has no partition".to_string()))
}

/// The partitions that the rows of edges are of.
pub(super) fn partitions(edges: &RecordBatch) -> Result<&[u32]> {
    let numbers = edges.columns().last().and_then(|column| column.as_primitive_opt::<UInt32Type>());
    let numbers = numbers
        .ok_or_else(|| DataFusionError::Internal("edges have no partition numbers".to_string()))?;
    Ok(numbers.values())
}

impl DisplayAs for HaloExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HaloExec: adds rows of neighbouring partitions")
    }
}

impl ExecutionPlan for HaloExec {
    fn name(&self) -> &'static str {
        "HaloExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.children[0].properties()
    }

    fn children(&self) -> Vec<&Plan> {
        self.children.iter().collect()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        (0..self.children.len()).map(|child| child == 0).collect()
    }

    plain_operator!(|this: &Arc<Self>, children| {
        Ok(Arc::new(HaloExec::try_new(children, this.before, this.has_before)?) as Plan)
    });

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let counts = context.session_config().get_extension::<Counts>().unwrap_or_default();
        let mut edges = self.children.iter().skip(1);
        let before = if self.has_before { edges.next() } else { None };
        let before = self.edges(before, &context)?;
        let after = self.edges(edges.next(), &context)?;
        let own = self.children[0].execute(partition, Arc::clone(&context))?;
        let schema = self.schema();
        let (wanted, counted) = (self.before, Arc::clone(&counts));
        let before = sorted(before, Arc::clone(&schema), Kept::new("HaloExec", &context));
        let before = before.map_ok(move |kept| {
            let start = wanted.map_or(0, |wanted| kept.rows.saturating_sub(wanted));
            let count = kept.rows - start;
            counted.before.store(count, Ordering::Release);
            kept.given(start, count)
        });
        let own = own.inspect_ok(move |batch| {
            counts.own.fetch_add(batch.num_rows(), Ordering::AcqRel);
        });
        let after = sorted(after, Arc::clone(&schema), Kept::new("HaloExec", &context));
        let after = after.map_ok(|kept| {
            let count = kept.rows;
            kept.given(0, count)
        });
        let all = before.try_flatten_stream().chain(own).chain(after.try_flatten_stream());
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, all)))
    }
}

/// Gives what its input gives for the rows of a partition, without that for the rows around it.
#[derive(Debug)]
pub struct TrimExec {
    /// The windows above a [`HaloExec`].
    pub input: Plan,
}

impl DisplayAs for TrimExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrimExec: removes rows of neighbouring partitions")
    }
}

impl ExecutionPlan for TrimExec {
    over_input!("TrimExec", |_, input| TrimExec { input });

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let counts = Arc::new(Counts::default());
        let context = with_counts(&context, Arc::clone(&counts));
        let rows = self.input.execute(partition, Arc::new(context))?;
        let mut seen = 0;
        let own = rows.map_ok(move |batch| {
            let (first, count) = (seen, batch.num_rows());
            seen += count;
            // For each row that comes here one went into the windows before: while rows of the
            // partition still go in, none of those after it can have come.
            let start = counts.before.load(Ordering::Acquire);
            let end = start + counts.own.load(Ordering::Acquire);
            let from = start.clamp(first, first + count);
            let to = end.clamp(from, first + count);
            batch.slice(from - first, to - from)
        });
        let own = own.try_filter(|batch| std::future::ready(batch.num_rows() > 0));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), own)))
    }
}

/// The same context, in which this is counted.
fn with_counts(context: &TaskContext, counts: Arc<Counts>) -> TaskContext {
    TaskContext::new(
        context.task_id(),
        context.session_id(),
        context.session_config().clone().with_extension(counts),
        context.scalar_functions().clone(),
        context.higher_order_functions().clone(),
        context.aggregate_functions().clone(),
        context.window_functions().clone(),
        context.runtime_env(),
    )
}
