//! Real jobs on a real Slurm of several nodes.
//!
//! They need root and Debian's Slurm, and are ignored unless they are asked for: `cargo xtask test` sets Slurm up and
//! runs them beside the other tests, since they wait more than they compute. The binary is taken from beside the
//! test's executable: build it first (`cargo build -p partita-cli`), then
//! `cargo test -p partita-tests --test slurm -- --include-ignored`.

#[path = "slurm/by_hand.rs"]
mod by_hand;
#[path = "slurm/cluster.rs"]
mod cluster;
#[path = "slurm/documents.rs"]
mod documents;
#[path = "slurm/ending.rs"]
mod ending;
#[path = "slurm/faults.rs"]
mod faults;
#[path = "slurm/from_python.rs"]
mod from_python;
#[path = "slurm/joining.rs"]
mod joining;
#[path = "slurm/network.rs"]
mod network;
#[path = "slurm/one_line.rs"]
mod one_line;
#[path = "slurm/place.rs"]
mod place;
#[path = "slurm/scaling.rs"]
mod scaling;
#[path = "slurm/shared_node.rs"]
mod shared_node;

use partita_shared::model::WorkerRow;
use partita_tests::slurm::Nodes;
use partita_tests::slurm::job::Job;
use partita_tests::slurm::nodes::workers_up_in;

/// The workers that a job saw: its script wrote them to `workers-JOB.json` in the home.
fn workers_in(nodes: &Nodes, job: &Job<'_>) -> Vec<WorkerRow> {
    let file = nodes.home().join(format!("workers-{}.json", job.id));
    workers_up_in(&std::fs::read_to_string(file).expect("the job's list of workers"))
}
