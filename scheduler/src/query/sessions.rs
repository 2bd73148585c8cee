//! Sessions: the tables and views that clients made, and the directory of their paths.

use datafusion::common::TableReference;
use datafusion::prelude::SessionContext;
use partita_plan::files::{self, FileTables};
use partita_plan::held::{HeldResult, HeldTable};
use partita_plan::session::planning_context;
use partita_shared::ids::JobId;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Sessions that are kept; the one that was not used for longest goes first.
const SESSIONS_MAX: usize = 256;
/// Statements that one session may be made of.
const SESSION_STATEMENTS_MAX: usize = 10_000;

/// One session.
pub(crate) struct Session {
    /// Its name; empty for the one that all share.
    pub(crate) name: String,
    pub(crate) context: SessionContext,
    tables: Arc<FileTables>,
    directory: Mutex<PathBuf>,
    /// The statements that made its tables and views, for plans that must be made again elsewhere.
    made_by: Mutex<Vec<String>>,
    /// The held tables that it shows, and their jobs.
    held: Mutex<BTreeMap<String, JobId>>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Session {
    fn new(name: &str) -> Self {
        let tables = Arc::new(FileTables::new());
        let context = files::enable(planning_context(), Arc::clone(&tables));
        let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        tables.set_directory(directory.clone());
        Session {
            name: name.to_string(),
            context,
            tables,
            directory: Mutex::new(directory),
            made_by: Mutex::default(),
            held: Mutex::default(),
        }
    }

    /// Whether it has a table or a view of that name that is not a held one.
    pub(crate) fn has_own(&self, name: &str) -> bool {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        !held.contains_key(name) && self.is_registered(name)
    }

    fn is_registered(&self, name: &str) -> bool {
        let config = self.context.copied_config();
        let catalog = &config.options().catalog;
        let schema = self
            .context
            .catalog(&catalog.default_catalog)
            .and_then(|found| found.schema(&catalog.default_schema));
        schema.is_some_and(|schema| schema.table_names().iter().any(|table| table == name))
    }

    /// Makes these the held tables that its statements see. Tables of its own hide them.
    pub(crate) fn show(&self, tables: &[Arc<HeldResult>]) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted: BTreeMap<&str, &Arc<HeldResult>> =
            tables.iter().map(|table| (table.name.as_str(), table)).collect();
        held.retain(|name, job| {
            let stays = wanted.get(name.as_str()).is_some_and(|table| table.job == *job);
            if !stays {
                let _ = self.context.deregister_table(bare(name));
            }
            stays
        });
        for (name, table) in wanted {
            if held.contains_key(name) || self.is_registered(name) {
                continue;
            }
            let provider = Arc::new(HeldTable(Arc::clone(table)));
            if self.context.register_table(bare(name), provider).is_ok() {
                held.insert(name.to_string(), table.job);
            }
        }
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

/// A name as it is, whatever is in it.
fn bare(name: &str) -> TableReference {
    TableReference::Bare { table: name.into() }
}

/// All sessions, by name.
#[derive(Debug)]
pub(crate) struct Sessions(Mutex<HashMap<String, (Arc<Session>, Instant)>>);

impl Sessions {
    pub(crate) fn new() -> Self {
        Sessions(Mutex::default())
    }

    /// Whether a session of that name is there.
    pub(crate) fn is_there(&self, name: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(name)
    }

    /// Forgets a session.
    pub(crate) fn end(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
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
            .or_insert_with(|| (Arc::new(Session::new(name)), Instant::now()));
        entry.1 = Instant::now();
        let session = Arc::clone(&entry.0);
        drop(sessions);
        if let Some(directory) = directory {
            session.set_directory(PathBuf::from(directory));
        }
        session
    }
}
