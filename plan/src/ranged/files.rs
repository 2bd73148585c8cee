//! Files whose statistics say that they are ranges of a key.
//!
//! Files that were written in the order of a key need no shuffle to be sorted by it across
//! partitions: whole files are given to the partitions in that order, and each of these is sorted by
//! itself.

use super::Plan;
use datafusion::arrow::compute::SortOptions;
use datafusion::common::ScalarValue;
use datafusion::common::stats::Precision;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

/// How many times as many rows as the average the largest partition may have; else a sample of the
/// keys splits better.
const SKEW_MAX: usize = 2;

/// A file and the ends of its keys, in their order.
struct Extent {
    file: PartitionedFile,
    first: ScalarValue,
    last: ScalarValue,
    rows: usize,
}

/// Split points that divide a column of the plan's rows into `partitions` ranges, each of which
/// consists of whole files. `None` if the rows are not those of files with disjoint ranges.
pub fn file_splits(
    plan: &Plan,
    key: (usize, SortOptions),
    partitions: usize,
) -> Option<Vec<ScalarValue>> {
    let (scan, column) = scan_below(plan, key.0)?;
    let extents = extents(scan, column, key.1.descending)?;
    let all: usize = extents.iter().map(|extent| extent.rows).sum();
    let wanted = all.div_ceil(partitions.max(1)).max(1);
    let (mut splits, mut rows, mut largest) = (Vec::new(), 0, 0);
    let mut end: Option<&ScalarValue> = None;
    for extent in &extents {
        let is_apart = end.is_some_and(|end| before(end, &extent.first, key.1.descending));
        if is_apart && rows + extent.rows / 2 >= wanted {
            splits.push(extent.first.clone());
            rows = 0;
        }
        rows += extent.rows;
        largest = largest.max(rows);
        end = match end {
            Some(end) if before(&extent.last, end, key.1.descending) => Some(end),
            Some(_) | None => Some(&extent.last),
        };
    }
    (!splits.is_empty() && largest <= wanted.saturating_mul(SKEW_MAX)).then_some(splits)
}

/// The plan with the files in the ranges between these values. None if a file is in several.
///
/// # Errors
/// If the operators above the files do not take them in another order.
pub fn by_files(
    plan: &Plan,
    key: (usize, SortOptions),
    splits: &[ScalarValue],
) -> Result<Option<Plan>> {
    let Some((scan, column)) = scan_below(plan, key.0) else { return Ok(None) };
    let Some(extents) = extents(scan, column, key.1.descending) else { return Ok(None) };
    let range = |value: &ScalarValue| {
        splits.partition_point(|split| !before(value, split, key.1.descending))
    };
    let mut groups = vec![Vec::new(); splits.len() + 1];
    for extent in extents {
        let (first, last) = (range(&extent.first), range(&extent.last));
        match groups.get_mut(first) {
            Some(group) if first == last => group.push(extent.file),
            Some(_) | None => return Ok(None),
        }
    }
    if groups.iter().any(Vec::is_empty) {
        return Ok(None);
    }
    let groups = groups.into_iter().map(FileGroup::new).collect();
    let scan = FileScanConfigBuilder::from(scan.clone())
        .with_file_groups(groups)
        .with_output_ordering(Vec::new())
        .build();
    let scan: Plan = DataSourceExec::from_data_source(scan);
    replaced(plan, &scan).map(Some)
}

/// Whether a key is before another.
fn before(one: &ScalarValue, other: &ScalarValue, descending: bool) -> bool {
    one.partial_cmp(other) == Some(if descending { Ordering::Greater } else { Ordering::Less })
}

/// The scan of files whose rows these are, and the column of its table that this column is.
fn scan_below(plan: &Plan, column: usize) -> Option<(&FileScanConfig, usize)> {
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let made = projection.expr().get(column)?.expr.downcast_ref::<Column>()?;
        return scan_below(projection.input(), made.index());
    }
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        // A limit counts the rows of all.
        if filter.fetch().is_some() {
            return None;
        }
        let below = match filter.projection() {
            Some(columns) => *columns.get(column)?,
            None => column,
        };
        return scan_below(filter.input(), below);
    }
    if plan.is::<CooperativeExec>() {
        return scan_below(plan.children().first().copied()?, column);
    }
    let scan = plan.downcast_ref::<DataSourceExec>()?;
    let scan = scan.data_source().downcast_ref::<FileScanConfig>()?;
    let column = match scan.file_source.projection() {
        Some(projection) => projection.iter().nth(column)?.expr.downcast_ref::<Column>()?.index(),
        None => column,
    };
    scan.limit.is_none().then_some((scan, column))
}

/// The plan over another scan.
fn replaced(plan: &Plan, scan: &Plan) -> Result<Plan> {
    let children = plan.children();
    let Some(child) = children.first() else { return Ok(Arc::clone(scan)) };
    let below = replaced(child, scan)?;
    replace_children_if_necessary(Arc::clone(plan), vec![below])
}

/// The files of a scan in the order of a column. None if that is not known of one of them.
fn extents(scan: &FileScanConfig, column: usize, descending: bool) -> Option<Vec<Extent>> {
    let mut seen = HashSet::new();
    let mut extents = Vec::new();
    for file in scan.file_groups.iter().flat_map(FileGroup::iter) {
        // Parts of large files are in several groups.
        if seen.insert(&file.object_meta.location) {
            extents.push(extent(file, column, descending)?);
        }
    }
    let mut is_comparable = true;
    extents.sort_by(|one: &Extent, other: &Extent| {
        let order = one.first.partial_cmp(&other.first);
        is_comparable &= order.is_some();
        let order = order.unwrap_or(Ordering::Equal);
        if descending { order.reverse() } else { order }
    });
    is_comparable.then_some(extents)
}

fn extent(file: &PartitionedFile, column: usize, descending: bool) -> Option<Extent> {
    let statistics = file.statistics.as_ref()?;
    let known = statistics.column_statistics.get(column)?;
    let (Precision::Exact(min), Precision::Exact(max)) = (&known.min_value, &known.max_value)
    else {
        return None;
    };
    // Missing keys are in no range.
    if known.null_count != Precision::Exact(0) || min.is_null() || max.is_null() {
        return None;
    }
    // NaN is last in the order, and Parquet statistics omit it.
    if min.data_type().is_floating() {
        return None;
    }
    let (first, last) = if descending { (max, min) } else { (min, max) };
    let mut file = file.clone();
    file.range = None;
    let rows = *statistics.num_rows.get_value()?;
    Some(Extent { file, first: first.clone(), last: last.clone(), rows })
}
