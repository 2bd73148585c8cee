//! Planning that takes long: it is listed, ends in time, with its client or when someone asks for it, and
//! delays nobody else.

use partita_shared::model::{JobRow, JobState};
use partita_tests::process::{Cluster, Place, SOON, wait_for};
use std::time::{Duration, Instant};

/// Calls, one within the other, of a query that takes long to plan: the types of all are found anew for each.
const CALLS: usize = 950;

fn slow() -> String {
    format!("select {}a{} from (values (1)) as t(a)", "abs(".repeat(CALLS), ")".repeat(CALLS))
}

/// A scheduler and a worker, with this time for planning.
fn cluster(timeout: &str) -> Cluster {
    let place = Place::new();
    let scheduler =
        place.start(["scheduler", "--host=127.0.0.1", "--port=0", "--planning-timeout", timeout]);
    let access = place.access();
    let mut cluster = Cluster { workers: Vec::new(), scheduler, access, place };
    cluster.add_worker(&[]);
    cluster.wait_workers(1);
    cluster
}

fn planned(cluster: &Cluster) -> Vec<JobRow> {
    let mut rows = cluster.jobs();
    rows.retain(|row| row.state == JobState::Planning);
    rows
}

/// A planning is listed with its text and can be cancelled; it ends with its client; others are answered
/// meanwhile; and its threads are free afterwards.
#[test]
fn planning_is_listed_and_cancelled() {
    let cluster = cluster("10m");
    let mut cancelled = cluster.start_sql(&slow());
    let row = wait_for("a planning", SOON, || planned(&cluster).pop());
    assert!(row.text.contains("abs(abs(") && row.started_ms.is_none(), "{row:?}");
    let mut killed = cluster.start_sql(&slow());
    wait_for("two plannings", SOON, || (planned(&cluster).len() == 2).then_some(()));
    let start = Instant::now();
    for _ in 0..5 {
        assert_eq!(cluster.sql("select 7 as x"), "7\n");
    }
    assert!(start.elapsed() < SOON, "others waited for {:?}", start.elapsed());
    cluster.place.run(["cancel", &row.id.to_string()]).ok();
    cancelled.finish(SOON).fails(1, &["cancelled", "requested by a user"]);
    killed.signal(libc::SIGKILL);
    killed.finish(SOON);
    wait_for("no planning", SOON, || planned(&cluster).is_empty().then_some(()));
    assert_eq!(cluster.sql("select 8 as x"), "8\n");
}

/// Planning that takes too long ends with an error that names the limit.
#[test]
fn planning_has_a_limit() {
    let cluster = cluster("1s");
    let start = Instant::now();
    let ran = cluster.start_sql(&slow()).finish(SOON);
    ran.fails(1, &["planning took longer than 1 s", "--planning-timeout"]);
    assert!(start.elapsed() < Duration::from_secs(20));
    assert_eq!(cluster.sql("select 9 as x"), "9\n");
}
