//! Subqueries that the optimiser could not make joins of.

use crate::walk;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, not_impl_err};
use datafusion::logical_expr::{Expr, LogicalPlan};

/// Refuses what is left of subqueries in a plan that was optimised.
///
/// # Errors
/// If there is something: no operator computes it.
pub(crate) fn check(plan: &LogicalPlan) -> Result<()> {
    let mut is_left = false;
    walk::visit_plan(plan, &mut |node| {
        is_left = walk::has_expression(node, &|part| {
            walk::is_subquery(part) || matches!(part, Expr::OuterReferenceColumn(..))
        })?;
        Ok(if is_left { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    match is_left {
        true => not_impl_err!(
            "a subquery refers to the query around it in a way that is not supported, such as outside of WHERE; write it as a join"
        ),
        false => Ok(()),
    }
}
