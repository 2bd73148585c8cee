//! `EXCEPT ALL` and `INTERSECT ALL`, which count copies of rows.
//!
//! DataFusion 55 plans them as joins that keep or drop all copies of a row (apache/datafusion#12956, #12955). Here the copies
//! of each row are numbered on both sides, and a row has an equal one only with the same number: of `m` and `n` copies
//! `EXCEPT ALL` leaves `m - n`, and `INTERSECT ALL` the smaller number.

use crate::guards::rule::NodeRule;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, JoinType, NullEquality, Result};
use datafusion::functions_window::row_number::row_number;
use datafusion::logical_expr::{Expr, ExprFunctionExt, Join, LogicalPlan, LogicalPlanBuilder};
use std::sync::Arc;

/// Numbers copies of rows.
pub(crate) const RULE: NodeRule = NodeRule { name: "copies", change: rewritten };

fn rewritten(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Join(join) = node else { return Ok(Transformed::no(node)) };
    if !counts_copies(&join) {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    }
    let columns: Vec<Expr> = join.left.schema().columns().into_iter().map(Expr::Column).collect();
    let ((left, first), (right, second)) = (numbered(&join.left)?, numbered(&join.right)?);
    let mut on = join.on;
    on.push((Expr::Column(first), Expr::Column(second)));
    let joined = Join::try_new(
        Arc::new(left),
        Arc::new(right),
        on,
        None,
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?;
    let rows = LogicalPlanBuilder::from(LogicalPlan::Join(joined)).project(columns)?.build()?;
    Ok(Transformed::yes(rows))
}

/// Whether a join is what the planner makes of a set operation with ALL: by all columns, in which NULL is equal to NULL, and
/// of rows that may have copies.
fn counts_copies(join: &Join) -> bool {
    matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti)
        && join.null_equality == NullEquality::NullEqualsNull
        && join.filter.is_none()
        && join.on.len() == join.left.schema().fields().len()
        && join.on.len() == join.right.schema().fields().len()
        && !matches!(join.left.as_ref(), LogicalPlan::Distinct(_))
}

/// Rows with the numbers of their copies, and the column of these.
fn numbered(rows: &LogicalPlan) -> Result<(LogicalPlan, Column)> {
    let columns = rows.schema().columns().into_iter().map(Expr::Column).collect();
    let number = row_number().partition_by(columns).build()?;
    let column = Column::from_name(number.schema_name().to_string());
    let numbered = LogicalPlanBuilder::from(rows.clone()).window([number])?.build()?;
    Ok((numbered, column))
}
