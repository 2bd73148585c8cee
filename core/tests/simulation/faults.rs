//! What breaks.

use super::link::{State, Way};
use super::settings::{MS, SILENCE_US_MAX};
use super::world::{Happening, World};
use partita_core::Event;
use partita_shared::message::FromWorker;

impl World {
    /// Something breaks somewhere.
    pub(crate) fn fault(&mut self) {
        let candidates: Vec<usize> = (0..self.processes.len())
            .filter(|p| self.processes[*p].alive && !self.processes[*p].anchor)
            .collect();
        if candidates.is_empty() {
            return;
        }
        let process = candidates[self.rng.index(candidates.len())];
        let name = match self.rng.below(8) {
            0 | 1 => {
                self.died(process, "killed");
                self.perhaps_replace();
                "died"
            }
            2 => {
                self.silence(process);
                self.processes[process].alive = false;
                self.processes[process].forget();
                self.perhaps_replace();
                "node lost"
            }
            3 => {
                self.cut(process);
                "cut"
            }
            4 => {
                self.silence(process);
                "silent"
            }
            5 => {
                self.processes[process].leaving = true;
                self.send_up(process, FromWorker::Leaving { reason: "scaled down".into() });
                self.perhaps_replace();
                "leaving"
            }
            6 => {
                self.spoil(process);
                "spoiled"
            }
            _ => {
                let other = candidates[self.rng.index(candidates.len())];
                self.blocked.insert((process, other));
                "blocked"
            }
        };
        *self.incidents.faults.entry(name).or_default() += 1;
    }

    fn perhaps_replace(&mut self) {
        if self.rng.chance(700) {
            let after = self.rng.scaled(0, 300 * MS);
            self.plan_in(after, Happening::Spawn { anchor: false });
        }
    }

    /// A process dies, and perhaps its supervisor says how, before or after the link is missed.
    pub(crate) fn died(&mut self, process: usize, cause: &str) {
        self.kill(process, "link closed");
        if self.rng.chance(600) {
            let name = &self.processes[process].name;
            let event = Event::ProcessDied {
                host: format!("host of {name}"),
                pid: self.processes[process].pid,
                cause: cause.to_string(),
            };
            // What the process sent before may still be under way, and then it is the supervisor
            // that is late: a report of a dead worker counts as long as it is believed.
            let after = self.rng.scaled(0, 50 * MS);
            self.plan_in(after, Happening::Tell(event));
        }
    }

    /// A link breaks, and both ends notice at their own time.
    fn cut(&mut self, process: usize) {
        let Some(link) = self.processes[process].link else { return };
        if self.links[link].state != State::Open {
            return;
        }
        self.links[link].state = State::Closing;
        let cause = "connection reset".to_string();
        self.send(link, Way::Up, |link| Happening::LinkLost { link, cause });
        let epoch = self.processes[process].epoch;
        let after = self.rng.scaled(0, 500 * MS);
        self.plan_in(after, Happening::LinkMissed { process, epoch });
    }

    /// A link swallows everything from now on. The worker notices at its own time.
    fn silence(&mut self, process: usize) {
        let Some(link) = self.processes[process].link else { return };
        if self.links[link].state != State::Open {
            return;
        }
        self.links[link].state = State::Silent;
        let epoch = self.processes[process].epoch;
        let after = self.rng.scaled(0, 3 * SILENCE_US_MAX);
        self.plan_in(after, Happening::LinkMissed { process, epoch });
    }

    /// A worker loses a partition that it holds.
    fn spoil(&mut self, process: usize) {
        let session = &mut self.processes[process].session;
        let held = session.store.len();
        if held > 0 {
            let at = self.rng.index(held);
            let task = session.store.keys().nth(at).copied();
            if let Some(task) = task {
                session.store.remove(&task);
                session.spoiled.insert(task);
            }
        }
    }
}
