//! Plans as rows: what `EXPLAIN` and `EXPLAIN ANALYZE` answer.

use crate::query::prepare::Built;
use datafusion::arrow::array::{ArrayRef, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::Result;
use datafusion::logical_expr::LogicalPlan;
use partita_shared::model::{OperatorRow, StageRow};
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

/// The logical plan, then each stage with its tasks and what it reads.
pub(crate) fn plans(logical: &LogicalPlan, built: &Built) -> Result<(SchemaRef, RecordBatch)> {
    let mut rows = vec![("logical_plan".to_string(), logical.display_indent().to_string())];
    for (number, stage) in built.stages.iter().enumerate() {
        let reads: Vec<String> =
            stage.inputs.iter().map(|i| format!("{:?} of stage {}", i.exchange, i.stage)).collect();
        let reads =
            if reads.is_empty() { String::new() } else { format!(", reads {}", reads.join(", ")) };
        let tasks =
            if stage.tasks == 1 { "1 task".into() } else { format!("{} tasks", stage.tasks) };
        let head = format!("{} ({tasks}{reads})\n", stage.name);
        rows.push((format!("stage {number}"), head + stage.plan.trim_end()));
    }
    Ok((schema(), batch(rows)?))
}

/// Each stage that ran, with the figures of its operators summed over its tasks.
pub(crate) fn figures(stages: &[StageRow], operators: &[Vec<OperatorRow>]) -> Result<RecordBatch> {
    let mut rows = Vec::new();
    for (stage, operators) in stages.iter().zip(operators) {
        let busy = format_duration(Duration::from_micros(stage.busy_us));
        let tasks = match stage.tasks.total() {
            1 => "1 task".to_string(),
            tasks => format!("{tasks} tasks"),
        };
        let mut text = format!(
            "{} ({tasks}, {} rows, {}, {busy} on slots)",
            stage.name,
            format_count(stage.rows),
            format_bytes(stage.bytes)
        );
        for operator in operators {
            let time = format_duration(Duration::from_nanos(operator.elapsed_ns));
            text.push_str(&format!("\n{} [{} rows, {time}", operator.line, operator.rows));
            if operator.spilled_bytes > 0 {
                text.push_str(&format!(", {} spilled", format_bytes(operator.spilled_bytes)));
            }
            text.push(']');
        }
        rows.push((format!("stage {}", stage.id.index), text));
    }
    batch(rows)
}
