//! Orders that name an expression twice.
//!
//! `array_agg(x order by id, id)` is planned by DataFusion 55 with two columns for the order, and computed with
//! one: it panics, or fails since "column types must match schema types". The second of equal expressions
//! decides nothing, whatever its direction, so only the first is kept. This is the last rule of the optimiser:
//! expressions become equal in it, and `DISTINCT ON` becomes an aggregate with an order.

use crate::walk;
use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::OptimizerConfig;
use datafusion::optimizer::optimizer::{ApplyOrder, OptimizerRule};

/// Keeps the first of equal expressions of an order.
#[derive(Debug)]
pub(crate) struct OrdersRule;

impl OptimizerRule for OrdersRule {
    fn name(&self) -> &str {
        "orders"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        if let LogicalPlan::Sort(mut sort) = plan {
            let is_changed = keep_first(&mut sort.expr);
            let plan = LogicalPlan::Sort(sort);
            return Ok(if is_changed { Transformed::yes(plan) } else { Transformed::no(plan) });
        }
        if !matches!(plan, LogicalPlan::Aggregate(_) | LogicalPlan::Window(_)) {
            return Ok(Transformed::no(plan));
        }
        let is_call =
            |part: &Expr| matches!(part, Expr::AggregateFunction(_) | Expr::WindowFunction(_));
        walk::named_expressions(plan, &is_call, &mut |expr| {
            walk::expr_down(expr, &mut |expr| Ok(shortened(expr)))
        })
    }
}

fn shortened(mut expr: Expr) -> Transformed<Expr> {
    let is_changed = match &mut expr {
        Expr::AggregateFunction(call) => keep_first(&mut call.params.order_by),
        Expr::WindowFunction(window) => keep_first(&mut window.params.order_by),
        _ => false,
    };
    if is_changed { Transformed::yes(expr) } else { Transformed::no(expr) }
}

/// Removes the later ones of equal expressions. Says whether there were any.
fn keep_first(order: &mut Vec<Sort>) -> bool {
    let before = order.len();
    let mut at = 1;
    while at < order.len() {
        match order[..at].iter().any(|earlier| earlier.expr == order[at].expr) {
            true => {
                order.remove(at);
            }
            false => at += 1,
        }
    }
    order.len() < before
}

#[cfg(test)]
mod tests {
    use crate::session::planning_context;
    use datafusion::arrow::util::pretty::pretty_format_batches;

    /// Aggregates, windows and queries have the rows of the order without the repetition.
    #[tokio::test]
    async fn repeated_keys_are_ignored() {
        let context = planning_context();
        let table = "create table t as values (1, 'b', 2), (2, 'a', 2), (3, 'c', 1)";
        context.sql(table).await.unwrap().collect().await.unwrap();
        for (repeated, once) in [
            ("first_value(column2 order by column1, column1)", "'b'"),
            ("last_value(column2 order by column1, column1 + 0)", "'c'"),
            ("array_agg(column2 order by column3, column1, column3 desc)", "['c', 'b', 'a']"),
            ("string_agg(column2, '' order by column1 desc, column1)", "'cab'"),
        ] {
            let query = format!("select {repeated} = {once} as same from t");
            let rows = context.sql(&query).await.unwrap().collect().await.unwrap();
            let shown = pretty_format_batches(&rows).unwrap().to_string();
            assert!(shown.contains("true"), "{repeated}: {shown}");
        }
        for (repeated, once) in [
            (
                "select column2, sum(column1) over (order by column3, column3) as s from t order by 1",
                "select column2, sum(column1) over (order by column3) as s from t order by 1",
            ),
            (
                "select column2 from t order by column3, column1 desc, column3 desc, column1",
                "select column2 from t order by column3, column1 desc",
            ),
            (
                "select distinct on (column3) column2 from t order by column3, column1, column1",
                "select distinct on (column3) column2 from t order by column3, column1",
            ),
        ] {
            let mut shown = Vec::new();
            for query in [repeated, once] {
                let rows = context.sql(query).await.unwrap().collect().await.unwrap();
                shown.push(pretty_format_batches(&rows).unwrap().to_string());
            }
            assert_eq!(shown[0], shown[1], "{repeated}");
        }
    }
}
