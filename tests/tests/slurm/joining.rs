//! Workers of a second job, which join a cluster that runs and leave it again.

use partita_shared::model::{JobState, WorkerRow, WorkerState};
use partita_tests::process::{LONG, SOON, wait_for};
use partita_tests::slurm::job::Job;
use partita_tests::slurm::{self, Nodes};

/// The cluster: one node, whose worker works as long as the job does.
const CLUSTER: &str = "#!/bin/bash
#SBATCH --ntasks=1 --cpus-per-task=2 --mem=3000M
partita scheduler --port 0 --name steady &
exec partita worker
";

/// More workers for it, two of them, found by its access file.
const MORE: &str = "#!/bin/bash
#SBATCH --ntasks=2 --cpus-per-task=1 --mem=2000M
srun partita worker --scheduler-file ~/.partita/steady.json
";

/// One query after the other, each of tasks that take less than the seconds that Slurm grants at
/// the end, until the file `enough` is there.
const QUERIES: &str = "until [ -e enough ]; do partita sql --output=csv --progress=none \
    'select count(distinct md5(cast(value as varchar))) as n from generate_series(1, 200000)' \
    || exit 1; done";

/// Workers of another job join by the access file and take part; when their job is cancelled in the
/// middle of queries they leave in order, nothing is lost, and all answers are right.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn workers_of_another_job_join_and_leave() {
    let nodes = slurm::nodes(2);
    let cluster = nodes.sbatch(CLUSTER, &["-w", nodes.names()[0]]);
    nodes.wait_workers(1);
    let more = nodes.sbatch(MORE, &["-w", nodes.names()[1]]);
    nodes.wait_workers(3);
    let joined = rows_of(&nodes, &more);
    assert_eq!(joined.len(), 2, "{joined:?}");
    assert!(joined.iter().all(|row| row.host == nodes.names()[1]), "{joined:?}");

    let mut queries = nodes.start(&["bash", "-c", QUERIES]);
    wait_for("work on the workers that joined", LONG, || {
        rows_of(&nodes, &more).iter().all(|row| row.finished > 2).then_some(())
    });
    more.cancel();
    more.ends(&["CANCELLED"], LONG);
    let before = queries.output().len();
    wait_for("an answer after it", LONG, || (queries.output().len() > before).then_some(()));
    nodes.write("enough", "");
    let answers = queries.finish(LONG).ok();
    assert!(answers.lines().all(|line| matches!(line, "n" | "200000")), "{answers}");
    assert!(nodes.jobs().iter().all(|job| job.state == JobState::Done), "{:?}", nodes.jobs());

    let gone = rows_of(&nodes, &more);
    assert_eq!(gone.len(), 2, "{gone:?}");
    assert!(gone.iter().all(|row| row.state == WorkerState::Left), "{gone:?}");
    assert_eq!(nodes.status().map(|status| (status.workers, status.workers_lost)), Some((1, 0)));
    for node in nodes.names() {
        let running = nodes.processes(node, "partita worker");
        assert_eq!(running.len(), usize::from(*node == nodes.names()[0]), "{running:?}");
    }
    cluster.wait_running(SOON);
}

/// The workers of a Slurm job, those that are gone too.
fn rows_of(nodes: &Nodes, job: &Job<'_>) -> Vec<WorkerRow> {
    let text = nodes.partita(&["workers", "--output=json"]).ok();
    let mut rows: Vec<WorkerRow> = serde_json::from_str(&text).expect("the workers as JSON");
    rows.retain(|row| row.slurm_job.as_ref() == Some(&job.id.to_string()));
    rows
}
