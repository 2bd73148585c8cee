//! The one budget: DataFusion's operators and the partition store reserve from it.

use crate::memory::{MemoryPolicy, ProcessMemory};
use crate::store::Store;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use partita_shared::units::format_bytes;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

/// The ends of the names of DataFusion's consumers that keep a hash table, before their partition.
/// They reserve what a table takes after it has grown; while it grows there are two.
const TABLES: [&str; 3] = ["HashAggregateStream", "AggregateStream", "RecursiveQueryHashTable"];
/// The names of consumers that merge what sorts made. They reserve a few batches of each of their inputs before
/// they read them.
const MERGES: [&str; 3] = ["ExternalSorterMerge", "SortPreservingMergeExec", "LevelledMergeExec"];

/// A pool that shares fairly between the operators that can spill, and that makes room, before it
/// refuses anyone, by having stored partitions written to disk. It refuses too where the process
/// itself uses what the limit allows, whatever is reserved.
#[derive(Debug)]
pub(crate) struct Budget {
    policy: MemoryPolicy,
    bytes: usize,
    accounts: Mutex<Accounts>,
    process: Option<ProcessMemory>,
    store: OnceLock<Weak<Store>>,
}

/// What is reserved.
#[derive(Debug, Default)]
struct Accounts {
    /// Consumers that can spill: each has an equal part of what the others leave.
    spillers: usize,
    spillable: usize,
    unspillable: usize,
}

impl Budget {
    /// The budget of a worker, and the process that it must not let grow beyond its limit.
    pub(crate) fn new(policy: MemoryPolicy, process: Option<ProcessMemory>) -> Self {
        Budget {
            policy,
            bytes: policy.budget_bytes(),
            accounts: Mutex::default(),
            process,
            store: OnceLock::new(),
        }
    }

    pub(crate) fn policy(&self) -> MemoryPolicy {
        self.policy
    }

    /// The process, if its memory is used only by this worker.
    pub(crate) fn process(&self) -> Option<&ProcessMemory> {
        self.process.as_ref()
    }

    /// Names the store that makes room. Done once.
    pub(crate) fn set_store(&self, store: &Arc<Store>) {
        let _ = self.store.set(Arc::downgrade(store));
    }

    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_once(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        // Operators also ask where nothing has grown: whoever has its memory keeps it.
        if additional == 0 {
            return Ok(());
        }
        self.check_process(reservation, additional)?;
        self.check_reserved(reservation, additional)
    }

    /// Whether the process itself leaves room.
    fn check_process(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let Some(process) = &self.process else { return Ok(()) };
        let policy = self.policy;
        let consumer = reservation.consumer();
        let spills = consumer.can_spill() || consumer.name() == crate::store::CONSUMER;
        // A sort and its merge reserve all that they have, and also ask where they cannot spill: refused there,
        // they would fail because of what others use.
        if (consumer.can_spill() && !is_table(consumer)) || MERGES.contains(&kind(consumer)) {
            return Ok(());
        }
        if spills && reservation.size() < policy.spill_bytes_min() {
            return Ok(());
        }
        // What spills is refused long before the limit. What cannot is refused at it, so that its table must
        // find room to grow below it.
        let with_growth = additional.saturating_add(self.growth_bytes(reservation, additional));
        let is_much = |used| match spills {
            true => policy.must_spill(used, additional),
            false => policy.is_over(used, with_growth),
        };
        if !is_much(process.recent()) {
            return Ok(());
        }
        let used = process.reduced();
        if !is_much(used) {
            return Ok(());
        }
        Err(DataFusionError::ResourcesExhausted(format!(
            "{} needs {} more, and the process uses {} of its limit of {} (--memory-limit)",
            consumer.name(),
            format_bytes(additional as u64),
            format_bytes(used.resident_bytes),
            format_bytes(policy.limit_bytes()),
        )))
    }

    /// Takes the requested bytes from the budget, if they are available.
    fn check_reserved(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let consumer = reservation.consumer();
        let growth = self.growth_bytes(reservation, additional);
        let mut accounts = self.accounts();
        let available = if consumer.can_spill() {
            let most = self.policy.spillable_bytes_max();
            let all = self.bytes.saturating_sub(accounts.unspillable).min(most);
            let part = all.checked_div(accounts.spillers).unwrap_or(all);
            if reservation.size() + additional + growth <= part {
                accounts.spillable += additional;
                return Ok(());
            }
            part
        } else {
            let free = self.bytes.saturating_sub(accounts.unspillable + accounts.spillable);
            if additional + growth <= free {
                accounts.unspillable += additional;
                return Ok(());
            }
            free
        };
        drop(accounts);
        Err(DataFusionError::ResourcesExhausted(format!(
            "{} has {} and needs {} more, but only {} are left for it of {self}",
            consumer.name(),
            format_bytes(reservation.size() as u64),
            format_bytes(additional as u64),
            format_bytes(available as u64),
        )))
    }

    /// What a hash table takes beside what it reserves, while it grows.
    fn growth_bytes(&self, reservation: &MemoryReservation, additional: usize) -> usize {
        match is_table(reservation.consumer()) {
            true => self.policy.growth_bytes(reservation.size().saturating_add(additional)),
            false => 0,
        }
    }
}

/// Whether a consumer keeps a hash table.
fn is_table(consumer: &MemoryConsumer) -> bool {
    TABLES.iter().any(|end| kind(consumer).ends_with(end))
}

/// The name of a consumer without its partition.
fn kind(consumer: &MemoryConsumer) -> &str {
    consumer.name().split('[').next().unwrap_or_default().trim_end()
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (budget, limit) = (self.bytes as u64, self.policy.limit_bytes());
        write!(f, "the {} for data of a worker of {}", format_bytes(budget), format_bytes(limit))
    }
}

impl MemoryPool for Budget {
    fn name(&self) -> &str {
        "budget"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.accounts().spillers += usize::from(consumer.can_spill());
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        let mut accounts = self.accounts();
        accounts.spillers = accounts.spillers.saturating_sub(usize::from(consumer.can_spill()));
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        let mut accounts = self.accounts();
        match reservation.consumer().can_spill() {
            true => accounts.spillable += additional,
            false => accounts.unspillable += additional,
        }
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        let mut accounts = self.accounts();
        match reservation.consumer().can_spill() {
            true => accounts.spillable = accounts.spillable.saturating_sub(shrink),
            false => accounts.unspillable = accounts.unspillable.saturating_sub(shrink),
        }
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let refused = match self.try_once(reservation, additional) {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        // The store's own reservations must not come back here for room: it spills by itself.
        if reservation.consumer().name() == crate::store::CONSUMER {
            return Err(refused);
        }
        let Some(store) = self.store.get().and_then(Weak::upgrade) else { return Err(refused) };
        loop {
            if store.make_room(additional) == 0 {
                return self.try_once(reservation, additional);
            }
            if self.try_once(reservation, additional).is_ok() {
                return Ok(());
            }
        }
    }

    fn reserved(&self) -> usize {
        let accounts = self.accounts();
        accounts.spillable + accounts.unspillable
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn pool(limit_mib: u64, process: Option<ProcessMemory>) -> Arc<dyn MemoryPool> {
        Arc::new(Budget::new(MemoryPolicy::new(limit_mib << 20, 1), process))
    }

    /// What can spill shares what the others leave, and a table is refused before it doubles.
    #[test]
    fn tables_are_refused_before_they_grow() {
        // 96 MiB of the limit are the program's, and three quarters of the rest are given out.
        let pool = pool(96 + 128, None);
        let spills = |name: &str| MemoryConsumer::new(name).with_can_spill(true).register(&pool);
        let table = spills("FinalHashAggregateStream[3]");
        table.try_grow(20 * MIB).expect("20 MiB, and 32 while it doubles");
        let refused = table.try_grow(5 * MIB).expect_err("25 MiB, and 42 while it doubles");
        let text = refused.to_string();
        assert!(text.contains("FinalHashAggregateStream[3] has 20.0 MiB"), "{text}");
        assert!(text.contains("96.0 MiB for data of a worker of 224 MiB"), "{text}");
        let sort = spills("ExternalSorter[0]");
        sort.try_grow(28 * MIB).expect("half of what can spill");
        sort.try_grow(MIB).expect_err("more than half of it");
        drop((table, sort));
        let merge = MemoryConsumer::new("merge").register(&pool);
        merge.try_grow(96 * MIB).expect("all of it");
        assert_eq!(pool.reserved(), 96 * MIB);
        drop(merge);
        assert_eq!(pool.reserved(), 0);
    }

    /// A table that cannot spill is refused before it doubles too: the sets of several `count(distinct ..)`.
    #[test]
    fn tables_that_cannot_spill_are_refused_before_they_grow() {
        let pool = pool(96 + 128, None);
        let set = MemoryConsumer::new("AggregateStream[0]").register(&pool);
        set.try_grow(30 * MIB).expect("30 MiB, and 52 while it doubles");
        set.try_grow(10 * MIB).expect_err("40 MiB, and 72 while it doubles");
        let join = MemoryConsumer::new("HashJoinInput").register(&pool);
        join.try_grow(66 * MIB)
            .expect("what is left of 96 MiB: it reserves its table before it makes one");
    }

    /// Where the process uses what it may, whoever can spill has to, however little is reserved.
    #[test]
    fn a_full_process_makes_operators_spill() {
        let process = || ProcessMemory::new(|| {});
        let much = vec![1_u8; 200 * MIB];
        let full = pool(96, process());
        let spills = |name: &str| MemoryConsumer::new(name).with_can_spill(true).register(&full);
        let sort = spills("ExternalSorter[0]");
        sort.try_grow(2 * MIB).expect("room in the budget");
        sort.try_grow(1).expect("a sort is bounded by the budget");
        let table = spills("FinalHashAggregateStream[0]");
        table.try_grow(2 * MIB).expect("nothing to spill yet");
        table.try_grow(0).expect("what it has it keeps");
        let merge = MemoryConsumer::new("ExternalSorterMerge[0]").register(&full);
        merge.try_grow(MIB).expect("the merge of a sort is bounded by the budget");
        let refused = table.try_grow(1).expect_err("the process is full").to_string();
        assert!(refused.contains("of its limit of 96.0 MiB (--memory-limit)"), "{refused}");
        let other = MemoryConsumer::new("HashJoinInput").register(&full);
        other.try_grow(1).expect_err("the process is full");
        let roomy = pool(64 << 10, process());
        let spills = MemoryConsumer::new("ExternalSorter[0]").with_can_spill(true).register(&roomy);
        spills.try_grow(20 * MIB).expect("room");
        spills.try_grow(20 * MIB).expect("room");
        assert!(much.iter().all(|byte| *byte == 1));
    }
}
