//! Prepared statements: described once, run any number of times.
//!
//! Only the text is kept, not the plan: files and views may change between two runs.

use crate::flight::handles::Handles;
use crate::flight::{FlightSql, parameters, status};
use crate::query::{self, Described, Prepared, RequestContext};
use arrow_flight::sql::ActionCreatePreparedStatementResult;
use arrow_flight::{IpcMessage, SchemaAsIpc};
use bytes::Bytes;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::ipc::writer::IpcWriteOptions;
use parameters::Values;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tonic::Status;

/// Prepared statements of all clients that are kept.
const PREPARED_STATEMENTS_MAX: usize = 10_000;
/// How long a prepared statement is kept that nobody uses.
const UNUSED_TIME_MAX: Duration = Duration::from_hours(1);

/// One prepared statement.
#[derive(Clone, Debug)]
struct Statement {
    sql: String,
    session: String,
    directory: Option<String>,
    schema: SchemaRef,
    /// The names of its parameters, without the sign before them.
    parameters: Arc<[String]>,
    /// The values that were bound last.
    values: Option<Values>,
}

/// All prepared statements.
#[derive(Debug)]
pub(crate) struct PreparedStatements(Handles<Statement>);

impl PreparedStatements {
    pub(crate) fn new() -> Self {
        PreparedStatements(Handles::new(PREPARED_STATEMENTS_MAX, UNUSED_TIME_MAX))
    }

    /// Forgets the statements of a client that is gone.
    pub(crate) fn forget(&self, owner: &str) {
        self.0.forget(owner);
    }

    fn get(&self, handle: &[u8]) -> Result<Statement, Status> {
        self.0.with(Instant::now(), handle, |statement| statement.clone()).ok_or_else(gone)
    }
}

fn gone() -> Status {
    Status::not_found(
        "unknown prepared statement: it was closed, not used for an hour, or its client has prepared too many others since; prepare it again",
    )
}

impl FlightSql {
    /// Understands a statement and keeps it. Nothing is carried out.
    pub(crate) async fn create_prepared(
        &self,
        request_context: RequestContext,
        sql: &str,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let sql = parameters::numbered(sql);
        let described = query::describe(&self.runner, &self.catalog, &request_context, &sql).await;
        let Described { schema, parameters } = described.map_err(status::of)?;
        let name = |id: &String| id.trim_start_matches('$').to_string();
        let statement = Statement {
            sql,
            session: request_context.session,
            directory: request_context.directory,
            schema: Arc::clone(&schema),
            parameters: parameters.iter().map(|field| name(field.name())).collect(),
            values: None,
        };
        let handle = self.prepared.0.insert(Instant::now(), &request_context.owner, statement);
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: handle,
            dataset_schema: encoded(&schema)?,
            parameter_schema: encoded(&Schema::new(parameters))?,
        })
    }

    /// Forgets a prepared statement, if it is there.
    pub(crate) fn close_prepared(&self, handle: &[u8]) {
        self.prepared.0.take(Instant::now(), handle);
    }

    /// The schema of a prepared statement's rows, as far as it is known without values.
    pub(crate) fn prepared_schema(&self, handle: &[u8]) -> Result<SchemaRef, Status> {
        Ok(self.prepared.get(handle)?.schema)
    }

    /// The names of a prepared statement's parameters.
    pub(crate) fn prepared_parameters(&self, handle: &[u8]) -> Result<Arc<[String]>, Status> {
        Ok(self.prepared.get(handle)?.parameters)
    }

    /// Binds values, which hold until others are bound.
    pub(crate) fn bind(&self, handle: &[u8], values: Option<Values>) -> Result<(), Status> {
        self.prepared
            .0
            .with(Instant::now(), handle, |statement| statement.values = values)
            .ok_or_else(gone)
    }

    /// Plans a prepared statement with the values that were bound.
    pub(crate) async fn plan_prepared(
        &self,
        request_context: RequestContext,
        handle: &[u8],
    ) -> Result<(RequestContext, Prepared), Status> {
        let statement = self.prepared.get(handle)?;
        let (session, directory) = (statement.session, statement.directory);
        let request_context = RequestContext { session, directory, ..request_context };
        if statement.values.is_none() && !statement.parameters.is_empty() {
            return Err(Status::invalid_argument(format!(
                "the statement has parameters ({}), but no values were bound",
                statement.parameters.join(", ")
            )));
        }
        let values = statement.values.map(Into::into);
        let FlightSql { runner, catalog, .. } = self;
        let prepared =
            query::prepare_with(runner, catalog, &request_context, &statement.sql, values).await;
        Ok((request_context, prepared.map_err(status::of)?))
    }
}

fn encoded(schema: &Schema) -> Result<Bytes, Status> {
    let options = IpcWriteOptions::default();
    let IpcMessage(bytes) =
        SchemaAsIpc::new(schema, &options).try_into().map_err(status::unanswerable)?;
    Ok(bytes)
}
