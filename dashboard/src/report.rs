//! A report: what was seen of a cluster lies in the page itself, and so does the model of it.
//!
//! The file that `partita report` writes puts the journal into [`GLOBAL`] before it starts the page.

use crate::browser;
use crate::source::{Opener, Source, SourceEvent};
use gloo_timers::callback::{Interval, Timeout};
use js_sys::{Reflect, Uint8Array};
use partita_observe::event::{Observation, Seen};
use partita_observe::frame::{FromPage, PAGE_PROTOCOL, Source as Served, ToPage};
use partita_observe::replay::Replay;
use partita_observe::session::{Session, Wanted};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::JsCast;
use yew::Callback;

/// The property of the window that has the journal: the entries, encoded by postcard.
const GLOBAL: &str = "partitaReport";
/// How often the page gets what changed, in milliseconds.
const TICK_MS: u32 = 100;

/// What a report works with.
struct State {
    replay: Replay,
    session: Session,
    on_event: Callback<SourceEvent>,
}

/// A journal in the page, followed like a scheduler.
struct Local {
    state: Rc<RefCell<State>>,
    _ticks: Interval,
}

/// The journal that was put into the page, if one was.
pub fn opener() -> Option<Opener> {
    let window = web_sys::window()?;
    let found = Reflect::get(&window, &GLOBAL.into()).ok()?;
    let bytes = found.dyn_into::<Uint8Array>().ok()?.to_vec();
    let entries: Rc<Vec<Seen>> = Rc::new(partita_observe::report::decode(&bytes).ok()?);
    Some(Opener::Local(Rc::new(move |on_event| Box::new(open(&entries, on_event)))))
}

fn open(entries: &Rc<Vec<Seen>>, on_event: Callback<SourceEvent>) -> Local {
    let replay = Replay::new(entries.to_vec());
    let (from_ms, to_ms) = replay.span_ms();
    let cluster = entries.iter().find_map(|seen| match &seen.what {
        Observation::Started(facts) => Some(facts.cluster.clone()),
        _ => None,
    });
    let hello = ToPage::Hello {
        protocol: PAGE_PROTOCOL,
        version: partita_shared::VERSION.to_string(),
        cluster: cluster.unwrap_or_default(),
        source: Served::Replay { from_ms, to_ms },
        may_act: false,
    };
    let session = Session::new(now_ms());
    let state = Rc::new(RefCell::new(State { replay, session, on_event }));
    say(&state, vec![hello]);
    let ticking = Rc::clone(&state);
    Local { state, _ticks: Interval::new(TICK_MS, move || tick(&ticking)) }
}

fn now_ms() -> u64 {
    browser::monotonic_ms() as u64
}

/// Hands messages to the page, when what runs now has returned.
fn say(state: &Rc<RefCell<State>>, messages: Vec<ToPage>) {
    let on_event = state.borrow().on_event.clone();
    Timeout::new(0, move || {
        for message in messages {
            on_event.emit(SourceEvent::Message(Box::new(message), 0));
        }
    })
    .forget();
}

fn tick(state: &Rc<RefCell<State>>) {
    let mut messages = Vec::new();
    {
        let State { replay, session, .. } = &mut *state.borrow_mut();
        replay.tick(u64::from(TICK_MS) * 1000);
        session.set_speed(replay.speed());
        while let Some(frame) = session.poll(&mut replay.model, now_ms()) {
            messages.push(frame);
        }
    }
    if !messages.is_empty() {
        say(state, messages);
    }
}

impl Source for Local {
    fn send(&self, message: &FromPage) {
        let answer = {
            let State { replay, session, .. } = &mut *self.state.borrow_mut();
            match session.on_message(message.clone(), now_ms()) {
                Some(Wanted::Answer(number, question)) => {
                    Some(ToPage::Answer(number, replay.model.answer(&question)))
                }
                Some(wanted) => {
                    if replay.obey(&wanted) {
                        session.restart();
                    }
                    None
                }
                None => None,
            }
        };
        if let Some(answer) = answer {
            say(&self.state, vec![answer]);
        }
    }
}
