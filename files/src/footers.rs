//! What the statistics of files tell of their rows.

use datafusion::arrow::array::{ArrayRef, BooleanArray, UInt64Array};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{Column, ColumnStatistics, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use std::collections::HashSet;
use std::sync::Arc;

/// The statistics of files, column by column. DataFusion's `PrunableStatistics` tells nothing of a column
/// of which one file has no value.
pub(super) struct Footers<'a> {
    pub(super) files: &'a [PartitionedFile],
    pub(super) schema: &'a SchemaRef,
}

impl Footers<'_> {
    fn of_files<'a, T>(
        &'a self,
        of: impl Fn(&'a Statistics) -> Option<T> + 'a,
    ) -> impl Iterator<Item = Option<T>> + 'a {
        self.files.iter().map(move |file| file.statistics.as_deref().and_then(&of))
    }

    fn ends(
        &self,
        column: &Column,
        end: impl Fn(&ColumnStatistics) -> &Precision<ScalarValue>,
    ) -> Option<ArrayRef> {
        let at = self.schema.index_of(column.name()).ok()?;
        let unknown = ScalarValue::try_from(self.schema.field(at).data_type()).ok()?;
        let ends = self.of_files(|statistics| exact(end(statistics.column_statistics.get(at)?)));
        ScalarValue::iter_to_array(ends.map(|end| end.unwrap_or_else(|| unknown.clone()))).ok()
    }
}

fn exact<T: Clone + std::fmt::Debug + PartialEq + Eq + PartialOrd>(
    value: &Precision<T>,
) -> Option<T> {
    match value {
        Precision::Exact(value) => Some(value.clone()),
        Precision::Inexact(_) | Precision::Absent => None,
    }
}

impl PruningStatistics for Footers<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.ends(column, |statistics| &statistics.min_value)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.ends(column, |statistics| &statistics.max_value)
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let at = self.schema.index_of(column.name()).ok()?;
        let counts =
            self.of_files(|statistics| exact(&statistics.column_statistics.get(at)?.null_count));
        let counts = counts.map(|count| count.and_then(|count| u64::try_from(count).ok()));
        Some(Arc::new(counts.collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        let counts = self.of_files(|statistics| exact(&statistics.num_rows));
        let counts = counts.map(|count| count.and_then(|count| u64::try_from(count).ok()));
        Some(Arc::new(counts.collect::<UInt64Array>()))
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
