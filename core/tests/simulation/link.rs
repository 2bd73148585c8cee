//! The control link between a worker and the scheduler, and what travels on it.

use partita_core::Time;
use partita_shared::ids::WorkerId;

/// What a link does with messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It delivers both ways, in order.
    Open,
    /// One end closed it: what the worker sent before still arrives, then the scheduler notices.
    Closing,
    /// It delivers nothing, and nobody is told.
    Silent,
    /// It is gone, and the scheduler knows.
    Closed,
}

/// One connection. A worker that comes back has a new one.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) process: usize,
    /// The registration over it, once the core has taken it.
    pub(crate) worker: Option<WorkerId>,
    pub(crate) state: State,
    latency: Time,
    /// When the last message arrives, up and down: none overtakes another.
    last: [Time; 2],
}

/// The way of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Up = 0,
    Down = 1,
}

impl Link {
    pub(crate) fn new(process: usize, latency: Time) -> Self {
        Link { process, worker: None, state: State::Open, latency, last: [0; 2] }
    }

    /// When a message that is sent now arrives, with a share of `jitter` more than the latency.
    pub(crate) fn arrival(&mut self, way: Way, now: Time, jitter: Time) -> Time {
        let last = &mut self.last[way as usize];
        *last = (now + self.latency + jitter).max(*last);
        *last
    }

    /// Whether the core still believes in the worker behind it.
    pub(crate) fn is_believed(&self) -> bool {
        match self.state {
            State::Open | State::Closing | State::Silent => true,
            State::Closed => false,
        }
    }
}
