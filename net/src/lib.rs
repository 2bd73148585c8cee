//! Connections between processes.
//!
//! [`dial`] opens them; [`peer`] fetches partitions from workers and stores partitions on them; [`upload`] is the
//! command with which a client stores one; [`connections`] bounds what a peer without the token can open. It knows
//! neither plans nor queries.

pub mod connections;
pub mod dial;
pub mod peer;
pub mod upload;
