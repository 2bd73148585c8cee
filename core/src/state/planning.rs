//! Statements that are being planned.

use crate::event::{StatementSpec, Time};

/// A statement that is being planned.
#[derive(Debug)]
pub(crate) struct Planning {
    pub(crate) spec: StatementSpec,
    pub(crate) since: Time,
}
