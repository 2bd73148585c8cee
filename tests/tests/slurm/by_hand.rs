//! Jobs as Dask's users write them: a scheduler in the background, workers in the background, then
//! the computation. The flags are those that they know.

use crate::workers_in;
use partita_shared::model::WorkerRow;
use partita_tests::process::{LONG, SOON, wait_for};
use partita_tests::slurm::job::Job;
use partita_tests::slurm::{self, Nodes, python};
use std::path::Path;

/// The pause of the scripts that guess when the other side is ready, in seconds.
const SLEEP_S: u32 = 10;
const MIB: u64 = 1 << 20;

/// The computation, as users have it: a frame of pandas, spread over the workers, and its mean.
fn script(nodes: &Nodes, name: &str) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../python/tests/scripts").join(name);
    let source = std::fs::read_to_string(source).expect("a script of the package's tests");
    nodes.write(name, &source);
    format!("{} {name}", python::of_tests(nodes))
}

/// The same without Python: the mean of 2,400 numbers.
fn mean() -> &'static str {
    "partita sql --output csv 'select avg(value) as a from generate_series(0, 2399)'"
}

/// How a script waits: it guesses, or it asks.
#[derive(Clone, Copy)]
enum Waiting {
    Guess,
    Ask,
}

impl Waiting {
    /// The lines after the scheduler's start and after the workers' start.
    fn lines(self, workers: u32) -> (String, String) {
        let sleep = format!("sleep {SLEEP_S}");
        match self {
            Waiting::Guess => (sleep.clone(), sleep),
            Waiting::Ask => (String::new(), format!("partita wait --workers {workers}")),
        }
    }
}

/// One node, six processes with one thread each.
fn single_node(waiting: Waiting, mean: &str) -> String {
    let (_, wait) = waiting.lines(6);
    format!(
        "#!/bin/bash
#SBATCH --account=def-someone
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=6
#SBATCH --mem=8000M
#SBATCH --time=0-00:05
#SBATCH --output=%N-%j.out

export PARTITA_SCHEDULER_ADDR=$(hostname)
export PARTITA_SCHEDULER_PORT=$((30000 + $RANDOM % 10000))

partita scheduler --host $PARTITA_SCHEDULER_ADDR --port $PARTITA_SCHEDULER_PORT &

partita worker \"tcp://$PARTITA_SCHEDULER_ADDR:$PARTITA_SCHEDULER_PORT\" --no-dashboard --nworkers=6 \\
--nthreads=1  --local-directory=$SLURM_TMPDIR &

{wait}

partita workers --output json >workers-$SLURM_JOB_ID.json
{mean}
"
    )
}

/// Two nodes, two processes with three threads each on both.
fn two_nodes(waiting: Waiting, mean: &str) -> String {
    let (after_scheduler, after_workers) = waiting.lines(4);
    format!(
        "#!/bin/bash
#SBATCH --nodes 2
#SBATCH --tasks-per-node=2
#SBATCH --mem=16000M
#SBATCH --cpus-per-task=3
#SBATCH --time=0-00:30
#SBATCH --output=%N-%j.out
#SBATCH --account=def-someone

export PARTITA_SCHEDULER_ADDR=$(hostname)
export PARTITA_SCHEDULER_PORT=34567

partita scheduler --host $PARTITA_SCHEDULER_ADDR --port $PARTITA_SCHEDULER_PORT &
{after_scheduler}

srun launch_workers.sh &
cluster_pid=$!
{after_workers}

partita workers --output json >workers-$SLURM_JOB_ID.json
{mean}

kill $cluster_pid # shut down the workers after the computation
"
    )
}

/// What each task of the second job runs.
const LAUNCH_WORKERS: &str = r#"#!/bin/bash

SCHEDULER_CONNECTION_STRING="tcp://$PARTITA_SCHEDULER_ADDR:$PARTITA_SCHEDULER_PORT"

if [[ "$SLURM_PROCID" -eq "0" ]]; then
        # The scheduler is beside this one.
        WORKER_MEM=0.4
        WORKER_THREADS=$(($SLURM_CPUS_PER_TASK-1))
else
        WORKER_MEM=0.5
        WORKER_THREADS=$SLURM_CPUS_PER_TASK
fi

partita worker "$SCHEDULER_CONNECTION_STRING" --no-dashboard --nworkers=1 \
--nthreads=$WORKER_THREADS --memory-limit=$WORKER_MEM --local-directory=$SLURM_TMPDIR

sleep 5
echo "worker started!"
"#;

/// The answer is there and right; nothing of the job is left on its nodes.
fn check_end(nodes: &Nodes, job: &Job<'_>) -> Vec<WorkerRow> {
    let output = job.finish(LONG);
    assert!(output.contains("The mean is 1199.5\n"), "{output}");
    for node in nodes.names() {
        wait_for("the job's end on its node", SOON, || job.left_in_scratch(node));
        let left = nodes.processes(node, "partita");
        assert!(left.is_empty(), "{left:?}");
        let scratch = nodes.exec(node, &["find", "/mnt", "/tmp", "-mindepth", "1"]).ok();
        assert_eq!(scratch, "", "{node}");
    }
    workers_in(nodes, job)
}

fn check_single_node(nodes: &Nodes, job: &Job<'_>) {
    let workers = check_end(nodes, job);
    assert_eq!(workers.len(), 6, "{workers:?}");
    let scratch = format!("/mnt/{}.{}.0/", nodes.user(), job.id);
    for worker in &workers {
        assert_eq!((worker.slots, worker.host.as_str()), (1, nodes.names()[0]));
        // Nine tenths of the job's memory, in equal parts.
        assert_eq!(worker.memory_limit_bytes, 8000 * MIB * 9 / 10 / 6);
        assert!(worker.local_directory.starts_with(&scratch), "{worker:?}");
        assert_eq!(worker.slurm_job.as_deref(), Some(job.id.to_string().as_str()));
    }
}

fn check_two_nodes(nodes: &Nodes, job: &Job<'_>) {
    let mut workers = check_end(nodes, job);
    workers.sort_by_key(|worker| (worker.host.clone(), worker.slots));
    let found: Vec<(&str, u32, u64)> = workers
        .iter()
        .map(|worker| (worker.host.as_str(), worker.slots, worker.memory_limit_bytes / MIB))
        .collect();
    // Shares of what the job may use on the node: task 0 has 40 %, the others 50 %.
    let (first, second) = (nodes.names()[0], nodes.names()[1]);
    assert_eq!(found, [(first, 2, 6400), (first, 3, 8000), (second, 3, 8000), (second, 3, 8000)]);
}

/// The job of one node, with the pause and without it.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn one_node() {
    let nodes = slurm::nodes(1);
    let script = script(&nodes, "one_node.py");
    for waiting in [Waiting::Ask, Waiting::Guess] {
        let job = nodes.sbatch(&single_node(waiting, &script), &[]);
        check_single_node(&nodes, &job);
    }
}

/// The job of two nodes, without the pauses and with them. Each leaves an access file, as its
/// scheduler is killed, and the next scheduler has the same address.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn several_nodes() {
    let nodes = slurm::nodes(2);
    nodes.write("launch_workers.sh", LAUNCH_WORKERS);
    let script = script(&nodes, "two_nodes.py");
    for waiting in [Waiting::Ask, Waiting::Guess, Waiting::Ask] {
        let job = nodes.sbatch(&two_nodes(waiting, &script), &[]);
        check_two_nodes(&nodes, &job);
    }
}

/// Two such jobs of one user on one node at the same time: each has its own workers and its own
/// answer.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn two_jobs_of_one_user_do_not_meet() {
    let nodes = slurm::nodes(1);
    let script = |last: u32| {
        let mean = mean().replace("2399", &last.to_string());
        format!(
            "#!/bin/bash
#SBATCH --ntasks=1 --cpus-per-task=3 --mem=2000M --output=job-%j.out
partita scheduler --port 0 &
partita worker --nworkers=3 &
partita wait --workers 3
touch ready-$SLURM_JOB_ID
until [ $(ls ready-* | wc -l) = 2 ]; do sleep 0.1; done
partita workers --output json >workers-$SLURM_JOB_ID.json
{mean}
touch done-$SLURM_JOB_ID
until [ $(ls done-* | wc -l) = 2 ]; do sleep 0.1; done
"
        )
    };
    let jobs = [nodes.sbatch(&script(2399), &[]), nodes.sbatch(&script(99), &[])];
    for (job, mean) in jobs.iter().zip(["1199.5\n", "49.5\n"]) {
        let output = job.finish(LONG);
        assert!(output.contains(mean), "{output}");
        let workers = workers_in(&nodes, job);
        assert_eq!(workers.len(), 3, "{workers:?}");
        let own = |worker: &WorkerRow| worker.slurm_job == Some(job.id.to_string());
        assert!(workers.iter().all(own), "{workers:?}");
    }
}
