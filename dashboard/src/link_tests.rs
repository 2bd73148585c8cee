//! Tests of the page's end of the link.

use super::*;
use partita_observe::frame::Update;
use partita_observe::view::ClusterView;
use partita_shared::ids::{JobId, StageId, TaskId};
use std::cell::RefCell;
use yew::Callback;

fn hello(source: Source) -> ToPage {
    ToPage::Hello {
        protocol: PAGE_PROTOCOL,
        version: partita_shared::VERSION.to_string(),
        cluster: "c".into(),
        source,
        may_act: source == Source::Live,
    }
}

fn frame(number: u64, now_ms: u64, updates: Vec<Update>) -> ToPage {
    ToPage::Frame { number, now_ms, speed: 1.0, updates }
}

fn cluster(finished: u64) -> Update {
    let mut view = ClusterView::default();
    view.row.tasks_finished = finished;
    Update::Cluster(Box::new(view))
}

fn finished(link: &Link) -> Option<u64> {
    link.shown().cluster.as_ref().map(|cluster| cluster.row.tasks_finished)
}

/// A link that follows the cluster and got one frame, at the moment 0.
fn open_link() -> Link {
    let mut link = Link::new(0.0);
    link.follow(vec![Topic::Cluster]);
    link.received(hello(Source::Live), 10, 0.0);
    link.received(frame(1, 50_000, vec![cluster(1)]), 10, 0.0);
    link.drawn();
    let sent = link.take_outbox();
    assert_eq!(sent, [FromPage::Follow(vec![Topic::Cluster]), FromPage::Taken(1)]);
    link
}

/// Each health is reached by the events that lead to it, and values become stale only because time
/// passes.
#[test]
fn health_follows_link_and_age() {
    let mut link = Link::new(0.0);
    link.follow(vec![Topic::Cluster]);
    assert_eq!(link.health(0.0), Health::Loading);
    link.lost();
    assert_eq!(link.health(100.0), Health::Unreachable);
    link.connecting(150.0);
    link.received(hello(Source::Live), 10, 200.0);
    link.received(frame(1, 1_000, vec![cluster(1)]), 10, 200.0);
    assert_eq!(link.health(200.0 + STALE_AFTER_MS), Health::Live);
    assert_eq!(link.health(201.0 + STALE_AFTER_MS), Health::Stale);
    link.lost();
    assert_eq!(link.health(300.0), Health::Reconnecting);
    link.connecting(400.0);
    link.received(hello(Source::Live), 10, 400.0);
    assert_eq!(link.health(400.0), Health::Reconnecting);
    link.received(frame(1, 2_000, vec![cluster(2)]), 10, 500.0);
    assert_eq!(link.health(500.0), Health::Live);
}

/// After a loss the old values stay, counted on, until the new connection has all topics that are
/// followed; and the followed topics are requested again.
#[test]
fn old_figures_stay_until_new_ones_are_whole() {
    let mut link = open_link();
    link.follow(vec![Topic::Cluster, Topic::Notices]);
    link.lost();
    assert_eq!(link.take_outbox(), []);
    assert_eq!((finished(&link), link.shown_now_ms(4_000.0)), (Some(1), 54_000));
    link.connecting(4_000.0);
    link.received(hello(Source::Live), 10, 4_100.0);
    assert_eq!(link.take_outbox(), [FromPage::Follow(vec![Topic::Cluster, Topic::Notices])]);
    link.received(frame(1, 60_000, vec![cluster(2)]), 10, 4_200.0);
    assert_eq!((finished(&link), link.health(4_200.0)), (Some(1), Health::Reconnecting));
    link.received(frame(2, 60_100, vec![Update::Notices(Vec::new())]), 10, 4_300.0);
    assert_eq!((finished(&link), link.health(4_300.0)), (Some(2), Health::Live));
    assert_eq!(link.shown_now_ms(4_300.0), 60_100);
}

/// A topic that never comes does not keep the old figures for ever.
#[test]
fn old_figures_go_after_a_while() {
    let mut link = open_link();
    link.follow(vec![Topic::Cluster, Topic::Notices]);
    link.lost();
    link.received(hello(Source::Live), 10, 1_000.0);
    link.received(frame(1, 60_000, vec![cluster(2)]), 10, 1_000.0);
    link.received(frame(2, 63_000, Vec::new()), 10, 1_000.0 + SWITCH_AFTER_MS);
    assert_eq!(finished(&link), Some(2));
}

/// Only frames that were drawn are acknowledged, only the newest, and none over a lost link.
#[test]
fn frames_are_taken_when_they_are_drawn() {
    let mut link = open_link();
    link.received(frame(2, 50_100, Vec::new()), 10, 100.0);
    link.received(frame(3, 50_200, Vec::new()), 10, 110.0);
    assert_eq!(link.take_outbox(), []);
    link.drawn();
    link.drawn();
    assert_eq!(link.take_outbox(), [FromPage::Taken(3)]);
    link.received(frame(4, 50_300, Vec::new()), 10, 120.0);
    link.lost();
    link.drawn();
    assert_eq!(link.take_outbox(), []);
}

/// The followed topics are sent when they change, and only then.
#[test]
fn topics_are_said_once() {
    let mut link = open_link();
    link.follow(vec![Topic::Cluster]);
    assert_eq!(link.take_outbox(), []);
    link.follow(vec![Topic::Cluster, Topic::Jobs]);
    link.follow(vec![Topic::Cluster, Topic::Jobs]);
    assert_eq!(link.take_outbox(), [FromPage::Follow(vec![Topic::Cluster, Topic::Jobs])]);
    let many: Vec<Topic> = (0..40).map(|job| Topic::Job(JobId(job))).collect();
    link.follow(many.clone());
    assert_eq!(link.take_outbox(), [FromPage::Follow(many[..TOPICS_MAX].to_vec())]);
}

/// The user's hold and the hidden tab pause together: nothing resumes while one of them is left,
/// and a held moment stands still.
#[test]
fn hold_and_hide_pause_together() {
    let mut link = open_link();
    link.hold(true, 500.0);
    link.hide(true, 600.0);
    assert_eq!(link.take_outbox(), [FromPage::Pause]);
    assert_eq!((link.health(900.0), link.shown_now_ms(900.0)), (Health::Held, 50_000));
    link.hide(false, 20_000.0);
    assert_eq!(link.take_outbox(), []);
    assert!(!link.is_silent(60_000.0));
    link.hold(false, 60_000.0);
    assert_eq!(link.take_outbox(), [FromPage::Resume]);
    assert_eq!(link.health(60_000.0), Health::Live);
    assert!(!link.is_silent(60_000.0));
}

/// A frame that was under way when the figures were held is taken and not shown; it is when they go on.
#[test]
fn held_figures_stay_whatever_comes() {
    let mut link = open_link();
    link.hold(true, 500.0);
    assert_eq!(link.take_outbox(), [FromPage::Pause]);
    link.received(frame(2, 50_600, vec![cluster(2)]), 10, 600.0);
    link.drawn();
    assert_eq!(link.take_outbox(), [FromPage::Taken(2)]);
    let shown = (finished(&link), link.frame(), link.shown_now_ms(900.0));
    assert_eq!((shown, link.figures_age_ms(900.0)), ((Some(1), 1, 50_000), 900));
    link.hold(true, 950.0);
    assert_eq!((finished(&link), link.take_outbox()), (Some(1), Vec::new()));
    link.hold(false, 1_000.0);
    assert_eq!(link.take_outbox(), [FromPage::Resume]);
    assert_eq!((finished(&link), link.frame(), link.figures_age_ms(1_000.0)), (Some(2), 2, 400));
}

/// A link that comes up while the tab is hidden is told to be silent.
#[test]
fn a_hidden_page_pauses_a_new_link() {
    let mut link = Link::new(0.0);
    link.hide(true, 0.0);
    link.follow(vec![Topic::Cluster]);
    link.received(hello(Source::Live), 10, 0.0);
    let sent = link.take_outbox();
    assert_eq!(sent, [FromPage::Follow(vec![Topic::Cluster]), FromPage::Pause]);
}

/// Pauses double up to five seconds and start anew after a frame.
#[test]
fn pauses_double_up_to_a_bound() {
    let mut link = Link::new(0.0);
    let pauses: Vec<u32> = (0..7).map(|_| link.lost()).collect();
    assert_eq!(pauses, [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
    for _ in 0..100 {
        assert_eq!(link.lost(), 5_000);
    }
    link.received(hello(Source::Live), 10, 0.0);
    link.received(frame(1, 1, Vec::new()), 10, 0.0);
    assert_eq!(link.lost(), 250);
}

/// A silent link is given up, whether it was open or never answered; one that waits is not, nor a
/// replay that stands still.
#[test]
fn silence_is_noticed() {
    let mut link = Link::new(0.0);
    assert!(!link.is_silent(SILENCE_MS_MAX));
    assert!(link.is_silent(SILENCE_MS_MAX + 1.0));
    link.lost();
    assert!(!link.is_silent(1e9));
    let mut replay = Link::new(0.0);
    replay.received(hello(Source::Replay { from_ms: 1, to_ms: 9 }), 10, 0.0);
    replay.received(
        ToPage::Frame { number: 1, now_ms: 5, speed: 0.0, updates: Vec::new() },
        10,
        0.0,
    );
    assert!(!replay.is_silent(1e9));
    assert_eq!((replay.health(1e9), replay.shown_now_ms(1e9)), (Health::Replay, 5));
}

/// A scheduler of another build, or bytes that are no message, ask for a reload; frames of another
/// protocol are not believed.
#[test]
fn other_builds_are_noticed() {
    let mut link = open_link();
    assert!(!link.is_other_build());
    link.unreadable();
    assert!(link.is_other_build());
    link.received(hello(Source::Live), 10, 0.0);
    assert!(!link.is_other_build());
    let other = |protocol, version: &str| ToPage::Hello {
        protocol,
        version: version.into(),
        cluster: String::new(),
        source: Source::Live,
        may_act: false,
    };
    link.received(other(PAGE_PROTOCOL, "0.0.0-other"), 10, 0.0);
    assert!(link.is_other_build());
    link.received(other(PAGE_PROTOCOL + 1, partita_shared::VERSION), 10, 0.0);
    assert!(link.is_other_build());
    link.received(frame(9, 90_000, vec![cluster(9)]), 10, 0.0);
    assert_eq!(finished(&link), Some(1));
}

/// An answer comes to whoever asked, once, and is remembered; a lost link forgets who asked.
#[test]
fn answers_come_to_who_asked() {
    let mut link = open_link();
    let heard = Rc::new(RefCell::new(Vec::new()));
    let ask = |link: &mut Link, index: u32| {
        let question = Question::Task(TaskId { stage: StageId { job: JobId(1), index: 0 }, index });
        let heard = heard.clone();
        let asker = Callback::from(move |answer: Rc<Answer>| {
            heard.borrow_mut().push((index, answer));
        });
        link.ask(question, asker);
    };
    ask(&mut link, 7);
    let number = match link.take_outbox().as_slice() {
        [FromPage::Ask(number, Question::Task(_))] => *number,
        other => panic!("{other:?}"),
    };
    let none = Answer::None("no such task".into());
    for _ in 0..2 {
        if let Some((asker, answer)) = link.received(ToPage::Answer(number, none.clone()), 9, 0.0) {
            asker.emit(answer);
        }
    }
    assert_eq!(*heard.borrow(), [(7, Rc::new(none))]);
    assert_eq!(link.answers().count(), 1);
    ask(&mut link, 8);
    link.lost();
    assert!(link.received(ToPage::Answer(number + 1, Answer::None("".into())), 9, 0.0).is_none());
    // Nobody is asked while nobody listens.
    ask(&mut link, 9);
    assert_eq!(link.take_outbox(), []);
}

/// Bytes are told by the second.
#[test]
fn bytes_are_counted() {
    let mut link = open_link();
    link.tick(1_000.0);
    link.received(frame(2, 51_000, Vec::new()), 3_000, 1_500.0);
    link.tick(3_000.0);
    assert_eq!(link.bytes_per_s(), 1_500);
}
