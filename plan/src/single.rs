//! Scalar subqueries that may give several rows.
//!
//! `where x = (select y from t)` is an error if `t` has two rows. Here such a subquery becomes a
//! join, since its value cannot be handed over in memory, and a join would give a row for each.
//! So [`SingleValueRule`] puts the aggregate [`single_value`] on top of every subquery that is not
//! known to give one row at most: it gives null for no row, the value of one, and an error for
//! more.

use crate::walk;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Subquery};
use datafusion::optimizer::AnalyzerRule;
use partita_operators::functions::single::single_value;
use std::sync::Arc;

/// Makes subqueries that stand for a value give one row.
#[derive(Debug)]
pub struct SingleValueRule;

impl AnalyzerRule for SingleValueRule {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let rewritten = walk::plan_down(plan, &mut |node| {
            walk::expressions(node, &mut |expr| walk::expr_down(expr, &mut in_expression))
        })?;
        Ok(rewritten.data)
    }

    fn name(&self) -> &str {
        "single_value"
    }
}

fn in_expression(expr: Expr) -> Result<Transformed<Expr>> {
    match expr {
        Expr::ScalarSubquery(subquery) if may_give_several_rows(&subquery) => {
            Ok(Transformed::yes(Expr::ScalarSubquery(single(subquery)?)))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// Subqueries that refer to the query around them are DataFusion's own affair: it refuses those
/// that are no aggregates.
fn may_give_several_rows(subquery: &Subquery) -> bool {
    subquery.outer_ref_columns.is_empty() && subquery.subquery.max_rows().is_none_or(|max| max > 1)
}

fn single(subquery: Subquery) -> Result<Subquery> {
    let inner = Arc::unwrap_or_clone(subquery.subquery);
    let (qualifier, field) = inner.schema().qualified_field(0);
    let (qualifier, name) = (qualifier.cloned(), field.name().clone());
    let value = Expr::Column(Column::new(qualifier.clone(), name.clone()));
    let aggregate = LogicalPlanBuilder::from(inner)
        .aggregate(Vec::<Expr>::new(), vec![single_value().call(vec![value])])?
        .build()?;
    let found = aggregate
        .schema()
        .columns()
        .into_iter()
        .next()
        .ok_or_else(|| DataFusionError::Internal("an aggregate has no column".to_string()))?;
    let named = Expr::Column(found).alias_qualified(qualifier, name);
    let plan = LogicalPlanBuilder::from(aggregate).project([named])?.build()?;
    Ok(Subquery { subquery: Arc::new(plan), ..subquery })
}
