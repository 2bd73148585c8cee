//! The Rust client of a Partita cluster.
//!
//! [`Client::connect`] takes what [`partita_shared::access::find`] finds. Queries go by Flight SQL
//! and come back as a stream of record batches that holds the workers back when it is read slowly;
//! questions about the cluster go over a WebSocket.
//!
//! ```no_run
//! # async fn example() -> Result<(), partita_client::ClientError> {
//! use futures::TryStreamExt;
//! let access = partita_shared::access::find(None, None)?;
//! let client = partita_client::Client::connect(&access).await?;
//! let mut query = client.sql("select 1 as one").await?;
//! while let Some(batch) = query.batches.try_next().await? {
//!     println!("{} rows", batch.num_rows());
//! }
//! # Ok(())
//! # }
//! ```

mod control;
mod direct;
mod error;

pub use control::Control;
pub use error::ClientError;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::Action;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::client::FlightSqlServiceClient;
use futures::stream::{BoxStream, StreamExt};
use partita_shared::access::{Access, host_name, own_user};
use partita_shared::ids::JobId;
use partita_shared::{
    ANALYZE_HEADER, CLIENT_HEADER, DIRECT_HEADER, DIRECTORY_HEADER, JOB_HEADER, PRIORITY_HEADER,
    PROTOCOL_HEADER, PROTOCOL_VERSION, SESSION_HEADER, limits,
};
use std::fmt::Write;
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};

/// How long a connection to the scheduler may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a silent connection is probed.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// How long the answer to a probe may take: then the scheduler is gone.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to a cluster. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    channel: Channel,
    access: Access,
    session: String,
    directory: String,
    priority: u32,
    analyze: bool,
}

/// A query's rows.
pub struct Query {
    /// The job; none if no worker was needed.
    pub job: Option<JobId>,
    /// The columns.
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
        let failed = |error: tonic::transport::Error| ClientError::unreachable(access, &error);
        let channel = Endpoint::from_shared(format!("http://{}", access.address))
            .map_err(failed)?
            .user_agent(format!("partita/{}", partita_shared::VERSION))
            .map_err(failed)?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .connect()
            .await
            .map_err(failed)?;
        let directory = std::env::current_dir().unwrap_or_default().display().to_string();
        Ok(Client {
            channel,
            access: access.clone(),
            session: String::new(),
            directory,
            priority: 1,
            analyze: false,
        })
    }

    /// The same connection in a session of its own: tables and views made in it are seen in it.
    pub fn with_session(mut self, session: impl Into<String>) -> Self {
        self.session = session.into();
        self
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

    /// Has the scheduler keep the session, with its temporary tables, until this process or the
    /// runtime around this call ends, and no longer.
    pub fn attend(&self) {
        let mut client = self.flight();
        tokio::spawn(async move {
            let action = Action { r#type: "partita.attend".to_string(), body: Default::default() };
            let Ok(answers) = client.do_action(tonic::Request::new(action)).await else { return };
            let mut answers = answers;
            while let Ok(Some(_)) = answers.message().await {}
        });
    }

    /// Opens the control link.
    ///
    /// # Errors
    /// If the scheduler cannot be reached or refuses.
    pub async fn control(&self) -> Result<Control, ClientError> {
        Control::connect(&self.access).await
    }

    fn flight(&self) -> FlightSqlServiceClient<Channel> {
        let inner = FlightServiceClient::new(self.channel.clone())
            .max_decoding_message_size(limits::FLIGHT_MESSAGE_BYTES_MAX);
        let mut client = FlightSqlServiceClient::new_from_inner(inner);
        client.set_token(self.access.token.clone());
        client.set_header(PROTOCOL_HEADER, PROTOCOL_VERSION.to_string());
        client.set_header(SESSION_HEADER, self.session.clone());
        client.set_header(DIRECTORY_HEADER, escape(&self.directory));
        client.set_header(CLIENT_HEADER, escape(&whoami()));
        client.set_header(PRIORITY_HEADER, self.priority.to_string());
        client.set_header(DIRECT_HEADER, "1");
        if self.analyze {
            client.set_header(ANALYZE_HEADER, "1");
        }
        client
    }

    /// Runs one statement. The job begins when this returns; it stops when the stream is dropped.
    ///
    /// # Errors
    /// If the statement is wrong, or the scheduler cannot be reached.
    pub async fn sql(&self, statement: &str) -> Result<Query, ClientError> {
        let failed = |error| ClientError::query(&self.access, error);
        let mut client = self.flight();
        let info = client.execute(statement.to_string(), None).await.map_err(failed)?;
        let schema =
            std::sync::Arc::new(info.clone().try_decode_schema().map_err(|e| failed(e.into()))?);
        let ticket = info.endpoint.into_iter().next().and_then(|endpoint| endpoint.ticket);
        let Some(ticket) = ticket else {
            return Ok(Query { job: None, schema, batches: futures::stream::empty().boxed() });
        };
        let stream = client.do_get(ticket).await.map_err(failed)?;
        let job = stream
            .headers()
            .get(JOB_HEADER)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.parse().ok());
        let batches = direct::rows(self, job, stream.into_inner());
        Ok(Query { job, schema, batches })
    }
}

/// The user and the host of this process, for people.
fn whoami() -> String {
    let named = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let user = named.filter(|name| !name.is_empty());
    let user = user.or_else(|| own_user().map(|id| id.to_string())).unwrap_or_default();
    format!("{user}@{}", host_name())
}

/// A path as a header can carry it: `%` and what is not ASCII as `%xx`.
fn escape(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' || byte == b' ' {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

impl From<FlightError> for ClientError {
    fn from(error: FlightError) -> Self {
        ClientError::Query(error.to_string())
    }
}
