//! Statements that make persisted tables, and those that let them go.

use crate::hub::JobNotice;
use crate::query::partitions::MemoryMode;
use crate::query::sessions::Session;
use crate::query::sorted::{self, Spread};
use crate::query::{
    Catalog, CurrentJob, JobRunner, QueryError, RequestContext, Running, Statement, Text,
    collections, prepare, results,
};
use arrow_flight::FlightData;
use datafusion::arrow::array::{ArrayRef, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::TableReference;
use datafusion::config::Dialect;
use datafusion::logical_expr::{CreateMemoryTable, LogicalPlan};
use datafusion::sql::parser::Statement as ParsedStatement;
use datafusion::sql::sqlparser::ast;
use futures::StreamExt;
use partita_core::Event;
use partita_observe::event::Observation;
use partita_plan::depth;
use partita_plan::nodes::shared;
use partita_plan::persisted::Sorted;
use partita_shared::ids::JobId;
use partita_shared::message::FailureKind;
use partita_shared::model::JobState;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Partitions that a statement may ask for.
const LAYOUT_PARTITIONS_MAX: usize = 10_000;
/// The schema in which all tables are.
const SCHEMA: &str = "public";

/// A table to be made.
#[derive(Clone, Debug)]
pub(crate) struct CreateTable {
    /// Its name.
    pub(crate) name: String,
    /// The session that alone will see it, if one does.
    pub(crate) owner: Option<String>,
    /// Its rows' plan, before the optimiser.
    pub(crate) logical: LogicalPlan,
    /// The session that it was planned in.
    pub(crate) session: Arc<Session>,
    /// How its rows are to be spread.
    pub(crate) layout: Layout,
}

/// How the rows of a table are to be spread over partitions, where the statement says so: `CREATE
/// TABLE name WITH (partitions = 8) AS query`, or `WITH (splits = ['b', 'd']) AS query ORDER BY key`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The number of partitions.
    pub(crate) partitions: Option<usize>,
    /// With these values of the first key between them, as texts.
    pub(crate) splits: Option<Vec<String>>,
}

impl Layout {
    /// A layout of this number of partitions, or with these values between them.
    ///
    /// # Errors
    /// If there are too many or too few, or both are given.
    pub(crate) fn new(
        partitions: Option<usize>,
        splits: Option<Vec<String>>,
    ) -> Result<Self, String> {
        let is_possible = |count: usize| (1..=LAYOUT_PARTITIONS_MAX).contains(&count);
        let count = partitions.or(splits.as_ref().map(|splits| splits.len() + 1));
        if partitions.is_some() && splits.is_some() || !count.is_none_or(is_possible) {
            return Err(format!(
                "invalid layout of a table; use partitions= from 1 to {LAYOUT_PARTITIONS_MAX}, or the values that separate the partitions"
            ));
        }
        Ok(Layout { partitions, splits })
    }
}

/// What the statement asks for; none if the table is there and that is all right.
pub(crate) fn understand(
    catalog: &Catalog,
    session: &Arc<Session>,
    create: CreateMemoryTable,
    layout: Layout,
) -> Result<Option<CreateTable>, QueryError> {
    let refuse = |text: &str| Err(QueryError::Statement(text.to_string()));
    if !create.constraints.is_empty() || !create.column_defaults.is_empty() {
        return refuse(
            "persisted tables do not support constraints and defaults; use CREATE TABLE name AS query",
        );
    }
    if matches!(create.input.as_ref(), LogicalPlan::EmptyRelation(_)) {
        return refuse("a persisted table is created from a query; use CREATE TABLE name AS query");
    }
    let name = own_name(&create.name)?;
    if partita_files::is_path(&name) {
        return refuse(&format!(
            "invalid table name '{name}': it is a path of files; use a name without /, wildcards and file extensions"
        ));
    }
    let found = catalog.find(&session.name, &name);
    let taken = found.is_some() || session.has_own(&name);
    if taken && create.if_not_exists {
        return Ok(None);
    }
    if taken && (found.is_none() || !create.or_replace) {
        return Err(collections::exists(&name));
    }
    let owner = create.temporary.then(|| session.name.clone());
    let logical = shared::analyzed(&session.context.state(), create.input.as_ref().clone());
    let logical = logical.map_err(|error| QueryError::plan(&error))?;
    let session = Arc::clone(session);
    Ok(Some(CreateTable { name, owner, logical, session, layout }))
}

/// The name of a persisted table. They are all in one schema.
pub(crate) fn own_name(name: &TableReference) -> Result<String, QueryError> {
    match name.schema() {
        None | Some(SCHEMA) => Ok(name.table().to_string()),
        Some(other) => Err(QueryError::Statement(format!(
            "unknown schema '{other}'; persisted tables are in '{SCHEMA}', which can be left out"
        ))),
    }
}

/// Whether a statement makes a temporary table. The word is taken out of it, and how its rows are to be
/// spread: DataFusion knows neither.
pub(crate) fn take_temporary(statement: &mut ParsedStatement) -> bool {
    match statement {
        ParsedStatement::Statement(inner) => match inner.as_mut() {
            ast::Statement::CreateTable(create) => {
                if matches!(create.table_options, ast::CreateTableOptions::With(_)) {
                    create.table_options = ast::CreateTableOptions::None;
                }
                std::mem::take(&mut create.temporary)
            }
            _ => false,
        },
        ParsedStatement::Explain(explain) => take_temporary(&mut explain.statement),
        _ => false,
    }
}

/// How a statement has its rows spread.
///
/// # Errors
/// If it says something that is not understood.
pub(crate) fn layout(sql: &str) -> Result<Layout, QueryError> {
    let mut layout = Layout::default();
    let Some(ast::Statement::CreateTable(create)) = parsed(sql) else { return Ok(layout) };
    let ast::CreateTableOptions::With(options) = create.table_options else { return Ok(layout) };
    for option in options {
        let ast::SqlOption::KeyValue { key, value } = &option else {
            return Err(not_understood(&option));
        };
        match (key.value.to_lowercase().as_str(), value) {
            ("partitions", ast::Expr::Value(_)) => {
                let count = value.to_string().parse().ok();
                let count = count.filter(|count| (1..=LAYOUT_PARTITIONS_MAX).contains(count));
                layout.partitions = Some(count.ok_or_else(|| not_understood(&option))?);
            }
            ("splits", ast::Expr::Array(list)) if list.elem.len() < LAYOUT_PARTITIONS_MAX => {
                layout.splits = Some(list.elem.iter().map(text).collect());
            }
            _ => return Err(not_understood(&option)),
        }
    }
    Ok(layout)
}

/// A literal without its quotes.
fn text(literal: &ast::Expr) -> String {
    match literal {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::SingleQuotedString(text) => text.clone(),
            other => other.to_string(),
        },
        other => other.to_string(),
    }
}

fn not_understood(option: &ast::SqlOption) -> QueryError {
    QueryError::Statement(format!(
        "invalid option {option}; use WITH (partitions = 8), from 1 to {LAYOUT_PARTITIONS_MAX}, or WITH (splits = ['b', 'd']), the values that separate the partitions"
    ))
}

/// A statement's syntax tree, if it is one.
fn parsed(sql: &str) -> Option<ast::Statement> {
    match depth::statement(sql, &Dialect::Generic).ok()? {
        ParsedStatement::Statement(statement) => Some(*statement),
        _ => None,
    }
}

/// The query in `CREATE TABLE name AS query`, as text. None if the statement is another one.
pub(crate) fn query_text(sql: &str) -> Option<String> {
    let ast::Statement::CreateTable(create) = parsed(sql)? else { return None };
    create.query.map(|query| query.to_string())
}

/// The names in `ALTER TABLE a RENAME TO b`, if the statement is one.
pub(crate) fn renamed(sql: &str) -> Option<(String, String)> {
    let ast::Statement::AlterTable(alter) = parsed(sql)? else { return None };
    let [ast::AlterTableOperation::RenameTable { table_name }] = alter.operations.as_slice() else {
        return None;
    };
    let (ast::RenameTableNameKind::As(to) | ast::RenameTableNameKind::To(to)) = table_name;
    let last = |name: &ast::ObjectName| {
        let (ident, before) = name.0.split_last()?;
        // Another schema is refused by DataFusion, which has none of that name.
        if before.last().is_some_and(|schema| schema.to_string().trim_matches('"') != SCHEMA) {
            return None;
        }
        let ident = ident.as_ident()?;
        let quoted = ident.quote_style.is_some();
        Some(if quoted { ident.value.clone() } else { ident.value.to_lowercase() })
    };
    Some((last(&alter.name)?, last(to)?))
}

/// The schema of the answer: how many rows the table has.
pub(crate) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("count", DataType::UInt64, false)]))
}

/// Makes the table. The answer comes when all of it is persisted.
pub(super) async fn run(
    runner: &Arc<JobRunner>,
    catalog: &Arc<Catalog>,
    request_context: &RequestContext,
    mut statement: Statement,
    text: &Text,
    create: CreateTable,
) -> Result<Running, QueryError> {
    let request_context = RequestContext { analyze: false, ..request_context.clone() };
    let planned = async {
        let spread = sorted::spread(runner, &request_context, &mut statement, &create).await?;
        let mode = MemoryMode::Normal;
        let made = prepare::persisted_job(
            &runner.planner,
            &request_context,
            &mut statement,
            text,
            &create,
            mode,
            &spread,
        )
        .await?;
        Ok::<_, QueryError>((spread, made))
    };
    let (spread, (spec, rows, order)) = match planned.await {
        Ok(planned) => planned,
        Err(error) => return Err(statement.failed(error).await),
    };
    let current = statement.current();
    let (job, notices) = statement.submit(spec).await?;
    let (client, messages) = mpsc::channel(2);
    let (runner, catalog, text) = (Arc::clone(runner), Arc::clone(catalog), text.clone());
    let work = Work {
        runner,
        catalog,
        request_context,
        text,
        create,
        spread,
        rows,
        order,
        current,
        client,
    };
    tokio::spawn(work.drive(job, notices));
    let messages = tokio_stream::wrappers::ReceiverStream::new(messages).boxed();
    Ok(Running { job: Some(job), schema: schema(), messages })
}

struct Work {
    runner: Arc<JobRunner>,
    catalog: Arc<Catalog>,
    request_context: RequestContext,
    text: Text,
    create: CreateTable,
    spread: Spread,
    rows: SchemaRef,
    order: Option<Sorted>,
    current: CurrentJob,
    client: mpsc::Sender<Result<FlightData, QueryError>>,
}

impl Work {
    async fn drive(self, job: JobId, notices: mpsc::Receiver<JobNotice>) {
        let Some(mut ending) = self.follow(job, notices).await else { return };
        if let Err((_, Some(FailureKind::Memory))) = ending {
            tracing::info!(%job, "retrying in low-memory mode");
            ending = match self.submit_with_low_memory().await {
                Ok((again, notices)) => {
                    self.runner.hub.show(Observation::RunsAgain { job, again });
                    match self.follow(again, notices).await {
                        Some(ending) => ending,
                        None => return,
                    }
                }
                Err(error) => Err((error, None)),
            };
        }
        let answer = match ending {
            Ok(job) => self.name(job).await,
            Err((error, _)) => Err(error),
        };
        match answer {
            Ok(count) => {
                // The schema comes with the rows: a client that only waits for it, as drivers do whose
                // users do not look at the answer, has the table then.
                let mut messages = results::encode(schema(), vec![count]);
                let mut is_told = false;
                while let Some(message) = messages.next().await {
                    if self.client.send(message).await.is_err() {
                        if !is_told {
                            self.unwanted().await;
                        }
                        return;
                    }
                    is_told = true;
                }
            }
            Err(error) => {
                let _ = self.client.send(Err(error)).await;
            }
        }
    }

    /// Plans the query again for little memory, as another job.
    async fn submit_with_low_memory(
        &self,
    ) -> Result<(JobId, mpsc::Receiver<JobNotice>), QueryError> {
        let Work { runner, request_context, text, create, spread, current, .. } = self;
        let planner = &runner.planner;
        let mut statement = planner.begin_again(request_context, text.shown(), current).await?;
        let mode = MemoryMode::Low;
        match prepare::persisted_job(
            planner,
            request_context,
            &mut statement,
            text,
            create,
            mode,
            spread,
        )
        .await
        {
            Ok((spec, ..)) => statement.submit(spec).await,
            Err(error) => Err(statement.failed(error).await),
        }
    }

    /// Waits until the result is persisted, or the job has ended without. None if the client is gone.
    async fn follow(
        &self,
        job: JobId,
        mut notices: mpsc::Receiver<JobNotice>,
    ) -> Option<Result<JobId, (QueryError, Option<FailureKind>)>> {
        loop {
            let notice = tokio::select! {
                notice = notices.recv() => notice,
                () = self.client.closed() => {
                    let reason = "its client disconnected".to_string();
                    self.runner.hub.tell(Event::JobCancelled { job, reason }).await;
                    return None;
                }
            };
            match notice {
                Some(JobNotice::Persisted) => return Some(Ok(job)),
                Some(JobNotice::Deliver { .. }) => {}
                Some(JobNotice::Ended { state: JobState::Cancelled, error, .. }) => {
                    return Some(Err((QueryError::Cancelled(error), None)));
                }
                Some(JobNotice::Ended { error, kind, .. }) => {
                    return Some(Err((QueryError::failed(kind, error), kind)));
                }
                None => return Some(Err((QueryError::Ending, None))),
            }
        }
    }

    /// The client is gone and does not know that it has the table: one that is its own is let go.
    async fn unwanted(&self) {
        if let Some(session) = &self.create.owner {
            self.catalog.release(session, std::slice::from_ref(&self.create.name)).await;
        }
    }

    /// Gives the persisted result its name, and says how many rows it has.
    async fn name(&self, job: JobId) -> Result<RecordBatch, QueryError> {
        let (name, owner) = (self.create.name.clone(), self.create.owner.clone());
        let (rows, order) = (Arc::clone(&self.rows), self.order.clone());
        let count = self.catalog.register(job, name, owner, rows, order).await?;
        let column: ArrayRef = Arc::new(UInt64Array::from(vec![count]));
        RecordBatch::try_new(schema(), vec![column])
            .map_err(|error| QueryError::Failed(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Layout, layout, query_text, renamed};

    /// If a statement runs whole in one task, only its query runs there, and that task persists
    /// nothing.
    #[test]
    fn queries_are_taken_out() {
        let text = query_text("create or replace temporary table t as select 1 as a");
        assert_eq!(text.as_deref(), Some("SELECT 1 AS a"));
        assert_eq!(query_text("select 1"), None);
    }

    /// Partitions are asked for by their number or the values between them; other wishes are refused.
    #[test]
    fn layouts_are_understood() {
        let with = |options: &str| layout(&format!("create table t {options} as select 1 as a"));
        let splits = Some(vec!["b".to_string(), "1.5".to_string()]);
        assert_eq!(with("").ok(), Some(Layout::default()));
        let eight = Layout { partitions: Some(8), splits: None };
        assert_eq!(with("with (partitions = 8)").ok(), Some(eight));
        let between = Layout { partitions: None, splits };
        assert_eq!(with("with (splits = ['b', 1.5])").ok(), Some(between));
        for wrong in ["partitions = 0", "partitions = 'x'", "partitions = 1000000", "colour = 2"] {
            assert!(with(&format!("with ({wrong})")).is_err(), "{wrong}");
        }
    }

    /// Names are taken as SQL takes them; other statements are none.
    #[test]
    fn renaming_is_recognised() {
        let names = |a: &str, b: &str| Some((a.to_string(), b.to_string()));
        assert_eq!(renamed("alter table Old rename to \"New\""), names("old", "New"));
        assert_eq!(renamed("ALTER TABLE a RENAME TO b"), names("a", "b"));
        assert_eq!(renamed("alter table a add column b int"), None);
        assert_eq!(renamed("select 1"), None);
    }
}
