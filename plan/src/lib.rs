//! Plan fragments: what the scheduler cuts and the workers run.
//!
//! DataFusion plans a query; its optimiser decides where rows must change partitions. [`cut`]
//! takes the plan apart at those places into stages; [`exchange`] holds the leaf that
//! stands for "what another stage made"; [`codec`] gives fragments their wire form; [`session`]
//! holds the settings that planning and running must agree on; [`single`] makes scalar subqueries
//! joins that keep their meaning; [`arithmetic`] has the operators of
//! pandas, `missing` what it has as missing; [`ranged`] has the partitions of sorted rows done by themselves;
//! [`sliding`] computes windows by columns, [`sorting`] sorts what fits into memory at once;
//! [`logical`] is the wire form of plans that clients
//! build; [`files`] finds the tables that queries name by path.
//!
//! The scheduler and the worker both need these and must not know each other, which is why this is
//! a crate of its own. It runs nothing and talks to nobody.

pub mod arithmetic;
pub mod chunked;
pub mod clauses;
pub mod clustered;
pub mod codec;
pub mod compact;
mod conditions;
pub mod cut;
pub mod depth;
pub mod distinct;
pub mod error;
pub mod exchange;
mod extreme;
pub mod files;
mod guards;
pub mod interrupt;
pub mod logical;
pub mod merging;
mod missing;
mod orders;
pub mod persisted;
pub mod product;
mod properties;
mod prune;
pub mod ranged;
pub mod session;
pub mod single;
pub mod sink;
pub mod sliding;
pub mod sorting;
pub mod width;
pub mod windows;

pub use error::PlanError;
