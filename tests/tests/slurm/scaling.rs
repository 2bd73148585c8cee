//! Worker jobs for a running cluster: a given number, or as many as the load needs.

use partita_shared::model::WorkerState;
use partita_tests::process::{LONG, Process, SOON, wait_for};
use partita_tests::slurm::{self, Nodes};

/// A scheduler on the login host, as a person starts one.
fn scheduler(nodes: &Nodes) -> Process {
    let scheduler = nodes.start(&["partita", "scheduler", "--port=0"]);
    wait_for("the scheduler", SOON, || nodes.status());
    scheduler
}

/// The options of worker jobs: small ones, on this test's nodes.
fn options(nodes: &Nodes) -> String {
    let all = ["node1", "node2", "node3", "node4"];
    let others: Vec<&str> = all.into_iter().filter(|node| !nodes.names().contains(node)).collect();
    let exclude = match others.is_empty() {
        true => String::new(),
        false => format!("--exclude={}", others.join(",")),
    };
    format!("-- --ntasks=1 --cpus-per-task=2 --mem=1000M --time=10 {exclude}")
}

/// Tells `adapt` to end, inside the cluster's namespaces.
fn interrupt(nodes: &Nodes) {
    nodes.run(&["pkill", "-TERM", "-u", nodes.user(), "-f", "^partita slurm adapt"]).ok();
}

fn scale(nodes: &Nodes, jobs: &str) -> String {
    let line = format!("slurm scale {jobs} {}", options(nodes));
    nodes.partita(&line.split_whitespace().collect::<Vec<_>>()).ok()
}

/// `scale` submits missing jobs and cancels surplus ones; workers of cancelled jobs retire, and
/// only worker jobs of this cluster count.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn there_are_as_many_jobs_as_were_asked_for() {
    let nodes = slurm::nodes(1);
    let _scheduler = scheduler(&nodes);
    let said = scale(&nodes, "2");
    assert_eq!(said.matches("submitted job").count(), 2, "{said}");
    nodes.wait_workers(2);
    assert!(nodes.workers_up().iter().all(|worker| worker.slots == 2));
    let mean = "select avg(value) as a from generate_series(0, 2399)";
    assert_eq!(nodes.partita(&["sql", "--output=csv", mean]).ok(), "a\n1199.5\n");
    let again = scale(&nodes, "2");
    assert!(!again.contains("submitted") && again.matches("running on").count() == 2, "{again}");
    let said = scale(&nodes, "1");
    assert_eq!(said.matches("cancelled job").count(), 1, "{said}");
    nodes.wait_workers(1);
    let text = nodes.partita(&["workers", "--output=json"]).ok();
    let rows: Vec<partita_shared::model::WorkerRow> = serde_json::from_str(&text).expect("JSON");
    assert!(rows.iter().any(|row| row.state == WorkerState::Left), "{text}");
    scale(&nodes, "0");
    nodes.wait_workers(0);
}

/// `adapt` submits when tasks wait, never more than is allowed, says what there is and why jobs
/// wait, cancels jobs that have nothing to do, and leaves nothing behind when it is interrupted.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn jobs_follow_the_load() {
    let nodes = slurm::nodes(1);
    let _scheduler = scheduler(&nodes);
    let line = format!("slurm adapt --max 2 --idle 2s --interval 500ms {}", options(&nodes));
    let mut command = vec!["partita"];
    command.extend(line.split_whitespace());
    let mut adapt = nodes.start(&command);
    wait_for("it to look", SOON, || adapt.output().contains("0 running, 0 queued").then_some(()));
    // Planned without workers: four tasks a step, each a few seconds.
    let query = "select count(distinct md5(md5(cast(value as varchar)))) as n \
        from generate_series(1, 3000000)";
    let mut sql = nodes.start(&["partita", "sql", "--output=csv", query]);
    nodes.wait_workers(1);
    assert_eq!(sql.finish(LONG).ok(), "n\n3000000\n");
    nodes.wait_workers(0);
    let said = adapt.output();
    assert!((1..=2).contains(&said.matches("submitted job").count()), "{said}");
    assert!(said.contains("its workers were idle"), "{said}");
    // Interrupted while a job of its runs.
    let mut sql = nodes.start(&["partita", "sql", "--output=csv", query]);
    nodes.wait_workers(1);
    interrupt(&nodes);
    let said = adapt.finish(SOON).ok();
    assert!(said.contains("cancelling the worker jobs"), "{said}");
    nodes.wait_workers(0);
    nodes.run(&["pkill", "-TERM", "-u", nodes.user(), "-f", "^partita sql"]).ok();
    sql.finish(SOON);
}

/// A worker job that has the only copy of a table is not cancelled for having nothing to do, until nobody wants the
/// table any more.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn adapt_keeps_the_last_holder() {
    let nodes = slurm::nodes(1);
    let _scheduler = scheduler(&nodes);
    let line = format!("slurm adapt --max 1 --idle 1s --interval 500ms {}", options(&nodes));
    let mut command = vec!["partita"];
    command.extend(line.split_whitespace());
    let mut adapt = nodes.start(&command);
    let create = "create table t as select value as v from generate_series(1, 1000) as g(value)";
    nodes.partita(&["sql", create]).ok();
    wait_for("the job to be kept", LONG, || {
        adapt.output().contains("it has the last workers").then_some(())
    });
    let count = ["sql", "--output=csv", "select count(*) as n from t"];
    assert_eq!(nodes.partita(&count).ok(), "n\n1000\n");
    assert!(!adapt.output().contains("cancelled job"), "{}", adapt.output());
    nodes.partita(&["sql", "drop table t"]).ok();
    nodes.wait_workers(0);
    interrupt(&nodes);
    adapt.finish(SOON).ok();
}

/// `scale` has workers migrate what they hold before it cancels their jobs, and keeps the last of them.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn scale_migrates_first() {
    let nodes = slurm::nodes(1);
    let _scheduler = scheduler(&nodes);
    scale(&nodes, "2");
    nodes.wait_workers(2);
    let create = "create table t as select value as v, count(*) as n \
        from generate_series(1, 1000) as g(value) group by value";
    nodes.partita(&["sql", create]).ok();
    let sum = || nodes.partita(&["sql", "--output=csv", "select sum(n) as n from t"]).ok();
    let tables = || nodes.partita(&["tables", "--output=json"]).ok();
    scale(&nodes, "1");
    nodes.wait_workers(1);
    assert!(tables().contains("\"lost\": 0"), "{}", tables());
    let said = scale(&nodes, "0");
    assert!(said.contains("kept job") && said.contains("still needed"), "{said}");
    assert_eq!(sum(), "n\n1000\n");
    nodes.partita(&["sql", "drop table t"]).ok();
    let said = scale(&nodes, "0");
    assert!(said.contains("cancelled job"), "{said}");
    nodes.wait_workers(0);
}

/// What Slurm refuses is said, with Slurm's reason, and is tried again later; the cluster goes on.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn what_slurm_refuses_is_said() {
    let nodes = slurm::nodes(1);
    let _scheduler = scheduler(&nodes);
    let refused = nodes.partita(&["slurm", "scale", "1", "--", "--partition=nowhere"]);
    refused.fails(1, &["sbatch", "invalid partition"]);
    let command = ["partita", "slurm", "adapt", "--min=1", "--max=1", "--interval=500ms", "--"];
    let mut adapt = nodes.start(&[&command[..], &["--partition=nowhere"]].concat());
    wait_for("the refusal", SOON, || {
        let log = adapt.log();
        (log.contains("invalid partition") && log.contains("retrying in")).then_some(())
    });
    wait_for("the pause", SOON, || adapt.output().contains("because jobs failed").then_some(()));
    assert_eq!(adapt.log().matches("invalid partition").count(), 1, "{}", adapt.log());
    interrupt(&nodes);
    adapt.finish(SOON).ok();
}
