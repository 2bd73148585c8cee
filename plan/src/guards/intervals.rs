//! Intervals are compared by their length.
//!
//! An interval has months, days and nanoseconds. Arrow's kernels, and so DataFusion 55, compare these one after the other: to
//! them 25 hours are less than a day, and what remains of two timestamps two days apart, 48 hours, is not more than
//! `INTERVAL '1 day'`. Here a day has 24 hours and a month 30 days, as in PostgreSQL and DuckDB: whatever is compared, sorted
//! or grouped is put into `one_interval(..)` ([`partita_operators::functions::intervals`]), which changes no length.

use crate::guards::rule::NodeRule;
use crate::walk;
use datafusion::arrow::datatypes::{DataType, IntervalUnit};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunction, InList, ScalarFunction};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Between, BinaryExpr, Case, Distinct, Expr, ExprSchemable, LogicalPlan, Operator, Projection,
    Sort, cast, lit, when,
};
use partita_operators::functions::intervals::one_interval;
use std::sync::Arc;

/// Compares intervals by their length.
pub(crate) const RULE: NodeRule = NodeRule { name: "intervals", change: rewritten };

/// Aggregates that compare their values, besides those with `DISTINCT`.
const COMPARING: [&str; 2] = ["max", "min"];

fn rewritten(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = merge_schema(&node.inputs());
    let has_interval = |part: &Expr| match part {
        Expr::BinaryExpr(binary) => compares(binary.op) && any(part_of(binary), &schema),
        Expr::Between(between) => is_interval(&between.expr, &schema),
        Expr::InList(list) => is_interval(&list.expr, &schema),
        Expr::Case(Case { expr: Some(value), .. }) => is_interval(value, &schema),
        Expr::ScalarFunction(call) => {
            matches!(call.name(), "greatest" | "least" | "nullif") && any(&call.args, &schema)
        }
        Expr::AggregateFunction(call) => {
            (call.params.distinct || COMPARING.contains(&call.func.name()))
                && any(&call.params.args, &schema)
        }
        Expr::WindowFunction(call) => {
            let params = &call.params;
            any(&params.partition_by, &schema)
                || params.order_by.iter().any(|key| is_interval(&key.expr, &schema))
                || COMPARING.contains(&call.fun.name()) && any(&params.args, &schema)
        }
        _ => false,
    };
    let mut changed = Transformed::no(node);
    if walk::has_expression(&changed.data, &has_interval)? {
        changed = walk::named_expressions(changed.data, &has_interval, &mut |expr| {
            walk::expr_up(expr, &mut |expr| by_length(expr, &schema))
        })?;
    }
    changed.transform_data(|node| keys(node, &schema))
}

fn compares(operator: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(operator, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

fn part_of(binary: &BinaryExpr) -> [&Expr; 2] {
    [&binary.left, &binary.right]
}

fn any<'a>(parts: impl IntoIterator<Item = &'a Expr>, schema: &DFSchema) -> bool {
    parts.into_iter().any(|part| is_interval(part, schema))
}

fn is_interval(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|kind| matches!(kind, DataType::Interval(_)))
}

/// An expression in the form in which it can be compared.
fn one(expr: Expr) -> Expr {
    one_interval().call(vec![cast(expr, DataType::Interval(IntervalUnit::MonthDayNano))])
}

fn by_length(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let boxed = |expr: Box<Expr>| Box::new(one(*expr));
    let made = match expr {
        Expr::BinaryExpr(binary) if compares(binary.op) && any(part_of(&binary), schema) => {
            Expr::BinaryExpr(BinaryExpr::new(boxed(binary.left), binary.op, boxed(binary.right)))
        }
        Expr::Between(between) if is_interval(&between.expr, schema) => {
            Expr::Between(Between::new(
                boxed(between.expr),
                between.negated,
                boxed(between.low),
                boxed(between.high),
            ))
        }
        Expr::InList(list) if is_interval(&list.expr, schema) => {
            let items = list.list.into_iter().map(one).collect();
            Expr::InList(InList::new(boxed(list.expr), items, list.negated))
        }
        Expr::Case(Case { expr: Some(value), when_then_expr, else_expr })
            if is_interval(&value, schema) =>
        {
            let pairs = when_then_expr.into_iter().map(|(when, then)| (boxed(when), then));
            Expr::Case(Case::new(Some(boxed(value)), pairs.collect(), else_expr))
        }
        Expr::ScalarFunction(call) => return function(call, schema),
        Expr::AggregateFunction(mut call)
            if (call.params.distinct || COMPARING.contains(&call.func.name()))
                && any(&call.params.args, schema) =>
        {
            wrap(&mut call.params.args, schema);
            Expr::AggregateFunction(AggregateFunction { ..call })
        }
        Expr::WindowFunction(mut call) => {
            let compares = COMPARING.contains(&call.fun.name());
            let params = &mut call.params;
            let mut is_changed = wrap(&mut params.partition_by, schema);
            is_changed |= compares && wrap(&mut params.args, schema);
            is_changed |= wrap(params.order_by.iter_mut().map(|key| &mut key.expr), schema);
            let expr = Expr::WindowFunction(call);
            return Ok(Transformed::new_transformed(expr, is_changed));
        }
        other => return Ok(Transformed::no(other)),
    };
    Ok(Transformed::yes(made))
}

/// Functions that compare their arguments.
fn function(mut call: ScalarFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match (call.name(), call.args.as_slice()) {
        ("nullif", [value, other]) if any([value, other], schema) => {
            let null = lit(ScalarValue::try_from(value.get_type(schema)?)?);
            let equal = one(value.clone()).eq(one(other.clone()));
            Ok(Transformed::yes(when(equal, null).otherwise(value.clone())?))
        }
        ("greatest" | "least", _) => {
            let is_changed = wrap(&mut call.args, schema);
            Ok(Transformed::new_transformed(Expr::ScalarFunction(call), is_changed))
        }
        _ => Ok(Transformed::no(Expr::ScalarFunction(call))),
    }
}

/// Changes those of some keys that are intervals.
fn wrap<'a>(keys: impl IntoIterator<Item = &'a mut Expr>, schema: &DFSchema) -> bool {
    let mut is_changed = false;
    for key in keys {
        if is_interval(key, schema) {
            *key = one(std::mem::take(key));
            is_changed = true;
        }
    }
    is_changed
}

/// Changes what a node sorts by, groups by or keeps once.
fn keys(node: LogicalPlan, schema: &DFSchema) -> Result<Transformed<LogicalPlan>> {
    match node {
        LogicalPlan::Sort(mut sort) => {
            let is_changed = wrap(sort.expr.iter_mut().map(|key| &mut key.expr), schema);
            let sort = LogicalPlan::Sort(Sort { ..sort });
            Ok(Transformed::new_transformed(sort, is_changed))
        }
        LogicalPlan::Aggregate(aggregate) if any(&aggregate.group_expr, schema) => {
            // They come before the aggregates.
            let mut left = aggregate.group_expr.len();
            walk::named_expressions(LogicalPlan::Aggregate(aggregate), &|_| true, &mut |expr| {
                let is_group = left > 0;
                left = left.saturating_sub(1);
                match is_group && is_interval(&expr, schema) {
                    true => Ok(Transformed::yes(one(expr))),
                    false => Ok(Transformed::no(expr)),
                }
            })
        }
        LogicalPlan::Distinct(Distinct::All(input)) => {
            let columns = input.schema().columns();
            let mut columns: Vec<Expr> = columns.into_iter().map(Expr::Column).collect();
            if !any(&columns, schema) {
                return Ok(Transformed::no(LogicalPlan::Distinct(Distinct::All(input))));
            }
            for column in columns.iter_mut().filter(|column| is_interval(column, schema)) {
                let (of, name) = column.qualified_name();
                *column = one(std::mem::take(column)).alias_qualified(of, name);
            }
            let input = LogicalPlan::Projection(Projection::try_new(columns, input)?);
            Ok(Transformed::yes(LogicalPlan::Distinct(Distinct::All(Arc::new(input)))))
        }
        LogicalPlan::Join(mut join) => {
            let sides = [merge_schema(&[&join.left]), merge_schema(&[&join.right])];
            let mut is_changed = false;
            for (left, right) in &mut join.on {
                if is_interval(left, &sides[0]) || is_interval(right, &sides[1]) {
                    (*left, *right) = (one(std::mem::take(left)), one(std::mem::take(right)));
                    is_changed = true;
                }
            }
            Ok(Transformed::new_transformed(LogicalPlan::Join(join), is_changed))
        }
        other => Ok(Transformed::no(other)),
    }
}

#[cfg(test)]
mod tests {
    use crate::session::planning_context;
    use crate::testing::answer;
    use datafusion::prelude::SessionContext;

    const TABLE: &str = "create table t as select * from (values
        (1, interval '25 hours', timestamp '2026-01-03', timestamp '2026-01-01'),
        (2, interval '1 day', timestamp '2026-01-02', timestamp '2026-01-01'),
        (3, interval '24 hours', timestamp '2026-02-01', timestamp '2026-01-01'),
        (4, interval '1 month', timestamp '2026-01-01', timestamp '2026-01-01'),
        (5, interval '30 days', null, timestamp '2026-01-01')) t(i, v, b, a)";

    /// Longer intervals are greater, whatever units they are written in, wherever values are compared.
    #[tokio::test]
    async fn intervals_are_compared_by_their_length() {
        let context = planning_context();
        context.sql(TABLE).await.unwrap().collect().await.unwrap();
        for (sql, expected) in [
            ("select i from t where b - a > interval '1 day' order by i", "1;3"),
            ("select i from t where b - a >= interval '1 month' order by i", "3"),
            ("select i from t where b - a = interval '2 days'", "1"),
            (
                "select i from t where b - a between interval '1 day' and interval '50 hours' order by i",
                "1;2",
            ),
            ("select i from t where b - a in (interval '1 day', interval '1 year')", "2"),
            ("select i from t where b - a is not distinct from interval '24 hours'", "2"),
            ("select i from t where v > interval '1 day' order by i", "1;4;5"),
            ("select i from t where v <> interval '1 day' order by i", "1;4;5"),
            ("select i from t order by v, i", "2;3;1;4;5"),
            ("select i from t order by v desc, i limit 2", "4;5"),
            ("select count(*), min(i) from t group by v order by 2", "11;22;24"),
            ("select count(distinct v) from t", "3"),
            ("select count(*) from (select distinct v from t)", "3"),
            ("select count(*) from (select v from t union select interval '60 minutes' * 24)", "3"),
            ("select count(*) from t x join t y on x.v = y.v", "9"),
            ("select count(*) from t x join t y using (v)", "9"),
            (
                "select i from t where case v when interval '1 day' then true else false end order by i",
                "2;3",
            ),
            ("select i from t where nullif(v, interval '1 day') is null order by i", "2;3"),
            ("select i from t where greatest(v, interval '1 day') = v order by i", "1;2;3;4;5"),
            ("select i from t where least(v, interval '1 day') = v order by i", "2;3"),
            ("select max(v) = interval '1 month', min(v) = interval '1 day' from t", "truetrue"),
            (
                "select i, rank() over (order by v rows between unbounded preceding and current row) from t order by i",
                "13;21;31;44;54",
            ),
            ("select i, count(*) over (partition by v) from t order by i", "11;22;32;42;52"),
            ("select timestamp '2026-01-31' + max(v) from t where i = 4", "2026-02-28T00:00:00"),
            (
                "select timestamp '2026-01-01' + v from t where v = interval '1 day' and i = 3",
                "2026-01-02T00:00:00",
            ),
        ] {
            assert_eq!(answer(&context, sql).await.unwrap(), expected, "{sql}");
        }
    }

    /// The guard can go when plain DataFusion compares intervals by their length.
    #[tokio::test]
    async fn plain_datafusion_compares_their_parts() {
        let context = SessionContext::new();
        context.sql(TABLE).await.unwrap().collect().await.unwrap();
        let sql = "select i from t where b - a > interval '1 day' order by i";
        assert_eq!(answer(&context, sql).await.unwrap(), "");
    }

    /// Plans without intervals stay as they are, and names stay.
    #[tokio::test]
    async fn only_intervals_are_changed() {
        let context = planning_context();
        context.sql(TABLE).await.unwrap().collect().await.unwrap();
        for (sql, expected) in [
            ("select max(i) from t where b > a and i in (1, 2) group by a order by a", 0),
            ("select b + v from t", 0),
            ("select v from t order by v", 1),
        ] {
            let plan = context.sql(sql).await.unwrap().into_optimized_plan().unwrap();
            let text = plan.display_indent().to_string();
            assert_eq!(text.matches("one_interval(").count(), expected, "{sql}: {text}");
        }
        let named = context.sql("select v, v > interval '1 day' from t group by v").await.unwrap();
        let plan = named.into_optimized_plan().unwrap();
        assert_eq!(plan.schema().field(0).name(), "v");
    }
}
