//! Unit tests of the core's transitions.
//!
//! A test tells the core something and takes every effect that follows, each as one short line;
//! one that was not taken fails it. The invariants are walked after every step.

#[cfg(test)]
mod transitions {
    mod exchanges;
    mod failures;
    mod fixture;
    mod lineage;
    mod open;
    mod order;
    mod order_shapes;
    mod persisted;
    mod planning;
    mod recall;
    mod refusals;
    mod replicas;
    mod requirements;
    mod results;
    mod secede;
    mod seen;
    mod shares;
    mod stages;
    mod values;
    mod workers;
}
