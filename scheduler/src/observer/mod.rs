//! The observer: a thread with a runtime of its own that keeps what is known of the cluster and
//! serves any number of browsers from it.
//!
//! The core's thread hands over what it saw and never waits: what does not fit into the backlog is
//! dropped and counted. Pages talk to the observer through bounded queues; a slow one gets fewer and
//! larger steps. In a replay a journal takes the core's place, and each page has a thread of its own.

mod journal;
mod pages;
mod replay;

pub use journal::{Entries, JournalError, read as read_journal};
pub(crate) use replay::Viewers;

use crate::error::SchedulerError;
use journal::Journal;
use pages::Pages;
use partita_observe::event::{Observation, SchedulerFacts, Seen};
use partita_observe::frame::{Answer, FromPage, Question};
use partita_observe::model::Model;
use partita_observe::session::Watched;
use partita_observe::view::AttemptView;
use partita_shared::ids::JobId;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;

/// Observations that may wait for the observer. What comes beyond them is dropped and counted.
const BACKLOG_OBSERVATIONS_MAX: usize = 65_536;
/// Observations that the core's thread keeps for an observer whose queue is full. It is as good as
/// dead beyond that.
const HELD_OBSERVATIONS_MAX: usize = 262_144;
/// Messages that may wait for the observer.
const QUEUE_MESSAGES_MAX: usize = 8_192;
/// Messages that may wait for one page: the frames that it has not taken, and answers.
pub(crate) const PAGE_QUEUE_MESSAGES_MAX: usize = 16;
/// Browsers that may follow at once.
pub(crate) const PAGES_MAX: usize = 32;
/// How often pages get what changed, at most.
const TICK: Duration = Duration::from_millis(100);
/// How often the model advances while no page follows.
const QUIET_TICKS: u32 = 5;

/// Events are gathered this long before they are processed: a busy core sends thousands a second,
/// and waking for each would cost more than processing it.
const GATHERING: Duration = Duration::from_millis(10);

/// How long the observer may take to end its journal.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// A page's own number.
type PageId = u64;

/// What the observer is told.
enum Told {
    Seen(Vec<Seen>),
    Connect {
        page: PageId,
        outbox: mpsc::Sender<Vec<u8>>,
    },
    Message {
        page: PageId,
        message: FromPage,
    },
    Gone {
        page: PageId,
    },
    Ask {
        question: Question,
        reply: oneshot::Sender<Answer>,
    },
    /// Someone asks for the attempts of a job that ended last.
    Attempts {
        job: JobId,
        max: usize,
        reply: oneshot::Sender<Vec<AttemptView>>,
    },
    End {
        ended: oneshot::Sender<()>,
    },
}

/// The way to the observer.
#[derive(Clone, Debug)]
pub(crate) struct Observer {
    told: mpsc::Sender<Told>,
    backlog: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
    pages: Arc<AtomicUsize>,
    next_page: Arc<AtomicU64>,
    watched: watch::Receiver<Watched>,
}

/// A page that is connected. When it is dropped, the observer forgets the page.
#[derive(Debug)]
pub(crate) struct Page {
    id: PageId,
    observer: Observer,
    /// Encoded messages for the page.
    pub(crate) inbox: mpsc::Receiver<Vec<u8>>,
}

impl Page {
    /// Hands on what the page said.
    pub(crate) async fn say(&self, message: FromPage) {
        let _ = self.observer.told.send(Told::Message { page: self.id, message }).await;
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.observer.pages.fetch_sub(1, Ordering::Relaxed);
        // If the queue is full, the page's own queue, which nobody reads any more, says it too.
        let _ = self.observer.told.try_send(Told::Gone { page: self.id });
    }
}

/// Observations from the core's thread, in order.
#[derive(Debug)]
pub(crate) struct Outlet {
    observer: Observer,
    /// What there was no room for and must not be lost.
    held: Vec<Seen>,
    /// Dropped since the observer was last told.
    untold: u64,
}

impl Outlet {
    /// Hands over what was seen. Never waits: if the observer is behind, what only adds to a ring is
    /// dropped, and the rest, which says what there is, goes with the next.
    pub(crate) fn tell(&mut self, mut seen: Vec<Seen>) {
        if seen.is_empty() && self.held.is_empty() {
            return;
        }
        let waiting = self.observer.backlog.load(Ordering::Relaxed) + self.held.len();
        if waiting + seen.len() > BACKLOG_OBSERVATIONS_MAX {
            let all = seen.len();
            seen.retain(|seen| must_arrive(&seen.what));
            self.count_dropped(all - seen.len());
        }
        self.held.append(&mut seen);
        if self.held.len() > HELD_OBSERVATIONS_MAX {
            self.count_dropped(self.held.len());
            self.held.clear();
        }
        let Ok(permit) = self.observer.told.try_reserve() else { return };
        let mut seen = std::mem::take(&mut self.held);
        if let Some(last) = seen.last().filter(|_| self.untold > 0) {
            let what = Observation::Gap { dropped: std::mem::take(&mut self.untold) };
            seen.push(Seen { at_us: last.at_us, what });
        }
        self.observer.backlog.fetch_add(seen.len(), Ordering::Relaxed);
        permit.send(Told::Seen(seen));
    }

    fn count_dropped(&mut self, count: usize) {
        self.untold += count as u64;
        self.observer.dropped.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Observations that were dropped since the start.
    pub(crate) fn dropped(&self) -> u64 {
        self.observer.dropped.load(Ordering::Relaxed)
    }
}

/// Whether what is known would be wrong for long without an observation.
fn must_arrive(what: &Observation) -> bool {
    match what {
        Observation::Attempt(_)
        | Observation::Measured { .. }
        | Observation::Detail { .. }
        | Observation::Traffic { .. }
        | Observation::CallTexts(_)
        | Observation::Samples { .. }
        | Observation::Operators(_)
        | Observation::LogLines { .. }
        | Observation::Core(_) => false,
        Observation::Started(_)
        | Observation::Worker(_)
        | Observation::WorkerEnded { .. }
        | Observation::Job(_)
        | Observation::Carried(_)
        | Observation::Counters(_)
        | Observation::JobEnded { .. }
        | Observation::Note(_)
        | Observation::Tables(_)
        | Observation::Array(_)
        | Observation::RunsAgain { .. }
        | Observation::Gap { .. } => true,
    }
}

impl Observer {
    /// Starts the observer of a live cluster. Its journal, if one is wanted, is begun at once.
    pub(crate) fn start(
        facts: SchedulerFacts,
        journal: Option<PathBuf>,
    ) -> Result<Self, SchedulerError> {
        let journal = journal.map(|path| Journal::create(path, &facts)).transpose()?;
        let (observer, inbox, watched) = Observer::new();
        let work = Work { observer: observer.clone(), journal, watched };
        spawn(move || work.observe(inbox, facts))?;
        Ok(observer)
    }

    fn new() -> (Self, mpsc::Receiver<Told>, watch::Sender<Watched>) {
        let (told, inbox) = mpsc::channel(QUEUE_MESSAGES_MAX);
        let (watch, watched) = watch::channel(Watched::default());
        let observer = Observer {
            told,
            backlog: Arc::default(),
            dropped: Arc::default(),
            pages: Arc::default(),
            next_page: Arc::default(),
            watched,
        };
        (observer, inbox, watch)
    }

    /// The core thread's end.
    pub(crate) fn outlet(&self) -> Outlet {
        Outlet { observer: self.clone(), held: Vec::new(), untold: 0 }
    }

    /// Shows something that comes again soon: it is dropped and counted if the observer is behind.
    pub(crate) fn show(&self, seen: Seen) {
        let is_behind = self.backlog.load(Ordering::Relaxed) >= BACKLOG_OBSERVATIONS_MAX;
        if let Some(permit) = self.told.try_reserve().ok().filter(|_| !is_behind) {
            self.backlog.fetch_add(1, Ordering::Relaxed);
            permit.send(Told::Seen(vec![seen]));
        } else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Workers whose detail someone looks at.
    pub(crate) fn watched(&self) -> watch::Receiver<Watched> {
        self.watched.clone()
    }

    /// Adds a page, unless there are too many.
    pub(crate) async fn connect(&self) -> Option<Page> {
        if self.pages.fetch_add(1, Ordering::Relaxed) >= PAGES_MAX {
            self.pages.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let id = self.next_page.fetch_add(1, Ordering::Relaxed);
        let (outbox, inbox) = mpsc::channel(PAGE_QUEUE_MESSAGES_MAX);
        let page = Page { id, observer: self.clone(), inbox };
        self.told.send(Told::Connect { page: id, outbox }).await.ok()?;
        Some(page)
    }

    /// Answers a question from what is remembered.
    pub(crate) async fn ask(&self, question: Question) -> Answer {
        let (reply, answer) = oneshot::channel();
        let _ = self.told.send(Told::Ask { question, reply }).await;
        answer.await.unwrap_or_else(|_| Answer::None("the observer has stopped".to_string()))
    }

    /// The attempts of a job that ended last, at most `max`; none if the observer has stopped.
    pub(crate) async fn latest_attempts(&self, job: JobId, max: usize) -> Vec<AttemptView> {
        let (reply, answer) = oneshot::channel();
        let _ = self.told.send(Told::Attempts { job, max, reply }).await;
        answer.await.unwrap_or_default()
    }

    /// Ends the observer, and its journal properly.
    pub(crate) async fn end(&self) {
        let (ended, end) = oneshot::channel();
        let ending = async {
            let _ = self.told.send(Told::End { ended }).await;
            let _ = end.await;
        };
        let _ = tokio::time::timeout(END_TIMEOUT, ending).await;
    }
}

/// Starts cannot start the observer thread.
fn spawn<W: Future<Output = ()>>(
    work: impl FnOnce() -> W + Send + 'static,
) -> Result<(), SchedulerError> {
    let system =
        |source| SchedulerError::System { what: "cannot start the observer thread".into(), source };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(system)?;
    std::thread::Builder::new()
        .name("observer".to_string())
        .spawn(move || runtime.block_on(work()))
        .map(drop)
        .map_err(system)
}

/// What a live observer works with.
struct Work {
    observer: Observer,
    journal: Option<Journal>,
    watched: watch::Sender<Watched>,
}

impl Work {
    async fn observe(mut self, mut inbox: mpsc::Receiver<Told>, facts: SchedulerFacts) {
        let (mut pages, mut model) = (Pages::default(), Model::new());
        model.apply(Seen {
            at_us: facts.started_ms * 1000,
            what: Observation::Started(Box::new(facts)),
        });
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ticks: u32 = 0;
        let mut ended = None;
        let mut batch = Vec::new();
        // The observer holds an end of its own queue: the core's and the pages' are what counts.
        while Arc::strong_count(&self.observer.backlog) > 1 {
            tokio::select! {
                biased;
                _ = tick.tick() => {
                    ticks = ticks.wrapping_add(1);
                    if pages.has_pages() || ticks.is_multiple_of(QUIET_TICKS) {
                        self.tick(&mut pages, &mut model);
                    }
                }
                count = inbox.recv_many(&mut batch, QUEUE_MESSAGES_MAX) => {
                    for told in batch.drain(..) {
                        match told {
                            Told::Seen(seen) => self.take(&mut model, seen),
                            Told::End { ended: reply } => ended = Some(reply),
                            told => { pages.take(&model, told); }
                        }
                    }
                    if count == 0 || ended.is_some() {
                        break;
                    }
                    tokio::time::sleep(GATHERING).await;
                },
            }
        }
        if let Some(journal) = &mut self.journal {
            journal.finish(&model);
        }
        if let Some(ended) = ended {
            let _ = ended.send(());
        }
    }

    fn take(&mut self, model: &mut Model, seen: Vec<Seen>) {
        self.observer.backlog.fetch_sub(seen.len(), Ordering::Relaxed);
        for seen in seen {
            if let Some(journal) = &mut self.journal {
                journal.write(&seen, model);
            }
            model.apply(seen);
        }
    }

    fn tick(&mut self, pages: &mut Pages, model: &mut Model) {
        let now_ms = crate::now_ms();
        if let Some(journal) = &mut self.journal {
            journal.flush(model);
            model.set_journal(Some(journal.path()), journal.bytes());
        }
        model.tick(now_ms * 1000);
        pages.tick(model, now_ms);
        let watched = pages.watched();
        self.watched.send_if_modified(|present| {
            let changed = *present != watched;
            if changed {
                *present = watched;
            }
            changed
        });
    }
}
