//! Connections between processes.
//!
//! [`dial`] opens them and [`listen`] takes them, both encrypted: [`identity`] is the certificate by which a process
//! is recognized; [`plaintext`] is for clusters that do not encrypt. [`websocket`] opens control links; [`peer`] fetches
//! partitions from workers and stores partitions on them, and [`payload`] is what these can be besides rows; [`upload`] is
//! the command with which a client stores one; [`connections`] bounds what a peer without the token
//! can open. It knows neither plans nor queries.

pub mod connections;
pub mod dial;
pub mod identity;
pub mod listen;
pub mod payload;
pub mod peer;
pub mod plaintext;
pub mod upload;
pub mod websocket;
