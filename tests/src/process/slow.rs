//! A slow network: a proxy on loopback that passes on what it gets late and piece by piece, and can
//! be cut.

#![expect(clippy::expect_used, reason = "a harness of tests: what goes wrong here fails the test")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Bytes that are passed on at once.
const PIECE_BYTES: usize = 64 << 10;

/// What a proxy's threads share.
#[derive(Debug, Default)]
struct Wire {
    bytes: AtomicU64,
    is_cut: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
    /// What was passed on, if it is recorded.
    recorded: Option<Mutex<Vec<u8>>>,
}

/// Listens on a port of its own, and passes everything on to another.
#[derive(Debug)]
pub struct SlowProxy {
    /// Where it listens.
    pub address: SocketAddr,
    wire: Arc<Wire>,
}

impl SlowProxy {
    /// A proxy before `target` that holds back each piece for `delay`.
    ///
    /// # Panics
    /// If no port is free.
    pub fn start(target: SocketAddr, delay: Duration) -> Self {
        SlowProxy::with_wire(target, delay, Wire::default())
    }

    /// A proxy before `target` that is not slow, and records what it passes on.
    ///
    /// # Panics
    /// If no port is free.
    pub fn recording(target: SocketAddr) -> Self {
        let wire = Wire { recorded: Some(Mutex::default()), ..Wire::default() };
        SlowProxy::with_wire(target, Duration::ZERO, wire)
    }

    fn with_wire(target: SocketAddr, delay: Duration, wire: Wire) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let wire = Arc::new(wire);
        let shared = Arc::clone(&wire);
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect(target) else { continue };
                if shared.is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                let ends = [(&near, &far), (&far, &near)];
                for (from, to) in ends {
                    let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { continue };
                    let wire = Arc::clone(&shared);
                    std::thread::spawn(move || pass_on(from, to, delay, &wire));
                }
                if let Ok(mut open) = shared.open.lock() {
                    open.extend([near, far]);
                }
            }
        });
        SlowProxy { address, wire }
    }

    /// Bytes that were passed on, both ways.
    pub fn bytes(&self) -> u64 {
        self.wire.bytes.load(Ordering::Relaxed)
    }

    /// What was passed on, both ways.
    pub fn recorded(&self) -> Vec<u8> {
        let recorded = self.wire.recorded.as_ref().and_then(|recorded| recorded.lock().ok());
        recorded.map_or_else(Vec::new, |recorded| recorded.clone())
    }

    /// Cuts the network: what is connected breaks, and what connects breaks at once.
    pub fn cut(&self) {
        self.wire.is_cut.store(true, Ordering::SeqCst);
        if let Ok(mut open) = self.wire.open.lock() {
            for stream in open.drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }

    /// Mends it.
    pub fn mend(&self) {
        self.wire.is_cut.store(false, Ordering::SeqCst);
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, delay: Duration, wire: &Wire) {
    let mut piece = vec![0; PIECE_BYTES];
    while let Ok(bytes) = from.read(&mut piece) {
        // This is the slow network itself, not a wait for something to happen.
        std::thread::sleep(delay);
        if let Some(Ok(mut recorded)) = wire.recorded.as_ref().map(Mutex::lock) {
            recorded.extend_from_slice(&piece[..bytes]);
        }
        if bytes == 0 || to.write_all(&piece[..bytes]).is_err() {
            break;
        }
        wire.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
    let _ = to.shutdown(Shutdown::Write);
}
