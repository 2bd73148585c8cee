//! How states look: each has a glyph and a word besides its colour, since colour must not be the
//! only sign.
//!
//! The glyphs ask to be drawn as text, not as pictures (the variation selector `U+FE0E`).

use super::MemoryUse;
use partita_observe::event::{Ending, Level};
use partita_shared::model::{JobState, TaskState, WorkerRow, WorkerState};

/// Glyph, class of the style sheet, and word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The glyph.
    pub glyph: &'static str,
    /// The class: `waiting`, `ready`, `running`, `done`, `spilled` or `failed`.
    pub class: &'static str,
    /// The word.
    pub word: &'static str,
}

const fn look(glyph: &'static str, class: &'static str, word: &'static str) -> Look {
    Look { glyph, class, word }
}

/// Partitions on disk.
pub const SPILLED: Look = look("▤", "spilled", "spilled");

/// A task.
pub const fn task(state: TaskState) -> Look {
    let word = state.as_str();
    match state {
        TaskState::Waiting => look("○", "waiting", word),
        TaskState::Ready => look("◔", "ready", word),
        TaskState::Running => look("▶\u{fe0e}", "running", word),
        TaskState::Done => look("✔\u{fe0e}", "done", word),
        TaskState::Failed => look("✖\u{fe0e}", "failed", word),
    }
}

/// A job.
pub fn job(state: JobState) -> Look {
    let word = state.as_str();
    match state {
        JobState::Planning | JobState::Queued => look("◔", "ready", word),
        JobState::Running => look("▶\u{fe0e}", "running", word),
        JobState::Done => look("✔\u{fe0e}", "done", word),
        JobState::Failed => look("✖\u{fe0e}", "failed", word),
        JobState::Persisted => look("◆", "done", word),
        JobState::Cancelled => look("⊘", "waiting", word),
    }
}

/// A worker.
pub fn worker(worker: &WorkerRow) -> Look {
    match worker.state {
        WorkerState::Up if MemoryUse::of(worker).is_near_limit() => {
            look("▲", "failed", "near memory limit")
        }
        WorkerState::Up if worker.metrics.above_mark => look("▲", "ready", "paused"),
        WorkerState::Up => look("●", "done", "up"),
        WorkerState::Leaving => look("◔", "ready", "retiring"),
        WorkerState::Left => look("○", "waiting", "left"),
        WorkerState::Lost => look("✖\u{fe0e}", "failed", "lost"),
    }
}

/// How much something matters.
pub fn level(level: Level) -> Look {
    match level {
        Level::Info => look("●", "running", "info"),
        Level::Warning => look("▲", "ready", "warning"),
        Level::Error => look("✖\u{fe0e}", "failed", "error"),
    }
}

/// How an attempt ended; `None` while it runs.
pub fn ending(ending: Option<Ending>) -> Look {
    match ending {
        None => look("▶\u{fe0e}", "running", "running"),
        Some(Ending::Finished) => look("✔\u{fe0e}", "done", "finished"),
        Some(Ending::Failed(_)) => look("✖\u{fe0e}", "failed", "failed"),
        Some(Ending::Lost) => look("✖\u{fe0e}", "failed", "worker lost"),
        Some(Ending::Stopped) => look("⊘", "waiting", "stopped"),
    }
}
