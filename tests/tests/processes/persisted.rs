//! Persisted tables: created, read, lost, recomputed, migrated, dropped.

use partita_shared::model::{JobState, TableRow, WorkerState};
use partita_tests::process::{Cluster, LONG, SOON, signal, wait_for};
use std::time::Duration;

/// A table whose rows take a moment to make, in as many partitions as there are slots.
const MAKE: &str = "create table t as select value % 1000 as k, sum(value) as s \
                    from generate_series(1, 200000) group by value % 1000";
/// Its sum.
const SUM: &str = "select count(*), sum(s) from t";
const ANSWER: &str = "1000,20000100000\n";

/// Partitions that workers hold, by worker.
fn partitions(cluster: &Cluster) -> Vec<u32> {
    cluster.workers_up().iter().map(|row| row.metrics.partitions).collect()
}

/// The partitions of all tables, when their holders have said that they hold them.
fn all_partitions(cluster: &Cluster) -> u32 {
    let tables = cluster.place.run(["tables", "--output", "json"]).ok();
    let tables: Vec<TableRow> = serde_json::from_str(&tables).expect("tables");
    let all = tables.iter().map(|table| table.partitions).sum();
    wait_for("all partitions", SOON, || {
        (partitions(cluster).iter().sum::<u32>() == all).then_some(all)
    })
}

/// Partitions of a lost worker are recomputed when someone reads them, and only then; other readers
/// lose nothing.
#[test]
fn a_lost_part_is_made_again_when_it_is_read() {
    let cluster = Cluster::start(3, &[]);
    assert_eq!(cluster.sql(MAKE), "1000\n");
    assert_eq!(cluster.last_job().map(|job| job.state), Some(JobState::Persisted));
    cluster.sql("create table u as select k, s * 2 as d from t where k < 500");
    assert_eq!(cluster.sql(SUM), ANSWER);
    let victim = wait_for("a worker that holds something", SOON, || {
        cluster.workers_up().into_iter().find(|row| row.metrics.partitions > 0)
    });
    signal(victim.pid, libc::SIGKILL);
    wait_for("its loss", SOON, || {
        (cluster.worker(victim.pid).state == WorkerState::Lost).then_some(())
    });
    assert_eq!(cluster.sql("drop table t"), "");
    // A table derived from it is recomputed through it, though nothing names it any more.
    assert_eq!(cluster.sql("select count(*), min(d) from u"), "500,39800400\n");
    cluster.sql("drop table u");
    cluster.wait_idle(SOON);
}

/// `partita retire`: workers that are named migrate what they hold, to one that stays and not to each
/// other, and their processes end with 0. Who is not there cannot be retired, and then nobody is.
#[test]
fn retired_workers_migrate_their_partitions_and_leave() {
    let mut cluster = Cluster::start(3, &[]);
    cluster.sql(MAKE);
    let all = all_partitions(&cluster);
    let names: Vec<String> =
        cluster.workers_up()[..2].iter().map(|row| row.id.to_string()).collect();
    cluster
        .place
        .run(["retire", &names[0], "worker-99"])
        .fails(1, &["worker-99 does not exist", "partita workers"]);
    assert_eq!(cluster.workers_up().len(), 3);
    let said = cluster.place.run(["retire", &names[0], &names[1]]).ok();
    assert_eq!(said, format!("retired {}\nretired {}\n", names[0], names[1]));
    let left = cluster.workers_up();
    assert_eq!(left.len(), 1);
    wait_for("all partitions on the one", SOON, || (partitions(&cluster) == [all]).then_some(()));
    let before = cluster.status().tasks_finished;
    assert_eq!(cluster.sql(SUM), ANSWER);
    // Nothing of the table was recomputed: these are only the tasks of the sum.
    let made = cluster.status().tasks_finished - before;
    assert!(made <= u64::from(all) + 2, "{made} tasks for a sum over {all} partitions");
    for worker in cluster.workers.iter_mut().filter(|worker| worker.pid() != left[0].pid) {
        assert_eq!(worker.finish(SOON).code, 0);
    }
    cluster.place.run(["retire", &names[0]]).fails(1, &[&names[0], "has already left"]);
}

/// A worker that leaves gives what it holds to the others; the last ones take it with them at once.
#[test]
fn a_leaving_worker_migrates_what_it_holds() {
    let cluster = Cluster::start(2, &[]);
    cluster.sql(MAKE);
    let all = all_partitions(&cluster);
    let leaver = cluster.workers[0].pid();
    cluster.workers[0].signal(libc::SIGTERM);
    wait_for("its leave", SOON, || {
        (cluster.worker(leaver).state == WorkerState::Left).then_some(())
    });
    wait_for("all partitions on the other", SOON, || (partitions(&cluster) == [all]).then_some(()));
    let before = cluster.status().tasks_finished;
    assert_eq!(cluster.sql("select count(*) from t"), "1000\n");
    // Nothing of the table was recomputed: these are only the tasks of the count.
    let made = cluster.status().tasks_finished - before;
    assert!(made <= u64::from(all) + 2, "{made} tasks for a count over {all} partitions");
    let last = cluster.workers[1].pid();
    cluster.workers[1].signal(libc::SIGTERM);
    // Sooner than a worker leaves that has somebody to wait for.
    wait_for("the last one's leave", Duration::from_secs(15), || {
        (cluster.worker(last).state == WorkerState::Left).then_some(())
    });
}

/// Names: taken ones are refused, others replace, temporary ones go with their client.
#[test]
fn names_are_kept_apart() {
    let cluster = Cluster::start(1, &[]);
    cluster.sql("create table t as select 1 as a");
    cluster.place.run(["sql", "create table t as select 2 as a"]).fails(1, &["already", "REPLACE"]);
    cluster.sql("create table if not exists t as select 3 as a");
    assert_eq!(cluster.sql("select a from t"), "1\n");
    cluster.sql("create or replace table t as select a + 10 as a from t");
    assert_eq!(cluster.sql("select a from t"), "11\n");
    cluster.sql("alter table t rename to \"My table\"");
    assert_eq!(cluster.sql("select a from \"My table\""), "11\n");
    for other in ["create table elsewhere.t as select 1 as a", "drop table elsewhere.\"My table\""]
    {
        cluster.place.run(["sql", other]).fails(1, &["elsewhere"]);
    }
    for path in ["here.csv", "there/", "a*"] {
        let create = format!("create table \"{path}\" as select 1 as a");
        cluster.place.run(["sql", &create]).fails(1, &[path]);
    }
    assert_eq!(cluster.sql("select a from public.\"My table\""), "11\n");
    let both = "create temporary table mine as select 5 as a; select a from mine";
    let shown = cluster.place.run(["sql", "--output=csv", both]).ok();
    assert_eq!(shown.lines().last(), Some("5"), "{shown}");
    cluster.place.run(["sql", "select a from mine"]).fails(1, &["mine"]);
    cluster.place.run(["sql", "drop table mine"]).fails(1, &["mine"]);
    let listed = cluster.place.run(["tables"]).ok();
    assert!(listed.contains("My table") && listed.contains("everyone"), "{listed}");
    cluster.sql("drop table \"My table\"");
    cluster.wait_idle(SOON);
}

/// A table that is made of rows in an order is sorted across its partitions, and a range of its key is
/// read from those alone that can have it.
#[test]
fn sorted_tables_know_their_ranges() {
    let cluster = Cluster::start(2, &["--nthreads=2"]);
    cluster.sql(
        "create table t as select value * 7919 % 100003 as k, value as v \
         from generate_series(1, 100000) order by k desc",
    );
    let sorted =
        "select count(*) from (select k, lag(k) over (order by k desc) as b from t) where k > b";
    assert_eq!(cluster.sql(sorted), "0\n");
    assert_eq!(cluster.sql("select k from t limit 1"), "100002\n");
    let plan = cluster.sql("explain select v from t where k between 10 and 20");
    assert!(plan.contains("1 of them read") || plan.contains("2 of them read"), "{plan}");
    let expected = "select count(*), sum(v) from (select value * 7919 % 100003 as k, value as v \
                    from generate_series(1, 100000)) where k between 5000 and 60000";
    let range = "select count(*), sum(v) from t where k between 5000 and 60000";
    assert_eq!(cluster.sql(range), cluster.sql(expected));
    assert_eq!(cluster.sql("select count(*) from t where k < -1"), "0\n");
    assert_eq!(cluster.sql("select count(*) from t where k is null"), "0\n");
}

/// A merge reads one partition after the other, however much the others would send: their sum is
/// far more than a connection had in flight before only its streams bounded it.
#[test]
fn many_large_partitions_of_another_worker_are_merged() {
    let cluster = Cluster::start(2, &["--nthreads=8", "--memory-limit=4GiB"]);
    cluster
        .place
        .run([
            "sql",
            "create table t as select value * 7919 % 3000017 as k, repeat('x', 40) as s \
             from generate_series(1, 3000000) order by k",
        ])
        .ok();
    wait_for("many partitions of each worker", SOON, || {
        partitions(&cluster).iter().all(|held| *held >= 5).then_some(())
    });
    let merged = "select count(*), sum(length(s)) from \
                  (select k, s, lag(k) over (order by k) as b from t) where b is null or k > b";
    let answer = cluster.start_sql(merged).finish(LONG).ok();
    assert!(answer.contains("3000000,120000000"), "{answer}");
}

/// More than the workers may have in memory is persisted on their disks, and read from there.
#[test]
fn what_does_not_fit_is_on_disk() {
    let cluster = Cluster::start(2, &["--memory-limit=256MiB"]);
    cluster
        .place
        .run([
            "sql",
            "create table t as select value as a, cast(value as varchar) || repeat('x', 120) as s \
         from generate_series(1, 4000000)",
        ])
        .ok();
    let spilled = wait_for("what is on disk", SOON, || {
        let spilled: u64 = cluster.workers_up().iter().map(|row| row.metrics.spilled_bytes).sum();
        (spilled > 0).then_some(spilled)
    });
    assert!(spilled > 0);
    let question = "select count(*), sum(a), sum(length(s)) from t";
    let answer = cluster.start_sql(question).finish(LONG).ok();
    assert!(answer.contains("4000000,8000002000000,"), "{answer}");
    for row in cluster.workers_up() {
        assert!(row.metrics.resident_bytes < (256 + 128 + 100) << 20, "{row:?}");
    }
}

/// A complete result is not a job that can be cancelled: that would take the table from all its
/// readers.
#[test]
fn persisted_results_are_not_cancelled() {
    let cluster = Cluster::start(1, &[]);
    cluster.sql(MAKE);
    let job = cluster.last_job().expect("the job").id.to_string();
    cluster.place.run(["cancel", &job]).fails(1, &["is complete", "DROP TABLE"]);
    assert_eq!(cluster.sql(SUM), ANSWER);
}

/// Recomputation must give the same rows: it is an error if an input file has changed.
#[test]
fn files_that_changed_are_not_read_again() {
    let mut cluster = Cluster::start(1, &[]);
    let file = cluster.place.write("source.csv", "a\n1\n2\n3\n");
    cluster.sql(&format!("create table t as select * from '{}'", file.display()));
    assert_eq!(cluster.sql("select sum(a) from t"), "6\n");
    cluster.place.write("source.csv", "a\n100\n");
    assert_eq!(cluster.sql("select sum(a) from t"), "6\n");
    let victim = cluster.workers_up()[0].pid;
    cluster.add_worker(&[]);
    signal(victim, libc::SIGKILL);
    wait_for("its loss", SOON, || {
        (cluster.worker(victim).state == WorkerState::Lost).then_some(())
    });
    let asked = cluster.place.run(["sql", "select sum(a) from t"]);
    asked.fails(1, &["source.csv", "was changed"]);
}

/// A recursive query reads persisted tables, sorted ones too, of which it reads a part again in each round.
#[test]
fn recursion_reads_persisted_tables() {
    let cluster = Cluster::start(2, &[]);
    cluster.sql(
        "create table sales with (partitions = 3) as select row_number() over (order by sold) as n, \
         sold, start from (values (5, 100), (3, 100), (7, 100), (1, 100)) as v(sold, start)",
    );
    let balance = "with recursive balance(n, left_over) as (\
         select n, start - sold from sales where n = 1 union all \
         select s.n, b.left_over - s.sold from balance b join sales s on s.n = b.n + 1) \
         select n, left_over from balance order by n";
    assert_eq!(cluster.sql(balance), "1,99\n2,96\n3,91\n4,84\n");
    let (query, order) = balance.rsplit_once(" order by ").expect("an order");
    cluster.sql(&format!("create table balances as {query}"));
    let held = format!("select n, left_over from balances order by {order}");
    assert_eq!(cluster.sql(&held), "1,99\n2,96\n3,91\n4,84\n");
    cluster.sql(
        "create table edges as select value as a, value + 1 as b from generate_series(1, 300)",
    );
    let reached = "with recursive r(at, steps) as (select 1, 0 union \
         select e.b, r.steps + 1 from r join edges e on e.a = r.at where r.steps < 120) \
         select max(at), count(*) from r";
    assert_eq!(cluster.sql(reached), "121,121\n");
    cluster.sql("drop table sales");
    cluster.sql("drop table balances");
    cluster.sql("drop table edges");
    cluster.wait_idle(SOON);
}
