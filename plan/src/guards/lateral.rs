//! `LATERAL` queries that compute from one row of the tables before them: `FROM t, UNNEST(t.list) AS x(v)`, or
//! `LATERAL (SELECT t.a + 1)`.
//!
//! DataFusion 55 has a plan for lateral queries that read tables, and none for those that only compute
//! (apache/datafusion#10048): what refers to the tables before them is left in the plan. Here their projections, lists
//! and filters are put on top of these tables.

use crate::guards::rule::NodeRule;
use crate::walk;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, Result, ScalarValue};
use datafusion::functions_nested::expr_fn::array_length;
use datafusion::logical_expr::builder::unnest_with_options;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Expr, Filter, Join, LogicalPlan, LogicalPlanBuilder, Unnest, lit, when,
};
use std::sync::Arc;

/// Puts what such queries compute on top of the tables before them.
pub(crate) const RULE: NodeRule = NodeRule { name: "lateral", change: rewritten };

fn rewritten(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Join(join) = &node else { return Ok(Transformed::no(node)) };
    if !is_lateral(&join.right)? {
        return Ok(Transformed::no(node));
    }
    match on_top(join)? {
        Some(plan) => Ok(Transformed::yes(plan)),
        None => Ok(Transformed::no(node)),
    }
}

/// Whether a table refers to those before it.
fn is_lateral(plan: &LogicalPlan) -> Result<bool> {
    let mut is_lateral = false;
    walk::visit_plan(plan, &mut |node| {
        is_lateral |= matches!(node, LogicalPlan::Subquery(_));
        Ok(if is_lateral { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(is_lateral)
}

/// The rows of a join, without a join. None if its right side reads tables, or keeps rows of neither side.
fn on_top(join: &Join) -> Result<Option<LogicalPlan>> {
    let keeps_all = match join.join_type {
        JoinType::Inner => false,
        JoinType::Left => true,
        _ => return Ok(None),
    };
    let true_literal = Expr::Literal(ScalarValue::Boolean(Some(true)), None);
    let filter = join.filter.clone().filter(|filter| *filter != true_literal);
    if keeps_all && (filter.is_some() || !join.on.is_empty()) {
        return Ok(None);
    }
    let left = Left { plan: &join.left, columns: join.left.schema().columns(), keeps_all };
    let Some(mut plan) = left.with(&join.right)? else { return Ok(None) };
    let conditions = join.on.iter().map(|(left, right)| left.clone().eq(right.clone()));
    for condition in conditions.chain(filter) {
        plan = LogicalPlan::Filter(Filter::try_new(condition, Arc::new(plan))?);
    }
    Ok(Some(plan))
}

/// The tables before a lateral query.
struct Left<'a> {
    plan: &'a LogicalPlan,
    columns: Vec<Column>,
    /// Whether each of their rows stays, also one of which the query makes none.
    keeps_all: bool,
}

impl Left<'_> {
    /// Their columns, and those that a query computes.
    fn with(&self, query: &LogicalPlan) -> Result<Option<LogicalPlan>> {
        match query {
            LogicalPlan::EmptyRelation(empty) if empty.produce_one_row => {
                Ok(Some(self.plan.clone()))
            }
            LogicalPlan::Subquery(subquery) => self.with(&subquery.subquery),
            LogicalPlan::Projection(projection) => {
                let Some(input) = self.with(&projection.input)? else { return Ok(None) };
                self.project(input, &projection.expr)
            }
            LogicalPlan::SubqueryAlias(named) => {
                let Some(input) = self.with(&named.input)? else { return Ok(None) };
                let columns = input.schema().columns().split_off(self.columns.len());
                let name = |column: Column| {
                    let name = column.name.clone();
                    Expr::Column(column).alias_qualified(Some(named.alias.clone()), name)
                };
                let named: Vec<Expr> = columns.into_iter().map(name).collect();
                self.project(input, &named)
            }
            LogicalPlan::Unnest(unnest) => self.unnest(unnest),
            LogicalPlan::Filter(filter) if !self.keeps_all => {
                let Some(input) = self.with(&filter.input)? else { return Ok(None) };
                let Some(predicate) = self.own(&filter.predicate)? else { return Ok(None) };
                Ok(Some(LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(input))?)))
            }
            _ => Ok(None),
        }
    }

    fn project(&self, input: LogicalPlan, computed: &[Expr]) -> Result<Option<LogicalPlan>> {
        let mut exprs: Vec<Expr> = self.columns.iter().cloned().map(Expr::Column).collect();
        let names = NamePreserver::new_for_projection();
        for expr in computed {
            let name = names.save(expr);
            let Some(own) = self.own(expr)? else { return Ok(None) };
            exprs.push(name.restore(own));
        }
        Ok(Some(LogicalPlanBuilder::from(input).project(exprs)?.build()?))
    }

    fn unnest(&self, unnest: &Unnest) -> Result<Option<LogicalPlan>> {
        let Some(mut input) = self.with(&unnest.input)? else { return Ok(None) };
        let mut options = unnest.options.clone();
        if self.keeps_all {
            // Of an empty list comes no row, of a list that is NULL one.
            options = options.with_preserve_nulls(true);
            let columns = input.schema().columns().into_iter().map(|column| {
                if !unnest.exec_columns.contains(&column) {
                    return Ok(Expr::Column(column));
                }
                let (relation, name) = (column.relation.clone(), column.name.clone());
                let list = Expr::Column(column);
                let filled = when(array_length(list.clone()).gt(lit(0_u64)), list).end()?;
                Ok(filled.alias_qualified(relation, name))
            });
            let columns = columns.collect::<Result<Vec<_>>>()?;
            input = LogicalPlanBuilder::from(input).project(columns)?.build()?;
        }
        Ok(Some(unnest_with_options(input, unnest.exec_columns.clone(), options)?))
    }

    /// An expression with columns in the place of references to the tables. None if it refers to others.
    fn own(&self, expr: &Expr) -> Result<Option<Expr>> {
        let mut is_own = true;
        let changed = walk::expr_up(expr.clone(), &mut |part| match part {
            Expr::OuterReferenceColumn(_, column) => {
                is_own &= self.columns.contains(&column);
                Ok(Transformed::yes(Expr::Column(column)))
            }
            part => {
                is_own &= !walk::is_subquery(&part);
                Ok(Transformed::no(part))
            }
        })?;
        Ok(is_own.then_some(changed.data))
    }
}
