//! Running tasks: fragments, slots, inputs, outputs.

mod commit;
mod engine;
mod failure;
mod figures;
mod files;
mod inputs;
pub(crate) mod migration;
mod peers;
mod slots;
mod split;
mod task;
pub(crate) mod upload;
mod waits;
mod write;

pub(crate) use commit::remove_abandoned;
pub(crate) use engine::Done;
pub use engine::Engine;
