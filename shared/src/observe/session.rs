//! One page's side where the model is: what it follows, how far it is, and what it may get now.

use crate::ids::WorkerId;
use crate::observe::frame::{FromPage, Question, ToPage};
use crate::observe::model::Model;

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

/// One page that follows.
#[derive(Clone, Debug)]
pub struct Session {
    speed: f32,
}

impl Session {
    /// A page that connected at this moment, in milliseconds on the caller's clock.
    pub fn new(now_ms: u64) -> Self {
        let _ = now_ms;
        Session { speed: 1.0 }
    }

    /// Takes a message of the page. What the session cannot do itself is returned.
    pub fn on_message(&mut self, message: FromPage, now_ms: u64) -> Option<Wanted> {
        let _ = (message, now_ms);
        None
    }

    /// What the page may get now, if anything. `now_ms` is on the caller's clock, which goes on
    /// while a replay stands.
    pub fn poll(&mut self, model: &mut Model, now_ms: u64) -> Option<ToPage> {
        let _ = (model, now_ms, self.speed);
        None
    }

    /// The model was made anew (a replay was sent to an earlier moment): the page gets everything
    /// again.
    pub fn restart(&mut self) {}

    /// How fast a replay runs, as frames say it; 1 for what is live.
    pub fn set_speed(&mut self, speed: f32) {
        self.speed = speed;
    }

    /// Whether the page has been sent something and has taken nothing for too long: its connection
    /// is to be closed.
    pub fn is_overdue(&self, now_ms: u64) -> bool {
        let _ = now_ms;
        false
    }

    /// Workers whose detail the page looks at. None while it is paused.
    pub fn watched(&self) -> Watched {
        Watched::default()
    }
}
