//! Persisted results by their names.
//!
//! A table is everyone's, or belongs to a session and goes with it. Two names may stand for one
//! result: it is let go with the last of them.

use crate::hub::Hub;
use crate::query::QueryError;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use partita_core::Core;
use partita_observe::event::{Observation, TableName};
use partita_plan::persisted::PersistedResult;
use partita_shared::ids::JobId;
use partita_shared::model::TableRow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often names are compared with those that the observer knows.
const NAMES_INTERVAL: Duration = Duration::from_millis(500);

/// Whose a table is: a session's, or everyone's if none is named.
type Owner = Option<String>;
type Tables = BTreeMap<(Owner, String), Arc<PersistedResult>>;

/// All tables that are persisted results.
#[derive(Debug, Default)]
pub(crate) struct Collections(Mutex<Tables>);

impl Collections {
    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names a persisted result. Gives the job of the one that had the name, if nothing else names it.
    pub(crate) fn insert(&self, owner: Owner, persisted: PersistedResult) -> Option<JobId> {
        let mut tables = self.lock();
        let old = tables.insert((owner, persisted.name.clone()), Arc::new(persisted))?;
        unnamed(&tables, old.job)
    }

    /// What a session sees: everyone's tables and its own, which come last.
    pub(crate) fn seen_by(&self, session: &str) -> Vec<Arc<PersistedResult>> {
        let tables = self.lock();
        let seen = |(owner, _): &&(Owner, String)| owner.as_deref().is_none_or(|o| o == session);
        tables
            .iter()
            .filter(|(key, _)| seen(key))
            .map(|(_, persisted)| Arc::clone(persisted))
            .collect()
    }

    /// The table that a session means by a name.
    pub(crate) fn find(&self, session: &str, name: &str) -> Option<Arc<PersistedResult>> {
        let tables = self.lock();
        key(&tables, session, name).and_then(|key| tables.get(&key).cloned())
    }

    /// Takes a name away. Gives the job, if nothing else names it; the outer option is `None` if
    /// there is no such table.
    pub(crate) fn remove(&self, session: &str, name: &str) -> Option<Option<JobId>> {
        let mut tables = self.lock();
        let key = key(&tables, session, name)?;
        let old = tables.remove(&key)?;
        Some(unnamed(&tables, old.job))
    }

    /// Removes those of these names that are a session's own. Gives the jobs that nothing names any
    /// more.
    pub(crate) fn release(&self, session: &str, names: &[String]) -> Vec<JobId> {
        let mut tables = self.lock();
        let own = |name: &String| (Some(session.to_string()), name.clone());
        let old: BTreeSet<JobId> =
            names.iter().filter_map(|name| tables.remove(&own(name))).map(|old| old.job).collect();
        old.into_iter().filter_map(|job| unnamed(&tables, job)).collect()
    }

    /// Gives a table another name.
    pub(crate) fn rename(&self, session: &str, from: &str, to: &str) -> Result<(), QueryError> {
        let mut tables = self.lock();
        if key(&tables, session, to).is_some() {
            return Err(exists(to));
        }
        let Some(key) = key(&tables, session, from) else { return Err(unknown(from)) };
        if let Some(persisted) = tables.remove(&key) {
            let renamed = PersistedResult { name: to.to_string(), ..persisted.as_ref().clone() };
            tables.insert((key.0, to.to_string()), Arc::new(renamed));
        }
        Ok(())
    }

    /// Makes a session's table everyone's, under this name. Gives the job of the one that had it.
    pub(crate) fn publish(
        &self,
        session: &str,
        name: &str,
        public: &str,
        replace: bool,
    ) -> Result<Option<JobId>, QueryError> {
        let mut tables = self.lock();
        let Some(found) = key(&tables, session, name) else { return Err(unknown(name)) };
        let target = (None, public.to_string());
        if tables.contains_key(&target) && !replace {
            return Err(exists(public));
        }
        let Some(persisted) = tables.get(&found) else { return Err(unknown(name)) };
        let persisted = PersistedResult { name: public.to_string(), ..persisted.as_ref().clone() };
        let old = tables.insert(target, Arc::new(persisted));
        Ok(old.and_then(|old| unnamed(&tables, old.job)))
    }

    /// The jobs whose results have names.
    fn jobs(&self) -> BTreeSet<JobId> {
        self.lock().values().map(|table| table.job).collect()
    }

    /// Forgets the tables of sessions that are gone and of these results. Gives the jobs that nothing
    /// names any more.
    fn sweep(&self, is_there: impl Fn(&str) -> bool, gone: &BTreeSet<JobId>) -> Vec<JobId> {
        let mut tables = self.lock();
        let mut dropped = BTreeSet::new();
        tables.retain(|(owner, _), table| {
            let stays = owner.as_deref().is_none_or(&is_there) && !gone.contains(&table.job);
            if !stays {
                dropped.insert(table.job);
            }
            stays
        });
        dropped.into_iter().filter_map(|job| unnamed(&tables, job)).collect()
    }

    /// Brings the names up to date with the sessions and with what the core holds.
    pub(crate) async fn refresh(&self, hub: &Hub, is_there: impl Fn(&str) -> bool) {
        // What gets its name while the core is asked is not among what the core says.
        let mut named = self.jobs();
        if named.is_empty() {
            return;
        }
        let Some(persisted) = hub.query(|core| core.persisted_jobs()).await else { return };
        named.retain(|job| !persisted.contains(job));
        hub.release(self.sweep(is_there, &named)).await;
    }

    /// The names of all tables, for the observer.
    fn names(&self) -> Vec<TableName> {
        let name = |((session, name), persisted): (&(Owner, String), &Arc<PersistedResult>)| {
            TableName { job: persisted.job, name: name.clone(), session: session.clone() }
        };
        self.lock().iter().map(name).collect()
    }

    /// Tells the observer the names of all tables whenever they are others than before.
    pub(crate) async fn tell_names(&self, hub: &Hub) {
        let mut interval = tokio::time::interval(NAMES_INTERVAL);
        let mut told = Vec::new();
        loop {
            interval.tick().await;
            let names = self.names();
            if names != told {
                hub.show(Observation::Tables(names.clone()));
                told = names;
            }
        }
    }

    /// All tables, for listings.
    pub(crate) async fn rows(&self, hub: &Hub) -> Vec<TableRow> {
        let mut rows = self.named_rows();
        let jobs: Vec<JobId> = rows.iter().map(|row| row.job).collect();
        let lost = move |core: &Core| -> Vec<(u32, bool)> {
            jobs.iter().map(|job| core.lost_partitions(*job)).collect()
        };
        let lost = hub.query(lost).await.unwrap_or_default();
        for (row, (lost, can_recompute)) in rows.iter_mut().zip(lost) {
            (row.lost, row.can_recompute) = (lost, can_recompute);
        }
        rows
    }

    /// The same without what only the core knows.
    fn named_rows(&self) -> Vec<TableRow> {
        let row =
            |((owner, name), persisted): (&(Owner, String), &Arc<PersistedResult>)| TableRow {
                name: name.clone(),
                session: owner.clone(),
                job: persisted.job,
                columns: persisted
                    .schema
                    .fields()
                    .iter()
                    .map(|field| (field.name().clone(), field.data_type().to_string()))
                    .collect(),
                partitions: persisted.partitions.len() as u32,
                rows: persisted.partitions.iter().map(|(rows, _)| rows).sum(),
                bytes: persisted.partitions.iter().map(|(_, bytes)| bytes).sum(),
                lost: 0,
                can_recompute: true,
                splits: persisted
                    .sorted
                    .iter()
                    .flat_map(|sorted| &sorted.splits)
                    .map(text)
                    .collect(),
            };
        self.lock().iter().map(row).collect()
    }
}

/// A value as text: times as they are written.
fn text(value: &ScalarValue) -> String {
    match value.cast_to(&DataType::Utf8) {
        Ok(ScalarValue::Utf8(Some(text))) => text,
        _ => value.to_string(),
    }
}

/// The error for a name that is taken.
pub(crate) fn exists(name: &str) -> QueryError {
    QueryError::Statement(format!(
        "table {name} already exists; drop it or use CREATE OR REPLACE TABLE"
    ))
}

/// The error for a name that stands for nothing.
pub(crate) fn unknown(name: &str) -> QueryError {
    QueryError::Statement(format!(
        "persisted table {name} does not exist; SHOW TABLES lists the tables"
    ))
}

/// The table that a session means by a name: its own before everyone's.
fn key(tables: &Tables, session: &str, name: &str) -> Option<(Owner, String)> {
    let own = (Some(session.to_string()), name.to_string());
    let public = (None, name.to_string());
    [own, public].into_iter().find(|key| tables.contains_key(key))
}

/// A job, if nothing names it.
fn unnamed(tables: &Tables, job: JobId) -> Option<JobId> {
    (!tables.values().any(|persisted| persisted.job == job)).then_some(job)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::datatypes::Schema;

    fn persisted(name: &str, job: u32) -> PersistedResult {
        let schema = Arc::new(Schema::empty());
        PersistedResult {
            job: JobId(job),
            name: name.into(),
            schema,
            partitions: vec![(3, 24)],
            sorted: None,
        }
    }

    /// A session's table hides everyone's of that name, and goes with the session.
    #[test]
    fn tables_of_a_session_are_its_own() {
        let tables = Collections::default();
        assert_eq!(tables.insert(None, persisted("t", 1)), None);
        assert_eq!(tables.insert(Some("a".into()), persisted("t", 2)), None);
        let job = |session| tables.find(session, "t").map(|persisted| persisted.job);
        assert_eq!((job("a"), job("b")), (Some(JobId(2)), Some(JobId(1))));
        assert_eq!(tables.seen_by("b").len(), 1);
        assert_eq!(tables.sweep(|session| session != "a", &BTreeSet::new()), [JobId(2)]);
        assert_eq!(job("a"), Some(JobId(1)));
        assert_eq!(tables.sweep(|_| true, &BTreeSet::from([JobId(1)])), [JobId(1)]);
        assert_eq!(job("a"), None);
    }

    /// What a session lets go is its own: everyone's table of that name stays.
    #[test]
    fn a_session_releases_its_own() {
        let tables = Collections::default();
        tables.insert(None, persisted("t", 1));
        tables.insert(Some("a".into()), persisted("t", 2));
        tables.insert(Some("a".into()), persisted("u", 3));
        tables.publish("a", "u", "ours", false).expect("it is there");
        let names = ["t", "u", "not there"].map(str::to_string);
        assert_eq!(tables.release("b", &names), []);
        assert_eq!(tables.release("a", &names), [JobId(2)]);
        assert_eq!(tables.find("a", "t").map(|persisted| persisted.job), Some(JobId(1)));
        assert_eq!(tables.find("a", "ours").map(|persisted| persisted.job), Some(JobId(3)));
    }

    /// A result is let go with the last of its names.
    #[test]
    fn a_result_lives_as_long_as_a_name_of_it() {
        let tables = Collections::default();
        tables.insert(Some("a".into()), persisted("mine", 1));
        assert_eq!(tables.publish("a", "mine", "ours", false).expect("it is there"), None);
        assert!(tables.publish("a", "mine", "ours", false).is_err());
        assert_eq!(tables.remove("a", "mine"), Some(None));
        tables.rename("b", "ours", "theirs").expect("it is there");
        assert_eq!(tables.remove("b", "theirs"), Some(Some(JobId(1))));
        assert_eq!(tables.remove("b", "theirs"), None);
    }
}
