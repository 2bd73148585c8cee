//! What users must see of the overview.

use crate::fixtures::{busy, busy_updates, follower, live, told};
use crate::live::Health;
use crate::route::Route;
use crate::testing::{assert_hides, assert_shows, draw_page};
use partita_observe::follower::Follower;
use partita_observe::frame::{Source, Topic, Update};
use partita_observe::view::ClusterView;
use partita_shared::model::JobState;

/// The questions that must be answered without a click: is it alive, does it move, when is it done,
/// what needs attention.
#[test]
fn a_busy_cluster_is_told_at_a_glance() {
    let html = draw_page("overview", &busy(), &Route::Overview);
    assert_shows(
        &html,
        &[
            "aurora-7",
            "live",
            "waiting 12 480",
            "running 178",
            "spilled 412",
            "tasks per second 143",
            "time left 3.3–5.2 min",
            "workers 23 1 lost",
            "804 GiB of 1.26 TiB, 702 GiB reserved · 88.0 GiB on disk",
            "join orders",
            "75–110 s",
            "n0417-0 was lost 5 m ago",
            "Give workers fewer slots or more memory",
            "partitions 431 GiB",
            "jobs failed 2",
            "2 pages open",
        ],
    );
    assert_hides(&html, &["Loading…", "Recently ended"]);
}

/// Until the first figures nothing pretends to be a figure.
#[test]
fn a_page_without_figures_says_so() {
    let loading = live(Follower::new(), Health::Loading, Vec::new());
    assert_shows(
        &draw_page("loading", &loading, &Route::Overview),
        &["connecting", "Waiting for the scheduler"],
    );
    let unreachable = live(Follower::new(), Health::Unreachable, Vec::new());
    assert_shows(
        &draw_page("unreachable", &unreachable, &Route::Overview),
        &["not reachable, retrying", "Check that it is running and that the SSH tunnel is up"],
    );
    let partly = told(vec![Topic::Cluster, Topic::Jobs, Topic::Notices], Vec::new());
    assert_shows(&draw_page("partly", &partly, &Route::Overview), &["Loading…"]);
}

/// A lost link keeps the figures, dimmed, and says how old they are.
#[test]
fn old_figures_are_marked() {
    let (topics, updates) = busy_updates();
    let stale = live(follower(Source::Live, topics, updates), Health::Reconnecting, Vec::new());
    let html = draw_page("stale", &stale, &Route::Overview);
    assert_shows(&html, &["reconnecting figures 1 m 13 s old", "waiting 12 480"]);
    assert!(html.contains("class=\"stale\""));
}

/// A replay is labelled, and has its own controls.
#[test]
fn a_replay_is_labelled() {
    let (topics, updates) = busy_updates();
    let now_ms = crate::fixtures::NOW_MS;
    let source = Source::Replay { from_ms: now_ms - 600_000, to_ms: now_ms + 300_000 };
    let replay = live(follower(source, topics, updates), Health::Replay, Vec::new());
    let html = draw_page("replay", &replay, &Route::Overview);
    assert_shows(&html, &["replay", "Replay of a journal", "10 m 00 s of 15 m 00 s", "Stop"]);
    assert!(html.contains("type=\"range\""));
}

/// While nothing runs, what ended last is shown, with its error.
#[test]
fn an_idle_cluster_shows_what_ended() {
    let (topics, mut updates) = busy_updates();
    for update in &mut updates {
        if let Update::Jobs(delta) = update {
            delta.rows.retain(|job| job.state.is_final());
            assert!(delta.rows.iter().any(|job| job.state == JobState::Failed));
        }
    }
    let html = draw_page("idle", &told(topics, updates), &Route::Overview);
    assert_shows(
        &html,
        &["Recently ended", "no jobs are running; 4 jobs have ended", "the file is 0 bytes long"],
    );
}

/// A new cluster tells how to begin: with workers if there are none, else with a query.
#[test]
fn a_new_cluster_tells_how_to_begin() {
    let of = |workers| {
        let mut view = ClusterView::default();
        view.row.workers = workers;
        let jobs = Update::Jobs(crate::fixtures::all_new(Vec::new()));
        let updates = vec![Update::Cluster(Box::new(view)), Update::Notices(Vec::new()), jobs];
        told(vec![Topic::Cluster, Topic::Notices, Topic::Jobs], updates)
    };
    let html = draw_page("new", &of(0), &Route::Overview);
    assert_shows(
        &html,
        &["no workers are connected", "partita worker", "No workers are connected."],
    );
    let html = draw_page("first-query", &of(4), &Route::Overview);
    assert_shows(&html, &["4 workers are ready", "partita sql", "Nothing needs your attention."]);
}
