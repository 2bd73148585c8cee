//! The time, as the core and the observer are told it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since the epoch.
pub(crate) fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

/// Milliseconds since the epoch.
pub(crate) fn now_ms() -> u64 {
    now_us() / 1000
}
