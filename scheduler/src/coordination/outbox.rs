//! What waits to be sent to one client.

use arrow_flight::FlightData;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Messages above which no further request of the client is read until it has taken some.
const MESSAGES_MAX: usize = 1_000;
/// The same for their bytes.
const BYTES_MAX: usize = 64 << 20;
/// Messages of topics that wait for a client; the oldest are dropped for later ones.
const EVENTS_MAX: usize = 1_000;

/// Messages in order. It holds at most one for each request, and some of topics.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    state: Mutex<State>,
    /// A message came, or the end.
    filled: Notify,
    /// A message was taken.
    taken: Notify,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<(FlightData, bool)>,
    events: usize,
    bytes: usize,
    is_closed: bool,
}

impl Outbox {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, message: FlightData) {
        let mut state = self.state();
        state.bytes += message.app_metadata.len();
        state.messages.push_back((message, false));
        self.filled.notify_one();
    }

    /// Adds a message of a topic.
    pub(super) fn push_event(&self, message: FlightData) {
        let mut state = self.state();
        if state.events >= EVENTS_MAX
            && let Some(oldest) = state.messages.iter().position(|(_, is_event)| *is_event)
            && let Some((dropped, _)) = state.messages.remove(oldest)
        {
            state.events -= 1;
            state.bytes -= dropped.app_metadata.len();
        }
        state.events += 1;
        state.bytes += message.app_metadata.len();
        state.messages.push_back((message, true));
        self.filled.notify_one();
    }

    /// No message follows.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.filled.notify_one();
        self.taken.notify_one();
    }

    /// The next message; none at the end.
    pub(super) async fn next(&self) -> Option<FlightData> {
        loop {
            {
                let mut state = self.state();
                if let Some((message, is_event)) = state.messages.pop_front() {
                    state.bytes -= message.app_metadata.len();
                    state.events -= usize::from(is_event);
                    self.taken.notify_one();
                    return Some(message);
                }
                if state.is_closed {
                    return None;
                }
            }
            self.filled.notified().await;
        }
    }

    /// Waits until the client has taken enough that it may ask for more, or has gone.
    pub(super) async fn has_room(&self) {
        loop {
            {
                let state = self.state();
                let has_room = state.messages.len() < MESSAGES_MAX && state.bytes < BYTES_MAX;
                if has_room || state.is_closed {
                    return;
                }
            }
            self.taken.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(byte: u8) -> FlightData {
        FlightData { app_metadata: vec![byte].into(), ..FlightData::default() }
    }

    /// Answers are never dropped, and of topics the latest messages are kept.
    #[tokio::test]
    async fn messages_of_topics_are_bounded() {
        let outbox = Outbox::default();
        outbox.push_event(message(1));
        outbox.push(message(2));
        (0..EVENTS_MAX).for_each(|_| outbox.push_event(message(3)));
        assert_eq!(outbox.next().await.unwrap().app_metadata[0], 2);
        assert_eq!(outbox.state().messages.len(), EVENTS_MAX);
        outbox.close();
        for _ in 0..EVENTS_MAX {
            assert_eq!(outbox.next().await.unwrap().app_metadata[0], 3);
        }
        assert!(outbox.next().await.is_none());
    }
}
