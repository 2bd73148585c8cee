//! Statements that are being planned, and the jobs that they become.

use super::fixture::{Cluster, job, one_to_one};
use partita_core::{Options, PlanningEnd};
use partita_observe::event::Observation;
use partita_shared::ids::JobId;
use partita_shared::limits;
use partita_shared::model::{JobRow, JobState};

fn row(t: &Cluster, number: u32) -> JobRow {
    t.core.job(JobId(number)).expect("a job of this number")
}

fn states(t: &Cluster) -> Vec<(u32, JobState)> {
    t.core.jobs(None, usize::MAX).iter().map(|row| (row.id.0, row.state)).collect()
}

/// A statement keeps its number, its text and the time at which its planning began when it becomes a job,
/// whatever was numbered meanwhile.
#[test]
fn a_job_keeps_the_number_of_its_statement() {
    let mut t = Cluster::with_workers(&["a"]);
    t.now = 5_000_000;
    t.plan("one");
    t.check(&["job-1 in planning"]);
    let planning = row(&t, 1);
    assert_eq!((planning.state, planning.submitted_ms), (JobState::Planning, 5000));
    assert_eq!((planning.text.as_str(), planning.priority, planning.stages), ("a statement", 2, 0));
    assert_eq!((t.core.stages(JobId(1)), t.core.cluster().jobs_live), (Some(Vec::new()), 1));
    t.submit_quietly(job().source(1));
    assert_eq!(states(&t), [(2, JobState::Running), (1, JobState::Planning)]);
    t.cancel(2);
    t.take();
    t.now = 9_000_000;
    t.submit_planned(1, job().source(1));
    t.check(&["job-1 accepted", "a: fragment 1.0", "a: run 1.0.0#1"]);
    let running = row(&t, 1);
    assert_eq!((running.state, running.submitted_ms), (JobState::Running, 5000));
    assert_eq!((running.stages, t.core.cluster().jobs_live), (1, 1));
    assert_eq!(states(&t), [(2, JobState::Cancelled), (1, JobState::Running)]);
}

/// A statement can be cancelled by its number while it is planned and as a job; a job that is submitted
/// for one that was cancelled is refused, and no second end is told.
#[test]
fn a_statement_is_cancelled_in_planning_and_as_a_job() {
    let mut t = Cluster::with_workers(&["a"]);
    t.plan("one");
    t.plan("one");
    t.take();
    t.cancel(1);
    t.check(&["job-1 cancelled: asked"]);
    assert_eq!((row(&t, 1).state, row(&t, 1).error.as_str()), (JobState::Cancelled, "asked"));
    t.submit_planned(1, job().source(1));
    t.check(&["refused: job-1 has ended"]);
    t.planned(1, PlanningEnd::Failed { error: "too late".into() });
    t.cancel(1);
    t.check(&[]);
    assert_eq!(row(&t, 1).error, "asked");
    t.submit_planned(2, job().source(1));
    t.take();
    t.cancel(2);
    t.check(&["a: drop job-2", "job-2 cancelled: asked"]);
    assert_eq!(states(&t), [(2, JobState::Cancelled), (1, JobState::Cancelled)]);
}

/// A statement that cannot be planned is a failed job with its error; one that is answered without a
/// worker is a job that is done, with the rows of its answer: no number is missing from the list.
#[test]
fn a_statement_without_a_job_is_listed_to_its_end() {
    let mut t = Cluster::new();
    (0..3).for_each(|_| t.plan("one"));
    t.take();
    t.planned(1, PlanningEnd::Failed { error: "no such table".into() });
    t.planned(2, PlanningEnd::Answered { rows: 7 });
    t.check(&["job-1 failed: no such table", "job-2 done"]);
    let states = states(&t);
    assert_eq!(states, [(3, JobState::Planning), (2, JobState::Done), (1, JobState::Failed)]);
    let (failed, answered) = (row(&t, 1), row(&t, 2));
    assert_eq!((failed.error.as_str(), failed.tasks.total()), ("no such table", 0));
    assert_eq!((answered.delivered_rows, answered.ended_ms), (7, Some(t.now / 1000)));
    t.cancel(3);
    t.take();
}

/// Statements that ended are forgotten with the jobs that ended, by the same limit.
#[test]
fn statements_that_ended_are_forgotten_like_jobs() {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(job().source(1));
    t.cancel(1);
    t.take();
    for number in 2..=limits::FINISHED_JOBS_MAX as u32 + 1 {
        t.plan("one");
        t.planned(number, PlanningEnd::Failed { error: "wrong".into() });
        t.take();
    }
    assert_eq!((t.core.job(JobId(1)), row(&t, 2).state), (None, JobState::Failed));
    assert_eq!(t.core.jobs(None, usize::MAX).len(), limits::FINISHED_JOBS_MAX);
}

/// The statements that may be planned at once are bounded, and no client has all of them.
#[test]
fn the_number_of_statements_in_planning_is_bounded() {
    let mut t = Cluster::new();
    t.walks = false;
    let own = limits::PLANNING_STATEMENTS_MAX / 2;
    for _ in 0..own {
        t.plan("one");
    }
    t.take();
    t.plan("one");
    t.check(&[
        "refused: 5000 statements of this client and 5000 of 10000 of all clients are being planned or wait to be fetched, which is the limit; retry when some have ended",
    ]);
    t.plan("another");
    t.check(&["job-5001 in planning"]);
}

/// A statement whose planning began before the result that it reads was begun has a smaller number:
/// lost partitions of the result are recomputed for it all the same, through the whole lineage.
#[test]
fn a_job_reads_results_with_larger_numbers() {
    let mut t = Cluster::with_workers(&["a"]);
    t.plan("one");
    t.plan("one");
    t.submit_quietly(job().persisted().source(1));
    t.finish_quietly(&["3.0.0"]);
    t.submit_planned(2, job().persisted().reads(3, 1).stage(1, [one_to_one(0)]));
    t.take();
    t.finish_quietly(&["2.1.0"]);
    t.submit_planned(1, job().reads(2, 1).stage(1, [one_to_one(0)]));
    t.take();
    t.join("b", 1);
    t.lose("a", "gone");
    t.take();
    assert_eq!(t.running(3), ["3.0.0"]);
    t.finish_quietly(&["3.0.0"]);
    assert_eq!(t.running(2), ["2.1.0"]);
    t.finish_quietly(&["2.1.0"]);
    assert_eq!(t.running(1), ["1.1.0"]);
    t.finish_quietly(&["1.1.0"]);
    t.delivered(1, 0);
    t.take();
    assert_eq!(row(&t, 1).state, JobState::Done);
}

/// An observer is told of a statement when its planning begins, of its stages when it becomes a job, and
/// of the end of one that becomes none.
#[test]
fn planning_is_told() {
    let mut t = Cluster::with(Options { observed: true, ..Options::new("test") });
    t.plan("one");
    t.plan("one");
    t.planned(2, PlanningEnd::Failed { error: "wrong".into() });
    t.submit_planned(1, job().source(1));
    t.take();
    let told = t.core.take_seen().into_iter().map(|seen| seen.what);
    let told: Vec<_> = told
        .filter_map(|what| match what {
            Observation::Job(facts) => Some((facts.row.id.0, facts.row.state, facts.stages.len())),
            Observation::JobEnded { row, .. } => Some((row.id.0, row.state, 0)),
            _ => None,
        })
        .collect();
    let planning = |number| (number, JobState::Planning, 0);
    let expected = [planning(1), planning(2), (2, JobState::Failed, 0), (1, JobState::Queued, 1)];
    assert_eq!(told, expected);
    t.cancel(1);
    t.take();
}
