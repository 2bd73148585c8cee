//! Projections that are repeated.
//!
//! Where a projection stands on one of the same expressions, `OptimizeProjections` of DataFusion
//! 55 drops it: `a + 1 as a` over `a + 1 as a` adds one once. So no two projections on a way down
//! the plan may look the same to it while it runs: below the names of a projection with n others above
//! it stands a second name, which tells n. The rule itself takes such names away from the upper of two
//! projections when it merges them, so the lower always has another; those that are left are taken
//! away after it. One name is enough, and more would be too many: DataFusion computes the type of what
//! has a name twice, and so that of what has n names 2ⁿ times.

use crate::interrupt;
use crate::walk;
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion, TreeNodeRewriter};
use datafusion::logical_expr::{Expr, LogicalPlan, Projection};
use datafusion::optimizer::OptimizerConfig;
use datafusion::optimizer::optimizer::{ApplyOrder, Optimizer, OptimizerRule};
use std::sync::Arc;

type Rule = Arc<dyn OptimizerRule + Send + Sync>;

/// What the second names begin with.
const MARK: &str = "__projections_above_";

/// DataFusion's rules for logical plans, that one guarded.
pub(crate) fn rules() -> Vec<Rule> {
    let guard = |rule: Rule| -> Rule {
        match rule.name() {
            "optimize_projections" => Arc::new(Guarded(rule)),
            _ => rule,
        }
    };
    let rules = Optimizer::new().rules.into_iter().map(guard);
    rules.map(|rule| -> Rule { Arc::new(interrupt::Logical(rule)) }).collect()
}

#[derive(Debug)]
struct Guarded(Rule);

impl OptimizerRule for Guarded {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let mut marks = Marks::default();
        let marked = plan.rewrite_with_subqueries(&mut marks)?.data;
        if !marks.is_used {
            return self.0.rewrite(marked, config);
        }
        self.0.rewrite(marked, config)?.transform_data(|plan| {
            walk::plan_down(plan, &mut |node| match node {
                LogicalPlan::Projection(node) => {
                    Ok(with_mark(node, 0)?.update_data(LogicalPlan::Projection))
                }
                other => Ok(Transformed::no(other)),
            })
        })
    }
}

/// Marks projections with the number of projections above.
#[derive(Default)]
struct Marks {
    above: usize,
    is_used: bool,
}

impl TreeNodeRewriter for Marks {
    type Node = LogicalPlan;

    fn f_down(&mut self, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Projection(node) = node else { return Ok(Transformed::no(node)) };
        let marked = with_mark(node, self.above)?;
        self.is_used |= marked.transformed;
        self.above += 1;
        Ok(marked.update_data(LogicalPlan::Projection))
    }

    fn f_up(&mut self, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        if matches!(node, LogicalPlan::Projection(_)) {
            self.above -= 1;
        }
        Ok(Transformed::no(node))
    }
}

/// The projection with this mark below each of its names, or without one where it is 0.
fn with_mark(node: Projection, mark: usize) -> Result<Transformed<Projection>> {
    let mut is_changed = false;
    let wanted = (mark > 0).then(|| format!("{MARK}{mark}"));
    let mut named = |expr: Expr| {
        let Expr::Alias(mut alias) = expr else { return expr };
        let (found, inner) = match *alias.expr {
            Expr::Alias(inner) if inner.name.starts_with(MARK) => (Some(inner.name), *inner.expr),
            inner => (None, inner),
        };
        is_changed |= found != wanted;
        alias.expr = Box::new(match &wanted {
            Some(mark) => inner.alias(mark),
            None => inner,
        });
        Expr::Alias(alias)
    };
    let exprs = node.expr.into_iter().map(&mut named).collect();
    let node = Projection::try_new_with_schema(exprs, node.input, node.schema)?;
    Ok(Transformed::new(node, is_changed, TreeNodeRecursion::Continue))
}

#[cfg(test)]
mod tests {
    use crate::session::planning_context;
    use datafusion::arrow::util::pretty::pretty_format_batches;

    /// Each of these adds as often as it says, whatever lies between, above and below.
    #[tokio::test]
    async fn equal_projections_all_count() {
        let once = "select a + 1 as a from";
        let queries = [
            (format!("{once} ({once} (select 0 as a))"), 2),
            (format!("{once} ({once} ({once} ({once} (select 0 as a))))"), 4),
            (format!("select a from ({once} (select a from ({once} t)))"), 2),
            (format!("{once} (select a + 1 as a, b from t)"), 2),
            (format!("{once} (select a + 1 as a, a as b from t)"), 2),
            ("select a * a + a as a from (select a * a + a as a from (select 2 as a))".into(), 42),
            ("select b as a, a as b from (select b as a, a as b from t)".into(), 0),
            (format!("select (select max(a) from ({once} ({once} t))) as a"), 2),
        ];
        for (query, expected) in queries {
            let context = planning_context();
            context.sql("create table t as select 0 as a, 7 as b").await.unwrap();
            let frame = context.sql(&format!("select a from ({query})")).await.unwrap();
            let plan = frame.clone().into_optimized_plan().unwrap().display_indent().to_string();
            let rows = pretty_format_batches(&frame.collect().await.unwrap()).unwrap().to_string();
            let found: Vec<&str> = rows.split(['|', '\n']).map(str::trim).collect();
            assert!(found.contains(&expected.to_string().as_str()), "{query}\n{plan}\n{rows}");
            assert!(!plan.contains("AS a AS a") && !plan.contains(super::MARK), "{plan}");
        }
    }

    /// Planning takes no longer for each projection more.
    #[tokio::test]
    async fn many_projections_are_planned_fast() {
        let context = planning_context();
        let once = "select a + 1 as a from (".repeat(30);
        let query = format!("{once}select 0 as a{}", ")".repeat(30));
        let started = std::time::Instant::now();
        let rows = context.sql(&query).await.unwrap().collect().await.unwrap();
        let found = pretty_format_batches(&rows).unwrap().to_string();
        assert!(found.contains(" 30 "), "{found}");
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }
}
