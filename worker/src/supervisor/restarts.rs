//! When a dead worker is started again, and when it is given up.

use super::{SHORT_LIVES_MAX, Times};
use std::time::Duration;

/// The deaths of one worker so far.
#[derive(Debug)]
pub(super) struct Restarts {
    times: Times,
    /// The wait after the next death.
    delay: Duration,
    /// Deaths at once, one after the other.
    short_lives: u32,
}

impl Restarts {
    pub(super) fn new(times: Times) -> Restarts {
        Restarts { times, delay: times.delay_first, short_lives: 0 }
    }

    /// The worker died after living this long. Returns how long to wait before it is started
    /// again; none if it is to be given up.
    pub(super) fn died(&mut self, lived: Duration) -> Option<Duration> {
        self.short_lives = if lived < self.times.short_life { self.short_lives + 1 } else { 0 };
        if self.short_lives >= SHORT_LIVES_MAX {
            return None;
        }
        if lived >= self.times.delay_reset {
            self.delay = self.times.delay_first;
        }
        let delay = self.delay;
        self.delay = (delay * 2).min(self.times.delay_max);
        Some(delay)
    }
}

#[cfg(test)]
mod tests {
    use super::super::TIMES;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The wait doubles from one second to a minute, and the tenth death at once is the last.
    #[test]
    fn the_wait_doubles_up_to_the_end() {
        let mut restarts = Restarts::new(TIMES);
        let waits: Vec<_> = std::iter::from_fn(|| restarts.died(SECOND)).take(20).collect();
        let seconds: Vec<u64> = waits.iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    /// Who lives for some seconds is never given up; who lives for a minute starts afresh.
    #[test]
    fn a_longer_life_counts() {
        let mut restarts = Restarts::new(TIMES);
        for _ in 0..9 {
            assert!(restarts.died(SECOND).is_some());
        }
        assert_eq!(restarts.died(6 * SECOND), Some(60 * SECOND));
        for _ in 0..100 {
            assert_eq!(restarts.died(59 * SECOND), Some(60 * SECOND));
        }
        assert_eq!(restarts.died(60 * SECOND), Some(SECOND));
        assert_eq!(restarts.died(SECOND), Some(2 * SECOND));
    }
}
