//! Persisted tables: results that stay on the workers under a name.

use super::{JobRecord, Model};
use crate::event::TableName;
use crate::view::{TABLE_JOBS_MAX, TABLES_MAX, TableView, is_under_way};
use partita_shared::ids::JobId;
use partita_shared::model::JobState;
use std::collections::{BTreeMap, BTreeSet};

/// Names of persisted tables that are remembered.
const NAMES_MAX: usize = 10_000;

impl JobRecord {
    /// The jobs whose persisted results it reads.
    fn sources(&self) -> BTreeSet<JobId> {
        self.stages.iter().filter_map(|stage| stage.source).collect()
    }
}

impl Model {
    pub(super) fn on_tables(&mut self, mut names: Vec<TableName>) {
        names.truncate(NAMES_MAX);
        self.table_names = names;
    }

    /// The names of all persisted tables.
    pub(super) fn table_names(&self) -> &[TableName] {
        &self.table_names
    }

    /// The persisted tables, the latest first.
    pub fn tables(&self) -> Vec<TableView> {
        let mut names: BTreeMap<JobId, Vec<(String, Option<String>)>> = BTreeMap::new();
        for name in &self.table_names {
            names.entry(name.job).or_default().push((name.name.clone(), name.session.clone()));
        }
        let mut readers: BTreeMap<JobId, Vec<JobId>> = BTreeMap::new();
        let reads = |record: &&JobRecord| {
            is_under_way(record.row.state) || record.row.state == JobState::Persisted
        };
        for record in self.job_records.values().filter(reads) {
            for source in record.sources() {
                let readers = readers.entry(source).or_default();
                if readers.len() < TABLE_JOBS_MAX {
                    readers.push(record.row.id);
                }
            }
        }
        let persisted = self.job_records.iter().rev();
        persisted
            .filter(|(_, record)| record.row.state == JobState::Persisted)
            .take(TABLES_MAX)
            .filter_map(|(id, record)| {
                let stage = record.stages.last()?;
                let facts = record.persisted.clone().unwrap_or_default();
                Some(TableView {
                    job: *id,
                    names: names.remove(id).unwrap_or_default(),
                    rows: stage.counters.rows,
                    bytes: stage.counters.held_bytes,
                    partitions: stage.size,
                    lost: stage.size.saturating_sub(stage.counters.held),
                    can_recompute: facts.can_recompute,
                    holders: facts.holders,
                    made_from: record.sources().into_iter().take(TABLE_JOBS_MAX).collect(),
                    readers: readers.remove(id).unwrap_or_default(),
                    since_ms: record.row.ended_ms.unwrap_or(record.row.submitted_ms),
                })
            })
            .collect()
    }
}
