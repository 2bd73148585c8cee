//! A replay: a journal in the place of a cluster.

use crate::error::SchedulerError;
use crate::observer::stage::Stage;
use crate::observer::{Entries, Observer, TICK, Told, spawn};
use partita_shared::observe::event::Seen;
use partita_shared::observe::frame::Source;
use partita_shared::observe::model::Model;
use partita_shared::observe::session::Wanted;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

/// The steps in which a replay goes on, in microseconds of its own time: a point of a history is a
/// second, and rates are taken over some.
const STEP_US: u64 = 1_000_000;
/// The fastest that a replay runs.
const SPEED_MAX: f32 = 1_000.0;

/// A journal that is shown.
struct Replay {
    entries: Vec<Seen>,
    /// Entries that were applied.
    applied: usize,
    /// The moment that is shown.
    at_us: u64,
    speed: f32,
    stage: Stage,
}

/// Starts to show a journal from its end. Gives the way to it, and what it spans.
pub(crate) fn start(entries: Entries) -> Result<(Observer, Source), SchedulerError> {
    let first = entries.seen.first().map_or(0, |seen| seen.at_us);
    let last = entries.seen.last().map_or(0, |seen| seen.at_us);
    let (observer, inbox, _) = Observer::new();
    let keep = observer.clone();
    spawn(move || {
        let mut replay = Replay {
            entries: entries.seen,
            applied: 0,
            at_us: first,
            speed: 0.0,
            stage: Stage::new(Model::new()),
        };
        replay.go_on(last);
        replay.run(inbox, keep)
    })?;
    Ok((observer, Source::Replay { from_ms: first / 1000, to_ms: last.div_ceil(1000) }))
}

impl Replay {
    async fn run(mut self, mut inbox: mpsc::Receiver<Told>, keep: Observer) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while Arc::strong_count(&keep.backlog) > 1 {
            tokio::select! {
                _ = tick.tick() => self.tick(),
                told = inbox.recv() => {
                    let Some(told) = told else { return };
                    match self.stage.take(told) {
                        Some(Wanted::Seek(at_ms)) => self.seek(at_ms.saturating_mul(1000)),
                        Some(Wanted::Play(speed)) => self.play(speed),
                        Some(Wanted::Answer(..)) | None => {}
                    }
                }
            }
        }
    }

    fn tick(&mut self) {
        if self.speed > 0.0 {
            let step_us = (TICK.as_micros() as f64 * f64::from(self.speed)) as u64;
            let last = self.entries.last().map_or(0, |seen| seen.at_us);
            self.go_on(self.at_us.saturating_add(step_us).min(last));
            if self.at_us == last {
                self.play(0.0);
            }
        }
        self.stage.set_speed(self.speed);
        self.stage.tick(crate::now_ms());
    }

    fn play(&mut self, speed: f32) {
        self.speed = if speed.is_finite() { speed.clamp(0.0, SPEED_MAX) } else { 0.0 };
        let last = self.entries.last().map_or(0, |seen| seen.at_us);
        if self.speed > 0.0 && self.at_us >= last {
            self.seek(self.entries.first().map_or(0, |seen| seen.at_us));
        }
    }

    /// Shows another moment. An earlier one is made from the beginning.
    fn seek(&mut self, to_us: u64) {
        let (Some(first), Some(last)) = (self.entries.first(), self.entries.last()) else { return };
        let to_us = to_us.clamp(first.at_us, last.at_us);
        if to_us < self.at_us {
            self.at_us = first.at_us;
            self.applied = 0;
            self.stage.restart(Model::new());
        }
        self.go_on(to_us);
    }

    /// Applies what was seen up to a moment.
    fn go_on(&mut self, to_us: u64) {
        while self.at_us < to_us || self.applied == 0 {
            let next = self.at_us.saturating_add(STEP_US).min(to_us);
            while let Some(seen) = self.entries.get(self.applied).filter(|s| s.at_us <= next) {
                self.stage.model.apply(seen.clone());
                self.applied += 1;
            }
            self.stage.model.tick(next);
            self.at_us = next;
            if next == to_us {
                break;
            }
        }
    }
}
