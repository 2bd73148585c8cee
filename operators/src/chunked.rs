//! Windows that are computed partition by partition.
//!
//! DataFusion's `WindowAggExec` keeps all rows, in no account, copies them into one batch and gives that
//! back as one. Its rows are in the order of the `PARTITION BY` keys. A `ChunkedWindowExec` takes its
//! place: it keeps whole partitions up to some megabytes, which it reserves, computes these and gives
//! them in batches. It is put in by the process that runs the plan, and has no wire form.

use crate::compact::compacted;
use crate::{Plan, forward_to};
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::compute::{concat, concat_batches, partition};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::window::WindowExpr;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::WindowAggExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan};
use futures::{StreamExt, stream};
use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Rows that are computed at once if they are whole partitions, in bytes.
const CHUNK_BYTES: usize = 4 << 20;

/// The plan with an operator that keeps few partitions in the place of each window that keeps all rows.
///
/// # Errors
/// If an operator cannot be put together again.
pub fn with_chunked_windows(plan: Plan) -> Result<Plan> {
    let changed = plan.transform_up(|node| {
        Ok(match node.downcast_ref::<WindowAggExec>() {
            Some(window) => {
                Transformed::yes(Arc::new(ChunkedWindowExec::over(window.clone())) as Plan)
            }
            None => Transformed::no(node),
        })
    })?;
    Ok(changed.data)
}

/// A window operator of DataFusion, computed partition by partition.
#[derive(Debug)]
struct ChunkedWindowExec {
    window: WindowAggExec,
    metrics: ExecutionPlanMetricsSet,
}

impl ChunkedWindowExec {
    fn over(window: WindowAggExec) -> Self {
        ChunkedWindowExec { window, metrics: ExecutionPlanMetricsSet::new() }
    }
}

impl DisplayAs for ChunkedWindowExec {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChunkedWindowExec: ")?;
        self.window.fmt_as(kind, f)
    }
}

impl ExecutionPlan for ChunkedWindowExec {
    fn name(&self) -> &'static str {
        "ChunkedWindowExec"
    }

    forward_to!(window, |this: &Arc<Self>| Arc::new(this.window.clone()), |_: &Arc<Self>,
                                                                           window: Plan|
     -> Plan {
        match window.downcast_ref::<WindowAggExec>() {
            Some(window) => Arc::new(ChunkedWindowExec::over(window.clone())),
            None => window,
        }
    });

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let work = Work {
            input: self.window.input().execute(partition, Arc::clone(&context))?,
            exprs: self.window.window_expr().to_vec(),
            schema: self.schema(),
            kept: Vec::new(),
            kept_bytes: 0,
            chunk_bytes: CHUNK_BYTES,
            ready: VecDeque::new(),
            is_whole: false,
            batch_size: context.session_config().batch_size().max(1),
            metrics: BaselineMetrics::new(&self.metrics, partition),
            reservation: MemoryConsumer::new("ChunkedWindowExec").register(context.memory_pool()),
        };
        let batches = stream::try_unfold(work, |mut work| async move {
            Ok(work.next().await?.map(|batch| (batch, work)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }
}

/// A partition of the plan under way.
struct Work {
    input: SendableRecordBatchStream,
    exprs: Vec<Arc<dyn WindowExpr>>,
    schema: SchemaRef,
    /// Rows that came and are not computed yet. They begin with a partition of the window.
    kept: Vec<RecordBatch>,
    kept_bytes: usize,
    /// How much is kept before it is looked for whole partitions: more where one is larger.
    chunk_bytes: usize,
    /// Rows with their values.
    ready: VecDeque<RecordBatch>,
    is_whole: bool,
    batch_size: usize,
    metrics: BaselineMetrics,
    reservation: MemoryReservation,
}

impl Work {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                self.metrics.record_output(batch.num_rows());
                return Ok(Some(batch));
            }
            if self.is_whole {
                self.reservation.free();
                return Ok(None);
            }
            match self.input.next().await {
                Some(batch) => self.keep(batch?)?,
                None => {
                    self.is_whole = true;
                    self.compute()?;
                }
            }
        }
    }

    fn keep(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.kept_bytes += get_record_batch_memory_size(&batch);
        self.kept.push(batch);
        // For a while there are the batches, all of them in one, and their values.
        self.reservation.try_resize(3 * self.kept_bytes)?;
        if self.kept_bytes < self.chunk_bytes || self.keys().is_empty() {
            return Ok(());
        }
        self.compute()
    }

    fn keys(&self) -> &[Arc<dyn PhysicalExpr>] {
        self.exprs.first().map_or(&[], |expr| expr.partition_by())
    }

    /// Computes the partitions that are whole: all if no row is to come, else all but the last.
    fn compute(&mut self) -> Result<()> {
        let elapsed = self.metrics.elapsed_compute().clone();
        let _timer = elapsed.timer();
        if self.kept.is_empty() {
            return Ok(());
        }
        let rows = concat_batches(self.kept[0].schema_ref(), &self.kept)?;
        let count = rows.num_rows();
        let keys = self.keys().iter().map(|key| key.evaluate(&rows)?.into_array(count));
        let mut ranges = match keys.collect::<Result<Vec<ArrayRef>>>()? {
            keys if keys.is_empty() => std::iter::once(0..count).collect(),
            keys => partition(&keys)?.ranges(),
        };
        let rest = if self.is_whole { None } else { ranges.pop() };
        self.kept.clear();
        let done = rest.as_ref().map_or(rows.num_rows(), |rest| rest.start);
        if !ranges.is_empty() {
            self.give(&rows.slice(0, done), &ranges)?;
        }
        self.kept_bytes = 0;
        if let Some(rest) = rest {
            // A copy: the other rows must not be kept for it.
            let rest = concat_batches(rows.schema_ref(), &[rows.slice(rest.start, rest.len())])?;
            let rest = compacted(rest, 1)?;
            self.kept_bytes = get_record_batch_memory_size(&rest);
            self.kept.push(rest);
        }
        // A large partition is looked through once for each time that it doubles, not for each batch.
        self.chunk_bytes = CHUNK_BYTES.max(2 * self.kept_bytes);
        Ok(())
    }

    fn give(&mut self, rows: &RecordBatch, ranges: &[Range<usize>]) -> Result<()> {
        let mut columns = rows.columns().to_vec();
        for expr in &self.exprs {
            let values = ranges.iter().map(|range| {
                let of_one = rows.slice(range.start, range.len());
                expr.evaluate(&of_one)
            });
            let values = values.collect::<Result<Vec<ArrayRef>>>()?;
            let values: Vec<_> = values.iter().map(AsRef::as_ref).collect();
            columns.push(concat(&values)?);
        }
        let all = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        let starts = (0..all.num_rows()).step_by(self.batch_size);
        let pieces = starts.map(|at| all.slice(at, self.batch_size.min(all.num_rows() - at)));
        self.ready.extend(pieces);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::planning_context;
    use datafusion::error::DataFusionError;
    use datafusion::execution::memory_pool::GreedyMemoryPool;
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    use datafusion::physical_plan::{collect, displayable};
    use datafusion::prelude::{SessionConfig, SessionContext};

    const WINDOWS: [&str; 5] = [
        "avg(v) over (partition by k)",
        "sum(n) over (partition by k, big order by n rows between 1 following and unbounded following)",
        "count(*) over (partition by big)",
        "ntile(7) over (partition by k order by v), cume_dist() over (partition by k order by v)",
        "max(v) over (), sum(n) over (partition by 7)",
    ];

    fn limited(bytes: usize) -> SessionContext {
        let pool = Arc::new(GreedyMemoryPool::new(bytes));
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc();
        SessionContext::new_with_config_rt(SessionConfig::new(), runtime.expect("a runtime"))
    }

    async fn plans(select: &str, window: &str, rows: usize) -> (Plan, Plan) {
        let planning = planning_context();
        let sql = select.replace(
            "ROWS",
            &format!(
                "(select n, k, {window} from (select value as n, sin(value % 4001) as v,
                case when value % 50 = 7 then null else value / 11 end as k,
                value > {rows} / 3 as big from generate_series(1, {rows})))"
            ),
        );
        let plan = planning.sql(&sql).await.expect("sql").create_physical_plan().await;
        let plan = plan.expect("a plan");
        let chunked = with_chunked_windows(Arc::clone(&plan)).expect("a plan");
        let text = displayable(chunked.as_ref()).indent(false).to_string();
        assert!(text.contains("ChunkedWindowExec"), "{window}\n{text}");
        (plan, chunked)
    }

    /// The values are those of DataFusion's operator, also where a partition is larger than a chunk.
    #[tokio::test]
    async fn values_are_the_same() {
        for window in WINDOWS {
            let (plan, chunked) = plans("select * from ROWS order by n", window, 300_000).await;
            let rows = async |plan: &Plan| {
                let context = SessionContext::new().task_ctx();
                let batches = collect(Arc::clone(plan), context).await.expect("rows");
                concat_batches(&plan.schema(), &batches).expect("one batch")
            };
            assert_eq!(rows(&plan).await, rows(&chunked).await, "{window}");
        }
    }

    /// Many partitions take no more memory than a chunk of them; one that does not fit is an error.
    #[tokio::test]
    async fn partitions_that_do_not_fit_are_refused() {
        let sum = "select count(*), sum(w) from ROWS";
        let (_, small) = plans(sum, "avg(v) over (partition by k) as w", 1_000_000).await;
        let rows = collect(small, limited(40 << 20).task_ctx()).await;
        rows.expect("room for some partitions at a time");
        let (_, large) = plans(sum, "avg(v) over (partition by 7) as w", 1_000_000).await;
        let refused = collect(large, limited(16 << 20).task_ctx()).await;
        let refused = refused.expect_err("no room for all rows");
        let root = refused.find_root();
        assert!(matches!(root, DataFusionError::ResourcesExhausted(_)), "{refused}");
        assert!(root.to_string().contains("ChunkedWindowExec"), "{refused}");
    }
}
