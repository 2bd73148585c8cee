//! The pages that follow a model.

use crate::observer::{PageId, Told};
use partita_observe::frame::{FromPage, ToPage};
use partita_observe::model::Model;
use partita_observe::session::{Session, Wanted, Watched};
use partita_shared::wire;
use std::collections::BTreeMap;
use tokio::sync::mpsc;

/// One page.
struct Follower {
    session: Session,
    outbox: mpsc::Sender<Vec<u8>>,
}

/// The pages.
#[derive(Default)]
pub(crate) struct Pages {
    followers: BTreeMap<PageId, Follower>,
}

impl Pages {
    pub(crate) fn has_pages(&self) -> bool {
        !self.followers.is_empty()
    }

    /// Handles a message about pages. Returns a page's request that changes what all pages see.
    pub(crate) fn take(&mut self, model: &Model, told: Told) -> Option<Wanted> {
        match told {
            // The caller takes these, since it keeps the journal.
            Told::Seen(_) | Told::End { .. } => {}
            Told::Connect { page, outbox } => {
                let session = Session::new(crate::now_ms());
                self.followers.insert(page, Follower { session, outbox });
            }
            Told::Message { page, message } => return self.message(model, page, message),
            Told::Gone { page } => {
                self.followers.remove(&page);
            }
            Told::Attempts { job, max, reply } => {
                let _ = reply.send(model.latest_attempts(job, max));
            }
            Told::Ask { question, reply } => {
                let _ = reply.send(model.answer(&question));
            }
        }
        None
    }

    fn message(&mut self, model: &Model, page: PageId, message: FromPage) -> Option<Wanted> {
        let follower = self.followers.get_mut(&page)?;
        match follower.session.on_message(message, crate::now_ms())? {
            Wanted::Answer(number, question) => {
                let answer = ToPage::Answer(number, model.answer(&question));
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
    pub(crate) fn tick(&mut self, model: &mut Model, now_ms: u64) {
        model.set_audience(self.followers.len() as u32);
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

    /// The model was made anew: all pages get everything again.
    pub(crate) fn restart(&mut self) {
        self.followers.values_mut().for_each(|follower| follower.session.restart());
    }

    /// Tells the pages how fast a replay runs.
    pub(crate) fn set_speed(&mut self, speed: f32) {
        self.followers.values_mut().for_each(|follower| follower.session.set_speed(speed));
    }
}
