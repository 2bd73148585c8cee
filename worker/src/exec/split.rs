//! Rows that go to the partitions of ranges.

use datafusion::arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::row::{Row, RowConverter, Rows, SortField};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr, RangePartitioning};

/// Splits batches by where their keys are among the splits. DataFusion's own splitter makes a value of
/// any type of each key and compares those; here the keys of a batch are made comparable bytes at once.
pub(super) struct RangeSplitter {
    ordering: LexOrdering,
    converter: RowConverter,
    splits: Rows,
}

impl RangeSplitter {
    /// # Errors
    /// If the keys cannot be compared.
    pub(super) fn new(ranges: &RangePartitioning, schema: &Schema) -> Result<Self> {
        let ordering = ranges.ordering().clone();
        let field = |key: &PhysicalSortExpr| {
            Ok(SortField::new_with_options(key.expr.data_type(schema)?, key.options))
        };
        let converter = RowConverter::new(ordering.iter().map(field).collect::<Result<Vec<_>>>()?)?;
        let column = |at: usize| -> Result<ArrayRef> {
            let values = ranges.split_points().iter().map(|split| {
                let value = split.values().get(at).cloned();
                value.ok_or_else(|| DataFusionError::Internal("a split without a key".to_string()))
            });
            ScalarValue::iter_to_array(values.collect::<Result<Vec<_>>>()?)
        };
        let columns = (0..ordering.len()).map(column).collect::<Result<Vec<_>>>()?;
        let splits = converter.convert_columns(&columns)?;
        Ok(RangeSplitter { ordering, converter, splits })
    }

    /// Gives the rows of each range that has some.
    pub(super) fn split(
        &self,
        batch: &RecordBatch,
        mut give: impl FnMut(usize, RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let key = |key: &PhysicalSortExpr| key.expr.evaluate(batch)?.into_array(batch.num_rows());
        let keys = self.ordering.iter().map(key).collect::<Result<Vec<_>>>()?;
        let keys = self.converter.convert_columns(&keys)?;
        let mut ranges = vec![Vec::new(); self.splits.num_rows() + 1];
        for (row, key) in (0_u32..).zip(keys.iter()) {
            let range = self.range(key);
            if let Some(rows) = ranges.get_mut(range) {
                rows.push(row);
            }
        }
        for (range, rows) in ranges.into_iter().enumerate() {
            match rows.len() {
                0 => {}
                all if all == batch.num_rows() => give(range, batch.clone())?,
                _ => give(range, take_record_batch(batch, &UInt32Array::from(rows))?)?,
            }
        }
        Ok(())
    }

    /// The range of a key: a split is in the range that begins with it.
    fn range(&self, key: Row<'_>) -> usize {
        let (mut low, mut high) = (0, self.splits.num_rows());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.splits.row(middle) <= key { low = middle + 1 } else { high = middle }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{AsArray, Float64Array, StringArray};
    use datafusion::arrow::compute::SortOptions;
    use datafusion::arrow::datatypes::{DataType, Field, Float64Type};
    use datafusion::common::SplitPoint;
    use datafusion::physical_expr::expressions::Column;
    use std::sync::Arc;

    fn ranges(options: SortOptions, splits: &[f64]) -> RangePartitioning {
        let key = PhysicalSortExpr::new(Arc::new(Column::new("key", 0)), options);
        let ordering = LexOrdering::new([key]).expect("a key");
        let point = |split: &f64| SplitPoint::new(vec![ScalarValue::from(*split)]);
        RangePartitioning::try_new(ordering, splits.iter().map(point).collect()).expect("ranges")
    }

    /// Each key goes to its range: a split to the range that begins with it, missing ones to the end
    /// where the order has them; the other columns go along.
    #[test]
    fn keys_go_to_their_ranges() {
        let schema = Arc::new(Schema::new(vec![
            Field::new("key", DataType::Float64, true),
            Field::new("text", DataType::Utf8, false),
        ]));
        let keys = [Some(0.5), None, Some(2.0), Some(f64::NAN), Some(-1.0), Some(1.0), Some(1.5)];
        let texts = keys.map(|key| format!("{key:?}"));
        let batch = RecordBatch::try_new(
            Arc::clone(&schema),
            vec![
                Arc::new(Float64Array::from(keys.to_vec())),
                Arc::new(StringArray::from(texts.to_vec())),
            ],
        );
        let batch = batch.expect("rows");
        let split = |options, splits: &[f64]| {
            let splitter = RangeSplitter::new(&ranges(options, splits), &schema).expect("splits");
            let mut found = vec![Vec::new(); splits.len() + 1];
            let gave = splitter.split(&batch, |range, rows| {
                let keys = rows.column(0).as_primitive::<Float64Type>();
                for (key, text) in keys.iter().zip(rows.column(1).as_string::<i32>()) {
                    assert_eq!(Some(format!("{key:?}").as_str()), text);
                    found[range].push(key.map_or("none".to_string(), |key| key.to_string()));
                }
                Ok(())
            });
            gave.expect("rows of ranges");
            found
        };
        let up = SortOptions { descending: false, nulls_first: false };
        let expected = [vec!["0.5", "-1"], vec!["1", "1.5"], vec!["none", "2", "NaN"]];
        assert_eq!(split(up, &[1.0, 2.0]), expected);
        let down = SortOptions { descending: true, nulls_first: true };
        let expected = [vec!["none", "NaN"], vec!["2"], vec!["0.5", "-1", "1", "1.5"]];
        assert_eq!(split(down, &[2.0, 1.5]), expected);
    }
}
