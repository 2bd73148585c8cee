//! Windows that slide along all rows, computed column by column.
//!
//! DataFusion's window operators compute each row's value as one of any type, in some hundred
//! nanoseconds. A `SlidingWindowExec` takes the place of such an operator where it has no
//! `PARTITION BY` and only functions of which this module knows a typed form: then a value costs
//! some nanoseconds. It is put in by the process that runs the plan, and has no wire form.
//!
//! The method is the queue of two stacks of Tangwongsan, Hirzel, Schneider and Wu, "General
//! incremental sliding-window aggregation" (VLDB 2015): values are joined, never taken away again,
//! so that sums of floating-point numbers do not drift and values that are no numbers leave a
//! window when they leave its rows.

mod bounds;
mod column;
mod fold;
mod rolling;
#[cfg(test)]
mod tests;

use crate::windows::window_exprs;
use crate::{Plan, forward_to};
pub(crate) use bounds::nanoseconds_of;
use column::Column;
pub(crate) use column::aggregate_of;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan};
use futures::{StreamExt, stream};
pub use rolling::rolling;
pub(crate) use rolling::span_of;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// The plan with a faster operator in the place of each window that may have one.
///
/// # Errors
/// If an operator cannot be put together again.
pub fn with_sliding_windows(plan: Plan) -> Result<Plan> {
    let changed = plan.transform_up(|node| {
        Ok(match SlidingWindowExec::of(&node) {
            Some(faster) => Transformed::yes(Arc::new(faster) as Plan),
            None => Transformed::no(node),
        })
    })?;
    Ok(changed.data)
}

/// A window operator of DataFusion, computed by columns.
#[derive(Debug)]
struct SlidingWindowExec {
    window: Plan,
    metrics: ExecutionPlanMetricsSet,
}

impl SlidingWindowExec {
    fn over(window: Plan) -> Self {
        SlidingWindowExec { window, metrics: ExecutionPlanMetricsSet::new() }
    }

    fn of(window: &Plan) -> Option<SlidingWindowExec> {
        let exprs = window_exprs(window)?;
        column::all(exprs, &window.children().first()?.schema())?;
        Some(SlidingWindowExec::over(Arc::clone(window)))
    }
}

impl DisplayAs for SlidingWindowExec {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SlidingWindowExec: ")?;
        self.window.fmt_as(kind, f)
    }
}

impl ExecutionPlan for SlidingWindowExec {
    fn name(&self) -> &'static str {
        "SlidingWindowExec"
    }

    forward_to!(window, |this: &Arc<Self>| Arc::clone(&this.window), |_: &Arc<Self>,
                                                                      window: Plan|
     -> Plan {
        Arc::new(SlidingWindowExec::over(window))
    });

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let no_window = || DataFusionError::Internal("a window that does not slide".to_string());
        let exprs = window_exprs(&self.window).ok_or_else(no_window)?;
        let children = self.children();
        let input = children.first().ok_or_else(no_window)?;
        let work = Work {
            columns: column::all(exprs, &input.schema()).ok_or_else(no_window)?,
            input: input.execute(partition, Arc::clone(&context))?,
            schema: self.schema(),
            pending: VecDeque::new(),
            taken: 0,
            given: 0,
            is_whole: false,
            metrics: BaselineMetrics::new(&self.metrics, partition),
            reservation: MemoryConsumer::new("SlidingWindowExec").register(context.memory_pool()),
        };
        let batches = stream::try_unfold(work, |mut work| async move {
            Ok(work.next().await?.map(|batch| (batch, work)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }
}

/// A partition under way.
struct Work {
    input: SendableRecordBatchStream,
    schema: SchemaRef,
    columns: Vec<Box<dyn Column>>,
    /// Rows that were taken and not given yet.
    pending: VecDeque<RecordBatch>,
    taken: usize,
    given: usize,
    /// Whether all rows were taken.
    is_whole: bool,
    metrics: BaselineMetrics,
    reservation: MemoryReservation,
}

impl Work {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.give()? {
                return Ok(Some(batch));
            }
            if self.is_whole {
                return Ok(None);
            }
            match self.input.next().await {
                Some(batch) => self.take(batch?)?,
                None => self.is_whole = true,
            }
        }
    }

    fn take(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let _timer = self.metrics.elapsed_compute().timer();
        self.columns.iter_mut().try_for_each(|column| column.take(&batch))?;
        self.taken += batch.num_rows();
        self.pending.push_back(batch);
        let kept = self.columns.iter().map(|column| column.bytes()).sum::<usize>();
        // The last batch is given as soon as it has come, unless its windows see rows after it.
        let waiting = self.pending.iter().skip(1).map(get_record_batch_memory_size);
        self.reservation.try_resize(kept + waiting.sum::<usize>())
    }

    /// The first of the rows that wait, with their values, if no window of them sees more than was taken.
    fn give(&mut self) -> Result<Option<RecordBatch>> {
        let _timer = self.metrics.elapsed_compute().timer();
        let ready = self.columns.iter().map(|column| column.ready(self.taken, self.is_whole));
        let ready = ready.min().unwrap_or(self.taken).saturating_sub(self.given);
        let Some(mut batch) = self.pending.pop_front() else { return Ok(None) };
        let rows = batch.num_rows();
        let count = rows.min(ready);
        if count < rows {
            self.pending.push_front(batch.slice(count, rows - count));
            batch = batch.slice(0, count);
        }
        if count == 0 {
            return Ok(None);
        }
        let (mut columns, to) = (batch.columns().to_vec(), self.given + count);
        for column in &mut self.columns {
            columns.push(column.give(self.given..to, self.taken)?);
        }
        self.given = to;
        self.metrics.record_output(count);
        Ok(Some(RecordBatch::try_new(Arc::clone(&self.schema), columns)?))
    }
}
