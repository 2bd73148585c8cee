//! Semaphores, and locks, which are semaphores with one lease.
//!
//! A request takes leases of several semaphores at once, or of none. Those that wait are served in the order in which they
//! came, as far as there is room for each.

use crate::coordination::{Answer, Answers, Failure, Waiting, said};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// All semaphores.
#[derive(Debug, Default)]
pub(super) struct Semaphores {
    known: HashMap<String, Semaphore>,
    leases: HashMap<String, Lease>,
    /// Requests that wait, in the order in which they came.
    waiting: BTreeMap<u64, Acquire>,
    next: u64,
}

#[derive(Debug)]
struct Semaphore {
    max: u32,
    taken: u32,
    waiting: BTreeSet<u64>,
}

#[derive(Debug)]
struct Lease {
    stream: u64,
    names: Vec<String>,
}

/// A request for leases.
#[derive(Clone, Debug)]
pub(super) struct Acquire {
    pub(super) names: Vec<String>,
    /// How many of them.
    pub(super) need: usize,
    pub(super) max: u32,
    /// The name of the lease.
    pub(super) lease: String,
    pub(super) by: Waiting,
}

impl Semaphores {
    /// How many there are, with their leases.
    pub(super) fn count(&self) -> usize {
        self.known.len() + self.leases.len()
    }

    fn find(&mut self, name: &str, max: u32) -> &mut Semaphore {
        let new = || Semaphore { max: max.max(1), taken: 0, waiting: BTreeSet::new() };
        self.known.entry(name.to_string()).or_insert_with(new)
    }

    /// Forgets a semaphore that nobody has or waits for: the next one that needs it makes it anew.
    fn forget_unused(&mut self, name: &str) {
        if self.known.get(name).is_some_and(|found| found.taken == 0 && found.waiting.is_empty()) {
            self.known.remove(name);
        }
    }

    /// Takes leases, or waits. Whether the request waits.
    pub(super) fn acquire(&mut self, request: Acquire, answers: &mut Answers) -> bool {
        let names: BTreeSet<&String> = request.names.iter().collect();
        let invalid = |text: &str| Answer::Failed(Failure::Invalid, text.to_string());
        if names.len() != request.names.len() || request.need == 0 || request.need > names.len() {
            answers
                .push((request.by, invalid("it needs names that differ, and one or more of them")));
            return false;
        }
        if self.leases.contains_key(&request.lease) {
            answers.push((request.by, invalid("the name of the lease is in use")));
            return false;
        }
        for name in &request.names {
            self.find(name, request.max);
        }
        if self.try_take(&request, answers) {
            return false;
        }
        self.next += 1;
        for name in &request.names {
            if let Some(found) = self.known.get_mut(name) {
                found.waiting.insert(self.next);
            }
        }
        self.waiting.insert(self.next, request);
        true
    }

    /// Takes leases if there is room for all that are needed.
    fn try_take(&mut self, request: &Acquire, answers: &mut Answers) -> bool {
        let has_room =
            |name: &&String| self.known.get(*name).is_none_or(|found| found.taken < found.max);
        let free: Vec<String> =
            request.names.iter().filter(has_room).take(request.need).cloned().collect();
        if free.len() < request.need {
            return false;
        }
        for name in &free {
            self.find(name, request.max).taken += 1;
        }
        for name in &request.names {
            // Those that it does not take and nobody else needs.
            self.forget_unused(name);
        }
        answers.push((request.by, said(free.clone())));
        let lease = Lease { stream: request.by.0, names: free };
        self.leases.insert(request.lease.clone(), lease);
        true
    }

    /// Gives a lease back. Whether somebody had it.
    pub(super) fn release(&mut self, lease: &str, answers: &mut Answers) -> bool {
        let Some(Lease { names, .. }) = self.leases.remove(lease) else { return false };
        for name in &names {
            if let Some(found) = self.known.get_mut(name) {
                found.taken = found.taken.saturating_sub(1);
            }
        }
        names.iter().for_each(|name| self.serve(name, answers));
        true
    }

    /// Serves those that wait for a semaphore.
    fn serve(&mut self, name: &str, answers: &mut Answers) {
        let waiting = self.known.get(name).map(|found| found.waiting.clone());
        for number in waiting.into_iter().flatten() {
            if self.known.get(name).is_none_or(|found| found.taken >= found.max) {
                break;
            }
            let Some(request) = self.waiting.get(&number).cloned() else { continue };
            if self.try_take(&request, answers) {
                self.stop_waiting(number);
            }
        }
        self.forget_unused(name);
    }

    fn stop_waiting(&mut self, number: u64) {
        let Some(request) = self.waiting.remove(&number) else { return };
        for name in &request.names {
            if let Some(found) = self.known.get_mut(name) {
                found.waiting.remove(&number);
            }
            self.forget_unused(name);
        }
    }

    /// A request waits no longer.
    pub(super) fn withdraw(&mut self, by: Waiting) {
        let found = self.waiting.iter().find(|(_, request)| request.by == by);
        if let Some(number) = found.map(|(number, _)| *number) {
            self.stop_waiting(number);
        }
    }

    /// How many leases are taken, and how many there are.
    pub(super) fn figures(&self, name: &str, max: u32) -> (u32, u32) {
        self.known.get(name).map_or((0, max.max(1)), |found| (found.taken, found.max))
    }

    /// Forgets a semaphore with its leases. Those that wait for it are told.
    pub(super) fn close(&mut self, name: &str, answers: &mut Answers) {
        let waiting = self.known.get(name).map(|found| found.waiting.clone());
        for number in waiting.into_iter().flatten() {
            if let Some(request) = self.waiting.get(&number) {
                let error = format!("the semaphore {name} was closed");
                answers.push((request.by, Answer::Failed(Failure::Gone, error)));
            }
            self.stop_waiting(number);
        }
        self.known.remove(name);
        for lease in self.leases.values_mut() {
            lease.names.retain(|taken| taken != name);
        }
        self.leases.retain(|_, lease| !lease.names.is_empty());
    }

    /// A client has gone: its leases are free.
    pub(super) fn leave(&mut self, stream: u64, answers: &mut Answers) {
        let of_stream = self.waiting.iter().filter(|(_, request)| request.by.0 == stream);
        let numbers: Vec<u64> = of_stream.map(|(number, _)| *number).collect();
        numbers.into_iter().for_each(|number| self.stop_waiting(number));
        let of_stream = self.leases.iter().filter(|(_, lease)| lease.stream == stream);
        let leases: Vec<String> = of_stream.map(|(name, _)| name.clone()).collect();
        for lease in leases {
            self.release(&lease, answers);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Client(Semaphores, Answers);

    impl Client {
        fn acquire(&mut self, names: &[&str], need: usize, max: u32, by: Waiting) -> bool {
            let names = names.iter().map(ToString::to_string).collect();
            let lease = format!("{by:?}");
            let request = Acquire { names, need, max, lease, by };
            self.0.acquire(request, &mut self.1)
        }

        fn release(&mut self, by: Waiting) {
            assert!(self.0.release(&format!("{by:?}"), &mut self.1));
        }

        fn served(&mut self) -> Vec<u64> {
            std::mem::take(&mut self.1).into_iter().map(|((_, request), _)| request).collect()
        }
    }

    fn client() -> Client {
        Client(Semaphores::default(), Vec::new())
    }

    /// Those who wait are served in order, and a semaphore that nobody uses is forgotten.
    #[test]
    fn waiters_are_served_in_order() {
        let mut c = client();
        assert!(!c.acquire(&["a"], 1, 2, (0, 1)));
        assert!(!c.acquire(&["a"], 1, 2, (0, 2)));
        assert!(c.acquire(&["a"], 1, 2, (0, 3)));
        assert!(c.acquire(&["a"], 1, 2, (0, 4)));
        assert_eq!((c.served(), c.0.figures("a", 9)), (vec![1, 2], (2, 2)));
        c.release((0, 2));
        assert_eq!(c.served(), [3]);
        c.0.withdraw((0, 4));
        c.release((0, 1));
        c.release((0, 3));
        assert_eq!((c.served(), c.0.count()), (vec![], 0));
        assert!(!c.0.release("(0, 3)", &mut Vec::new()));
    }

    /// Several are taken at once or not at all, so that two that need the same in another order do not wait for each
    /// other; some of many may be enough.
    #[test]
    fn several_are_taken_at_once() {
        let mut c = client();
        assert!(!c.acquire(&["a"], 1, 1, (0, 1)));
        assert!(c.acquire(&["b", "a"], 2, 1, (0, 2)));
        assert!(!c.acquire(&["b", "a"], 1, 1, (0, 3)));
        assert_eq!(c.served(), [1, 3]);
        c.release((0, 1));
        assert!(c.served().is_empty());
        c.release((0, 3));
        assert_eq!(c.served(), [2]);
    }

    /// The leases of a client that has gone are free, and it waits no longer.
    #[test]
    fn a_client_leaves() {
        let mut c = client();
        assert!(!c.acquire(&["a"], 1, 1, (0, 1)));
        assert!(c.acquire(&["a"], 1, 1, (0, 2)));
        assert!(c.acquire(&["a"], 1, 1, (7, 3)));
        c.served();
        c.0.leave(0, &mut c.1);
        assert_eq!(c.served(), [3]);
    }

    /// Those who wait for a semaphore that is closed are told.
    #[test]
    fn a_semaphore_is_closed() {
        let mut c = client();
        assert!(!c.acquire(&["a"], 1, 1, (0, 1)));
        assert!(c.acquire(&["a"], 1, 1, (0, 2)));
        c.served();
        c.0.close("a", &mut c.1);
        assert!(matches!(c.1[..], [((0, 2), Answer::Failed(Failure::Gone, _))]));
        assert_eq!(c.0.count(), 0);
        assert!(!c.acquire(&["a"], 1, 1, (0, 3)));
    }
}
