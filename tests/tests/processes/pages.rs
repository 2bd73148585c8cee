//! What pages of the dashboard get: the same as the REST API says, live and from a journal.

use partita_observe::event::{Ending, Level};
use partita_observe::frame::{Answer, FromPage, Question, Source, Topic};
use partita_observe::view::EventKind;
use partita_shared::ids::{StageId, TaskId};
use partita_shared::model::{JobState, TaskState, WorkerRow, WorkerState};
use partita_tests::process::data::{numbers, slow_join, slow_join_rows};
use partita_tests::process::page::Page;
use partita_tests::process::{Cluster, LONG, Place, Process, SOON, rows, wait_for};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const LISTS: [Topic; 6] =
    [Topic::Cluster, Topic::Workers, Topic::Jobs, Topic::Events, Topic::Notices, Topic::Scheduler];

fn open(cluster: &Cluster) -> Page {
    Page::open(&cluster.access.address, &cluster.access.page_token(), None).expect("a page")
}

/// A page that knows the token follows the cluster; one that does not, or that another site serves,
/// gets nothing.
#[test]
fn the_token_opens_a_page() {
    let cluster = Cluster::start(1, &[]);
    let address = &cluster.access.address;
    let mut wrong = Page::open(address, "not-the-token", None).expect("a connection");
    assert_eq!(wrong.receive().expect_err("it was refused").0, 4401);
    let foreign =
        Page::open(address, &cluster.access.page_token(), Some("http://elsewhere.example"));
    assert!(foreign.expect_err("another site").contains("403"));
    let own = format!("http://{address}");
    let mut page =
        Page::open(address, &cluster.access.page_token(), Some(&own)).expect("a connection");
    page.follow(&LISTS);
    page.wait_for("the cluster", SOON, |f| f.cluster.clone().filter(|c| c.row.workers == 1));
    let greeting = page.follower.greeting.clone().expect("a greeting");
    assert_eq!((greeting.cluster.as_str(), greeting.source), ("default", Source::Live));
}

/// While nothing changes, what a page has of workers, jobs and stages is what the lists say.
#[test]
fn a_page_has_what_the_lists_say() {
    let cluster = Cluster::start(2, &[]);
    let query = format!("select k % 10 as d, count(*) from '{}' group by d", numbers().display());
    cluster.sql(&query);
    let failed = cluster.start_sql("select 1/0").finish(SOON);
    assert_ne!(failed.code, 0);
    let jobs = cluster.jobs();
    let mut page = open(&cluster);
    let mut topics = LISTS.to_vec();
    topics.extend(jobs.iter().flat_map(|job| [Topic::Stages(job.id), Topic::Job(job.id)]));
    page.follow(&topics);
    let seen = page.wait_for("all jobs", SOON, |f| {
        let seen: Vec<_> = f.jobs.values().map(|row| (**row).clone()).collect();
        (seen.len() == jobs.len() && seen.iter().all(|row| row.state.is_final())).then_some(seen)
    });
    assert_eq!(seen, jobs);
    for job in &jobs {
        page.wait_for("its stages", SOON, |f| f.stages.get(&job.id).map(|_| ()));
        page.wait_for("its texts", SOON, |f| f.job_texts.get(&job.id).cloned().flatten());
        let stages = cluster.stages(job);
        let seen = &page.follower.stages[&job.id];
        assert_eq!(seen.len(), stages.len());
        for stage in &stages {
            let view = &seen[&stage.id.index];
            let told = (view.name.as_str(), view.tasks, view.rows, view.bytes, view.busy_us);
            let listed = (stage.name.as_str(), stage.tasks, stage.rows, stage.bytes, stage.busy_us);
            assert_eq!(told, listed);
        }
        let text = page.follower.job_texts[&job.id].clone().expect("the job is known");
        assert_eq!((&text.text, &text.error), (&job.text, &job.error));
    }
    let workers = cluster.workers();
    let figures = |row: &WorkerRow| {
        (row.id, row.name.clone(), row.address.clone(), row.state, row.finished, row.assigned)
    };
    page.wait_for("the workers as they are listed", SOON, |f| {
        let told = f.workers.values().map(|row| figures(row));
        told.eq(workers.iter().map(figures)).then_some(())
    });
    let failures = page.follower.events.values().filter(|row| row.level == Level::Error).count();
    assert!(failures >= 1, "{:?}", page.follower.events);
}

/// A job that runs is seen to move, its tasks are listed and explained, a worker that is killed is
/// told of with its cause, and what it lost is found among the attempts.
#[test]
fn what_happens_is_seen_as_it_happens() {
    let cluster = Cluster::start(2, &["--nthreads=1"]);
    let mut page = open(&cluster);
    page.follow(&LISTS);
    let mut sql = cluster.start_sql(&slow_join());
    let job = page.wait_for("a job that runs", SOON, |f| {
        f.jobs.values().find(|row| row.state == JobState::Running).map(|row| row.id)
    });
    let mut topics = LISTS.to_vec();
    topics.extend([Topic::Stages(job), Topic::Data]);
    page.follow(&topics);
    let question =
        |state| Question::Tasks { job, stage: None, state: Some(state), after: None, limit: 5 };
    let waiting =
        wait_for("a task that waits", SOON, || match page.ask(question(TaskState::Waiting)) {
            Answer::Tasks { rows, .. } => rows.first().cloned(),
            other => panic!("{other:?}"),
        });
    let Answer::Task(view) = page.ask(Question::Task(waiting.id)) else { panic!("no task") };
    assert!(!view.why.is_empty() || view.row.state != TaskState::Waiting, "{view:?}");
    let victim = page.wait_for("a worker that works", SOON, |f| {
        f.workers.values().find(|row| row.metrics.running > 0).map(|row| (**row).clone())
    });
    let process = cluster.workers.iter().find(|worker| worker.pid() == victim.pid);
    process.expect("that worker").signal(libc::SIGKILL);
    let lost = page.wait_for("the loss", SOON, |f| {
        f.workers.get(&victim.id).filter(|row| row.state == WorkerState::Lost).cloned()
    });
    assert!(!lost.cause.is_empty());
    page.wait_for("its event", SOON, |f| {
        f.events
            .values()
            .find(|row| row.kind == EventKind::WorkerLost && row.worker == Some(victim.id))
            .cloned()
    });
    page.wait_for("the notice", SOON, |f| {
        let notices = f.notices.clone()?;
        notices.iter().find(|notice| notice.text.contains(&victim.name)).cloned()
    });
    // A page that does not read for long is closed, so it goes on reading while the job runs.
    page.wait_for("the end", LONG, |f| {
        f.jobs.get(&job).filter(|row| row.state == JobState::Done).cloned()
    });
    assert_eq!(rows(&sql.finish(LONG)), slow_join_rows());
    // Tasks of a job that has ended are answered from what is remembered.
    let stage = StageId { job, index: 0 };
    let Answer::Task(task) = page.ask(Question::Task(TaskId { stage, index: 0 })) else {
        panic!("the task is forgotten")
    };
    assert!(task.attempts.iter().any(|attempt| attempt.ending == Some(Ending::Finished)));
}

/// The tasks of a query tell how much they have read while they run, again and again.
#[test]
fn running_tasks_tell_what_they_have_read() {
    let cluster = Cluster::start(2, &["--nthreads=1"]);
    let mut page = open(&cluster);
    let workers = cluster.workers_up();
    page.follow(&workers.iter().map(|row| Topic::Worker(row.id)).collect::<Vec<_>>());
    let sql = cluster.start_sql(&slow_join());
    let mut told = BTreeSet::new();
    page.wait_for("tasks that go on", SOON, |f| {
        let views = f.worker_pages.values().flatten();
        told.extend(views.flat_map(|view| &view.on_slots).filter_map(|on| {
            let milli = on.read_milli.filter(|milli| (1..=1_000).contains(milli))?;
            Some((on.task, milli))
        }));
        let grows = |(one, other): (&(TaskId, u16), &(TaskId, u16))| one.0 == other.0;
        told.iter().zip(told.iter().skip(1)).any(grows).then_some(())
    });
    drop(sql);
}

/// A worker tells of its partitions and its log while someone looks at it, and no longer.
#[test]
fn a_worker_that_is_looked_at_tells_more() {
    let cluster = Cluster::start(1, &[]);
    let worker = cluster.workers_up()[0].id;
    let mut page = open(&cluster);
    page.follow(&[Topic::Worker(worker), Topic::WorkerHistory(worker)]);
    page.wait_for("its log", SOON, |f| {
        let view = f.worker_pages.get(&worker).cloned().flatten()?;
        view.log.iter().any(|line| line.contains("registered")).then_some(())
    });
    page.wait_for("its history", SOON, |f| {
        f.worker_histories.get(&worker)?.values().find(|point| point.resident_bytes > 0).copied()
    });
}

fn journal_of_a_run(place: &Place) -> PathBuf {
    let journal = place.path("data").join("run.journal");
    let flag = format!("--journal={}", journal.display());
    let query = format!("select sum(k) from '{}'", numbers().display());
    let args = ["run", "--workers=2", "--threads=1", "--headless", &flag, "--"];
    let mut command = place.command(args);
    command.arg(partita_tests::process::program()).args(["sql", "--output=csv", &query]);
    place.spawn("run", command).finish(LONG).ok();
    journal
}

/// `partita dashboard --replay`, and a page of it.
fn replayed(place: &Place, journal: &Path) -> (Process, Page) {
    let flag = format!("--replay={}", journal.display());
    let serving = place.start(["dashboard", &flag]);
    let link = wait_for("the link", SOON, || {
        let text = serving.output();
        text.split_whitespace().find(|word| word.contains("#token=")).map(str::to_string)
    });
    let (address, token) =
        link.trim_start_matches("http://").split_once("/#token=").expect("a link with the token");
    let address = address.replace("localhost", "127.0.0.1");
    let page = Page::open(&address, token, None).expect("a page");
    (serving, page)
}

/// A run's journal shows the same afterwards: the job, its stages and its workers, at the end and,
/// after going back, from the beginning.
#[test]
fn a_journal_is_replayed() {
    let place = Place::new();
    let journal = journal_of_a_run(&place);
    let (_serving, mut page) = replayed(&place, &journal);
    page.follow(&LISTS);
    let done = |f: &partita_observe::follower::Follower| {
        f.jobs.values().find(|row| row.state == JobState::Done).map(|row| (**row).clone())
    };
    let job = page.wait_for("the job", SOON, done);
    assert!(job.tasks.done > 0 && job.error.is_empty(), "{job:?}");
    let greeting = page.follower.greeting.clone().expect("a greeting");
    let Source::Replay { from_ms, to_ms } = greeting.source else { panic!("{greeting:?}") };
    assert!(from_ms < job.submitted_ms && job.submitted_ms < to_ms);
    page.say(&FromPage::Seek(from_ms));
    page.wait_for("the beginning", SOON, |f| f.jobs.is_empty().then_some(()));
    page.say(&FromPage::Play(1000.0));
    assert_eq!(page.wait_for("the job again", SOON, done), job);
    let stage = StageId { job: job.id, index: 0 };
    let Answer::Task(task) = page.ask(Question::Task(TaskId { stage, index: 0 })) else {
        panic!("no task")
    };
    assert_eq!(task.row.state, TaskState::Done);
}

/// A file that is not a journal, has another format, or does not exist is refused with a reason;
/// a truncated journal is shown up to its end.
#[test]
fn journals_are_checked() {
    let place = Place::new();
    place.write("text", "hello\n");
    place.write("later", "{\"partita_journal\":99,\"version\":\"9.0.0\"}\n");
    place.write("earlier", "{\"partita_journal\":1,\"version\":\"0.0.1\"}\n");
    for (name, words) in [
        ("text", "is not a Partita journal"),
        ("later", "has format 99"),
        ("earlier", "use version 0.0.1 of Partita"),
        ("missing", "cannot read"),
    ] {
        place.run(["report", name]).fails(1, &[words]);
        let flag = format!("--replay={name}");
        place.run(["dashboard", &flag]).fails(1, &[words]);
    }
    let journal = journal_of_a_run(&place);
    let whole = std::fs::read(&journal).expect("the journal");
    place.write("cut", &whole[..whole.len() * 2 / 3]);
    place.run(["report", "cut", "-o", "cut.html"]).ok();
    let report = place.path("data").join("cut.html");
    let mode = std::fs::metadata(&report).expect("the report").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "a report is as private as its journal");
    let page = std::fs::read_to_string(&report).expect("the report");
    assert!(page.starts_with("<!doctype html>") && page.contains("id=\"journal\""));
    for foreign in ["http://", "https://"] {
        let outside = page.lines().filter(|line| line.len() < 10_000 && line.contains(foreign));
        assert_eq!(outside.count(), 0, "a report needs nothing from outside");
    }
}
