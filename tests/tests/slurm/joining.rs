//! Workers of a second job, which join a cluster that runs and leave it again.

use partita_shared::model::WorkerState;
use partita_tests::process::data::{numbers, slow_join, slow_join_rows};
use partita_tests::process::{LONG, SOON, wait_for};
use partita_tests::slurm;

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

/// Workers of another job join by the access file and take part; when their job is cancelled in the
/// middle of a query they leave in order, nothing is lost, and the answer is right.
#[test]
fn workers_of_another_job_join_and_leave() {
    let Some(nodes) = slurm::nodes(2) else { return };
    let outside = numbers();
    let inside = nodes.share(&outside);
    let query = slow_join().replace(&outside.display().to_string(), &inside);
    let cluster = nodes.sbatch(CLUSTER, &["-w", nodes.names()[0]]);
    nodes.wait_workers(1);
    let more = nodes.sbatch(MORE, &["-w", nodes.names()[1]]);
    nodes.wait_workers(3);
    let of_more = more.id.to_string();
    let joined: Vec<_> = nodes
        .workers_up()
        .into_iter()
        .filter(|row| row.slurm_job.as_ref() == Some(&of_more))
        .collect();
    assert_eq!(joined.len(), 2, "{joined:?}");
    assert!(joined.iter().all(|row| row.host == nodes.names()[1]), "{joined:?}");

    let mut sql = nodes.start(&["partita", "sql", "--output=csv", &query]);
    wait_for("work on the workers that joined", LONG, || {
        let rows = nodes.workers_up();
        let mut theirs = rows.iter().filter(|row| row.slurm_job.as_ref() == Some(&of_more));
        theirs.all(|row| row.metrics.running > 0).then_some(())
    });
    more.cancel();
    more.ends(&["CANCELLED"], LONG);
    let ran = sql.finish(LONG);
    assert!(ran.ok().ends_with(&slow_join_rows()), "{ran:?}");
    let rows = wait_for("those that left", SOON, || {
        let text = nodes.partita(&["workers", "--output=json"]).ok();
        let rows: Vec<partita_shared::model::WorkerRow> =
            serde_json::from_str(&text).expect("the workers as JSON");
        let theirs = rows.iter().filter(|row| row.slurm_job.as_ref() == Some(&of_more));
        theirs.clone().all(|row| row.state != WorkerState::Leaving).then_some(rows.clone())
    });
    let states: Vec<_> = rows.iter().map(|row| (row.state, row.cause.clone())).collect();
    let left = states.iter().filter(|(state, _)| *state == WorkerState::Left).count();
    assert_eq!(left, 2, "{states:?}");
    assert_eq!(nodes.status().map(|status| (status.workers, status.workers_lost)), Some((1, 0)));
    for node in nodes.names() {
        let running = nodes.processes(node, "partita worker");
        assert_eq!(running.len(), usize::from(*node == nodes.names()[0]), "{running:?}");
    }
    cluster.wait_running(SOON);
}
