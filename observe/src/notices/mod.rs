//! What needs someone's attention: sentences that say what is wrong and what to do.
//!
//! Notices are searched once a second, only in rows and figures. Many workers in the same state are
//! one notice, so that the list stays short.

mod jobs;
mod workers;

use crate::event::Level;
use crate::model::Model;
use crate::view::{Notice, Place};
use partita_shared::ids::{JobId, StageId, TaskId, WorkerId};
use partita_shared::units::{format_count, format_duration};
use std::collections::BTreeMap;
use std::time::Duration;

/// Notices that are shown; those that matter most come first.
pub const NOTICES_MAX: usize = 50;

/// Characters of a notice's sentence.
pub const NOTICE_CHARS_MAX: usize = 400;

/// Something that happened is a notice for so long, in milliseconds: ten minutes.
pub const RECENT_MS: u64 = 600_000;

/// Observations that were dropped are a notice for so long, in milliseconds.
const GAP_RECENT_MS: u64 = 60_000;

/// The core is slow when 99 of 100 events do not take less than this, in nanoseconds. That is time on
/// a clock: on a machine with other work the core waits some tens of milliseconds for a processor now
/// and then, and nobody has to be told.
const SLOW_P99_NS: u64 = 100_000_000;

/// The core is busy when it takes more than this share of a processor, in thousandths.
const BUSY_MILLI: u32 = 800;

/// What a notice is about, so that it is known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Lost(WorkerId),
    LostMany,
    NearLimit(WorkerId),
    NearLimitMany,
    AboveMark(WorkerId),
    AboveMarkMany,
    Spilling(WorkerId),
    SpillingMany,
    /// A worker that ends, by its number; workers of one allocation are one notice.
    Ends(WorkerId),
    EndsMany,
    Failed(JobId),
    FailedTasks(JobId),
    Waits(JobId),
    Stands(JobId),
    Retried(JobId),
    Killer(TaskId),
    Skewed(StageId),
    Disk(u32),
    Behind,
    Slow,
    Busy,
}

/// A notice in the making. Without a moment it is since it was first found.
struct Found {
    subject: Subject,
    level: Level,
    text: String,
    remedy: String,
    place: Place,
    since_ms: Option<u64>,
}

/// The list, and since when each has been there.
#[derive(Clone, Debug, Default)]
pub struct Notices {
    list: Vec<Notice>,
    since: BTreeMap<Subject, u64>,
}

impl Notices {
    /// What needs attention, what matters most first.
    pub fn list(&self) -> &[Notice] {
        &self.list
    }

    /// Looks again.
    pub(crate) fn look(&mut self, model: &Model) {
        let mut found = Vec::new();
        workers::look(model, &mut found);
        jobs::look(model, &mut found);
        look_at_scheduler(model, &mut found);
        let before = std::mem::take(&mut self.since);
        let mut list: Vec<(Subject, Notice)> = Vec::new();
        for found in found {
            let first_ms = before.get(&found.subject).copied().unwrap_or(model.now_ms());
            self.since.insert(found.subject, first_ms);
            let cut = |text: String| text.chars().take(NOTICE_CHARS_MAX).collect();
            let notice = Notice {
                level: found.level,
                text: cut(found.text),
                remedy: cut(found.remedy),
                place: found.place,
                since_ms: found.since_ms.unwrap_or(first_ms),
            };
            list.push((found.subject, notice));
        }
        // What is of the same weight stays in its place from second to second.
        list.sort_by_key(|(subject, notice)| (std::cmp::Reverse(notice.level), *subject));
        list.truncate(NOTICES_MAX);
        self.list = list.into_iter().map(|(_, notice)| notice).collect();
    }
}

/// A duration in words.
fn duration(ms: u64) -> String {
    // Durations above a second are shown in whole seconds.
    let ms = if ms >= 1_000 { ms / 1_000 * 1_000 } else { ms };
    format_duration(Duration::from_millis(ms))
}

/// `1 task`, `12 tasks`.
fn count_of(count: u64, one: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {one}{plural}", format_count(count))
}

fn look_at_scheduler(model: &Model, found: &mut Vec<Found>) {
    let now_ms = model.now_ms();
    let since_ms = now_ms.saturating_sub(GAP_RECENT_MS);
    let recent = || model.gaps.iter().filter(|gap| gap.1 >= since_ms);
    let dropped: u64 = recent().map(|gap| gap.2).sum();
    if dropped > 0 {
        found.push(Found {
            subject: Subject::Behind,
            level: Level::Warning,
            text: format!(
                "the observer fell behind and missed {}",
                count_of(dropped, "observation")
            ),
            remedy: "counters are still correct; the timeline and the histograms of stages are incomplete. Close unused dashboard pages, or give the scheduler another core"
                .into(),
            place: Place::Scheduler,
            since_ms: recent().map(|gap| gap.0).min(),
        });
    }
    let p99_ns = model.core.event_p99_ns;
    if p99_ns >= SLOW_P99_NS {
        let time = format_duration(Duration::from_nanos(p99_ns));
        found.push(Found {
            subject: Subject::Slow,
            level: Level::Warning,
            text: format!("the scheduler is slow: one event in a hundred takes {time} or more"),
            remedy:
                "workers may wait for their next task. Use fewer and larger tasks, and check that nothing else uses the scheduler's cores"
                    .into(),
            place: Place::Scheduler,
            since_ms: None,
        });
    }
    let busy = model.core_milli();
    if busy >= BUSY_MILLI {
        found.push(Found {
            subject: Subject::Busy,
            level: Level::Warning,
            text: format!("the scheduler's core is busy {} % of the time", busy / 10),
            remedy: "more workers will not make jobs faster. Use fewer and larger tasks".into(),
            place: Place::Scheduler,
            since_ms: None,
        });
    }
}
