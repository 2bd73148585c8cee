//! DataFusion's rules, kept away from where they are wrong: those for logical plans in
//! [`repeated`], those for physical plans here; what they make of statistics in [`nan`]. Where its plans or
//! operators are wrong whatever the rule, [`membership`] and [`zeros`] give it another plan.
//! `docs/compatibility.md` lists all of it.
//!
//! Three of these, in DataFusion 55, lose rows without an error. One does it in plans with columns
//! of the same name:
//!
//! - `FilterPushdown` finds the columns of a filter by name when it passes operators: a filter on
//!   the `id` of one side of an outer join (`where a.id is null`) may reach the scan of the other.
//!   Filters stay above operators that give two columns of one name; all others still move.
//!
//! Two do it where a plan has a `SortMergeJoinExec`, as it is planned when memory is short:
//!
//! - `ProjectionPushdown` moves a projection below the join and leaves the join's filter as it was,
//!   whose columns are then others or gone. Plans with such a filter keep their projections where
//!   they are; scans read no more for it.
//! - `EnsureRequirements` hands the limit of a sort to the sorts below the join if the join gives
//!   rows in that order already: the join then sees only the first rows. There the limit is put
//!   above the sort, as an operator of its own, which the rule leaves where it is.
//!
//! `EnsureRequirements` has another fault, which ends in an error: it sorts no input of a union that is
//! in the wanted order by a constant of its own (`select 0 as part, .. union all select 1 as part, ..
//! order by part, key`), of which the union then knows nothing. Its rows are sorted above it.

pub(crate) mod aggregates;
pub(crate) mod branches;
pub(crate) mod copies;
pub(crate) mod correlated;
pub(crate) mod filters;
pub(crate) mod intervals;
pub(crate) mod lateral;
pub(crate) mod lists;
pub(crate) mod membership;
pub(crate) mod nan;
pub(crate) mod one_nan;
pub(crate) mod repeated;
pub(crate) mod rule;
pub(crate) mod sizes;
#[cfg(test)]
mod tests;
pub(crate) mod zeros;

use crate::interrupt;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::physical_expr::OrderingRequirements;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::joins::SortMergeJoinExec;
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use std::collections::HashSet;
use std::sync::Arc;

type Plan = Arc<dyn ExecutionPlan>;
type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// DataFusion's rules, those three guarded.
pub(crate) fn rules() -> Vec<Rule> {
    let guard = |rule: Rule| -> Rule {
        match rule.name() {
            "FilterPushdown" => Arc::new(Filters(rule)),
            "ProjectionPushdown" => Arc::new(Projections(rule)),
            "EnsureRequirements" => Arc::new(Requirements(rule)),
            _ => rule,
        }
    };
    let rules = PhysicalOptimizer::new().rules.into_iter().map(guard);
    let rules = rules.chain([Arc::new(nan::PruningRule) as Rule]);
    rules.map(|rule| -> Rule { Arc::new(interrupt::Physical(rule)) }).collect()
}

#[derive(Debug)]
struct Filters(Rule);

impl Filters {
    /// Applies the rule to the parts of a plan that are below all columns of the same name.
    fn apply(&self, plan: Plan, config: &ConfigOptions) -> Result<Plan> {
        if !any(&plan, &has_namesakes) {
            return self.0.optimize(plan, config);
        }
        let children =
            plan.children().into_iter().map(|child| self.apply(Arc::clone(child), config));
        let children = children.collect::<Result<Vec<_>>>()?;
        replace_children_if_necessary(plan, children)
    }
}

impl PhysicalOptimizerRule for Filters {
    fn optimize(&self, plan: Plan, config: &ConfigOptions) -> Result<Plan> {
        self.apply(plan, config)
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

/// Whether two columns of an operator's rows have the same name.
fn has_namesakes(plan: &Plan) -> bool {
    let schema = plan.schema();
    let mut names = HashSet::new();
    !schema.fields().iter().all(|field| names.insert(field.name()))
}

#[derive(Debug)]
struct Projections(Rule);

impl PhysicalOptimizerRule for Projections {
    fn optimize(&self, plan: Plan, config: &ConfigOptions) -> Result<Plan> {
        let at_risk = any(&plan, &|node| {
            node.downcast_ref::<SortMergeJoinExec>().is_some_and(|join| join.filter().is_some())
        });
        if at_risk { Ok(plan) } else { self.0.optimize(plan, config) }
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

#[derive(Debug)]
struct Requirements(Rule);

impl PhysicalOptimizerRule for Requirements {
    fn optimize(&self, plan: Plan, config: &ConfigOptions) -> Result<Plan> {
        let plan = self.0.optimize(plan.transform_up(limit_above)?.data, config)?;
        Ok(plan.transform_up(inputs_sorted)?.data)
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

/// Puts the limit of a sort above such a join above the sort.
fn limit_above(plan: Plan) -> Result<Transformed<Plan>> {
    let Some(sort) = plan.downcast_ref::<SortExec>() else { return Ok(Transformed::no(plan)) };
    let Some(fetch) = sort.fetch() else { return Ok(Transformed::no(plan)) };
    if !any(&plan, &|node| node.is::<SortMergeJoinExec>()) {
        return Ok(Transformed::no(plan));
    }
    let all: Plan = Arc::new(sort.with_fetch(None));
    let limited: Plan = match sort.preserve_partitioning() {
        true => Arc::new(LocalLimitExec::new(all, fetch)),
        false => Arc::new(GlobalLimitExec::new(all, 0, Some(fetch))),
    };
    Ok(Transformed::yes(limited))
}

/// Sorts the inputs of an operator that must be in an order, as far as they are not known to be in it.
fn inputs_sorted(plan: Plan) -> Result<Transformed<Plan>> {
    let wanted = plan.required_input_ordering();
    let mut children = Vec::new();
    let mut is_changed = false;
    for (child, wanted) in plan.children().into_iter().zip(wanted) {
        let mut child = Arc::clone(child);
        if let Some(OrderingRequirements::Hard(mut wanted)) = wanted
            && let Some(wanted) = wanted.pop().filter(|_| wanted.is_empty())
            && !child.equivalence_properties().ordering_satisfy_requirement(wanted.clone())?
        {
            let sort = SortExec::new(wanted.into(), child);
            child = Arc::new(sort.with_preserve_partitioning(true));
            is_changed = true;
        }
        children.push(child);
    }
    match is_changed {
        true => Ok(Transformed::yes(replace_children_if_necessary(plan, children)?)),
        false => Ok(Transformed::no(plan)),
    }
}

fn any(plan: &Plan, is: &impl Fn(&Plan) -> bool) -> bool {
    is(plan) || plan.children().into_iter().any(|child| any(child, is))
}
