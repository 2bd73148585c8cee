//! `ORDER BY` within aggregates, and below them, where the result does not depend on it.
//!
//! DataFusion 55 passes the keys of `avg(v ORDER BY k)` to accumulators that do not expect them, which panic or end the query
//! with an internal error (apache/datafusion#25401). Functions that do not heed an order get none.
//!
//! It takes rows in the order of a key for rows of which groups follow each other, also where GROUPING SETS group them in
//! several ways, and gives such a group twice (#16965). Rows that GROUPING SETS group are not sorted.
//!
//! Nor are others of which the order is lost: an inner `ORDER BY` is planned, since a limit or a function may count on it,
//! and nothing below a join or a sum does.

use crate::guards::rule::NodeRule;
use crate::walk;
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan};
use std::sync::Arc;

/// Functions that heed an order, or have their argument in it (`WITHIN GROUP`).
const ORDERED: [&str; 8] = [
    "array_agg",
    "string_agg",
    "first_value",
    "last_value",
    "nth_value",
    "percentile_cont",
    "approx_percentile_cont",
    "approx_percentile_cont_with_weight",
];

/// Takes away orders that nothing depends on.
pub(crate) const RULE: NodeRule = NodeRule { name: "unordered", change: rewritten };

fn rewritten(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let node = match heeds_no_order(&node)? {
        true => node.map_children(unsorted)?,
        false => Transformed::no(node),
    };
    if !matches!(node.data, LogicalPlan::Aggregate(_)) {
        return Ok(node);
    }
    node.transform_data(|node| {
        walk::named_expressions(node, &is_ordered, &mut |expr| {
            walk::expr_down(expr, &mut |expr| Ok(unordered(expr)))
        })
    })
}

/// Whether the result of an operator is the same whatever the order of its rows.
fn heeds_no_order(node: &LogicalPlan) -> Result<bool> {
    let aggregate = match node {
        LogicalPlan::Join(_) | LogicalPlan::Distinct(Distinct::All(_)) => return Ok(true),
        LogicalPlan::Aggregate(aggregate) => aggregate,
        _ => return Ok(false),
    };
    if aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_))) {
        return Ok(true);
    }
    let mut heeds = false;
    for expr in &aggregate.aggr_expr {
        heeds |= walk::has_part(expr, &|part| {
            matches!(part, Expr::AggregateFunction(call)
                if call.params.order_by.is_empty() && ORDERED.contains(&call.func.name()))
        })?;
    }
    Ok(!heeds)
}

/// Rows as they come, below what passes them on in their order.
fn unsorted(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    match node {
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => {
            unsorted(Arc::unwrap_or_clone(sort.input))
        }
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::Filter(_) => {
            node.map_children(unsorted)
        }
        other => Ok(Transformed::no(other)),
    }
}

/// Whether an aggregate has an order that does not matter.
fn is_ordered(part: &Expr) -> bool {
    matches!(part, Expr::AggregateFunction(call)
        if !call.params.order_by.is_empty() && !ORDERED.contains(&call.func.name()))
}

fn unordered(expr: Expr) -> Transformed<Expr> {
    match expr {
        expr if !is_ordered(&expr) => Transformed::no(expr),
        Expr::AggregateFunction(mut call) => {
            call.params.order_by.clear();
            Transformed::yes(Expr::AggregateFunction(call))
        }
        other => Transformed::no(other),
    }
}
