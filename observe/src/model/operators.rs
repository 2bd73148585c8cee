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
    operators.iter().flatten().map(|row| row.line.len() + ROW_BYTES).sum()
}

/// As many operators as there is room for.
pub(super) fn cut(mut operators: Vec<Vec<OperatorRow>>) -> Vec<Vec<OperatorRow>> {
    let mut bytes = 0;
    for rows in &mut operators {
        let fits = |row: &OperatorRow| {
            bytes += row.line.len() + ROW_BYTES;
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
            let new: usize = told.iter().map(|row| row.line.len() + ROW_BYTES).sum();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{JobFacts, Observation, Seen, StageFacts};
    use crate::model::Model;
    use partita_shared::ids::{JobId, StageId};
    use partita_shared::model::JobRow;

    const JOB: JobId = JobId(1);

    fn model() -> Model {
        let mut model = Model::new();
        let row = JobRow { id: JOB, ..JobRow::default() };
        let stages = vec![StageFacts { tasks: 2, ..StageFacts::default() }];
        let facts = JobFacts { row, stages };
        model.apply(Seen { at_us: 1_000_000, what: Observation::Job(Box::new(facts)) });
        model
    }

    fn told(line: &str, rows: u64) -> Observation {
        let operators =
            vec![OperatorRow { line: line.to_string(), rows, ..OperatorRow::default() }];
        Observation::Operators(StageOperators { stage: StageId { job: JOB, index: 0 }, operators })
    }

    /// Figures of several workers are summed, lines are told once, and pages get them once a second.
    #[test]
    fn figures_are_summed() {
        let mut model = model();
        let before = model.job_view_revision(JOB);
        for (line, rows) in [("Sort", 3), ("", 4), ("Sort", 5)] {
            model.apply(Seen { at_us: 1_100_000, what: told(line, rows) });
        }
        assert_eq!(model.job_view_revision(JOB), before);
        model.tick(2_100_000);
        assert!(model.job_view_revision(JOB) > before);
        let operators = model.job_view(JOB).unwrap().operators;
        assert_eq!((operators[0][0].line.as_str(), operators[0][0].rows), ("Sort", 12));
    }

    /// What a job's end tells without figures does not remove those that came before, and some may come after it.
    #[test]
    fn figures_outlive_the_end() {
        let mut model = model();
        model.apply(Seen { at_us: 1_100_000, what: told("Sort", 3) });
        let row = JobRow {
            id: JOB,
            state: partita_shared::model::JobState::Done,
            text: "select 1".to_string(),
            ..JobRow::default()
        };
        let ended = Observation::JobEnded { row: Box::new(row), operators: vec![Vec::new()] };
        model.apply(Seen { at_us: 1_200_000, what: ended });
        model.apply(Seen { at_us: 1_300_000, what: told("", 4) });
        assert_eq!(model.job_view(JOB).unwrap().operators[0][0].rows, 7);
    }

    /// Figures of unknown stages, and lines without end, are left out.
    #[test]
    fn figures_are_bounded() {
        let mut model = model();
        let operators = vec![OperatorRow::default()];
        let other = StageOperators { stage: StageId { job: JOB, index: 7 }, operators };
        model.apply(Seen { at_us: 1_100_000, what: Observation::Operators(other) });
        let long = "x".repeat(JOB_OPERATORS_BYTES_MAX);
        model.apply(Seen { at_us: 1_200_000, what: told(&long, 1) });
        assert!(model.job_view(JOB).unwrap().operators.iter().all(Vec::is_empty));
    }
}
