//! `CASE` with conditions as its results, which keep others from being computed.
//!
//! The simplifier of DataFusion 55 turns `CASE WHEN a <> 0 THEN 10 / a > 1 END` into ANDs and ORs
//! (apache/datafusion#25136), of which all parts may be computed for all rows: a division by zero ends a query that guards
//! against it. It does so only where `CASE` has no base. `CASE true WHEN a <> 0 THEN ..` means the same.

use crate::guards::rule::NodeRule;
use crate::walk;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, lit};

/// Keeps branches that may fail from being computed where they do not count.
pub(crate) const RULE: NodeRule = NodeRule { name: "branches", change: rewritten };

fn rewritten(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    if !walk::has_expression(&node, &is_case)? {
        return Ok(Transformed::no(node));
    }
    let schema = merge_schema(&node.inputs());
    walk::named_expressions(node, &is_case, &mut |expr| {
        walk::expr_up(expr, &mut |expr| Ok(with_base(expr, &schema)))
    })
}

fn is_case(part: &Expr) -> bool {
    matches!(part, Expr::Case(_))
}

fn with_base(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    match expr {
        Expr::Case(case) if case.expr.is_none() && is_guard(&case, schema) => {
            let expr = Some(Box::new(lit(true)));
            Transformed::yes(Expr::Case(Case { expr, ..case }))
        }
        other => Transformed::no(other),
    }
}

/// Whether the results are conditions, and some part that is not computed first may fail.
fn is_guard(case: &Case, schema: &DFSchema) -> bool {
    let results = || case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr);
    let is_condition =
        |then: &Expr| then.get_type(schema).is_ok_and(|found| found == DataType::Boolean);
    let later = case.when_then_expr.iter().skip(1).map(|(when, _)| when);
    results().any(|then| is_condition(then)) && results().chain(later).any(|part| may_fail(part))
}

/// Whether there are values for which an expression has none.
fn may_fail(expr: &Expr) -> bool {
    let fails = walk::has_part(expr, &|part| match part {
        Expr::Cast(_) | Expr::ScalarFunction(_) | Expr::ScalarSubquery(_) => true,
        Expr::BinaryExpr(BinaryExpr { op, .. }) => {
            matches!(op, Operator::Divide | Operator::Modulo)
        }
        _ => false,
    });
    fails.unwrap_or(true)
}
