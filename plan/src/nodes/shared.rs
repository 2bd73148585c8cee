//! Relations that are planned once and run once, whoever reads them.
//!
//! In a logical plan such a relation is a [`SharedTable`]; DataFusion takes it for a table. [`physical_plan`]
//! first optimises what reads it, which tells the columns that are wanted, and then the relation itself. In the
//! physical plan it is a leaf, [`SharedExec`], so that no rule plans what is below it once for each reader. The
//! cut makes a stage of it, and each reader reads that stage, partition by partition.

use crate::exchange::NOT_HERE;
use crate::walk;
use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Statistics;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::{TableType, provider_as_source, source_as_provider};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableScan};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use partita_operators::plain_operator;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A relation that a plan reads as a table.
#[derive(Debug)]
pub struct SharedTable {
    /// Its number, which is larger than those of the shared relations that it reads itself.
    id: u32,
    plan: LogicalPlan,
    schema: SchemaRef,
}

impl SharedTable {
    /// A plan that reads a relation as a table.
    ///
    /// # Errors
    /// If DataFusion refuses the relation.
    pub fn scan_of(id: u32, plan: LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
        // Only the analyzer decides on all types.
        let options = state.config_options();
        let plan = state.analyzer().execute_and_check(plan, options, |_, _| {})?;
        let schema = Arc::new(plan.schema().as_arrow().clone());
        scan(Arc::new(SharedTable { id, plan, schema }))
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
        let Some((columns, input)) = planned else {
            return Err(DataFusionError::Internal("a shared relation has no plan".to_string()));
        };
        let leaf: Arc<dyn ExecutionPlan> = Arc::new(SharedExec::new(self.id, input));
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

/// The physical plans of shared relations, with the columns that each has.
#[derive(Debug, Default)]
struct Plans(Mutex<HashMap<u32, (Vec<usize>, Arc<dyn ExecutionPlan>)>>);

impl Plans {
    fn lock(&self) -> MutexGuard<'_, HashMap<u32, (Vec<usize>, Arc<dyn ExecutionPlan>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The physical plan of a logical one, with those of the shared relations that it reads. `change` is applied to
/// each logical plan before it is optimised.
///
/// # Errors
/// If one of them cannot be planned.
pub async fn physical_plan(
    state: &SessionState,
    logical: &LogicalPlan,
    change: &(dyn Fn(&LogicalPlan) -> Result<LogicalPlan> + Sync),
) -> Result<Arc<dyn ExecutionPlan>> {
    let outer = state.optimize(&change(logical)?)?;
    let (mut wanted, mut inner) = (BTreeMap::new(), Vec::new());
    collect(&outer, &mut wanted)?;
    while let Some((id, Wanted { table, columns })) = wanted.pop_last() {
        let Some(table) = table.downcast_ref::<SharedTable>() else { continue };
        // Rows without columns would be none.
        let columns = if columns.is_empty() { BTreeSet::from([0]) } else { columns };
        let columns: Vec<usize> = columns.into_iter().collect();
        let plan =
            LogicalPlanBuilder::from(change(&table.plan)?).select(columns.iter().copied())?;
        let plan = state.optimize(&plan.build()?)?;
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
        let physical = state.query_planner().create_physical_plan(&plan, &state).await?;
        plans.lock().insert(id, (columns, physical));
    }
    state.query_planner().create_physical_plan(&outer, &state).await
}

/// Stands for a shared relation in a physical plan, until that is cut.
#[derive(Debug)]
pub struct SharedExec {
    id: u32,
    input: Arc<dyn ExecutionPlan>,
}

impl SharedExec {
    fn new(id: u32, input: Arc<dyn ExecutionPlan>) -> Self {
        SharedExec { id, input }
    }

    /// The number of the relation: leaves with the same number have the same rows.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The plan of the relation.
    pub fn input(&self) -> &Arc<dyn ExecutionPlan> {
        &self.input
    }
}

/// The inputs of an operator, with the plan of a shared relation as that of its leaf.
pub fn children(plan: &Arc<dyn ExecutionPlan>) -> Vec<&Arc<dyn ExecutionPlan>> {
    match plan.downcast_ref::<SharedExec>() {
        Some(leaf) => vec![leaf.input()],
        None => plan.children(),
    }
}

/// A plan with the plans of shared relations in the places of their leaves.
///
/// # Errors
/// If the plan cannot be put together again.
pub fn expanded(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let replaced = plan.transform_up(|node| match node.downcast_ref::<SharedExec>() {
        Some(leaf) => expanded(Arc::clone(leaf.input())).map(Transformed::yes),
        None => Ok(Transformed::no(node)),
    })?;
    Ok(replaced.data)
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
        self.input.properties()
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
        StatisticsContext::new().compute(self.input.as_ref(), args)
    }
}
