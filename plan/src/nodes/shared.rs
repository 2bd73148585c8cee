//! Relations that are planned apart from what reads them.
//!
//! In a logical plan such a relation is a [`SharedTable`]; DataFusion takes it for a table. [`physical_plan`]
//! first optimises what reads it, which tells the columns that are wanted, and then the relation itself. In the
//! physical plan it is a leaf, [`SharedExec`], so that no rule plans what is below it once for each reader.
//!
//! A relation that several others read becomes a stage when the plan is cut: it runs once, and each reader reads
//! that stage, partition by partition. One with a single reader is there only to keep the parts of a plan small,
//! whose planning takes time that grows faster than its size; the cut puts its plan into the place of the leaf.

use crate::exchange::NOT_HERE;
use crate::guards::correlated;
use crate::walk;
use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Statistics;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::{TableType, provider_as_source, source_as_provider};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Projection, TableScan};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use partita_operators::plain_operator;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Sets of equal columns that the leaf of a relation tells of.
const EQUIVALENCES_MAX: usize = 32;

/// A relation that a plan reads as a table.
#[derive(Debug)]
pub struct SharedTable {
    /// Its number, which is larger than those of the shared relations that it reads itself.
    id: u32,
    readers: Readers,
    plan: LogicalPlan,
    schema: SchemaRef,
}

/// How many relations read one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// One.
    One,
    /// Several.
    Several,
}

impl SharedTable {
    /// A plan that reads a relation as a table.
    ///
    /// # Errors
    /// If DataFusion refuses the relation.
    pub fn scan_of(
        id: u32,
        readers: Readers,
        plan: LogicalPlan,
        state: &SessionState,
    ) -> Result<LogicalPlan> {
        let plan = analyzed(state, plan)?;
        let schema = Arc::new(plan.schema().as_arrow().clone());
        scan(Arc::new(SharedTable { id, readers, plan, schema }))
    }

    /// The plan of its rows.
    pub fn plan(&self) -> &LogicalPlan {
        &self.plan
    }
}

fn scan(table: Arc<SharedTable>) -> Result<LogicalPlan> {
    let name = format!("step_{}", table.id);
    LogicalPlanBuilder::scan(name, provider_as_source(table), None)?.build()
}

#[async_trait]
impl TableProvider for SharedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plans = session.config().get_extension::<Plans>();
        let planned = plans.and_then(|plans| plans.lock().get(&self.id).cloned());
        let Some(Planned { columns, input, statistics }) = planned else {
            return Err(DataFusionError::Internal("a shared relation has no plan".to_string()));
        };
        let (id, readers) = (self.id, self.readers);
        let properties = plain_properties(&input);
        let leaf = SharedExec { id, readers, input, statistics, properties };
        let leaf: Arc<dyn ExecutionPlan> = Arc::new(leaf);
        let wanted: Vec<usize> = match projection {
            Some(wanted) => wanted.clone(),
            None => (0..self.schema.fields().len()).collect(),
        };
        if wanted == columns {
            return Ok(leaf);
        }
        let exprs = wanted.iter().map(|at| {
            let place = columns.binary_search(at).map_err(|_| {
                DataFusionError::Internal("a column of a shared relation is missing".to_string())
            })?;
            let alias = self.schema.field(*at).name().clone();
            let expr: Arc<dyn PhysicalExpr> = Arc::new(Column::new(&alias, place));
            Ok(ProjectionExpr { expr, alias })
        });
        let exprs = exprs.collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(ProjectionExec::try_new(exprs, leaf)?))
    }
}

/// The table of a scan, if it is a shared relation.
fn shared(scan: &TableScan) -> Option<Arc<dyn TableProvider>> {
    source_as_provider(&scan.source).ok().filter(|table| table.is::<SharedTable>())
}

/// Looks at the nodes of a plan, of its subqueries and of the shared relations that it reads.
///
/// # Errors
/// That of `visit`.
pub fn visit_plan(plan: &LogicalPlan, visit: walk::VisitPlan<'_>) -> Result<()> {
    let mut wanted = BTreeMap::new();
    walk::visit_plan(plan, visit)?;
    collect(plan, &mut wanted)?;
    let mut seen = BTreeSet::new();
    while let Some((id, Wanted { table, .. })) = wanted.pop_last() {
        if let (true, Some(table)) = (seen.insert(id), table.downcast_ref::<SharedTable>()) {
            walk::visit_plan(&table.plan, visit)?;
            collect(&table.plan, &mut wanted)?;
        }
    }
    Ok(())
}

/// Whether a plan only reads tables and works row by row, and gives the same rows each time.
pub(super) fn is_cheap(plan: &LogicalPlan) -> Result<bool> {
    let mut is_cheap = true;
    walk::visit_plan(plan, &mut |node| {
        is_cheap &= matches!(
            node,
            LogicalPlan::TableScan(_)
                | LogicalPlan::Projection(_)
                | LogicalPlan::Filter(_)
                | LogicalPlan::SubqueryAlias(_)
        );
        let is_volatile = node.expressions().iter().any(Expr::is_volatile);
        is_cheap &= !is_volatile;
        Ok(if is_cheap { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(is_cheap)
}

/// A shared relation that is read, and the columns of it.
struct Wanted {
    table: Arc<dyn TableProvider>,
    columns: BTreeSet<usize>,
}

/// Adds the shared relations that a plan reads.
fn collect(plan: &LogicalPlan, wanted: &mut BTreeMap<u32, Wanted>) -> Result<()> {
    walk::visit_plan(plan, &mut |node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some(table) = shared(scan)
            && let Some(SharedTable { id, schema, .. }) = table.downcast_ref::<SharedTable>()
        {
            let (id, all) = (*id, 0..schema.fields().len());
            let entry = wanted.entry(id);
            let found = entry.or_insert_with(|| Wanted { table, columns: BTreeSet::new() });
            match &scan.projection {
                Some(columns) => found.columns.extend(columns),
                None => found.columns.extend(all),
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map(drop)
}

/// The physical plan of a shared relation.
#[derive(Clone, Debug)]
struct Planned {
    /// The columns that it has.
    columns: Vec<usize>,
    input: Arc<dyn ExecutionPlan>,
    /// Computed once: each reader would compute them anew, and so would each reader of a reader.
    statistics: Arc<Statistics>,
}

/// Those of all shared relations, by their numbers.
#[derive(Debug, Default)]
struct Plans(Mutex<HashMap<u32, Planned>>);

impl Plans {
    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Planned>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// From this many columns of an operator on a plan is optimised once. DataFusion repeats its rules until nothing changes, and each
/// of them looks for each column by its name in all columns.
const WIDE_COLUMNS: usize = 500;

/// Whether an operator of a plan has many columns.
fn is_wide(plan: &LogicalPlan) -> Result<bool> {
    let mut is_wide = false;
    walk::visit_plan(plan, &mut |node| {
        is_wide |= node.schema().fields().len() >= WIDE_COLUMNS;
        Ok(if is_wide { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(is_wide)
}

/// A plan in which the types of all expressions are decided.
///
/// # Errors
/// If DataFusion refuses it.
pub fn analyzed(state: &SessionState, plan: LogicalPlan) -> Result<LogicalPlan> {
    state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})
}

/// An [`analyzed`] plan as the optimiser leaves it.
///
/// # Errors
/// If a rule refuses it.
pub fn optimized(state: &SessionState, plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut state = state.clone();
    if is_wide(&plan)? {
        state.config_mut().options_mut().optimizer.max_passes = 1;
    }
    state.optimizer().optimize(plan, &state, |_, _| {})
}

/// The physical plan of an [`analyzed`] logical one, with those of the shared relations that it reads. `change` is applied
/// to each logical plan before it is optimised, and gives an analyzed one.
///
/// # Errors
/// If one of them cannot be planned.
pub async fn physical_plan(
    state: &SessionState,
    logical: &LogicalPlan,
    change: &(dyn Fn(&LogicalPlan) -> Result<LogicalPlan> + Sync),
) -> Result<Arc<dyn ExecutionPlan>> {
    let optimized = |plan: LogicalPlan| -> Result<LogicalPlan> {
        let plan = optimized(state, plan)?;
        correlated::check(&plan)?;
        Ok(plan)
    };
    let outer = optimized(change(logical)?)?;
    let (mut wanted, mut inner) = (BTreeMap::new(), Vec::new());
    collect(&outer, &mut wanted)?;
    while let Some((id, Wanted { table, columns })) = wanted.pop_last() {
        let Some(table) = table.downcast_ref::<SharedTable>() else { continue };
        // Rows without columns would be none.
        let columns = if columns.is_empty() { BTreeSet::from([0]) } else { columns };
        let columns: Vec<usize> = columns.into_iter().collect();
        let plan = optimized(selected(change(&table.plan)?, &columns)?)?;
        collect(&plan, &mut wanted)?;
        inner.push((id, columns, plan));
    }
    if inner.is_empty() {
        return state.query_planner().create_physical_plan(&outer, state).await;
    }
    let plans = Arc::new(Plans::default());
    let mut state = state.clone();
    state.config_mut().set_extension(Arc::clone(&plans));
    for (id, columns, plan) in inner.into_iter().rev() {
        let input = state.query_planner().create_physical_plan(&plan, &state).await?;
        let statistics =
            StatisticsContext::new().compute(input.as_ref(), &StatisticsArgs::new())?;
        plans.lock().insert(id, Planned { columns, input, statistics });
    }
    state.query_planner().create_physical_plan(&outer, &state).await
}

/// These columns of a plan. The builder would look for each of them by its name.
fn selected(plan: LogicalPlan, columns: &[usize]) -> Result<LogicalPlan> {
    if columns.len() == plan.schema().fields().len() {
        return Ok(plan);
    }
    let column = |at: &usize| Expr::Column(plan.schema().qualified_field(*at).into());
    let exprs = columns.iter().map(column).collect();
    Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?))
}

/// Stands for a shared relation in a physical plan, until that is cut.
#[derive(Debug)]
pub struct SharedExec {
    id: u32,
    readers: Readers,
    input: Arc<dyn ExecutionPlan>,
    statistics: Arc<Statistics>,
    properties: Arc<PlanProperties>,
}

/// The properties of a plan, without what it says of equal columns where that is much: DataFusion computes for each
/// projection what becomes of each of them. All reductions of a whole relation are constants, of which each is one.
fn plain_properties(plan: &Arc<dyn ExecutionPlan>) -> Arc<PlanProperties> {
    let properties = plan.properties();
    let known = properties.equivalence_properties();
    if known.eq_group().len() <= EQUIVALENCES_MAX {
        return Arc::clone(properties);
    }
    let orders = known.oeq_class().iter().cloned();
    let plain = EquivalenceProperties::new_with_orderings(plan.schema(), orders);
    Arc::new(properties.as_ref().clone().with_eq_properties(plain))
}

impl SharedExec {
    /// The number of the relation: leaves with the same number have the same rows.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// How many relations read it.
    pub fn readers(&self) -> Readers {
        self.readers
    }

    /// The plan of the relation.
    pub fn input(&self) -> &Arc<dyn ExecutionPlan> {
        &self.input
    }
}

/// Looks at each operator of a plan and, once each, at those of the shared relations that it reads.
pub fn visit_operators(
    plan: &Arc<dyn ExecutionPlan>,
    visit: &mut dyn FnMut(&Arc<dyn ExecutionPlan>),
) {
    let (mut stack, mut seen) = (vec![plan], BTreeSet::new());
    while let Some(node) = stack.pop() {
        visit(node);
        match node.downcast_ref::<SharedExec>() {
            Some(leaf) if seen.insert(leaf.id) => stack.push(&leaf.input),
            Some(_) => {}
            None => stack.extend(node.children()),
        }
    }
}

impl DisplayAs for SharedExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedExec: step_{}", self.id)
    }
}

impl ExecutionPlan for SharedExec {
    fn name(&self) -> &'static str {
        "SharedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    plain_operator!(|this: &Arc<Self>, _| { Ok(Arc::clone(this) as Arc<dyn ExecutionPlan>) });

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        Err(DataFusionError::Internal(NOT_HERE.to_string()))
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        Ok(match args.partition() {
            Some(_) => Arc::new(Statistics::new_unknown(&self.input.schema())),
            None => Arc::clone(&self.statistics),
        })
    }
}
