//! One page's side where the model is: what it follows, how far it is, and what it may get now.
//!
//! There is no queue: a page that is slow gets fewer frames, each with all that changed since. So a
//! session is as large as the list of its topics, whatever the page does.

mod measure;

use crate::frame::{
    Delta, FRAMES_UNTAKEN_MAX, FromPage, Question, TOPICS_MAX, ToPage, Topic, UPDATE_ROWS_MAX,
    Update,
};
use crate::model::Model;
use crate::series::Ring;
use crate::table::{Reached, Table};
use crate::view::Point;
use measure::Measured;
use partita_shared::ids::{JobId, WorkerId};

/// Bytes that a page gets in a second.
pub const PAGE_BYTES_PER_S: u64 = 256 << 10;

/// Bytes that a page that was quiet may get at once.
pub const PAGE_BURST_BYTES: u64 = 256 << 10;

/// Bytes of a frame after which no other topic is put in it.
pub const FRAME_BYTES: u64 = 64 << 10;

/// A page that takes nothing for so long is given up, in milliseconds.
pub const OVERDUE_MS: u64 = 30_000;

/// A page gets a frame at least this often, so that it sees that it is followed, in milliseconds.
pub const ALIVE_MS: u64 = 1_000;

/// A topic that has waited for so long after it was due goes before all others, in milliseconds.
pub const TOPIC_WAIT_MS_MAX: u64 = 1_000;

/// Rows of which an update is made even if they are more than a frame is to have.
const ROWS_MIN: usize = 8;

/// What a page wants that its session cannot give: the caller does it.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// An answer, to be sent as [`ToPage::Answer`] under the same number.
    Answer(u32, Question),
    /// Another moment of a replay, in milliseconds since the epoch.
    Seek(u64),
    /// Another speed of a replay; 0 stops it.
    Play(f32),
}

/// Workers whose detail someone looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// Whether it is every worker.
    pub all: bool,
    /// Those that are named.
    pub workers: Vec<WorkerId>,
}

/// How far a page is with a topic.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    /// With rows, by the kind of their keys.
    workers: Reached<WorkerId>,
    jobs: Reached<JobId>,
    numbers: Reached<u32>,
    /// With points: the last second.
    second: Option<u64>,
    /// With a document: what it was made of, and what it was.
    made_of: Option<(u64, u64)>,
    document: Option<u64>,
    /// Whether something of it was sent.
    is_begun: bool,
    /// Whether it was told that there is nothing.
    is_missing: bool,
}

impl Cursor {
    /// What was not known is now: the page begins anew.
    fn is_known(&mut self) {
        if self.is_missing {
            *self = Cursor::default();
        }
    }
}

/// A topic that a page follows.
#[derive(Clone, Debug)]
struct Followed {
    topic: Topic,
    cursor: Cursor,
    /// When it may be read again.
    due_ms: u64,
}

/// One page that follows.
#[derive(Clone, Debug)]
pub struct Session {
    topics: Vec<Followed>,
    is_paused: bool,
    sent: u64,
    taken: u64,
    speed: f32,
    /// Bytes that may be sent; below zero after a large document.
    budget: i64,
    budget_ms: u64,
    sent_ms: u64,
    /// Since when something was sent and not taken.
    waits_ms: u64,
}

/// Milliseconds between two updates of a topic. A tenth less is enough, since the caller's clock
/// does not strike them exactly.
fn period_ms(topic: Topic) -> u64 {
    match topic {
        Topic::Cluster => 100,
        Topic::Workers | Topic::Jobs | Topic::Stages(_) | Topic::Events => 250,
        Topic::Timeline(window) if window.end_ms.is_none() => 500,
        Topic::History
        | Topic::WorkerHistory(_)
        | Topic::Notices
        | Topic::Job(_)
        | Topic::Worker(_)
        | Topic::Timeline(_)
        | Topic::Scheduler
        | Topic::Tables => 1_000,
        Topic::Data => 2_000,
    }
}

impl Session {
    /// A page that connected at this moment, in milliseconds on the caller's clock.
    pub fn new(now_ms: u64) -> Self {
        Session {
            topics: Vec::new(),
            is_paused: false,
            sent: 0,
            taken: 0,
            speed: 1.0,
            budget: PAGE_BURST_BYTES as i64,
            budget_ms: now_ms,
            sent_ms: now_ms,
            waits_ms: now_ms,
        }
    }

    /// Takes a message of the page. What the session cannot do itself is returned.
    pub fn on_message(&mut self, message: FromPage, now_ms: u64) -> Option<Wanted> {
        match message {
            FromPage::Follow(topics) => self.follow(topics, now_ms),
            FromPage::Taken(number) => {
                let taken = number.min(self.sent);
                if taken > self.taken {
                    (self.taken, self.waits_ms) = (taken, now_ms);
                }
            }
            FromPage::Pause => self.is_paused = true,
            FromPage::Resume => (self.is_paused, self.waits_ms) = (false, now_ms),
            FromPage::Ask(number, question) => return Some(Wanted::Answer(number, question)),
            FromPage::Seek(at_ms) => return Some(Wanted::Seek(at_ms)),
            FromPage::Play(speed) => return Some(Wanted::Play(speed)),
        }
        None
    }

    fn follow(&mut self, topics: Vec<Topic>, now_ms: u64) {
        let mut before = std::mem::take(&mut self.topics);
        for topic in topics {
            if self.topics.len() == TOPICS_MAX || self.topics.iter().any(|new| new.topic == topic) {
                continue;
            }
            let known = before.iter().position(|old| old.topic == topic);
            let fresh = Followed { topic, cursor: Cursor::default(), due_ms: now_ms };
            self.topics.push(known.map_or(fresh, |at| before.swap_remove(at)));
        }
    }

    /// The model was made anew (a replay was sent to an earlier moment): the page gets everything
    /// again.
    pub fn restart(&mut self) {
        for followed in &mut self.topics {
            (followed.cursor, followed.due_ms) = (Cursor::default(), 0);
        }
    }

    /// How fast a replay runs, as frames say it; 1 for what is live.
    pub fn set_speed(&mut self, speed: f32) {
        self.speed = speed;
    }

    /// Whether the page has been sent something and has taken nothing for too long: its connection
    /// is to be closed. A page that said that nobody looks draws nothing, and is waited for.
    pub fn is_overdue(&self, now_ms: u64) -> bool {
        let is_waited_for = self.sent > self.taken && !self.is_paused;
        is_waited_for && now_ms.saturating_sub(self.waits_ms) >= OVERDUE_MS
    }

    /// Workers whose detail the page looks at. None while it is paused.
    pub fn watched(&self) -> Watched {
        let mut watched = Watched::default();
        if self.is_paused {
            return watched;
        }
        for followed in &self.topics {
            match followed.topic {
                Topic::Data => watched.all = true,
                Topic::Worker(worker) => watched.workers.push(worker),
                Topic::Cluster
                | Topic::History
                | Topic::Notices
                | Topic::Workers
                | Topic::Jobs
                | Topic::Stages(_)
                | Topic::Job(_)
                | Topic::WorkerHistory(_)
                | Topic::Timeline(_)
                | Topic::Events
                | Topic::Tables
                | Topic::Scheduler => {}
            }
        }
        watched
    }

    /// What the page may get now, if anything. `now_ms` is on the caller's clock, which goes on
    /// while a replay stands.
    pub fn poll(&mut self, model: &mut Model, now_ms: u64) -> Option<ToPage> {
        self.earn(now_ms);
        if self.is_paused || self.sent - self.taken >= FRAMES_UNTAKEN_MAX || self.budget <= 0 {
            return None;
        }
        let (mut updates, mut bytes) = (Vec::new(), 0);
        for at in self.turns(now_ms) {
            if bytes >= FRAME_BYTES {
                break;
            }
            let Followed { topic, cursor, due_ms } = &mut self.topics[at];
            let made = make(model, *topic, cursor, FRAME_BYTES);
            // What has more to come is due again at once, but behind those that wait for longer.
            let is_more = made.as_ref().is_some_and(|(update, _)| is_more(update));
            *due_ms = if is_more { now_ms } else { now_ms + period_ms(*topic) * 9 / 10 };
            if let Some((update, size)) = made {
                bytes += size;
                updates.push(update);
            }
        }
        if updates.is_empty() && now_ms.saturating_sub(self.sent_ms) < ALIVE_MS {
            return None;
        }
        if self.sent == self.taken {
            self.waits_ms = now_ms;
        }
        self.sent += 1;
        self.sent_ms = now_ms;
        self.budget -= i64::try_from(bytes).unwrap_or(i64::MAX);
        Some(ToPage::Frame {
            number: self.sent,
            now_ms: model.now_ms(),
            speed: self.speed,
            updates,
        })
    }

    /// Time brings bytes.
    fn earn(&mut self, now_ms: u64) {
        let passed_ms = now_ms.saturating_sub(self.budget_ms).min(60_000);
        self.budget_ms = self.budget_ms.max(now_ms);
        let earned = (passed_ms * PAGE_BYTES_PER_S / 1_000) as i64;
        self.budget = self.budget.saturating_add(earned).min(PAGE_BURST_BYTES as i64);
    }

    /// The topics that are due, in the order of their turns: as they are wanted, but for those that
    /// have waited too long, which go first.
    fn turns(&self, now_ms: u64) -> Vec<usize> {
        let waited = |at: &usize| now_ms.saturating_sub(self.topics[*at].due_ms);
        let mut turns: Vec<usize> =
            (0..self.topics.len()).filter(|at| self.topics[*at].due_ms <= now_ms).collect();
        turns.sort_by_key(|at| match waited(at) {
            long if long > TOPIC_WAIT_MS_MAX => std::cmp::Reverse(long),
            _ => std::cmp::Reverse(0),
        });
        turns
    }
}

fn is_more(update: &Update) -> bool {
    match update {
        Update::History(delta) | Update::WorkerHistory(_, delta) => delta.more,
        Update::Workers(delta) => delta.more,
        Update::Jobs(delta) => delta.more,
        Update::Stages(_, delta) => delta.more,
        Update::Events(delta) => delta.more,
        Update::Cluster(_)
        | Update::Notices(_)
        | Update::Job(..)
        | Update::Worker(..)
        | Update::Timeline(..)
        | Update::Data(_)
        | Update::Tables(_)
        | Update::Scheduler(_) => false,
    }
}

/// What changed of a topic since the page had it, if anything did, and its bytes.
fn make(model: &mut Model, topic: Topic, cursor: &mut Cursor, room: u64) -> Option<(Update, u64)> {
    model.settle();
    match topic {
        Topic::Cluster => document(cursor, Update::Cluster(Box::new(model.cluster()))),
        Topic::History => points(cursor, Some(model.history()), Update::History),
        Topic::Notices => document(cursor, Update::Notices(model.notices().to_vec())),
        Topic::Workers => rows(&mut cursor.workers, model.workers(), room, Update::Workers),
        Topic::Jobs => rows(&mut cursor.jobs, model.jobs(), room, Update::Jobs),
        Topic::Stages(job) => {
            let update = |delta| Update::Stages(job, delta);
            let Some(stages) = model.stages(job) else { return missing(cursor, update) };
            cursor.is_known();
            rows(&mut cursor.numbers, stages, room, update)
        }
        Topic::Job(job) => {
            // A job's texts are long and seldom change.
            let made_of = model.job_view_revision(job);
            if cursor.made_of == Some(made_of) {
                return None;
            }
            cursor.made_of = Some(made_of);
            document(cursor, Update::Job(job, model.job_view(job).map(Box::new)))
        }
        Topic::Worker(worker) => {
            document(cursor, Update::Worker(worker, model.worker_view(worker).map(Box::new)))
        }
        Topic::WorkerHistory(worker) => {
            let ring = model.worker_history(worker);
            points(cursor, ring, |delta| Update::WorkerHistory(worker, delta))
        }
        Topic::Timeline(window) => {
            let made_of = model.timeline_revision();
            if window.end_ms.is_some() && cursor.made_of == Some(made_of) {
                return None;
            }
            cursor.made_of = Some(made_of);
            let view = model.timeline_shared(&window);
            document(cursor, Update::Timeline(window, Box::new(view)))
        }
        Topic::Tables => document(cursor, Update::Tables(model.tables())),
        Topic::Data => document(cursor, Update::Data(Box::new(model.data_view()))),
        Topic::Events => rows(&mut cursor.numbers, model.events(), room, Update::Events),
        Topic::Scheduler => document(cursor, Update::Scheduler(Box::new(model.scheduler_view()))),
    }
}

/// A document, if it is other than the last one that was sent.
fn document(cursor: &mut Cursor, update: Update) -> Option<(Update, u64)> {
    let Measured { bytes, hash } = measure::of(&update);
    if cursor.document == Some(hash) {
        return None;
    }
    (cursor.document, cursor.is_begun) = (Some(hash), true);
    Some((update, bytes))
}

/// Rows that changed, as many as there is room for.
fn rows<K: Ord + Copy, R: PartialEq + Clone>(
    reached: &mut Reached<K>,
    table: &Table<K, R>,
    room: u64,
    update: impl Fn(Delta<K, R>) -> Update,
) -> Option<(Update, u64)> {
    if !table.has_changes(*reached) {
        return None;
    }
    let mut limit = UPDATE_ROWS_MAX;
    loop {
        let (delta, further) = table.changes(*reached, limit);
        let count = delta.rows.len() + delta.gone.len();
        let update = update(delta);
        let Measured { bytes, .. } = measure::of(&update);
        if bytes > room && count > ROWS_MIN {
            let fitting = count as u64 * room / bytes;
            limit = usize::try_from(fitting).unwrap_or(ROWS_MIN).clamp(ROWS_MIN, count - 1);
            continue;
        }
        *reached = further;
        return Some((update, bytes));
    }
}

/// Points that are new.
fn points(
    cursor: &mut Cursor,
    ring: Option<&Ring>,
    update: impl Fn(Delta<u64, (u64, Point)>) -> Update,
) -> Option<(Update, u64)> {
    let Some(ring) = ring else { return missing(cursor, update) };
    cursor.is_known();
    let (rows, more) = ring.after(cursor.second, UPDATE_ROWS_MAX);
    if rows.is_empty() && cursor.is_begun {
        return None;
    }
    let reset = !cursor.is_begun;
    cursor.second = rows.last().map(|(second, _)| *second).or(cursor.second);
    cursor.is_begun = true;
    let update = update(Delta { reset, rows, gone: Vec::new(), more });
    let Measured { bytes, .. } = measure::of(&update);
    Some((update, bytes))
}

/// Unknown items have no rows, which is sent once.
fn missing<K, R>(
    cursor: &mut Cursor,
    update: impl Fn(Delta<K, R>) -> Update,
) -> Option<(Update, u64)> {
    if std::mem::replace(&mut cursor.is_missing, true) {
        return None;
    }
    let update = update(Delta { reset: true, rows: Vec::new(), gone: Vec::new(), more: false });
    let Measured { bytes, .. } = measure::of(&update);
    Some((update, bytes))
}
