//! Windows over rows that are sorted across partitions.
//!
//! A window without `PARTITION BY` would take all rows into one task. Where the rows are ranges of
//! a sorted persisted table and each window reaches only a bounded number of rows, or a bounded
//! distance of the key, beyond its own row, every partition can be computed independently: it needs
//! the edges of its neighbours. `WindowsRule` puts a `RangedWindowExec` in the place of such a
//! window, before the optimiser decides where rows are shuffled; the cut makes it stages.
//!
//! Windows that begin with the first row of all see too much for that. They are done by partitions as
//! well, and then given what was found in the partitions before, where that can be joined to them.
//!
//! The method is the overlapping computation of array libraries (`map_overlap` of Dask), with the
//! neighbours' rows counted exactly: an edge may come from several partitions, if these are small.

mod files;
mod joins;

use crate::persisted::PersistedExec;
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::Schema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::window::WindowExpr;
use datafusion::physical_expr::{OrderingRequirements, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::ReplaceChildrenOptions;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, InputOrderMode,
    PlanProperties,
};
pub use files::{by_files, file_splits};
pub(crate) use joins::{JoinsRule, SplitsRule};
use partita_operators::ranged::carry::{Carries, Carry};
use partita_operators::ranged::{Ranges, Reach};
use partita_operators::windows::window_exprs;
use std::fmt;
use std::sync::Arc;

/// Rows of neighbours that one task may be given, as far as these can be counted beforehand. Wider
/// windows go through one task.
pub(crate) const NEIGHBOURS_ROWS_MAX: usize = 1 << 20;

pub(crate) type Plan = Arc<dyn ExecutionPlan>;

/// What is known of the ranges that a plan's partitions are, if they are ranges: a sorted persisted table,
/// with or without operators above it that leave rows where they are.
pub fn ranges(plan: &Plan) -> Option<Ranges> {
    if let Some(persisted) = plan.downcast_ref::<PersistedExec>() {
        return of_persisted(persisted);
    }
    if plan.is::<CooperativeExec>() {
        return ranges(plan.children().first()?);
    }
    if let Some(window) = plan.downcast_ref::<RangedWindowExec>() {
        return ranges(window.input());
    }
    if let Some(filter) = plan.downcast_ref::<FilterExec>().filter(|f| f.fetch().is_none()) {
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

/// The column of a key and its order, if the key is one.
pub fn column_key(key: &PhysicalSortExpr) -> Option<(usize, SortOptions)> {
    key.expr.downcast_ref::<Column>().map(|column| (column.index(), key.options))
}

fn of_persisted(persisted: &PersistedExec) -> Option<Ranges> {
    let (column, options, splits) = persisted.persisted().ranges(persisted.selected())?;
    let sizes = &persisted.persisted().partitions;
    let rows = |at: usize| sizes.get(at).map(|size| size.0 as usize);
    let rows = match persisted.selected() {
        Some(selected) => selected.iter().map(|at| rows(*at as usize)).collect::<Option<_>>(),
        None => (0..sizes.len()).map(rows).collect::<Option<_>>(),
    };
    Some(Ranges { key: (column, options), splits, rows })
}

/// A window each of whose partitions is done by itself.
#[derive(Debug)]
pub(crate) struct RangedWindowExec {
    /// The window, over the rows of all partitions.
    pub(crate) window: Plan,
    input: Plan,
    pub(crate) needs: Needs,
}

/// What the windows of a partition need of the others.
#[derive(Clone, Debug)]
pub(crate) enum Needs {
    /// Rows of its neighbours.
    Rows(Reach),
    /// What the windows of these columns found in all partitions before.
    Found(Carries),
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Needs::Rows(reach) => reach.fmt(f),
            Needs::Found(_) => write!(f, "sees all earlier rows"),
        }
    }
}

impl RangedWindowExec {
    /// The rows.
    pub(crate) fn input(&self) -> &Plan {
        &self.input
    }

    fn over(&self, children: Vec<Plan>, options: ReplaceChildrenOptions) -> Result<Plan> {
        let [input] = <[_; 1]>::try_from(children)
            .map_err(|_| DataFusionError::Internal("a window takes one child".to_string()))?;
        let window = Arc::clone(&self.window);
        let window = window.replace_children(vec![Arc::clone(&input)], options)?;
        Ok(Arc::new(RangedWindowExec { window, input, needs: self.needs.clone() }))
    }
}

impl DisplayAs for RangedWindowExec {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RangedWindowExec: {}, ", self.needs)?;
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
    let children = plan.children();
    let (Some(exprs), Some(input)) = (window_exprs(plan), children.first()) else {
        return Ok(None);
    };
    let (Some(first), Some(found)) = (exprs.first(), ranges(input)) else { return Ok(None) };
    let order = first.order_by();
    let is_key = order.first().and_then(column_key) == Some(found.key);
    let properties = input.equivalence_properties();
    if !is_key || !properties.ordering_satisfy(order.iter().cloned())? {
        return Ok(None);
    }
    Split::of(exprs, &input.schema())
        .filter(|split| !split.is_far(&found))
        .map(|split| split.over(plan, input))
        .transpose()
}

/// The expressions of a window by what they need.
#[derive(Default)]
struct Split {
    /// How far those see that see rows of neighbours.
    reach: Reach,
    /// Those, with their places.
    seeing: Vec<(usize, Arc<dyn WindowExpr>)>,
    carried: Vec<(usize, Arc<dyn WindowExpr>)>,
    /// How what those find is joined to the next.
    carries: Vec<Carry>,
}

impl Split {
    /// None if one of the expressions may see any row and gives what cannot be joined.
    fn of(exprs: &[Arc<dyn WindowExpr>], schema: &Schema) -> Option<Split> {
        let mut split = Split::default();
        for (place, expr) in exprs.iter().enumerate() {
            match Carry::of(expr) {
                Some(carry) => {
                    split.carries.push(carry);
                    split.carried.push((place, Arc::clone(expr)));
                }
                None => {
                    split.reach.add(Reach::of(expr, schema)?);
                    split.seeing.push((place, Arc::clone(expr)));
                }
            }
        }
        Some(split)
    }

    /// Whether tasks would be given too many rows of neighbours.
    fn is_far(&self, ranges: &Ranges) -> bool {
        let lists = if ranges.rows.is_some() { 1 } else { ranges.splits.len() + 1 };
        self.reach.rows().saturating_mul(lists) > NEIGHBOURS_ROWS_MAX
    }

    fn carries(&self, first: usize) -> Carries {
        (first..).zip(self.carries.iter().copied()).collect()
    }

    fn over(self, window: &Plan, input: &Plan) -> Result<Plan> {
        let width = input.schema().fields().len();
        let (window, input) = (Arc::clone(window), Arc::clone(input));
        if self.carried.is_empty() {
            let needs = Needs::Rows(self.reach);
            return Ok(Arc::new(RangedWindowExec { window, input, needs }));
        }
        if self.seeing.is_empty() {
            let needs = Needs::Found(self.carries(width));
            return Ok(Arc::new(RangedWindowExec { window, input, needs }));
        }
        let schema = window.schema();
        let needs = Needs::Found(self.carries(width + self.seeing.len()));
        let places = self.seeing.iter().chain(&self.carried).map(|(place, _)| width + place);
        let mut columns = (0..width).chain(places).zip(0..).collect::<Vec<(usize, usize)>>();
        columns.sort_unstable();
        let seeing = window_of(self.seeing, &input)?;
        let below: Plan =
            Arc::new(RangedWindowExec { window: seeing, input, needs: Needs::Rows(self.reach) });
        let window = window_of(self.carried, &below)?;
        let both = Arc::new(RangedWindowExec { window, input: below, needs });
        let named = columns.into_iter().zip(schema.fields()).map(|((_, column), field)| {
            ProjectionExpr::new(Arc::new(Column::new(field.name(), column)), field.name().clone())
        });
        Ok(Arc::new(ProjectionExec::try_new(named.collect::<Vec<_>>(), both)?))
    }
}

/// A window operator with these expressions.
fn window_of(exprs: Vec<(usize, Arc<dyn WindowExpr>)>, input: &Plan) -> Result<Plan> {
    let exprs: Vec<_> = exprs.into_iter().map(|(_, expr)| expr).collect();
    let input = Arc::clone(input);
    Ok(match exprs.iter().all(|expr| expr.uses_bounded_memory()) {
        true => {
            Arc::new(BoundedWindowAggExec::try_new(exprs, input, InputOrderMode::Sorted, false)?)
        }
        false => Arc::new(WindowAggExec::try_new(exprs, input, false)?),
    })
}

pub(crate) fn has_windows(plan: &Plan) -> bool {
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
    /// The chain that begins at this window, which sees so far.
    pub(crate) fn of(top: &RangedWindowExec, reach: &Reach) -> Chain {
        let mut chain = Chain {
            operators: vec![Arc::clone(&top.window)],
            input: Arc::clone(&top.input),
            reach: reach.clone(),
        };
        let mut between = Vec::new();
        let mut next = Arc::clone(&top.input);
        loop {
            if let Some(window) = next.downcast_ref::<RangedWindowExec>() {
                let Needs::Rows(below) = &window.needs else { return chain };
                let Some(reach) = chain.reach.above(below) else { return chain };
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
