//! A page of the dashboard without a browser: it follows what it is told to, and has what a page
//! would show.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a harness of tests: what goes wrong here fails the test, with the reason"
)]

use futures::{SinkExt, StreamExt};
use partita_observe::follower::Follower;
use partita_observe::frame::{Answer, FromPage, Question, ToPage, Topic};
use partita_shared::wire;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long a page may wait for a message: figures come several times a second.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(20);

/// A page.
#[derive(Debug)]
pub struct Page {
    runtime: tokio::runtime::Runtime,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// What it has.
    pub follower: Follower,
    asked: u32,
}

impl Page {
    /// Opens a page and gives it the token. The origin is what a browser would send, if any.
    ///
    /// # Errors
    /// What the scheduler said when it refused the connection.
    pub fn open(address: &str, token: &str, origin: Option<&str>) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let mut request =
            format!("ws://{address}/ws/dashboard").into_client_request().expect("an address");
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().expect("a header"));
        }
        let opened = runtime.block_on(async {
            let (mut socket, _) = tokio_tungstenite::connect_async(request)
                .await
                .map_err(|error| error.to_string())?;
            socket.send(Message::text(token)).await.map_err(|error| error.to_string())?;
            Ok::<_, String>(socket)
        });
        Ok(Page { socket: opened?, runtime, follower: Follower::new(), asked: 0 })
    }

    /// Follows these topics from now on.
    pub fn follow(&mut self, topics: &[Topic]) {
        self.follower.follow(topics.to_vec());
        self.say(&FromPage::Follow(topics.to_vec()));
    }

    /// Tells the scheduler something.
    pub fn say(&mut self, message: &FromPage) {
        let bytes = wire::encode(message).expect("a message");
        let sent = self.runtime.block_on(self.socket.send(Message::binary(bytes)));
        sent.expect("a connection");
    }

    /// The next message, or the code and the reason with which the scheduler closed.
    ///
    /// # Errors
    /// If the connection was closed.
    ///
    /// # Panics
    /// If nothing comes for long.
    pub fn receive(&mut self) -> Result<ToPage, (u16, String)> {
        let socket = &mut self.socket;
        self.runtime.block_on(async {
            loop {
                let next = tokio::time::timeout(MESSAGE_TIMEOUT, socket.next()).await;
                match next.expect("a message within the bound") {
                    Some(Ok(Message::Binary(bytes))) => {
                        return Ok(wire::decode(&bytes).expect("a message of this version"));
                    }
                    Some(Ok(Message::Close(Some(frame)))) => {
                        return Err((frame.code.into(), frame.reason.to_string()));
                    }
                    Some(Ok(Message::Close(None)) | Err(_)) | None => {
                        return Err((1006, String::new()));
                    }
                    Some(Ok(_)) => {}
                }
            }
        })
    }

    /// Takes messages until `look` finds something in what the page has.
    ///
    /// # Panics
    /// If it finds nothing within the bound, or the connection is closed.
    #[track_caller]
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        bound: Duration,
        mut look: impl FnMut(&Follower) -> Option<T>,
    ) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = look(&self.follower) {
                return found;
            }
            assert!(start.elapsed() < bound, "waited {bound:?} for {what}: {:?}", self.follower);
            self.take();
        }
    }

    /// Applies the next message. Gives the answer, if it is one.
    fn take(&mut self) -> Option<(u32, Answer)> {
        let message = self.receive().unwrap_or_else(|closed| panic!("closed: {closed:?}"));
        let applied = self.follower.apply(message);
        if let Some(number) = applied.taken {
            self.say(&FromPage::Taken(number));
        }
        applied.answer
    }

    /// Asks a question and waits for its answer.
    pub fn ask(&mut self, question: Question) -> Answer {
        self.asked += 1;
        self.say(&FromPage::Ask(self.asked, question));
        loop {
            if let Some((number, answer)) = self.take()
                && number == self.asked
            {
                return answer;
            }
        }
    }
}
