//! A journal in the place of a cluster.

use crate::error::SchedulerError;
use crate::observer::pages::Pages;
use crate::observer::{Entries, Observer, TICK, Told, spawn};
use partita_observe::frame::Source;
use partita_observe::replay::Replay;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

/// Starts to show a journal from its end. Gives the way to it, and what it spans.
pub(crate) fn start(entries: Entries) -> Result<(Observer, Source), SchedulerError> {
    let (observer, inbox, _) = Observer::new();
    let keep = observer.clone();
    let replay = Replay::new(entries.seen);
    let (from_ms, to_ms) = replay.span_ms();
    spawn(move || run(replay, inbox, keep))?;
    Ok((observer, Source::Replay { from_ms, to_ms }))
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
