//! What functions print: always read, so that no function waits for its reader; written into the worker's log, and told of
//! the call that printed it.
//!
//! A runner writes a line with a mark and the number of the call before what that call prints first (`runner/output.py`).

use crate::python::texts::CallTexts;
use partita_shared::ids::{Attempt, TaskId};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The last lines that are kept of a process, to explain its end.
const LAST_LINES_MAX: usize = 30;
/// Bytes of one line that are kept.
const LINE_BYTES_MAX: usize = 1000;
/// Lines that one process may write into the log in one interval; the others are counted.
const LINES_PER_INTERVAL_MAX: u32 = 200;
/// The interval.
const INTERVAL: Duration = Duration::from_secs(1);
/// Bytes that are read at once.
const READ_BYTES: usize = 64 << 10;
/// Calls of a process that are known by their numbers: more than it gets at once.
const CALLS_MAX: usize = 512;
/// The first byte of a line that says which call prints the next ones.
const MARK: u8 = 0;

/// A call that a process got.
#[derive(Clone, Debug)]
pub(super) struct Printing {
    /// The task that it is; none if a query calls the function.
    pub(super) attempt: Option<(TaskId, Attempt)>,
    /// The name of its function.
    pub(super) name: Arc<str>,
}

/// What a process printed last, and which calls it got.
#[derive(Debug, Default)]
pub(super) struct Printed {
    state: Mutex<State>,
    texts: Arc<CallTexts>,
}

#[derive(Debug, Default)]
struct State {
    last: VecDeque<String>,
    /// The calls that it got last, by number. Those before one that prints are over.
    calls: VecDeque<(u64, Printing)>,
    /// The one whose lines come now.
    printing: Option<Printing>,
}

impl Printed {
    /// What a process prints; of its calls it is told to `texts`.
    pub(super) fn new(texts: &Arc<CallTexts>) -> Arc<Self> {
        Arc::new(Printed { state: Mutex::default(), texts: Arc::clone(texts) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers calls that the process gets, by number.
    pub(super) fn add_calls(&self, calls: impl Iterator<Item = (u64, Printing)>) {
        let mut state = self.state();
        state.calls.extend(calls);
        let surplus = state.calls.len().saturating_sub(CALLS_MAX);
        drop(state.calls.drain(..surplus));
    }

    /// The last lines, one after the other.
    pub(super) fn last(&self) -> String {
        self.state().last.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// Takes a line. Returns the call that printed it, if it is known; nothing for a line that only names a call.
    fn add(&self, line: &str) -> Option<Option<Printing>> {
        if let Some(ticket) = line.strip_prefix(char::from(MARK)).and_then(|text| text.parse().ok())
        {
            let mut state = self.state();
            while state.calls.pop_front_if(|(known, _)| *known < ticket).is_some() {}
            let call = state.calls.front().filter(|(known, _)| *known == ticket);
            state.printing = call.map(|(_, call)| call.clone());
            return None;
        }
        let mut state = self.state();
        if state.last.len() == LAST_LINES_MAX {
            state.last.pop_front();
        }
        state.last.push_back(line.to_string());
        Some(state.printing.clone())
    }
}

/// Limits the lines of one process in its worker's log.
struct Limit {
    pid: u32,
    since: Instant,
    written: u32,
    left_out: u64,
}

impl Limit {
    fn has_room(&mut self) -> bool {
        if self.since.elapsed() >= INTERVAL {
            if self.left_out > 0 {
                let (pid, lines) = (self.pid, self.left_out);
                tracing::warn!(pid, lines, "left out lines that functions printed");
            }
            (self.since, self.written, self.left_out) = (Instant::now(), 0, 0);
        }
        let has_room = self.written < LINES_PER_INTERVAL_MAX;
        self.written += u32::from(has_room);
        self.left_out += u64::from(!has_room);
        has_room
    }
}

/// Reads what a process prints until it ends.
pub(super) async fn follow(mut stream: impl AsyncRead + Unpin, pid: u32, printed: Arc<Printed>) {
    let mut buffer = vec![0; READ_BYTES];
    let mut line = Vec::new();
    let mut limit = Limit { pid, since: Instant::now(), written: 0, left_out: 0 };
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        for byte in &buffer[..count] {
            // A mark also ends what the call before did not end with a line feed.
            let is_end = *byte == b'\n' || *byte == MARK && !line.is_empty();
            if is_end {
                take_line(&line, &printed, &mut limit);
                line.clear();
            }
            if *byte != b'\n' && line.len() < LINE_BYTES_MAX {
                line.push(*byte);
            }
        }
    }
    if !line.is_empty() {
        take_line(&line, &printed, &mut limit);
    }
}

fn take_line(line: &[u8], printed: &Printed, limit: &mut Limit) {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end();
    let Some(printing) = printed.add(text) else { return };
    if let Some(attempt) = printing.as_ref().and_then(|call| call.attempt) {
        printed.texts.printed(attempt, text);
    }
    if limit.has_room() {
        let of = match &printing {
            None => "-".to_string(),
            Some(Printing { attempt: None, name }) => name.to_string(),
            Some(Printing { attempt: Some((task, _)), name }) => format!("{name} ({task})"),
        };
        tracing::info!(target: "partita::printed", pid = limit.pid, of, "{text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use partita_shared::ids::{JobId, StageId};

    /// Lines belong to the call that the mark before them names, also where the line before did not end.
    #[tokio::test]
    async fn lines_belong_to_their_calls() {
        let texts = Arc::<CallTexts>::default();
        let printed = Printed::new(&texts);
        let stage = StageId { job: JobId(1), index: 0 };
        let call = |ticket| {
            // A query calls the last one.
            let is_task = ticket < 4;
            let attempt = is_task.then_some((TaskId { stage, index: ticket as u32 }, 1));
            (ticket, Printing { attempt, name: "f".into() })
        };
        printed.add_calls((1..=4).map(call));
        let stream = &b"before\n\x001\none\ntwo\x003\nthree\n\x004\nfour\n\x0099\nof none"[..];
        follow(stream, 1, Arc::clone(&printed)).await;
        let found = texts.take();
        let found: Vec<(u32, &str)> =
            found.iter().map(|text| (text.task.index, text.text.as_str())).collect();
        assert_eq!(found, [(1, "one\ntwo\n"), (3, "three\n")]);
        assert_eq!(printed.last(), "before\none\ntwo\nthree\nfour\nof none");
    }
}
