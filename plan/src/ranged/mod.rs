//! Windows over rows that are sorted across partitions.
//!
//! A window that has no `PARTITION BY` would take all rows into one task. Where the rows come as
//! ranges of a sorted held table and each window sees only so many rows, or so much of the key,
//! beyond its own row, every partition can be done by itself: it needs the edges of its
//! neighbours. `WindowsRule` puts a `RangedWindowExec` in the place of such a window, before
//! the optimiser decides how rows are brought together; the cut makes it groups of tasks.
//!
//! The method is the overlapping computation of array libraries (`map_overlap` of Dask), with the
//! neighbours' rows counted exactly: an edge may come from several partitions, if these are small.

pub(crate) mod edge;
mod files;
mod joins;
mod reach;

use crate::held::HeldExec;
use datafusion::arrow::compute::SortOptions;
use datafusion::common::ScalarValue;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{OrderingRequirements, PhysicalExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::ReplaceChildrenOptions;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
};
pub use files::{by_files, file_splits};
pub(crate) use joins::JoinsRule;
pub(crate) use reach::Reach;
use std::fmt;
use std::sync::Arc;

/// Rows of neighbours that one task may be given, as far as these can be counted beforehand. Wider
/// windows go through one task.
pub(crate) const NEIGHBOURS_ROWS_MAX: usize = 1 << 20;

pub(crate) type Plan = Arc<dyn ExecutionPlan>;

/// Rows whose partitions are ranges of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranges {
    /// The column of the key, and its order.
    pub key: (usize, SortOptions),
    /// Values of the key between neighbouring partitions, one at least: what is before it in the order
    /// is in the one, all else in the other.
    pub splits: Vec<ScalarValue>,
    /// How many rows each partition has; none where that is known only when they are made.
    pub(crate) rows: Option<Vec<usize>>,
}

/// What is known of the ranges that a plan's partitions are, if they are ranges: a sorted held table,
/// with or without operators above it that leave rows where they are.
pub fn ranges(plan: &Plan) -> Option<Ranges> {
    if let Some(held) = plan.downcast_ref::<HeldExec>() {
        return of_held(held);
    }
    if plan.is::<CooperativeExec>() {
        return ranges(plan.children().first()?);
    }
    if let Some(window) = plan.downcast_ref::<RangedWindowExec>() {
        return ranges(window.input());
    }
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        let mut found = ranges(filter.input())?;
        if let Some(columns) = filter.projection() {
            found.key.0 = columns.iter().position(|at| *at == found.key.0)?;
        }
        return Some(Ranges { rows: None, ..found });
    }
    let projection = plan.downcast_ref::<ProjectionExec>()?;
    let mut found = ranges(projection.input())?;
    found.key.0 = projection.expr().iter().position(|made| {
        made.expr.downcast_ref::<Column>().is_some_and(|column| column.index() == found.key.0)
    })?;
    Some(found)
}

fn of_held(held: &HeldExec) -> Option<Ranges> {
    let (column, options, splits) = held.held().ranges(held.selected())?;
    let sizes = &held.held().partitions;
    let rows = |at: usize| sizes.get(at).map(|size| size.0 as usize);
    let rows = match held.selected() {
        Some(selected) => selected.iter().map(|at| rows(*at as usize)).collect::<Option<_>>(),
        None => (0..sizes.len()).map(rows).collect::<Option<_>>(),
    };
    Some(Ranges { key: (column, options), splits, rows })
}

/// A window each of whose partitions is done by itself, with the edges of its neighbours.
#[derive(Debug)]
pub(crate) struct RangedWindowExec {
    /// The window, over the rows of all partitions.
    window: Plan,
    input: Plan,
    reach: Reach,
}

impl RangedWindowExec {
    /// The rows.
    fn input(&self) -> &Plan {
        &self.input
    }

    fn over(&self, children: Vec<Plan>, options: ReplaceChildrenOptions) -> Result<Plan> {
        let [input] = <[_; 1]>::try_from(children)
            .map_err(|_| DataFusionError::Internal("a window has one child".to_string()))?;
        let window = Arc::clone(&self.window);
        let window = window.replace_children(vec![Arc::clone(&input)], options)?;
        Ok(Arc::new(RangedWindowExec { window, input, reach: self.reach.clone() }))
    }
}

impl DisplayAs for RangedWindowExec {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RangedWindowExec: {}, ", self.reach)?;
        self.window.fmt_as(kind, f)
    }
}

impl ExecutionPlan for RangedWindowExec {
    fn name(&self) -> &'static str {
        "RangedWindowExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.window.properties()
    }

    fn children(&self) -> Vec<&Plan> {
        vec![&self.input]
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        self.window.required_input_ordering()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Plan>,
        options: ReplaceChildrenOptions,
    ) -> Result<Plan> {
        self.over(children, options)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Plan>) -> Result<Plan> {
        use datafusion::physical_plan::execution_plan::ChildrenPropertiesMode::Recompute;
        self.over(children, ReplaceChildrenOptions::new(Recompute))
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.window.apply_expressions(visit)
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        Err(DataFusionError::Internal(crate::exchange::NOT_HERE.to_string()))
    }
}

/// Puts a [`RangedWindowExec`] in the place of each window that can be one.
#[derive(Debug)]
pub(crate) struct WindowsRule;

impl PhysicalOptimizerRule for WindowsRule {
    fn optimize(&self, plan: Plan, config: &ConfigOptions) -> Result<Plan> {
        // Edges are held in memory: where it is short, all rows go through one task, which holds
        // no more than a window of them.
        if !config.optimizer.prefer_hash_join {
            return Ok(plan);
        }
        rewritten(plan, ranged)
    }

    fn name(&self) -> &'static str {
        "ranged_windows"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The plan with other operators, from the leaves up, wherever there is another one.
fn rewritten(plan: Plan, other: impl Fn(&Plan) -> Result<Option<Plan>>) -> Result<Plan> {
    let changed = plan.transform_up(|node| {
        Ok(match other(&node)? {
            Some(other) => Transformed::yes(other),
            None => Transformed::no(node),
        })
    });
    changed.map(|changed| changed.data)
}

/// The window, done by ranges, if it is one that can be.
fn ranged(plan: &Plan) -> Result<Option<Plan>> {
    let exprs =
        match (plan.downcast_ref::<BoundedWindowAggExec>(), plan.downcast_ref::<WindowAggExec>()) {
            (Some(window), _) => window.window_expr(),
            (None, Some(window)) => window.window_expr(),
            (None, None) => return Ok(None),
        };
    let children = plan.children();
    let (Some(first), Some(input)) = (exprs.first(), children.first()) else { return Ok(None) };
    let Some(found) = ranges(input) else { return Ok(None) };
    let order = first.order_by();
    let is_key = order.first().is_some_and(|key| {
        let column = key.expr.downcast_ref::<Column>();
        column.is_some_and(|column| (column.index(), key.options) == found.key)
    });
    let properties = input.equivalence_properties();
    if !is_key || !properties.ordering_satisfy(order.iter().cloned())? {
        return Ok(None);
    }
    let Some(reach) = Reach::of(exprs, &input.schema()) else { return Ok(None) };
    let partitions = found.splits.len() + 1;
    let lists = if found.rows.is_some() { 1 } else { partitions };
    let is_far = reach.rows().saturating_mul(lists) > NEIGHBOURS_ROWS_MAX;
    if is_far || (found.rows.is_none() && has_windows(input)) {
        // A filter between windows would have the lower ones done again for each edge.
        return Ok(None);
    }
    let (window, input) = (Arc::clone(plan), Arc::clone(input));
    Ok(Some(Arc::new(RangedWindowExec { window, input, reach })))
}

fn has_windows(plan: &Plan) -> bool {
    plan.is::<RangedWindowExec>() || plan.children().into_iter().any(has_windows)
}

/// Windows, one above the other, that are done in one go.
pub(crate) struct Chain {
    /// The windows and what is between them, the topmost first.
    pub(crate) operators: Vec<Plan>,
    /// The rows below them all.
    pub(crate) input: Plan,
    /// How far they see together.
    pub(crate) reach: Reach,
}

impl Chain {
    /// The chain that begins at this window.
    pub(crate) fn of(top: &RangedWindowExec) -> Chain {
        let mut chain = Chain {
            operators: vec![Arc::clone(&top.window)],
            input: Arc::clone(&top.input),
            reach: top.reach.clone(),
        };
        let mut between = Vec::new();
        let mut next = Arc::clone(&top.input);
        loop {
            if let Some(window) = next.downcast_ref::<RangedWindowExec>() {
                let Some(reach) = chain.reach.above(&window.reach) else { return chain };
                chain.operators.append(&mut between);
                chain.operators.push(Arc::clone(&window.window));
                chain.reach = reach;
                chain.input = Arc::clone(&window.input);
                next = Arc::clone(&chain.input);
            } else if let Some(projection) = next.downcast_ref::<ProjectionExec>() {
                let below = Arc::clone(projection.input());
                between.push(std::mem::replace(&mut next, below));
            } else {
                return chain;
            }
        }
    }
}
