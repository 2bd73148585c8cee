//! DataFusion's rule that moves projections towards the scans, kept away from where it is wrong.
//!
//! `SortMergeJoinExec::try_swapping_with_projection` of DataFusion 55 moves a projection below the
//! join and leaves the join's filter as it was, whose columns are then others or gone: rows are
//! lost without an error. Such joins are planned when memory is short. Plans with one of them keep
//! their projections where they are; scans read no more for it.

use datafusion::common::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::SortMergeJoinExec;
use std::sync::Arc;

type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// The name of the rule.
const GUARDED: &str = "ProjectionPushdown";

/// DataFusion's rules for physical plans, with that one guarded.
pub(crate) fn rules() -> Vec<Rule> {
    let guard = |rule: Rule| -> Rule {
        if rule.name() == GUARDED { Arc::new(Guarded(rule)) } else { rule }
    };
    PhysicalOptimizer::new().rules.into_iter().map(guard).collect()
}

#[derive(Debug)]
struct Guarded(Rule);

impl PhysicalOptimizerRule for Guarded {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if is_at_risk(&plan) { Ok(plan) } else { self.0.optimize(plan, config) }
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

fn is_at_risk(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.downcast_ref::<SortMergeJoinExec>().is_some_and(|join| join.filter().is_some())
        || plan.children().into_iter().any(is_at_risk)
}
