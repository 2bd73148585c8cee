//! A journal in the place of a cluster.

use crate::error::SchedulerError;
use crate::observer::pages::Pages;
use crate::observer::{Entries, Observer, TICK, Told, spawn};
use partita_observe::frame::Source;
use partita_observe::replay::Replay;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

/// A journal that is shown. Each page has a clock of its own: it seeks and plays without moving others.
#[derive(Debug)]
pub(crate) struct Viewers {
    /// The end of the journal, from which each page begins.
    end: Replay,
    /// Pages that are connected, over all viewers.
    pages: Arc<AtomicUsize>,
}

impl Viewers {
    /// Reads a journal to its end.
    pub(crate) fn new(entries: Entries) -> Self {
        Viewers { end: Replay::new(entries.seen), pages: Arc::default() }
    }

    /// What the journal spans.
    pub(crate) fn source(&self) -> Source {
        let (from_ms, to_ms) = self.end.span_ms();
        Source::Replay { from_ms, to_ms }
    }

    /// Starts an observer for one page. It ends when the page is gone.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub(crate) fn observer(&self) -> Result<Observer, SchedulerError> {
        let (mut observer, inbox, _) = Observer::new();
        observer.pages = self.pages.clone();
        let (keep, replay) = (observer.clone(), self.end.clone());
        spawn(move || run(replay, inbox, keep))?;
        Ok(observer)
    }
}

async fn run(mut replay: Replay, mut inbox: mpsc::Receiver<Told>, keep: Observer) {
    let mut pages = Pages::default();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while Arc::strong_count(&keep.backlog) > 1 {
        tokio::select! {
            _ = tick.tick() => {
                replay.tick(TICK.as_micros() as u64);
                pages.set_speed(replay.speed());
                pages.tick(&mut replay.model, crate::now_ms());
            }
            told = inbox.recv() => {
                let Some(told) = told else { return };
                let wanted = pages.take(&replay.model, told);
                if wanted.is_some_and(|wanted| replay.obey(&wanted)) {
                    pages.restart();
                }
            }
        }
    }
}
