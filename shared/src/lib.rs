//! What every part of Partita shares: identifiers, the messages between processes, the rows that
//! the dashboard and the REST API show, sizes, durations, and the access file.
//!
//! Nothing here knows DataFusion, Arrow, sockets or clocks, and all of it but [`access`], [`tls`] and
//! [`plaintext`] compiles to wasm32, because the dashboard reads the same types.

#[cfg(unix)]
pub mod access;
pub mod blocks;
mod bytes;
pub mod count;
pub mod edges;
pub mod endpoint;
pub mod ids;
pub mod limits;
pub mod message;
pub mod model;
#[cfg(unix)]
pub mod plaintext;
pub mod profile;
#[cfg(unix)]
pub mod tls;
pub mod units;
pub mod wire;

/// The version of the messages between processes. Peers of another version are refused with an
/// error that names both: there is no negotiation, because every process runs the same binary.
pub const PROTOCOL_VERSION: u32 = 15;

/// The version of this build, as it is shown to people.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The HTTP header in which a peer names its [`PROTOCOL_VERSION`].
pub const PROTOCOL_HEADER: &str = "x-partita-protocol";

/// The HTTP header (or gRPC metadata key) in which a client names its session. Tables and views
/// that a client creates are visible only in its session.
pub const SESSION_HEADER: &str = "x-partita-session";

/// The HTTP header (or gRPC metadata key) in which a client names its working directory, against
/// which relative paths in queries are resolved.
pub const DIRECTORY_HEADER: &str = "x-partita-directory";

/// The HTTP header (or gRPC metadata key) in which a client names its user and host, for display.
/// Bytes outside ASCII are written as in [`DIRECTORY_HEADER`].
pub const CLIENT_HEADER: &str = "x-partita-client";

/// The HTTP header (or gRPC metadata key) in which a client asks for a job priority.
pub const PRIORITY_HEADER: &str = "x-partita-priority";

/// The HTTP header (or gRPC metadata key) by which a client asks, with `1`, for the plan with
/// figures of each operator instead of the rows.
pub const ANALYZE_HEADER: &str = "x-partita-analyze";

/// The header by which a client says that it builds on the types of columns that it is told: a statement that reads
/// large files must not be run with others.
pub const FIXED_TYPES_HEADER: &str = "x-partita-fixed-types";
/// The HTTP header (or gRPC metadata key) in which the scheduler names the job of an answer, as a
/// plain number.
pub const JOB_HEADER: &str = "x-partita-job";
/// The key under which the metadata of a result's schema has a notice: something that people should know of the result.
pub const NOTICE_KEY: &str = "partita.notice";
/// The header by which a client says that it reads large result partitions straight from the workers
/// that hold them: instead of their rows it gets a [`message::Direct`] as metadata of an empty message.
pub const DIRECT_HEADER: &str = "x-partita-direct";
