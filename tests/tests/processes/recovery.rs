//! Workers and schedulers that die, fall silent, leave and come back, in the middle of a query.

use partita_shared::model::{JobRow, JobState, WorkerRow, WorkerState};
use partita_tests::process::data::{
    NUMBERS_ROWS, WIDE_ROWS, one_long_task, slow_group_by, slow_group_by_rows, slow_join,
    slow_join_rows, wide,
};
use partita_tests::process::{Cluster, LONG, Place, SOON, raw, rows, signal, wait_for};
use std::time::{Duration, Instant};

/// The workers' pids, those that run tasks of the one job first.
fn busy(cluster: &Cluster) -> Vec<WorkerRow> {
    let mut workers = cluster.workers_up();
    workers.sort_by_key(|row| std::cmp::Reverse(row.assigned));
    workers
}

fn kill(cluster: &mut Cluster, pid: u32) {
    let worker = cluster.workers.iter().find(|worker| worker.pid() == pid).expect("that worker");
    worker.signal(libc::SIGKILL);
}

/// The one job has ended well, and something of it was done again.
fn check_recovered(cluster: &Cluster, lost: u32) -> JobRow {
    let jobs = cluster.jobs();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    assert_eq!(jobs[0].state, JobState::Done);
    assert!(jobs[0].retries > 0, "{:?}", jobs[0]);
    assert_eq!(cluster.status().workers_lost, lost);
    jobs[0].clone()
}

/// One of two workers is killed in the middle of a group-by: its loss is seen at once, the answer
/// is right, and no more is done again than what the worker had.
#[test]
fn one_of_two_workers_is_killed() {
    let mut cluster = Cluster::start(2, &["--nthreads=2"]);
    let mut sql = cluster.start_sql(&slow_group_by());
    cluster.wait_running(4);
    let victim = busy(&cluster)[0].clone();
    kill(&mut cluster, victim.pid);
    let lost = wait_for("the loss", SOON, || {
        Some(cluster.worker(victim.pid)).filter(|row| row.state == WorkerState::Lost)
    });
    // Seen by the end of its connection, not by its silence.
    assert!(lost.cause.starts_with("its connection"), "{lost:?}");
    assert_eq!(rows(&sql.finish(LONG)), slow_group_by_rows());
    let job = check_recovered(&cluster, 1);
    assert!(job.retries <= 4, "{job:?}");
}

/// Two of three workers are killed, one after the other: the last one does it all.
#[test]
fn two_of_three_workers_are_killed() {
    let mut cluster = Cluster::start(3, &[]);
    let mut sql = cluster.start_sql(&slow_join());
    for _ in 0..2 {
        let victim = wait_for("a worker that works", SOON, || {
            busy(&cluster).into_iter().find(|row| row.metrics.running > 0)
        });
        assert!(cluster.last_job().is_some_and(|job| job.state == JobState::Running));
        kill(&mut cluster, victim.pid);
        wait_for("its loss", SOON, || {
            (cluster.worker(victim.pid).state == WorkerState::Lost).then_some(())
        });
    }
    assert_eq!(rows(&sql.finish(LONG)), slow_join_rows());
    check_recovered(&cluster, 2);
}

/// A worker is killed that holds finished shuffle output while others read it: the output is
/// recomputed.
#[test]
fn a_holder_of_shuffle_output_is_killed() {
    let mut cluster = Cluster::start(2, &["--nthreads=2"]);
    let mut sql = cluster.start_sql(&slow_join());
    let holder = wait_for("finished shuffle output that is being read", SOON, || {
        let job = cluster.last_job()?;
        let stages = cluster.stages(&job);
        let join = stages.iter().find(|stage| stage.inputs.len() == 2)?;
        let reading = join.inputs.iter().all(|input| {
            let input = &stages[*input as usize];
            input.tasks.done == input.tasks.total()
        });
        let works = reading && join.tasks.running > 0;
        works.then(|| busy(&cluster).into_iter().find(|row| row.metrics.partitions > 0)).flatten()
    });
    kill(&mut cluster, holder.pid);
    assert_eq!(rows(&sql.finish(LONG)), slow_join_rows());
    let job = check_recovered(&cluster, 1);
    assert!(job.retries > 1, "{job:?}");
}

/// A worker that stops answering is lost by its silence and its job ends well without it. When it goes
/// on it comes back under a new name, holds nothing of the past, and works.
#[test]
fn a_silent_worker_is_lost_and_comes_back() {
    let cluster = Cluster::start(2, &[]);
    let mut sql = cluster.start_sql(&slow_join());
    cluster.wait_running(2);
    let silent = busy(&cluster)[0].clone();
    signal(silent.pid, libc::SIGSTOP);
    let lost = wait_for("the loss", SOON, || {
        Some(cluster.worker(silent.pid)).filter(|row| row.state == WorkerState::Lost)
    });
    assert_eq!(lost.cause, "no heartbeat for 10 s");
    assert_eq!(rows(&sql.finish(LONG)), slow_join_rows());
    check_recovered(&cluster, 1);
    signal(silent.pid, libc::SIGCONT);
    let back = wait_for("its return", SOON, || {
        Some(cluster.worker(silent.pid)).filter(|row| row.state == WorkerState::Up)
    });
    assert!(back.id > silent.id);
    cluster.wait_idle(SOON);
    assert_eq!(cluster.status().workers, 2);
    let query = "select count(*) from generate_series(1, 1000) as a(x) \
                 join generate_series(1, 1000) as b(y) on x = y";
    assert_eq!(cluster.sql(query), "1000\n");
}

/// A worker that is told to end (SIGTERM) finishes what it has, gives what it holds to those who
/// need it, and leaves with 0. Its job goes on and loses nothing.
#[test]
fn a_worker_drains() {
    let mut cluster = Cluster::start(2, &[]);
    // A quarter of the rows: the tasks must end within the time that a worker has to leave, on a busy
    // machine too.
    let mut sql = cluster.start_sql(&format!("{} where a.k % 4 = 0", slow_join()));
    wait_for("partitions", SOON, || {
        cluster.workers_up().iter().all(|row| row.metrics.partitions > 0).then_some(())
    });
    let leaver = cluster.workers[0].pid();
    cluster.workers[0].signal(libc::SIGTERM);
    wait_for("it to be leaving", SOON, || {
        (cluster.worker(leaver).state != WorkerState::Up).then_some(())
    });
    let n = NUMBERS_ROWS / 4;
    assert_eq!(rows(&sql.finish(LONG)), format!("{n},{},{}\n", 4 * (n * (n - 1) / 2), n * 32));
    assert_eq!(cluster.jobs()[0].retries, 0);
    let ran = cluster.workers[0].finish(SOON);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let row = wait_for("it to have left", SOON, || {
        Some(cluster.worker(leaver)).filter(|row| row.state != WorkerState::Leaving)
    });
    assert_eq!(row.state, WorkerState::Left, "{row:?}");
    assert_eq!(cluster.status().workers_lost, 0);
    let scratch = std::fs::read_dir(cluster.place.path("scratch")).expect("the scratch folder");
    assert_eq!(scratch.count(), 1, "the folder of the other worker alone");
}

/// Partitions that a retiring worker holds and its client has not read migrate to another worker:
/// it is gone long before the client continues, and nothing is recomputed.
#[test]
fn a_leaving_worker_migrates_what_a_slow_client_wants() {
    let mut cluster = Cluster::start(2, &[]);
    let quarter = WIDE_ROWS.div_ceil(4);
    let query = format!("select s from '{}' where k % 4 = 0", wide().display());
    let mut sql = cluster.start_sql(&query);
    let job = wait_for("the job", SOON, || {
        cluster.last_job().filter(|job| job.state != JobState::Planning)
    });
    signal(sql.pid(), libc::SIGSTOP);
    let tasks = format!("/api/v2/jobs/{}/tasks?stage=0", job.id.0);
    // The first partition is being read. The others wait for their turn where they were made.
    let reading = wait_for("partitions that wait", LONG, || {
        let (_, text) = raw::get(&cluster.access, &tasks);
        let page: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let rows = page["tasks"].as_array().expect("tasks").clone();
        let count = |state| rows.iter().filter(|row| row["state"] == state).count();
        let holders: Vec<_> = rows.iter().filter_map(|row| row["worker"].as_u64()).collect();
        let both = holders.iter().any(|holder| *holder != holders[0]);
        (count("running") == 0 && count("done") > 1 && both).then(|| holders[0])
    });
    let workers = cluster.workers_up();
    let stays = workers.iter().find(|row| u64::from(row.id.0) == reading).expect("the reader's");
    let leaver = workers.iter().find(|row| row.pid != stays.pid).expect("another").pid;
    let leaver = cluster.workers.iter_mut().find(|worker| worker.pid() == leaver).expect("it");
    leaver.signal(libc::SIGTERM);
    assert_eq!(leaver.finish(SOON).code, 0);
    wait_for("its partitions elsewhere", SOON, || {
        (cluster.worker(stays.pid).metrics.fetched_bytes > quarter * 32 / 20).then_some(())
    });
    signal(sql.pid(), libc::SIGCONT);
    let text = rows(&sql.finish(LONG));
    assert_eq!(text.lines().count() as u64, quarter);
    let job = cluster.last_job().expect("the job");
    assert_eq!((job.state, job.retries), (JobState::Done, 0), "{job:?}");
}

/// A killed scheduler: its client says so and fails, and its workers end by themselves when their
/// death timeout is over, with an error that names it.
#[test]
fn the_scheduler_is_killed() {
    let mut cluster = Cluster::start(2, &["--death-timeout=3s"]);
    let mut sql = cluster.start_sql(&slow_join());
    cluster.wait_running(2);
    cluster.scheduler.signal(libc::SIGKILL);
    let killed = Instant::now();
    let ran = sql.finish(SOON);
    ran.fails(1, &["lost the scheduler at", &cluster.access.address, "run them again"]);
    for worker in &mut cluster.workers {
        let ran = worker.finish(SOON);
        ran.fails(69, &["no scheduler responded within 3 s", "--death-timeout"]);
    }
    assert!(killed.elapsed() > Duration::from_secs(2), "{:?}", killed.elapsed());
    let scratch = std::fs::read_dir(cluster.place.path("scratch")).expect("the scratch folder");
    assert_eq!(scratch.count(), 0);
    let address = cluster.access.address.clone();
    let file = cluster.place.path("home").join("default.json").display().to_string();
    let status = cluster.place.run(["status", "--scheduler-file", &file]);
    status.fails(1, &[&address, "cannot reach"]);
}

/// A worker that starts first waits for its scheduler; when that is killed and another takes its
/// name, on another port, the worker joins the other and works for it. Both have the same key and token.
#[test]
fn a_worker_outlives_schedulers() {
    let place = Place::new();
    let mut worker = place.start_worker(&["--death-timeout=30s"]);
    let query = "select sum(value) from generate_series(1, 10) as t(value)";
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let mut scheduler = place.start(["scheduler", "--host=127.0.0.1", "--port=0"]);
        wait_for("its access file", SOON, || (place.access().pid == scheduler.pid()).then_some(()));
        tokens.push(place.access().token);
        place.run(["wait", "--workers=1", "--timeout=25s"]).ok();
        assert_eq!(rows(&place.run(["sql", "--output=csv", query])), "55\n");
        scheduler.signal(libc::SIGKILL);
        scheduler.finish(SOON);
    }
    assert_eq!(tokens[0], tokens[1]);
    assert!(worker.is_running());
}

/// A task whose worker dies under it three times is not tried a fourth time: its job fails and
/// says how each of them died. The workers after it work.
#[test]
fn a_task_that_kills_its_workers_is_given_up() {
    let mut cluster = Cluster::start(0, &[]);
    cluster.add_worker(&["--nworkers=2", "--name=pair"]);
    cluster.wait_workers(2);
    let mut sql = cluster.start_sql(&one_long_task());
    let mut killed: Vec<u32> = Vec::new();
    for _ in 0..3 {
        let pid = wait_for("the task on a worker", LONG, || {
            let job = cluster.last_job()?;
            let stages = cluster.stages(&job);
            let running = stages.get(1).is_some_and(|stage| stage.tasks.running == 1);
            let alone = stages.first().is_some_and(|stage| stage.tasks.running == 0);
            let mut workers = cluster.workers_up().into_iter();
            let worker = workers.find(|row| row.assigned > 0 && !killed.contains(&row.pid))?;
            (running && alone).then_some(worker.pid)
        });
        signal(pid, libc::SIGKILL);
        killed.push(pid);
    }
    let ran = sql.finish(SOON);
    let error = ran.fails(1, &["was running on 3 workers when they died", "not retried"]);
    assert_eq!(error.matches("pair-").count(), 3, "{error}");
    assert!(error.matches("SIGKILL").count() >= 2, "{error}");
    let job = cluster.last_job().expect("the job");
    assert_eq!(job.state, JobState::Failed);
    cluster.wait_workers(2);
    assert_eq!(cluster.sql("select count(*) from generate_series(1, 1000)"), "1000\n");
}
