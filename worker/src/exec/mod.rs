//! Running tasks: fragments, slots, inputs, outputs.
//!
//! The [`TaskRunner`] puts tasks on slots. What a task does is the affair of an `Executor`: DataFusion runs queries,
//! a write ends with a commit, and Python processes call functions.

mod commit;
mod executor;
mod failure;
mod fetch;
mod figures;
mod files;
mod inputs;
mod objects;
mod query;
mod runner;
mod slots;
mod split;
mod stage;
mod waits;
mod write;

pub(crate) use commit::{CommitExecutor, remove_abandoned};
pub(crate) use executor::{Batch, Executor, Executors, Made, TaskRun};
pub(crate) use fetch::told_rows;
pub(crate) use inputs::InputSource;
pub(crate) use objects::Object;
pub(crate) use query::QueryExecutor;
pub(crate) use runner::{OwnSlot, TaskRunner, Told};
pub(crate) use stage::Stage;
