//! The memory of one worker or of several, the same everywhere: what is reserved, inside what the
//! processes have, inside the limit.

use super::bar::{Bar, Part};
use crate::format::{bytes, part_of};
use partita_observe::view::ClusterView;
use partita_shared::model::WorkerRow;
use yew::prelude::*;

/// A process that has this share of its limit may be killed, in percent.
const NEAR_LIMIT_PERCENT: u64 = 92;

/// Memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// Partitions in memory.
    pub stored: u64,
    /// Reserved in the budget: partitions and operators.
    pub reserved: u64,
    /// What the processes have.
    pub resident: u64,
    /// What they may have.
    pub limit: u64,
}

impl MemoryUse {
    /// Of a worker.
    pub fn of(row: &WorkerRow) -> Self {
        let metrics = &row.metrics;
        MemoryUse {
            stored: metrics.stored_bytes,
            reserved: metrics.reserved_bytes,
            resident: metrics.resident_bytes,
            limit: row.memory_limit_bytes,
        }
    }

    /// Of all workers.
    pub fn of_cluster(cluster: &ClusterView) -> Self {
        let row = &cluster.row;
        MemoryUse {
            stored: row.stored_bytes,
            reserved: row.reserved_bytes,
            resident: cluster.resident_bytes,
            limit: row.memory_limit_bytes,
        }
    }

    /// Adds another's.
    pub fn add(&mut self, other: &MemoryUse) {
        self.stored = self.stored.saturating_add(other.stored);
        self.reserved = self.reserved.saturating_add(other.reserved);
        self.resident = self.resident.saturating_add(other.resident);
        self.limit = self.limit.saturating_add(other.limit);
    }

    /// The processes' share of the limit, in percent: above 100 they have more than they may.
    pub fn percent(&self) -> u64 {
        part_of(self.resident, self.limit.max(1), 100)
    }

    /// Whether the process may be killed for its size.
    pub fn is_near_limit(&self) -> bool {
        self.limit > 0 && self.percent() >= NEAR_LIMIT_PERCENT
    }

    /// Reserved by operators, not by partitions.
    pub fn operators(&self) -> u64 {
        self.reserved.saturating_sub(self.stored)
    }

    /// What the processes have beside what is reserved: code, buffers, what libraries allocate.
    pub fn other(&self) -> u64 {
        self.resident.saturating_sub(self.reserved)
    }

    /// What the processes may still take.
    pub fn free(&self) -> u64 {
        self.limit.saturating_sub(self.resident.max(self.reserved))
    }

    /// `2.65 GiB of 1.00 GiB (265 %); 0.40 GiB reserved, 0.10 GiB of it partitions`.
    pub fn in_words(&self) -> String {
        format!(
            "{} of {} ({}\u{202f}%); {} reserved, {} of it partitions",
            bytes(self.resident),
            bytes(self.limit),
            self.percent(),
            bytes(self.reserved),
            bytes(self.stored)
        )
    }

    /// The bar. Memory beyond the limit follows a tick.
    pub fn bar(&self) -> Html {
        let other = if self.is_near_limit() { "failed" } else { "resident" };
        let parts = vec![
            Part { class: "stored", size: self.stored },
            Part { class: "used", size: self.operators() },
            Part { class: other, size: self.other() },
        ];
        let whole = self.limit.max(self.resident).max(self.reserved);
        let limit = (whole > self.limit).then_some(self.limit);
        html! { <Bar {parts} {whole} {limit} label={self.in_words()} /> }
    }

    /// What the parts of the bar are, with their sizes, and what was spilled: for a list of terms.
    pub fn legend(&self, spilled: u64) -> Html {
        let entries = [
            ("stored", "partitions", self.stored),
            ("used", "operators", self.operators()),
            ("resident", "rest of the process", self.other()),
            ("free", "free", self.free()),
            ("spilled", "spilled to disk", spilled),
        ];
        entries
            .into_iter()
            .map(|(class, name, size)| {
                html! {
                    <div key={name}>
                        <dt>
                            <svg aria-hidden="true">
                                <rect {class} width="100%" height="100%" />
                                if class == "spilled" {
                                    <rect fill="url(#hatch-spilled)" width="100%" height="100%" />
                                }
                            </svg>
                            { name }
                        </dt>
                        <dd>{ bytes(size) }</dd>
                    </div>
                }
            })
            .collect()
    }

    /// The bar and the share, for a row of a table.
    pub fn cell(&self) -> Html {
        let class = self.is_near_limit().then_some("over");
        html! {
            <span class="with-bar">
                { self.bar() }<span {class}>{ format!("{}\u{202f}%", self.percent()) }</span>
            </span>
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    /// A process with more than it may have is more than full, whatever it has reserved, and nothing
    /// is free.
    #[test]
    fn what_the_process_has_counts() {
        let over = MemoryUse { stored: 0, reserved: GIB / 10, resident: 3 * GIB, limit: GIB };
        assert_eq!((over.percent(), over.free(), over.is_near_limit()), (300, 0, true));
        assert_eq!(over.other(), 3 * GIB - GIB / 10);
        let well = MemoryUse { stored: GIB / 4, reserved: GIB / 2, resident: GIB / 2, limit: GIB };
        assert_eq!((well.percent(), well.free(), well.is_near_limit()), (50, GIB / 2, false));
        assert_eq!((well.operators(), well.other()), (GIB / 4, 0));
        assert!(!MemoryUse::default().is_near_limit());
    }

    /// Red begins at 92 percent.
    #[test]
    fn red_begins_near_the_limit() {
        let of = |resident| MemoryUse { resident, limit: 100, ..MemoryUse::default() };
        assert!(!of(91).is_near_limit() && of(92).is_near_limit());
    }
}
