//! The end of this process's log, for those who look at the worker from elsewhere.
//!
//! A process has one log, so there is one tail. The program that sets up its log has everything
//! written through [`tee`]; without that, the tail is empty.

use partita_shared::limits::{DETAIL_LOG_LINE_CHARS_MAX, DETAIL_LOG_LINES_MAX};
use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

static TAIL: Mutex<Tail> = Mutex::new(Tail { lines: VecDeque::new(), written: 0 });

/// The end of the log.
struct Tail {
    lines: VecDeque<String>,
    /// Lines that were ever written.
    written: u64,
}

fn tail() -> MutexGuard<'static, Tail> {
    TAIL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The last lines, the oldest first, at most `count`.
pub(crate) fn lines(count: usize) -> Vec<String> {
    let tail = tail();
    tail.last(count).cloned().collect()
}

/// Reads the log from where it read last.
#[derive(Debug, Default)]
pub(crate) struct LogReader {
    read: u64,
}

impl LogReader {
    /// The lines that were written since, at most the last `count` ones.
    pub(crate) fn new_lines(&mut self, count: usize) -> Vec<String> {
        let tail = tail();
        let new = usize::try_from(tail.written - self.read).unwrap_or(usize::MAX);
        self.read = tail.written;
        tail.last(new.min(count)).cloned().collect()
    }
}

impl Tail {
    fn last(&self, count: usize) -> impl Iterator<Item = &String> {
        self.lines.iter().skip(self.lines.len().saturating_sub(count))
    }
}

fn keep(text: &str) {
    let mut tail = tail();
    for line in text.lines() {
        if tail.lines.len() == DETAIL_LOG_LINES_MAX {
            tail.lines.pop_front();
        }
        tail.lines.push_back(without_colours(line));
        tail.written += 1;
    }
}

/// A line without the escape sequences that colour it on a terminal, and not too long.
fn without_colours(line: &str) -> String {
    let mut plain = String::new();
    let mut chars = line.chars();
    while let Some(next) = chars.next() {
        if next == '\u{1b}' {
            chars.by_ref().find(char::is_ascii_alphabetic);
        } else if plain.len() < DETAIL_LOG_LINE_CHARS_MAX {
            plain.push(next);
        }
    }
    plain
}

/// Writes to `out`, and keeps the end of it.
#[derive(Debug)]
pub struct Tee<W>(W);

/// A writer that keeps the end of what passes through it.
pub fn tee<W: Write>(out: W) -> Tee<W> {
    Tee(out)
}

impl<W: Write> Write for Tee<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // Where nobody reads the log any more, its writer would report that on the same standard error, and that report
        // ends the task that wrote.
        let written = self.0.write(bytes).unwrap_or(bytes.len());
        keep(&String::from_utf8_lossy(&bytes[..written]));
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let _ = self.0.flush();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tail is one for the process: tests take turns.
    static TESTS: Mutex<()> = Mutex::new(());

    /// A writer that fails harms nobody who logs, and the tail is kept.
    #[test]
    fn a_log_without_a_reader_is_kept() {
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
        }
        let _one = TESTS.lock().unwrap();
        let mut log = tee(Broken);
        log.write_all(b"nobody reads this\n").unwrap();
        log.flush().unwrap();
        assert_eq!(lines(1), ["nobody reads this"]);
    }

    /// The tail has the last lines, without colours and cut, and what is written arrives whole.
    #[test]
    fn the_tail_keeps_the_end() {
        let _one = TESTS.lock().unwrap();
        let mut out = Vec::new();
        let long = "x".repeat(DETAIL_LOG_LINE_CHARS_MAX * 2);
        let text = format!("\u{1b}[2mfirst\u{1b}[0m line\n{long}\n");
        tee(&mut out).write_all(text.as_bytes()).unwrap();
        assert_eq!(out, text.as_bytes());
        let kept = lines(2);
        assert_eq!(kept[0], "first line");
        assert_eq!(kept[1].len(), DETAIL_LOG_LINE_CHARS_MAX);
        for number in 0..DETAIL_LOG_LINES_MAX + 5 {
            tee(&mut out).write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        let kept = lines(usize::MAX);
        assert_eq!(kept.len(), DETAIL_LOG_LINES_MAX);
        assert_eq!(kept.last().unwrap(), &format!("{}", DETAIL_LOG_LINES_MAX + 4));
    }

    /// A reader gets each line once, and of many the last ones.
    #[test]
    fn lines_are_read_once() {
        let _one = TESTS.lock().unwrap();
        let mut reader = LogReader::default();
        reader.new_lines(0);
        let mut log = tee(std::io::sink());
        log.write_all(b"one\ntwo\n").unwrap();
        assert_eq!(reader.new_lines(10), ["one", "two"]);
        assert!(reader.new_lines(10).is_empty());
        log.write_all(b"three\nfour\nfive\n").unwrap();
        assert_eq!(reader.new_lines(2), ["four", "five"]);
    }
}
