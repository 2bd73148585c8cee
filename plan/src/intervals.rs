//! `n * INTERVAL '1 day'` and `INTERVAL '1 day' * n`, and multiples and parts of the difference of two timestamps, of which
//! DataFusion 55 has no plan.

use datafusion::arrow::datatypes::{DataType, IntervalUnit};
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::functions::math::expr_fn::round;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, binary_expr, cast};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use partita_operators::functions::checked::checked_of;
use partita_operators::functions::intervals::times_interval;

/// Plans products of intervals, and products and quotients of durations.
#[derive(Debug)]
pub(crate) struct IntervalPlanner;

impl ExprPlanner for IntervalPlanner {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let is_product = match expr.op {
            BinaryOperator::Multiply => true,
            BinaryOperator::Divide => false,
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let kind = |expr: &Expr| expr.get_type(schema).unwrap_or(DataType::Null);
        let (left, right) = (kind(&expr.left), kind(&expr.right));
        let is_duration = |kind: &DataType| matches!(kind, DataType::Duration(_));
        if is_duration(&left) && right.is_numeric() {
            return Ok(scaled((expr.left, left), (expr.right, right), is_product));
        }
        if is_product && is_duration(&right) && left.is_numeric() {
            return Ok(scaled((expr.right, right), (expr.left, left), true));
        }
        if !is_product {
            return Ok(PlannerResult::Original(expr));
        }
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

/// A duration times a number, or divided by it: to whole units, towards zero for integers and to the nearest for others.
fn scaled(
    (duration, kind): (Expr, DataType),
    (number, of): (Expr, DataType),
    is_product: bool,
) -> PlannerResult<RawBinaryExpr> {
    let units = cast(duration, DataType::Int64);
    let operator = if is_product { Operator::Multiply } else { Operator::Divide };
    let units = if !of.is_integer() {
        let (units, number) = (cast(units, DataType::Float64), cast(number, DataType::Float64));
        cast(round(vec![binary_expr(units, operator, number)]), DataType::Int64)
    } else {
        let number = cast(number, DataType::Int64);
        match checked_of(operator) {
            Some(checked) => checked.call(vec![units, number]),
            None => binary_expr(units, operator, number),
        }
    };
    PlannerResult::Planned(cast(units, kind))
}

#[cfg(test)]
mod tests {
    use crate::session::planning_context;
    use crate::testing::answer;
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

    /// Differences of timestamps have multiples and parts; one that is too long is an error.
    #[tokio::test]
    async fn durations_are_multiplied_and_divided() {
        let context = planning_context();
        let d = "(timestamp '2026-01-03' - timestamp '2026-01-01')";
        for (sql, expected) in [
            (format!("select {d} / 2 = interval '1 day', {d} * 2 = interval '4 days'"), "truetrue"),
            (
                format!("select 0.5 * {d} = interval '1 day', {d} / 0.5 = interval '4 days'"),
                "truetrue",
            ),
            (format!("select timestamp '2026-01-01' + {d} / 2"), "2026-01-02T00:00:00"),
            (format!("select {d} / cast(null as int) is null"), "true"),
        ] {
            assert_eq!(answer(&context, &sql).await.unwrap(), expected, "{sql}");
        }
        for sql in [
            format!("select {d} * 100000000"),
            format!("select {d} * 1e30"),
            format!("select {d} / 0"),
        ] {
            let error = answer(&context, &sql).await.expect_err(&sql).to_string();
            assert!(!error.contains("Internal"), "{sql}: {error}");
        }
    }

    /// The planner can go when plain DataFusion has a plan.
    #[tokio::test]
    async fn plain_datafusion_has_no_plan() {
        assert!(SessionContext::new().sql(SQL).await.is_err());
    }
}
