//! Actions: questions in JSON that the scheduler answers in JSON.

use crate::{Client, ClientError};
use arrow_flight::Action;
use arrow_flight::error::FlightError;
use serde::Serialize;
use serde::de::DeserializeOwned;

impl Client {
    /// Asks for an action.
    pub(crate) async fn action<T: DeserializeOwned>(
        &self,
        name: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let failed = |status| ClientError::query(&self.access, FlightError::from(status));
        let unreadable =
            |error: serde_json::Error| ClientError::Query(format!("the action {name}: {error}"));
        let action = Action::new(name, serde_json::to_vec(body).map_err(unreadable)?);
        let answers = self.flight().do_action(self.request(action)).await.map_err(failed)?;
        let first = answers.into_inner().message().await.map_err(failed)?;
        serde_json::from_slice(&first.unwrap_or_default().body).map_err(unreadable)
    }
}
