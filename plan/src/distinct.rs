//! Aggregates over distinct values, for little memory.
//!
//! `count(distinct x)` beside other aggregates keeps all values of `x` in a set, which cannot spill. Where
//! it stands alone, or beside sums and extremes, DataFusion makes a group-by of `x` of it, which can. So
//! where memory is short an aggregation is divided: into one for each set of distinct values and one for
//! all else, joined by the keys of the groups. Its input is read once for each.

use crate::walk;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Column, NullEquality, Result};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, JoinType, LogicalPlan, LogicalPlanBuilder, col, when,
};
use std::sync::Arc;

/// Aggregates that ignore nulls, so that nulls can stand for what a filter leaves out, and the order of
/// their rows.
const FUNCTIONS: [&str; 5] = ["avg", "count", "max", "min", "sum"];
/// What stands beside a set of distinct values in DataFusion's own rule.
const BESIDE: [&str; 3] = ["max", "min", "sum"];

/// The plan with each aggregation over several sets of distinct values divided.
///
/// # Errors
/// If an operator cannot be put together again.
pub fn with_divided_distincts(plan: &LogicalPlan) -> Result<LogicalPlan> {
    let changed = walk::plan_up(plan.clone(), &mut |node| match node {
        LogicalPlan::Aggregate(aggregate) => divided(aggregate),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(changed.data)
}

/// One aggregation of several: which aggregates of the whole it computes, and how.
struct Part {
    /// The distinct value; none for what is not distinct.
    value: Option<Expr>,
    aggregates: Vec<(usize, Expr)>,
}

fn divided(aggregate: Aggregate) -> Result<Transformed<LogicalPlan>> {
    let parts = match is_divisible(&aggregate)? {
        true => parts(&aggregate.aggr_expr),
        false => Vec::new(),
    };
    if parts.is_empty() {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    }
    let keys = aggregate.group_expr.len();
    let mut whole: Option<LogicalPlanBuilder> = None;
    for (at, part) in parts.iter().enumerate() {
        let one = part_plan(&aggregate, part)?.alias(part_name(at))?;
        whole = Some(match whole {
            None => one,
            Some(whole) if keys == 0 => whole.cross_join(one.build()?)?,
            Some(whole) => {
                let columns = |part: usize| -> Vec<Column> {
                    (0..keys).map(|k| Column::new(Some(part_name(part)), key_name(k))).collect()
                };
                let keys = (columns(0), columns(at));
                let equality = NullEquality::NullEqualsNull;
                whole.join_detailed(one.build()?, JoinType::Inner, keys, None, equality)?
            }
        });
    }
    let Some(whole) = whole else {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    };
    let part_of = |n: usize| {
        let found = parts.iter().position(|part| part.aggregates.iter().any(|(at, _)| *at == n));
        found.unwrap_or_default()
    };
    let columns = aggregate.schema.iter().enumerate().map(|(at, (qualifier, field))| {
        let from = match at.checked_sub(keys) {
            None => Column::new(Some(part_name(0)), key_name(at)),
            Some(n) => Column::new(Some(part_name(part_of(n))), format!("value_{n}")),
        };
        col(from).alias_qualified(qualifier.cloned(), field.name())
    });
    Ok(Transformed::yes(whole.project(columns.collect::<Vec<_>>())?.build()?))
}

/// The keys of the groups and the values of one part.
fn part_plan(aggregate: &Aggregate, part: &Part) -> Result<LogicalPlanBuilder> {
    // DataFusion's rule knows aggregates by their bare form: their names are given above them.
    let values = part.aggregates.iter().map(|(_, expr)| expr.clone()).collect();
    let groups = aggregate.group_expr.clone();
    let one = Aggregate::try_new(Arc::clone(&aggregate.input), groups, values)?;
    let keys = (0..aggregate.group_expr.len()).map(key_name);
    let names = keys.chain(part.aggregates.iter().map(|(n, _)| format!("value_{n}")));
    let columns = one.schema.columns().into_iter().zip(names);
    let columns: Vec<Expr> = columns.map(|(column, name)| col(column).alias(name)).collect();
    LogicalPlanBuilder::from(LogicalPlan::Aggregate(one)).project(columns)
}

fn part_name(part: usize) -> String {
    format!("distinct_{part}")
}

fn key_name(key: usize) -> String {
    format!("key_{key}")
}

/// Whether the groups of an aggregation may be joined again, and its input read more than once.
fn is_divisible(aggregate: &Aggregate) -> Result<bool> {
    let keys = aggregate.group_expr.len();
    let is_set = aggregate.group_expr.iter().any(|key| matches!(key, Expr::GroupingSet(_)));
    // A join tells zeros of floats apart, and knows no order of nested values.
    let is_plain = |kind: &DataType| !kind.is_floating() && !kind.is_nested();
    let is_joined =
        aggregate.schema.fields().iter().take(keys).all(|key| is_plain(key.data_type()));
    let own = aggregate.group_expr.iter().chain(&aggregate.aggr_expr);
    let mut may_differ = own.clone().any(Expr::is_volatile);
    walk::visit_plan(&aggregate.input, &mut |node| {
        may_differ |= may_differ_when_read_again(node);
        Ok(if may_differ { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(!is_set && is_joined && !may_differ)
}

/// Whether an operator may give other rows when it runs again: those that a limit takes, the order of
/// equal rows in a window, the first value of a group, a random number.
fn may_differ_when_read_again(node: &LogicalPlan) -> bool {
    let depends_on_order = match node {
        LogicalPlan::Limit(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Distinct(Distinct::On(_))
        | LogicalPlan::RecursiveQuery(_)
        | LogicalPlan::Extension(_) => true,
        LogicalPlan::Aggregate(inner) => !inner.aggr_expr.iter().all(is_known_function),
        _ => false,
    };
    depends_on_order || node.expressions().iter().any(Expr::is_volatile)
}

fn is_known_function(expr: &Expr) -> bool {
    matches!(expr, Expr::AggregateFunction(call) if FUNCTIONS.contains(&call.func.name()))
}

/// The parts of an aggregation; none if DataFusion's own rule does as well.
fn parts(exprs: &[Expr]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut is_known = true;
    for (at, expr) in exprs.iter().enumerate() {
        let (value, expr, is_plain) = match distinct_value(expr) {
            Some((value, expr, is_filtered)) => (Some(value), expr, !is_filtered),
            None => (None, expr.clone(), is_beside(expr)),
        };
        is_known &= is_plain;
        match parts.iter_mut().find(|part| part.value == value) {
            Some(part) => part.aggregates.push((at, expr)),
            None => parts.push(Part { value, aggregates: vec![(at, expr)] }),
        }
    }
    let sets = parts.iter().filter(|part| part.value.is_some()).count();
    if sets == 0 || (sets == 1 && is_known) {
        return Vec::new();
    }
    parts
}

fn is_beside(expr: &Expr) -> bool {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = expr else { return false };
    let is_bare = params.filter.is_none() && params.order_by.is_empty() && !params.distinct;
    is_bare && BESIDE.contains(&func.name())
}

/// The value that is made distinct, the aggregate with its filter in the value, and whether it had one.
fn distinct_value(expr: &Expr) -> Option<(Expr, Expr, bool)> {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = expr else { return None };
    let [value] = params.args.as_slice() else { return None };
    if !params.distinct || !params.order_by.is_empty() || !FUNCTIONS.contains(&func.name()) {
        return None;
    }
    let (value, is_filtered) = match &params.filter {
        None => (value.clone(), false),
        Some(filter) => (when((**filter).clone(), value.clone()).end().ok()?, true),
    };
    let aggregate = AggregateFunction::new_udf(
        Arc::clone(func),
        vec![value.clone()],
        true,
        None,
        Vec::new(),
        params.null_treatment,
    );
    Some((value, Expr::AggregateFunction(aggregate), is_filtered))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::planning_context;
    use datafusion::arrow::util::pretty::pretty_format_batches;
    use datafusion::prelude::SessionContext;

    const TABLE: &str = "create table t as select value as n, value % 13 as a,
        case when value % 7 = 3 then null else value % 5 end as g,
        case when value % 3 = 0 then null else cast(value % 101 as varchar) end as s
        from generate_series(1, 5000)";

    async fn session() -> SessionContext {
        let context = planning_context();
        context.sql(TABLE).await.expect("sql").collect().await.expect("a table");
        context
    }

    async fn shown(context: &SessionContext, plan: LogicalPlan) -> String {
        let frame = context.execute_logical_plan(plan).await.expect("a plan");
        pretty_format_batches(&frame.collect().await.expect("rows")).expect("text").to_string()
    }

    /// The rows are the same as before, for one group and for many, with nulls, filters and conditions on
    /// the groups.
    #[tokio::test]
    async fn divided_aggregations_give_the_same() {
        let context = session().await;
        for query in [
            "select count(distinct a), count(distinct s), sum(n) from t",
            "select count(distinct a), count(*), avg(n) from t where n < 0",
            "select g, count(distinct a) as x, count(distinct s) as y, avg(n), sum(distinct a)
                from t group by g order by g",
            "select g, a % 3, count(distinct s) filter (where n > 100), count(n), min(s) from t
                group by g, a % 3 order by 1, 2",
            "select g, count(distinct s) from t group by g
                having count(distinct a) > 5 and avg(n) > 10 order by g",
            "select (select count(distinct s) + count(distinct a) from t) + g as z from t
                group by g order by z",
        ] {
            let plan = context.sql(query).await.expect("sql").into_unoptimized_plan();
            let divided = with_divided_distincts(&plan).expect("a plan");
            assert!(divided.display_indent().to_string().contains("distinct_1"), "{query}");
            assert_eq!(shown(&context, plan).await, shown(&context, divided).await, "{query}");
        }
    }

    /// After it no set of distinct values is left that cannot spill.
    #[tokio::test]
    async fn no_set_is_left() {
        let context = session().await;
        let query =
            "select count(distinct a), count(distinct s) filter (where n > 3), avg(n) from t";
        let plan = context.sql(query).await.expect("sql").into_unoptimized_plan();
        let sets = |plan: &LogicalPlan| {
            let text = context.state().optimize(plan).expect("a plan").display_indent().to_string();
            let calls = text.lines().filter_map(|line| line.split("aggr=[[").nth(1));
            let calls = calls.map(|calls| calls.split("]]").next().unwrap_or_default().to_string());
            calls.filter(|calls| calls.contains("DISTINCT")).count()
        };
        assert_eq!(sets(&plan), 1);
        assert_eq!(sets(&with_divided_distincts(&plan).expect("a plan")), 0);
    }

    /// These stay unchanged: one set, rows that may differ when read again, groups by floats,
    /// grouping sets.
    #[tokio::test]
    async fn others_stay() {
        let context = session().await;
        for query in [
            "select count(distinct a), sum(n), max(n) from t",
            "select count(*), avg(n) from t",
            "select count(distinct r), count(distinct n) from (select random() as r, n from t)",
            "select count(distinct a), count(distinct n) from (select * from t limit 10)",
            "select count(distinct f), count(distinct g) from
                (select g, first_value(n) as f from t group by g)",
            "select n / 2.0, count(distinct a), count(distinct s) from t group by n / 2.0",
            "select g, count(distinct a), count(distinct s) from t group by rollup(g)",
        ] {
            let plan = context.sql(query).await.expect("sql").into_unoptimized_plan();
            let divided = with_divided_distincts(&plan).expect("a plan");
            assert_eq!(plan.display_indent().to_string(), divided.display_indent().to_string());
        }
    }
}
