//! Statistics of files as the planner may have them.
//!
//! Parquet statistics omit NaN, and DataFusion 55 takes them for whole: a column of a file in which every number
//! but NaN is 2.25 would be read as a constant, and `max` would be answered from it. So the ends of floating-point
//! columns are not told to the planner.
//!
//! Where the type of a column in a file is not that of the table, it says that the ends are NULL, exactly. Those of several
//! files together are then the ends of the others, and a filter on the column may take it for a constant.

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::stats::Precision;
use datafusion::common::{ScalarValue, Statistics};

/// The statistics of a file without the least and the greatest values of floating-point columns, and without those
/// that are NULL.
pub(crate) fn without_ends(mut statistics: Statistics, schema: &Schema) -> Statistics {
    for (column, field) in statistics.column_statistics.iter_mut().zip(schema.fields()) {
        let is_null =
            |end: &Precision<ScalarValue>| end.get_value().is_some_and(ScalarValue::is_null);
        let is_unknown = is_null(&column.min_value) || is_null(&column.max_value);
        if is_unknown || has_floats(field.data_type()) {
            column.min_value = Precision::Absent;
            column.max_value = Precision::Absent;
        }
    }
    statistics
}

/// Whether values of a type are, or consist of, floating-point numbers.
pub fn has_floats(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => has_floats(values),
        DataType::RunEndEncoded(_, values) => has_floats(values.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_floats(field.data_type())),
        other => other.is_floating(),
    }
}
