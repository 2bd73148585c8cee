//! Partitions that come from elsewhere: from clients, and from workers that retire.

pub(crate) mod migration;
pub(crate) mod upload;
