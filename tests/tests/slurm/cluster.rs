//! The Slurm of the tests itself.

use partita_tests::process::{LONG, Place, SOON, is_alive, wait_for};
use partita_tests::slurm;

/// A job of two nodes runs, and what it is told is what the other tests take for given.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn a_job_runs() {
    let nodes = slurm::nodes(2);
    let script = "#!/bin/bash\n\
        #SBATCH --nodes=2 --ntasks-per-node=2 --cpus-per-task=3 --mem=1000M\n\
        srun --label bash -c 'echo $(hostname) $SLURM_PROCID $SLURM_CPUS_PER_TASK $SLURM_TMPDIR \
        $(id -un) $HOME'\n";
    let job = nodes.sbatch(script, &[]);
    let output = job.finish(LONG);
    let mut lines: Vec<&str> = output.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines.len(), 4, "{output}");
    for (rank, line) in lines.iter().enumerate() {
        let (user, node, id) = (nodes.user(), nodes.names()[rank / 2], job.id);
        let scratch = format!("/mnt/{user}.{id}.0");
        assert_eq!(*line, format!("{rank}: {node} {rank} 3 {scratch} {user} /home/{user}"));
    }
    for node in nodes.names() {
        wait_for("the epilog", SOON, || job.left_in_scratch(node));
    }
}

/// Nodes reach each other over both links, and a node whose links are cut is not reached.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn nodes_are_apart() {
    let nodes = slurm::nodes(2);
    let reaches = |host: &str| {
        let script = format!("exec 3<>/dev/tcp/{host}/6818");
        nodes.exec(nodes.names()[0], &["timeout", "2", "bash", "-c", &script]).code == 0
    };
    // slurmd listens there.
    let other = nodes.names()[1];
    for name in [other, &format!("{other}-ib"), "localhost"] {
        assert!(reaches(name), "{name}");
    }
    nodes.cut_link(other, "eth");
    assert!(!reaches(other) && reaches(&format!("{other}-ib")));
    nodes.heal(other);
    wait_for("the link", SOON, || reaches(other).then_some(()));
}

/// A cluster ends when what started it is killed, with all its processes, and the next one removes
/// what it left.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn a_cluster_ends_with_what_started_it() {
    let _nodes = slurm::nodes(1);
    let place = Place::new();
    let folder = place.path("slurm");
    let (mut serving, pipe) = slurm::serve(&folder);
    let machine: u32 = {
        let text = std::fs::read_to_string(folder.join("run/machine.pid")).expect("its id");
        text.trim().parse().expect("a process id")
    };
    assert!(is_alive(machine));
    serving.kill().expect("it is there");
    serving.wait().expect("its end");
    drop(pipe);
    wait_for("the end of the machine", SOON, || (!is_alive(machine)).then_some(()));
    let groups = std::fs::read_to_string(folder.join("run/control-groups")).expect("a list");
    let (mut serving, pipe) = slurm::serve(&place.path("next"));
    for group in groups.lines() {
        assert!(!std::path::Path::new(group).exists(), "{group}");
    }
    drop(pipe);
    let status = serving.wait().expect("its end");
    assert!(!place.path("next").exists(), "{status}");
}
