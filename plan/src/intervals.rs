//! `n * INTERVAL '1 day'` and `INTERVAL '1 day' * n`, of which DataFusion 55 has no plan.

use datafusion::arrow::datatypes::{DataType, IntervalUnit};
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, cast};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use partita_operators::functions::intervals::times_interval;

/// Plans products of intervals.
#[derive(Debug)]
pub(crate) struct IntervalPlanner;

impl ExprPlanner for IntervalPlanner {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        if !matches!(expr.op, BinaryOperator::Multiply) {
            return Ok(PlannerResult::Original(expr));
        }
        let kind = |expr: &Expr| expr.get_type(schema).unwrap_or(DataType::Null);
        let (left, right) = (kind(&expr.left), kind(&expr.right));
        let is_interval = |kind: &DataType| matches!(kind, DataType::Interval(_));
        let (number, of, interval) = match (is_interval(&left), is_interval(&right)) {
            (false, true) => (expr.left, left, expr.right),
            (true, false) => (expr.right, right, expr.left),
            _ => return Ok(PlannerResult::Original(expr)),
        };
        if !of.is_integer() && !of.is_null() {
            return plan_err!(
                "an interval can be multiplied by integers, not by {of}: cast the number, or write a shorter interval"
            );
        }
        let number = cast(number, DataType::Int64);
        let interval = cast(interval, DataType::Interval(IntervalUnit::MonthDayNano));
        Ok(PlannerResult::Planned(times_interval().call(vec![number, interval])))
    }
}

#[cfg(test)]
mod tests {
    use crate::session::planning_context;
    use datafusion::arrow::util::pretty::pretty_format_batches;
    use datafusion::prelude::SessionContext;

    const SQL: &str = "select timestamp '2024-01-31 00:00:00' + x * interval '1 month 2 days' as t, \
         date '2024-01-01' + interval '1 day' * x as d from generate_series(0, 2) s(x) order by x";

    /// Calendars are made of series and intervals; other numbers are refused with a remedy.
    #[tokio::test]
    async fn intervals_are_multiplied() {
        let context = planning_context();
        let rows = context.sql(SQL).await.unwrap().collect().await.unwrap();
        let text = pretty_format_batches(&rows).unwrap().to_string();
        for expected in
            ["2024-01-31T00:00:00", "2024-03-02T00:00:00", "2024-04-04T00:00:00", "2024-01-03"]
        {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        let refused = context.sql("select 0.5 * interval '1 day'").await.unwrap_err().to_string();
        assert!(refused.contains("cast the number"), "{refused}");
    }

    /// The planner can go when plain DataFusion has a plan.
    #[tokio::test]
    async fn plain_datafusion_has_no_plan() {
        assert!(SessionContext::new().sql(SQL).await.is_err());
    }
}
