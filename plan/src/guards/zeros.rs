//! The two zeros of floats, as keys of windows and where values are compared without an operator.
//!
//! -0.0 and 0.0 are equal, and DataFusion 55 takes them for one value where it compares, groups and joins. Its
//! windows tell them apart: each has a partition of its own, and ranks and ranges take them for two values
//! (apache/datafusion#22826, #22490; the change that closed these left windows out). So a key of floats gets
//! `+ 0.0` here, which is 0.0 for both zeros and changes no other value. `nullif(x, y)` and
//! `CASE x WHEN y ..` tell them apart too: they become `CASE WHEN x = y ..`.

use crate::walk;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, Case, Expr, ExprSchemable, LogicalPlan, Operator, WindowFrameUnits, lit, when,
};
use datafusion::optimizer::AnalyzerRule;

/// Functions that ask whether rows are equal in the order of their window.
const RANKS: [&str; 4] = ["rank", "dense_rank", "percent_rank", "cume_dist"];

/// Makes one zero of two.
#[derive(Debug)]
pub(crate) struct ZerosRule;

impl AnalyzerRule for ZerosRule {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let rewritten = walk::plan_down(plan, &mut |node| {
            if !walk::has_expression(&node, &compares)? {
                return Ok(Transformed::no(node));
            }
            let schema = merge_schema(&node.inputs());
            walk::named_expressions(node, &compares, &mut |expr| {
                walk::expr_down(expr, &mut |expr| one_zero(expr, &schema))
            })
        })?;
        Ok(rewritten.data)
    }

    fn name(&self) -> &str {
        "zeros"
    }
}

/// Whether an expression may compare values without an operator.
fn compares(part: &Expr) -> bool {
    match part {
        Expr::WindowFunction(_) => true,
        Expr::ScalarFunction(call) => call.name() == "nullif",
        Expr::Case(case) => case.expr.is_some(),
        _ => false,
    }
}

fn one_zero(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let mut window = match expr {
        Expr::WindowFunction(window) => window,
        Expr::ScalarFunction(call) if call.name() == "nullif" => return nullif(call, schema),
        Expr::Case(Case { expr: Some(value), when_then_expr, else_expr })
            if is_float(&value, schema) && !value.is_volatile() =>
        {
            let equal = |(when, then): (Box<Expr>, Box<Expr>)| {
                (Box::new(value.as_ref().clone().eq(*when)), then)
            };
            let when_then_expr = when_then_expr.into_iter().map(equal).collect();
            let searched = Case { expr: None, when_then_expr, else_expr };
            return Ok(Transformed::yes(Expr::Case(searched)));
        }
        other => return Ok(Transformed::no(other)),
    };
    let has_ranks = RANKS.contains(&window.fun.name());
    let params = &mut window.params;
    let has_peers = has_ranks || params.window_frame.units != WindowFrameUnits::Rows;
    let mut is_changed = false;
    for key in &mut params.partition_by {
        is_changed |= add_zero(key, schema)?;
    }
    if has_peers {
        for key in &mut params.order_by {
            is_changed |= add_zero(&mut key.expr, schema)?;
        }
    }
    let expr = Expr::WindowFunction(window);
    Ok(if is_changed { Transformed::yes(expr) } else { Transformed::no(expr) })
}

fn nullif(call: ScalarFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match call.args.as_slice() {
        [value, other] if is_float(value, schema) && !value.is_volatile() => {
            let null = lit(ScalarValue::try_from(value.get_type(schema)?)?);
            let equal = value.clone().eq(other.clone());
            Ok(Transformed::yes(when(equal, null).otherwise(value.clone())?))
        }
        _ => Ok(Transformed::no(Expr::ScalarFunction(call))),
    }
}

pub(super) fn is_float(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|kind| kind.is_floating())
}

fn add_zero(key: &mut Expr, schema: &DFSchema) -> Result<bool> {
    if !is_float(key, schema) {
        return Ok(false);
    }
    let kind = key.get_type(schema)?;
    let left = Box::new(std::mem::take(key));
    let zero = Box::new(lit(ScalarValue::new_zero(&kind)?));
    *key = Expr::BinaryExpr(BinaryExpr::new(left, Operator::Plus, zero));
    Ok(true)
}
