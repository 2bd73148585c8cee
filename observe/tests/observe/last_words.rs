//! What workers tell by themselves: what operators did, and their logs.

use crate::observe::fixture::{Bench, job};
use partita_observe::event::{Observation, Seen};
use partita_observe::frame::{Answer, Question};
use partita_observe::model::Model;
use partita_shared::ids::{JobId, StageId, WorkerId};
use partita_shared::message::StageOperators;
use partita_shared::model::{JobState, OperatorRow};

const JOB: JobId = JobId(1);

fn told(stage: u32, line: &str, rows: u64) -> Observation {
    let row = OperatorRow { line: line.to_string(), rows, elapsed_ns: 0, spilled_bytes: 0 };
    let stage = StageId { job: JOB, index: stage };
    Observation::Operators(StageOperators { stage, operators: vec![row] })
}

fn ended(bench: &mut Bench) {
    let mut row = job(JOB.0, &[2]).row;
    row.state = JobState::Done;
    bench.see(Observation::JobEnded { row: Box::new(row), operators: vec![Vec::new()] });
}

fn operators(model: &Model) -> Vec<Vec<OperatorRow>> {
    model.job_view(JOB).expect("a job").operators
}

/// A model that is made of what a new journal file begins with.
fn restored(bench: &Bench) -> Model {
    let mut model = Model::new();
    for what in bench.model.snapshot() {
        model.apply(Seen { at_us: bench.now_ms() * 1000, what });
    }
    model
}

/// Figures of several workers are summed, their lines are told once, and a new journal file has them.
#[test]
fn figures_are_summed() {
    let mut bench = Bench::new();
    bench.submit(JOB.0, &[2]);
    for (line, rows) in [("Sort", 3), ("", 4), ("Sort", 5)] {
        bench.see(told(0, line, rows));
    }
    for model in [&bench.model, &restored(&bench)] {
        let found = operators(model);
        assert_eq!((found[0][0].line.as_str(), found[0][0].rows), ("Sort", 12));
    }
}

/// The end of a job does not remove what was told before, and workers may tell some after it.
#[test]
fn figures_outlive_the_end() {
    let mut bench = Bench::new();
    bench.submit(JOB.0, &[2]);
    bench.see(told(0, "Sort", 3));
    ended(&mut bench);
    bench.see(told(0, "", 4));
    assert_eq!(operators(&bench.model)[0][0].rows, 7);
    assert_eq!(operators(&restored(&bench))[0][0].rows, 7);
}

/// Figures of stages that a job does not have, and lines without end, are left out.
#[test]
fn figures_are_bounded() {
    let mut bench = Bench::new();
    bench.submit(JOB.0, &[2]);
    bench.see(told(7, "Sort", 3));
    bench.see(told(0, &"x".repeat(1 << 20), 3));
    assert!(operators(&bench.model).iter().all(Vec::is_empty));
}

/// The last lines of a worker's log are kept when it is lost, not more than a page shows, and by a new journal file.
#[test]
fn logs_outlive_their_worker() {
    let mut bench = Bench::new();
    bench.join(1, 2);
    for number in 0..2_000 {
        let lines = vec![format!("line {number}")];
        bench.see(Observation::LogLines { worker: WorkerId(1), lines });
    }
    bench.lose(1, "killed");
    for model in [&bench.model, &restored(&bench)] {
        let Answer::WorkerLog(lines) = model.answer(&Question::WorkerLog(WorkerId(1))) else {
            panic!("no log");
        };
        assert_eq!(lines.last().map(String::as_str), Some("line 1999"));
        assert!(lines.len() < 1_000);
        assert_eq!(model.worker_view(WorkerId(1)).expect("a worker").log, lines);
    }
    assert!(matches!(bench.model.answer(&Question::WorkerLog(WorkerId(9))), Answer::None(_)));
}
