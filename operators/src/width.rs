//! How wide rows are expected to be.

use datafusion::arrow::datatypes::{FieldRef, Schema};
use datafusion::physical_plan::ExecutionPlan;
use std::sync::Arc;

/// What is taken for a value of a text or a list, in bytes.
const LONG_VALUE_BYTES: usize = 32;

/// What a row is expected to take, in bytes, when none is known yet.
pub fn expected_row_bytes(schema: &Schema) -> usize {
    let width = |field: &FieldRef| field.data_type().primitive_width().unwrap_or(LONG_VALUE_BYTES);
    schema.fields().iter().map(width).sum()
}

/// What the widest rows of a plan are expected to take, in bytes.
pub fn widest_row_bytes(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let below = plan.children().into_iter().map(widest_row_bytes).max().unwrap_or(0);
    below.max(expected_row_bytes(&plan.schema()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::planning_context;

    /// Numbers have their width, texts one that is taken for them; a plan is as wide as its widest operator.
    #[tokio::test]
    async fn a_plan_is_as_wide_as_its_widest_operator() {
        let context = planning_context();
        let sql = "select count(*) as n from (select value as a, value + 1 as b,
                cast(value as varchar) as c from generate_series(1, 10) order by b) where c > a";
        let plan = context.sql(sql).await.expect("sql").create_physical_plan().await;
        let plan = plan.expect("a plan");
        assert_eq!(expected_row_bytes(&plan.schema()), 8);
        assert!(widest_row_bytes(&plan) >= 8);
        let sql = "select value as a, value + 1 as b, cast(value as varchar) as c
            from generate_series(1, 10) order by b";
        let plan = context.sql(sql).await.expect("sql").create_physical_plan().await;
        let plan = plan.expect("a plan");
        assert_eq!(expected_row_bytes(&plan.schema()), 8 + 8 + LONG_VALUE_BYTES);
        assert_eq!(widest_row_bytes(&plan), 8 + 8 + LONG_VALUE_BYTES);
    }
}
