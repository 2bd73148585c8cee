//! What users must see of a job.

use crate::fixtures::work::profiles_answer;
use crate::fixtures::{busy, busy_updates, follower, live, told};
use crate::live::Health;
use crate::route::Route;
use crate::testing::{assert_hides, assert_shows, draw_page};
use partita_observe::event::InputFacts;
use partita_observe::frame::{Source, Topic, Update};
use partita_observe::view::StageText;
use partita_shared::ids::JobId;

/// How far it is, where the time goes, what its tasks look like, what failed.
#[test]
fn a_running_job_is_told_whole() {
    let html = draw_page("job", &busy(), &Route::Job(JobId(7)));
    assert_shows(
        &html,
        &[
            "job-7 running jonas@login1",
            "65 % · 12 005 of 18 400 tasks done · time left 3.3–5.2 min",
            "GROUP BY n.region, month",
            "Cancel…",
            "waiting for other workers",
            "2 026 / 3 379",
            "Shuffle",
            "890 ms 2.7 s 29 s",
            "4",
            "the join needs 7.20 GiB and 5.10 GiB are left",
            "n0417-0",
            "worker lost",
            "HashJoinExec: mode=Partitioned",
            "9.00 GiB",
            "ExchangeExec: input=0",
        ],
    );
    assert!(
        html.contains("href=\"#/tasks?job=7&amp;stage=3\"")
            || html.contains("#/tasks?job=7&stage=3")
    );
    assert_hides(&html, &["Loading…"]);
}

/// A job that calls functions shows where they spend their time.
#[test]
fn functions_have_a_flame_graph() {
    let (topics, updates) = busy_updates();
    let answers = vec![profiles_answer(7)];
    let shown = live(follower(Source::Live, topics, updates), Health::Live, answers);
    let html = draw_page("job-profile", &shown, &Route::Job(JobId(7)));
    assert_shows(
        &html,
        &[
            "Where the functions spend their time",
            "simulate: 4 100 samples",
            "simulate (/home/jonas/job.py:14): 100 %",
            "solve (/home/jonas/numerics.py:31): 58 %",
            "load: 210 samples",
        ],
    );
    assert_hides(&draw_page("job-no-profile", &busy(), &Route::Job(JobId(7))), &["samples"]);
}

/// An ended job cannot be cancelled, and its error is the first thing to read.
#[test]
fn a_failed_job_tells_why() {
    let html = draw_page("job-failed", &busy(), &Route::Job(JobId(4)));
    assert_shows(&html, &["job-4 failed", "the file is 0 bytes long", "This job has no stages."]);
    assert_hides(&html, &["Cancel…"]);
}

/// A statement that ran out of memory and its second run lead to each other.
#[test]
fn second_runs_are_linked() {
    let html = draw_page("job-again", &busy(), &Route::Job(JobId(4)));
    assert_shows(&html, &["runs again as job-7 in low-memory mode"]);
    let html = draw_page("job-second", &busy(), &Route::Job(JobId(7)));
    assert_shows(&html, &["low-memory mode, after job-4 ran out of memory"]);
}

/// A job that nobody remembers is told as such, and one that has not come yet is loading.
#[test]
fn unknown_and_loading_are_two_things() {
    let id = JobId(99);
    let topics = vec![Topic::Jobs, Topic::Job(id)];
    let unknown = told(topics.clone(), vec![Update::Job(id, None)]);
    assert_shows(
        &draw_page("job-unknown", &unknown, &Route::Job(id)),
        &["job-99", "does not know this job"],
    );
    let loading = told(topics, Vec::new());
    let html = draw_page("job-loading", &loading, &Route::Job(id));
    assert_shows(&html, &["job-99", "Loading…"]);
}

/// A large job is drawn too; one that is too large says so and has its table.
#[test]
fn large_jobs_are_drawn_up_to_a_bound() {
    let page = |name: &str, stages: u32| {
        let id = JobId(7);
        let (topics, mut updates) = busy_updates();
        for update in &mut updates {
            if let Update::Job(JobId(7), Some(view)) = update {
                view.stages = many_stages(stages);
            }
        }
        draw_page(name, &told(topics, updates), &Route::Job(id))
    };
    let html = page("job-large", 120);
    assert_shows(&html, &["Stage 119, step 119"]);
    let html = page("job-too-large", 301);
    assert_shows(&html, &["301 stages are too many to draw. They are in the table."]);
}

fn many_stages(number: u32) -> Vec<StageText> {
    let of = |index: u32| {
        let reads = [index / 2, index.saturating_sub(13), index.saturating_sub(2)];
        let from = if index < 40 { &[][..] } else { &reads[..1 + index as usize % 3] };
        StageText {
            name: format!("step {index}"),
            plan: String::new(),
            inputs: from
                .iter()
                .map(|stage| InputFacts { stage: *stage, exchange: "Shuffle".into() })
                .collect(),
        }
    };
    (0..number).map(of).collect()
}

/// What is past cannot be changed.
#[test]
fn a_replay_offers_no_cancelling() {
    let (topics, updates) = busy_updates();
    let source = Source::Replay { from_ms: 1, to_ms: 2 };
    let replay = live(follower(source, topics, updates), Health::Replay, Vec::new());
    assert_hides(&draw_page("job-replay", &replay, &Route::Job(JobId(7))), &["Cancel…"]);
}
