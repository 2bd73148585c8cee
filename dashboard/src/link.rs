//! The page's end of the link: what it has received, what it shows, and what it has to send.
//!
//! Nothing here asks a clock or touches a socket: every function gets the moment, in milliseconds
//! of one clock that never steps back, and what is to be sent waits in an outbox.

use crate::live::{AnswerCallback, Health};
use partita_observe::follower::Follower;
use partita_observe::frame::{
    Answer, FromPage, PAGE_PROTOCOL, Question, Source, TOPICS_MAX, ToPage, Topic,
};
use std::collections::VecDeque;
use std::rc::Rc;

/// Figures older than this are shown as stale, in milliseconds.
pub const STALE_AFTER_MS: f64 = 2_000.0;

/// A link that is silent for this long is given up, in milliseconds: a cut tunnel does not close
/// its sockets.
pub const SILENCE_MS_MAX: f64 = 15_000.0;

/// The first pause before the page connects again, in milliseconds.
const RETRY_DELAY_MS_MIN: u32 = 250;

/// The longest pause before the page connects again, in milliseconds.
const RETRY_DELAY_MS_MAX: u32 = 5_000;

/// Old values are shown until all new ones have arrived, but no longer than this after the first of
/// them, in milliseconds.
const SWITCH_AFTER_MS: f64 = 3_000.0;

/// Questions that wait for their answer.
const QUESTIONS_MAX: usize = 16;

/// Answers that are kept, so that going back to a list shows it at once.
const ANSWERS_KEPT: usize = 8;

/// How the link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A connection was begun, and the other side has not said hello.
    Connecting,
    /// It said hello.
    Open,
    /// The link was lost, and the page waits before it connects again.
    Waiting,
}

/// Figures that the user holds: those that were shown then, whatever came after. Frames may be under way
/// when the other side hears that it shall pause.
struct HeldFigures {
    follower: Follower,
    /// When its latest frame came.
    received_ms: f64,
    frame: u64,
}

/// The page's end of the link.
pub struct Link {
    phase: Phase,
    /// What has come over the present connection.
    follower: Follower,
    /// What had come over the one before, shown until the present one has as much.
    old: Option<Follower>,
    /// When the present connection brought its first frame.
    first_frame_ms: Option<f64>,
    topics: Vec<Topic>,
    /// When anything came, or the connection was begun if nothing came since.
    last_message_ms: f64,
    /// When the frame came that is shown.
    received_ms: f64,
    /// When the page last began to listen again.
    resumed_ms: f64,
    /// Failed attempts since the last frame.
    failures: u32,
    unreadable: bool,
    held: Option<HeldFigures>,
    hidden: bool,
    /// A frame was applied and the other side was not told.
    owed: Option<u64>,
    frame: u64,
    meter: Meter,
    /// The first asked first.
    questions: VecDeque<(u32, Question, AnswerCallback)>,
    next_question: u32,
    answers: VecDeque<(Question, Rc<Answer>)>,
    outbox: Vec<FromPage>,
}

impl Link {
    /// Knows nothing yet.
    pub fn new(now_ms: f64) -> Self {
        Link {
            phase: Phase::Connecting,
            follower: Follower::new(),
            old: None,
            first_frame_ms: None,
            topics: Vec::new(),
            last_message_ms: now_ms,
            received_ms: now_ms,
            resumed_ms: f64::NEG_INFINITY,
            failures: 0,
            unreadable: false,
            held: None,
            hidden: false,
            owed: None,
            frame: 0,
            meter: Meter::new(now_ms),
            questions: VecDeque::new(),
            next_question: 1,
            answers: VecDeque::new(),
            outbox: Vec::new(),
        }
    }

    /// What is shown.
    pub fn shown(&self) -> &Follower {
        let held = self.held.as_ref().map(|held| &held.follower);
        held.or(self.old.as_ref()).unwrap_or(&self.follower)
    }

    /// What is to be sent now.
    pub fn take_outbox(&mut self) -> Vec<FromPage> {
        std::mem::take(&mut self.outbox)
    }

    /// A connection was begun. What is shown stays.
    pub fn connecting(&mut self, now_ms: f64) {
        self.phase = Phase::Connecting;
        self.last_message_ms = now_ms;
    }

    /// The link was lost, or could not be made. Gives the pause before the next attempt, in
    /// milliseconds: it doubles with each failure up to a bound.
    pub fn lost(&mut self) -> u32 {
        let follower = std::mem::replace(&mut self.follower, Follower::new());
        if self.old.is_none() && has_figures(&follower) {
            self.old = Some(follower);
        }
        self.phase = Phase::Waiting;
        self.first_frame_ms = None;
        self.owed = None;
        // Whoever asked asks again: lists are refreshed while they are open.
        self.questions.clear();
        self.outbox.clear();
        let doublings = self.failures.min(16);
        self.failures = self.failures.saturating_add(1);
        RETRY_DELAY_MS_MIN.saturating_mul(1 << doublings).min(RETRY_DELAY_MS_MAX)
    }

    /// A message of another build arrived, which cannot be read.
    pub fn unreadable(&mut self) {
        self.unreadable = true;
    }

    /// A message of this many bytes arrived. Returns an answer and who asked for it.
    pub fn received(
        &mut self,
        message: ToPage,
        bytes: usize,
        now_ms: f64,
    ) -> Option<(AnswerCallback, Rc<Answer>)> {
        self.last_message_ms = now_ms;
        self.meter.add(bytes);
        let is_hello = matches!(message, ToPage::Hello { .. });
        if !is_hello && self.is_other_protocol() {
            return None;
        }
        let applied = self.follower.apply(message);
        if is_hello {
            self.greeted();
        }
        if let Some(number) = applied.taken {
            self.applied_frame(number, now_ms);
        }
        let (number, answer) = applied.answer?;
        let at = self.questions.iter().position(|(known, ..)| *known == number)?;
        let (_, question, asker) = self.questions.remove(at)?;
        let answer = Rc::new(answer);
        self.keep(question, answer.clone());
        Some((asker, answer))
    }

    fn greeted(&mut self) {
        self.phase = Phase::Open;
        self.unreadable = false;
        if self.is_other_protocol() {
            return;
        }
        self.follower.follow(self.topics.clone());
        self.outbox.push(FromPage::Follow(self.topics.clone()));
        if self.is_paused() {
            self.outbox.push(FromPage::Pause);
        }
    }

    fn applied_frame(&mut self, number: u64, now_ms: f64) {
        self.owed = Some(number);
        self.frame = number;
        self.failures = 0;
        let first_ms = *self.first_frame_ms.get_or_insert(now_ms);
        let all_there = self.topics.iter().all(|topic| self.follower.is_whole(*topic));
        if all_there || now_ms - first_ms >= SWITCH_AFTER_MS {
            self.old = None;
        }
        if self.old.is_none() {
            self.received_ms = now_ms;
        }
    }

    fn keep(&mut self, question: Question, answer: Rc<Answer>) {
        self.answers.retain(|(known, _)| *known != question);
        self.answers.push_front((question, answer));
        self.answers.truncate(ANSWERS_KEPT);
    }

    /// The latest answers, the newest first.
    pub fn answers(&self) -> impl Iterator<Item = &(Question, Rc<Answer>)> {
        self.answers.iter()
    }

    /// What is applied was drawn: the other side may send more.
    pub fn drawn(&mut self) {
        if self.phase == Phase::Open
            && let Some(number) = self.owed.take()
        {
            self.outbox.push(FromPage::Taken(number));
        }
    }

    /// What the page wants from now on, the most wanted first.
    pub fn follow(&mut self, mut topics: Vec<Topic>) {
        topics.truncate(TOPICS_MAX);
        if topics == self.topics {
            return;
        }
        self.topics.clone_from(&topics);
        if self.phase == Phase::Open && !self.is_other_protocol() {
            self.follower.follow(topics.clone());
            self.outbox.push(FromPage::Follow(topics));
        }
    }

    /// Asks. The answer comes once; if the link is lost before, none does.
    pub fn ask(&mut self, question: Question, asker: AnswerCallback) {
        if self.phase != Phase::Open || self.is_other_protocol() {
            return;
        }
        // The oldest is the least wanted: its page was most likely left.
        if self.questions.len() >= QUESTIONS_MAX {
            self.questions.pop_front();
        }
        let number = self.next_question;
        self.next_question = self.next_question.wrapping_add(1);
        self.questions.push_back((number, question.clone(), asker));
        self.outbox.push(FromPage::Ask(number, question));
    }

    /// Goes to a moment of a replay, in milliseconds since the epoch.
    pub fn seek(&mut self, to_ms: u64) {
        if self.phase == Phase::Open {
            self.outbox.push(FromPage::Seek(to_ms));
        }
    }

    /// Lets a replay run.
    pub fn play(&mut self, speed: f32) {
        if self.phase == Phase::Open {
            self.outbox.push(FromPage::Play(speed));
        }
    }

    /// The user holds the figures, or lets them go on.
    pub fn hold(&mut self, held: bool, now_ms: f64) {
        let before = self.is_paused();
        if held != self.is_held() {
            self.held = held.then(|| HeldFigures {
                follower: self.shown().clone(),
                received_ms: self.received_ms,
                frame: self.frame,
            });
        }
        self.tell_pause(before, now_ms);
    }

    /// The tab went to the background, or came back.
    pub fn hide(&mut self, hidden: bool, now_ms: f64) {
        let before = self.is_paused();
        self.hidden = hidden;
        self.tell_pause(before, now_ms);
    }

    /// Whether the user holds the figures.
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    fn is_paused(&self) -> bool {
        self.is_held() || self.hidden
    }

    fn tell_pause(&mut self, before: bool, now_ms: f64) {
        let paused = self.is_paused();
        if paused == before {
            return;
        }
        if !paused {
            self.resumed_ms = now_ms;
            self.last_message_ms = now_ms;
        }
        if self.phase == Phase::Open {
            self.outbox.push(if paused { FromPage::Pause } else { FromPage::Resume });
        }
    }

    /// A second has passed.
    pub fn tick(&mut self, now_ms: f64) {
        self.meter.tick(now_ms);
    }

    /// Whether the link is silent for so long that it should be made anew. One that was told to be
    /// silent is not.
    pub fn is_silent(&self, now_ms: f64) -> bool {
        let stands_still = self.is_replay() && self.follower.speed == 0.0;
        self.phase != Phase::Waiting
            && !self.is_paused()
            && !stands_still
            && now_ms - self.last_message_ms > SILENCE_MS_MAX
    }

    /// What to say of the link and the figures.
    pub fn health(&self, now_ms: f64) -> Health {
        if !has_figures(self.shown()) {
            return if self.failures > 0 { Health::Unreachable } else { Health::Loading };
        }
        if self.phase != Phase::Open || self.old.is_some() {
            return Health::Reconnecting;
        }
        if self.is_replay() {
            return Health::Replay;
        }
        if self.is_held() {
            return Health::Held;
        }
        let fresh_ms = self.received_ms.max(self.resumed_ms);
        if now_ms - fresh_ms <= STALE_AFTER_MS { Health::Live } else { Health::Stale }
    }

    fn is_replay(&self) -> bool {
        let source = self.shown().greeting.as_ref().map(|greeting| greeting.source);
        matches!(source, Some(Source::Replay { .. }))
    }

    fn is_other_protocol(&self) -> bool {
        self.follower.greeting.as_ref().is_some_and(|hello| hello.protocol != PAGE_PROTOCOL)
    }

    /// Whether the two sides are of different builds, so that figures may be wrong.
    pub fn is_other_build(&self) -> bool {
        let greeting = self.follower.greeting.as_ref();
        let other = |version: &str| version != partita_shared::VERSION;
        self.unreadable
            || self.is_other_protocol()
            || greeting.is_some_and(|greeting| other(&greeting.version))
    }

    /// How old the figures are, in whole milliseconds.
    pub fn figures_age_ms(&self, now_ms: f64) -> u64 {
        let received_ms = self.held.as_ref().map_or(self.received_ms, |held| held.received_ms);
        (now_ms - received_ms).max(0.0) as u64
    }

    /// The moment that is shown, in milliseconds since the epoch: the other side's last word and
    /// what passed here since. So ages count up while the link is down, and the browser's own clock
    /// may be wrong. While figures are held, their moment stays.
    pub fn shown_now_ms(&self, now_ms: f64) -> u64 {
        let base = self.shown().now_ms;
        if base == 0 || self.is_held() {
            return base;
        }
        let age_ms = self.figures_age_ms(now_ms) as f64;
        let speed = if self.is_replay() { f64::from(self.shown().speed.max(0.0)) } else { 1.0 };
        base.saturating_add((age_ms * speed) as u64)
    }

    /// The number of the latest frame that is shown.
    pub fn frame(&self) -> u64 {
        self.held.as_ref().map_or(self.frame, |held| held.frame)
    }

    /// Bytes that came in the last second or so.
    pub fn bytes_per_s(&self) -> u64 {
        self.meter.bytes_per_s
    }
}

/// Whether there is anything to show.
fn has_figures(follower: &Follower) -> bool {
    follower.now_ms > 0
}

/// Counts bytes.
struct Meter {
    since_ms: f64,
    bytes: u64,
    bytes_per_s: u64,
}

impl Meter {
    fn new(now_ms: f64) -> Self {
        Meter { since_ms: now_ms, bytes: 0, bytes_per_s: 0 }
    }

    fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    fn tick(&mut self, now_ms: f64) {
        let seconds = (now_ms - self.since_ms) / 1_000.0;
        if seconds > 0.0 {
            self.bytes_per_s = (self.bytes as f64 / seconds) as u64;
            (self.since_ms, self.bytes) = (now_ms, 0);
        }
    }
}

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
