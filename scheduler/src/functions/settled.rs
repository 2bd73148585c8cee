//! What a client that calls functions is told: how its tasks ended.

use crate::functions::message::answer;
use arrow_flight::FlightData;
use partita_core::{SettledTask, TaskError};
use partita_shared::message::{ErrorKind, FailureKind};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Tasks in one message.
const MESSAGE_TASKS_MAX: usize = 50_000;
/// Bytes of values in one message, about.
const MESSAGE_BYTES: usize = 4 << 20;

/// Tasks that ended, until their client is told. It holds at most what the job has: each task once, or again after it
/// was computed again.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    tasks: Mutex<Vec<SettledTask>>,
    changed: Notify,
}

impl Mailbox {
    /// Adds tasks.
    pub(crate) fn add(&self, tasks: Vec<SettledTask>) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).extend(tasks);
        self.changed.notify_one();
    }

    /// Waits for tasks, and takes as many as one message holds.
    pub(super) async fn take(&self) -> Vec<SettledTask> {
        loop {
            if let Some(tasks) = self.take_now() {
                return tasks;
            }
            self.changed.notified().await;
        }
    }

    fn take_now(&self) -> Option<Vec<SettledTask>> {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = 0;
        let fits = |task: &&SettledTask| {
            let value = task.value.as_ref().map_or(0, |value| value.len());
            let exception = task.error.as_ref().and_then(|error| error.exception.as_ref());
            bytes += 16 + value + exception.map_or(0, |exception| exception.len());
            bytes <= MESSAGE_BYTES
        };
        let count = tasks.iter().take(MESSAGE_TASKS_MAX).take_while(fits).count().max(1);
        if tasks.is_empty() {
            return None;
        }
        if count >= tasks.len() {
            return Some(std::mem::take(&mut *tasks));
        }
        let rest = tasks.split_off(count);
        Some(std::mem::replace(&mut *tasks, rest))
    }
}

/// What a task is, in a message.
const DONE: u8 = 0;
const DONE_WITH_VALUE: u8 = 1;
const FAILED: u8 = 2;

/// The kind of an error, for the exception that the client raises.
fn kind_of(error: &TaskError) -> &'static str {
    match error.kind {
        _ if error.exception.is_some() => "raised",
        None => "cancelled",
        Some(FailureKind::Known(ErrorKind::Cancelled)) => "cancelled",
        Some(FailureKind::Memory) => "memory",
        Some(FailureKind::Retry) => "lost",
        Some(FailureKind::Fatal) => "raised",
        Some(FailureKind::Known(kind)) => kind.code(),
        Some(FailureKind::Input(_) | FailureKind::Sampled) => "failed",
    }
}

/// The message about tasks that ended: the errors once each in the header, then the tasks.
pub(super) fn message(tasks: &[SettledTask]) -> FlightData {
    let (mut errors, mut numbers) = (Vec::new(), HashMap::new());
    let (mut exceptions, mut body) = (Vec::new(), Vec::new());
    for task in tasks {
        body.extend(task.stage.to_le_bytes());
        body.extend(task.index.to_le_bytes());
        match (&task.error, &task.value) {
            (Some(error), _) => {
                let number = *numbers.entry(Arc::as_ptr(error)).or_insert_with(|| {
                    let exception = error.exception.as_deref().unwrap_or_default();
                    errors.push(serde_json::json!({
                        "stage": error.task.stage.index,
                        "index": error.task.index,
                        "text": error.error,
                        "kind": kind_of(error),
                        "exception": exception.len(),
                    }));
                    exceptions.extend_from_slice(exception);
                    errors.len() as u32 - 1
                });
                body.push(FAILED);
                body.extend(number.to_le_bytes());
            }
            (None, Some(value)) => {
                body.push(DONE_WITH_VALUE);
                body.extend((value.len() as u32).to_le_bytes());
                body.extend_from_slice(value);
            }
            (None, None) => body.push(DONE),
        }
    }
    exceptions.extend(body);
    let header = serde_json::json!({"tasks": tasks.len(), "errors": errors});
    super::message::message(answer::SETTLED, &header, &exceptions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(index: u32, bytes: usize) -> SettledTask {
        SettledTask { stage: 0, index, error: None, value: Some(vec![7; bytes].into()) }
    }

    /// What does not fit into one message stays for the next, in order, and a large one has its own message.
    #[tokio::test]
    async fn messages_are_bounded() {
        let mailbox = Mailbox::default();
        mailbox.add(vec![task(0, 10), task(1, 3 << 20), task(2, 3 << 20), task(3, 9 << 20)]);
        let mut taken = Vec::new();
        for _ in 0..3 {
            taken.push(mailbox.take().await.iter().map(|task| task.index).collect::<Vec<_>>());
        }
        assert_eq!(taken, [vec![0, 1], vec![2], vec![3]]);
        assert!(mailbox.take_now().is_none());
    }
}
