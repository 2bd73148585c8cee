//! Persisted tables that are sorted across their partitions.
//!
//! `CREATE TABLE name AS query ORDER BY key` would be merged in one task. Instead a sample of the
//! keys says where to split them into ranges of about as many rows; rows go to the partition of
//! their range and are sorted there. The table knows its order and where its partitions begin.

use crate::query::create_table::CreateTable;
use crate::query::partitions::{Capacity, MemoryMode};
use crate::query::prepare::{self, physical};
use crate::query::sessions::Session;
use crate::query::{JobRunner, QueryError, RequestContext, Statement, results};
use datafusion::arrow::array::{Array, ArrayRef, UInt64Array};
use datafusion::arrow::compute::{SortOptions, concat, sort, take};
use datafusion::common::{ScalarValue, SplitPoint};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::functions::math::expr_fn::random;
use datafusion::logical_expr::{
    Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Sort, SortExpr, lit,
};
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr, RangePartitioning};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, Partitioning};
use futures::TryStreamExt;
use partita_plan::persisted::Sorted;
use partita_plan::ranged::{by_files, column_key, file_splits, ranges};
use std::cmp::Ordering;
use std::sync::Arc;

/// Keys of the sample for each partition: with this many, few partitions are twice as large as
/// others.
const SAMPLE_ROWS_PER_PARTITION: usize = 256;
/// The share of rows that is sampled if the number of rows is unknown.
const SAMPLE_SHARE_UNKNOWN: f64 = 0.02;
/// Keys that are kept at most, as a multiple of those that are wanted.
const SAMPLE_EXCESS: usize = 8;
/// Rows below which one partition is enough.
const ROWS_MIN: usize = 10_000;

/// Where the partitions of a sorted table begin: values of the first key, in its order.
pub(crate) type Splits = Vec<ScalarValue>;

/// How the rows of a table are spread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spread {
    /// Where its partitions begin, if they are ranges.
    pub(crate) splits: Splits,
    /// The requested number of partitions for rows without an order.
    pub(crate) partitions: Option<usize>,
}

/// Finds out how to spread the rows of a table.
pub(crate) async fn spread(
    runner: &Arc<JobRunner>,
    request_context: &RequestContext,
    statement: &mut Statement,
    create: &CreateTable,
) -> Result<Spread, QueryError> {
    let partitions = create.layout.partitions;
    if let (Some(partitions), false) = (partitions, matches!(create.logical, LogicalPlan::Sort(_)))
    {
        return Ok(Spread { splits: Splits::new(), partitions: Some(partitions) });
    }
    let splits = match &create.layout.splits {
        Some(texts) => given(texts, &create.logical)?,
        None => splits(runner, request_context, statement, create, partitions).await?,
    };
    Ok(Spread { splits, partitions: None })
}

/// The splits that the statement names.
fn given(texts: &[String], logical: &LogicalPlan) -> Result<Splits, QueryError> {
    let refuse = |text: String| QueryError::Statement(text);
    let LogicalPlan::Sort(sorting) = logical else {
        return Err(refuse("splits need ORDER BY: they are values of its first key".into()));
    };
    let key = sorting.expr.first().ok_or_else(|| refuse("the order has no key".into()))?;
    let kind =
        key.expr.get_type(sorting.input.schema()).map_err(|error| QueryError::plan(&error))?;
    let value = |text: &String| {
        let value = ScalarValue::from(text.as_str()).cast_to(&kind);
        let value = value.ok().filter(|value| !value.is_null());
        let value = value.map(|value| before_zeros(value, !key.asc));
        value.ok_or_else(|| {
            refuse(format!("invalid split '{text}': expected a value of type {kind}, like the key"))
        })
    };
    let splits: Splits = texts.iter().map(value).collect::<Result<_, _>>()?;
    let wanted = if key.asc { Ordering::Less } else { Ordering::Greater };
    for (one, next) in splits.iter().zip(splits.iter().skip(1)) {
        if one.partial_cmp(next) != Some(wanted) {
            return Err(refuse(format!(
                "splits must be sorted like the rows: {one} precedes {next}"
            )));
        }
    }
    Ok(splits)
}

/// A split that is zero, on the side from which both zeros come after it: they are two in an order and
/// one in groups and joins.
fn before_zeros(split: ScalarValue, descending: bool) -> ScalarValue {
    let zero = if descending { 0.0 } else { -0.0 };
    match split {
        ScalarValue::Float64(Some(0.0)) => ScalarValue::Float64(Some(zero)),
        ScalarValue::Float32(Some(0.0)) => ScalarValue::Float32(Some(zero as f32)),
        other => other,
    }
}

/// Finds out where to split a query that ends with `ORDER BY`. Empty if it does not, or one partition
/// is enough.
async fn splits(
    runner: &Arc<JobRunner>,
    request_context: &RequestContext,
    statement: &mut Statement,
    create: &CreateTable,
    asked_for: Option<usize>,
) -> Result<Splits, QueryError> {
    let CreateTable { logical, session, .. } = create;
    let LogicalPlan::Sort(sorting) = logical else { return Ok(Splits::new()) };
    let Some(key) = sorting.expr.first().filter(|_| sorting.fetch.is_none()) else {
        return Ok(Splits::new());
    };
    let capacity = runner.planner.capacity().await?;
    let (input, state) = (sorting.input.as_ref().clone(), session.context.state());
    let planned = async move {
        let planned = physical(&state, &input, capacity, MemoryMode::Normal).await;
        planned.map_err(|error| QueryError::plan(&error))
    };
    let planned = runner.planner.run(request_context, statement, planned).await?;
    let planned_for = planned.output_partitioning().partition_count().max(capacity.slots as usize);
    let partitions = asked_for.unwrap_or(planned_for);
    let known = known(key, &planned, partitions);
    let fits = |splits: &Splits| asked_for.is_none_or(|count| splits.len() + 1 == count);
    if let Some(splits) = known.filter(fits) {
        return Ok(splits);
    }
    let rows = StatisticsContext::new().compute(planned.as_ref(), &StatisticsArgs::new()).ok();
    let rows = rows.and_then(|statistics| statistics.num_rows.get_value().copied());
    let is_small = asked_for.is_none() && rows.is_some_and(|rows| rows < ROWS_MIN);
    // What runs whole, in one task, makes one partition.
    if partitions < 2 || is_small || !prepare::is_sendable(&planned) {
        return Ok(Splits::new());
    }
    let wanted = partitions * SAMPLE_ROWS_PER_PARTITION;
    let share = rows.map_or(SAMPLE_SHARE_UNKNOWN, |rows| wanted as f64 / rows as f64);
    let sampled = Sampled::new(wanted);
    let input = sorting.input.as_ref();
    // The sample is a job of its own, which is stopped when nobody waits for it any more.
    let keys = tokio::select! {
        keys = sample(runner, request_context, key, input, session, share, sampled) => keys?,
        error = statement.ended() => return Err(error),
    };
    let options = SortOptions { descending: !key.asc, nulls_first: key.nulls_first };
    let chosen =
        async move { choose(keys, options, partitions).map_err(|error| QueryError::plan(&error)) };
    runner.planner.run(request_context, statement, chosen).await
}

/// Values between the ranges of a key that the rows are in already.
fn known(
    key: &SortExpr,
    planned: &Arc<dyn ExecutionPlan>,
    partitions: usize,
) -> Option<Vec<ScalarValue>> {
    let Expr::Column(column) = &key.expr else { return None };
    let options = SortOptions { descending: !key.asc, nulls_first: key.nulls_first };
    let key = (planned.schema().index_of(column.name()).ok()?, options);
    match ranges(planned) {
        Some(ranges) => (ranges.key == key).then_some(ranges.splits),
        None => file_splits(planned, key, partitions),
    }
}

/// Keys of about this share of the rows.
async fn sample(
    runner: &Arc<JobRunner>,
    request_context: &RequestContext,
    key: &SortExpr,
    input: &LogicalPlan,
    session: &Arc<Session>,
    share: f64,
    mut sampled: Sampled,
) -> Result<Vec<ArrayRef>, QueryError> {
    let plan = || -> Result<LogicalPlan> {
        let keys =
            LogicalPlanBuilder::from(input.clone()).project([key.expr.clone().alias("key")])?;
        let keys = match share < 1.0 {
            true => keys.filter(random().lt(lit(share)))?,
            false => keys,
        };
        keys.build()
    };
    let logical = plan().map_err(|error| QueryError::plan(&error))?;
    let text = "sample of sort keys".to_string();
    let mut batches = results::rows(runner, request_context, text, logical, session).await?;
    while let Some(batch) = batches.try_next().await? {
        if let Some(keys) = batch.columns().first() {
            sampled.push(keys).map_err(|error| QueryError::plan(&error))?;
        }
    }
    Ok(sampled.keys)
}

/// Keys that were drawn. How many rows there are is often a guess: where there are far more, every second
/// key is let go, and of those to come as many.
struct Sampled {
    keys: Vec<ArrayRef>,
    count: usize,
    count_max: usize,
    /// One of every `stride` keys is kept.
    stride: usize,
}

impl Sampled {
    fn new(wanted: usize) -> Self {
        Sampled { keys: Vec::new(), count: 0, count_max: wanted * SAMPLE_EXCESS, stride: 1 }
    }

    fn push(&mut self, keys: &ArrayRef) -> Result<()> {
        let kept = every(keys, self.stride)?;
        self.count += kept.len();
        self.keys.push(kept);
        while self.count > self.count_max {
            let thinned: Vec<_> =
                self.keys.iter().map(|keys| every(keys, 2)).collect::<Result<_>>()?;
            self.count = thinned.iter().map(|keys| keys.len()).sum();
            self.keys = thinned;
            self.stride *= 2;
        }
        Ok(())
    }
}

/// Every so-manyth key.
fn every(keys: &ArrayRef, stride: usize) -> Result<ArrayRef> {
    if stride == 1 {
        return Ok(Arc::clone(keys));
    }
    let places = UInt64Array::from_iter_values((0..keys.len() as u64).step_by(stride));
    Ok(take(keys.as_ref(), &places, None)?)
}

/// Values between ranges of about as many keys.
fn choose(keys: Vec<ArrayRef>, options: SortOptions, partitions: usize) -> Result<Splits> {
    let keys: Vec<&dyn Array> = keys.iter().map(|k| k.as_ref()).collect();
    if keys.is_empty() {
        return Ok(Splits::new());
    }
    // Some types have an order and no sort: their rows are not spread by it.
    let Ok(sorted) = sort(concat(&keys)?.as_ref(), Some(options)) else {
        return Ok(Splits::new());
    };
    let mut splits = Splits::new();
    for number in 1..partitions {
        let at = number * sorted.len() / partitions;
        if at < sorted.len() {
            let value = before_zeros(ScalarValue::try_from_array(&sorted, at)?, options.descending);
            if !value.is_null() && splits.last() != Some(&value) {
                splits.push(value);
            }
        }
    }
    Ok(splits)
}

/// The physical plan of a table's rows, spread as they are to be, and the order that they have then.
pub(crate) async fn planned(
    state: &SessionState,
    logical: &LogicalPlan,
    capacity: Capacity,
    mode: MemoryMode,
    spread: &Spread,
) -> Result<(Arc<dyn ExecutionPlan>, Option<Sorted>)> {
    if let (LogicalPlan::Sort(sorting), false) = (logical, spread.splits.is_empty()) {
        let input = physical(state, &sorting.input, capacity, mode).await?;
        return ranged(state, sorting, input, &spread.splits);
    }
    let plan = physical(state, logical, capacity, mode).await?;
    if let Some(partitions) = spread.partitions {
        let split = RepartitionExec::try_new(plan, Partitioning::RoundRobinBatch(partitions))?;
        return Ok((Arc::new(split), None));
    }
    let columns = sorting(&plan).map(|sorting| columns(sorting.expr())).unwrap_or_default();
    let sorted = (!columns.is_empty()).then(|| Sorted { columns, splits: Splits::new() });
    Ok((plan, sorted))
}

/// The rows of a plan in ranges of a key, each of them sorted. Rows that are in these ranges stay
/// where they are.
fn ranged(
    state: &SessionState,
    sorting: &Sort,
    input: Arc<dyn ExecutionPlan>,
    splits: &Splits,
) -> Result<(Arc<dyn ExecutionPlan>, Option<Sorted>)> {
    let sort_expr = |key: &SortExpr| -> Result<PhysicalSortExpr> {
        let expr = state.create_physical_expr(key.expr.clone(), sorting.input.schema())?;
        let options = SortOptions { descending: !key.asc, nulls_first: key.nulls_first };
        Ok(PhysicalSortExpr::new(expr, options))
    };
    let keys: Vec<_> = sorting.expr.iter().map(sort_expr).collect::<Result<_>>()?;
    let no_key = || DataFusionError::Internal("the order has no key".to_string());
    let ordering = LexOrdering::new(keys).ok_or_else(no_key)?;
    let first = ordering.first().clone();
    let kind = first.expr.data_type(&input.schema())?;
    let splits: Splits = splits.iter().map(|split| split.cast_to(&kind)).collect::<Result<_>>()?;
    let column = column_key(&first);
    let is_there =
        ranges(&input).is_some_and(|found| Some(found.key) == column && found.splits == splits);
    let in_files = match column {
        Some(key) => by_files(&input, key, &splits)?,
        None => None,
    };
    let spread = match in_files {
        Some(files) => files,
        None if is_there => input,
        None => {
            let points = splits.iter().map(|split| SplitPoint::new(vec![split.clone()])).collect();
            let key = LexOrdering::new([first]).ok_or_else(no_key)?;
            let ranges = Partitioning::Range(RangePartitioning::try_new(key, points)?);
            Arc::new(RepartitionExec::try_new(input, ranges)?)
        }
    };
    let columns = columns(&ordering);
    let sorted = (!columns.is_empty()).then(|| Sorted { columns, splits });
    if is_there && spread.equivalence_properties().ordering_satisfy(ordering.iter().cloned())? {
        return Ok((spread, sorted));
    }
    let plan = SortExec::new(ordering, spread).with_preserve_partitioning(true);
    Ok((Arc::new(plan), sorted))
}

/// The sort at the top of a plan, with the merge above it or without.
fn sorting(plan: &Arc<dyn ExecutionPlan>) -> Option<&SortExec> {
    let below = match plan.downcast_ref::<SortPreservingMergeExec>() {
        Some(merge) if merge.fetch().is_none() => merge.input(),
        Some(_) => return None,
        None => plan,
    };
    below.downcast_ref::<SortExec>().filter(|sorting| sorting.fetch().is_none())
}

/// The columns by which rows are sorted, as far as they are columns.
fn columns(ordering: &LexOrdering) -> Vec<(usize, SortOptions)> {
    ordering.iter().map_while(column_key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Int64Array, StringArray};

    fn ints(values: Vec<Option<i64>>) -> Vec<ArrayRef> {
        vec![Arc::new(Int64Array::from(values))]
    }

    /// Ranges have about as many keys; equal keys make one range; what is missing makes none.
    #[test]
    fn keys_are_split_evenly() {
        let up = SortOptions { descending: false, nulls_first: false };
        let chosen = |keys, options, n| choose(keys, options, n).expect("splits");
        let all = ints((0..100).map(Some).collect());
        let int = |value| ScalarValue::Int64(Some(value));
        assert_eq!(chosen(all.clone(), up, 4), [int(25), int(50), int(75)]);
        let down = SortOptions { descending: true, nulls_first: true };
        assert_eq!(chosen(all, down, 2), [int(49)]);
        assert_eq!(chosen(ints(vec![Some(7); 50]), up, 4), [int(7)]);
        assert_eq!(chosen(ints(vec![None; 50]), up, 4), []);
        assert_eq!(chosen(Vec::new(), up, 4), []);
        let texts: Vec<ArrayRef> = vec![Arc::new(StringArray::from(vec!["b", "a", "d", "c"]))];
        assert_eq!(chosen(texts, up, 2), [ScalarValue::Utf8(Some("c".into()))]);
    }
}
