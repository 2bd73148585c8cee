//! Planning: a statement has its number from then on. Planning that takes long is listed, ends in time, with its
//! client or when someone asks for it, and delays nobody else.

use partita_observe::frame::Topic;
use partita_shared::ids::JobId;
use partita_shared::model::{JobRow, JobState};
use partita_tests::process::data::numbers;
use partita_tests::process::page::Page;
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

#[track_caller]
fn find(cluster: &Cluster, id: JobId) -> JobRow {
    cluster.jobs().into_iter().find(|row| row.id == id).expect("a job of this number")
}

/// A planning is listed with its text and can be cancelled by its number, under which it stays listed; it ends
/// with its client; others are answered meanwhile; and its threads are free afterwards.
#[test]
fn planning_is_listed_and_cancelled() {
    let cluster = cluster("10m");
    let mut cancelled = cluster.start_sql(&slow());
    let row = wait_for("a planning", SOON, || planned(&cluster).pop());
    assert!(row.text.contains("abs(abs(") && row.started_ms.is_none(), "{row:?}");
    let mut page =
        Page::open(&cluster.access.address, &cluster.access.page_token(), None).expect("a page");
    page.follow(&[Topic::Jobs]);
    let state = |page: &mut Page, state| {
        page.wait_for("the state", SOON, |f| {
            f.jobs.get(&row.id).filter(|job| job.state == state).cloned()
        })
    };
    state(&mut page, JobState::Planning);
    let mut killed = cluster.start_sql(&slow());
    let other = wait_for("two plannings", SOON, || {
        planned(&cluster).into_iter().find(|other| other.id > row.id)
    });
    let start = Instant::now();
    for _ in 0..5 {
        assert_eq!(cluster.sql("select 7 as x"), "7\n");
    }
    assert!(start.elapsed() < SOON, "others waited for {:?}", start.elapsed());
    cluster.place.run(["cancel", &row.id.to_string()]).ok();
    cancelled.finish(SOON).fails(1, &["cancelled", "requested by a user"]);
    let ended = find(&cluster, row.id);
    assert_eq!((ended.state, ended.error.as_str()), (JobState::Cancelled, "requested by a user"));
    state(&mut page, JobState::Cancelled);
    let again = cluster.place.run(["cancel", &row.id.to_string()]);
    again.fails(1, &[&row.id.to_string(), "already ended: cancelled"]);
    killed.signal(libc::SIGKILL);
    killed.finish(SOON);
    wait_for("no planning", SOON, || planned(&cluster).is_empty().then_some(()));
    let ended = find(&cluster, other.id);
    assert_eq!(
        (ended.state, ended.error.as_str()),
        (JobState::Cancelled, "its client disconnected")
    );
    assert_eq!(cluster.sql("select 8 as x"), "8\n");
}

/// Planning that takes too long ends with an error that names the limit, and is a failed job.
#[test]
fn planning_has_a_limit() {
    let cluster = cluster("1s");
    let start = Instant::now();
    let ran = cluster.start_sql(&slow()).finish(SOON);
    ran.fails(1, &["planning took longer than 1 s", "--planning-timeout"]);
    assert!(start.elapsed() < Duration::from_secs(20));
    let job = cluster.last_job().expect("the statement");
    assert_eq!((job.state, job.stages), (JobState::Failed, 0), "{job:?}");
    assert!(job.error.starts_with("planning: planning took longer than 1 s"), "{job:?}");
    assert_eq!(cluster.sql("select 9 as x"), "9\n");
}

/// A statement has the number under which its planning began when it is a job, although another job was begun
/// and ended meanwhile: the sample of the keys by which a table is sorted.
#[test]
fn a_job_has_the_number_of_its_planning() {
    let cluster = Cluster::start(2, &["--nthreads=2"]);
    let query =
        format!("create table t as select k from '{}' order by k % 1000", numbers().display());
    cluster.place.run(["sql", &query]).ok();
    let jobs = cluster.jobs();
    let [table, sample] = &jobs[..] else { panic!("{jobs:?}") };
    assert_eq!((table.text.as_str(), table.state), (query.as_str(), JobState::Persisted));
    assert!(sample.text.contains("sample of sort keys"), "{sample:?}");
    assert_eq!((sample.state, sample.id), (JobState::Done, JobId(table.id.0 + 1)));
    assert!(table.submitted_ms <= sample.submitted_ms && table.started_ms >= sample.ended_ms);
}

/// Every statement is listed, so that no number is missing: one that cannot be planned as a failed job with its
/// error, one that needs no worker as a job without tasks that is done, with the rows of its answer.
#[test]
fn statements_without_a_job_are_listed() {
    let cluster = Cluster::start(1, &[]);
    cluster.place.write("people.csv", "name,age\nAda,36\n");
    let wrong = cluster.place.run(["sql", "select nothing from 'people.csv'"]);
    wrong.fails(1, &["nothing"]);
    cluster.place.run(["sql", "create view v as select 1 as a"]).ok();
    cluster.sql("select name from 'people.csv'");
    cluster.place.run(["sql", "--explain", "select name from 'people.csv'"]).ok();
    let jobs = cluster.jobs();
    let listed: Vec<_> = jobs.iter().map(|job| (job.id.0, job.state, job.stages > 0)).collect();
    let first = listed[0].0;
    let expected = [
        (first, JobState::Failed, false),
        (first + 1, JobState::Done, false),
        (first + 2, JobState::Done, true),
        (first + 3, JobState::Done, false),
    ];
    assert_eq!(listed, expected);
    assert!(
        jobs[0].error.starts_with("planning: ") && jobs[0].error.contains("nothing"),
        "{jobs:?}"
    );
    assert!(jobs[3].delivered_rows > 1, "the rows of the plan: {:?}", jobs[3]);
    assert_eq!(cluster.status().jobs_live, 0);
}
