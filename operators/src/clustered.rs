//! Rows with equal values of some columns one after another, each in the order in which they came.
//!
//! DataFusion writes a table that is partitioned by values into as many files at once as there are values,
//! each with buffers of its own. Sorted by these values, the rows need one file at a time.

use crate::compact::compacted;
use crate::sorting::{Once, with_whole_sorts};
use datafusion::arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::{StreamExt, TryStreamExt};
use std::sync::Arc;

/// The column of the rows' numbers. Whatever its name, it is found by its place.
const NUMBER: &str = "row number";

/// The rows in the order of these columns, and among equal ones in the order in which they come. Spills.
///
/// # Errors
/// If there is no such column. Later trouble comes in the stream.
pub fn clustered(
    rows: SendableRecordBatchStream,
    columns: &[usize],
    context: Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    let schema = rows.schema();
    let number = schema.fields().len();
    let numbered = with_number(&schema);
    let to_numbered = Arc::clone(&numbered);
    let mut next = 0_u64;
    let all = rows.map(move |batch| {
        // What a merge gives holds the texts of all the batches that it reads.
        let batch = compacted(batch?, 1)?;
        let first = next;
        next += batch.num_rows() as u64;
        let numbers: ArrayRef = Arc::new(UInt64Array::from_iter_values(first..next));
        let columns = batch.columns().iter().cloned().chain([numbers]).collect();
        Ok(RecordBatch::try_new(Arc::clone(&to_numbered), columns)?)
    });
    let source: Arc<dyn ExecutionPlan> =
        Arc::new(Once::source(Arc::clone(&numbered), all.boxed())?);
    let key = |at: &usize| {
        let column = Column::new(numbered.field(*at).name(), *at);
        PhysicalSortExpr::new(Arc::new(column), SortOptions::default())
    };
    let ordering = LexOrdering::new(columns.iter().chain([&number]).map(key))
        .ok_or_else(|| DataFusionError::Internal("the order has no key".to_string()))?;
    let sort = with_whole_sorts(Arc::new(SortExec::new(ordering, source)), usize::MAX)?;
    let kept: Vec<usize> = (0..number).collect();
    let sorted = execute_stream(sort, context)?;
    let sorted = sorted.and_then(move |batch| {
        let batch = batch.project(&kept).map_err(DataFusionError::from);
        futures::future::ready(batch)
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, sorted)))
}

fn with_number(schema: &SchemaRef) -> SchemaRef {
    let number = Arc::new(Field::new(NUMBER, DataType::UInt64, false));
    let fields = schema.fields().iter().cloned().chain([number]).collect::<Vec<_>>();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::planning_context;
    use datafusion::arrow::compute::concat_batches;
    use datafusion::execution::memory_pool::GreedyMemoryPool;
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    use datafusion::prelude::{SessionConfig, SessionContext};

    const ROWS: &str =
        "select value as n, case when value % 17 = 3 then null else value % 5 end as k,
        cast(value * 31 % 7 as varchar) as t from generate_series(1, 60000)";

    /// Equal rows are together and in their order, in memory and where memory is short.
    #[tokio::test]
    async fn equal_rows_are_together_in_their_order() {
        let planning = planning_context();
        let sql = format!("select * from ({ROWS}) order by t, k nulls first, n");
        let expected = planning.sql(&sql).await.expect("sql").collect().await.expect("rows");
        let schema = expected[0].schema();
        let expected = concat_batches(&schema, &expected).expect("one batch");
        for bytes in [64 << 20, 3 << 20] {
            let pool = Arc::new(GreedyMemoryPool::new(bytes));
            let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc();
            let mut config = SessionConfig::new().with_batch_size(1024);
            config.options_mut().execution.sort_spill_reservation_bytes = 200 << 10;
            let tight = SessionContext::new_with_config_rt(config, runtime.expect("a runtime"));
            let rows = planning.sql(ROWS).await.expect("sql").execute_stream().await;
            let together = clustered(rows.expect("rows"), &[2, 1], tight.task_ctx());
            let together = together.expect("a stream").try_collect::<Vec<_>>().await;
            let together = concat_batches(&schema, &together.expect("rows")).expect("one batch");
            assert_eq!(expected, together, "{bytes} bytes");
        }
    }
}
