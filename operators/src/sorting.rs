//! Sorting of rows that fit into memory, all at once.
//!
//! DataFusion's sort by several keys sorts each batch that comes and merges them row by row. A
//! shuffle delivers many small batches, and the merge takes most of the time. A `WholeSortExec`
//! replaces such a sort: it sorts all rows by the first key, and then those with equal first keys
//! by the other keys. A sort that exceeds memory falls back to DataFusion's spilling sort. The
//! process that runs the plan substitutes the operator, which has no wire form.
//!
//! DataFusion keeps the first rows of an order in a heap, which cannot spill, and which takes longer than a
//! sort if it is large. So a sort with a large limit is a sort of all rows with a limit above it.

use crate::compact::compacted;
use crate::progress::{ProgressExtension, Source};
use crate::width::expected_row_bytes;
use crate::{Plan, forward_to};
use datafusion::arrow::array::{
    Array, ArrayRef, DynComparator, RecordBatch, UInt32Array, make_comparator,
};
use datafusion::arrow::compute::{
    SortColumn, concat_batches, partition, sort_to_indices, take, take_record_batch,
};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::LexOrdering;
use datafusion::physical_plan::limit::LocalLimitExec;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties,
};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of rows that are sorted at once: DataFusion sorts larger inputs.
const WHOLE_BYTES_MAX: usize = 1 << 30;

/// What a row in the heap of a limited sort takes beside its columns, in bytes: its key, and its place.
const HEAP_ROW_BYTES: usize = 128;

/// Texts that use less than this part of the buffers behind them are copied before they are sorted.
const COMPACTED_PART: usize = 2;

/// The plan with an operator that sorts at once in the place of each sort that may be one. A sort with
/// a limit stays one as long as its rows are expected to take no more than `heap_bytes_max`.
///
/// # Errors
/// If an operator cannot be put together again.
pub fn with_whole_sorts(plan: Plan, heap_bytes_max: usize) -> Result<Plan> {
    let changed = plan.transform_up(|node| {
        let whole = |sort: Plan| match WholeSortExec::of(&sort) {
            Some(whole) => Arc::new(whole) as Plan,
            None => sort,
        };
        let Some(sort) = node.downcast_ref::<SortExec>() else { return Ok(Transformed::no(node)) };
        Ok(match sort.fetch().filter(|rows| heap_bytes(*rows, &sort.schema()) > heap_bytes_max) {
            Some(rows) => {
                let all = SortExec::new(sort.expr().clone(), Arc::clone(sort.input()));
                let all = all.with_preserve_partitioning(sort.preserve_partitioning());
                Transformed::yes(Arc::new(LocalLimitExec::new(whole(Arc::new(all)), rows)) as Plan)
            }
            None => Transformed::yes(whole(node)),
        })
    })?;
    Ok(changed.data)
}

/// The bytes that `rows` rows are expected to take in the heap of a limited sort.
fn heap_bytes(rows: usize, schema: &SchemaRef) -> usize {
    rows.saturating_mul(HEAP_ROW_BYTES + expected_row_bytes(schema))
}

/// A sort of DataFusion, done at once where there is memory for it.
#[derive(Debug)]
struct WholeSortExec {
    sort: SortExec,
    metrics: ExecutionPlanMetricsSet,
}

impl WholeSortExec {
    fn of(plan: &Plan) -> Option<WholeSortExec> {
        let sort = plan.downcast_ref::<SortExec>()?;
        let input = sort.input();
        let is_by_partition =
            sort.preserve_partitioning() || input.output_partitioning().partition_count() == 1;
        let key = sort.expr().first().expr.data_type(&input.schema()).ok()?;
        let has_order = key.is_primitive()
            || matches!(key, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        if !is_by_partition || !has_order || sort.fetch().is_some() {
            return None;
        }
        Some(WholeSortExec { sort: sort.clone(), metrics: ExecutionPlanMetricsSet::new() })
    }
}

impl DisplayAs for WholeSortExec {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WholeSortExec: ")?;
        self.sort.fmt_as(kind, f)
    }
}

impl ExecutionPlan for WholeSortExec {
    fn name(&self) -> &'static str {
        "WholeSortExec"
    }

    forward_to!(sort, |this: &Arc<Self>| Arc::new(this.sort.clone()), |_: &Arc<Self>,
                                                                       sort: Plan|
     -> Plan {
        match WholeSortExec::of(&sort) {
            Some(whole) => Arc::new(whole),
            None => sort,
        }
    });

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let rows = self.sort.input().execute(partition, Arc::clone(&context))?;
        let ordering = self.sort.expr().clone();
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        // It makes way for others as what spills does: by going on elsewhere.
        let consumer = MemoryConsumer::new("WholeSortExec").with_can_spill(true);
        let reservation = consumer.register(context.memory_pool());
        let extension = context.session_config().get_extension::<ProgressExtension>();
        let given = extension.map(|progress| progress.0.sorted(self.schema().fields().len()));
        let told = given.clone();
        let work = Work { schema: self.schema(), ordering, reservation, metrics, given };
        // Readers give the texts of a batch in the buffers of whole pages, which would be counted with each batch,
        // and kept until all of them are sorted.
        let compact = rows.map(|batch| compacted(batch?, COMPACTED_PART));
        let rows = Box::pin(RecordBatchStreamAdapter::new(self.sort.input().schema(), compact));
        let sorted = stream::once(work.sorted(rows, context)).try_flatten();
        let sorted = sorted.inspect_ok(move |batch| {
            if let Some(told) = &told {
                told.read(batch.num_rows() as u64);
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), sorted)))
    }
}

/// A partition under way.
struct Work {
    schema: SchemaRef,
    ordering: LexOrdering,
    reservation: MemoryReservation,
    metrics: BaselineMetrics,
    /// What counts the rows that are given.
    given: Option<Arc<Source>>,
}

impl Work {
    async fn sorted(
        self,
        mut rows: SendableRecordBatchStream,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let mut kept = Kept::default();
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            let is_much = !kept.push(batch);
            // For a while there are the batches and all of them in one.
            let is_short = is_much || self.reservation.try_resize(2 * kept.bytes).is_err();
            if is_short {
                return self.sorted_elsewhere(kept, rows, context);
            }
        }
        drop(rows);
        if let Some(given) = &self.given {
            given.know(kept.batches.iter().map(|batch| batch.num_rows() as u64).sum(), 1);
        }
        self.sorted_at_once(kept, context.session_config().batch_size())
    }

    fn sorted_at_once(self, kept: Kept, batch_size: usize) -> Result<SendableRecordBatchStream> {
        let Work { schema, ordering, reservation, metrics, .. } = self;
        let timer = metrics.elapsed_compute().timer();
        let all = concat_batches(&schema, &kept.batches)?;
        drop(kept);
        let places = places(&all, &ordering)?;
        let bytes = get_record_batch_memory_size(&all) + places.get_array_memory_size();
        reservation.try_resize(bytes.min(reservation.size()))?;
        timer.done();
        let chunks = (0..places.len()).step_by(batch_size.max(1)).map(move |from| {
            let _timer = metrics.elapsed_compute().timer();
            // The rows are on the account until the last of them is given.
            let _whole = &reservation;
            let chunk = places.slice(from, batch_size.min(places.len() - from));
            metrics.record_output(chunk.len());
            Ok(take_record_batch(&all, &chunk)?)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream::iter(chunks))))
    }

    /// Sorted by DataFusion, which spills: the rows that are here already, and those to come.
    fn sorted_elsewhere(
        self,
        kept: Kept,
        rows: SendableRecordBatchStream,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let Work { schema, ordering, reservation, metrics, .. } = self;
        // The batches go over to the sort, which begins with a reservation of its own.
        drop(reservation);
        let all = Box::pin(stream::iter(kept.batches.into_iter().map(Ok)).chain(rows));
        let source: Plan = Arc::new(Once::source(schema, all)?);
        let sorted = SortExec::new(ordering, source).execute(0, context)?;
        let schema = sorted.schema();
        let counted = sorted.inspect_ok(move |batch| metrics.record_output(batch.num_rows()));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, counted)))
    }
}

#[derive(Default)]
struct Kept {
    batches: VecDeque<RecordBatch>,
    rows: usize,
    bytes: usize,
}

impl Kept {
    /// Keeps a batch. Whether no more are kept than may be sorted at once.
    fn push(&mut self, batch: RecordBatch) -> bool {
        self.rows += batch.num_rows();
        self.bytes += get_record_batch_memory_size(&batch);
        self.batches.push_back(batch);
        self.bytes <= WHOLE_BYTES_MAX && u32::try_from(self.rows).is_ok()
    }
}

/// The places of the rows in their order.
fn places(rows: &RecordBatch, ordering: &LexOrdering) -> Result<UInt32Array> {
    let columns = ordering
        .iter()
        .map(|key| key.evaluate_to_sort_column(rows))
        .collect::<Result<Vec<SortColumn>>>()?;
    let Some((first, others)) = columns.split_first() else {
        return Err(DataFusionError::Internal("the order has no key".to_string()));
    };
    let places = sort_to_indices(&first.values, first.options, None)?;
    if others.is_empty() || places.is_empty() {
        return Ok(places);
    }
    let sorted: ArrayRef = take(&first.values, &places, None)?;
    let comparator = |column: &SortColumn| {
        let options = column.options.unwrap_or_default();
        make_comparator(column.values.as_ref(), column.values.as_ref(), options)
    };
    let others: Vec<DynComparator> = others.iter().map(comparator).collect::<Result<_, _>>()?;
    let compare = |one: &u32, other: &u32| {
        let orders = others.iter().map(|compare| compare(*one as usize, *other as usize));
        orders.fold(Ordering::Equal, Ordering::then)
    };
    let mut places = places.values().to_vec();
    for alike in partition(&[sorted])?.ranges() {
        if let Some(alike) = places.get_mut(alike).filter(|alike| alike.len() > 1) {
            alike.sort_unstable_by(compare);
        }
    }
    Ok(UInt32Array::from(places))
}

type Batches = std::pin::Pin<Box<dyn Stream<Item = Result<RecordBatch>> + Send>>;

/// A stream that is read once, as the leaf of a plan.
pub(crate) struct Once {
    schema: SchemaRef,
    batches: Mutex<Option<Batches>>,
}

impl Once {
    /// The leaf that gives these batches.
    pub(crate) fn source(schema: SchemaRef, batches: Batches) -> Result<StreamingTableExec> {
        let once = Once { schema: Arc::clone(&schema), batches: Mutex::new(Some(batches)) };
        StreamingTableExec::try_new(schema, vec![Arc::new(once)], None, None, false, None)
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Once")
    }
}

impl PartitionStream for Once {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner).take();
        let batches = batches.unwrap_or_else(|| Box::pin(stream::empty()));
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::planning_context;
    use datafusion::execution::memory_pool::GreedyMemoryPool;
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    use datafusion::physical_plan::{collect, displayable};
    use datafusion::prelude::{SessionConfig, SessionContext};

    const ROWS: &str =
        "select case when value % 50 = 7 then null else value * 7919 % 1009 end as k,
            sin(value % 4001) as v, cast(value * 31 % 777 as varchar) as txt,
            arrow_cast(value / 500 * 60, 'Timestamp(Second, None)') as at, value as n
        from generate_series(0, 60000)";

    async fn sorted(order: &str, context: &SessionContext) -> (RecordBatch, RecordBatch) {
        let planning = planning_context();
        let sql = format!("select * from ({ROWS}) order by {order}");
        let plan = planning.sql(&sql).await.expect("sql").create_physical_plan().await;
        let plan = plan.expect("a plan");
        let whole = with_whole_sorts(Arc::clone(&plan), 0).expect("a plan");
        let text = displayable(whole.as_ref()).indent(false).to_string();
        assert!(text.contains("WholeSortExec"), "{order}\n{text}");
        let rows = async |plan: Plan, context: &SessionContext| {
            let batches = collect(Arc::clone(&plan), context.task_ctx()).await.expect("rows");
            concat_batches(&plan.schema(), &batches).expect("one batch")
        };
        (rows(plan, &SessionContext::new()).await, rows(whole, context).await)
    }

    const ORDERS: [&str; 6] = [
        "n desc",
        "k, n",
        "k desc nulls last, v, n desc",
        "txt desc, k nulls first, n",
        "at, txt, n",
        "v, at desc, n",
    ];

    /// All rows are in the same order as DataFusion sorts them, by one key and by several.
    #[tokio::test]
    async fn rows_are_sorted_at_once() {
        for order in ORDERS {
            let (theirs, ours) = sorted(order, &SessionContext::new()).await;
            assert_eq!(theirs, ours, "{order}");
        }
    }

    /// A large limit is one of all rows, which can spill, and gives the same rows; a small one stays
    /// with the sort.
    #[tokio::test]
    async fn a_large_limit_sorts_all_rows() {
        let planning = planning_context();
        let pool = Arc::new(GreedyMemoryPool::new(3 << 20));
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc();
        let mut config = SessionConfig::new().with_batch_size(1024);
        config.options_mut().execution.sort_spill_reservation_bytes = 200 << 10;
        let tight = SessionContext::new_with_config_rt(config, runtime.expect("a runtime"));
        for (order, limit) in [("n desc", 50_000), ("k, n", 60_000), ("txt desc, n", 60_001)] {
            let sql = format!("select * from ({ROWS}) order by {order} limit {limit}");
            let plan = planning.sql(&sql).await.expect("sql").create_physical_plan().await;
            let plan = plan.expect("a plan");
            let text = |plan: &Plan| displayable(plan.as_ref()).indent(false).to_string();
            let heap = with_whole_sorts(Arc::clone(&plan), 64 << 20).expect("a plan");
            assert_eq!(text(&heap), text(&plan));
            let all = with_whole_sorts(Arc::clone(&plan), 4 << 20).expect("a plan");
            let shown = text(&all);
            assert!(shown.contains("LocalLimitExec") && !shown.contains("TopK"), "{shown}");
            let theirs = collect(plan, SessionContext::new().task_ctx()).await.expect("rows");
            let ours = collect(Arc::clone(&all), tight.task_ctx()).await.expect("rows");
            let one = |batches: &[RecordBatch]| concat_batches(&all.schema(), batches);
            assert_eq!(one(&theirs).expect("rows"), one(&ours).expect("rows"), "{order}");
        }
    }

    /// Where memory is short they are sorted as well: on the disk.
    #[tokio::test]
    async fn rows_that_do_not_fit_are_sorted_elsewhere() {
        for order in ORDERS {
            let pool = Arc::new(GreedyMemoryPool::new(3 << 20));
            let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc();
            let mut config = SessionConfig::new().with_batch_size(1024);
            config.options_mut().execution.sort_spill_reservation_bytes = 200 << 10;
            let context = SessionContext::new_with_config_rt(config, runtime.expect("a runtime"));
            let (theirs, ours) = sorted(order, &context).await;
            assert_eq!(theirs, ours, "{order}");
        }
    }
}
