//! Peers that do not know the token, speak another version, or send noise.

use partita_shared::access::{make_token, secret_of};
use partita_shared::limits::CONTROL_FRAME_BYTES_MAX;
use partita_shared::message::{FromWorker, Registration, Request};
use partita_shared::model::WorkerState;
use partita_shared::{PROTOCOL_VERSION, wire};
use partita_tests::process::raw::{self, Socket, frame};
use partita_tests::process::{Cluster, Place, SOON, status_bytes, wait_for};
use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};
use std::io::{ErrorKind, Read};
use std::net::TcpStream;

/// WebSocket opcodes.
const TEXT: u8 = 1;
const BINARY: u8 = 2;
/// Frames of noise for each path.
const FRAMES: u32 = 200;

/// Nobody gets in with another token: no client, no worker, no request; each is told why, and the token that was tried
/// is not repeated. Without TLS the right token opens nothing either. A token without a fingerprint is not sent.
#[test]
fn a_wrong_token_opens_nothing() {
    let cluster = Cluster::start(1, &[]);
    let address = format!("tcp://{}", cluster.access.address);
    // Everyone can see the certificate.
    let guess = make_token("not-the-token", raw::presented(&cluster.access.address));
    let run = |code: i32, args: &[&str]| {
        let place = Place::new();
        let mut command = place.command(args);
        command.env("PARTITA_SCHEDULER", &address).env("PARTITA_TOKEN", &guess);
        let ran = place.spawn("stranger", command).finish(SOON);
        assert!(!ran.stderr.contains("not-the-token"), "{}", ran.stderr);
        ran.fails(code, &["refused", "token"]);
    };
    run(1, &["sql", "select 1"]);
    run(1, &["status"]);
    run(1, &["shutdown"]);
    run(77, &["worker", "--host=127.0.0.1"]);
    run(77, &["worker", "--host=127.0.0.1", "--nworkers=2"]);
    for path in ["/api/v2/workers", "/metrics", "/ws/client", "/ws/worker", "/nowhere/else"] {
        let wrong = raw::get_with(&cluster.access, path, "Authorization: Bearer x\r\n");
        let none = raw::get_with(&cluster.access, path, "");
        let right = format!("Authorization: Bearer {}\r\n", cluster.access.token);
        let plain = raw::get_plain(&cluster.access.address, path, &right);
        let open = path == "/nowhere/else";
        let expected = if open { (404, 404, 404) } else { (401, 401, 403) };
        assert_eq!((wrong.0, none.0, plain.0), expected, "{path}");
    }
    let secret = secret_of(&cluster.access.token);
    for args in [&["status"][..], &["sql", "select 1"], &["worker", "--host=127.0.0.1"]] {
        let place = Place::new();
        let mut command = place.command(args);
        command.env("PARTITA_SCHEDULER", &address).env("PARTITA_TOKEN", secret);
        place.spawn("half", command).finish(SOON).fails(1, &["SECRET.FINGERPRINT"]);
    }
    assert_eq!(cluster.status().workers, 1);
}

/// A worker whose data port others cannot reach is refused when it registers, with both ends
/// named, and not by a query that hangs.
#[test]
fn an_address_that_nobody_reaches_is_refused() {
    let cluster = Cluster::start(0, &[]);
    let place = Place::new();
    let address = format!("tcp://{}", cluster.access.address);
    let mut command = place.command(["worker", "--name=far", "--contact-address=127.0.0.1:1"]);
    command.env("PARTITA_SCHEDULER", &address).env("PARTITA_TOKEN", &cluster.access.token);
    let ran = place.spawn("unreachable", command).finish(SOON);
    let scheduler = cluster.access.address.as_str();
    ran.fails(77, &[scheduler, "far", "127.0.0.1:1", "--contact-address"]);
    assert_eq!(cluster.status().workers, 0);
}

/// A peer of another version is refused with a message that names both.
#[test]
fn another_version_is_refused() {
    let cluster = Cluster::start(0, &[]);
    let other = (PROTOCOL_VERSION + 998).to_string();
    for path in ["/ws/worker", "/ws/client"] {
        let refused = Socket::open(&cluster.access, path, &cluster.access.token, &other);
        let (status, body) = refused.expect_err("another version");
        assert_eq!(status, 426);
        let ours = format!("uses protocol {PROTOCOL_VERSION}");
        assert!(body.contains(&ours) && body.contains(&other), "{body}");
    }
}

fn open(cluster: &Cluster, path: &str) -> Socket {
    let version = PROTOCOL_VERSION.to_string();
    Socket::open(&cluster.access, path, &cluster.access.token, &version).expect("it is let in")
}

fn noise(random: &mut SmallRng) -> Vec<u8> {
    let mut bytes = vec![0; random.random_range(0..300)];
    random.fill_bytes(&mut bytes);
    bytes
}

/// Noise from peers that know the token is refused: whole messages, parts of them, bytes that are
/// not a WebSocket frame, and false lengths. The scheduler stays as it is, with its memory.
#[test]
fn noise_changes_nothing() {
    let mut cluster = Cluster::start(1, &[]);
    let mut random = SmallRng::seed_from_u64(7);
    let before = status_bytes(cluster.scheduler.pid(), "VmRSS").expect("its memory");
    for path in ["/ws/worker", "/ws/client"] {
        for _ in 0..FRAMES {
            let mut socket = open(&cluster, path);
            let bytes = noise(&mut random);
            let length = bytes.len() as u64;
            let more = match random.random_range(0..5) {
                0 => frame(BINARY, length, &bytes),
                1 => frame(TEXT, length, &bytes),
                2 => frame(BINARY, length + 7, &bytes),
                3 => frame(BINARY, u64::MAX >> random.random_range(1..30), &bytes),
                _ => bytes,
            };
            socket.send(&more);
            socket.send(&frame(BINARY, 3, &noise(&mut random)));
        }
    }
    let mut socket = open(&cluster, "/ws/worker");
    socket.send(&frame(BINARY, CONTROL_FRAME_BYTES_MAX as u64 + 1, b"never sent"));
    assert!(socket.is_closed());
    for _ in 0..FRAMES {
        let mut socket = open(&cluster, "/ws/client");
        let mut bytes = wire::encode(&Request::Workers).expect("a request");
        bytes.extend(noise(&mut random));
        socket.send(&frame(BINARY, bytes.len() as u64, &bytes));
    }
    assert!(cluster.scheduler.is_running());
    assert_eq!(cluster.sql("select count(*) from generate_series(1, 1000)"), "1000\n");
    let after = status_bytes(cluster.scheduler.pid(), "VmRSS").expect("its memory");
    assert!(after < before + (64 << 20), "{before} bytes became {after}");
    assert!(!cluster.scheduler.log().contains("panicked"), "{}", cluster.scheduler.log());
}

/// A worker that registers and then sends noise is given up, and the listing says why; so is one
/// that registers with figures that cannot be.
#[test]
fn a_worker_that_sends_noise_is_given_up() {
    let cluster = Cluster::start(1, &[]);
    let register = |name: &str, registration: Registration| {
        let mut socket = open(&cluster, "/ws/worker");
        // A port that answers: what listens there is not asked.
        let data_address = cluster.access.endpoint();
        let name_of_it = name.to_string();
        let hello =
            FromWorker::Register(Registration { name: name_of_it, data_address, ..registration });
        let bytes = wire::encode(&hello).expect("a message");
        socket.send(&frame(BINARY, bytes.len() as u64, &bytes));
        wait_for("its row", SOON, || {
            cluster.workers().into_iter().find(|row| row.name == name).map(|_| ())
        });
        socket
    };
    let mut noisy = register("noisy", Registration { slots: 1, ..Registration::default() });
    noisy.send(&frame(BINARY, 5, &[0xff; 5]));
    assert!(noisy.is_closed());
    let row = wait_for("its loss", SOON, || {
        cluster
            .workers()
            .into_iter()
            .find(|row| row.name == "noisy" && row.state != WorkerState::Up)
    });
    assert_eq!(row.state, WorkerState::Lost);
    assert!(row.cause.contains("received an invalid message"), "{}", row.cause);
    let huge = Registration {
        slots: u32::MAX,
        memory_limit_bytes: u64::MAX,
        lifetime_left_s: Some(u64::MAX),
        ..Registration::default()
    };
    let mut socket = open(&cluster, "/ws/worker");
    let bytes = wire::encode(&FromWorker::Register(huge)).expect("a message");
    socket.send(&frame(BINARY, bytes.len() as u64, &bytes));
    assert!(socket.is_closed());
    let status = cluster.status();
    assert_eq!(status.workers, 1, "{status:?}");
    assert_eq!(cluster.sql("select count(*) from generate_series(1, 1000)"), "1000\n");
}

/// Silent connections of a stranger, more than one address may have, stop neither the scheduler nor a worker: the
/// oldest are closed, and those who know the token are served meanwhile.
#[test]
fn silent_connections_stop_nothing() {
    const SILENT: usize = 200;
    const KEPT_MAX: usize = 128;
    let cluster = Cluster::start(1, &[]);
    let data_address = cluster.workers()[0].address.clone();
    for address in [&cluster.access.address, &data_address] {
        let mut silent: Vec<TcpStream> = (0..SILENT)
            .map(|_| TcpStream::connect(address).expect("a connection"))
            .inspect(|stream| stream.set_nonblocking(true).expect("a stream that does not wait"))
            .collect();
        assert_eq!(
            cluster.sql("select sum(value) from generate_series(1, 10) as t(value)"),
            "55\n"
        );
        wait_for("the oldest to be closed", SOON, || {
            silent.retain_mut(|stream| {
                let read = stream.read(&mut [0]);
                read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
            });
            (silent.len() <= KEPT_MAX).then_some(())
        });
        assert_eq!(cluster.status().workers, 1);
    }
}
