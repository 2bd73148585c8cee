//! Handlers of events, by subject.

pub(crate) mod jobs;
pub(crate) mod open;
pub(crate) mod persisted;
pub(crate) mod planning;
pub(crate) mod replicas;
pub(crate) mod tasks;
pub(crate) mod tick;
pub(crate) mod transfers;
pub(crate) mod workers;
