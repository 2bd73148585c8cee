//! What a worker takes of its node: CPUs, memory, a scratch folder.

use crate::workers_in;
use partita_tests::process::{LONG, SOON, wait_for};
use partita_tests::slurm::job::Job;
use partita_tests::slurm::{self, Nodes};

const MIB: u64 = 1 << 20;

/// A job that starts workers so, waits for them, notes them down and ends them in order.
fn script(workers: u32, start: &str) -> String {
    format!(
        "#!/bin/bash
partita scheduler --port 0 &
{start} &
partita wait --workers {workers}
partita workers --output json >workers-$SLURM_JOB_ID.json
partita shutdown
wait
"
    )
}

/// (slots, MiB of memory) of the workers of such a job, sorted.
#[track_caller]
fn taken(nodes: &Nodes, options: &[&str], workers: u32, start: &str) -> Vec<(u32, u64)> {
    let job = nodes.sbatch(&script(workers, start), options);
    job.finish(LONG);
    let rows = workers_in(nodes, &job);
    let mut taken: Vec<_> =
        rows.iter().map(|row| (row.slots, row.memory_limit_bytes / MIB)).collect();
    taken.sort_unstable();
    taken
}

/// A worker has the CPUs of its task and its part of nine tenths of the memory that its step may
/// use on the node.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn cpus_and_memory_are_the_steps() {
    let nodes = slurm::nodes(1);
    let worker = "partita worker";
    let check = |options: &[&str], start: &str, expected: &[(u32, u64)]| {
        let workers = u32::try_from(expected.len()).expect("few");
        assert_eq!(taken(&nodes, options, workers, start), expected, "{options:?} {start}");
    };
    let job = ["--ntasks=2", "--cpus-per-task=3", "--mem=3000M"];
    check(&job, worker, &[(3, 2700)]);
    check(&job, &format!("srun {worker}"), &[(3, 1350), (3, 1350)]);
    check(&job, &format!("srun --ntasks=1 --cpus-per-task=2 --exact {worker}"), &[(2, 2700)]);
    check(&job, &format!("srun --ntasks=1 --mem=1000M {worker}"), &[(3, 900)]);
    let job = ["--ntasks=2", "--cpus-per-task=3", "--mem-per-cpu=400M"];
    check(&job, worker, &[(3, 2160)]);
    check(&job, &format!("srun {worker}"), &[(3, 1080), (3, 1080)]);
    // Without --cpus-per-task a task has one CPU.
    let job = ["--ntasks=4", "--mem=2000M"];
    check(&job, &format!("srun {worker}"), &[(1, 450), (1, 450), (1, 450), (1, 450)]);
    // What is asked for comes first.
    let flags = format!("{worker} --nworkers=2 --nthreads=4 --memory-limit=0.25");
    check(&job, &flags, &[(4, 500), (4, 500)]);
}

/// The folders and files below a folder of a node.
fn found(nodes: &Nodes, folder: &str) -> String {
    nodes.exec(nodes.names()[0], &["find", folder, "-mindepth", "1"]).ok()
}

#[track_caller]
fn scratch_of_one(nodes: &Nodes, job: &Job<'_>) -> String {
    let rows = workers_in(nodes, job);
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows[0].local_directory.clone()
}

/// Scratch lies in `$SLURM_TMPDIR`, else in a folder of the worker's own in `/tmp` that others
/// cannot read. A worker that leaves takes it away.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn scratch_is_the_jobs_own() {
    let nodes = slurm::nodes(1);
    let mode = "stat -c %a:%U $(grep -o '\"/[^\"]*partita-[^\"]*' \
                workers-$SLURM_JOB_ID.json | tr -d '\"')";
    let start = |before: &str| {
        let script = script(1, "partita worker")
            .replace("partita shutdown", &format!("{mode}\npartita shutdown"));
        nodes.sbatch(&script.replacen('\n', &format!("\n{before}\n"), 1), &[])
    };
    let private = format!("700:{}\n", nodes.user());

    let job = start("");
    let output = job.finish(LONG);
    let folder = scratch_of_one(&nodes, &job);
    assert!(
        folder.starts_with(&format!("/mnt/{}.{}.0/partita-", nodes.user(), job.id)),
        "{folder}"
    );
    assert!(output.contains(&private), "{output}");
    let left = wait_for("the epilog", SOON, || job.left_in_scratch(nodes.names()[0]));
    assert_eq!(left, "");

    let job = start("unset SLURM_TMPDIR");
    let output = job.finish(LONG);
    let folder = scratch_of_one(&nodes, &job);
    assert!(folder.starts_with("/tmp/partita-"), "{folder}");
    assert!(output.contains(&private), "{output}");
    assert_eq!(found(&nodes, "/tmp"), "");
}

/// `scancel` leaves no scratch and no process; neither does a worker that was killed, once the next
/// one of the same user starts on that node.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn nothing_is_left_behind() {
    let nodes = slurm::nodes(1);
    let node = nodes.names()[0];
    // Slurm sets the variable anew for each task.
    let waiting = "#!/bin/bash
partita scheduler --port 0 &
srun env --unset=SLURM_TMPDIR partita worker &
partita wait --workers 1
echo ready
sleep infinity
";
    let job = nodes.sbatch(waiting, &[]);
    job.wait_output("ready\n", LONG);
    assert!(found(&nodes, "/tmp").contains("/tmp/partita-"));
    job.cancel();
    job.ends(&["CANCELLED"], LONG);
    assert_eq!(found(&nodes, "/tmp"), "");
    assert_eq!(nodes.processes(node, "partita"), []);

    let job = nodes.sbatch(waiting, &[]);
    job.wait_output("ready\n", LONG);
    let running = nodes.processes(node, "partita worker");
    let worker = running.iter().find(|run| !run.command.starts_with("srun")).expect("the worker");
    nodes.exec(node, &["kill", "-KILL", &worker.pid.to_string()]).ok();
    job.cancel();
    job.ends(&["CANCELLED"], LONG);
    let left = found(&nodes, "/tmp");
    assert!(left.contains("/tmp/partita-"), "the worker could not clean up: {left}");
    assert_eq!(nodes.processes(node, "partita"), []);
    nodes.sbatch(&script(1, "SLURM_TMPDIR= partita worker"), &[]).finish(LONG);
    assert_eq!(found(&nodes, "/tmp"), "");
}
