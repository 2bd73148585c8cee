//! What is wrong with jobs.

use super::{Found, RECENT_MS, Subject, count_of, duration};
use crate::event::{Ending, Level};
use crate::events::error_kind;
use crate::model::{FailedJob, JobRecord, Model, StageRecord};
use crate::view::{AttemptView, Place, is_under_way};
use partita_shared::ids::{JobId, TaskId};
use partita_shared::limits::TASK_KILLS_MAX;
use partita_shared::model::{JobState, WorkerState};
use partita_shared::units::format_count;

/// A job that waits for a slot is a notice after this long, in milliseconds.
const WAIT_MS: u64 = 5_000;

/// A job of which nothing ended, started or was delivered for this long stands, in milliseconds.
const STANDS_MS: u64 = 120_000;

/// Times the longest task's time, before a job of which nothing ends is held to stand.
const STANDS_TASKS: u64 = 3;

/// A stage is skewed when its slowest task took N times as long as the median.
const SKEW_TIMES: u64 = 4;

/// And when that is at least so much longer, in microseconds: ten seconds.
const SKEW_US: u64 = 10_000_000;

/// And when at least N tasks have finished.
const SKEW_TASKS: u64 = 8;

/// Workers that died under a task before it is a notice. One death says little of it.
const KILLS: usize = 2;

/// Maximum number of jobs that are examined for notices, the first ones first.
const JOBS_MAX: usize = 200;

pub(super) fn look(model: &Model, found: &mut Vec<Found>) {
    let now_ms = model.now_ms();
    let live = model.job_records.values().filter(|record| !record.row.state.is_final());
    for record in live.take(JOBS_MAX) {
        waits(model, record, found);
        // A persisted result is complete: it does not move, and need not.
        if is_under_way(record.row.state) {
            stands(record, now_ms, found);
        }
        retried(record, found);
        failed_tasks(record, now_ms, found);
        killers(model, record, found);
        record.stages.iter().for_each(|stage| skewed(stage, found));
    }
    failed(model, now_ms, found);
}

fn notice(subject: Subject, level: Level, job: JobId, text: String, remedy: &str) -> Found {
    let place = Place::Job(job);
    Found { subject, level, text, remedy: remedy.into(), place, since_ms: None }
}

/// Jobs that failed of late, those with like errors together.
fn failed(model: &Model, now_ms: u64, found: &mut Vec<Found>) {
    let mut alike: Vec<(String, Vec<&FailedJob>)> = Vec::new();
    let is_recent = |job: &&FailedJob| now_ms.saturating_sub(job.at_ms) < RECENT_MS;
    for job in model.failed_jobs.iter().filter(is_recent) {
        let kind = error_kind(&job.error);
        match alike.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, jobs)) => jobs.push(job),
            None => alike.push((kind, vec![job])),
        }
    }
    for (_, jobs) in alike {
        let (Some(first), Some(last)) = (jobs.first(), jobs.last()) else { continue };
        let text = match jobs.len() {
            1 => format!("{} failed: {}", last.id, last.error),
            count => {
                format!(
                    "{count} jobs failed with similar errors, the latest is {}: {}",
                    last.id, last.error
                )
            }
        };
        let remedy = if last.was_planned {
            "the page of the job lists its failed attempts with their errors"
        } else {
            "the statement was not run: correct it and submit it again"
        };
        let subject = Subject::Failed(first.id);
        let since_ms = Some(last.at_ms);
        found.push(Found { since_ms, ..notice(subject, Level::Error, last.id, text, remedy) });
    }
}

fn waits(model: &Model, record: &JobRecord, found: &mut Vec<Found>) {
    let (id, now_ms) = (record.row.id, model.now_ms());
    let Some(since_ms) = record.waits_since_us.map(|us| us / 1000) else { return };
    let waited_ms = now_ms.saturating_sub(since_ms);
    if waited_ms < WAIT_MS {
        return;
    }
    let states =
        model.workers.iter().map(|(_, row)| (row.state, row.slots, row.metrics.above_mark));
    let (mut up, mut leaving, mut slots, mut above) = (0_u64, 0_u64, 0_u64, 0_u64);
    for (state, of_worker, above_mark) in states {
        match state {
            WorkerState::Up => {
                (up, slots) = (up + 1, slots + u64::from(of_worker));
                above += u64::from(above_mark);
            }
            WorkerState::Leaving => leaving += 1,
            WorkerState::Left | WorkerState::Lost => {}
        }
    }
    let time = duration(waited_ms);
    let others: u64 = model
        .job_records
        .values()
        .filter(|other| other.row.id != id && !other.row.state.is_final())
        .map(|other| other.row.tasks.running)
        .sum();
    let (level, why, remedy) = if up == 0 && leaving == 0 {
        (
            Level::Error,
            "no workers are connected".to_string(),
            "start workers with `partita worker`, or with a Slurm job",
        )
    } else if up == 0 {
        (
            Level::Error,
            format!("{}, and no other worker is connected", is_leaving(leaving)),
            "start other workers; workers that retire take no new tasks",
        )
    } else if above == up {
        (
            Level::Warning,
            "all workers are paused because their memory use is above the threshold".to_string(),
            "add workers or memory, or drop persisted tables that are not needed",
        )
    } else if others >= slots {
        (
            Level::Warning,
            format!("all {} are busy with other jobs", count_of(slots, "slot")),
            "add workers, or submit the job with a higher priority; it gets its fair share of slots as other tasks end",
        )
    } else {
        (
            Level::Warning,
            format!(
                "{} of {} are busy with other jobs",
                format_count(others),
                count_of(slots, "slot")
            ),
            "the pages of its tasks say why each one waits",
        )
    };
    let text = format!("{id} has waited {time} for a slot: {why}");
    found.push(Found {
        since_ms: Some(since_ms),
        ..notice(Subject::Waits(id), level, id, text, remedy)
    });
}

fn is_leaving(workers: u64) -> String {
    let verb = if workers == 1 { "is" } else { "are" };
    format!("{} {verb} retiring", count_of(workers, "worker"))
}

fn stands(record: &JobRecord, now_ms: u64, found: &mut Vec<Found>) {
    let (id, row) = (record.row.id, &record.row);
    let stood_ms = now_ms.saturating_sub(record.moved_us / 1000);
    let longest_us = record.stages.iter().map(|stage| stage.seen.time_us.quartiles().max).max();
    let patience_ms = STANDS_MS.max(longest_us.unwrap_or(0).saturating_mul(STANDS_TASKS) / 1000);
    if record.waits_since_us.is_some() || stood_ms < patience_ms {
        return;
    }
    let time = duration(stood_ms);
    let (text, remedy) = if row.state == JobState::Planning {
        (
            format!("{id} has been in planning for {time}"),
            "its statement may be very large, or its client has not fetched the result; \
             `partita cancel` ends it",
        )
    } else if row.tasks.running > 0 {
        let running = count_of(row.tasks.running, "task");
        (
            format!(
                "{id} has made no progress for {time}: {running} on workers, and none has finished"
            ),
            "find these tasks in the timeline; a task may wait for an external resource, or its partition may be much larger than others",
        )
    } else {
        (
            format!("{id} has made no progress for {time}, and none of its tasks is running"),
            "its client may have stopped reading; the job is throttled to the client's pace",
        )
    };
    found.push(Found {
        since_ms: Some(record.moved_us / 1000),
        ..notice(Subject::Stands(id), Level::Warning, id, text, remedy)
    });
}

/// Tasks that failed for good while their job goes on: calls of functions that raised.
fn failed_tasks(record: &JobRecord, now_ms: u64, found: &mut Vec<Found>) {
    let (id, failed) = (record.row.id, record.row.tasks.failed);
    let ended_ms = |failure: &AttemptView| failure.started_ms + failure.busy_us / 1000;
    let is_recent = |failure: &&AttemptView| {
        matches!(failure.ending, Some(Ending::Failed(_)))
            && now_ms.saturating_sub(ended_ms(failure)) < RECENT_MS
    };
    let Some(latest) = record.failures.iter().find(is_recent).filter(|_| failed > 0) else {
        return;
    };
    let text =
        format!("{} of {id} failed, the latest with: {}", count_of(failed, "task"), latest.error);
    let remedy = "the page of the job lists its failed attempts with their errors";
    let since_ms = Some(ended_ms(latest));
    let subject = Subject::FailedTasks(id);
    found.push(Found { since_ms, ..notice(subject, Level::Error, id, text, remedy) });
}

fn retried(record: &JobRecord, found: &mut Vec<Found>) {
    let (id, retries) = (record.row.id, record.row.retries);
    if retries == 0 {
        return;
    }
    let verb = if retries == 1 { "was" } else { "were" };
    let text = format!("{} of {id} {verb} retried", count_of(retries, "task"));
    let remedy = "expected after losing a worker; the job's page lists the failed attempts";
    found.push(notice(Subject::Retried(id), Level::Info, id, text, remedy));
}

fn killers(model: &Model, record: &JobRecord, found: &mut Vec<Found>) {
    let id = record.row.id;
    let killers = record.kills.iter().filter(|(_, workers)| workers.len() >= KILLS);
    for ((stage, index), workers) in killers {
        let task = TaskId {
            stage: partita_shared::ids::StageId { job: id, index: *stage },
            index: *index,
        };
        let cause = workers.last().and_then(|worker| model.workers.get(*worker));
        let cause = cause.map(|row| format!("; cause of the last one: {}", row.cause));
        let text = format!(
            "task {task} was running on {} workers when they died{}",
            workers.len(),
            cause.unwrap_or_default()
        );
        let remedy = format!(
            "after {TASK_KILLS_MAX} it is not retried and {id} fails. If the cause is memory, use smaller partitions or give workers fewer slots"
        );
        found.push(notice(Subject::Killer(task), Level::Error, id, text, &remedy));
    }
}

fn skewed(stage: &StageRecord, found: &mut Vec<Found>) {
    let counters = &stage.counters;
    let left = counters.tasks.total() - counters.tasks.done - counters.tasks.failed;
    if left == 0 && counters.held == 0 {
        return;
    }
    let times = stage.seen.time_us.quartiles();
    let is_skewed = stage.seen.time_us.count() >= SKEW_TASKS
        && times.max >= times.median.saturating_mul(SKEW_TIMES)
        && times.max - times.median >= SKEW_US;
    if !is_skewed {
        return;
    }
    let (id, max, median) = (counters.stage, times.max / 1000, times.median / 1000);
    let rows = stage.seen.task_rows.quartiles();
    let (why, remedy) = if rows.max >= rows.median.max(1).saturating_mul(SKEW_TIMES) {
        (
            format!(
                "; the largest output has {} rows, the median output {}",
                format_count(rows.max),
                format_count(rows.median)
            ),
            "the data is skewed: partition by another column, or use more partitions",
        )
    } else {
        (
            String::new(),
            "check in the timeline whether those tasks wait for partitions of other tasks or for the disk, and whether they ran on one worker",
        )
    };
    let text = format!(
        "the slowest task of `{}` ({id}) took {}, the median task {}{why}",
        stage.name,
        duration(max),
        duration(median)
    );
    found.push(notice(Subject::Skewed(id), Level::Info, id.job, text, remedy));
}
