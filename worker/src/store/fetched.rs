//! Objects that were read from other workers or from disk, kept for the next calls that read them.
//!
//! Many calls often read one large object, such as a model or a table that a client has scattered. The first one fetches
//! it; those that run at the same time wait for it, and those after it find it here.

use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use partita_net::payload::Payload;
use partita_shared::ids::{Attempt, TaskId};
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

/// How long an object is kept that no call reads.
const IDLE_TIME_MAX: Duration = Duration::from_millis(500);
/// How often those are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_millis(250);
/// Objects that are kept at most.
const OBJECTS_MAX: usize = 1024;

/// An object by the attempt that made it: its content never changes.
type Key = (TaskId, Attempt);

/// Objects that this worker has a copy of.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    objects: HashMap<Key, Kept>,
    /// Those that were forgotten, whose memory the sweep frees.
    forgotten: Vec<Kept>,
    /// Whether the sweep runs.
    is_swept: bool,
}

#[derive(Debug)]
struct Kept {
    object: Arc<OnceCell<Payload>>,
    /// What it takes, reserved in the budget, once it is there.
    reservation: MemoryReservation,
    used: Instant,
}

impl Kept {
    /// Whether no call waits for it.
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.object) == 1
    }
}

impl Fetched {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An object: the one that is kept, or what `read` gives, which is kept if the budget has room for it.
    pub(crate) async fn get_or_read(
        self: &Arc<Self>,
        key: Key,
        reservation: MemoryReservation,
        data: &Handle,
        read: impl Future<Output = Result<Payload>>,
    ) -> Result<Payload> {
        let Some(object) = self.entry(key, reservation, data) else { return read.await };
        let payload = object.get_or_try_init(|| read).await?.clone();
        self.reserve(key, &object, payload.bytes().len());
        Ok(payload)
    }

    /// The place of an object, which calls that read it now share. None if there are too many.
    fn entry(
        self: &Arc<Self>,
        key: Key,
        reservation: MemoryReservation,
        data: &Handle,
    ) -> Option<Arc<OnceCell<Payload>>> {
        let mut state = self.lock();
        if state.objects.len() >= OBJECTS_MAX && !state.objects.contains_key(&key) {
            return None;
        }
        let (object, used) = (Arc::default(), Instant::now());
        let kept = state.objects.entry(key).or_insert(Kept { object, reservation, used });
        kept.used = used;
        let object = Arc::clone(&kept.object);
        self.start_sweep(&mut state, data);
        Some(object)
    }

    /// Reserves what an object takes, or forgets it if there is no room. No lock is held while stored partitions make room.
    fn reserve(&self, key: Key, object: &Arc<OnceCell<Payload>>, bytes: usize) {
        let is_same = |kept: &Kept| Arc::ptr_eq(&kept.object, object);
        let found =
            self.lock().objects.get(&key).filter(|kept| is_same(kept)).map(|kept| {
                (kept.reservation.size() < bytes).then(|| kept.reservation.new_empty())
            });
        let Some(Some(wanted)) = found else { return };
        let has_room = wanted.try_grow(bytes).is_ok();
        let mut state = self.lock();
        let kept = state.objects.get_mut(&key).filter(|kept| is_same(kept));
        match kept {
            Some(kept) if has_room && kept.reservation.size() == 0 => kept.reservation = wanted,
            Some(kept) if kept.reservation.size() == 0 => drop(state.objects.remove(&key)),
            _ => {}
        }
    }

    /// Forgets what was not used for a while, again and again while anything is kept.
    fn start_sweep(self: &Arc<Self>, state: &mut State, data: &Handle) {
        if std::mem::replace(&mut state.is_swept, true) {
            return;
        }
        let fetched = Arc::downgrade(self);
        data.spawn(async move {
            loop {
                tokio::time::sleep(SWEEP_INTERVAL).await;
                let Some(fetched) = fetched.upgrade() else { return };
                drop(fetched.take_unused());
                let mut state = fetched.lock();
                if state.objects.is_empty() {
                    state.is_swept = false;
                    return;
                }
            }
        });
    }

    /// Takes out what was not used for a while, and what was forgotten.
    fn take_unused(&self) -> Vec<Kept> {
        let mut state = self.lock();
        let State { objects, forgotten, .. } = &mut *state;
        let is_unused = |kept: &Kept| kept.is_idle() && kept.used.elapsed() >= IDLE_TIME_MAX;
        forgotten.extend(objects.extract_if(|_, kept| is_unused(kept)).map(|(_, kept)| kept));
        std::mem::take(forgotten)
    }

    /// Frees about `bytes` bytes of what no call waits for. Returns how many were freed.
    pub(crate) fn make_room(&self, bytes: usize) -> usize {
        let mut freed = 0;
        let mut take = |kept: &mut Kept| {
            let is_taken = freed < bytes && kept.is_idle() && kept.reservation.size() > 0;
            freed += if is_taken { kept.reservation.size() } else { 0 };
            is_taken
        };
        let taken: Vec<Kept> = {
            let mut state = self.lock();
            state.objects.extract_if(|_, kept| take(kept)).map(|(_, kept)| kept).collect()
        };
        // Without the lock.
        drop(taken);
        freed
    }

    /// Forgets everything. The sweep frees the memory, which takes time.
    pub(crate) fn clear(&self) {
        let mut state = self.lock();
        let State { objects, forgotten, .. } = &mut *state;
        forgotten.extend(objects.drain().map(|(_, kept)| kept));
    }
}
