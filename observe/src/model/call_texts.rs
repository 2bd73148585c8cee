//! What calls of functions printed, and how they failed.

use partita_shared::ids::{Attempt, TaskId};
use partita_shared::model::{CallText, CallTextKind};
use std::collections::{BTreeMap, VecDeque};

/// Bytes of all texts that are remembered: the oldest ones go first.
const BYTES_MAX: usize = 8 << 20;
/// Bytes of what one attempt printed: the first and the last part are kept.
const PRINTED_BYTES_MAX: usize = 64 << 10;
/// What a text takes beside its bytes, about.
const OVERHEAD_BYTES: usize = 128;
/// What stands in the place of lines that were left out.
const LEFT_OUT: &str = "[lines were left out here]\n";

type Key = (TaskId, Attempt, u8);

/// The texts of calls, the oldest of which are forgotten.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallTexts {
    texts: BTreeMap<Key, CallText>,
    /// The keys, by age.
    order: VecDeque<Key>,
    bytes: usize,
}

impl CallTexts {
    /// Adds texts. What an attempt prints follows what it printed before.
    pub(super) fn add(&mut self, texts: Vec<CallText>) {
        for text in texts {
            let key = (text.task, text.attempt, text.kind as u8);
            match self.texts.get_mut(&key) {
                Some(known) if text.kind == CallTextKind::Printed => {
                    let before = known.text.len();
                    known.text.push_str(&text.text);
                    shorten(&mut known.text);
                    self.bytes = self.bytes - before + known.text.len();
                }
                Some(_) => {}
                None => {
                    self.bytes += text.text.len() + OVERHEAD_BYTES;
                    self.order.push_back(key);
                    self.texts.insert(key, text);
                }
            }
        }
        while self.bytes > BYTES_MAX {
            let Some(oldest) = self.order.pop_front() else { return };
            if let Some(text) = self.texts.remove(&oldest) {
                self.bytes -= text.text.len() + OVERHEAD_BYTES;
            }
        }
    }

    /// The texts of a task, by attempt.
    pub(super) fn of(&self, task: TaskId) -> Vec<CallText> {
        let range = (task, Attempt::MIN, u8::MIN)..=(task, Attempt::MAX, u8::MAX);
        self.texts.range(range).map(|(_, text)| text.clone()).collect()
    }
}

/// Leaves out lines in the middle of a text that is too long.
fn shorten(text: &mut String) {
    if text.len() <= PRINTED_BYTES_MAX {
        return;
    }
    let half = PRINTED_BYTES_MAX / 2 - LEFT_OUT.len();
    let line_end = |from: usize| {
        let found = text.as_bytes()[from..].iter().position(|byte| *byte == b'\n');
        found.map_or(text.len(), |at| from + at + 1)
    };
    let (start, end) = (line_end(half), line_end(text.len() - half));
    if start < end {
        text.replace_range(start..end, LEFT_OUT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use partita_shared::ids::{JobId, StageId};

    fn text(index: u32, kind: CallTextKind, text: &str) -> CallText {
        let task = TaskId { stage: StageId { job: JobId(1), index: 0 }, index };
        CallText { task, attempt: 1, kind, text: text.to_string() }
    }

    /// What an attempt prints is joined, and other texts of it and those of others stay apart.
    #[test]
    fn printed_lines_are_joined() {
        let mut texts = CallTexts::default();
        texts.add(vec![
            text(1, CallTextKind::Printed, "a\n"),
            text(2, CallTextKind::Printed, "x\n"),
        ]);
        texts.add(vec![
            text(1, CallTextKind::Printed, "b\n"),
            text(1, CallTextKind::Traceback, "t"),
        ]);
        let found = texts.of(text(1, CallTextKind::Printed, "").task);
        let found: Vec<&str> = found.iter().map(|text| text.text.as_str()).collect();
        assert_eq!(found, ["a\nb\n", "t"]);
    }

    /// An attempt that prints much keeps its first and last lines.
    #[test]
    fn much_that_is_printed_is_shortened() {
        let mut texts = CallTexts::default();
        for number in 0..30_000 {
            texts.add(vec![text(1, CallTextKind::Printed, &format!("line {number}\n"))]);
        }
        let found = &texts.of(text(1, CallTextKind::Printed, "").task)[0].text;
        assert!(found.len() <= PRINTED_BYTES_MAX && found.len() == texts.bytes - OVERHEAD_BYTES);
        assert!(found.starts_with("line 0\n") && found.ends_with("line 29999\n"));
        assert_eq!(found.matches(LEFT_OUT).count(), 1);
    }

    /// Texts of many calls take no more than the limit, and the latest are kept.
    #[test]
    fn the_oldest_texts_are_forgotten() {
        let mut texts = CallTexts::default();
        for index in 0..100_000 {
            texts.add(vec![text(index, CallTextKind::Traceback, "a traceback of some length")]);
        }
        assert!(texts.bytes <= BYTES_MAX && texts.texts.len() == texts.order.len());
        assert!(texts.of(text(0, CallTextKind::Traceback, "").task).is_empty());
        assert_eq!(texts.of(text(99_999, CallTextKind::Traceback, "").task).len(), 1);
    }
}
