//! Draws the pages that are made of drawings, on the host: what they say, and that they have
//! loading and empty states.

use crate::fixtures::drawings::drawn;
use crate::fixtures::{all_new, live, told};
use crate::live::{Health, Live};
use crate::route::Route;
use crate::testing::{assert_hides, assert_shows, draw_page, draw_panel};
use partita_observe::follower::Follower;
use partita_observe::frame::{Topic, Update};
use partita_shared::ids::WorkerId;

/// The pages, by the name of their files.
fn pages() -> [(&'static str, Route); 7] {
    [
        ("workers", Route::Workers),
        ("worker", Route::Worker(WorkerId(9))),
        ("worker-lost", Route::Worker(WorkerId(17))),
        ("timeline", Route::Timeline(None)),
        ("data", Route::Data),
        ("events", Route::Events),
        ("scheduler", Route::Scheduler),
    ]
}

fn page(name: &str, live: &Live) -> String {
    let found = pages().into_iter().find(|(known, _)| *known == name);
    draw_page(name, live, &found.expect("a page of this name").1)
}

/// What users look for is on the pages of a busy cluster.
#[test]
fn busy_pages_say_what_is_asked() {
    let live = drawn();
    let workers = page("workers", &live);
    assert_shows(
        &workers,
        &["23 workers", "n0413-0", "paused", "retiring", "Disconnected workers", "out of memory"],
    );
    let worker = page("worker", &live);
    assert_shows(
        &worker,
        &[
            "n0415-0",
            "worker-9 on n0415",
            "Tasks on slots",
            "join orders",
            "7.3.903",
            "Log",
            "8812",
        ],
    );
    assert_shows(&page("worker-lost", &live), &["lost", "its Slurm job was out of memory"]);
    let timeline = page("timeline", &live);
    assert_shows(&timeline, &["Slots over time", "waited for other workers", "join orders"]);
    assert!(timeline.contains("Timeline of 48 of 192 slots"), "the drawing is said in a sentence");
    let data = page("data", &live);
    assert_shows(
        &data,
        &["scan lineitem", "212 GiB", "read between 6 hosts", "Largest partitions"],
    );
    let events = page("events", &live);
    assert_shows(&events, &["214 ×", "n0417-0 was lost", "and 2 more", "Traceback", "All events"]);
    let scheduler = page("scheduler", &live);
    assert_shows(
        &scheduler,
        &["not a bottleneck", "1.84 µs", "CPU, % of a core 12.4", "412", "worker-timeout", "212 MiB"],
    );
}

/// A panel alone is that panel, with what the page says of the link and a way back, and nothing else.
#[test]
fn a_panel_is_shown_alone() {
    let live = drawn();
    let html = draw_panel("panel", &live, &Route::Data, Some("data-hosts"));
    assert_shows(&html, &["Read between hosts"]);
    assert!(html.contains("the whole page") && html.contains("#/data"));
    assert_hides(&html, &["Largest partitions", "Memory by stage", "<nav"]);
    assert!(draw_page("data", &live, &Route::Data).contains("#/panel/data-hosts/data"));
}

/// Before any data has arrived, each page says that it waits, and shows no zeros.
#[test]
fn pages_say_that_they_wait() {
    let live = told(Vec::new(), Vec::new());
    for (name, route) in pages() {
        let html = draw_page(&format!("{name}-loading"), &live, &route);
        if !matches!(route, Route::Timeline(_)) {
            assert_shows(&html, &["Loading…"]);
        }
        assert_hides(&html, &["No worker has joined", "No task or job has failed", "0 workers"]);
    }
}

/// A cluster without workers says how to get one, and lists without rows say what they would list.
#[test]
fn empty_pages_say_so() {
    let worker = WorkerId(9);
    let live = told(
        vec![Topic::Workers, Topic::Data, Topic::Events, Topic::Scheduler, Topic::Worker(worker)],
        vec![
            Update::Workers(all_new(Vec::new())),
            Update::Data(Box::default()),
            Update::Events(all_new(Vec::new())),
            Update::Scheduler(Box::default()),
            Update::Worker(worker, None),
        ],
    );
    let drawn = |name: &str, route: &Route| draw_page(&format!("{name}-empty"), &live, route);
    let wanted: [(&str, &[&str]); 6] = [
        ("workers", &["No workers are connected", "partita worker"]),
        ("worker", &["Unknown worker-9"]),
        ("timeline", &["No workers are connected"]),
        ("data", &["No stage holds a partition", "No worker has read a partition from another"]),
        ("events", &["No task or job has failed", "No worker was lost", "No events yet"]),
        ("scheduler", &["not a bottleneck", "none", "No settings were received"]),
    ];
    for (name, sentences) in wanted {
        let route = pages().into_iter().find(|(known, _)| *known == name).expect("a page").1;
        assert_shows(&drawn(name, &route), sentences);
    }
}

/// Nothing of a page breaks its policy, whatever stands in names.
#[test]
fn pages_keep_the_policy() {
    let live = drawn();
    for (name, route) in pages() {
        let html = draw_page(name, &live, &route);
        assert!(!html.contains(" style="), "{name} has a style attribute");
        assert!(!html.contains("<script"), "{name} has a script");
    }
}

/// While the link is down, pages are shown as they were.
#[test]
fn old_figures_stay() {
    let whole = drawn();
    let follower: Follower = (*whole).clone();
    let old = live(follower, Health::Reconnecting, Vec::new());
    assert_shows(&draw_page("workers-stale", &old, &Route::Workers), &["n0413-0", "paused"]);
}
