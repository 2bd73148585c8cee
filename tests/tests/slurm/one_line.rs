//! `srun partita run -- COMMAND`: one line for any shape of a job.

use crate::workers_in;
use partita_shared::model::WorkerRow;
use partita_tests::process::{LONG, SOON, wait_for};
use partita_tests::slurm::{self, Nodes};
use std::collections::BTreeMap;

/// The mean of 0 to 2399.
const MEAN: &str = "select avg(value) as mean from generate_series(0, 2399)";

/// A batch script that runs this under `srun`, with the workers it saw written to a file.
fn script(options: &str, srun: &str, run: &str) -> String {
    format!(
        "#!/bin/bash\n#SBATCH {options}\n\
         export MEAN='{MEAN}'\n\
         srun {srun} partita run {run} -- bash -c '\n\
         partita workers --output=json >$HOME/workers-$SLURM_JOB_ID.json\n\
         partita sql --output=csv \"$MEAN\"; exit 7'\n\
         echo \"exit $?\"\n"
    )
}

/// Slots and bytes of the workers, by name.
fn shapes(rows: &[WorkerRow]) -> BTreeMap<&str, (u32, u64)> {
    rows.iter().map(|row| (row.name.as_str(), (row.slots, row.memory_limit_bytes))).collect()
}

/// Nothing of a job is left: no process, no scratch, no access file.
fn check_nothing_left(nodes: &Nodes, id: u64) {
    for node in nodes.names() {
        wait_for("the processes to be gone", SOON, || {
            nodes.processes(node, "partita").is_empty().then_some(())
        });
        let found = nodes.exec(node, &["ls", "-A", "/tmp"]).ok();
        assert!(!found.contains("partita"), "{node}: {found}");
    }
    let file = format!("slurm-{id}");
    let left = std::fs::read_dir(nodes.home().join(".partita")).into_iter().flatten().flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with(&file)), "{left:?}");
}

/// Two nodes, two tasks each, three processors each: the first task's workers have one processor
/// and a fifth of the memory less, all others all that Slurm gives; the exit code is the command's,
/// the log begins with the way to the page, without the token, and nothing is left.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn all_tasks_of_two_nodes_work() {
    let nodes = slurm::nodes(2);
    let options = "--nodes=2 --ntasks-per-node=2 --cpus-per-task=3 --mem=4000M";
    let job = nodes.sbatch(&script(options, "", ""), &[]);
    let output = job.finish(LONG);
    assert!(output.contains("mean\n1199.5\n") && output.ends_with("exit 7\n"), "{output}");
    let rows = workers_in(&nodes, &job);
    let each = 4000 * (1 << 20) / 2 * 9 / 10;
    let expected = BTreeMap::from([
        ("task-0-0", (2, each * 4 / 5)),
        ("task-1-0", (3, each)),
        ("task-2-0", (3, each)),
        ("task-3-0", (3, each)),
    ]);
    assert_eq!(shapes(&rows), expected);
    let host = nodes.names()[0];
    let tunnel = output.lines().find(|line| line.contains("ssh -N -L")).expect("the tunnel");
    assert!(tunnel.contains(&format!(":{host}:")), "{tunnel}");
    assert!(tunnel.ends_with(&format!(" {}@login", nodes.user())), "{tunnel}");
    assert!(!output.contains("token="), "{output}");
    check_nothing_left(&nodes, job.id);
}

/// One task that has a node for itself is a cluster too; so are several workers a task.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn one_task_is_a_cluster() {
    let nodes = slurm::nodes(1);
    let options = "--nodes=1 --ntasks=1 --cpus-per-task=6 --mem=3000M";
    let job = nodes.sbatch(&script(options, "", "--workers=6 --threads=1"), &[]);
    let output = job.finish(LONG);
    assert!(output.contains("mean\n1199.5\n"), "{output}");
    let rows = workers_in(&nodes, &job);
    assert_eq!(rows.len(), 6);
    assert!(rows.iter().all(|row| row.slots == 1), "{rows:?}");
    check_nothing_left(&nodes, job.id);
}

/// Nodes with unlike numbers of tasks: five tasks on two nodes.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn nodes_may_differ() {
    let nodes = slurm::nodes(2);
    let options = "--nodes=2 --ntasks=5 --cpus-per-task=1 --mem=4000M";
    let job = nodes.sbatch(&script(options, "", ""), &[]);
    let output = job.finish(LONG);
    assert!(output.contains("mean\n1199.5\n"), "{output}");
    let rows = workers_in(&nodes, &job);
    assert_eq!(rows.len(), 5);
    let on = |host: &str| rows.iter().filter(|row| row.host == host).count();
    let (first, second) = (on(nodes.names()[0]), on(nodes.names()[1]));
    assert!(first != second && first.min(second) > 0, "{first} and {second}");
}

/// Where the nodes do not share the home, and where no home exists, the tasks find each other all
/// the same.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn no_home_is_needed() {
    let nodes = slurm::nodes(2);
    for home in ["/tmp/not-shared", "/proc/not-there"] {
        let options = "--nodes=2 --ntasks-per-node=1 --mem=2000M";
        let text = script(options, "", "");
        let text = text.replace("export MEAN", &format!("export PARTITA_HOME={home} MEAN"));
        let job = nodes.sbatch(&text, &[]);
        let output = job.finish(LONG);
        assert!(output.contains("mean\n1199.5\n"), "{home}: {output}");
        assert_eq!(workers_in(&nodes, &job).len(), 2);
        nodes.exec(nodes.names()[0], &["rm", "-rf", "/tmp/not-shared"]);
        nodes.exec(nodes.names()[1], &["rm", "-rf", "/tmp/not-shared"]);
        check_nothing_left(&nodes, job.id);
    }
}

/// A task that does not come is waited for as long as was asked and no longer, and is named, with
/// the node from which nothing came; with fewer workers awaited the command begins.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn tasks_that_do_not_come_are_named() {
    let nodes = slurm::nodes(2);
    let other = nodes.names()[1];
    let text = "#!/bin/bash\n#SBATCH --nodes=2 --ntasks-per-node=2 --mem=2000M\n\
        cat >task.sh <<'END'\n#!/bin/bash\n\
        [ \"$SLURM_PROCID\" -lt 2 ] || exit 0\n\
        exec partita run \"$@\"\nEND\n\
        chmod +x task.sh\n\
        srun ./task.sh --timeout=2s -- echo began\n\
        echo \"exit $?\"\n\
        srun ./task.sh --wait=2 -- echo began with two\n";
    let job = nodes.sbatch(text, &[]);
    let output = job.finish(LONG);
    let error = format!(
        "timed out: 2 of 4 workers connected after 2 s (--timeout); missing: tasks 2, 3; no workers connected from node {other}"
    );
    assert!(output.contains(&error) && output.contains("exit 1\n"), "{output}");
    assert!(output.contains("began with two\n") && !output.contains("began\n"), "{output}");
}

/// Two steps of one job at once, and two jobs of one user on one node, never meet.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn clusters_of_one_user_do_not_meet() {
    let nodes = slurm::nodes(1);
    let command = "bash -c 'touch began-$NAME; until [ -e go ]; do sleep 0.05; done; \
        partita workers --output=json >workers-$NAME.json'";
    let two_steps = format!(
        "#!/bin/bash\n#SBATCH --nodes=1 --ntasks=3 --mem=2000M\n\
        for n in 1 2; do\n\
        NAME=$SLURM_JOB_ID-$n srun --exact --ntasks=$n --mem=600M partita run -- {command} &\n\
        done; wait\n"
    );
    let first = nodes.sbatch(&two_steps, &[]);
    let second = nodes.sbatch(&two_steps, &[]);
    let all = [(first.id, 1), (first.id, 2), (second.id, 1), (second.id, 2)];
    wait_for("four clusters at once", LONG, || {
        let began = |(id, n): (u64, u32)| nodes.home().join(format!("began-{id}-{n}")).exists();
        all.into_iter().all(began).then_some(())
    });
    let listed = nodes.partita(&["dashboard"]).ok();
    assert_eq!(listed.matches("ssh -N -L").count(), 4, "{listed}");
    nodes.write("go", "");
    first.finish(LONG);
    second.finish(LONG);
    for (id, tasks) in all {
        let file = nodes.home().join(format!("workers-{id}-{tasks}.json"));
        let text = std::fs::read_to_string(file).expect("a list of workers");
        let rows = slurm::nodes::workers_up_in(&text);
        assert_eq!(rows.len(), tasks as usize, "{rows:?}");
    }
}

/// Any command in the job finds the job's cluster without arguments, and not another's.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn sql_in_an_allocation_finds_its_cluster() {
    let nodes = slurm::nodes(1);
    nodes.write("q.sql", MEAN);
    let text = "#!/bin/bash\n#SBATCH --nodes=1 --ntasks=2 --mem=2000M\n\
        srun partita run -- bash -c 'until [ -e done-$SLURM_JOB_ID ]; do sleep 0.05; done' &\n\
        partita wait --workers=2\n\
        partita sql --output=csv -f q.sql\n\
        partita jobs\n\
        touch done-$SLURM_JOB_ID; wait\n";
    let jobs = [nodes.sbatch(text, &[]), nodes.sbatch(text, &[])];
    for job in &jobs {
        let output = job.finish(LONG);
        assert!(output.contains("mean\n1199.5\n"), "{output}");
        // It ran on that cluster, which knows of one job.
        assert_eq!(output.matches("job-1 ").count(), 1, "{output}");
        assert!(!output.contains("job-2"), "{output}");
    }
}

/// `partita run` without `srun` in a job of several tasks works on its node, and says what would
/// use all of them.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn without_srun_one_node_is_used() {
    let nodes = slurm::nodes(2);
    let text = format!(
        "#!/bin/bash\n#SBATCH --nodes=2 --ntasks-per-node=1 --cpus-per-task=2 --mem=2000M\n\
        partita run -- partita sql --output=csv '{MEAN}'\n"
    );
    let output = nodes.sbatch(&text, &[]).finish(LONG);
    assert!(output.contains("mean\n1199.5\n"), "{output}");
    assert!(output.contains("srun partita run"), "{output}");
}
