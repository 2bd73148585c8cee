//! Walks over syntax trees and logical plans that are compiled once, whatever is done at the nodes.
//!
//! The walks of sqlparser and DataFusion are generic over what they call, and each use of them compiles hundreds of
//! functions anew, one for each kind of node. Here they call through a reference to a trait object.

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::sqlparser::ast::{
    self, ObjectName, Query, Select, Statement, TableFactor, ValueWithSpan, Visit, VisitMut,
    Visitor, VisitorMut,
};
use std::convert::Infallible;
use std::ops::ControlFlow;

/// What changes a plan at each of its nodes.
pub(crate) type ChangePlan<'a> = &'a mut dyn FnMut(LogicalPlan) -> Result<Transformed<LogicalPlan>>;
/// What changes an expression at each of its nodes.
pub(crate) type ChangeExpr<'a> = &'a mut dyn FnMut(Expr) -> Result<Transformed<Expr>>;
/// Tells parts of expressions from others.
pub(crate) type IsPart<'a> = &'a dyn Fn(&Expr) -> bool;
/// What looks at each node of a plan.
pub type VisitPlan<'a> = &'a mut dyn FnMut(&LogicalPlan) -> Result<TreeNodeRecursion>;

/// Changes a plan and its subqueries from the top down.
pub(crate) fn plan_down(
    plan: LogicalPlan,
    change: ChangePlan<'_>,
) -> Result<Transformed<LogicalPlan>> {
    plan.transform_down_with_subqueries(change)
}

/// Changes a plan and its subqueries from the leaves up.
pub(crate) fn plan_up(
    plan: LogicalPlan,
    change: ChangePlan<'_>,
) -> Result<Transformed<LogicalPlan>> {
    plan.transform_up_with_subqueries(change)
}

/// Changes the expressions of one node of a plan, as wholes.
pub(crate) fn expressions(
    node: LogicalPlan,
    change: ChangeExpr<'_>,
) -> Result<Transformed<LogicalPlan>> {
    node.map_expressions(change)
}

/// Whether an expression has such a part.
pub(crate) fn has_part(expr: &Expr, is: IsPart<'_>) -> Result<bool> {
    expr.exists(|part| Ok(is(part)))
}

/// Whether an expression of a node has such a part.
pub(crate) fn has_expression(node: &LogicalPlan, is: IsPart<'_>) -> Result<bool> {
    let mut has = false;
    node.apply_expressions(|expr| {
        has = has_part(expr, is)?;
        Ok(if has { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(has)
}

/// Changes those expressions of one node of a plan that have such a part, as wholes. They keep their names, by which other nodes
/// refer to them.
pub(crate) fn named_expressions(
    node: LogicalPlan,
    is: IsPart<'_>,
    change: ChangeExpr<'_>,
) -> Result<Transformed<LogicalPlan>> {
    let names = NamePreserver::new(&node);
    let changed = expressions(node, &mut |expr| {
        if !has_part(&expr, is)? {
            return Ok(Transformed::no(expr));
        }
        let name = names.save(&expr);
        Ok(change(expr)?.update_data(|expr| name.restore(expr)))
    })?;
    match changed.transformed {
        true => changed.map_data(LogicalPlan::recompute_schema),
        false => Ok(changed),
    }
}

/// Whether an expression is a query within another.
pub(crate) fn is_subquery(part: &Expr) -> bool {
    matches!(
        part,
        Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_)
    )
}

/// Looks at the parts of an expression, from the top down.
pub(crate) fn visit_expr(
    expr: &Expr,
    visit: &mut dyn FnMut(&Expr) -> Result<TreeNodeRecursion>,
) -> Result<TreeNodeRecursion> {
    expr.apply(visit)
}

/// Changes an expression from the top down.
pub(crate) fn expr_down(expr: Expr, change: ChangeExpr<'_>) -> Result<Transformed<Expr>> {
    expr.transform_down(change)
}

/// Changes an expression from the leaves up.
pub(crate) fn expr_up(expr: Expr, change: ChangeExpr<'_>) -> Result<Transformed<Expr>> {
    expr.transform_up(change)
}

/// Looks at the nodes of a plan and of its subqueries, from the top down.
///
/// # Errors
/// That of `visit`.
pub fn visit_plan(plan: &LogicalPlan, visit: VisitPlan<'_>) -> Result<TreeNodeRecursion> {
    plan.apply_with_subqueries(visit)
}

/// A visitor of syntax trees that never ends its visit early.
pub type SyntaxVisitor<'a> = &'a mut dyn Visitor<Break = Infallible>;

/// Visits a part of a statement.
pub(crate) fn visit_syntax(node: &impl Visit, visitor: SyntaxVisitor<'_>) {
    let ControlFlow::Continue(()) = node.visit(&mut Through(visitor));
}

/// Visits a statement.
pub fn visit_statement(statement: &Statement, visitor: SyntaxVisitor<'_>) {
    visit_syntax(statement, visitor);
}

/// Visits a part of a statement that the visitor may change.
pub(crate) fn visit_syntax_mut<B>(
    node: &mut impl VisitMut,
    visitor: &mut dyn VisitorMut<Break = B>,
) -> ControlFlow<B> {
    node.visit(&mut Through(visitor))
}

/// Passes on what it is called with.
struct Through<'a, V: ?Sized>(&'a mut V);

macro_rules! pass_on {
    ($($method:ident($node:ty);)*) => {
        $(fn $method(&mut self, node: $node) -> ControlFlow<Self::Break> {
            self.0.$method(node)
        })*
    };
}

impl<B> Visitor for Through<'_, dyn Visitor<Break = B> + '_> {
    type Break = B;

    pass_on! {
        pre_visit_query(&Query);
        post_visit_query(&Query);
        pre_visit_select(&Select);
        post_visit_select(&Select);
        pre_visit_relation(&ObjectName);
        post_visit_relation(&ObjectName);
        pre_visit_table_factor(&TableFactor);
        post_visit_table_factor(&TableFactor);
        pre_visit_expr(&ast::Expr);
        post_visit_expr(&ast::Expr);
        pre_visit_statement(&Statement);
        post_visit_statement(&Statement);
        pre_visit_value(&ValueWithSpan);
        post_visit_value(&ValueWithSpan);
    }
}

impl<B> VisitorMut for Through<'_, dyn VisitorMut<Break = B> + '_> {
    type Break = B;

    pass_on! {
        pre_visit_query(&mut Query);
        post_visit_query(&mut Query);
        pre_visit_select(&mut Select);
        post_visit_select(&mut Select);
        pre_visit_relation(&mut ObjectName);
        post_visit_relation(&mut ObjectName);
        pre_visit_table_factor(&mut TableFactor);
        post_visit_table_factor(&mut TableFactor);
        pre_visit_expr(&mut ast::Expr);
        post_visit_expr(&mut ast::Expr);
        pre_visit_statement(&mut Statement);
        post_visit_statement(&mut Statement);
        pre_visit_value(&mut ValueWithSpan);
        post_visit_value(&mut ValueWithSpan);
    }
}
