//! Things kept for clients between two calls, each under a handle that cannot be guessed.

use bytes::Bytes;
use partita_shared::limits::has_room;
use rand::RngCore;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of a handle.
const HANDLE_BYTES: usize = 16;

struct Entry<T> {
    value: T,
    owner: String,
    used: Instant,
}

type Entries<T> = HashMap<Bytes, Entry<T>>;

/// A bounded number of things, each of a client. One is forgotten when it was not used for a while, when
/// its client is gone, or when its client has more than its part and this is what it used longest ago.
pub(crate) struct Handles<T> {
    entries: Mutex<Entries<T>>,
    entries_max: usize,
    unused_max: Duration,
}

impl<T> fmt::Debug for Handles<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handles").field("entries", &self.lock().len()).finish_non_exhaustive()
    }
}

/// What is to go so that a client has room for one more: the one that it used longest ago, or, if it has
/// none, the one that anybody did.
fn in_the_way<T>(entries: &Entries<T>, owner: &str, max: usize) -> Option<Bytes> {
    let own = || entries.iter().filter(|(_, entry)| entry.owner == owner);
    if has_room(own().count(), entries.len(), max) {
        return None;
    }
    let oldest = own().min_by_key(|(_, entry)| entry.used);
    let oldest = oldest.or_else(|| entries.iter().min_by_key(|(_, entry)| entry.used));
    oldest.map(|(handle, _)| handle.clone())
}

impl<T> Handles<T> {
    /// Room for `entries_max` things, each kept for `unused_max` after it was last used.
    pub(crate) fn new(entries_max: usize, unused_max: Duration) -> Self {
        Handles { entries: Mutex::default(), entries_max, unused_max }
    }

    fn lock(&self) -> MutexGuard<'_, Entries<T>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a thing of a client.
    pub(crate) fn insert(&self, now: Instant, owner: &str, value: T) -> Bytes {
        let mut handle = [0; HANDLE_BYTES];
        rand::rng().fill_bytes(&mut handle);
        let handle = Bytes::copy_from_slice(&handle);
        self.forget_unused(now);
        let mut entries = self.lock();
        while let Some(oldest) = in_the_way(&entries, owner, self.entries_max) {
            entries.remove(&oldest);
        }
        entries.insert(handle.clone(), Entry { value, owner: owner.to_string(), used: now });
        handle
    }

    /// Forgets what was not used for too long.
    pub(crate) fn forget_unused(&self, now: Instant) {
        self.lock().retain(|_, one| now.saturating_duration_since(one.used) < self.unused_max);
    }

    /// Forgets all things of a client.
    pub(crate) fn forget(&self, owner: &str) {
        self.lock().retain(|_, entry| entry.owner != owner);
    }

    /// Takes a thing out. None if it is not there any more.
    pub(crate) fn take(&self, now: Instant, handle: &[u8]) -> Option<T> {
        let Entry { value, used, .. } = self.lock().remove(handle)?;
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
        let entry = entries.get_mut(handle)?;
        if now.saturating_duration_since(entry.used) >= self.unused_max {
            entries.remove(handle);
            return None;
        }
        entry.used = now;
        Some(work(&mut entry.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const MINUTE: Duration = Duration::from_secs(60);

    /// A handle is valid once, and an unknown one is not an error.
    #[test]
    fn a_thing_is_taken_once() {
        let now = Instant::now();
        let handles = Handles::new(2, MINUTE);
        let handle = handles.insert(now, "me", "plan");
        assert_eq!(handle.len(), HANDLE_BYTES);
        assert_eq!(handles.take(now, &handle), Some("plan"));
        assert_eq!(handles.take(now, &handle), None);
        assert_eq!(handles.take(now, b"another"), None);
    }

    /// Proves that a client that never takes what it asked for loses what it asked for first, and that
    /// others lose nothing.
    #[test]
    fn a_client_has_its_part_and_loses_the_oldest() {
        let now = Instant::now();
        let at = |second| now + Duration::from_secs(second);
        let handles = Handles::new(8, MINUTE);
        let other = handles.insert(now, "you", 0);
        let mine: Vec<_> = (1..=30).map(|n| handles.insert(at(n), "me", n)).collect();
        let left: Vec<_> = mine.iter().filter_map(|one| handles.take(at(31), one)).collect();
        assert_eq!(left, [27, 28, 29, 30]);
        assert_eq!(handles.take(at(31), &other), Some(0));
    }

    /// Proves that the number is bounded for all clients together, and that a new one has room even so.
    #[test]
    fn the_number_is_bounded() {
        let now = Instant::now();
        let handles = Handles::new(4, MINUTE);
        let client = |n: u64| {
            let owner = format!("client {n}");
            handles.insert(now + Duration::from_secs(n), &owner, n)
        };
        let all: Vec<_> = (0..10).map(client).collect();
        let left: Vec<_> =
            all.iter().filter_map(|one| handles.take(now + MINUTE / 2, one)).collect();
        assert_eq!(left, [6, 7, 8, 9]);
    }

    /// Proves that what a client has goes when it goes.
    #[test]
    fn a_client_is_forgotten() {
        let now = Instant::now();
        let handles = Handles::new(8, MINUTE);
        let (mine, other) = (handles.insert(now, "me", 1), handles.insert(now, "you", 2));
        handles.forget("me");
        assert_eq!((handles.take(now, &mine), handles.take(now, &other)), (None, Some(2)));
    }

    /// Proves that what nobody used expires, and that using it keeps it.
    #[test]
    fn use_keeps_a_thing() {
        let now = Instant::now();
        let handles = Handles::new(8, MINUTE);
        let used = handles.insert(now, "me", 1);
        let unused = handles.insert(now, "me", 2);
        assert_eq!(handles.with(now + MINUTE / 2, &used, |value| *value), Some(1));
        assert_eq!(handles.with(now + MINUTE, &used, |value| *value), Some(1));
        assert_eq!(handles.with(now + MINUTE, &unused, |value| *value), None);
        assert_eq!(handles.take(now + MINUTE * 2, &used), None);
        let thing = Arc::new(());
        let things = Handles::new(8, MINUTE);
        things.insert(now, "me", Arc::clone(&thing));
        things.forget_unused(now + MINUTE / 2);
        assert_eq!(Arc::strong_count(&thing), 2);
        things.forget_unused(now + MINUTE);
        assert_eq!(Arc::strong_count(&thing), 1, "it is let go without being asked for");
    }
}
