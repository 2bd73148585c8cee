//! Bytes in a second, from the sums that workers tell.

use crate::order::sort_by_key;
use partita_shared::ids::WorkerId;
use partita_shared::model::WorkerRow;
use std::rc::Rc;

/// What a worker told last.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    last_seen_ms: u64,
    bytes: u64,
    per_s: Option<u64>,
}

/// Bytes that workers read from others and sent to them in a second, between their last two
/// reports.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    /// In the order of the workers.
    told: Vec<(WorkerId, Told)>,
}

impl Rates {
    /// Takes what workers told last.
    pub fn take(&mut self, rows: &[Rc<WorkerRow>]) {
        let before = std::mem::take(&mut self.told);
        for row in rows {
            let bytes = row.metrics.fetched_bytes.saturating_add(row.metrics.served_bytes);
            let told = match find(&before, row.id) {
                Some(told) if told.last_seen_ms < row.last_seen_ms => {
                    let gone_ms = row.last_seen_ms - told.last_seen_ms;
                    let more = bytes.saturating_sub(told.bytes);
                    let per_s = more.saturating_mul(1_000) / gone_ms;
                    Told { last_seen_ms: row.last_seen_ms, bytes, per_s: Some(per_s) }
                }
                Some(told) => told,
                None => Told { last_seen_ms: row.last_seen_ms, bytes, per_s: None },
            };
            self.told.push((row.id, told));
        }
        sort_by_key(&mut self.told, |(id, _)| *id);
    }

    /// Bytes in a second, once a worker has reported twice.
    pub fn of(&self, id: WorkerId) -> Option<u64> {
        find(&self.told, id)?.per_s
    }
}

fn find(told: &[(WorkerId, Told)], id: WorkerId) -> Option<Told> {
    let at = told.binary_search_by_key(&id, |(id, _)| *id).ok()?;
    told.get(at).map(|(_, told)| *told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::worker;

    /// A rate is the difference between two reports: there is no rate before the second report, and
    /// a counter that starts anew gives no absurd rate.
    #[test]
    fn rates_are_between_reports() {
        let mut rates = Rates::default();
        let mut row = worker(3);
        rates.take(&[Rc::new(row.clone())]);
        assert_eq!(rates.of(row.id), None);
        rates.take(&[Rc::new(row.clone())]);
        assert_eq!(rates.of(row.id), None);
        row.last_seen_ms += 500;
        row.metrics.fetched_bytes += 100;
        row.metrics.served_bytes += 50;
        rates.take(&[Rc::new(row.clone())]);
        assert_eq!(rates.of(row.id), Some(300));
        row.last_seen_ms += 500;
        row.metrics.fetched_bytes = 0;
        rates.take(&[Rc::new(row.clone())]);
        assert_eq!(rates.of(row.id), Some(0));
        rates.take(&[]);
        assert_eq!(rates.of(row.id), None);
    }
}
