//! A replay: what was seen once, in the place of a cluster.

use crate::event::Seen;
use crate::model::Model;
use crate::session::Wanted;
use std::sync::Arc;

/// The steps in which a replay goes on, in microseconds of its own time: a point of a history is a
/// second, and rates are taken over some.
const STEP_US: u64 = 1_000_000;
/// The fastest that a replay runs, in times of its own speed.
pub const SPEED_MAX: f32 = 1_000.0;

/// What was seen, up to the moment that is shown. A clone shows the same moment and then goes its own way;
/// they share what was seen.
#[derive(Clone, Debug)]
pub struct Replay {
    entries: Arc<[Seen]>,
    /// Entries that were applied.
    applied: usize,
    /// The moment that is shown, in microseconds since the epoch.
    at_us: u64,
    speed: f32,
    /// What was known at that moment.
    pub model: Model,
}

impl Replay {
    /// Shows the end of what was seen, and stands.
    pub fn new(entries: Vec<Seen>) -> Self {
        let at_us = entries.first().map_or(0, |seen| seen.at_us);
        let entries = entries.into();
        let mut replay = Replay { entries, applied: 0, at_us, speed: 0.0, model: Model::new() };
        replay.go_on(replay.last_us());
        replay
    }

    /// The first and the last moment, in milliseconds since the epoch.
    pub fn span_ms(&self) -> (u64, u64) {
        (self.first_us() / 1000, self.last_us().div_ceil(1000))
    }

    fn first_us(&self) -> u64 {
        self.entries.first().map_or(0, |seen| seen.at_us)
    }

    fn last_us(&self) -> u64 {
        self.entries.last().map_or(0, |seen| seen.at_us)
    }

    /// How fast it runs, in times of its own speed; 0 while it stands.
    pub fn speed(&self) -> f32 {
        self.speed
    }

    /// Does what a page wants of a replay. Says whether the model was made anew, so that those who
    /// follow it must be told everything again.
    pub fn obey(&mut self, wanted: &Wanted) -> bool {
        match wanted {
            Wanted::Seek(at_ms) => self.seek(*at_ms),
            Wanted::Play(speed) => self.play(*speed),
            Wanted::Answer(..) => false,
        }
    }

    /// Lets it run at this many times its speed; 0 stops it. From the end it begins anew. Says
    /// whether the model was made anew, so that those who follow it must be told everything again.
    pub fn play(&mut self, speed: f32) -> bool {
        self.speed = if speed.is_finite() { speed.clamp(0.0, SPEED_MAX) } else { 0.0 };
        self.speed > 0.0 && self.at_us >= self.last_us() && self.show(self.first_us())
    }

    /// Shows another moment, in milliseconds since the epoch. An earlier one is made from the
    /// beginning: says whether it was, so that those who follow must be told everything again.
    pub fn seek(&mut self, to_ms: u64) -> bool {
        self.show(to_ms.saturating_mul(1000))
    }

    fn show(&mut self, to_us: u64) -> bool {
        let to_us = to_us.clamp(self.first_us(), self.last_us());
        let anew = to_us < self.at_us;
        if anew {
            (self.at_us, self.applied) = (self.first_us(), 0);
            self.model = Model::new();
        }
        self.go_on(to_us);
        anew
    }

    /// Time passed for the one who looks, in microseconds. A replay that runs goes on by as much
    /// times its speed, and stands at its end.
    pub fn tick(&mut self, passed_us: u64) {
        if self.speed > 0.0 {
            let step_us = (passed_us as f64 * f64::from(self.speed)) as u64;
            self.go_on(self.at_us.saturating_add(step_us).min(self.last_us()));
            if self.at_us == self.last_us() {
                self.speed = 0.0;
            }
        }
    }

    /// Applies what was seen up to a moment.
    fn go_on(&mut self, to_us: u64) {
        loop {
            let next = self.at_us.saturating_add(STEP_US).min(to_us);
            while let Some(seen) = self.entries.get(self.applied).filter(|s| s.at_us <= next) {
                self.model.apply(seen.clone());
                self.applied += 1;
            }
            self.model.tick(next);
            self.at_us = next;
            if next >= to_us {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Level, Note, Observation};

    fn notes(count: u64) -> Vec<Seen> {
        let note = |number: u64| Note {
            level: Level::Info,
            text: format!("note {number}"),
            worker: None,
            job: None,
        };
        let seen = |number| Seen {
            at_us: number * 10_000_000,
            what: Observation::Note(Box::new(note(number))),
        };
        (1..=count).map(seen).collect()
    }

    /// A replay shows its end first, goes back by beginning anew and forward by going on, runs as
    /// fast as it is told, and stands at its end.
    #[test]
    fn a_replay_goes_where_it_is_sent() {
        let mut replay = Replay::new(notes(6));
        assert_eq!(replay.span_ms(), (10_000, 60_000));
        assert_eq!(replay.model.now_ms(), 60_000);
        assert!(replay.seek(35_000), "back");
        assert_eq!((replay.model.now_ms(), replay.applied), (35_000, 3));
        assert!(!replay.seek(45_000), "forward");
        assert_eq!((replay.model.now_ms(), replay.applied), (45_000, 4));
        assert!(!replay.play(10.0));
        replay.tick(100_000);
        assert_eq!(replay.model.now_ms(), 46_000);
        replay.tick(60_000_000);
        assert_eq!((replay.model.now_ms(), replay.speed()), (60_000, 0.0));
        assert!(replay.play(f32::INFINITY) == (replay.speed() > 0.0));
        assert!(replay.play(2.0), "from the end it begins anew");
        assert_eq!(replay.model.now_ms(), 10_000);
    }

    /// Clones have clocks of their own.
    #[test]
    fn clones_go_their_own_way() {
        let mut one = Replay::new(notes(6));
        let mut other = one.clone();
        one.seek(20_000);
        assert_eq!((one.model.now_ms(), other.model.now_ms()), (20_000, 60_000));
        other.play(1.0);
        assert_eq!((one.speed(), other.speed()), (0.0, 1.0));
    }

    /// Nothing to show is shown as nothing.
    #[test]
    fn an_empty_replay_stands() {
        let mut replay = Replay::new(Vec::new());
        assert!(!replay.play(1.0) && !replay.seek(5));
        replay.tick(1_000_000);
        assert_eq!(replay.span_ms(), (0, 0));
    }
}
