//! `FILTER` of aggregates over windows.
//!
//! The wire form of DataFusion 55 has no place for it, so that workers would compute the aggregate of all rows. Aggregates
//! that pass over NULL get NULL for the rows that the filter leaves out; others are refused.

use crate::guards::rule::NodeRule;
use crate::walk;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Result, not_impl_err};
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{Expr, LogicalPlan, WindowFunctionDefinition, when};

/// Aggregates of which rows with NULL in the first argument are no part.
const PASS_OVER_NULL: [&str; 37] = [
    "count",
    "sum",
    "min",
    "max",
    "avg",
    "mean",
    "median",
    "product",
    "string_agg",
    "stddev",
    "stddev_pop",
    "var",
    "var_pop",
    "corr",
    "covar_samp",
    "covar_pop",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "approx_distinct",
    "approx_median",
    "approx_percentile_cont",
    "approx_percentile_cont_with_weight",
    "percentile_cont",
    "regr_avgx",
    "regr_avgy",
    "regr_count",
    "regr_intercept",
    "regr_r2",
    "regr_slope",
    "regr_sxx",
    "regr_sxy",
    "regr_syy",
    "stddev_samp",
    "var_samp",
];

/// Puts filters into the arguments of aggregates over windows.
pub(crate) const RULE: NodeRule = NodeRule { name: "window_filters", change: rewritten };

fn rewritten(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let is_filtered = |part: &Expr| matches!(part, Expr::WindowFunction(window) if window.params.filter.is_some());
    walk::named_expressions(node, &is_filtered, &mut |expr| {
        walk::expr_down(expr, &mut without_filter)
    })
}

fn without_filter(expr: Expr) -> Result<Transformed<Expr>> {
    let Expr::WindowFunction(mut window) = expr else { return Ok(Transformed::no(expr)) };
    let Some(filter) = window.params.filter.take() else {
        return Ok(Transformed::no(Expr::WindowFunction(window)));
    };
    let passes_over_null = matches!(&window.fun, WindowFunctionDefinition::AggregateUDF(function)
        if PASS_OVER_NULL.contains(&function.name()));
    let WindowFunction { fun, params } = window.as_mut();
    match params.args.first_mut() {
        Some(argument) if passes_over_null => {
            *argument = when(*filter, argument.clone()).end()?;
        }
        _ => {
            return not_impl_err!(
                "FILTER of {} over a window is not supported; use CASE WHEN condition THEN x END as its argument",
                fun.name()
            );
        }
    }
    Ok(Transformed::yes(Expr::WindowFunction(window)))
}
