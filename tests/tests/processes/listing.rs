//! Commands that ask one question.

use partita_shared::access::Access;
use partita_shared::model::{JobState, TableRow, WorkerState};
use partita_tests::process::{Cluster, Place, SOON, wait_for};
use std::path::PathBuf;
use std::process::Command;

/// Each listing shows what happened, as a table and as JSON; a job's error is with it.
#[test]
fn listings_show_the_cluster() {
    let cluster = Cluster::start(2, &["--nthreads=2"]);
    cluster.sql("select sum(value) from generate_series(1, 10) as t(value)");
    cluster.place.write("bad.csv", "a\n1\n2\nx\n");
    let fails = "select cast(a as bigint) as a from 'bad.csv'";
    cluster.place.run(["sql", fails]).fails(1, &[]);
    let status = cluster.status();
    assert_eq!((status.workers, status.slots, status.workers_lost), (2, 4, 0));
    assert_eq!((status.name.as_str(), &status.address), ("default", &cluster.access.address));
    assert!(status.memory_limit_bytes == 1 << 30 && status.tasks_finished > 0, "{status:?}");
    let workers = cluster.workers();
    assert_eq!(workers.len(), 2);
    assert!(workers.iter().all(|row| row.state == WorkerState::Up && row.slots == 2));
    let jobs = cluster.jobs();
    assert_eq!(
        jobs.iter().map(|job| job.state).collect::<Vec<_>>(),
        [JobState::Done, JobState::Failed]
    );
    assert!(!jobs[1].error.is_empty() && jobs[0].delivered_rows == 1, "{jobs:?}");
    let show = |command: &str| cluster.place.run([command]).ok();
    assert!(show("status").contains("2, 4 slots"), "{}", show("status"));
    assert!(show("workers").contains(&workers[0].id.to_string()), "{}", show("workers"));
    let text = show("jobs");
    assert!(text.contains("failed") && text.contains(&jobs[1].error), "{text}");
}

/// `partita wait` waits for workers that come later, and says how many there were if they do not.
#[test]
fn waiting_has_an_end() {
    let mut cluster = Cluster::start(0, &[]);
    let mut waiting = cluster.place.start(["wait", "--workers=1", "--timeout=25s"]);
    cluster.add_worker(&[]);
    assert!(waiting.finish(SOON).ok().contains("1 worker is connected"));
    let late = cluster.place.run(["wait", "--workers=2", "--timeout=300ms"]);
    late.fails(1, &["1 of 2 workers", "--timeout"]);
    let nowhere = Place::new().run(["wait", "--workers=1", "--timeout=300ms"]);
    nowhere.fails(1, &["no cluster found", "--timeout"]);
}

/// `partita shutdown` ends workers and scheduler with 0 and removes the access file.
#[test]
fn a_shutdown_ends_all() {
    let mut cluster = Cluster::start(2, &[]);
    cluster.place.run(["shutdown"]).ok();
    assert_eq!(cluster.scheduler.finish(SOON).code, 0);
    for worker in &mut cluster.workers {
        let ran = worker.finish(SOON);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    assert!(!cluster.place.path("home").join("default.json").exists());
    cluster.place.run(["status"]).fails(1, &["no cluster found"]);
}

/// The dashboard's link has the port and the page's token, and the tunnel leads to the same port.
#[test]
fn the_dashboard_is_shown() {
    let cluster = Cluster::start(0, &[]);
    let text = cluster.place.run(["dashboard"]).ok();
    let port = cluster.access.address.rsplit(':').next().expect("a port");
    assert!(
        text.contains(&format!("http://localhost:{port}/#token={}", cluster.access.page_token()))
    );
    assert!(!text.contains(&cluster.access.token), "the cluster's token is not for pages");
    assert!(text.contains(&format!("ssh -N -L {port}:localhost:{port} ")), "{text}");
}

/// Every shell gets a script, and bash can read its own.
#[test]
fn completions_are_printed() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(place.run(["completions", shell]).ok().contains("scheduler"), "{shell}");
    }
    let file = place.write("completions", place.run(["completions", "bash"]).ok());
    let read = Command::new("bash").arg("-n").arg(file).status();
    assert!(read.is_ok_and(|status| status.success()));
}

/// A job is named as it is listed, and one that is not there or has ended is told from others.
#[test]
fn only_a_live_job_can_be_cancelled() {
    let cluster = Cluster::start(1, &[]);
    cluster.sql("select 1");
    let job = wait_for("a job", SOON, || cluster.last_job());
    let name = job.id.to_string();
    cluster.place.run(["cancel", &name]).fails(1, &[&name, "already ended: done"]);
    cluster.place.run(["cancel", "job-99"]).fails(1, &["job-99 does not exist"]);
    cluster.place.run(["cancel", "worker-1"]).fails(2, &["worker-1"]);
}

/// The access file of a cluster that cannot be reached, and whose owner is on a host that nobody here knows.
fn stale_file(place: &Place, name: &str, address: &str) -> PathBuf {
    let token = format!("other-token.{}", "ab".repeat(32));
    let mut access = Access::to_this_process(name.to_string(), address.to_string(), token);
    access.host = "node-that-died".to_string();
    let path = place.path("home").join(format!("{name}.json"));
    access.write(&path).expect("an access file");
    path
}

/// A port of this host on which nobody listens.
fn closed_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").to_string()
}

/// What a scheduler leaves that was killed is dropped, named and removed, and the next command finds nothing of it. A
/// query says that it runs inside its own process; where the cluster was named, it fails at once.
#[test]
fn what_a_killed_scheduler_left_is_removed() {
    let mut cluster = Cluster::start(0, &[]);
    let file = cluster.place.path("home").join("default.json");
    cluster.scheduler.signal(libc::SIGKILL);
    cluster.scheduler.finish(SOON);
    let named = cluster.place.run(["sql", "--cluster=default", "select 1"]);
    named.fails(1, &[&cluster.access.address, "cannot reach", "has ended"]);
    assert!(file.exists());
    let ran = cluster.place.run(["sql", "--output=csv", "select 1 as one"]);
    assert_eq!(ran.ok(), "one\n1\n");
    for words in ["`default`", "has ended", "access file was removed", "inside this process"] {
        assert!(ran.stderr.contains(words), "`{words}` is not in: {}", ran.stderr);
    }
    assert!(!file.exists());
    let again = cluster.place.run(["sql", "--output=csv", "select 1 as one"]);
    assert_eq!((again.ok().as_str(), again.stderr.as_str()), ("one\n1\n", ""));
    cluster.place.run(["status"]).fails(1, &["no cluster found"]);
}

/// Clusters of other hosts that do not answer, or whose port another one has now, are passed over and named; their
/// files stay, since nobody here knows whether they have ended.
#[test]
fn clusters_that_do_not_answer_are_passed_over() {
    let cluster = Cluster::start(1, &[]);
    let place = &cluster.place;
    let closed = stale_file(place, "closed", &closed_port());
    let taken = stale_file(place, "taken", &cluster.access.address);
    for args in [&["status"][..], &["workers"], &["sql", "select 1"]] {
        let ran = place.run(args);
        ran.ok();
        for words in ["`closed`", "refused", "`taken`", "another certificate", "node-that-died"] {
            assert!(ran.stderr.contains(words), "`{words}` is not in: {}", ran.stderr);
        }
        assert!(closed.exists() && taken.exists());
    }
    assert_eq!(cluster.jobs().len(), 1);
    place.run(["status", "--cluster=closed"]).fails(1, &["cannot reach"]);
    place.run(["status", "--cluster=taken"]).fails(1, &["cannot reach", "another process"]);
}

/// Without a name, `partita status` shows all clusters that answer.
#[test]
fn the_status_shows_all_clusters() {
    let cluster = Cluster::start(0, &[]);
    let _second =
        cluster.place.start(["scheduler", "--host=127.0.0.1", "--port=0", "--name=other"]);
    let file = cluster.place.path("home").join("other.json");
    wait_for("its access file", SOON, || Access::read(&file).ok());
    let text = cluster.place.run(["status"]).ok();
    assert!(text.contains("default at tcp://") && text.contains("other at tcp://"), "{text}");
    cluster.place.run(["workers"]).fails(1, &["several clusters", "default", "other", "--cluster"]);
}

/// The listing of tables says how many partitions are lost, and whether they come back.
#[test]
fn lost_partitions_are_listed() {
    let mut cluster = Cluster::start(2, &[]);
    cluster.sql("create table t as select value as v from generate_series(1, 1000) as g(value)");
    let table = |cluster: &Cluster| -> TableRow {
        let text = cluster.place.run(["tables", "--output=json"]).ok();
        let rows: Vec<TableRow> = serde_json::from_str(&text).expect("the tables as JSON");
        rows.into_iter().next().expect("the table")
    };
    let whole = table(&cluster);
    assert_eq!(whole.lost, 0);
    assert!(cluster.workers().iter().map(|row| row.held).sum::<u32>() >= whole.partitions);
    for worker in &mut cluster.workers {
        worker.signal(libc::SIGKILL);
        worker.finish(SOON);
    }
    let row = wait_for("the loss", SOON, || {
        Some(table(&cluster)).filter(|row| row.lost == row.partitions)
    });
    assert!(row.can_recompute, "{row:?}");
    let text = cluster.place.run(["tables"]).ok();
    assert!(text.contains("are lost; they are recomputed when a query reads them"), "{text}");
    cluster.add_worker(&[]);
    // A count alone is known without reading anything.
    assert_eq!(cluster.sql("select sum(v) from t"), "500500\n");
    assert_eq!(table(&cluster).lost, 0);
}

/// Listings through a pipe are whole, whatever names there are: another program reads them.
#[test]
fn listings_through_a_pipe_are_whole() {
    let name = "a-worker-with-a-name-that-is-longer-than-others";
    let cluster = Cluster::start(1, &[&format!("--name={name}")]);
    let columns: Vec<String> = (0..5).map(|i| format!("1 as column_number_{i}")).collect();
    cluster.sql(&format!("create table a_table_with_a_long_name as select {}", columns.join(", ")));
    let listings =
        [("workers", name), ("jobs", "column_number_2"), ("tables", "a_table_with_a_long_name")];
    for (command, word) in listings {
        let text = cluster.place.run([command]).ok();
        assert!(text.lines().count() >= 2, "{text}");
        assert!(text.contains(word) && !text.contains('…'), "{text}");
    }
}

/// A folder of access files that others can write to is refused by whoever would read it or write to it.
#[test]
fn a_folder_that_others_can_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let home = place.path("home");
    std::fs::create_dir(&home).expect("the folder");
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o777)).expect("its mode");
    let words = ["is writable by other users", "chmod 700", "home"];
    place.run(["status"]).fails(1, &words);
    place.run(["sql", "select 1"]).fails(1, &words);
    place.run(["scheduler", "--host=127.0.0.1", "--port=0"]).fails(1, &words);
}

/// `partita` alone says what it can do, with examples, and `partita demo` answers its questions without anything else.
#[test]
fn the_first_minute_needs_no_documents() {
    let place = Place::new();
    let first = place.run(Vec::<&str>::new()).ok();
    for example in ["partita demo", "partita sql", "partita run", "partita help"] {
        assert!(first.contains(example), "{first}");
    }
    assert!(first.lines().count() <= 12, "{first}");
    let demo = place.run(["demo", "--no-wait"]).ok();
    let answers = [
        "| Egret Express   | 40843 ",
        "| 1: below 2 miles | 1: below 10 mph | 3636 ",
        "| 16   | 33787 ",
    ];
    assert!(answers.iter().all(|answer| demo.contains(answer)), "{demo}");
    let folder = demo.lines().find_map(|line| line.strip_prefix("A made-up year of flights: "));
    assert!(folder.is_some_and(|folder| !std::path::Path::new(folder).exists()), "{folder:?}");
}
