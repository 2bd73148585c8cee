//! Tables that are persisted results.
//!
//! A [`PersistedTable`] is planned as a [`PersistedExec`], a leaf with as many partitions as the result. When
//! the plan is cut, the leaf becomes an exchange that reads a stage which stands for the result: the
//! rows stay where they are until a task reads them.

use crate::exchange::NOT_HERE;
use crate::interrupt;
use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, BooleanArray};
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, SplitPoint, Statistics, not_impl_err};
use datafusion::datasource::TableType;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, PhysicalExpr, PhysicalSortExpr, RangePartitioning,
};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use partita_files::prune;
use partita_operators::plain_operator;
use partita_shared::ids::JobId;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

/// A persisted result, as the planner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersistedResult {
    /// The job that holds it.
    pub job: JobId,
    /// What people call it.
    pub name: String,
    /// Its columns.
    pub schema: SchemaRef,
    /// Rows and bytes, as they lie in memory, of each partition.
    pub partitions: Vec<(u64, u64)>,
    /// The order of its rows, if they are in one: in each partition, and from one to the next.
    pub sorted: Option<Sorted>,
}

/// The order of a result's rows, and where its partitions begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sorted {
    /// The columns by which they are sorted, the first first, and how.
    pub columns: Vec<(usize, SortOptions)>,
    /// Values of the first column between neighbouring partitions: rows before a split are in the
    /// partition on the left, all others in the one on the right. Empty if they are unknown; there
    /// is one partition then.
    pub splits: Vec<ScalarValue>,
}

/// The table over a persisted result.
#[derive(Debug)]
pub struct PersistedTable(pub Arc<PersistedResult>);

#[async_trait]
impl TableProvider for PersistedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let key = self.0.split_column().map(|(at, _)| self.0.schema.field(at).name());
        let about_key = |filter: &&Expr| {
            let columns = filter.column_refs();
            key.is_some_and(|key| !columns.is_empty() && columns.iter().all(|c| c.name() == key))
        };
        let answer = |filter| match about_key(filter) {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(answer).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        interrupt::check()?;
        let selected = self.0.selected(session, filters)?;
        let leaf: Arc<dyn ExecutionPlan> = match selected {
            Some(none) if none.is_empty() => Arc::new(EmptyExec::new(self.schema())),
            selected => Arc::new(PersistedExec::new(Arc::clone(&self.0), selected)),
        };
        let Some(columns) = projection else { return Ok(leaf) };
        let column = |at: &usize| {
            let name = self.0.schema.field(*at).name().clone();
            let expr: Arc<dyn PhysicalExpr> = Arc::new(Column::new(&name, *at));
            ProjectionExpr { expr, alias: name }
        };
        Ok(Arc::new(ProjectionExec::try_new(columns.iter().map(column), leaf)?))
    }

    async fn insert_into(
        &self,
        _: &dyn Session,
        _: Arc<dyn ExecutionPlan>,
        _: InsertOp,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let name = &self.0.name;
        not_impl_err!(
            "a persisted table takes no more rows; use CREATE OR REPLACE TABLE {name} AS SELECT * FROM {name} UNION ALL .."
        )
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.0.statistics())
    }
}

impl PersistedResult {
    /// The column whose values say which partition a row is in, and its order.
    fn split_column(&self) -> Option<(usize, SortOptions)> {
        let sorted = self.sorted.as_ref().filter(|sorted| !sorted.splits.is_empty())?;
        sorted.columns.first().copied()
    }

    /// The partitions in which filters may hold, if they leave some out.
    fn selected(&self, session: &dyn Session, filters: &[Expr]) -> Result<Option<Vec<u32>>> {
        if self.split_column().is_none() {
            return Ok(None);
        }
        let kept = prune::kept(session, &self.schema, filters, &Bounds(self))?;
        let Some(kept) = kept else { return Ok(None) };
        let selected: Vec<u32> =
            (0..).zip(kept).filter_map(|(index, kept)| kept.then_some(index)).collect();
        Ok((selected.len() < self.partitions.len()).then_some(selected))
    }

    /// The values between these partitions, or between all, and the column that they are of. None
    /// where partitions are no ranges, or there is but one.
    pub(crate) fn ranges(
        &self,
        selected: Option<&[u32]>,
    ) -> Option<(usize, SortOptions, Vec<ScalarValue>)> {
        let (column, options) = self.split_column()?;
        let splits = &self.sorted.as_ref()?.splits;
        let between = |after: u32| splits.get((after as usize).checked_sub(1)?).cloned();
        let splits = match selected {
            Some(selected) => {
                selected.iter().skip(1).map(|at| between(*at)).collect::<Option<_>>()?
            }
            None => splits.clone(),
        };
        Some((column, options, splits)).filter(|(.., splits)| !splits.is_empty())
    }

    fn partitioning(&self, selected: Option<&[u32]>) -> Partitioning {
        let count = selected.map_or(self.partitions.len(), <[u32]>::len);
        let ranged = || {
            let (at, options, splits) = self.ranges(selected)?;
            let column = Arc::new(Column::new(self.schema.field(at).name(), at));
            let key = LexOrdering::new([PhysicalSortExpr::new(column, options)])?;
            let points = splits.into_iter().map(|split| SplitPoint::new(vec![split])).collect();
            RangePartitioning::try_new(key, points).ok()
        };
        match ranged() {
            Some(ranges) if ranges.partition_count() == count => Partitioning::Range(ranges),
            Some(_) | None => Partitioning::UnknownPartitioning(count),
        }
    }

    fn ordering(&self) -> Option<LexOrdering> {
        let columns = &self.sorted.as_ref()?.columns;
        LexOrdering::new(columns.iter().map(|(at, options)| {
            let column = Column::new(self.schema.field(*at).name(), *at);
            PhysicalSortExpr::new(Arc::new(column), *options)
        }))
    }

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

/// Between which values of the first column of its order the rows of each partition are.
struct Bounds<'a>(&'a PersistedResult);

impl Bounds<'_> {
    /// One end of each partition: what is in the order before or after its rows.
    fn ends(&self, column: &datafusion::common::Column, lowest: bool) -> Option<ArrayRef> {
        let (at, options) = self.0.split_column()?;
        let field = self.0.schema.field(at);
        if field.name() != column.name() {
            return None;
        }
        let splits = self.0.sorted.as_ref()?.splits.iter().cloned();
        let unknown = ScalarValue::try_from(field.data_type()).ok()?;
        let ends: Vec<ScalarValue> = match lowest != options.descending {
            true => std::iter::once(unknown).chain(splits).collect(),
            false => splits.chain(std::iter::once(unknown)).collect(),
        };
        ScalarValue::iter_to_array(ends).ok()
    }
}

impl PruningStatistics for Bounds<'_> {
    fn min_values(&self, column: &datafusion::common::Column) -> Option<ArrayRef> {
        self.ends(column, true)
    }

    fn max_values(&self, column: &datafusion::common::Column) -> Option<ArrayRef> {
        self.ends(column, false)
    }

    fn num_containers(&self) -> usize {
        self.0.partitions.len()
    }

    fn null_counts(&self, _: &datafusion::common::Column) -> Option<ArrayRef> {
        None
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        None
    }

    fn contained(
        &self,
        _: &datafusion::common::Column,
        _: &HashSet<ScalarValue>,
    ) -> Option<BooleanArray> {
        None
    }
}

/// Stands for a persisted result in a plan, until the plan is cut.
#[derive(Debug)]
pub struct PersistedExec {
    persisted: Arc<PersistedResult>,
    /// The partitions that are read, if not all are.
    selected: Option<Vec<u32>>,
    properties: Arc<PlanProperties>,
}

impl PersistedExec {
    /// A leaf over these partitions of a result, or over all.
    pub fn new(persisted: Arc<PersistedResult>, selected: Option<Vec<u32>>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new_with_orderings(
                Arc::clone(&persisted.schema),
                persisted.ordering(),
            ),
            persisted.partitioning(selected.as_deref()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        PersistedExec { persisted, selected, properties: Arc::new(properties) }
    }

    /// The partitions that are read, if not all are.
    pub fn selected(&self) -> Option<&[u32]> {
        self.selected.as_deref()
    }

    fn read(&self) -> PersistedResult {
        let persisted = self.persisted.as_ref().clone();
        let all = persisted.partitions.len() as u32;
        let read = self.selected.clone().unwrap_or_else(|| (0..all).collect());
        let sizes = read.iter().filter_map(|at| persisted.partitions.get(*at as usize).copied());
        PersistedResult { partitions: sizes.collect(), ..persisted }
    }

    /// The result.
    pub fn persisted(&self) -> &Arc<PersistedResult> {
        &self.persisted
    }
}

impl DisplayAs for PersistedExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, partitions) = (&self.persisted.name, self.persisted.partitions.len());
        write!(f, "PersistedExec: {name}, {partitions} partitions of {}", self.persisted.job)?;
        match &self.selected {
            Some(selected) => write!(f, ", {} of them read", selected.len()),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for PersistedExec {
    fn name(&self) -> &'static str {
        "PersistedExec"
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
        let read = self.read();
        let Some(partition) = args.partition() else { return Ok(Arc::new(read.statistics())) };
        let one = read.partitions.get(partition).copied().unwrap_or_default();
        Ok(Arc::new(PersistedResult { partitions: vec![one], ..read }.statistics()))
    }
}
