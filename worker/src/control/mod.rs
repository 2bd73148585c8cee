//! The control link: messages to and from the scheduler.

pub(crate) mod agent;
mod detail;
mod link;
mod measure;
mod watch;

pub use link::{Connector, ControlLink, LinkError, WebSocketConnector};
pub(crate) use watch::watch;
