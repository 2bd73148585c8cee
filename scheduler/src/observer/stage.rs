//! The model and the pages that follow it.

use crate::observer::{PageId, Told};
use partita_shared::observe::frame::{FromPage, ToPage};
use partita_shared::observe::model::Model;
use partita_shared::observe::session::{Session, Wanted, Watched};
use partita_shared::wire;
use std::collections::BTreeMap;
use tokio::sync::mpsc;

/// One page.
struct Follower {
    session: Session,
    outbox: mpsc::Sender<Vec<u8>>,
}

/// What pages see, and the pages.
pub(crate) struct Stage {
    pub(crate) model: Model,
    followers: BTreeMap<PageId, Follower>,
}

impl Stage {
    pub(crate) fn new(model: Model) -> Self {
        Stage { model, followers: BTreeMap::new() }
    }

    pub(crate) fn has_pages(&self) -> bool {
        !self.followers.is_empty()
    }

    /// Takes what is told of pages. What a page wants that changes what all see is returned.
    pub(crate) fn take(&mut self, told: Told) -> Option<Wanted> {
        match told {
            // The caller takes these, since it keeps the journal.
            Told::Seen(_) | Told::End { .. } => {}
            Told::Connect { page, outbox } => {
                let session = Session::new(crate::now_ms());
                self.followers.insert(page, Follower { session, outbox });
            }
            Told::Message { page, message } => return self.message(page, message),
            Told::Gone { page } => {
                self.followers.remove(&page);
            }
            Told::Ask { question, reply } => {
                let _ = reply.send(self.model.answer(&question));
            }
        }
        None
    }

    fn message(&mut self, page: PageId, message: FromPage) -> Option<Wanted> {
        let follower = self.followers.get_mut(&page)?;
        match follower.session.on_message(message, crate::now_ms())? {
            Wanted::Answer(number, question) => {
                let answer = ToPage::Answer(number, self.model.answer(&question));
                // A page that asks faster than it reads gets no answer, and asks again.
                if let Ok(bytes) = wire::encode(&answer) {
                    let _ = follower.outbox.try_send(bytes);
                }
                None
            }
            wanted @ (Wanted::Seek(_) | Wanted::Play(_)) => Some(wanted),
        }
    }

    /// Gives each page what it may get now, and forgets those that are gone or take nothing.
    pub(crate) fn tick(&mut self, now_ms: u64) {
        self.model.set_audience(self.followers.len() as u32);
        let model = &mut self.model;
        self.followers.retain(|_, follower| {
            while let Some(frame) = follower.session.poll(model, now_ms) {
                let Ok(bytes) = wire::encode(&frame) else { return false };
                if follower.outbox.try_send(bytes).is_err() {
                    return false;
                }
            }
            !follower.outbox.is_closed() && !follower.session.is_overdue(now_ms)
        });
    }

    /// What all pages together look at closely.
    pub(crate) fn watched(&self) -> Watched {
        let mut all = Watched::default();
        for follower in self.followers.values() {
            let watched = follower.session.watched();
            all.all |= watched.all;
            all.workers.extend(watched.workers);
        }
        all.workers.sort_unstable();
        all.workers.dedup();
        all
    }

    /// Another moment of a replay: all pages get everything again.
    pub(crate) fn restart(&mut self, model: Model) {
        self.model = model;
        self.followers.values_mut().for_each(|follower| follower.session.restart());
    }

    /// Tells the pages how fast a replay runs.
    pub(crate) fn set_speed(&mut self, speed: f32) {
        self.followers.values_mut().for_each(|follower| follower.session.set_speed(speed));
    }
}
