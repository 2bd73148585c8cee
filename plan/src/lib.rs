//! Plan fragments: what the scheduler cuts and the workers run.
//!
//! DataFusion plans a query; its optimiser decides where rows must change partitions. [`cut`]
//! takes the plan apart at those places into stages; [`exchange`] holds the leaf that
//! stands for "what another stage made"; [`codec`] gives fragments their wire form; [`session`]
//! holds the settings that planning and running must agree on; [`single`] makes scalar subqueries
//! joins that keep their meaning; [`ranged`] has the partitions of sorted rows done by themselves;
//! [`logical`] is the wire form of plans that Rust clients build, [`nodes`] that of data frames in Python;
//! [`python`] has functions of Python in queries.
//!
//! This is the contract between the scheduler and the worker, which must not know each other. It performs no
//! input or output. The tables that queries name by path are in the crate `files`, the operators that only
//! workers run in the crate `operators`.

pub mod clauses;
pub mod codec;
mod conditions;
pub mod cut;
pub mod depth;
pub mod distinct;
pub mod error;
pub mod exchange;
mod guards;
pub mod interrupt;
mod intervals;
pub mod logical;
pub mod nodes;
mod orders;
mod overflow;
pub mod persisted;
mod properties;
pub mod python;
pub mod ranged;
pub mod session;
pub mod single;
#[cfg(test)]
mod testing;
pub mod walk;
pub mod windows;
mod zones;

pub use error::PlanError;
