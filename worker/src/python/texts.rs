//! What is told of calls beside their results: what they printed, and how they failed.

use partita_shared::ids::{Attempt, TaskId};
use partita_shared::limits::{CALL_TEXT_BYTES_MAX, CALL_TEXTS_BYTES_MAX};
use partita_shared::model::{CallText, CallTextKind};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Texts that wait at most. With more, the worker tells less than there was.
const WAITING_MAX: usize = 4096;

/// Texts about calls that the scheduler has not been told yet.
#[derive(Debug, Default)]
pub(crate) struct CallTexts {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    texts: Vec<CallText>,
    bytes: usize,
    /// Texts for which there was no room.
    left_out: u64,
}

impl CallTexts {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line that a call printed.
    pub(super) fn printed(&self, (task, attempt): (TaskId, Attempt), line: &str) {
        let mut waiting = self.lock();
        let bytes = line.len() + 1;
        if waiting.bytes + bytes > CALL_TEXTS_BYTES_MAX {
            waiting.left_out += 1;
            return;
        }
        let is_its = |last: &&mut CallText| {
            (last.task, last.attempt, last.kind) == (task, attempt, CallTextKind::Printed)
                && last.text.len() + bytes <= CALL_TEXT_BYTES_MAX
        };
        if let Some(last) = waiting.texts.last_mut().filter(is_its) {
            last.text.push_str(line);
            last.text.push('\n');
            waiting.bytes += bytes;
            return;
        }
        let text = format!("{line}\n");
        waiting.add(CallText { task, attempt, kind: CallTextKind::Printed, text });
    }

    /// Adds what is known of a call that raised an exception.
    pub(super) fn raised(
        &self,
        (task, attempt): (TaskId, Attempt),
        kind: CallTextKind,
        text: &str,
    ) {
        if text.is_empty() {
            return;
        }
        let text = text[..text.floor_char_boundary(CALL_TEXT_BYTES_MAX)].to_string();
        self.lock().add(CallText { task, attempt, kind, text });
    }

    /// All that wait.
    pub(crate) fn take(&self) -> Vec<CallText> {
        let mut waiting = self.lock();
        if waiting.left_out > 0 {
            tracing::warn!(texts = waiting.left_out, "functions print faster than is told");
        }
        std::mem::take(&mut *waiting).texts
    }
}

impl Waiting {
    fn add(&mut self, text: CallText) {
        let bytes = self.bytes + text.text.len();
        if bytes > CALL_TEXTS_BYTES_MAX || self.texts.len() >= WAITING_MAX {
            self.left_out += 1;
            return;
        }
        self.bytes = bytes;
        self.texts.push(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use partita_shared::ids::{JobId, StageId};

    fn call(index: u32) -> (TaskId, Attempt) {
        (TaskId { stage: StageId { job: JobId(1), index: 0 }, index }, 1)
    }

    /// Lines of one call that follow one another are one text.
    #[test]
    fn lines_of_a_call_are_one_text() {
        let texts = CallTexts::default();
        texts.printed(call(1), "a");
        texts.printed(call(1), "b");
        texts.printed(call(2), "c");
        texts.raised(call(2), CallTextKind::Traceback, "t");
        let found = texts.take();
        let found: Vec<&str> = found.iter().map(|text| text.text.as_str()).collect();
        assert_eq!(found, ["a\nb\n", "c\n", "t"]);
        assert!(texts.take().is_empty());
    }

    /// However much is printed, a message has no more than the limits.
    #[test]
    fn messages_are_limited() {
        let texts = CallTexts::default();
        for index in 0..100_000 {
            texts.printed(call(index / 1000), "a line of some length");
        }
        let found = texts.take();
        assert!(found.iter().all(|text| text.text.len() <= CALL_TEXT_BYTES_MAX));
        assert!(found.iter().map(|text| text.text.len()).sum::<usize>() <= CALL_TEXTS_BYTES_MAX);
    }
}
