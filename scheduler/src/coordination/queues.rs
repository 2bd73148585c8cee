//! Queues of values between clients.

use crate::coordination::{Answer, Answers, Failure, Value, Waiting, said};
use std::collections::{BTreeSet, HashMap, VecDeque};

/// All queues. One that is empty is forgotten when all clients that used it have gone.
#[derive(Debug, Default)]
pub(super) struct Queues(HashMap<String, Queue>);

#[derive(Debug, Default)]
struct Queue {
    /// Values that it holds at most; without a limit if this is 0.
    max: usize,
    values: VecDeque<Value>,
    /// Requests that wait for values.
    getters: VecDeque<Getter>,
    /// Values that wait for room.
    putters: VecDeque<(Waiting, Value)>,
    users: BTreeSet<u64>,
    /// The client with which the queue ends, if it is one's own.
    owner: Option<u64>,
}

#[derive(Debug)]
struct Getter {
    by: Waiting,
    count: usize,
    have: Vec<Value>,
}

impl Queue {
    /// Moves what can be moved: from the queue to those who wait, and from those who wait into the queue.
    fn serve(&mut self, answers: &mut Answers) {
        loop {
            let Some(getter) = self.getters.front_mut() else {
                let has_room = self.max == 0 || self.values.len() < self.max;
                if !has_room || !self.take_in(answers) {
                    return;
                }
                continue;
            };
            if getter.have.len() == getter.count {
                let values = getter.have.drain(..).map(|value| (value, serde_json::Value::Null));
                answers.push((getter.by, Answer::Values(values.collect())));
                self.getters.pop_front();
            } else if let Some(value) = self.values.pop_front() {
                getter.have.push(value);
            } else if !self.take_in(answers) {
                return;
            }
        }
    }

    /// Takes one value in that waits for room. Whether there was one.
    fn take_in(&mut self, answers: &mut Answers) -> bool {
        let Some((by, value)) = self.putters.pop_front() else { return false };
        self.values.push_back(value);
        answers.push((by, said(true)));
        true
    }
}

impl Queues {
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    fn find(&mut self, name: &str, by: Waiting) -> &mut Queue {
        let queue = self.0.entry(name.to_string()).or_default();
        queue.users.insert(by.0);
        queue
    }

    /// Makes a queue with room for `max` values, if it is not there. One that is a client's own ends with it.
    pub(super) fn open(&mut self, name: &str, max: usize, is_own: bool, by: Waiting) {
        let is_new = !self.0.contains_key(name);
        let queue = self.find(name, by);
        if is_new {
            queue.max = max;
            queue.owner = is_own.then_some(by.0);
        }
    }

    pub(super) fn is_known(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Puts a value back that was taken out.
    pub(super) fn put_back(
        &mut self,
        name: &str,
        value: Value,
        by: Waiting,
        answers: &mut Answers,
    ) {
        let queue = self.find(name, by);
        queue.values.push_front(value);
        answers.push((by, said(true)));
        queue.serve(answers);
    }

    /// Adds a value. Whether the request waits for room.
    pub(super) fn put(
        &mut self,
        name: &str,
        value: Value,
        by: Waiting,
        answers: &mut Answers,
    ) -> bool {
        let queue = self.find(name, by);
        queue.putters.push_back((by, value));
        queue.serve(answers);
        queue.putters.iter().any(|(waiting, _)| *waiting == by)
    }

    /// Takes `count` values out. Whether the request waits for them.
    pub(super) fn get(
        &mut self,
        name: &str,
        count: usize,
        by: Waiting,
        answers: &mut Answers,
    ) -> bool {
        let queue = self.find(name, by);
        queue.getters.push_back(Getter { by, count, have: Vec::new() });
        queue.serve(answers);
        queue.getters.iter().any(|getter| getter.by == by)
    }

    /// Takes all values out.
    pub(super) fn get_all(&mut self, name: &str, by: Waiting, answers: &mut Answers) {
        let queue = self.find(name, by);
        let values = queue.values.drain(..).map(|value| (value, serde_json::Value::Null));
        answers.push((by, Answer::Values(values.collect())));
        queue.serve(answers);
    }

    pub(super) fn size(&self, name: &str) -> usize {
        self.0.get(name).map_or(0, |queue| queue.values.len())
    }

    /// Forgets a queue, and gives its values. Those that wait for it are told.
    pub(super) fn close(&mut self, name: &str, answers: &mut Answers) -> Vec<Value> {
        let Some(queue) = self.0.remove(name) else { return Vec::new() };
        let mut values = Vec::from(queue.values);
        let error = format!("the queue {name} was closed");
        let mut tell = |by| answers.push((by, Answer::Failed(Failure::Gone, error.clone())));
        for getter in queue.getters {
            tell(getter.by);
            values.extend(getter.have);
        }
        for (by, value) in queue.putters {
            tell(by);
            values.push(value);
        }
        values
    }

    /// A request waits no longer. Gives the value that it wanted to put.
    pub(super) fn withdraw(
        &mut self,
        name: &str,
        by: Waiting,
        answers: &mut Answers,
    ) -> Option<Value> {
        let queue = self.0.get_mut(name)?;
        let putter = queue.putters.iter().position(|(waiting, _)| *waiting == by);
        let value = putter.and_then(|at| queue.putters.remove(at)).map(|(_, value)| value);
        let getter = queue.getters.iter().position(|getter| getter.by == by);
        if let Some(getter) = getter.and_then(|at| queue.getters.remove(at)) {
            getter.have.into_iter().rev().for_each(|value| queue.values.push_front(value));
        }
        queue.serve(answers);
        value
    }

    /// A client has gone. Gives the values of its own queues.
    pub(super) fn leave(&mut self, stream: u64, answers: &mut Answers) -> Vec<Value> {
        let is_own = |queue: &Queue| queue.owner == Some(stream);
        let own: Vec<String> =
            self.0.iter().filter(|pair| is_own(pair.1)).map(|(name, _)| name.clone()).collect();
        let gone = own.iter().flat_map(|name| self.close(name, answers)).collect();
        self.0.retain(|_, queue| {
            queue.users.remove(&stream);
            !queue.users.is_empty() || !queue.values.is_empty() || !queue.putters.is_empty()
        });
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(byte: u8) -> Value {
        Value { body: vec![byte].into(), futures: Vec::new() }
    }

    fn told(answers: &mut Answers) -> Vec<(u64, Vec<u8>)> {
        let bytes = |answer: Answer| match answer {
            Answer::Values(values) => values.iter().map(|(value, _)| value.body[0]).collect(),
            Answer::Result(_) | Answer::Failed(..) => Vec::new(),
        };
        answers.drain(..).map(|((_, request), answer)| (request, bytes(answer))).collect()
    }

    /// Values come out in the order in which they were put, to those who waited first; a full queue lets others wait.
    #[test]
    fn values_come_in_order() {
        let (mut queues, mut answers) = (Queues::default(), Vec::new());
        queues.open("q", 1, false, (0, 0));
        assert!(!queues.put("q", value(1), (0, 1), &mut answers));
        assert!(queues.put("q", value(2), (0, 2), &mut answers));
        assert!(!queues.get("q", 1, (1, 3), &mut answers));
        assert_eq!(told(&mut answers), [(1, vec![]), (3, vec![1]), (2, vec![])]);
        // More than it has room for.
        assert!(queues.get("q", 3, (1, 4), &mut answers));
        assert!(queues.get("q", 1, (1, 5), &mut answers));
        assert!(!queues.put("q", value(3), (0, 6), &mut answers));
        assert!(!queues.put("q", value(4), (0, 7), &mut answers));
        assert_eq!(told(&mut answers), [(6, vec![]), (7, vec![]), (4, vec![2, 3, 4])]);
        assert!(!queues.put("q", value(5), (0, 8), &mut answers));
        assert_eq!(told(&mut answers), [(8, vec![]), (5, vec![5])]);
        queues.get_all("q", (1, 9), &mut answers);
        assert_eq!(told(&mut answers), [(9, vec![])]);
    }

    /// A value that is given back comes next, whatever the queue has room for.
    #[test]
    fn a_value_is_given_back() {
        let (mut queues, mut answers) = (Queues::default(), Vec::new());
        queues.open("q", 1, false, (0, 0));
        queues.put("q", value(1), (0, 1), &mut answers);
        queues.put_back("q", value(2), (0, 2), &mut answers);
        queues.get("q", 2, (0, 3), &mut answers);
        assert_eq!(told(&mut answers), [(1, vec![]), (2, vec![]), (3, vec![2, 1])]);
    }

    /// What one that waits no longer had is left to the next one, and its own value is given back.
    #[test]
    fn requests_are_withdrawn() {
        let (mut queues, mut answers) = (Queues::default(), Vec::new());
        queues.open("q", 1, false, (0, 0));
        queues.put("q", value(1), (0, 1), &mut answers);
        assert!(queues.put("q", value(2), (0, 2), &mut answers));
        assert_eq!(queues.withdraw("q", (0, 2), &mut answers), Some(value(2)));
        assert!(queues.get("q", 2, (0, 3), &mut answers));
        assert!(queues.get("q", 1, (0, 4), &mut answers));
        assert_eq!(queues.withdraw("q", (0, 3), &mut answers), None);
        assert_eq!(told(&mut answers), [(1, vec![]), (4, vec![1])]);
    }

    /// A queue is forgotten when it is empty and its clients have gone, or when it is closed.
    #[test]
    fn queues_are_forgotten() {
        let (mut queues, mut answers) = (Queues::default(), Vec::new());
        queues.open("empty", 0, false, (7, 0));
        queues.open("own", 0, true, (7, 0));
        queues.put("own", value(2), (8, 0), &mut answers);
        queues.put("full", value(1), (7, 1), &mut answers);
        assert_eq!(queues.leave(7, &mut answers), [value(2)]);
        assert_eq!((queues.count(), queues.size("full")), (1, 1));
        assert_eq!(queues.close("full", &mut answers), [value(1)]);
        assert!(queues.get("other", 1, (8, 1), &mut answers));
        queues.close("other", &mut answers);
        assert!(matches!(answers.last(), Some(((8, 1), Answer::Failed(Failure::Gone, _)))));
        assert_eq!(queues.count(), 0);
    }
}
