//! The Rust client of a Partita cluster.
//!
//! [`Client::connect`] takes what [`partita_shared::access::find`] finds. Then there are
//!
//! - frames ([`Client::table`], [`Client::read`], [`Client::sql`]): plans that are built here, by the
//!   methods of DataFusion's `DataFrame`, and run there ([`Frame`]);
//! - persisted tables ([`Persisted`], [`Client::upload`], [`Client::get`]);
//! - statements in SQL ([`Client::run`]);
//! - questions about the cluster ([`Client::workers`], [`Client::control`]).
//!
//! Rows come as a stream of record batches that holds the workers back when it is read slowly, large
//! results straight from the workers that hold them, where these can be reached.
//!
//! ```no_run
//! # async fn example() -> Result<(), partita_client::ClientError> {
//! use datafusion::functions_aggregate::expr_fn::sum;
//! use datafusion::prelude::{col, lit};
//! let access = partita_shared::access::find(None, None)?;
//! let client = partita_client::Client::connect(&access).await?;
//! let flights = client.read("flights/*.parquet").await?;
//! let late = flights
//!     .filter(col("delay").gt(lit(30)))?
//!     .aggregate(vec![col("origin")], vec![sum(col("passengers")).alias("passengers")])?
//!     .sort(vec![col("passengers").sort(false, true)])?;
//! for batch in late.collect().await? {
//!     println!("{} rows", batch.num_rows());
//! }
//! # Ok(())
//! # }
//! ```

mod actions;
mod connection;
mod control;
mod direct;
mod error;
mod frames;
mod persisted;
mod session;
mod workers;

pub use control::Control;
pub use datafusion;
pub use error::ClientError;
pub use frames::{Frame, Write};
pub use partita_shared::access::{self, Access};
pub use partita_shared::model;
pub use persisted::{Persisted, Upload};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::error::FlightError;
use arrow_flight::sql::{CommandStatementQuery, ProstMessageExt};
use arrow_flight::{FlightDescriptor, FlightInfo};
use connection::Workers;
use datafusion::prelude::SessionContext;
use futures::stream::{BoxStream, StreamExt};
use partita_shared::JOB_HEADER;
use partita_shared::ids::JobId;
use prost::Message;
use session::{Attendance, Local};
use std::sync::Arc;
use tonic::transport::Channel;

/// A connection to a cluster. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    channel: Channel,
    access: Access,
    session: String,
    directory: String,
    priority: u32,
    analyze: bool,
    /// Whether workers are reached, where they can be.
    direct: bool,
    workers: Arc<Workers>,
    local: Arc<Local>,
    attendance: Option<Arc<Attendance>>,
}

/// A query's rows.
pub struct Query {
    /// The job; none if no worker was needed.
    pub job: Option<JobId>,
    /// The columns, as the statement was planned. Where large files turned out to have other types than a sample of
    /// them, the batches have those, and the metadata of their schema says so under [`partita_shared::NOTICE_KEY`].
    pub schema: SchemaRef,
    /// The rows.
    pub batches: BoxStream<'static, Result<RecordBatch, ClientError>>,
}

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Query").field("job", &self.job).field("schema", &self.schema).finish()
    }
}

impl Client {
    /// Connects to a scheduler. Relative paths in queries are relative to this process's directory.
    ///
    /// # Errors
    /// If the scheduler cannot be reached.
    pub async fn connect(access: &Access) -> Result<Self, ClientError> {
        let directory = std::env::current_dir().unwrap_or_default().display().to_string();
        Ok(Client {
            channel: connection::to_scheduler(access).await?,
            access: access.clone(),
            session: String::new(),
            directory,
            priority: 1,
            analyze: false,
            direct: true,
            workers: Arc::default(),
            local: Arc::default(),
            attendance: None,
        })
    }

    /// The same connection with another priority for its jobs: one with twice another's gets twice
    /// its slots.
    pub fn with_priority(mut self, priority: u32) -> Self {
        self.priority = priority.max(1);
        self
    }

    /// The same connection, asking for the plan with figures of each operator instead of the rows.
    pub fn with_analyze(mut self, analyze: bool) -> Self {
        self.analyze = analyze;
        self
    }

    /// The same connection for a place from which the workers cannot be reached: all rows, there and
    /// back, pass through the scheduler. Without this a client tries, and waits some seconds for each
    /// worker that does not answer.
    pub fn through_scheduler(mut self) -> Self {
        self.direct = false;
        self
    }

    /// `host:port` of the scheduler.
    pub fn address(&self) -> &str {
        &self.access.address
    }

    /// What DataFusion needs to build plans for this cluster: to parse expressions, say.
    pub fn context(&self) -> &SessionContext {
        self.local.context()
    }

    /// Opens the control link.
    ///
    /// # Errors
    /// If the scheduler cannot be reached or refuses.
    pub async fn control(&self) -> Result<Control, ClientError> {
        Control::connect(&self.access).await
    }

    /// Runs one statement. The job begins when this returns; it stops when the stream is dropped.
    ///
    /// # Errors
    /// If the statement is wrong, or the scheduler cannot be reached.
    pub async fn run(&self, statement: &str) -> Result<Query, ClientError> {
        self.begin(query_command(statement)).await
    }

    /// Runs what a command asks for.
    async fn begin(&self, command: Vec<u8>) -> Result<Query, ClientError> {
        let failed = |status| ClientError::query(&self.access, FlightError::from(status));
        let mut flight = self.flight();
        let descriptor = self.request(FlightDescriptor::new_cmd(command));
        let info: FlightInfo =
            flight.get_flight_info(descriptor).await.map_err(failed)?.into_inner();
        let ticket = info.endpoint.first().and_then(|endpoint| endpoint.ticket.clone());
        let schema = info
            .try_decode_schema()
            .map_err(|error| ClientError::from(FlightError::from(error)))?;
        let schema = Arc::new(schema);
        let Some(ticket) = ticket else {
            return Ok(Query { job: None, schema, batches: futures::stream::empty().boxed() });
        };
        let answer = flight.do_get(self.request(ticket)).await.map_err(failed)?;
        let job = answer
            .metadata()
            .get(JOB_HEADER)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.parse().ok());
        Ok(Query { job, schema, batches: direct::rows(self, answer.into_inner()) })
    }

    /// The columns that a query would give. Nothing is run.
    ///
    /// # Errors
    /// If the query is wrong, or the scheduler cannot be reached.
    pub async fn schema(&self, query: &str) -> Result<SchemaRef, ClientError> {
        let descriptor = self.request(FlightDescriptor::new_cmd(query_command(query)));
        let answer = self.flight().get_schema(descriptor).await;
        let answer = answer.map_err(|status| ClientError::query(&self.access, status.into()))?;
        let schema = arrow::datatypes::Schema::try_from(&answer.into_inner());
        Ok(Arc::new(schema.map_err(|error| ClientError::from(FlightError::from(error)))?))
    }
}

/// The command of a statement.
fn query_command(statement: &str) -> Vec<u8> {
    let command = CommandStatementQuery { query: statement.to_string(), transaction_id: None };
    command.as_any().encode_to_vec()
}

/// A name as SQL takes it, whatever is in it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl From<FlightError> for ClientError {
    fn from(error: FlightError) -> Self {
        ClientError::Query(error.to_string())
    }
}
