//! Things kept for clients between two calls, each under a handle that cannot be guessed.

use bytes::Bytes;
use rand::RngCore;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of a handle.
const HANDLE_BYTES: usize = 16;

/// A bounded number of things; each is forgotten when it was not used for a while.
pub(crate) struct Handles<T> {
    entries: Mutex<HashMap<Bytes, (T, Instant)>>,
    entries_max: usize,
    unused_max: Duration,
}

impl<T> fmt::Debug for Handles<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handles").field("entries", &self.lock().len()).finish_non_exhaustive()
    }
}

impl<T> Handles<T> {
    /// Room for `entries_max` things, each kept for `unused_max` after it was last used.
    pub(crate) fn new(entries_max: usize, unused_max: Duration) -> Self {
        Handles { entries: Mutex::default(), entries_max, unused_max }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Bytes, (T, Instant)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a thing. None if there is no room, even without those that nobody used for long.
    pub(crate) fn insert(&self, now: Instant, value: T) -> Option<Bytes> {
        let mut handle = [0; HANDLE_BYTES];
        rand::rng().fill_bytes(&mut handle);
        let handle = Bytes::copy_from_slice(&handle);
        let mut entries = self.lock();
        entries.retain(|_, (_, used)| now.saturating_duration_since(*used) < self.unused_max);
        if entries.len() >= self.entries_max {
            return None;
        }
        entries.insert(handle.clone(), (value, now));
        Some(handle)
    }

    /// Takes a thing out. None if it is not there any more.
    pub(crate) fn take(&self, now: Instant, handle: &[u8]) -> Option<T> {
        let (value, used) = self.lock().remove(handle)?;
        (now.saturating_duration_since(used) < self.unused_max).then_some(value)
    }

    /// Uses a thing, which keeps it for longer. None if it is not there any more.
    pub(crate) fn with<R>(
        &self,
        now: Instant,
        handle: &[u8],
        work: impl FnOnce(&mut T) -> R,
    ) -> Option<R> {
        let mut entries = self.lock();
        let (value, used) = entries.get_mut(handle)?;
        if now.saturating_duration_since(*used) >= self.unused_max {
            entries.remove(handle);
            return None;
        }
        *used = now;
        Some(work(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Proves that a handle is good once, and that an unknown one is no error.
    #[test]
    fn a_thing_is_taken_once() {
        let now = Instant::now();
        let handles = Handles::new(2, MINUTE);
        let handle = handles.insert(now, "plan").unwrap();
        assert_eq!(handle.len(), HANDLE_BYTES);
        assert_eq!(handles.take(now, &handle), Some("plan"));
        assert_eq!(handles.take(now, &handle), None);
        assert_eq!(handles.take(now, b"another"), None);
    }

    /// Proves that the limit holds, and that what expired makes room.
    #[test]
    fn the_number_is_bounded() {
        let now = Instant::now();
        let handles = Handles::new(2, MINUTE);
        handles.insert(now, 1).unwrap();
        let second = handles.insert(now + MINUTE / 2, 2).unwrap();
        assert_eq!(handles.insert(now + MINUTE / 2, 3), None);
        assert!(handles.insert(now + MINUTE, 3).is_some());
        assert_eq!(handles.take(now + MINUTE, &second), Some(2));
    }

    /// Proves that what nobody used expires, and that using it keeps it.
    #[test]
    fn use_keeps_a_thing() {
        let now = Instant::now();
        let handles = Handles::new(2, MINUTE);
        let used = handles.insert(now, 1).unwrap();
        let unused = handles.insert(now, 2).unwrap();
        assert_eq!(handles.with(now + MINUTE / 2, &used, |value| *value), Some(1));
        assert_eq!(handles.with(now + MINUTE, &used, |value| *value), Some(1));
        assert_eq!(handles.with(now + MINUTE, &unused, |value| *value), None);
        assert_eq!(handles.take(now + MINUTE * 2, &used), None);
    }
}
