//! Sessions: whose tables a client sees, and where its plans are built.

use crate::{Client, ClientError};
use arrow_flight::Action;
use arrow_flight::error::FlightError;
use datafusion::prelude::SessionContext;
use partita_plan::session::planning_context;
use std::fmt;
use std::sync::OnceLock;
use tokio::task::AbortHandle;
use uuid::Uuid;

/// Where plans are built: made when the first is.
#[derive(Default)]
pub(crate) struct Local(OnceLock<SessionContext>);

impl Local {
    pub(crate) fn context(&self) -> &SessionContext {
        self.0.get_or_init(planning_context)
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").finish_non_exhaustive()
    }
}

/// Keeps a session until it is dropped.
#[derive(Debug)]
pub(crate) struct Attendance(AbortHandle);

impl Drop for Attendance {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Client {
    /// The same connection in the session of that name: tables and views made in it are seen in it.
    pub fn with_session(mut self, session: impl Into<String>) -> Self {
        self.session = session.into();
        self
    }

    /// The same connection in a session of its own, which ends when the last clone of this client is
    /// dropped. What it holds for itself goes with it.
    ///
    /// # Errors
    /// If the scheduler cannot be reached or refuses.
    pub async fn in_own_session(mut self) -> Result<Self, ClientError> {
        self.session = format!("rust-{}", unique());
        let failed = |status| ClientError::query(&self.access, FlightError::from(status));
        let action = Action::new("partita.attend", "");
        let answers = self.flight().do_action(self.request(action)).await.map_err(failed)?;
        let mut answers = answers.into_inner();
        // The first answer says that the session is kept.
        answers.message().await.map_err(failed)?;
        let reading =
            tokio::spawn(async move { while let Ok(Some(_)) = answers.message().await {} });
        self.attendance = Some(std::sync::Arc::new(Attendance(reading.abort_handle())));
        Ok(self)
    }

    /// Has the scheduler keep the session, with its temporary tables, until this process or the
    /// runtime around this call ends, and no longer.
    pub fn attend(&self) {
        let (mut flight, request) =
            (self.flight(), self.request(Action::new("partita.attend", "")));
        tokio::spawn(async move {
            let Ok(answers) = flight.do_action(request).await else { return };
            let mut answers = answers.into_inner();
            while let Ok(Some(_)) = answers.message().await {}
        });
    }
}

/// A text that no other process has.
pub(crate) fn unique() -> String {
    Uuid::new_v4().simple().to_string()
}
