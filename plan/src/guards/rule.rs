//! The rules of guards.

use crate::walk;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::AnalyzerRule;

/// A rule that changes each node of a plan and of its subqueries by itself, inputs first.
#[derive(Debug)]
pub(crate) struct NodeRule {
    pub(crate) name: &'static str,
    pub(crate) change: fn(LogicalPlan) -> Result<Transformed<LogicalPlan>>,
}

impl AnalyzerRule for NodeRule {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(walk::plan_up(plan, &mut |node| (self.change)(node))?.data)
    }

    fn name(&self) -> &str {
        self.name
    }
}
