//! Opening connections: the only place that does.

use partita_shared::{VERSION, limits};
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};

/// How often a silent connection is probed.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// How long the answer to a probe may take; then the peer is taken for gone.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// How a connection is opened.
#[derive(Clone, Copy, Debug)]
pub struct Dial {
    /// How long it may take to connect.
    pub connect_timeout: Duration,
    /// Bytes that may be in flight on one stream.
    pub stream_window_bytes: u32,
}

impl Dial {
    /// A connection that may take this long to open, with the usual windows.
    pub fn within(connect_timeout: Duration) -> Self {
        Dial { connect_timeout, stream_window_bytes: limits::FLIGHT_STREAM_WINDOW_BYTES }
    }

    /// Opens a connection to `host:port`.
    ///
    /// # Errors
    /// If the address is invalid or the peer cannot be reached.
    pub async fn open(self, address: &str) -> Result<Channel, tonic::transport::Error> {
        Endpoint::from_shared(format!("http://{address}"))?
            .user_agent(format!("partita/{VERSION}"))?
            .connect_timeout(self.connect_timeout)
            .tcp_nodelay(true)
            .initial_stream_window_size(self.stream_window_bytes)
            .initial_connection_window_size(limits::FLIGHT_CONNECTION_WINDOW_BYTES)
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .connect()
            .await
    }
}
