//! What pages are given: the figures of this moment, and what they can ask and do.

use crate::route::Route;
use partita_observe::follower::Follower;
use partita_observe::frame::{Answer, Question, Source, Topic};
use std::ops::Deref;
use std::rc::Rc;
use yew::prelude::*;

/// Gets an answer.
pub type AnswerCallback = Callback<Rc<Answer>>;

/// What the page says of the link and its figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Nothing has come yet, and no attempt has failed.
    Loading,
    /// Nothing has come yet, and an attempt has failed.
    Unreachable,
    /// The figures are of now.
    Live,
    /// The figures are of a moment of a journal.
    Replay,
    /// The user holds the figures.
    Held,
    /// The link stands and the figures are old.
    Stale,
    /// The link is down and the figures are old.
    Reconnecting,
}

/// Why the page has no figures of now, as far as it can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing is known of it.
    #[default]
    Unknown,
    /// The scheduler does not answer at all.
    NoAnswer,
    /// It answers, but the socket does not get through.
    NoSocket,
    /// Too many pages are open.
    Full,
}

impl Trouble {
    /// The sentence for it.
    pub fn sentence(self) -> &'static str {
        match self {
            Trouble::Unknown | Trouble::NoAnswer => {
                "The scheduler does not answer. Check that it is running and that the SSH tunnel is \
                 up; the page retries every few seconds."
            }
            Trouble::NoSocket => {
                "The scheduler answers, but its WebSocket does not get through. The proxy must \
                 forward the Upgrade and Connection headers, and pass the Host header on or send \
                 it as X-Forwarded-Host."
            }
            Trouble::Full => {
                "Too many dashboard pages are open at this scheduler. Close some; this page \
                 retries every few seconds."
            }
        }
    }
}

/// What a page can want done.
pub enum Act {
    /// Ask the other side. If the link is lost before it answers, no answer comes: whoever needs
    /// one asks again, as [`use_answer`] does.
    Ask(Question, AnswerCallback),
    /// Follow these too, under this name, until others (or none) are given under it.
    Want(&'static str, Vec<Topic>),
    /// Do what a path of the REST API does. The result says why it was not possible.
    Post(String, Callback<Result<(), String>>),
    /// Go to a moment of a replay, in milliseconds since the epoch.
    Seek(u64),
    /// Let a replay run at this multiple of real time; 0 stops it.
    Play(f32),
    /// Hold the figures, or let them go on.
    Hold(bool),
    /// Show another page.
    Go(Route),
}

/// Details of the connection, for the status bar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkFigures {
    /// The number of the latest frame.
    pub frame: u64,
    /// Bytes that came in the last second.
    pub bytes_per_s: u64,
}

/// What is shown of one moment.
pub struct Snapshot {
    /// The rows. Its `now_ms` is the moment that is shown, counted on between frames.
    pub follower: Follower,
    /// How the link stands.
    pub health: Health,
    /// How old the figures are, in milliseconds.
    pub figures_age_ms: u64,
    /// Why there are no figures of now.
    pub trouble: Trouble,
    /// Details of the connection.
    pub link: LinkFigures,
    /// The latest answers, the newest first.
    pub answers: Vec<(Question, Rc<Answer>)>,
    /// Takes what pages want done.
    pub act: Callback<Act>,
}

/// The figures of one moment, as every page gets them. Cheap to clone; equal only to itself. It
/// derefs to the [`Follower`], whose lists are `Rc`s: hand those on to panels (in a
/// [`crate::components::parts::Same`]), so that a panel is drawn only when its own rows changed.
///
/// `live.now_ms` is the moment that is shown, in milliseconds since the epoch on the scheduler's
/// clock. It counts on by itself, so ages are `live.now_ms - row.last_seen_ms`.
#[derive(Clone)]
pub struct Live(Rc<Snapshot>);

impl Live {
    /// Shares a snapshot.
    pub fn new(snapshot: Snapshot) -> Self {
        Live(Rc::new(snapshot))
    }

    /// How the link stands.
    pub fn health(&self) -> Health {
        self.0.health
    }

    /// Why there are no figures of now.
    pub fn trouble(&self) -> Trouble {
        self.0.trouble
    }

    /// How old the figures are, in milliseconds.
    pub fn figures_age_ms(&self) -> u64 {
        self.0.figures_age_ms
    }

    /// Details of the connection.
    pub fn link(&self) -> LinkFigures {
        self.0.link
    }

    /// What is served.
    pub fn source(&self) -> Source {
        self.greeting.as_ref().map_or(Source::Live, |greeting| greeting.source)
    }

    /// Whether the page may change anything, as soon as the link stands: not in a replay, and not where
    /// the scheduler's pages are read-only.
    pub fn may_act(&self) -> bool {
        self.greeting.as_ref().is_some_and(|greeting| greeting.may_act)
    }

    /// Whether the page can change anything now: not while the link is down.
    pub fn can_act(&self) -> bool {
        self.may_act() && matches!(self.0.health, Health::Live | Health::Stale)
    }

    /// Whether all rows of a topic have arrived. Until then its panel is loading.
    pub fn has(&self, topic: Topic) -> bool {
        self.is_whole(topic)
    }

    /// What takes acts: it is kept in callbacks, which outlive this moment.
    pub fn actor(&self) -> Callback<Act> {
        self.0.act.clone()
    }

    /// The latest answer to a question, if it is remembered.
    pub fn answer(&self, question: &Question) -> Option<Rc<Answer>> {
        let found = self.0.answers.iter().find(|(known, _)| known == question);
        found.map(|(_, answer)| answer.clone())
    }
}

impl PartialEq for Live {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Deref for Live {
    type Target = Follower;
    fn deref(&self) -> &Follower {
        &self.0.follower
    }
}

/// Follows topics as long as the component is there, beside those of its route. `name` tells
/// those of one component from those of another.
#[hook]
pub fn use_topics(live: &Live, name: &'static str, topics: Vec<Topic>) {
    let act = live.actor();
    use_effect_with(topics, move |topics| {
        act.emit(Act::Want(name, topics.clone()));
    });
    let act = live.actor();
    use_effect_with((), move |()| move || act.emit(Act::Want(name, Vec::new())));
}

/// Asks a question, again whenever it changes and at this interval as long as the component is
/// mounted. Gives the latest answer; none until the first one came.
#[hook]
pub fn use_answer(live: &Live, question: Option<Question>, every_ms: u32) -> Option<Rc<Answer>> {
    let answer = use_state(|| None::<(Question, Rc<Answer>)>);
    let act = live.actor();
    let setter = answer.setter();
    // Asked again at once when the link is back: until then nobody answers.
    let is_open =
        !matches!(live.health(), Health::Loading | Health::Unreachable | Health::Reconnecting);
    use_effect_with((question.clone(), is_open), move |(question, is_open)| {
        let interval = question.clone().filter(|_| *is_open).map(|question| {
            let ask = move || {
                let asked = question.clone();
                let setter = setter.clone();
                let on_answer = Callback::from(move |answer| {
                    setter.set(Some((asked.clone(), answer)));
                });
                act.emit(Act::Ask(question.clone(), on_answer));
            };
            ask();
            gloo_timers::callback::Interval::new(every_ms, ask)
        });
        move || drop(interval)
    });
    let question = question?;
    match &*answer {
        Some((asked, answer)) if *asked == question => Some(answer.clone()),
        _ => live.answer(&question),
    }
}
