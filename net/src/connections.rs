//! Connections whose peer has not shown the cluster's token yet: anyone on the network can open them.
//!
//! They are few, of one address and in all, and do not last: one that asks for nothing in time, or stays idle after
//! an answer, is closed. Where there are too many, the oldest one of the address with the most makes way. Whoever
//! knows the token shows it in the first request, and so is not among the oldest.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Connections without the token from one address.
const UNKNOWN_PER_ADDRESS_MAX: usize = 128;
/// Connections without the token in all.
const UNKNOWN_MAX: usize = 512;
/// How long a connection may take until something is answered on it, and until its handshake is over.
pub(crate) const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection without the token may stay after something was sent on it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// The bounds, which tests make smaller.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    per_address: usize,
    all: usize,
    header_timeout: Duration,
    idle_timeout: Duration,
}

/// The connections of one port whose peer has not shown the token.
#[derive(Clone, Debug)]
pub struct Newcomers {
    bounds: Bounds,
    waiting: Arc<Mutex<Waiting>>,
}

/// By their order of arrival: the address, and what closes the connection.
#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    all: BTreeMap<u64, (IpAddr, CancellationToken)>,
}

impl Default for Newcomers {
    fn default() -> Self {
        Newcomers::bounded(Bounds {
            per_address: UNKNOWN_PER_ADDRESS_MAX,
            all: UNKNOWN_MAX,
            header_timeout: HEADER_TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
        })
    }
}

impl Newcomers {
    fn bounded(bounds: Bounds) -> Self {
        Newcomers { bounds, waiting: Arc::default() }
    }

    /// Takes a connection that was accepted. If there are too many, another one is closed for it.
    pub fn admit<S>(&self, stream: S, address: SocketAddr) -> (Connection<S>, Caller) {
        let closing = CancellationToken::new();
        let number = self.enter(address.ip().to_canonical(), closing.clone());
        let place = Place { newcomers: self.clone(), number, is_known: AtomicBool::new(false) };
        let place = Arc::new(place);
        let caller = Caller { address, is_encrypted: false, is_member: false, place };
        let limits = Limits {
            deadline: Box::pin(sleep(self.bounds.header_timeout)),
            closing: Box::pin(closing.cancelled_owned()),
        };
        (Connection { stream, caller: caller.clone(), limits: Some(limits) }, caller)
    }

    fn enter(&self, address: IpAddr, closing: CancellationToken) -> u64 {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let number = waiting.next;
        waiting.next += 1;
        waiting.all.insert(number, (address, closing));
        let same = waiting.all.values().filter(|(other, _)| *other == address).count();
        if same > self.bounds.per_address {
            waiting.close_oldest_of(address);
        } else if waiting.all.len() > self.bounds.all {
            let mut counts: HashMap<IpAddr, usize> = HashMap::new();
            for (other, _) in waiting.all.values() {
                *counts.entry(*other).or_default() += 1;
            }
            if let Some((most, _)) = counts.into_iter().max_by_key(|(_, count)| *count) {
                waiting.close_oldest_of(most);
            }
        }
        number
    }

    fn leave(&self, number: u64) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).all.remove(&number);
    }
}

impl Waiting {
    fn close_oldest_of(&mut self, address: IpAddr) {
        let oldest = self.all.iter().find(|(_, (other, _))| *other == address);
        if let Some(number) = oldest.map(|(number, _)| *number)
            && let Some((_, closing)) = self.all.remove(&number)
        {
            closing.cancel();
        }
    }
}

/// A connection's place among the newcomers.
#[derive(Debug)]
struct Place {
    newcomers: Newcomers,
    number: u64,
    is_known: AtomicBool,
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Its address.
    pub address: SocketAddr,
    /// Whether what it sends is encrypted.
    pub is_encrypted: bool,
    /// Whether it has proved, on this connection and without encryption, that it knows the cluster's secret.
    pub is_member: bool,
    place: Arc<Place>,
}

impl Caller {
    /// Notes that the caller has shown the token: the connection may stay.
    pub fn mark_known(&self) {
        if !self.place.is_known.swap(true, Ordering::Relaxed) {
            self.place.newcomers.leave(self.place.number);
        }
    }
}

/// What ends a connection whose caller is not known.
#[derive(Debug)]
struct Limits {
    deadline: Pin<Box<Sleep>>,
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// A connection that fails when its caller has not shown the token in time.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    caller: Caller,
    /// None once the caller is known.
    limits: Option<Limits>,
}

impl Connection<TcpStream> {
    /// The first byte that comes, which stays to be read; none if the caller has closed.
    pub(crate) async fn peek_byte(&mut self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        let peeked = std::future::poll_fn(|context| {
            self.check(context)?;
            self.stream.poll_peek(context, &mut buffer)
        });
        let length = peeked.await?;
        Ok((length > 0).then_some(byte[0]))
    }
}

impl<S> Connection<S> {
    /// Fails if the connection is to be closed, and has this task woken when it is.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let Some(limits) = &mut self.limits else { return Ok(()) };
        if self.caller.place.is_known.load(Ordering::Relaxed) {
            self.limits = None;
            return Ok(());
        }
        if limits.deadline.as_mut().poll(context).is_ready() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "timed out waiting for a token"));
        }
        if limits.closing.as_mut().poll(context).is_ready() {
            let text = "too many connections without a token are open";
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, text));
        }
        Ok(())
    }

    /// Notes that something was sent: whoever reads an answer is given time for the next request.
    fn sent<T>(&mut self, sent: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let (Poll::Ready(Ok(_)), Some(limits)) = (&sent, &mut self.limits) {
            let end = Instant::now() + self.caller.place.newcomers.bounds.idle_timeout;
            limits.deadline.as_mut().reset(end);
        }
        sent
    }
}

impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        self.caller.place.newcomers.leave(self.caller.place.number);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        let sent = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.sent(sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        let sent = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.sent(sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    const SHORT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(60);
    /// How long a test waits for anything.
    const PATIENCE: Duration = Duration::from_secs(20);

    fn newcomers(header_timeout: Duration, idle_timeout: Duration) -> Newcomers {
        Newcomers::bounded(Bounds { per_address: 2, all: 4, header_timeout, idle_timeout })
    }

    /// A connection from this host, with its other end.
    fn connect(to: &Newcomers, host: u8) -> (Connection<DuplexStream>, DuplexStream) {
        let (ours, theirs) = duplex(64);
        (to.admit(ours, ([10, 0, 0, host], 4711).into()).0, theirs)
    }

    /// Why a connection from which nothing comes ends; none if it does not for a moment.
    async fn end(
        connection: &mut Connection<DuplexStream>,
        bound: Duration,
    ) -> Option<io::ErrorKind> {
        let read = tokio::time::timeout(bound, connection.read_u8()).await;
        read.ok().map(|read| read.unwrap_err().kind())
    }

    /// Who is silent, or asks for nothing more, is closed in time; who has shown the token is not.
    #[tokio::test]
    async fn silence_ends() {
        let newcomers = newcomers(SHORT, SHORT);
        let (mut silent, _theirs) = connect(&newcomers, 1);
        assert_eq!(end(&mut silent, PATIENCE).await, Some(io::ErrorKind::TimedOut));
        let (mut answered, _theirs) = connect(&newcomers, 2);
        answered.write_all(b"401").await.unwrap();
        assert_eq!(end(&mut answered, PATIENCE).await, Some(io::ErrorKind::TimedOut));
        let (mut known, _theirs) = connect(&newcomers, 3);
        known.caller.mark_known();
        assert_eq!(end(&mut known, 4 * SHORT).await, None);
    }

    /// Bytes that come one by one do not prolong the time for a request; an answer does.
    #[tokio::test]
    async fn a_slow_request_ends() {
        let newcomers = newcomers(SHORT, LONG);
        let (mut slow, mut theirs) = connect(&newcomers, 1);
        let dripping = async {
            while theirs.write_u8(b'x').await.is_ok() {
                tokio::time::sleep(SHORT / 10).await;
            }
        };
        let reading = async {
            loop {
                if let Err(error) = slow.read_u8().await {
                    return error.kind();
                }
            }
        };
        let kind = tokio::select! {
            kind = reading => kind,
            () = dripping => panic!("the connection was dropped"),
            () = tokio::time::sleep(PATIENCE) => panic!("it did not end"),
        };
        assert_eq!(kind, io::ErrorKind::TimedOut);
        let (mut answered, _theirs) = connect(&newcomers, 2);
        answered.write_all(b"401").await.unwrap();
        assert_eq!(end(&mut answered, 4 * SHORT).await, None);
    }

    /// The oldest connection of an address makes way for its next one, and of the address with the most where there
    /// are too many in all. Those that are known or closed do not count.
    #[tokio::test]
    async fn there_are_few_of_an_address_and_in_all() {
        let newcomers = newcomers(LONG, LONG);
        let aborted = Some(io::ErrorKind::ConnectionAborted);
        let (mut first, _a) = connect(&newcomers, 1);
        let (mut second, _b) = connect(&newcomers, 1);
        let (mut third, _c) = connect(&newcomers, 1);
        assert_eq!(end(&mut first, PATIENCE).await, aborted);
        drop(first);
        let (mut other, _d) = connect(&newcomers, 2);
        let (mut another, _e) = connect(&newcomers, 3);
        // The fifth of all: the oldest of the address with the most goes.
        let (mut fifth, _f) = connect(&newcomers, 4);
        assert_eq!(end(&mut second, PATIENCE).await, aborted);
        third.caller.mark_known();
        drop(second);
        let (mut sixth, _g) = connect(&newcomers, 5);
        for connection in [&mut third, &mut other, &mut another, &mut fifth, &mut sixth] {
            assert_eq!(end(connection, SHORT / 5).await, None);
        }
        drop((other, another, fifth, sixth));
        assert!(newcomers.waiting.lock().unwrap().all.is_empty());
    }
}
