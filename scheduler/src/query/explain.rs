//! Plans as rows: what `EXPLAIN` and `EXPLAIN ANALYZE` answer.

use crate::query::prepare::Built;
use datafusion::arrow::array::{ArrayRef, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::Result;
use datafusion::logical_expr::LogicalPlan;
use partita_shared::model::{GroupRow, OperatorRow};
use partita_shared::units::{format_bytes, format_count, format_duration};
use std::sync::Arc;
use std::time::Duration;

/// The columns of an explanation, named as DataFusion names them.
pub(crate) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("plan_type", DataType::Utf8, false),
        Field::new("plan", DataType::Utf8, false),
    ]))
}

fn batch(rows: Vec<(String, String)>) -> Result<RecordBatch> {
    let (kinds, plans): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    let columns: Vec<ArrayRef> =
        vec![Arc::new(StringArray::from(kinds)), Arc::new(StringArray::from(plans))];
    Ok(RecordBatch::try_new(schema(), columns)?)
}

/// The logical plan, then each group with its tasks and what it reads.
pub(crate) fn plans(logical: &LogicalPlan, built: &Built) -> Result<(SchemaRef, RecordBatch)> {
    let mut rows = vec![("logical_plan".to_string(), logical.display_indent().to_string())];
    for (number, group) in built.groups.iter().enumerate() {
        let reads: Vec<String> =
            group.inputs.iter().map(|i| format!("{:?} of stage {}", i.exchange, i.group)).collect();
        let reads =
            if reads.is_empty() { String::new() } else { format!(", reads {}", reads.join(", ")) };
        let tasks =
            if group.tasks == 1 { "1 task".into() } else { format!("{} tasks", group.tasks) };
        let head = format!("{} ({tasks}{reads})\n", group.name);
        rows.push((format!("stage {number}"), head + group.plan.trim_end()));
    }
    Ok((schema(), batch(rows)?))
}

/// Each group that ran, with the figures of its operators summed over its tasks.
pub(crate) fn figures(groups: &[GroupRow], operators: &[Vec<OperatorRow>]) -> Result<RecordBatch> {
    let mut rows = Vec::new();
    for (group, operators) in groups.iter().zip(operators) {
        let busy = format_duration(Duration::from_micros(group.busy_us));
        let mut text = format!(
            "{} ({} tasks, {} rows, {}, {busy} on slots)",
            group.name,
            group.tasks.total(),
            format_count(group.rows),
            format_bytes(group.bytes)
        );
        for operator in operators {
            let time = format_duration(Duration::from_nanos(operator.elapsed_ns));
            text.push_str(&format!("\n{} [{} rows, {time}", operator.line, operator.rows));
            if operator.spilled_bytes > 0 {
                text.push_str(&format!(", {} spilled", format_bytes(operator.spilled_bytes)));
            }
            text.push(']');
        }
        rows.push((format!("stage {}", group.id.index), text));
    }
    batch(rows)
}
