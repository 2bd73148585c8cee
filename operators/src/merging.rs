//! Merging many sorted partitions in levels.
//!
//! A merge has some batches of each of its inputs in memory. Where there are too many inputs for that, a
//! `LevelledMergeExec` takes the place of DataFusion's merge: it merges some inputs at a time, each time into a
//! file, and then the files, as a sort does that spilled. It is put in by the process that runs the plan, and
//! has no wire form.

use crate::{Plan, forward_to};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, SpillMetrics};
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::sorts::streaming_merge::{SortedSpillFile, StreamingMergeBuilder};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, EmptyRecordBatchStream, ExecutionPlan, ExecutionPlanProperties,
    SpillManager,
};
use futures::{StreamExt, TryStreamExt, stream};
use std::fmt;
use std::sync::Arc;

/// The least inputs that are merged at once: with fewer, rows would be written again and again.
const INPUTS_MIN: usize = 4;

/// The plan with an operator that merges in levels in the place of each merge of more than `inputs_max` inputs.
///
/// # Errors
/// If an operator cannot be put together again.
pub fn with_levelled_merges(plan: Plan, inputs_max: usize) -> Result<Plan> {
    let inputs_max = inputs_max.max(INPUTS_MIN);
    let changed = plan.transform_up(|node| {
        let merge = node.downcast_ref::<SortPreservingMergeExec>();
        Ok(match merge.filter(|merge| inputs(merge) > inputs_max) {
            Some(merge) => {
                let merge = LevelledMergeExec::over(merge.clone(), inputs_max);
                Transformed::yes(Arc::new(merge) as Plan)
            }
            None => Transformed::no(node),
        })
    })?;
    Ok(changed.data)
}

fn inputs(merge: &SortPreservingMergeExec) -> usize {
    merge.input().output_partitioning().partition_count()
}

/// A merge of DataFusion, done in levels.
#[derive(Debug)]
struct LevelledMergeExec {
    merge: SortPreservingMergeExec,
    inputs_max: usize,
    metrics: ExecutionPlanMetricsSet,
}

impl LevelledMergeExec {
    fn over(merge: SortPreservingMergeExec, inputs_max: usize) -> Self {
        LevelledMergeExec { merge, inputs_max, metrics: ExecutionPlanMetricsSet::new() }
    }
}

impl DisplayAs for LevelledMergeExec {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LevelledMergeExec: ")?;
        self.merge.fmt_as(kind, f)
    }
}

impl ExecutionPlan for LevelledMergeExec {
    fn name(&self) -> &'static str {
        "LevelledMergeExec"
    }

    forward_to!(merge, |this: &Arc<Self>| Arc::new(this.merge.clone()), |this: &Arc<Self>,
                                                                         merge: Plan|
     -> Plan {
        match merge.downcast_ref::<SortPreservingMergeExec>() {
            Some(merge) => Arc::new(LevelledMergeExec::over(merge.clone(), this.inputs_max)),
            None => merge,
        }
    });

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let spilled = SpillMetrics::new(&self.metrics, partition);
        let spill = SpillManager::new(context.runtime_env(), spilled, self.schema())
            .with_compression_type(context.session_config().spill_compression());
        let work = Work {
            merge: self.merge.clone(),
            inputs_max: self.inputs_max,
            metrics: BaselineMetrics::new(&self.metrics, partition),
            spill,
            context,
        };
        let merged = stream::once(work.merged()).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), merged)))
    }
}

/// A merge under way.
struct Work {
    merge: SortPreservingMergeExec,
    inputs_max: usize,
    metrics: BaselineMetrics,
    spill: SpillManager,
    context: Arc<TaskContext>,
}

impl Work {
    async fn merged(self) -> Result<SendableRecordBatchStream> {
        let count = inputs(&self.merge);
        let mut files = Vec::new();
        for first in (0..count).step_by(self.inputs_max) {
            let end = count.min(first + self.inputs_max);
            files.extend(self.write_merged(first..end).await?);
        }
        if files.is_empty() {
            return Ok(Box::pin(EmptyRecordBatchStream::new(self.merge.schema())));
        }
        self.builder(self.metrics.clone())
            .with_sorted_spill_files(files)
            .with_spill_manager(self.spill.clone())
            .build()
    }

    fn builder(&self, metrics: BaselineMetrics) -> StreamingMergeBuilder<'_> {
        let consumer = MemoryConsumer::new("LevelledMergeExec");
        StreamingMergeBuilder::new()
            .with_schema(self.merge.schema())
            .with_expressions(self.merge.expr())
            .with_batch_size(self.context.session_config().batch_size())
            .with_fetch(self.merge.fetch())
            .with_metrics(metrics)
            .with_reservation(consumer.register(self.context.memory_pool()))
    }

    /// Merges some inputs into a file. None if they have no rows.
    async fn write_merged(
        &self,
        inputs: std::ops::Range<usize>,
    ) -> Result<Option<SortedSpillFile>> {
        let read = |at| self.merge.input().execute(at, Arc::clone(&self.context));
        let streams = inputs.map(read).collect::<Result<Vec<_>>>()?;
        // Of what goes to the files nothing is this operator's output.
        let metrics = self.metrics.intermediate();
        let mut rows = self.builder(metrics).with_streams(streams).build()?;
        let mut file = self.spill.create_in_progress_file("merging in levels")?;
        let mut max_record_batch_memory = 0;
        while let Some(batch) = rows.next().await {
            max_record_batch_memory = max_record_batch_memory.max(file.append_batch(&batch?)?);
        }
        let file = file.finish()?;
        Ok(file.map(|file| SortedSpillFile { file, max_record_batch_memory }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::planning_context;
    use datafusion::arrow::compute::concat_batches;
    use datafusion::arrow::record_batch::RecordBatch;
    use datafusion::execution::memory_pool::GreedyMemoryPool;
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    use datafusion::physical_plan::{collect, displayable};
    use datafusion::prelude::{SessionConfig, SessionContext};

    /// Nine partitions of about 24 times `scale` rows, one of them without rows.
    fn rows(scale: usize) -> String {
        let part = |at: usize| {
            format!(
                "select value * 9 + {at} as n, cast(value * 31 % 777 as varchar) as t,
                case when value % 50 = 7 then null else value * 7919 % 1009 end as k
                from generate_series(1, {})",
                if at == 4 { 0 } else { scale * (20 + at) }
            )
        };
        (0..9).map(part).collect::<Vec<_>>().join(" union all ")
    }

    async fn merged(query: &str, context: &SessionContext) -> (RecordBatch, RecordBatch) {
        // Two plans: parts of one that has run keep their state.
        let plan = async || {
            let frame = planning_context().sql(query).await.expect("sql");
            frame.create_physical_plan().await.expect("a plan")
        };
        let levelled = with_levelled_merges(plan().await, 4).expect("a plan");
        let text = displayable(levelled.as_ref()).indent(false).to_string();
        assert!(text.contains("LevelledMergeExec"), "{query}\n{text}");
        let rows = async |plan: Plan, context: &SessionContext| {
            let batches = collect(Arc::clone(&plan), context.task_ctx()).await.expect("rows");
            concat_batches(&plan.schema(), &batches).expect("one batch")
        };
        (rows(plan().await, &SessionContext::new()).await, rows(levelled, context).await)
    }

    /// All rows are in the same order as DataFusion merges them, by one key and by several, also where only
    /// the first are wanted and where there are none.
    #[tokio::test]
    async fn rows_are_merged_in_levels() {
        let some = rows(100);
        for rest in [
            "order by n",
            "order by k desc nulls last, n",
            "order by t, n desc",
            "order by k, n limit 100",
            "order by k, n limit 10 offset 9000",
        ] {
            let query = format!("select * from ({some}) {rest}");
            let (theirs, ours) = merged(&query, &SessionContext::new()).await;
            assert_eq!(theirs, ours, "{rest}");
            assert!(ours.num_rows() > 0, "{rest}");
        }
        let query = format!("select * from ({}) order by n", rows(0));
        let (theirs, ours) = merged(&query, &SessionContext::new()).await;
        assert_eq!((theirs.num_rows(), ours.num_rows()), (0, 0));
    }

    /// A few batches of some inputs are all that is reserved.
    #[tokio::test]
    async fn a_merge_in_levels_takes_little_memory() {
        let pool = Arc::new(GreedyMemoryPool::new(4 << 20));
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc();
        let mut config = SessionConfig::new().with_batch_size(512);
        config.options_mut().execution.sort_spill_reservation_bytes = 100 << 10;
        let tight = SessionContext::new_with_config_rt(config, runtime.expect("a runtime"));
        let query = format!("select * from ({}) order by t, n", rows(100));
        let (theirs, ours) = merged(&query, &tight).await;
        assert_eq!(theirs, ours);
    }
}
