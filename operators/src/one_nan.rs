//! Files are read with one NaN: [`crate::functions::one_nan`] says why.
//!
//! The operator is put above scans by the process that runs a plan, and has no wire form: planning, and what scans leave out
//! by statistics, do not change.

use crate::functions::one_nan::with_one_nan as array_with_one_nan;
use crate::{Plan, over_input};
use datafusion::arrow::array::RecordBatch;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan};
use futures::StreamExt;
use std::fmt;
use std::sync::Arc;

/// The plan, with one NaN in the floating-point columns of each scan.
///
/// # Errors
/// If an operator cannot be put together again.
pub fn with_one_nan(plan: Plan) -> Result<Plan> {
    let changed = plan.transform_up(|node| {
        let has_floats = node.schema().fields().iter().any(|field| field.data_type().is_floating());
        Ok(match has_floats && node.is::<DataSourceExec>() {
            true => Transformed::yes(Arc::new(OneNanExec { input: node }) as Plan),
            false => Transformed::no(node),
        })
    })?;
    Ok(changed.data)
}

/// Gives the rows of its input, with one NaN in floating-point columns.
#[derive(Debug)]
struct OneNanExec {
    input: Plan,
}

impl DisplayAs for OneNanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OneNanExec")
    }
}

impl ExecutionPlan for OneNanExec {
    over_input!("OneNanExec", |_, input| OneNanExec { input });

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let rows = self.input.execute(partition, context)?;
        let rows = rows.map(|batch| one_nan_of(batch?));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}

fn one_nan_of(batch: RecordBatch) -> Result<RecordBatch> {
    let changed: Vec<_> = batch.columns().iter().map(array_with_one_nan).collect();
    if changed.iter().all(Option::is_none) {
        return Ok(batch);
    }
    let columns = changed.into_iter().zip(batch.columns());
    let columns = columns.map(|(changed, column)| changed.unwrap_or_else(|| Arc::clone(column)));
    let options =
        datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns.collect(), &options)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::planning_context;
    use datafusion::arrow::array::AsArray;
    use datafusion::arrow::array::{ArrayRef, Float64Array};
    use datafusion::arrow::datatypes::Float64Type;
    use datafusion::physical_plan::collect;
    use datafusion::prelude::{col, lit};

    /// Scans are read with one NaN, and the other operators stay.
    #[tokio::test]
    async fn scans_are_read_with_one_nan() {
        let context = planning_context();
        let values: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN, -f64::NAN, 1.5]));
        let batch = RecordBatch::try_from_iter([("c", values)]).unwrap();
        let rows = context.read_batch(batch).unwrap().filter(col("c").gt(lit(0.0)));
        let plan = rows.unwrap().create_physical_plan().await.unwrap();
        let signs = |batches: &[RecordBatch]| -> Vec<bool> {
            let columns = batches.iter().map(|batch| batch.column(0).as_primitive::<Float64Type>());
            columns
                .flat_map(|column| {
                    column.values().iter().map(|value| value.is_sign_negative()).collect::<Vec<_>>()
                })
                .collect()
        };
        let raw = collect(Arc::clone(&plan), context.task_ctx()).await.unwrap();
        assert_eq!(signs(&raw), [false, false]);
        let one = collect(with_one_nan(plan).unwrap(), context.task_ctx()).await.unwrap();
        assert_eq!(signs(&one), [false; 3]);
    }
}
