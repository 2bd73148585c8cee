//! What `IS DISTINCT FROM` compares with.
//!
//! The parser takes all that follows for the right side: `a IS NOT DISTINCT FROM b AND c` is read as `a IS NOT DISTINCT FROM
//! (b AND c)`. What stands in parentheses is a node of its own, so that the two can be told apart, also above: AND has no OR on
//! its right, and NOT neither of them, unless they came there in this way.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};

const BOTH: [BinaryOperator; 2] = [BinaryOperator::And, BinaryOperator::Or];

/// Groups an expression as SQL does, of which the parts are grouped already. `is_regrouped` tells whether one of them was
/// changed, without which nothing is.
pub(super) fn regroup(expr: &mut Expr, is_regrouped: &mut bool) {
    let joins = |part: &Expr, ops: &[BinaryOperator]| match part {
        Expr::BinaryOp { op, .. } => ops.contains(op),
        _ => false,
    };
    let place = || Expr::Value(Value::Null.with_empty_span());
    match expr {
        Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right)
            if joins(right, &BOTH) =>
        {
            *is_regrouped = true;
            let rest = std::mem::replace(right.as_mut(), place());
            let compared = std::mem::replace(expr, place());
            *expr = onto_first(rest, &BOTH, |first| match compared {
                Expr::IsDistinctFrom(left, _) => Expr::IsDistinctFrom(left, Box::new(first)),
                Expr::IsNotDistinctFrom(left, _) => Expr::IsNotDistinctFrom(left, Box::new(first)),
                other => other,
            });
        }
        Expr::BinaryOp { op: BinaryOperator::And, right, .. }
            if *is_regrouped && joins(right, &[BinaryOperator::Or]) =>
        {
            let rest = std::mem::replace(right.as_mut(), place());
            let joined = std::mem::replace(expr, place());
            *expr = onto_first(rest, &[BinaryOperator::Or], |first| match joined {
                Expr::BinaryOp { left, op, .. } => {
                    Expr::BinaryOp { left, op, right: Box::new(first) }
                }
                other => other,
            });
        }
        Expr::UnaryOp { op: UnaryOperator::Not, expr: inner }
            if *is_regrouped && joins(inner, &BOTH) =>
        {
            let rest = std::mem::replace(inner.as_mut(), place());
            *expr = onto_first(rest, &BOTH, |first| Expr::UnaryOp {
                op: UnaryOperator::Not,
                expr: Box::new(first),
            });
        }
        _ => {}
    }
}

/// Applies a change to the first of the parts that these operators join.
fn onto_first(expr: Expr, ops: &[BinaryOperator], change: impl FnOnce(Expr) -> Expr) -> Expr {
    match expr {
        Expr::BinaryOp { left, op, right } if ops.contains(&op) => {
            Expr::BinaryOp { left: Box::new(onto_first(*left, ops, change)), op, right }
        }
        first => change(first),
    }
}
