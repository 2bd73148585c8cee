//! Tickets, each of which opens the dashboard once and for a short time.
//!
//! Notebooks are saved and shared with what their cells show. A panel in one has a ticket in its address: the token
//! would stay in the file, a ticket is worth nothing there.

use crate::web::auth::Token;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a ticket is valid. A notebook shows a panel at once.
const LIFETIME: Duration = Duration::from_secs(120);
/// Tickets that were not used. The oldest make room.
const UNUSED_MAX: usize = 64;

/// The tickets that were not used.
#[derive(Debug, Default)]
pub(crate) struct Tickets(Mutex<VecDeque<(Token, Instant)>>);

impl Tickets {
    /// Makes a ticket valid from now on.
    pub(crate) fn add(&self, ticket: String, now: Instant) {
        let mut unused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if unused.len() >= UNUSED_MAX {
            unused.pop_front();
        }
        unused.push_back((Token(ticket), now + LIFETIME));
    }

    /// Whether this is a valid ticket. It is used thereby.
    pub(crate) fn redeem(&self, given: &[u8], now: Instant) -> bool {
        let mut unused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        unused.retain(|(_, end)| *end > now);
        let found = unused.iter().position(|(ticket, _)| ticket.is(given));
        found.and_then(|at| unused.remove(at)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::{LIFETIME, Tickets, UNUSED_MAX};
    use std::time::Instant;

    /// A ticket opens once, and not when its time is over.
    #[test]
    fn a_ticket_opens_once_and_in_time() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        tickets.add("one".to_string(), now);
        tickets.add("two".to_string(), now);
        assert!(!tickets.redeem(b"other", now));
        assert!(tickets.redeem(b"one", now) && !tickets.redeem(b"one", now));
        assert!(!tickets.redeem(b"two", now + LIFETIME));
    }

    /// Whoever asks for many loses the oldest.
    #[test]
    fn unused_tickets_are_bounded() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        (0..=UNUSED_MAX).for_each(|number| tickets.add(number.to_string(), now));
        assert!(!tickets.redeem(b"0", now) && tickets.redeem(b"1", now));
    }
}
