//! What fails under a job: memory that is not enough, a node that crashes, a link that is cut.

use partita_shared::model::{JobState, WorkerRow, WorkerState};
use partita_tests::process::data::{numbers, slow_join, slow_join_rows};
use partita_tests::process::{LONG, SOON, wait_for};
use partita_tests::slurm::{self, Nodes};
use std::time::{Duration, Instant};

/// How long a cut is that is shorter than the silence after which a worker is lost (10 s).
const SHORT_CUT: Duration = Duration::from_secs(4);

/// A query over files that all nodes see, which works for some seconds.
fn query(nodes: &Nodes) -> String {
    let outside = numbers();
    let inside = nodes.share(&outside);
    slow_join().replace(&outside.display().to_string(), &inside)
}

/// A job that is a cluster on the network of that name, without workers.
fn scheduler(network: &str) -> String {
    format!("#!/bin/bash\nexec partita scheduler --port 0 --interface {network}\n")
}

/// A job that is one worker of the only cluster in the home.
fn worker(network: &str) -> String {
    format!(
        "#!/bin/bash
export PARTITA_SCHEDULER_FILE=$(ls ~/.partita/slurm-*.json)
srun partita worker --interface {network}
"
    )
}

/// Starts a cluster of a job with the scheduler on the first node, and of one job with a worker of
/// two slots on each of the others.
fn start(nodes: &Nodes, network: &str) {
    let first = nodes.sbatch(&scheduler(network), &["-w", nodes.names()[0]]);
    wait_for("the access file", LONG, || nodes.status());
    for node in &nodes.names()[1..] {
        nodes.sbatch(&worker(network), &["-w", node, "--cpus-per-task=2", "--mem=4000M"]);
    }
    nodes.wait_workers(u32::try_from(nodes.names().len() - 1).expect("few"));
    first.wait_running(SOON);
}

/// Waits until the latest job of the cluster runs on this many slots.
fn wait_running(nodes: &Nodes, tasks: u64) {
    wait_for("a query that runs", LONG, || {
        let job = nodes.jobs().pop()?;
        assert!(!job.state.is_final(), "it ended before it was seen running: {job:?}");
        (job.state == JobState::Running && job.tasks.running >= tasks).then_some(())
    });
}

/// A job whose worker needs more memory than it has is killed by Slurm, over and over: the query
/// fails and says why, and so does Slurm.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn a_worker_killed_for_memory_is_told() {
    let nodes = slurm::nodes(1);
    let script = "#!/bin/bash
#SBATCH --ntasks=1 --cpus-per-task=2 --mem=700M
# More than there is, so that it does not spill.
RUN partita run --memory-limit 8GiB -- partita sql --progress none \
    \"select length(string_agg(repeat('x', 1000000), '')) as n from generate_series(1, 1500)\"
";
    // Slurm names what became of the job's own script, or of the step.
    for (run, state, said) in
        [("", "OUT_OF_MEMORY", "oom-kill"), ("srun", "FAILED", "task 0: Out Of Memory")]
    {
        let job = nodes.sbatch(&script.replace("RUN", run), &[]);
        let output = job.ends(&[state], LONG);
        for words in ["on 3 workers when they died", "not retried", said] {
            assert!(output.contains(words), "`{words}` is not in: {output}");
        }
        let error = output.lines().find(|line| line.starts_with("error: task ")).expect("an error");
        let cause =
            "out of memory (killed by the kernel because of its cgroup memory limit, SIGKILL)";
        // The query may fail before the supervisor has told of the last death.
        assert!(error.matches(cause).count() >= 2, "{error}");
    }
}

/// A node crashes in the middle of a query: the answer comes from the others, and is right.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn a_node_crashes() {
    let nodes = slurm::nodes(3);
    let query = query(&nodes);
    start(&nodes, "eth0");
    let mut sql = nodes.start(&["partita", "sql", "--output=csv", &query]);
    wait_running(&nodes, 4);
    nodes.crash(nodes.names()[2]);
    let ran = sql.finish(LONG);
    assert!(ran.ok().ends_with(&slow_join_rows()), "{ran:?}");
    let job = nodes.jobs().pop().expect("the query");
    assert!(job.retries > 0, "{job:?}");
    let text = nodes.partita(&["workers", "--output=json"]).ok();
    assert_eq!(slurm::nodes::workers_up_in(&text).len(), 1, "{text}");
}

/// A link is cut for a moment in the middle of a query and mended: nothing is lost, and the answer
/// is right.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn a_link_is_cut_for_a_moment() {
    let nodes = slurm::nodes(3);
    let query = query(&nodes);
    start(&nodes, "eth0");
    let mut sql = nodes.start(&["partita", "sql", "--output=csv", &query]);
    wait_running(&nodes, 4);
    let node = nodes.names()[1];
    nodes.cut(node);
    let cut = Instant::now();
    // The length of the cut is what is tested.
    std::thread::sleep(SHORT_CUT);
    assert!(cut.elapsed() < 2 * SHORT_CUT, "{:?}", cut.elapsed());
    nodes.heal(node);
    let ran = sql.finish(LONG);
    assert!(ran.ok().ends_with(&slow_join_rows()), "{ran:?}");
    let status = nodes.status().expect("the cluster");
    assert_eq!((status.workers, status.workers_lost), (2, 0));
}

/// The network that the cluster is on is cut from a node until its worker is lost: the answer comes
/// from the other worker and is right, and the lost one comes back when the link does.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn a_link_is_cut_for_long() {
    let nodes = slurm::nodes(3);
    let query = query(&nodes);
    start(&nodes, "ib0");
    let rows = nodes.workers_up();
    assert!(rows.iter().all(|row| row.address.starts_with("198.18.78.")), "{rows:?}");
    let mut sql = nodes.start(&["partita", "sql", "--output=csv", &query]);
    wait_running(&nodes, 4);
    let node = nodes.names()[1];
    // Slurm uses the other link, and sees nothing of it.
    nodes.cut_link(node, "ib");
    let lost = wait_for("the loss", SOON, || {
        let text = nodes.partita(&["workers", "--output=json"]).ok();
        let rows: Vec<WorkerRow> = serde_json::from_str(&text).expect("the workers as JSON");
        rows.into_iter().find(|row| row.state == WorkerState::Lost)
    });
    assert_eq!(lost.host, node, "{lost:?}");
    let ran = sql.finish(LONG);
    assert!(ran.ok().ends_with(&slow_join_rows()), "{ran:?}");
    nodes.heal(node);
    nodes.wait_workers(2);
    let answer =
        nodes.partita(&["sql", "--output=csv", "select count(*) from generate_series(1, 9)"]);
    assert!(answer.ok().ends_with("\n9\n"), "{answer:?}");
}
