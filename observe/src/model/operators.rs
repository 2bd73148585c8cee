//! What the operators of the stages of a job did, as its workers tell it.

use super::{JobRecord, Model};
use partita_shared::message::StageOperators;
use partita_shared::model::OperatorRow;

/// Bytes of the lines of operators of one job that are remembered.
const JOB_OPERATORS_BYTES_MAX: usize = 128 << 10;

/// What an operator takes beside its line, in bytes.
const ROW_BYTES: usize = 48;

/// The bytes of the figures of operators.
pub(super) fn bytes(operators: &[Vec<OperatorRow>]) -> usize {
    operators.iter().flatten().map(row_bytes).sum()
}

fn row_bytes(row: &OperatorRow) -> usize {
    row.line.len() + ROW_BYTES
}

/// As many operators as there is room for.
pub(super) fn cut(mut operators: Vec<Vec<OperatorRow>>) -> Vec<Vec<OperatorRow>> {
    let mut bytes = 0;
    for rows in &mut operators {
        let fits = |row: &OperatorRow| {
            bytes += row_bytes(row);
            bytes <= JOB_OPERATORS_BYTES_MAX
        };
        let kept = rows.iter().map(fits).take_while(|fits| *fits).count();
        rows.truncate(kept);
    }
    operators
}

impl JobRecord {
    /// Adds what a worker told. Nothing if there is no room for the lines.
    fn add_operators(&mut self, StageOperators { stage, operators: told }: StageOperators) {
        let index = stage.index as usize;
        if index >= self.stages.len() {
            return;
        }
        if self.operators.len() < self.stages.len() {
            self.operators.resize_with(self.stages.len(), Vec::new);
        }
        if self.operators[index].is_empty() {
            let new: usize = told.iter().map(row_bytes).sum();
            if bytes(&self.operators) + new > JOB_OPERATORS_BYTES_MAX {
                return;
            }
        }
        OperatorRow::add_all(&mut self.operators[index], told);
        self.has_new_operators = true;
    }
}

impl Model {
    pub(super) fn on_operators(&mut self, told: StageOperators) {
        let Some(record) = self.job_records.get_mut(&told.stage.job) else { return };
        let is_over = record.row.state.is_final();
        if is_over && record.text_bytes == 0 {
            // Its texts were forgotten.
            return;
        }
        let before = bytes(&record.operators);
        record.add_operators(told);
        if is_over {
            let more = bytes(&record.operators).saturating_sub(before);
            record.text_bytes += more;
            self.text_bytes += more;
        }
    }

    /// Pages get new figures of operators once a second, not with each worker that tells some.
    pub(super) fn show_operators(&mut self) {
        for record in self.job_records.values_mut() {
            if std::mem::take(&mut record.has_new_operators) {
                record.text_revision += 1;
            }
        }
    }
}
