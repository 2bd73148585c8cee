//! Native kernels over blocks of arrays: data movement, elementwise operations and reductions.
//!
//! A task over blocks is a Python function, whose meaning is NumPy's. Where every operation of a task has a kernel, the
//! client sends a [`Program`] beside the function, and a worker runs that instead: without a Python process, without
//! intermediate arrays, and for all operations at once over tiles that stay in a core's cache. Whatever a kernel does not
//! know of ([`Unsupported`]), such as another dtype or an empty block, is left to the function.
//!
//! Blocks come and go as pickled arrays of NumPy ([`pickle`]), so that functions and kernels read each other's results.
//!
//! - [`program`]: what the client sends
//! - `plan`: dtypes and shapes of all steps, and what must be stored, known before anything is computed
//! - `view`: where the items of a value lie: cutting, transposing and joining move no item
//! - `tile`, `operate`, `reduce`: the computation

mod dtype;
mod operate;
pub mod pickle;
mod plan;
pub mod program;
mod reduce;
mod run;
#[cfg(test)]
mod tests;
mod tile;
mod view;

pub use dtype::Dtype;
pub use plan::{Input, Plan};
pub use program::Program;

/// Why a program is left to its Python function.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unsupported(pub String);

impl Unsupported {
    /// With a reason.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Unsupported(reason.into())
    }
}

/// A result, or the reason why a program is left to its function.
pub type Result<T> = std::result::Result<T, Unsupported>;
