//! What is wrong with workers.

use super::{Found, RECENT_MS, Subject, count_of, duration};
use crate::event::{Ending, Level};
use crate::model::Model;
use crate::view::Place;
use partita_shared::ids::WorkerId;
use partita_shared::message::FailureKind;
use partita_shared::model::{WorkerRow, WorkerState};
use partita_shared::units::format_bytes;
use std::collections::BTreeMap;

/// Workers in the same state that are named one by one; more of them are one notice.
const NAMED_MAX: usize = 3;

/// A worker is near its limit when it uses this share of it, in percent.
const NEAR_LIMIT_PERCENT: u64 = 92;

/// A worker spills heavily when spilled data exceeds this share of its limit, in percent.
const SPILLED_PERCENT: u64 = 50;

/// A worker's end is a notice this long before it, in milliseconds.
const ENDS_MS: u64 = 600_000;

/// Words of errors that are about the disk.
const DISK_WORDS: [&str; 6] =
    ["no space left", "disk", "quota", "input/output error", "read-only file", "local directory"];

pub(super) fn look(model: &Model, found: &mut Vec<Found>) {
    lost(model, found);
    memory(model, found);
    ends(model, found);
    disk(model, found);
}

fn there(model: &Model) -> impl Iterator<Item = &WorkerRow> {
    let is_there = |row: &&WorkerRow| matches!(row.state, WorkerState::Up | WorkerState::Leaving);
    model.workers.iter().map(|(_, row)| row).filter(is_there)
}

fn name(row: &WorkerRow) -> String {
    format!("{} on {}", row.name, row.host)
}

fn lost(model: &Model, found: &mut Vec<Found>) {
    let now_ms = model.now_ms();
    let ended_ms = |id: WorkerId| model.worker_records.get(&id).and_then(|record| record.ended_ms);
    let mut lost: Vec<(u64, &WorkerRow)> = model
        .workers
        .iter()
        .filter(|(_, row)| row.state == WorkerState::Lost)
        .filter_map(|(id, row)| Some((ended_ms(id)?, row)))
        .filter(|(ended, _)| now_ms.saturating_sub(*ended) < RECENT_MS)
        .collect();
    lost.sort_by_key(|(ended, row)| (*ended, row.id));
    let remedy = "its partitions are recomputed if they are needed. If it ran out of memory, give workers more memory or fewer slots; its log has details";
    if lost.len() <= NAMED_MAX {
        found.extend(lost.into_iter().map(|(ended, row)| Found {
            subject: Subject::Lost(row.id),
            level: Level::Error,
            text: format!("{} was lost: {}", name(row), row.cause),
            remedy: remedy.into(),
            place: Place::Worker(row.id),
            since_ms: Some(ended),
        }));
    } else if let (Some((first, _)), Some((_, last))) = (lost.first(), lost.last()) {
        found.push(Found {
            subject: Subject::LostMany,
            level: Level::Error,
            text: format!(
                "{} workers were lost in the last {}; the latest is {}: {}",
                lost.len(),
                duration(RECENT_MS),
                name(last),
                last.cause
            ),
            remedy: "their partitions are recomputed if they are needed. The events list why each was lost; if the cause is memory, give workers more memory or fewer slots"
                .into(),
            place: Place::Events,
            since_ms: Some(*first),
        });
    }
}

/// How several workers in one state are told.
struct Kind {
    one: fn(WorkerId) -> Subject,
    many: Subject,
    level: Level,
    /// What is wrong with each of many.
    state: &'static str,
    remedy: &'static str,
}

const NEAR_LIMIT: Kind = Kind {
    one: Subject::NearLimit,
    many: Subject::NearLimitMany,
    level: Level::Error,
    state: "use more than 92 % of their memory limit and may be killed",
    remedy: "give workers more memory or fewer slots, or use smaller partitions",
};

const ABOVE_MARK: Kind = Kind {
    one: Subject::AboveMark,
    many: Subject::AboveMarkMany,
    level: Level::Warning,
    state: "are paused: memory use is above the threshold, and they take no task that only adds data",
    remedy: "this ends when results are read or dropped. If it persists, add workers or memory, and drop persisted tables that are not needed",
};

const SPILLING: Kind = Kind {
    one: Subject::Spilling,
    many: Subject::SpillingMany,
    level: Level::Warning,
    state: "have spilled more than half of their memory limit to disk",
    remedy: "the data is larger than the memory, so the disk limits the speed. Add workers or memory, and check that the local directory is on a fast disk",
};

fn memory(model: &Model, found: &mut Vec<Found>) {
    let (mut near, mut above, mut spilling) = (Vec::new(), Vec::new(), Vec::new());
    for row in there(model).filter(|row| row.memory_limit_bytes > 0) {
        let (limit, metrics) = (row.memory_limit_bytes, &row.metrics);
        let is_over = |bytes: u64, percent: u64| {
            u128::from(bytes) * 100 >= u128::from(limit) * u128::from(percent)
        };
        let of_limit = format_bytes(limit);
        if is_over(metrics.resident_bytes, NEAR_LIMIT_PERCENT) {
            let used = format_bytes(metrics.resident_bytes);
            let text = format!(
                "{} uses {used} of its memory limit of {of_limit} and may be killed",
                name(row)
            );
            near.push((row.id, text));
        }
        if metrics.above_mark {
            let reserved = format_bytes(metrics.reserved_bytes);
            let text = format!(
                "{} is paused: memory use is above the threshold ({reserved} reserved, its limit is {of_limit}); it takes no task that only adds data",
                name(row)
            );
            above.push((row.id, text));
        }
        if is_over(metrics.spilled_bytes, SPILLED_PERCENT) {
            let spilled = format_bytes(metrics.spilled_bytes);
            let text = format!(
                "{} has spilled {spilled} to disk; its memory limit is {of_limit}",
                name(row)
            );
            spilling.push((row.id, text));
        }
    }
    let all = there(model).count();
    for (kind, workers) in [(NEAR_LIMIT, near), (ABOVE_MARK, above), (SPILLING, spilling)] {
        tell(&kind, workers, all, found);
    }
}

fn tell(kind: &Kind, workers: Vec<(WorkerId, String)>, all: usize, found: &mut Vec<Found>) {
    let (level, remedy) = (kind.level, kind.remedy);
    if workers.len() <= NAMED_MAX {
        found.extend(workers.into_iter().map(|(id, text)| Found {
            subject: (kind.one)(id),
            level,
            text,
            remedy: remedy.into(),
            place: Place::Worker(id),
            since_ms: None,
        }));
        return;
    }
    found.push(Found {
        subject: kind.many,
        level,
        text: format!("{} of {all} workers {}", workers.len(), kind.state),
        remedy: remedy.into(),
        place: Place::Workers,
        since_ms: None,
    });
}

/// A Slurm job, or a worker that is in none.
type Allocation<'a> = (Option<&'a str>, Option<WorkerId>);

/// Workers whose time is nearly over, those of one Slurm job together.
fn ends(model: &Model, found: &mut Vec<Found>) {
    let now_ms = model.now_ms();
    let mut ending: BTreeMap<Allocation<'_>, (&WorkerRow, u64, u64)> = BTreeMap::new();
    for row in there(model) {
        let Some(ends_ms) = row.ends_ms else { continue };
        if ends_ms > now_ms + ENDS_MS {
            continue;
        }
        let alone = row.slurm_job.is_none().then_some(row.id);
        // The first worker, how many, and when the first of them ends.
        let entry = ending.entry((row.slurm_job.as_deref(), alone)).or_insert((row, 0, ends_ms));
        (entry.1, entry.2) = (entry.1 + 1, entry.2.min(ends_ms));
    }
    let remedy = "they take no task that cannot finish before that. Start other workers now if the work is to continue; partitions on these workers that are needed are recomputed elsewhere";
    let in_time = |ends_ms: u64| match ends_ms.saturating_sub(now_ms) {
        0 => String::from("now"),
        left => format!("in {}", duration(left)),
    };
    let notice = |subject, text, place| Found {
        subject,
        level: Level::Warning,
        text,
        remedy: remedy.into(),
        place,
        since_ms: None,
    };
    if ending.len() > NAMED_MAX {
        let workers: u64 = ending.values().map(|(_, count, _)| count).sum();
        let first = ending.values().map(|(_, _, ends)| *ends).min().unwrap_or(now_ms);
        let text = format!(
            "{} must end soon, the first one {}",
            count_of(workers, "worker"),
            in_time(first)
        );
        found.push(notice(Subject::EndsMany, text, Place::Workers));
        return;
    }
    for ((slurm_job, _), (row, count, ends_ms)) in ending {
        let text = match slurm_job {
            Some(job) => format!(
                "Slurm job {job} with {} ends {}",
                count_of(count, "worker"),
                in_time(ends_ms)
            ),
            None => format!("{} must end {}", name(row), in_time(ends_ms)),
        };
        let place = if count == 1 { Place::Worker(row.id) } else { Place::Workers };
        found.push(notice(Subject::Ends(row.id), text, place));
    }
}

/// Attempts that failed for want of a disk that works.
fn disk(model: &Model, found: &mut Vec<Found>) {
    let now_ms = model.now_ms();
    for record in model.job_records.values().filter(|record| !record.row.state.is_final()) {
        let recent = record.failures.iter().find(|failure| {
            let ended_ms = failure.started_ms + failure.busy_us / 1000;
            let error = failure.error.to_ascii_lowercase();
            failure.ending == Some(Ending::Failed(FailureKind::Retry))
                && now_ms.saturating_sub(ended_ms) < RECENT_MS
                && DISK_WORDS.iter().any(|word| error.contains(word))
        });
        let Some(failure) = recent else { continue };
        let worker = model.workers.get(failure.worker);
        let place = worker.map_or_else(|| failure.worker.to_string(), name);
        let folder = worker.map_or("the local directory", |row| row.local_directory.as_str());
        found.push(Found {
            subject: Subject::Disk(record.row.id.0),
            level: Level::Error,
            text: format!("tasks of {} failed on {place} because of a disk: {}", record.row.id, failure.error),
            remedy: format!(
                "free space in {folder}, or start workers with another --local-directory; the tasks are retried on other workers"
            ),
            place: Place::Worker(failure.worker),
            since_ms: Some(failure.started_ms + failure.busy_us / 1000),
        });
    }
}
