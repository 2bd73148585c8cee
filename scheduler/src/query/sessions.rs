//! Sessions: the tables and views that clients made, and the directory of their paths.

use datafusion::prelude::SessionContext;
use partita_plan::files::{self, FileTables};
use partita_plan::session::planning_context;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Sessions that are kept; the one that was not used for longest goes first.
const SESSIONS_MAX: usize = 256;
/// Statements that one session may be made of.
const SESSION_STATEMENTS_MAX: usize = 10_000;

/// One session.
pub(crate) struct Session {
    pub(crate) context: SessionContext,
    tables: Arc<FileTables>,
    directory: Mutex<PathBuf>,
    /// The statements that made its tables and views, for plans that must be made again elsewhere.
    made_by: Mutex<Vec<String>>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Session {
    fn new() -> Self {
        let tables = Arc::new(FileTables::new());
        let context = files::enable(planning_context(), Arc::clone(&tables));
        let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        tables.set_directory(directory.clone());
        Session { context, tables, directory: Mutex::new(directory), made_by: Mutex::default() }
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_directory(&self, directory: PathBuf) {
        self.tables.set_directory(directory.clone());
        *self.directory.lock().unwrap_or_else(PoisonError::into_inner) = directory;
    }

    pub(crate) fn made_by(&self) -> Vec<String> {
        self.made_by.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers a statement that made a table or a view. False if there are too many.
    pub(crate) fn remember(&self, statement: &str) -> bool {
        let mut made_by = self.made_by.lock().unwrap_or_else(PoisonError::into_inner);
        let room = made_by.len() < SESSION_STATEMENTS_MAX;
        if room {
            made_by.push(statement.to_string());
        }
        room
    }
}

/// All sessions, by name.
#[derive(Debug)]
pub(crate) struct Sessions(Mutex<HashMap<String, (Arc<Session>, Instant)>>);

impl Sessions {
    pub(crate) fn new() -> Self {
        Sessions(Mutex::default())
    }

    /// The session of that name, made if it is not there, with paths relative to `directory`.
    pub(crate) fn get(&self, name: &str, directory: Option<&str>) -> Arc<Session> {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !sessions.contains_key(name) && sessions.len() >= SESSIONS_MAX {
            let oldest = sessions.iter().min_by_key(|(_, (_, used))| *used).map(|(n, _)| n.clone());
            if let Some(oldest) = oldest {
                sessions.remove(&oldest);
            }
        }
        let entry = sessions
            .entry(name.to_string())
            .or_insert_with(|| (Arc::new(Session::new()), Instant::now()));
        entry.1 = Instant::now();
        let session = Arc::clone(&entry.0);
        drop(sessions);
        if let Some(directory) = directory {
            session.set_directory(PathBuf::from(directory));
        }
        session
    }
}
