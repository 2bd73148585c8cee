//! Jobs that are refused at the door.

use super::fixture::{Cluster, JobBuilder, at, explicit, job, one_to_one, shuffle};
use partita_shared::limits;

#[track_caller]
fn refused(job: JobBuilder, error: &str) {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit(job);
    t.check(&[&format!("refused: {error}")]);
    assert_eq!(t.core.cluster().jobs_live, 0);
}

/// A job has a stage, and not too many.
#[test]
fn the_number_of_stages_is_checked() {
    refused(job(), "a job must have 1 to 10000 stages, this one has 0");
    let many = (0..=limits::JOB_STAGES_MAX).fold(job(), |job, _| job.source(1));
    refused(many, "a job must have 1 to 10000 stages, this one has 10001");
}

/// A stage has a task, and not too many.
#[test]
fn the_number_of_tasks_is_checked() {
    refused(job().source(0), "a stage must have 1 to 16000000 tasks, stage 0 has 0");
    let many = limits::STAGE_TASKS_MAX + 1;
    refused(
        job().source(1).source(many),
        "a stage must have 1 to 16000000 tasks, stage 1 has 16000001",
    );
}

/// A stage reads earlier stages: not itself, not later ones.
#[test]
fn stages_read_earlier_stages_alone() {
    refused(job().stage(1, [shuffle(0)]), "stage 0 reads stage 0, which is not an earlier one");
    refused(
        job().source(1).stage(1, [shuffle(7)]),
        "stage 1 reads stage 7, which is not an earlier one",
    );
}

/// What a stage reads is there, and so are the tasks that read it.
#[test]
fn what_is_read_is_there() {
    let error = "stage 1 reads partitions of stage 0 that do not exist";
    refused(job().source(2).stage(3, [one_to_one(0)]), error);
    refused(job().source(2).stage(1, [explicit(0, &[&[2]])]), error);
    refused(job().source(2).stage(3, [at(0, 3, explicit(0, &[&[0]]))]), error);
    refused(job().source(2).stage(2, [at(1, 2, one_to_one(0))]), error);
    refused(job().source(2).stage(2, [at(u32::MAX, 2, shuffle(0))]), error);
}

/// No more than a part of all jobs that may wait or run are one client's: another one has room. When one
/// has ended there is room again.
#[test]
fn the_number_of_live_jobs_is_bounded() {
    let mut t = Cluster::new();
    let all = limits::LIVE_JOBS_MAX;
    (0..all / 2).for_each(|_| t.submit_quietly(job().source(1)));
    t.submit(job().source(1));
    t.check(&[
        "refused: 1000 jobs are waiting or running for this client and 1000 of 2000 for all clients, which is the limit; retry when some have ended",
    ]);
    t.submit(job().of("another").source(1));
    t.check(&["job-1001 accepted"]);
    t.cancel(1);
    t.submit(job().source(1));
    t.check(&["job-1 cancelled: asked", "job-1002 accepted"]);
}

/// The same holds for results that are persisted, which jobs that run do not count against.
#[test]
fn the_number_of_persisted_results_is_bounded() {
    let mut t = Cluster::new();
    let persisted = |owner: &str| job().persisted().of(owner).source(1);
    (0..limits::PERSISTED_JOBS_MAX / 2).for_each(|_| t.submit_quietly(persisted("one")));
    t.submit(persisted("one"));
    t.check(&[
        "refused: 1000 results are persisted for this client and 1000 of 2000 for all clients, which is the limit; drop some first",
    ]);
    t.submit(persisted("another"));
    t.check(&["job-1001 accepted"]);
    t.submit(job().of("one").source(1));
    t.check(&["job-1002 accepted"]);
}
