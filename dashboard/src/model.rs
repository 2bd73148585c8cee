//! What the page knows: the latest frame, when it came, and how the link to the scheduler stands.
//!
//! Nothing here asks a clock: every function gets the moment, in milliseconds of one clock that
//! never steps back.

use partita_shared::message::DashboardFrame;
use std::ops::Deref;
use std::rc::Rc;

/// Figures older than this are shown as stale.
pub const STALE_AFTER_MS: f64 = 2_000.0;

/// A link that is silent for this long is given up: a cut tunnel does not close its sockets.
pub const SILENCE_MS_MAX: f64 = 15_000.0;

/// The first pause before the page connects again.
const RETRY_DELAY_MS_MIN: u32 = 250;

/// The longest pause before the page connects again.
const RETRY_DELAY_MS_MAX: u32 = 5_000;

/// A frame that components share. Two are equal if they are the same one: comparing thousands of
/// rows would cost more than drawing them.
#[derive(Clone, Debug)]
pub struct Frame(Rc<DashboardFrame>);

impl Frame {
    /// Shares a frame.
    pub fn new(frame: DashboardFrame) -> Self {
        Self(Rc::new(frame))
    }
}

impl PartialEq for Frame {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Deref for Frame {
    type Target = DashboardFrame;
    fn deref(&self) -> &DashboardFrame {
        &self.0
    }
}

/// How the link to the scheduler stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// A connection was begun, and nothing came yet.
    Connecting,
    /// Frames come.
    Open,
    /// It was lost, and the page waits before it connects again.
    Waiting,
}

/// What the page says of the link and its figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// No frame has come yet, and no attempt has failed.
    Loading,
    /// No frame has come yet, and an attempt has failed.
    Unreachable,
    /// The figures are of now.
    Live,
    /// The link stands and the figures are old.
    Stale,
    /// The link is down and the figures are old.
    Reconnecting,
}

/// What the page knows.
#[derive(Clone, Debug)]
pub struct Model {
    frame: Option<Frame>,
    /// When the latest frame came, or the link was begun if none came since.
    heard_ms: f64,
    /// When the latest frame came.
    received_ms: f64,
    link: Link,
    /// Failed attempts since the last frame.
    failures: u32,
    /// A frame could not be read.
    unreadable: bool,
}

impl Model {
    /// Knows nothing yet.
    pub fn new(now_ms: f64) -> Self {
        Self {
            frame: None,
            heard_ms: now_ms,
            received_ms: now_ms,
            link: Link::Connecting,
            failures: 0,
            unreadable: false,
        }
    }

    /// The latest frame.
    pub fn frame(&self) -> Option<&Frame> {
        self.frame.as_ref()
    }

    /// Whether the page and the scheduler are of different builds, so that figures may be wrong.
    pub fn is_other_version(&self) -> bool {
        let other = |frame: &Frame| frame.cluster.version != partita_shared::VERSION;
        self.unreadable || self.frame.as_ref().is_some_and(other)
    }

    /// A connection was begun.
    pub fn connecting(&mut self, now_ms: f64) {
        self.link = Link::Connecting;
        self.heard_ms = now_ms;
    }

    /// A frame came.
    pub fn received(&mut self, frame: DashboardFrame, now_ms: f64) {
        self.frame = Some(Frame::new(frame));
        self.heard_ms = now_ms;
        self.received_ms = now_ms;
        self.link = Link::Open;
        self.failures = 0;
        self.unreadable = false;
    }

    /// Something came that is no frame of this build.
    pub fn unreadable(&mut self) {
        self.unreadable = true;
    }

    /// The link was lost, or could not be made. Gives the pause before the next attempt, in
    /// milliseconds: it doubles with each failure up to a bound.
    pub fn lost(&mut self) -> u32 {
        self.link = Link::Waiting;
        let doublings = self.failures.min(16);
        self.failures = self.failures.saturating_add(1);
        RETRY_DELAY_MS_MIN.saturating_mul(1 << doublings).min(RETRY_DELAY_MS_MAX)
    }

    /// Whether the link is silent for so long that it should be made anew.
    pub fn is_silent(&self, now_ms: f64) -> bool {
        self.link != Link::Waiting && now_ms - self.heard_ms > SILENCE_MS_MAX
    }

    /// What to say of the link and the figures.
    pub fn health(&self, now_ms: f64) -> Health {
        if self.frame.is_none() {
            return if self.failures > 0 { Health::Unreachable } else { Health::Loading };
        }
        match self.link {
            Link::Open if now_ms - self.received_ms <= STALE_AFTER_MS => Health::Live,
            Link::Open => Health::Stale,
            Link::Connecting | Link::Waiting => Health::Reconnecting,
        }
    }

    /// How old the figures are, in whole milliseconds.
    pub fn figures_age_ms(&self, now_ms: f64) -> u64 {
        (now_ms - self.received_ms).max(0.0) as u64
    }

    /// The scheduler's time, in milliseconds since the epoch: its last word and what passed here
    /// since. So ages count up while the link is down, and the browser's own clock may be wrong.
    pub fn scheduler_now_ms(&self, now_ms: f64) -> u64 {
        let base = self.frame.as_ref().map_or(0, |frame| frame.now_ms);
        base.saturating_add(self.figures_age_ms(now_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use partita_shared::model::ClusterRow;

    fn frame(now_ms: u64) -> DashboardFrame {
        let version = partita_shared::VERSION.to_string();
        let cluster = ClusterRow { version, ..ClusterRow::default() };
        DashboardFrame { now_ms, cluster, workers: Vec::new(), jobs: Vec::new() }
    }

    /// Each health is reached by the events that lead to it, and figures turn stale by time alone.
    #[test]
    fn health_follows_link_and_age() {
        let mut model = Model::new(0.0);
        assert_eq!(model.health(0.0), Health::Loading);
        model.lost();
        assert_eq!(model.health(100.0), Health::Unreachable);
        model.received(frame(1_000), 200.0);
        assert_eq!(model.health(200.0 + STALE_AFTER_MS), Health::Live);
        assert_eq!(model.health(201.0 + STALE_AFTER_MS), Health::Stale);
        model.lost();
        assert_eq!(model.health(300.0), Health::Reconnecting);
        model.connecting(400.0);
        assert_eq!(model.health(400.0), Health::Reconnecting);
        model.received(frame(2_000), 500.0);
        assert_eq!(model.health(500.0), Health::Live);
    }

    /// Pauses double up to five seconds and start anew after a frame.
    #[test]
    fn pauses_double_up_to_a_bound() {
        let mut model = Model::new(0.0);
        let pauses: Vec<u32> = (0..7).map(|_| model.lost()).collect();
        assert_eq!(pauses, [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
        for _ in 0..100 {
            assert_eq!(model.lost(), 5_000);
        }
        model.received(frame(0), 0.0);
        assert_eq!(model.lost(), 250);
    }

    /// A silent link is given up, whether it was open or never answered; one that waits is not.
    #[test]
    fn silence_is_noticed() {
        let mut model = Model::new(0.0);
        assert!(!model.is_silent(SILENCE_MS_MAX));
        assert!(model.is_silent(SILENCE_MS_MAX + 1.0));
        model.received(frame(0), 1_000.0);
        assert!(!model.is_silent(SILENCE_MS_MAX + 1_000.0));
        assert!(model.is_silent(SILENCE_MS_MAX + 1_001.0));
        model.lost();
        assert!(!model.is_silent(1e9));
    }

    /// The scheduler's time goes on while nothing comes.
    #[test]
    fn the_schedulers_time_counts_up() {
        let mut model = Model::new(0.0);
        model.received(frame(50_000), 1_000.0);
        assert_eq!(model.scheduler_now_ms(4_500.0), 53_500);
        assert_eq!(model.figures_age_ms(500.0), 0);
    }

    /// A scheduler of another build, or bytes that are no frame, ask for a reload; a good frame
    /// takes that back.
    #[test]
    fn other_builds_are_noticed() {
        let mut model = Model::new(0.0);
        assert!(!model.is_other_version());
        model.unreadable();
        assert!(model.is_other_version());
        model.received(frame(0), 0.0);
        assert!(!model.is_other_version());
        let mut other = frame(0);
        other.cluster.version = "0.0.0-other".into();
        model.received(other, 0.0);
        assert!(model.is_other_version());
    }
}
