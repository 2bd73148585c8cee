//! Conditions of filters without `IS TRUE`.
//!
//! A row for which a condition is NULL is left out as one for which it is false is. Frames of the Python package
//! have conditions that are never NULL, `(c > 3) IS TRUE`, as pandas has; statistics and pushed-down filters are
//! only read from `c > 3`.

use crate::walk;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::logical_expr::{BinaryExpr, Expr, Filter, LogicalPlan, Operator};
use datafusion::optimizer::AnalyzerRule;

/// Takes `IS TRUE` away where a filter makes no difference between NULL and false.
#[derive(Debug)]
pub(crate) struct ConditionsRule;

impl AnalyzerRule for ConditionsRule {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let rewritten = walk::plan_down(plan, &mut |node| match node {
            LogicalPlan::Filter(filter) => {
                let made = walk::expr_down(filter.predicate, &mut plain)?;
                let is_changed = made.transformed;
                let filter = LogicalPlan::Filter(Filter::try_new(made.data, filter.input)?);
                Ok(Transformed::new(filter, is_changed, TreeNodeRecursion::Continue))
            }
            other => Ok(Transformed::no(other)),
        })?;
        Ok(rewritten.data)
    }

    fn name(&self) -> &str {
        "conditions"
    }
}

/// A condition, or one of those that AND and OR join, without `IS TRUE`.
fn plain(mut condition: Expr) -> Result<Transformed<Expr>> {
    let mut is_changed = false;
    while let Expr::IsTrue(inner) = condition {
        condition = *inner;
        is_changed = true;
    }
    let joins =
        matches!(condition, Expr::BinaryExpr(BinaryExpr { op: Operator::And | Operator::Or, .. }));
    let next = if joins { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Jump };
    Ok(Transformed::new(condition, is_changed, next))
}

#[cfg(test)]
mod tests {
    use crate::session::planning_context;
    use datafusion::arrow::util::pretty::pretty_format_batches;

    /// Only conditions that a filter joins lose it, and the rows are the same.
    #[tokio::test]
    async fn filters_have_plain_conditions() {
        let context = planning_context();
        context.sql("create table t as values (1, 1), (2, null), (null, 3)").await.unwrap();
        for (condition, left, sum) in [
            ("(column1 > 1) is true", 0, "2"),
            ("((column1 > 1) is true and (column2 is null) is true) is true", 0, "2"),
            ("(column1 > 1) is true or (column2 > 1) is true", 0, "2"),
            ("not ((column1 > 1) is true)", 1, "1"),
            ("((column1 > 1) is true) is not null", 0, "3"),
        ] {
            let query = format!("select sum(column1) as s from t where {condition}");
            let frame = context.sql(&query).await.unwrap();
            let plan = frame.clone().into_optimized_plan().unwrap().display_indent().to_string();
            let found = plan.matches("IS TRUE").count() + plan.matches("IS NOT TRUE").count();
            assert_eq!(found, left, "{condition}: {plan}");
            let rows = pretty_format_batches(&frame.collect().await.unwrap()).unwrap().to_string();
            assert!(rows.contains(&format!("| {sum} ")), "{condition}: {rows}");
        }
    }
}
