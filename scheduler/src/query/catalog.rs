//! The catalog: client sessions, and the persisted tables that they see.

use crate::hub::Hub;
use crate::query::collections::Collections;
use crate::query::sessions::{Session, Sessions};
use crate::query::{QueryError, RequestContext};
use datafusion::arrow::datatypes::SchemaRef;
use partita_plan::persisted::{PersistedResult, Sorted};
use partita_shared::ids::JobId;
use partita_shared::model::TableRow;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::Notify;

/// All sessions and persisted tables. A result that loses its last name is released in the core.
#[derive(Debug)]
pub(crate) struct Catalog {
    hub: Hub,
    sessions: Sessions,
    tables: Collections,
    /// Told whenever a session ends.
    ended: Notify,
}

impl Catalog {
    /// An empty catalog of the results that this core has.
    pub(crate) fn new(hub: Hub) -> Self {
        let (sessions, tables) = (Sessions::new(), Collections::default());
        Catalog { hub, sessions, tables, ended: Notify::new() }
    }

    /// The session of whoever asks, with the persisted tables that it sees.
    pub(crate) async fn session(&self, request_context: &RequestContext) -> Arc<Session> {
        let RequestContext { session: name, directory, .. } = request_context;
        let session = self.sessions.get(name, directory.as_deref());
        self.refresh().await;
        session.show(&self.tables.seen_by(name));
        session
    }

    /// Keeps the session of that name, made if it is not there, until it ends.
    ///
    /// # Errors
    /// If there are too many that are kept.
    pub(crate) fn attend(&self, session: &str) -> Result<(), String> {
        self.sessions.attend(session)
    }

    /// Whether a session of that name is there.
    pub(crate) fn has_session(&self, session: &str) -> bool {
        self.sessions.is_there(session)
    }

    /// Ends a session: its tables go with it.
    pub(crate) async fn end_session(&self, session: &str) {
        self.sessions.end(session);
        self.ended.notify_waiters();
        self.refresh().await;
    }

    /// Waits until that session has ended.
    pub(crate) async fn session_ended(&self, session: &str) {
        loop {
            let mut next = pin!(self.ended.notified());
            // Registered before the check, so that an end in between is not missed.
            next.as_mut().enable();
            if !self.has_session(session) {
                return;
            }
            next.await;
        }
    }

    /// Brings the names up to date with the sessions and with what the core holds.
    pub(crate) async fn refresh(&self) {
        self.tables.refresh(&self.hub, |session| self.has_session(session)).await;
    }

    /// The table that a session means by a name.
    pub(crate) fn find(&self, session: &str, name: &str) -> Option<Arc<PersistedResult>> {
        self.tables.find(session, name)
    }

    /// All tables, for listings.
    pub(crate) async fn rows(&self) -> Vec<TableRow> {
        self.tables.rows(&self.hub).await
    }

    /// Tells the observer the names of all tables whenever they are others than before.
    pub(crate) async fn tell_names(&self) {
        self.tables.tell_names(&self.hub).await;
    }

    /// Names a persisted result. Gives its rows.
    ///
    /// # Errors
    /// If the result is gone, or has other splits than partitions; then it is released.
    pub(crate) async fn register(
        &self,
        job: JobId,
        name: String,
        owner: Option<String>,
        schema: SchemaRef,
        sorted: Option<Sorted>,
    ) -> Result<u64, QueryError> {
        let partitions = self.hub.query(move |core| core.persisted_partitions(job)).await.flatten();
        let gone = || {
            QueryError::Failed(
                "the table was lost before it was named; run the statement again".to_string(),
            )
        };
        let partitions = partitions.ok_or_else(gone)?;
        let rows = partitions.iter().map(|(rows, _)| rows).sum();
        let splits = sorted.as_ref().map_or(0, |sorted| sorted.splits.len());
        if splits > 0 && splits + 1 != partitions.len() {
            self.hub.release(vec![job]).await;
            let text = format!(
                "{name} has {} partitions, but {splits} splits; expected one split less than partitions",
                partitions.len()
            );
            return Err(QueryError::Statement(text));
        }
        let persisted = PersistedResult { job, name, schema, partitions, sorted };
        let replaced = self.tables.insert(owner, persisted);
        self.hub.release(replaced).await;
        Ok(rows)
    }

    /// Takes a name away. False if there is no such table.
    pub(crate) async fn drop_table(&self, session: &str, name: &str) -> bool {
        let Some(unnamed) = self.tables.remove(session, name) else { return false };
        self.hub.release(unnamed).await;
        true
    }

    /// Gives a table another name.
    ///
    /// # Errors
    /// If there is no such table, or the name is taken.
    pub(crate) fn rename(&self, session: &str, from: &str, to: &str) -> Result<(), QueryError> {
        self.tables.rename(session, from, to)
    }

    /// Makes a session's table everyone's, under this name.
    ///
    /// # Errors
    /// If there is no such table, or the name is taken and not to be replaced.
    pub(crate) async fn publish(
        &self,
        session: &str,
        name: &str,
        public: &str,
        replace: bool,
    ) -> Result<(), QueryError> {
        let unnamed = self.tables.publish(session, name, public, replace)?;
        self.hub.release(unnamed).await;
        Ok(())
    }

    /// Lets go of what a session has under these names, as far as it is there: tables that are persisted, or that
    /// are files.
    pub(crate) async fn release(&self, session: &str, names: &[String]) {
        self.hub.release(self.tables.release(session, names)).await;
        if let Some(session) = self.sessions.find(session) {
            names.iter().for_each(|name| session.release(name));
        }
    }
}
