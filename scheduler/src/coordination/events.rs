//! Events: flags that clients wait for.

use crate::coordination::message::EventAct;
use crate::coordination::{Answers, Waiting, said};
use std::collections::HashMap;

/// All events. One that is not set and that nobody waits for is not kept.
#[derive(Debug, Default)]
pub(super) struct Events(HashMap<String, Event>);

#[derive(Debug, Default)]
struct Event {
    is_set: bool,
    waiting: Vec<Waiting>,
}

impl Events {
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Does what a client asks for. Whether its request waits.
    pub(super) fn act(
        &mut self,
        name: &str,
        act: EventAct,
        by: Waiting,
        answers: &mut Answers,
    ) -> bool {
        let event = self.0.entry(name.to_string()).or_default();
        let mut waits = false;
        match act {
            EventAct::Set => {
                event.is_set = true;
                let served = event.waiting.drain(..).chain([by]);
                answers.extend(served.map(|waiting| (waiting, said(true))));
            }
            EventAct::Clear => {
                event.is_set = false;
                answers.push((by, said(true)));
            }
            EventAct::Wait if !event.is_set => {
                event.waiting.push(by);
                waits = true;
            }
            EventAct::IsSet | EventAct::Wait => answers.push((by, said(event.is_set))),
        }
        self.forget_unused(name);
        waits
    }

    /// A request waits no longer.
    pub(super) fn withdraw(&mut self, name: &str, by: Waiting) {
        if let Some(event) = self.0.get_mut(name) {
            event.waiting.retain(|waiting| *waiting != by);
            self.forget_unused(name);
        }
    }

    fn forget_unused(&mut self, name: &str) {
        if self.0.get(name).is_some_and(|event| !event.is_set && event.waiting.is_empty()) {
            self.0.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Setting an event serves all who wait for it, and one that is clear leaves nothing behind.
    #[test]
    fn an_event_serves_all() {
        let (mut events, mut answers) = (Events::default(), Vec::new());
        assert!(events.act("a", EventAct::Wait, (0, 1), &mut answers));
        assert!(events.act("a", EventAct::Wait, (1, 1), &mut answers));
        assert!(events.act("a", EventAct::Wait, (2, 1), &mut answers));
        events.withdraw("a", (2, 1));
        assert!(!events.act("a", EventAct::Set, (3, 1), &mut answers));
        let told: Vec<Waiting> = answers.iter().map(|(by, _)| *by).collect();
        assert_eq!(told, [(0, 1), (1, 1), (3, 1)]);
        assert!(!events.act("a", EventAct::Wait, (0, 2), &mut answers));
        assert!(!events.act("a", EventAct::Clear, (0, 3), &mut answers));
        assert_eq!(events.count(), 0);
    }
}
