//! Where the figures come from: a scheduler behind a socket, or a model in the page itself.
//!
//! Both speak the protocol of [`partita_observe::frame`], so nothing beyond this file knows
//! which it is. A report that opens without a network gives the app an [`Opener::Local`].

use crate::socket::Socket;
use partita_observe::frame::{FromPage, ToPage};
use std::rc::Rc;
use yew::Callback;

/// Somebody who answers.
pub trait Source {
    /// Tells it something. What cannot be sent any more is dropped: a closed source says so by
    /// [`SourceEvent::Closed`].
    fn send(&self, message: &FromPage);
}

/// What a source says.
#[derive(Debug)]
pub enum SourceEvent {
    /// A message, and how many bytes it had on its way.
    Message(Box<ToPage>, usize),
    /// A message of another build, which cannot be read.
    Unreadable,
    /// It ended, or never began.
    Closed {
        /// The code of the WebSocket protocol, or one above 4000 of our own.
        code: u16,
    },
}

/// Makes a source that lives in the page. It may call back only after it has returned.
pub type LocalOpener = Rc<dyn Fn(Callback<SourceEvent>) -> Box<dyn Source>>;

/// How the page gets at its source.
#[derive(Clone)]
pub enum Opener {
    /// By a socket to the scheduler that served the page, which asks for a token.
    Scheduler,
    /// By a call: the model is in the page.
    #[cfg_attr(
        not(any(test, feature = "report")),
        expect(dead_code, reason = "only a report makes it, and its code is left out of the page")
    )]
    Local(LocalOpener),
}

impl PartialEq for Opener {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Opener::Scheduler, Opener::Scheduler) => true,
            (Opener::Local(one), Opener::Local(other)) => Rc::ptr_eq(one, other),
            (Opener::Scheduler, Opener::Local(_)) | (Opener::Local(_), Opener::Scheduler) => false,
        }
    }
}

impl Opener {
    /// Whether a token is asked for.
    pub fn needs_token(&self) -> bool {
        matches!(self, Opener::Scheduler)
    }

    /// Begins. Events come to `on_event` from then on. Gives nothing if it cannot even begin.
    pub fn open(&self, token: &str, on_event: Callback<SourceEvent>) -> Option<Box<dyn Source>> {
        match self {
            Opener::Scheduler => {
                Socket::open(token.to_string(), on_event).map(|s| Box::new(s) as Box<dyn Source>)
            }
            Opener::Local(open) => Some(open(on_event)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Link;
    use partita_observe::frame::{PAGE_PROTOCOL, Source as Served};
    use std::cell::RefCell;

    /// Keeps what it was told.
    struct Inside(Rc<RefCell<Vec<FromPage>>>);

    impl Source for Inside {
        fn send(&self, message: &FromPage) {
            self.0.borrow_mut().push(message.clone());
        }
    }

    /// A model in the page is followed like a scheduler, and without a token.
    #[test]
    fn a_model_in_the_page_is_followed_like_any() {
        let told = Rc::new(RefCell::new(Vec::new()));
        let heard = Rc::new(RefCell::new(Vec::new()));
        let opener = {
            let told = told.clone();
            Opener::Local(Rc::new(move |on_event: Callback<SourceEvent>| {
                on_event.emit(SourceEvent::Message(
                    Box::new(ToPage::Hello {
                        protocol: PAGE_PROTOCOL,
                        version: partita_shared::VERSION.into(),
                        cluster: "report".into(),
                        source: Served::Replay { from_ms: 1, to_ms: 2 },
                        may_act: false,
                    }),
                    0,
                ));
                Box::new(Inside(told.clone()))
            }))
        };
        assert!(!opener.needs_token() && opener == opener.clone() && opener != Opener::Scheduler);
        let on_event = {
            let heard = heard.clone();
            Callback::from(move |event| heard.borrow_mut().push(event))
        };
        let source = opener.open("", on_event).expect("opens");
        let mut link = Link::new(0.0);
        for event in heard.borrow_mut().drain(..) {
            let SourceEvent::Message(message, bytes) = event else { panic!("no message") };
            link.received(*message, bytes, 0.0);
        }
        link.take_outbox().iter().for_each(|message| source.send(message));
        assert_eq!(*told.borrow(), [FromPage::Follow(Vec::new())]);
    }
}
