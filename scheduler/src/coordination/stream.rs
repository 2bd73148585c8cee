//! The stream of one client.

use crate::coordination::Coordination;
use crate::coordination::message::{self, FromClient, HELLO};
use crate::flight::DataStream;
use crate::flight::exchange::Messages;
use arrow_flight::FlightData;
use futures::stream::{self, StreamExt};
use std::sync::Arc;
use tokio::time::Instant;

/// Whether a client that begins so coordinates itself, and does not call functions.
pub(crate) fn is_hello(first: &FlightData) -> bool {
    first.app_metadata.first() == Some(&HELLO)
}

/// Serves a client until its stream ends.
pub(crate) fn serve(coordination: Arc<Coordination>, messages: Messages) -> DataStream {
    let (number, outbox) = coordination.join();
    outbox.push(message::hello());
    let leave = LeaveOnDrop { coordination: Arc::clone(&coordination), number };
    let waiting = Arc::clone(&outbox);
    tokio::spawn(async move {
        read(&coordination, number, messages, &waiting).await;
        coordination.leave(number);
    });
    let told = stream::unfold((outbox, leave), |(outbox, leave)| async move {
        let message = outbox.next().await?;
        Some((Ok(message), (outbox, leave)))
    });
    told.boxed()
}

/// Lets a client leave, whatever ended its stream.
struct LeaveOnDrop {
    coordination: Arc<Coordination>,
    number: u64,
}

impl Drop for LeaveOnDrop {
    fn drop(&mut self) {
        self.coordination.leave(self.number);
    }
}

/// Does what the client says, until its stream ends.
async fn read(
    coordination: &Coordination,
    number: u64,
    mut messages: Messages,
    outbox: &super::outbox::Outbox,
) {
    loop {
        outbox.has_room().await;
        let timeout = coordination.next_timeout(number).map(Instant::from_std);
        let message = tokio::select! {
            message = messages.next() => message,
            () = async {
                match timeout {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            } => {
                coordination.expire(number);
                continue;
            }
        };
        let Some(Ok(data)) = message else { return };
        match FromClient::read(data.app_metadata) {
            Ok(FromClient::Request(request)) => coordination.request(number, *request),
            Ok(FromClient::Withdraw(request)) => coordination.withdraw(number, request),
            Err(error) => {
                tracing::warn!(error, "a client sent a message that cannot be read");
                return;
            }
        }
    }
}
