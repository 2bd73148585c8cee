//! Real jobs on a real Slurm of several nodes.
//!
//! They run where `PARTITA_TEST_SLURM` is set, as `cargo xtask test` does. The binary is taken from
//! beside the test's executable: build it first (`cargo build -p partita-cli`).

#[path = "slurm/cluster.rs"]
mod cluster;
