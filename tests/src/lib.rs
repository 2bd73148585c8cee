//! What the end-to-end tests share: clusters to test against, and the oracle.

pub mod local;
pub mod oracle;
pub mod process;
pub mod slurm;
