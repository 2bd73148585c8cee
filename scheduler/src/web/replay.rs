//! `partita dashboard --replay`: the pages of a journal.

use crate::error::SchedulerError;
use crate::observer::{Entries, Viewers};
use crate::web::answers::Answers;
use crate::web::auth::Token;
use crate::web::dashboard::{Door, Followed};
use crate::web::{pages, port};
use partita_net::connections::Caller;
use partita_net::listen::Encryption;
use partita_observe::event::Observation;
use partita_shared::access::page_token;
use std::sync::Arc;
use tokio::net::TcpListener;

/// A journal that is served.
#[derive(Debug)]
pub struct Replay {
    listener: TcpListener,
    door: Arc<Door>,
    port: u16,
    token: String,
}

impl Replay {
    /// Takes the port and begins to show the journal from its end.
    ///
    /// # Errors
    /// If the port is taken.
    pub async fn bind(entries: Entries, host: &str, port: u16) -> Result<Self, SchedulerError> {
        let address = format!("{host}:{port}");
        let failed = |source| SchedulerError::Listen { address: address.clone(), source };
        let listener = TcpListener::bind(&address).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let cluster = entries.seen.iter().find_map(|seen| match &seen.what {
            Observation::Started(facts) => Some(facts.cluster.clone()),
            _ => None,
        });
        let token = crate::new_token()?;
        let cluster = cluster.unwrap_or_else(|| "journal".to_string());
        let door = Door::new(
            Token(page_token(&token)),
            Followed::Journal(Box::new(Viewers::new(entries))),
            Answers::Remembered,
            false,
            cluster,
            Arc::default(),
        );
        Ok(Replay { listener, door: Arc::new(door), port, token })
    }

    /// The port that was taken.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From what the page's token is derived.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Serves until the future is dropped.
    ///
    /// # Errors
    /// If the port fails.
    pub async fn serve(self) -> Result<(), SchedulerError> {
        let service = pages(Some(self.door)).into_make_service_with_connect_info::<Caller>();
        axum::serve(port(self.listener, Encryption::None), service).await.map_err(|source| {
            SchedulerError::System { what: "cannot serve the port".to_string(), source }
        })
    }
}
