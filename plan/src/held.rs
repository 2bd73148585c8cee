//! Tables that are results which the workers hold.
//!
//! A [`HeldTable`] is planned as a [`HeldExec`], a leaf with as many partitions as the result. When
//! the plan is cut, the leaf becomes an exchange that reads a group which stands for the result: the
//! rows stay where they are until a task reads them.

use crate::exchange::NOT_HERE;
use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{ColumnStatistics, Statistics};
use datafusion::datasource::TableType;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, ReplaceChildrenOptions, SchedulingType,
};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use partita_shared::ids::JobId;
use std::fmt;
use std::sync::Arc;

/// A result that workers hold, as the planner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldResult {
    /// The job that holds it.
    pub job: JobId,
    /// What people call it.
    pub name: String,
    /// Its columns.
    pub schema: SchemaRef,
    /// Rows and bytes, as they lie in memory, of each partition.
    pub partitions: Vec<(u64, u64)>,
}

/// The table over a held result.
#[derive(Debug)]
pub struct HeldTable(pub Arc<HeldResult>);

#[async_trait]
impl TableProvider for HeldTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let leaf: Arc<dyn ExecutionPlan> = Arc::new(HeldExec::new(Arc::clone(&self.0)));
        let Some(columns) = projection else { return Ok(leaf) };
        let column = |at: &usize| {
            let name = self.0.schema.field(*at).name().clone();
            let expr: Arc<dyn PhysicalExpr> = Arc::new(Column::new(&name, *at));
            ProjectionExpr { expr, alias: name }
        };
        Ok(Arc::new(ProjectionExec::try_new(columns.iter().map(column), leaf)?))
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.0.statistics())
    }
}

impl HeldResult {
    fn statistics(&self) -> Statistics {
        let (rows, bytes) = self.partitions.iter().fold((0, 0), |sum: (u64, u64), one| {
            (sum.0.saturating_add(one.0), sum.1.saturating_add(one.1))
        });
        Statistics {
            num_rows: Precision::Exact(rows as usize),
            total_byte_size: Precision::Inexact(bytes as usize),
            column_statistics: vec![ColumnStatistics::new_unknown(); self.schema.fields().len()],
        }
    }
}

/// Stands for a held result in a plan, until the plan is cut.
#[derive(Debug)]
pub struct HeldExec {
    held: Arc<HeldResult>,
    properties: Arc<PlanProperties>,
}

impl HeldExec {
    /// A leaf over all partitions of a result.
    pub fn new(held: Arc<HeldResult>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&held.schema)),
            Partitioning::UnknownPartitioning(held.partitions.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        HeldExec { held, properties: Arc::new(properties) }
    }

    /// The result.
    pub fn held(&self) -> &Arc<HeldResult> {
        &self.held
    }
}

impl DisplayAs for HeldExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, partitions) = (&self.held.name, self.held.partitions.len());
        write!(f, "HeldExec: {name}, {partitions} partitions held by {}", self.held.job)
    }
}

impl ExecutionPlan for HeldExec {
    fn name(&self) -> &'static str {
        "HeldExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        Err(DataFusionError::Internal(NOT_HERE.to_string()))
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        let Some(partition) = partition else { return Ok(Arc::new(self.held.statistics())) };
        let one = self.held.partitions.get(partition).copied().unwrap_or_default();
        let one = HeldResult { partitions: vec![one], ..self.held.as_ref().clone() };
        Ok(Arc::new(one.statistics()))
    }
}
