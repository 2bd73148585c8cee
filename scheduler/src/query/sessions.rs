//! Sessions: the tables and views that clients made, and the directory of their paths.

use crate::query::{QueryError, create_table};
use datafusion::common::TableReference;
use datafusion::logical_expr::{DdlStatement, LogicalPlan, ScalarUDFImpl};
use datafusion::prelude::SessionContext;
use partita_files::FileTables;
use partita_plan::persisted::{PersistedResult, PersistedTable};
use partita_plan::python::PythonFunction;
use partita_plan::session::planning_context;
use partita_shared::ids::JobId;
use partita_shared::units::format_bytes;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Sessions without a client that attends them; the one that was not used for longest goes first.
const SESSIONS_MAX: usize = 256;
/// Sessions whose clients attend them.
const ATTENDED_SESSIONS_MAX: usize = 1024;
/// Python functions that one session may have.
const FUNCTIONS_MAX: usize = 1_000;
/// Bytes of their pickles in all.
const FUNCTIONS_BYTES_MAX: usize = 64 << 20;
/// Statements that one session may be made of.
const SESSION_STATEMENTS_MAX: usize = 10_000;

/// One session.
pub(crate) struct Session {
    /// Its name; empty for the one that all share.
    pub(crate) name: String,
    pub(crate) context: SessionContext,
    tables: Arc<FileTables>,
    directory: Mutex<PathBuf>,
    /// The statements that created its tables and views, for plans that must be rebuilt elsewhere.
    made_by: Mutex<Vec<Made>>,
    /// The persisted tables that it shows, and their jobs.
    persisted: Mutex<BTreeMap<String, JobId>>,
    /// The Python functions that its statements may call, with the bytes of each.
    functions: Mutex<BTreeMap<String, usize>>,
}

/// A statement that made a session what it is.
#[derive(Debug)]
struct Made {
    /// The table or view that it made; none if it must stay whatever becomes of that.
    what: Option<String>,
    statement: String,
}

/// What a statement does to its session.
#[derive(Debug)]
pub(crate) enum Change {
    /// It makes a table or a view.
    Makes(String),
    /// It takes a table or a view away.
    Removes(String),
    Other,
}

impl Change {
    pub(crate) fn of(plan: &LogicalPlan) -> Self {
        let full = |name: &TableReference| create_table::own_name(name).unwrap_or(name.to_string());
        match plan {
            LogicalPlan::Ddl(DdlStatement::CreateExternalTable(made)) if !made.if_not_exists => {
                Change::Makes(full(&made.name))
            }
            LogicalPlan::Ddl(DdlStatement::CreateView(made)) => Change::Makes(full(&made.name)),
            LogicalPlan::Ddl(DdlStatement::DropTable(gone)) => Change::Removes(full(&gone.name)),
            LogicalPlan::Ddl(DdlStatement::DropView(gone)) => Change::Removes(full(&gone.name)),
            _ => Change::Other,
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Session {
    fn new(name: &str) -> Self {
        let tables = Arc::new(FileTables::new());
        let context = partita_files::enable(planning_context(), Arc::clone(&tables));
        let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        tables.set_directory(directory.clone());
        Session {
            name: name.to_string(),
            context,
            tables,
            directory: Mutex::new(directory),
            made_by: Mutex::default(),
            persisted: Mutex::default(),
            functions: Mutex::default(),
        }
    }

    /// Makes a Python function one that its statements may call, in the place of one of the same name.
    ///
    /// # Errors
    /// If SQL has a function of that name, or there are too many.
    pub(crate) fn register_function(&self, function: PythonFunction) -> Result<(), QueryError> {
        let name = function.name().to_string();
        let mut functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.context.state();
        let is_known = state.scalar_functions().contains_key(&name)
            || state.aggregate_functions().contains_key(&name)
            || state.window_functions().contains_key(&name);
        if is_known && !functions.contains_key(&name) {
            let text = format!("SQL has a function {name}; choose another name");
            return Err(QueryError::Statement(text));
        }
        let bytes = function.bytes();
        let others = functions.iter().filter(|(other, _)| **other != name);
        let (count, sum) = others.fold((0, 0), |(count, sum), (_, bytes)| (count + 1, sum + bytes));
        if count >= FUNCTIONS_MAX || sum + bytes > FUNCTIONS_BYTES_MAX {
            return Err(QueryError::Statement(format!(
                "too many functions: a session may have {FUNCTIONS_MAX} of {} in all",
                format_bytes(FUNCTIONS_BYTES_MAX as u64)
            )));
        }
        functions.insert(name, bytes);
        self.context.register_udf(function.into_udf());
        Ok(())
    }

    /// Takes a Python function away. False if it has none of that name.
    pub(crate) fn unregister_function(&self, name: &str) -> bool {
        let mut functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        let was_there = functions.remove(name).is_some();
        if was_there {
            self.context.deregister_udf(name);
        }
        was_there
    }

    /// Whether it has a table or a view of that name that is not a persisted one.
    pub(crate) fn has_own(&self, name: &str) -> bool {
        let persisted = self.persisted.lock().unwrap_or_else(PoisonError::into_inner);
        !persisted.contains_key(name) && self.is_registered(name)
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

    /// Makes these the persisted tables that its statements see. Tables of its own hide them.
    pub(crate) fn show(&self, tables: &[Arc<PersistedResult>]) {
        let mut persisted = self.persisted.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted: BTreeMap<&str, &Arc<PersistedResult>> =
            tables.iter().map(|table| (table.name.as_str(), table)).collect();
        persisted.retain(|name, job| {
            let stays = wanted.get(name.as_str()).is_some_and(|table| table.job == *job);
            if !stays {
                let _ = self.context.deregister_table(bare(name));
            }
            stays
        });
        for (name, table) in wanted {
            if persisted.contains_key(name) || self.is_registered(name) {
                continue;
            }
            let provider = Arc::new(PersistedTable(Arc::clone(table)));
            if self.context.register_table(bare(name), provider).is_ok() {
                persisted.insert(name.to_string(), table.job);
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
        let made_by = self.made_by.lock().unwrap_or_else(PoisonError::into_inner);
        made_by.iter().map(|made| made.statement.clone()).collect()
    }

    /// Remembers a statement that changed the session. What made the same before is forgotten, unless
    /// others may have been made of it. False if there are too many.
    pub(crate) fn remember(&self, change: Change, statement: &str) -> bool {
        let mut made_by = self.made_by.lock().unwrap_or_else(PoisonError::into_inner);
        let (what, removes) = match change {
            Change::Makes(what) => (Some(what), false),
            Change::Removes(what) => (Some(what), true),
            Change::Other => (None, false),
        };
        let before = made_by.iter().position(|made| what.is_some() && made.what == what);
        let mut is_used = false;
        if let (Some(before), Some(what)) = (before, &what) {
            let mut others = made_by.iter().enumerate().filter(|(at, _)| *at != before);
            is_used = others.any(|(_, made)| mentions(&made.statement, what));
            match is_used {
                true => made_by[before].what = None,
                false => drop(made_by.remove(before)),
            }
        }
        if removes && !is_used && before.is_some() {
            return true;
        }
        let room = made_by.len() < SESSION_STATEMENTS_MAX;
        if room {
            let what = what.filter(|_| !removes);
            made_by.push(Made { what, statement: statement.to_string() });
        }
        room
    }

    /// Lets go of a table of its own that is not a persisted one, if it has one of that name.
    pub(crate) fn release(&self, name: &str) {
        if self.has_own(name)
            && self.context.deregister_table(bare(name)).is_ok_and(|t| t.is_some())
        {
            let statement = format!("DROP TABLE IF EXISTS {}", bare(name).to_quoted_string());
            self.remember(Change::Removes(name.to_string()), &statement);
        }
    }
}

/// Whether a name is in a statement, as a word of any case.
fn mentions(statement: &str, name: &str) -> bool {
    let (statement, name) = (statement.to_lowercase(), name.to_lowercase());
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    statement.match_indices(&name).any(|(at, _)| {
        let (before, after) = (&statement[..at], &statement[at + name.len()..]);
        !before.ends_with(in_word) && !after.starts_with(in_word)
    })
}

/// A name as it is, whatever is in it.
fn bare(name: &str) -> TableReference {
    TableReference::Bare { table: name.into() }
}

#[derive(Debug)]
struct Entry {
    session: Arc<Session>,
    used: Instant,
    /// Whether its client attends it: then it stays until that ends.
    attended: bool,
}

/// All sessions, by name.
#[derive(Debug)]
pub(crate) struct Sessions(Mutex<HashMap<String, Entry>>);

impl Sessions {
    pub(crate) fn new() -> Self {
        Sessions(Mutex::default())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a session of that name is there.
    pub(crate) fn is_there(&self, name: &str) -> bool {
        self.lock().contains_key(name)
    }

    /// The session of that name, if it is there.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Session>> {
        self.lock().get(name).map(|entry| Arc::clone(&entry.session))
    }

    /// Forgets a session.
    pub(crate) fn end(&self, name: &str) {
        self.lock().remove(name);
    }

    /// Keeps the session of that name, made if it is not there, until it ends.
    ///
    /// # Errors
    /// If there are too many that are kept.
    pub(crate) fn attend(&self, name: &str) -> Result<(), String> {
        let others = self.lock().iter().filter(|(other, e)| e.attended && *other != name).count();
        if others >= ATTENDED_SESSIONS_MAX {
            return Err(format!(
                "{ATTENDED_SESSIONS_MAX} clients are connected, which is the limit; close some"
            ));
        }
        self.get(name, None);
        if let Some(entry) = self.lock().get_mut(name) {
            entry.attended = true;
        }
        Ok(())
    }

    /// The session of that name, made if it is not there, with paths relative to `directory`.
    pub(crate) fn get(&self, name: &str, directory: Option<&str>) -> Arc<Session> {
        let mut sessions = self.lock();
        if !sessions.contains_key(name) {
            // The one that all share has no end.
            let idle =
                || sessions.iter().filter(|(name, entry)| !entry.attended && !name.is_empty());
            let full = idle().count() >= SESSIONS_MAX;
            let oldest = idle().min_by_key(|(_, entry)| entry.used).map(|(name, _)| name.clone());
            if let Some(oldest) = oldest.filter(|_| full) {
                sessions.remove(&oldest);
            }
        }
        let entry = sessions.entry(name.to_string()).or_insert_with(|| Entry {
            session: Arc::new(Session::new(name)),
            used: Instant::now(),
            attended: false,
        });
        entry.used = Instant::now();
        let session = Arc::clone(&entry.session);
        drop(sessions);
        if let Some(directory) = directory {
            session.set_directory(PathBuf::from(directory));
        }
        session
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn makes(session: &Session, name: &str, statement: &str) {
        assert!(session.remember(Change::Makes(name.into()), statement));
    }

    fn removes(session: &Session, name: &str) {
        assert!(session.remember(Change::Removes(name.into()), &format!("drop {name}")));
    }

    /// A session that makes and drops for ever is made of what it has.
    #[test]
    fn what_was_dropped_is_forgotten() {
        let session = Session::new("a");
        makes(&session, "total", "create total");
        for _ in 0..=SESSION_STATEMENTS_MAX {
            makes(&session, "t", "create t");
            makes(&session, "t", "create or replace t");
            removes(&session, "t");
        }
        assert_eq!(session.made_by(), ["create total"]);
    }

    /// What others were made of stays, with what became of it later, in this order.
    #[test]
    fn what_others_were_made_of_stays() {
        let session = Session::new("a");
        makes(&session, "t", "create t 1");
        makes(&session, "v", "create v of T");
        makes(&session, "t", "create t 2");
        assert_eq!(session.made_by(), ["create t 1", "create v of T", "create t 2"]);
        removes(&session, "t");
        let all = ["create t 1", "create v of T", "create t 2", "drop t"];
        assert_eq!(session.made_by(), all);
    }

    /// A client that opens many sessions takes none from one that attends its own, nor the one that all
    /// share.
    #[test]
    fn attended_sessions_stay() {
        let sessions = Sessions::new();
        sessions.get("", None);
        sessions.get("mine", None);
        sessions.attend("mine").expect("there is room");
        for number in 0..SESSIONS_MAX + 2 {
            sessions.get(&format!("other {number}"), None);
        }
        let there =
            ["", "mine", "other 0", "other 1", "other 2"].map(|name| sessions.is_there(name));
        assert_eq!(there, [true, true, false, false, true]);
    }
}
