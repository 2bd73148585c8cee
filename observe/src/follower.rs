//! A page's side: what it has of the topics that it follows.
//!
//! Rows and lists are behind `Rc`, so that a component that is handed one compares a pointer to
//! know whether it has to be drawn again.

use crate::frame::{Answer, Delta, Source, ToPage, Topic, Update};
use crate::view::{
    ClusterView, DataView, EventRow, JobView, Notice, Point, SchedulerView, StageView, TableView,
    TimelineView, TimelineWindow, WorkerView,
};
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::model::{JobRow, WorkerRow};
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

/// Seconds of a history that a page keeps.
pub const HISTORY_SECONDS: u64 = 600;

/// Rows by key, in the order of the keys.
pub type Rows<K, R> = Rc<BTreeMap<K, Rc<R>>>;

/// What the first message said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// The protocol that the other side speaks.
    pub protocol: u32,
    /// Its version.
    pub version: String,
    /// The cluster's name.
    pub cluster: String,
    /// What is served.
    pub source: Source,
    /// Whether the page may cancel jobs and retire workers.
    pub may_act: bool,
}

/// What a message meant beyond what it changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// A frame was applied: tell the other side so, when it is drawn.
    pub taken: Option<u64>,
    /// A question was answered.
    pub answer: Option<(u32, Answer)>,
}

/// What a page has.
#[derive(Clone, Debug, Default)]
pub struct Follower {
    /// What the first message said.
    pub greeting: Option<Greeting>,
    /// The moment that is shown, in milliseconds since the epoch on the scheduler's clock.
    pub now_ms: u64,
    /// How fast a replay runs; 1 for what is live.
    pub speed: f32,
    /// [`Topic::Cluster`].
    pub cluster: Option<Rc<ClusterView>>,
    /// [`Topic::History`]: points by second.
    pub history: Rc<BTreeMap<u64, Point>>,
    /// [`Topic::Notices`].
    pub notices: Option<Rc<Vec<Notice>>>,
    /// [`Topic::Workers`].
    pub workers: Rows<WorkerId, WorkerRow>,
    /// [`Topic::Jobs`].
    pub jobs: Rows<JobId, JobRow>,
    /// [`Topic::Stages`], by job.
    pub stages: BTreeMap<JobId, Rows<u32, StageView>>,
    /// [`Topic::Job`]; `None` within means that the job is not known.
    pub job_texts: BTreeMap<JobId, Option<Rc<JobView>>>,
    /// [`Topic::Worker`]; `None` within means that the worker is not known.
    pub worker_pages: BTreeMap<WorkerId, Option<Rc<WorkerView>>>,
    /// [`Topic::WorkerHistory`]: points by second.
    pub worker_histories: BTreeMap<WorkerId, Rc<BTreeMap<u64, Point>>>,
    /// [`Topic::Timeline`]: the latest one, and for which window.
    pub timeline: Option<(TimelineWindow, Rc<TimelineView>)>,
    /// [`Topic::Data`].
    pub data: Option<Rc<DataView>>,
    /// [`Topic::Tables`].
    pub tables: Rc<Vec<TableView>>,
    /// [`Topic::Events`].
    pub events: Rows<u32, EventRow>,
    /// [`Topic::Scheduler`].
    pub scheduler: Option<Rc<SchedulerView>>,
    topics: Vec<Topic>,
    whole: HashSet<Topic>,
}

impl Follower {
    /// Has nothing yet.
    pub fn new() -> Self {
        Follower { speed: 1.0, ..Follower::default() }
    }

    /// What is followed from now on. What was there of other topics is forgotten.
    pub fn follow(&mut self, topics: Vec<Topic>) {
        self.whole.retain(|topic| topics.contains(topic));
        let gone = |topic: Topic| !topics.contains(&topic);
        if gone(Topic::History) {
            self.history = Rc::default();
        }
        if gone(Topic::Workers) {
            self.workers = Rc::default();
        }
        if gone(Topic::Jobs) {
            self.jobs = Rc::default();
        }
        if gone(Topic::Events) {
            self.events = Rc::default();
        }
        self.stages.retain(|job, _| !gone(Topic::Stages(*job)));
        self.job_texts.retain(|job, _| !gone(Topic::Job(*job)));
        self.worker_pages.retain(|worker, _| !gone(Topic::Worker(*worker)));
        self.worker_histories.retain(|worker, _| !gone(Topic::WorkerHistory(*worker)));
        self.topics = topics;
    }

    /// What is followed.
    pub fn topics(&self) -> &[Topic] {
        &self.topics
    }

    /// Whether all of a topic that there was has come: until then its page is loading.
    pub fn is_whole(&self, topic: Topic) -> bool {
        self.whole.contains(&topic)
    }

    /// Applies a message. Updates of topics that are not followed any more change nothing.
    pub fn apply(&mut self, message: ToPage) -> Applied {
        match message {
            ToPage::Hello { protocol, version, cluster, source, may_act } => {
                self.greeting = Some(Greeting { protocol, version, cluster, source, may_act });
                Applied::default()
            }
            ToPage::Frame { number, now_ms, speed, updates } => {
                (self.now_ms, self.speed) = (now_ms, speed);
                updates.into_iter().for_each(|update| self.update(update));
                Applied { taken: Some(number), answer: None }
            }
            ToPage::Answer(number, answer) => {
                Applied { taken: None, answer: Some((number, answer)) }
            }
        }
    }

    fn update(&mut self, update: Update) {
        let (topic, more) = topic_of(&update);
        if !self.topics.contains(&topic) {
            return;
        }
        if !more {
            self.whole.insert(topic);
        }
        match update {
            Update::Cluster(view) => self.cluster = Some(Rc::from(view)),
            Update::History(delta) => add_points(&mut self.history, delta),
            Update::Notices(notices) => self.notices = Some(Rc::new(notices)),
            Update::Workers(delta) => change(&mut self.workers, delta, |row| row.id),
            Update::Jobs(delta) => change(&mut self.jobs, delta, |row| row.id),
            Update::Stages(job, delta) => {
                change(self.stages.entry(job).or_default(), delta, |row| row.id.index);
            }
            Update::Job(job, view) => {
                self.job_texts.insert(job, view.map(Rc::from));
            }
            Update::Worker(worker, view) => {
                self.worker_pages.insert(worker, view.map(Rc::from));
            }
            Update::WorkerHistory(worker, delta) => {
                add_points(self.worker_histories.entry(worker).or_default(), delta);
            }
            Update::Timeline(window, view) => self.timeline = Some((window, Rc::from(view))),
            Update::Tables(tables) => self.tables = Rc::new(tables),
            Update::Data(view) => self.data = Some(Rc::from(view)),
            Update::Events(delta) => change(&mut self.events, delta, |row| row.id),
            Update::Scheduler(view) => self.scheduler = Some(Rc::from(view)),
        }
    }
}

/// The topic of an update, and whether more of it follows at once.
fn topic_of(update: &Update) -> (Topic, bool) {
    match update {
        Update::Cluster(_) => (Topic::Cluster, false),
        Update::History(delta) => (Topic::History, delta.more),
        Update::Notices(_) => (Topic::Notices, false),
        Update::Workers(delta) => (Topic::Workers, delta.more),
        Update::Jobs(delta) => (Topic::Jobs, delta.more),
        Update::Stages(job, delta) => (Topic::Stages(*job), delta.more),
        Update::Job(job, _) => (Topic::Job(*job), false),
        Update::Worker(worker, _) => (Topic::Worker(*worker), false),
        Update::WorkerHistory(worker, delta) => (Topic::WorkerHistory(*worker), delta.more),
        Update::Timeline(window, _) => (Topic::Timeline(*window), false),
        Update::Data(_) => (Topic::Data, false),
        Update::Tables(_) => (Topic::Tables, false),
        Update::Events(delta) => (Topic::Events, delta.more),
        Update::Scheduler(_) => (Topic::Scheduler, false),
    }
}

fn change<K: Ord + Copy, R>(rows: &mut Rows<K, R>, delta: Delta<K, R>, key: impl Fn(&R) -> K) {
    let rows = Rc::make_mut(rows);
    if delta.reset {
        rows.clear();
    }
    for gone in &delta.gone {
        rows.remove(gone);
    }
    for row in delta.rows {
        rows.insert(key(&row), Rc::new(row));
    }
}

fn add_points(points: &mut Rc<BTreeMap<u64, Point>>, delta: Delta<u64, (u64, Point)>) {
    let points = Rc::make_mut(points);
    if delta.reset {
        points.clear();
    }
    points.extend(delta.rows);
    if let Some(last) = points.keys().next_back().copied() {
        *points = points.split_off(&(last + 1).saturating_sub(HISTORY_SECONDS));
    }
}
