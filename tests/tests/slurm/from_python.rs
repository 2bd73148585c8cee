//! Worker jobs that a Python program starts and ends.

use partita_tests::process::{LONG, wait_for};
use partita_tests::slurm::{self, python};
use std::path::Path;

/// `SLURMCluster` submits jobs, its client calls functions in them, and closing it leaves no job behind.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn a_python_program_has_worker_jobs() {
    let nodes = slurm::nodes(1);
    let name = "slurm_cluster.py";
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../python/tests/scripts").join(name);
    nodes.write(name, &std::fs::read_to_string(source).expect("a script of the package's tests"));
    let all = ["node1", "node2", "node3", "node4"];
    let others: Vec<&str> = all.into_iter().filter(|node| !nodes.names().contains(node)).collect();
    let python = python::of_tests(&nodes);
    let mut program = nodes.start(&[python.as_str(), name, &others.join(",")]);
    let said = program.finish(LONG).ok();
    assert_eq!(said, "True\n328350\n2 False\n285\nclosed\n");
    wait_for("its jobs to end", LONG, || {
        let left = nodes.run(&["squeue", "--noheader", "--format=%j", "--user", nodes.user()]).ok();
        (!left.contains("partita-workers")).then_some(())
    });
}
