//! What functions print: always read, so that no function waits for its reader; written into the worker's log.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
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

/// What a process printed last, and what it runs now.
#[derive(Debug, Default)]
pub(super) struct Printed {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: VecDeque<String>,
    /// The function that runs, with its task.
    running: Option<Arc<str>>,
}

impl Printed {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what the lines to come belong to.
    pub(super) fn set_running(&self, what: Option<Arc<str>>) {
        self.state().running = what;
    }

    /// The last lines, one after the other.
    pub(super) fn last(&self) -> String {
        self.state().last.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    fn add(&self, line: &str) -> Option<Arc<str>> {
        let mut state = self.state();
        if state.last.len() == LAST_LINES_MAX {
            state.last.pop_front();
        }
        state.last.push_back(line.to_string());
        state.running.clone()
    }
}

/// Reads what a process prints until it ends.
pub(super) async fn follow(mut stream: impl AsyncRead + Unpin, pid: u32, printed: Arc<Printed>) {
    let mut buffer = vec![0; READ_BYTES];
    let mut line = Vec::new();
    let (mut since, mut written, mut left_out) = (Instant::now(), 0, 0_u64);
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        for byte in &buffer[..count] {
            if *byte != b'\n' {
                if line.len() < LINE_BYTES_MAX {
                    line.push(*byte);
                }
                continue;
            }
            let text = String::from_utf8_lossy(&line).trim_end().to_string();
            line.clear();
            let running = printed.add(&text);
            if since.elapsed() >= INTERVAL {
                if left_out > 0 {
                    tracing::warn!(pid, lines = left_out, "left out lines that functions printed");
                }
                (since, written, left_out) = (Instant::now(), 0, 0);
            }
            if written == LINES_PER_INTERVAL_MAX {
                left_out += 1;
                continue;
            }
            written += 1;
            let of = running.as_deref().unwrap_or("-");
            tracing::info!(target: "partita::printed", pid, of, "{text}");
        }
    }
    if !line.is_empty() {
        printed.add(&String::from_utf8_lossy(&line));
    }
}
