//! CSV files that write missing values as words.
//!
//! DataFusion's option for this, `null_regex`, takes part in inferring types but not in reading,
//! where the word would then be an error. So such files are read as text, and a view over them
//! turns words into nulls and text into numbers. The plan then has nothing in it that DataFusion
//! cannot send to another process.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, Result, ScalarValue, TableReference};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast, lit, when};

use super::infer::MISSING;
use super::table::FileTable;

/// A view of `table` whose columns have the types of `converted`.
pub(super) fn view(
    name: &str,
    table: FileTable,
    converted: &Schema,
) -> Result<Arc<dyn TableProvider>> {
    let table: Arc<dyn TableProvider> = Arc::new(table);
    let schema = table.schema();
    let relation = TableReference::bare(name);
    let columns = schema.fields().iter().map(|field| {
        let column = Expr::Column(Column::new(Some(relation.clone()), field.name()));
        let data_type = match converted.field_with_name(field.name()) {
            Ok(wanted) if *wanted.data_type() != DataType::Utf8 => wanted.data_type().clone(),
            // Text, or a partition folder's column.
            _ => return Ok(column),
        };
        let words = MISSING.iter().map(|word| lit(*word)).collect();
        let value = when(column.clone().in_list(words, false), lit(ScalarValue::Utf8(None)))
            .otherwise(column)?;
        Ok(cast(value, data_type).alias(field.name()))
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let plan = LogicalPlanBuilder::scan(relation.clone(), provider_as_source(table), None)?
        .project(columns)?
        .build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}
