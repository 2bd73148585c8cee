//! Figures of each operator of a plan that ran.

use datafusion::physical_plan::{ExecutionPlan, displayable};
use partita_shared::model::OperatorRow;
use std::sync::Arc;

/// The operators of a plan, in its order, with what each did.
pub(crate) fn operators(plan: &Arc<dyn ExecutionPlan>) -> Vec<OperatorRow> {
    let mut rows = Vec::new();
    add(plan, 0, &mut rows);
    rows
}

fn add(plan: &Arc<dyn ExecutionPlan>, depth: usize, rows: &mut Vec<OperatorRow>) {
    let one_line = displayable(plan.as_ref()).one_line().to_string();
    let mut row = OperatorRow {
        line: format!("{}{}", "  ".repeat(depth), one_line.trim_end()),
        ..OperatorRow::default()
    };
    if let Some(metrics) = plan.metrics() {
        row.rows = metrics.output_rows().unwrap_or(0) as u64;
        row.elapsed_ns = metrics.elapsed_compute().unwrap_or(0) as u64;
        row.spilled_bytes = metrics.spilled_bytes().unwrap_or(0) as u64;
    }
    rows.push(row);
    plan.children().into_iter().for_each(|child| add(child, depth + 1, rows));
}
