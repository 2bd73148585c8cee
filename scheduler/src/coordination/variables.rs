//! Variables: values with a name that clients wait for.

use crate::coordination::Answer;
use crate::coordination::{Answers, Failure, Value, Waiting, one, said};
use std::collections::HashMap;

/// All variables. One that is not set and that nobody waits for is not kept.
#[derive(Debug, Default)]
pub(super) struct Variables(HashMap<String, Variable>);

#[derive(Debug, Default)]
struct Variable {
    value: Option<Value>,
    waiting: Vec<Waiting>,
}

impl Variables {
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Sets a value, and gives the one that was there.
    pub(super) fn set(
        &mut self,
        name: &str,
        value: Value,
        by: Waiting,
        answers: &mut Answers,
    ) -> Option<Value> {
        let variable = self.0.entry(name.to_string()).or_default();
        let served = variable.waiting.drain(..).map(|waiting| (waiting, one(value.clone())));
        answers.extend(served);
        answers.push((by, said(true)));
        variable.value.replace(value)
    }

    /// Gets the value, or waits. Whether the request waits.
    pub(super) fn get(&mut self, name: &str, by: Waiting, answers: &mut Answers) -> bool {
        let variable = self.0.entry(name.to_string()).or_default();
        match &variable.value {
            Some(value) => answers.push((by, one(value.clone()))),
            None => variable.waiting.push(by),
        }
        variable.value.is_none()
    }

    /// Forgets a variable, and gives its value. Those that wait for it are told.
    pub(super) fn delete(&mut self, name: &str, answers: &mut Answers) -> Option<Value> {
        let variable = self.0.remove(name)?;
        let error = format!("the variable {name} was deleted");
        let told = |waiting| (waiting, Answer::Failed(Failure::Gone, error.clone()));
        answers.extend(variable.waiting.into_iter().map(told));
        variable.value
    }

    /// A request waits no longer.
    pub(super) fn withdraw(&mut self, name: &str, by: Waiting) {
        let Some(variable) = self.0.get_mut(name) else { return };
        variable.waiting.retain(|waiting| *waiting != by);
        if variable.value.is_none() && variable.waiting.is_empty() {
            self.0.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A variable serves those who wait for its first value, keeps the latest, and tells who waits when it is deleted.
    #[test]
    fn a_variable_keeps_the_latest_value() {
        let (mut variables, mut answers) = (Variables::default(), Vec::new());
        let value = |byte: u8| Value { body: vec![byte].into(), futures: Vec::new() };
        assert!(variables.get("a", (0, 1), &mut answers));
        assert_eq!(variables.set("a", value(1), (1, 1), &mut answers), None);
        assert_eq!(answers, [((0, 1), one(value(1))), ((1, 1), said(true))]);
        assert_eq!(variables.set("a", value(2), (1, 2), &mut answers), Some(value(1)));
        assert!(!variables.get("a", (0, 2), &mut answers));
        assert_eq!(answers.last(), Some(&((0, 2), one(value(2)))));
        assert_eq!(variables.delete("a", &mut answers), Some(value(2)));
        assert!(variables.get("a", (0, 3), &mut answers));
        variables.delete("a", &mut answers);
        assert!(matches!(answers.last(), Some(((0, 3), Answer::Failed(Failure::Gone, _)))));
        assert!(variables.get("b", (0, 4), &mut answers));
        variables.withdraw("b", (0, 4));
        assert_eq!(variables.count(), 0);
    }
}
