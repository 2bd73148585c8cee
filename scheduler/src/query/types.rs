//! Statements over large files, whose types come from a sample.
//!
//! A value that does not fit fails the job. Then a job of its own scans all of the files, and the
//! statement is planned and run again with types that hold every value, unless its client has
//! received rows already: rows of two types must not be mixed. For clients that rely on the
//! described types, as frames do, the files are scanned in full before.

use crate::query::partitions::Capacity;
use crate::query::prepare::{Kind, Prepared};
use crate::query::sessions::Session;
use crate::query::{
    Catalog, CurrentJob, JobRunner, QueryError, RequestContext, Running, Statement, Text, results,
    text,
};
use arrow_flight::FlightData;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::ParamValues;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use partita_files::{FileOptions, FileTable, Learned, TypesTable};
use partita_plan::depth;
use partita_plan::nodes::shared;
use partita_shared::NOTICE_KEY;
use partita_shared::message::ErrorKind;
use std::sync::Arc;

/// Columns whose new types a notice names.
const NAMED_CHANGES_MAX: usize = 10;

type Messages = BoxStream<'static, Result<FlightData, QueryError>>;

/// Tables of files whose types are known from a sample only.
#[derive(Clone, Debug, Default)]
pub(super) struct Sampled(Vec<Arc<dyn TableProvider>>);

/// What came of planning.
pub(super) enum Planned<T> {
    Done(T),
    /// The types of files must be known before.
    Unsure(Sampled),
}

impl Sampled {
    /// Those that a plan reads.
    pub(super) fn of(plan: &LogicalPlan) -> Self {
        Sampled::of_all([plan])
    }

    /// Those that plans read.
    pub(super) fn of_all<'a>(plans: impl IntoIterator<Item = &'a LogicalPlan>) -> Self {
        Sampled(plans.into_iter().flat_map(Sampled::tables).collect())
    }

    fn tables(plan: &LogicalPlan) -> Vec<Arc<dyn TableProvider>> {
        let mut found = Vec::new();
        // No step of this walk fails.
        let _ = shared::visit_plan(plan, &mut |node| {
            if let LogicalPlan::TableScan(scan) = node
                && let Ok(provider) = source_as_provider(&scan.source)
                && provider.downcast_ref::<FileTable>().is_some_and(FileTable::is_sampled)
            {
                found.push(provider);
            }
            Ok(TreeNodeRecursion::Continue)
        });
        found
    }

    /// Those that the cluster can scan in full beforehand. `None` if it can scan none of them.
    pub(super) fn scannable(self, session: &Session, capacity: Capacity) -> Option<Self> {
        self.of_which(session, capacity, |_| true)
    }

    /// Those that a statement names which asks for a column that is not there: the sample may have left it out.
    pub(super) async fn to_search(
        session: &Session,
        sql: &str,
        capacity: Capacity,
    ) -> Option<Self> {
        let state = session.context.state();
        let statement = depth::statement(sql, &state.config().options().sql_parser.dialect).ok()?;
        let mut found = Vec::new();
        for name in state.resolve_table_references(&statement).ok()? {
            found.extend(session.context.table_provider(name).await.ok());
        }
        Sampled(found).of_which(session, capacity, FileTable::may_have_more_columns)
    }

    /// The tables of files for which something holds, and that are not too large for the cluster.
    fn of_which(
        mut self,
        session: &Session,
        capacity: Capacity,
        holds: impl Fn(&FileTable) -> bool,
    ) -> Option<Self> {
        let state = session.context.state();
        let options = state.config_options().extensions.get::<FileOptions>().cloned();
        let slot_bytes = options.unwrap_or_default().read_whole_slot_bytes;
        let bytes_max = slot_bytes.saturating_mul(u64::from(capacity.slots));
        self.0.retain(|table| {
            let files = table.downcast_ref::<FileTable>();
            files.is_some_and(|files| holds(files) && files.bytes() <= bytes_max)
        });
        (!self.0.is_empty()).then_some(self)
    }

    /// Looks at all of the files. Statements that are planned from now on have the types that hold all values. Says
    /// which those are that the sample did not tell.
    ///
    /// # Errors
    /// If a file cannot be read, whatever the types of its columns.
    pub(super) async fn learn(
        &self,
        runner: &Arc<JobRunner>,
        request_context: &RequestContext,
        session: &Arc<Session>,
    ) -> Result<Vec<String>, QueryError> {
        let mut notes = Vec::new();
        for table in self.0.iter().filter_map(|table| table.downcast_ref::<FileTable>()) {
            let types = table.types().await.map_err(|error| QueryError::plan(&error))?;
            let Some(types) = types else { continue };
            let changes = match look(runner, request_context, session, &types).await? {
                Learned::Types(changes) => changes,
                Learned::Split => {
                    match look(runner, request_context, session, &types.unsplit()).await? {
                        Learned::Types(changes) => changes,
                        Learned::Split => {
                            let text = format!("'{}' has values with line breaks", types.name());
                            return Err(QueryError::Failed(text));
                        }
                    }
                }
            };
            let shown = changes.iter().take(NAMED_CHANGES_MAX).map(ToString::to_string);
            let mut shown = shown.collect::<Vec<_>>().join(", ");
            if changes.len() > NAMED_CHANGES_MAX {
                shown = format!("{shown}, and {} others", changes.len() - NAMED_CHANGES_MAX);
            }
            if !shown.is_empty() {
                notes.push(format!("'{}': {shown}", types.name()));
            }
        }
        Ok(notes)
    }
}

/// Runs the scan for types of a table.
async fn look(
    runner: &Arc<JobRunner>,
    request_context: &RequestContext,
    session: &Arc<Session>,
    types: &TypesTable,
) -> Result<Learned, QueryError> {
    let wrong = |error: DataFusionError| QueryError::plan(&error);
    let source = provider_as_source(Arc::new(types.clone()));
    let logical = LogicalPlanBuilder::scan("types", source, None).and_then(|plan| plan.build());
    let logical = logical.map_err(wrong)?;
    let text = format!("types of the columns of '{}'", types.name());
    let rows = results::rows(runner, request_context, text, logical, session).await?;
    let batches: Vec<RecordBatch> = rows.try_collect().await?;
    types.learn(&batches).map_err(wrong)
}

/// Answers a statement that was prepared.
pub(crate) async fn run(
    runner: &Arc<JobRunner>,
    catalog: &Arc<Catalog>,
    request_context: &RequestContext,
    prepared: Prepared,
) -> Result<Running, QueryError> {
    let (logical, session) = match &prepared.kind {
        Kind::Rows(_) => return results::begin(runner, catalog, request_context, prepared).await,
        Kind::CreateTable(create) => (&create.logical, &create.session),
        Kind::Job { logical, session } => (logical, session),
    };
    let sampled = Sampled::of(logical);
    if sampled.0.is_empty() {
        return results::begin(runner, catalog, request_context, prepared).await;
    }
    let retry = Retry {
        runner: Arc::clone(runner),
        catalog: Arc::clone(catalog),
        request_context: request_context.clone(),
        session: Arc::clone(session),
        sql: match &prepared.text {
            Text::Sql(sql) if !request_context.has_fixed_types => Some(sql.clone()),
            Text::Sql(_) | Text::Frame(_) => None,
        },
        values: prepared.values.clone(),
        current: prepared.statement.as_ref().map(Statement::current),
        sampled,
    };
    match results::begin(runner, catalog, request_context, prepared).await {
        Ok(Running { job, schema, messages }) => {
            let messages = stream::once(retry.follow(messages)).flatten().boxed();
            Ok(Running { job, schema, messages })
        }
        Err(QueryError::Sampled(error)) => retry.again(error).await,
        Err(error) => Err(error),
    }
}

/// A statement that may be planned and run again.
struct Retry {
    runner: Arc<JobRunner>,
    catalog: Arc<Catalog>,
    request_context: RequestContext,
    session: Arc<Session>,
    /// None if it cannot be planned again, since it was made of types that were told.
    sql: Option<String>,
    values: Option<ParamValues>,
    /// The job that answers it, where someone may ask for its number.
    current: Option<CurrentJob>,
    sampled: Sampled,
}

impl Retry {
    /// The messages of the statement, or those of another run of it if this one fails before there are rows.
    async fn follow(self, mut messages: Messages) -> Messages {
        let mut first = Vec::new();
        // The schema, and what comes after it.
        for _ in 0..2 {
            match messages.next().await {
                Some(Err(QueryError::Sampled(error))) => {
                    return match self.again(error).await {
                        Ok(running) => running.messages,
                        Err(error) => failed(error),
                    };
                }
                Some(message) => first.push(message),
                None => return stream::iter(first).boxed(),
            }
        }
        let retry = Arc::new(self);
        let rest = messages.then(move |message| {
            let retry = Arc::clone(&retry);
            async move {
                match message {
                    Err(QueryError::Sampled(error)) => {
                        Err(retry.too_late(error, "run the statement again").await)
                    }
                    message => message,
                }
            }
        });
        stream::iter(first).chain(rest).boxed()
    }

    /// Plans and runs the statement with the types that hold all values.
    async fn again(&self, error: String) -> Result<Running, QueryError> {
        let Retry { runner, catalog, request_context, session, .. } = self;
        let Some(sql) = &self.sql else {
            return Err(self.too_late(error, "read the files anew, as with read_csv").await);
        };
        tracing::info!(cause = error, "looking at all of the files for the types of their columns");
        let notes = self.sampled.learn(runner, request_context, session).await?;
        let (values, current) = (self.values.clone(), self.current.as_ref());
        let prepared =
            text::prepare_again(runner, catalog, request_context, sql, values, current).await?;
        let running = results::begin(runner, catalog, request_context, prepared).await;
        let running = running.map_err(|error| match error {
            QueryError::Sampled(text) => QueryError::Known { kind: ErrorKind::Value, text },
            other => other,
        })?;
        let notice =
            format!("some types were wrong in a sample of the files: {}", notes.join("; "));
        tracing::info!(notice, "the statement is run again");
        Ok(match notes.is_empty() {
            true => running,
            false => with_notice(running, notice),
        })
    }

    /// The error if rows of other types were returned already, or a client relies on them: all of
    /// the files are scanned, and the next attempt has the right types.
    async fn too_late(&self, error: String, next: &str) -> QueryError {
        let learned = self.sampled.learn(&self.runner, &self.request_context, &self.session).await;
        let text = match learned {
            Ok(notes) if notes.is_empty() => error,
            Ok(notes) => format!(
                "{error}; all files have now been read in full: {}; {next}, or give the types",
                notes.join("; ")
            ),
            Err(error) => return error,
        };
        QueryError::Known { kind: ErrorKind::Value, text }
    }
}

fn failed(error: QueryError) -> Messages {
    stream::iter([Err(error)]).boxed()
}

/// The same with a notice for the user, in the metadata of the schema.
fn with_notice(running: Running, notice: String) -> Running {
    let Running { job, schema, messages } = running;
    let mut metadata = schema.metadata().clone();
    metadata.insert(NOTICE_KEY.to_string(), notice);
    let schema: SchemaRef = Arc::new(Schema::new_with_metadata(schema.fields().clone(), metadata));
    let announced = results::announce(&schema);
    let messages = messages.enumerate().map(move |(at, message)| match message {
        Ok(_) if at == 0 => Ok(announced.clone()),
        message => message,
    });
    Running { job, schema, messages: messages.boxed() }
}
