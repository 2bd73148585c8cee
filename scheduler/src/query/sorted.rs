//! Held tables that are sorted across their partitions.
//!
//! `CREATE TABLE name AS query ORDER BY key` would be merged in one task. Instead a sample of the
//! keys says where to split them into ranges of about as many rows; rows go to the partition of
//! their range and are sorted there. The table knows its order and where its partitions begin.

use crate::Shared;
use crate::query::partitions::Thrift;
use crate::query::prepare::{self, Kind, Prepared, capacity, physical};
use crate::query::sessions::Session;
use crate::query::{Asked, QueryError, Text, results};
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::compute::{SortOptions, concat, sort};
use datafusion::common::{ScalarValue, SplitPoint};
use datafusion::error::{DataFusionError, Result};
use datafusion::functions::math::expr_fn::random;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, SortExpr, lit};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, RangePartitioning};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, Partitioning};
use futures::{StreamExt, TryStreamExt};
use partita_plan::held::Sorted;
use partita_plan::ranged::{by_files, file_splits, ranges};
use std::sync::Arc;

/// Keys of the sample for each partition: with so many, few partitions are twice as large as others.
const SAMPLE_ROWS_PER_PARTITION: usize = 256;
/// The share of rows that is looked at where nobody knows how many there are.
const SAMPLE_SHARE_UNKNOWN: f64 = 0.02;
/// Rows below which one partition is enough.
const ROWS_MIN: usize = 10_000;

/// Where the partitions of a sorted table begin: values of the first key, in its order.
pub(crate) type Splits = Vec<ScalarValue>;

/// Finds out where to split a query that ends with `ORDER BY`. Empty if it does not, or one partition
/// is enough.
pub(crate) async fn splits(
    shared: &Arc<Shared>,
    asked: &Asked,
    logical: &LogicalPlan,
    session: &Arc<Session>,
) -> Result<Splits, QueryError> {
    let LogicalPlan::Sort(sorting) = logical else { return Ok(Splits::new()) };
    let Some(key) = sorting.expr.first().filter(|_| sorting.fetch.is_none()) else {
        return Ok(Splits::new());
    };
    let capacity = capacity(shared).await?;
    let (input, state) = (sorting.input.as_ref().clone(), session.context.state());
    let planned = async move { physical(&state, &input, capacity, Thrift::Normal).await };
    let planned = shared.planning.run(planned).await.ok_or(QueryError::Ending)?;
    let planned = planned.map_err(|error| QueryError::plan(&error))?;
    let partitions = planned.output_partitioning().partition_count().max(capacity.slots as usize);
    if let Some(splits) = known(key, &planned, partitions) {
        return Ok(splits);
    }
    let rows = StatisticsContext::new().compute(planned.as_ref(), &StatisticsArgs::new()).ok();
    let rows = rows.and_then(|statistics| statistics.num_rows.get_value().copied());
    let is_small = partitions < 2 || rows.is_some_and(|rows| rows < ROWS_MIN);
    // What runs whole, in one task, makes one partition.
    if is_small || !prepare::is_sendable(&planned) {
        return Ok(Splits::new());
    }
    let wanted = partitions * SAMPLE_ROWS_PER_PARTITION;
    let share = rows.map_or(SAMPLE_SHARE_UNKNOWN, |rows| wanted as f64 / rows as f64);
    let keys = sample(shared, asked, key, sorting.input.as_ref(), session, share).await?;
    let options = SortOptions { descending: !key.asc, nulls_first: key.nulls_first };
    choose(keys, options, partitions).map_err(|error| QueryError::plan(&error))
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
    shared: &Arc<Shared>,
    asked: &Asked,
    key: &SortExpr,
    input: &LogicalPlan,
    session: &Arc<Session>,
    share: f64,
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
    let schema = Arc::new(logical.schema().as_arrow().clone());
    let kind = Kind::Job { logical, session: Arc::clone(session) };
    let text = Text::Frame("a sample of the keys of a table to be sorted".to_string());
    let prepared = Prepared { text, schema, kind, parameters: Vec::new() };
    let asked = Asked { analyze: false, direct: false, ..asked.clone() };
    let running = Box::pin(results::run(shared, &asked, prepared)).await?;
    let messages =
        running.messages.map(|m| m.map_err(|error| FlightError::ExternalError(Box::new(error))));
    let batches: Vec<_> = FlightRecordBatchStream::new_from_flight_data(messages)
        .try_collect()
        .await
        .map_err(|error| QueryError::Failed(error.to_string()))?;
    Ok(batches.iter().filter_map(|batch| batch.columns().first().cloned()).collect())
}

/// Values between ranges of about as many keys.
fn choose(keys: Vec<ArrayRef>, options: SortOptions, partitions: usize) -> Result<Splits> {
    let keys: Vec<&dyn datafusion::arrow::array::Array> = keys.iter().map(|k| k.as_ref()).collect();
    if keys.is_empty() {
        return Ok(Splits::new());
    }
    let sorted = sort(concat(&keys)?.as_ref(), Some(options))?;
    let mut splits = Splits::new();
    for number in 1..partitions {
        let at = number * sorted.len() / partitions;
        if at < sorted.len() {
            let value = ScalarValue::try_from_array(&sorted, at)?;
            if !value.is_null() && splits.last() != Some(&value) {
                splits.push(value);
            }
        }
    }
    Ok(splits)
}

/// The plan with its merge at the top replaced by ranges, and the order that its partitions have. A
/// plan of another form stays as it is.
pub(crate) fn ranged(
    plan: Arc<dyn ExecutionPlan>,
    splits: &Splits,
) -> Result<(Arc<dyn ExecutionPlan>, Option<Sorted>)> {
    let Some(sorting) = sorting(&plan) else { return Ok(unmerged(plan, splits)) };
    let ordering = sorting.expr().clone();
    let columns = columns(&ordering);
    let input = Arc::clone(sorting.input());
    let first = ordering.first().clone();
    let kind = first.expr.data_type(&input.schema())?;
    let fits = splits.iter().all(|split| split.data_type() == kind);
    if splits.is_empty() || columns.is_empty() || !fits {
        let sorted = (!columns.is_empty()).then_some(Sorted { columns, splits: Splits::new() });
        return Ok((plan, sorted));
    }
    let known = Sorted { columns, splits: splits.clone() };
    if let Some(column) = first.expr.downcast_ref::<Column>()
        && let Some(input) = by_files(&input, (column.index(), first.options), splits)?
    {
        let plan = SortExec::new(ordering, input).with_preserve_partitioning(true);
        return Ok((Arc::new(plan), Some(known)));
    }
    let points = splits.iter().map(|split| SplitPoint::new(vec![split.clone()])).collect();
    let key = LexOrdering::new([first])
        .ok_or_else(|| DataFusionError::Internal("an order without a key".to_string()))?;
    let ranges = Partitioning::Range(RangePartitioning::try_new(key, points)?);
    let split = Arc::new(RepartitionExec::try_new(input, ranges)?);
    let plan = SortExec::new(ordering, split).with_preserve_partitioning(true);
    Ok((Arc::new(plan), Some(known)))
}

/// A merge at the top of a plan over the ranges that are wanted is not needed.
fn unmerged(
    plan: Arc<dyn ExecutionPlan>,
    splits: &Splits,
) -> (Arc<dyn ExecutionPlan>, Option<Sorted>) {
    let Some(merge) = plan.downcast_ref::<SortPreservingMergeExec>() else { return (plan, None) };
    let columns = columns(merge.expr());
    let is_ranged = ranges(merge.input())
        .is_some_and(|found| columns.first() == Some(&found.key) && found.splits == *splits);
    if !is_ranged || splits.is_empty() || merge.fetch().is_some() {
        return (plan, None);
    }
    (Arc::clone(merge.input()), Some(Sorted { columns, splits: splits.clone() }))
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
    ordering
        .iter()
        .map_while(|key| {
            key.expr.downcast_ref::<Column>().map(|column| (column.index(), key.options))
        })
        .collect()
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
