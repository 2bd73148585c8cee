//! Joins of two sorted tables by their key.
//!
//! Where the ranges of both are the same, the optimiser leaves all rows where they are. Where they
//! are not, it would shuffle both sides by hash. [`JoinsRule`] has only the smaller one split, by the
//! ranges of the other: of each of its partitions few others have a part.
//!
//! `EnsureRequirements` removes each `RepartitionExec` that it did not insert itself. The split is therefore an operator
//! of ours until that rule has run, and [`SplitsRule`] replaces it then.

use super::{Plan, rewritten};
use datafusion::common::config::ConfigOptions;
use datafusion::common::internal_err;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    PhysicalExpr, PhysicalExprRef, PhysicalSortExpr, RangePartitioning,
};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::{
    ChildrenPropertiesMode, ReplaceChildrenOptions, replace_children_if_necessary,
};
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning,
    PlanProperties,
};
use std::fmt;
use std::sync::Arc;

/// Brings one side of a join into the ranges of the other.
#[derive(Debug)]
pub(crate) struct JoinsRule;

impl PhysicalOptimizerRule for JoinsRule {
    fn optimize(&self, plan: Plan, _: &ConfigOptions) -> Result<Plan> {
        rewritten(plan, aligned)
    }

    fn name(&self) -> &'static str {
        "ranged_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The join with one side split anew, if both are other ranges of the join's one key.
fn aligned(plan: &Plan) -> Result<Option<Plan>> {
    let Some(join) = plan.downcast_ref::<HashJoinExec>() else { return Ok(None) };
    let [(left_key, right_key)] = join.on() else { return Ok(None) };
    let ranges = |side: &Plan, key: &PhysicalExprRef| {
        let Partitioning::Range(ranges) = side.output_partitioning() else { return None };
        let is_by_key = ranges.ordering().len() == 1
            && ranges.ordering().first().expr.downcast_ref::<Column>()
                == key.downcast_ref::<Column>();
        (key.is::<Column>() && is_by_key).then(|| ranges.clone())
    };
    let (Some(left), Some(right)) =
        (ranges(join.left(), left_key), ranges(join.right(), right_key))
    else {
        return Ok(None);
    };
    let same_order = left.ordering().first().options == right.ordering().first().options;
    if *join.partition_mode() != PartitionMode::Partitioned
        || !same_order
        || left.split_points() == right.split_points()
    {
        return Ok(None);
    }
    let sides = match bytes(join.left()) > bytes(join.right()) {
        true => vec![Arc::clone(join.left()), split(join.right(), &right, &left)?],
        false => vec![split(join.left(), &left, &right)?, Arc::clone(join.right())],
    };
    replace_children_if_necessary(Arc::clone(plan), sides).map(Some)
}

/// The rows of one side, in the ranges of the other.
fn split(side: &Plan, by: &RangePartitioning, into: &RangePartitioning) -> Result<Plan> {
    let key: PhysicalSortExpr = by.ordering().first().clone();
    let ranges = RangePartitioning::try_new([key].into(), into.split_points().to_vec())?;
    let partitioning = Partitioning::Range(ranges);
    Ok(Arc::new(RangeSplitExec(RepartitionExec::try_new(Arc::clone(side), partitioning)?)))
}

/// Replaces each [`RangeSplitExec`] by the repartitioning that it stands for.
#[derive(Debug)]
pub(crate) struct SplitsRule;

impl PhysicalOptimizerRule for SplitsRule {
    fn optimize(&self, plan: Plan, _: &ConfigOptions) -> Result<Plan> {
        rewritten(plan, |node| {
            let split = node.downcast_ref::<RangeSplitExec>();
            Ok(split.map(|split| Arc::new(split.0.clone()) as Plan))
        })
    }

    fn name(&self) -> &'static str {
        "ranged_splits"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// A repartitioning by ranges while the optimiser decides where rows are shuffled.
#[derive(Debug)]
struct RangeSplitExec(RepartitionExec);

impl DisplayAs for RangeSplitExec {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RangeSplitExec: ")?;
        self.0.fmt_as(kind, f)
    }
}

impl ExecutionPlan for RangeSplitExec {
    fn name(&self) -> &'static str {
        "RangeSplitExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.0.properties()
    }

    fn children(&self) -> Vec<&Plan> {
        self.0.children()
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Plan>,
        _: ReplaceChildrenOptions,
    ) -> Result<Plan> {
        let partitioning = self.0.partitioning().clone();
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => {
                Ok(Arc::new(RangeSplitExec(RepartitionExec::try_new(input, partitioning)?)))
            }
            _ => internal_err!("RangeSplitExec has one input"),
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Plan>) -> Result<Plan> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute),
        )
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.0.apply_expressions(visit)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        self.0.execute(partition, context)
    }
}

/// How large a side is thought to be; nothing is smaller than what is not known.
fn bytes(plan: &Plan) -> usize {
    let statistics = StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new()).ok();
    let bytes = statistics.and_then(|found| found.total_byte_size.get_value().copied());
    bytes.unwrap_or(usize::MAX)
}
