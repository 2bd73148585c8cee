//! Slow and broken networks between the processes of a cluster.

use partita_shared::model::{JobState, WorkerState};
use partita_tests::process::data::{slow_join, slow_join_rows};
use partita_tests::process::slow::SlowProxy;
use partita_tests::process::{Cluster, LONG, SOON, rows, wait_for};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

/// How long the network holds back each piece.
const DELAY: Duration = Duration::from_millis(15);

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// A cluster of two workers that reach the scheduler through one slow proxy, and each other and are
/// reached by the scheduler through another each.
fn slow_cluster() -> (Cluster, SlowProxy, Vec<SlowProxy>) {
    let mut cluster = Cluster::start(0, &[]);
    let scheduler: SocketAddr = cluster.access.address.parse().expect("the scheduler's address");
    let control = SlowProxy::start(scheduler, DELAY);
    // The address is the proxy's, the token that of the access file.
    let file = cluster.place.path("home").join("default.json");
    let access = format!("--scheduler-file={}", file.display());
    let mut data = Vec::new();
    for _ in 0..2 {
        let port = free_port();
        let proxy = SlowProxy::start(SocketAddr::from(([127, 0, 0, 1], port)), DELAY);
        let flags = [
            control.address.to_string(),
            format!("--port={port}"),
            format!("--contact-address={}", proxy.address),
        ];
        let mut flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        flags.extend([access.as_str(), "--nthreads=2"]);
        cluster.add_worker(&flags);
        data.push(proxy);
    }
    cluster.wait_workers(2);
    (cluster, control, data)
}

/// A join whose every byte between workers is late gives the right answer, nobody is lost, and
/// nothing is done twice.
#[test]
fn a_slow_network_costs_time_alone() {
    let (cluster, control, data) = slow_cluster();
    assert_eq!(rows(&cluster.start_sql(&slow_join()).finish(LONG)), slow_join_rows());
    let job = cluster.last_job().expect("the job");
    assert_eq!((job.state, job.retries), (JobState::Done, 0), "{job:?}");
    assert_eq!(cluster.status().workers_lost, 0);
    assert!(control.bytes() > 0 && data.iter().all(|proxy| proxy.bytes() > 0), "all were used");
}

/// The network between the workers and the scheduler is cut in the middle of a query and mended: the
/// workers are lost at once, come back by themselves, and the answer is right.
#[test]
fn a_network_that_was_cut_is_mended() {
    let (cluster, control, _data) = slow_cluster();
    let mut sql = cluster.start_sql(&slow_join());
    cluster.wait_running(1);
    control.cut();
    wait_for("the loss", SOON, || {
        let workers = cluster.workers();
        workers.iter().all(|row| row.state == WorkerState::Lost).then_some(())
    });
    control.mend();
    cluster.wait_workers(2);
    assert_eq!(rows(&sql.finish(LONG)), slow_join_rows());
    assert_eq!(cluster.last_job().map(|job| job.state), Some(JobState::Done));
}
