//! Clusters that do not encrypt: what still is not sent, and to whom.

use partita_shared::access::{
    SCHEDULER_VARIABLE, TOKEN_VARIABLE, fingerprint_of, is_plaintext, make_plaintext_token,
    make_token, secret_of,
};
use partita_tests::process::slow::SlowProxy;
use partita_tests::process::{Cluster, Place, SOON, program, raw, rows, wait_for};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

/// Bytes of the hello that a client sends first, which has no secret: 10 of its head, 32 of its nonce.
const HELLO_BYTES: usize = 42;
/// The exit code of a worker that found no scheduler.
const NO_SCHEDULER: i32 = 69;
/// Connections that the other process takes.
const ATTEMPTS: usize = 3;

fn start(place: &Place) -> (partita_tests::process::Process, partita_shared::access::Access) {
    let scheduler = place.start(["scheduler", "--host=127.0.0.1", "--port=0", "--plaintext"]);
    (scheduler, place.access())
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// Whoever records all traffic of a cluster that does not encrypt reads queries and rows, and has neither the token nor
/// its secret: it is proved by workers to the scheduler, by workers to each other and by clients to both.
#[test]
fn a_recording_has_no_token() {
    let place = Place::new();
    let (scheduler, access) = start(&place);
    assert!(is_plaintext(&access.token));
    let target: SocketAddr = access.address.parse().expect("the scheduler's address");
    let control = SlowProxy::recording(target);
    let file = format!("--scheduler-file={}", place.path("home").join("default.json").display());
    let mut cluster = Cluster { workers: Vec::new(), scheduler, access, place };
    let mut proxies = Vec::new();
    for _ in 0..2 {
        let port = free_port();
        let proxy = SlowProxy::recording(SocketAddr::from(([127, 0, 0, 1], port)));
        let flags = [
            control.address.to_string(),
            format!("--port={port}"),
            format!("--contact-address={}", proxy.address),
            "--plaintext".to_string(),
            file.clone(),
        ];
        cluster.add_worker(&flags.each_ref().map(String::as_str));
        proxies.push(proxy);
    }
    cluster.wait_workers(2);
    let query = "select concat('text-', 'of-', value) as text, count(*) as n \
                 from generate_series(1, 20000) as t(value) group by 1 order by 1";
    let address = format!("--scheduler=tcp://{}", control.address);
    let ran = cluster.place.run(["sql", "--output=csv", &address, &file, query]);
    assert_eq!(rows(&ran).lines().filter(|row| row.starts_with("text-of-")).count(), 20_000);
    cluster.place.run(["workers", &address, &file]).ok();
    proxies.push(control);
    let secret = secret_of(&cluster.access.token);
    let mut seen = 0;
    for proxy in &proxies {
        let recorded = proxy.recorded();
        let contains = |text: &[u8]| recorded.windows(text.len()).any(|at| at == text);
        seen += usize::from(contains(b"text-of-")) + usize::from(contains(b"generate_series"));
        for part in [secret, &secret[..secret.len() / 2], "authorization", "Authorization"] {
            assert!(!contains(part.as_bytes()), "`{part}` was sent");
        }
    }
    assert!(seen > 2, "nothing was recorded");
}

/// A process that takes the port of a scheduler that was killed is sent a nonce by the worker that waits and by clients,
/// and nothing else.
#[test]
fn a_taken_port_is_sent_a_nonce() {
    let place = Place::new();
    let (scheduler, access) = start(&place);
    let mut cluster = Cluster { workers: Vec::new(), scheduler, access, place };
    // It is told address and token: one that reads them from the access file sees that the scheduler is gone.
    let mut command =
        cluster.place.command(["worker", "--host=127.0.0.1", "--memory-limit=512MiB"]);
    command.env(SCHEDULER_VARIABLE, &cluster.access.address);
    command.env(TOKEN_VARIABLE, &cluster.access.token);
    let mut waiting = cluster.place.spawn("waiting", command);
    cluster.wait_workers(1);
    let address = cluster.access.address.clone();
    cluster.scheduler.signal(libc::SIGKILL);
    cluster.scheduler.finish(SOON);
    let listener = TcpListener::bind(&address).expect("the port is free");
    listener.set_nonblocking(true).expect("a listener");
    let taking = std::thread::spawn(move || {
        (0..ATTEMPTS)
            .map(|_| {
                let (mut stream, _) = wait_for("a connection", SOON, || listener.accept().ok());
                stream.set_nonblocking(false).expect("a connection");
                stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
                let mut sent = vec![0; HELLO_BYTES];
                stream.read_exact(&mut sent).expect("a hello");
                stream.write_all(&[0; 65]).expect("an answer");
                let _ = stream.read_to_end(&mut sent);
                sent
            })
            .collect::<Vec<_>>()
    });
    let place = Place::new();
    let mut command = place.command(["sql", "select 'of-the-query'"]);
    command.env(SCHEDULER_VARIABLE, &address).env(TOKEN_VARIABLE, &cluster.access.token);
    place.spawn("client", command).finish(SOON).fails(1, &[&address, "another process"]);
    for sent in taking.join().expect("it ends") {
        assert_eq!(sent.len(), HELLO_BYTES);
    }
    assert!(waiting.is_running());
}

/// The token opens nothing when it is sent, and whoever sends it is told so; the dashboard opens as it does elsewhere.
#[test]
fn the_token_is_not_taken() {
    let place = Place::new();
    let (_scheduler, access) = start(&place);
    let bearer = format!("Authorization: Bearer {}\r\n", access.token);
    for path in ["/api/v2/workers", "/metrics", "/ws/client", "/ws/worker"] {
        let (status, text) = raw::get_plain(&access.address, path, &bearer);
        assert_eq!(status, 403, "{path}");
        assert!(text.contains("--plaintext"), "{path}: {text}");
        assert_eq!(raw::get_plain(&access.address, path, "").0, 401, "{path}");
    }
    for path in ["/", "/healthz"] {
        assert_eq!(raw::get_plain(&access.address, path, "").0, 200, "{path}");
    }
}

/// A client or a worker that encrypts and a cluster that does not, and the other way about, fail with the name of the
/// option.
#[test]
fn mixed_use_names_the_option() {
    let cluster = Cluster::start(0, &[]);
    let place = Place::new();
    let (_scheduler, access) = start(&place);
    let (ours, secret) = (&cluster.access, "a secret of neither");
    let fingerprint = fingerprint_of(&ours.token).expect("a fingerprint");
    let mixed = [
        (&access.address, make_token(secret, fingerprint)),
        (&ours.address, make_plaintext_token(secret_of(&ours.token))),
    ];
    for (address, token) in &mixed {
        for args in [&["status"][..], &["sql", "select 1"], &["shutdown"]] {
            let mut command = place.command(args);
            command.env(SCHEDULER_VARIABLE, address).env(TOKEN_VARIABLE, token);
            place.spawn("mixed", command).finish(SOON).fails(1, &["--plaintext"]);
        }
        let mut command = place.command(["worker", "--host=127.0.0.1", "--death-timeout=1s"]);
        command.env(SCHEDULER_VARIABLE, address).env(TOKEN_VARIABLE, token);
        place.spawn("mixed", command).finish(SOON).fails(NO_SCHEDULER, &["--plaintext"]);
    }
    cluster.place.run(["worker", "--host=127.0.0.1", "--plaintext"]).fails(1, &["--plaintext"]);
    place.run(["scheduler", "--plaintext", "--page-https-only"]).fails(2, &["--plaintext"]);
}

/// `partita run --plaintext` gives the option to its scheduler, its workers and its command.
#[test]
fn a_run_may_not_encrypt() {
    let place = Place::new();
    let query = "select count(*) from generate_series(1, 1000)";
    let script =
        format!("printenv PARTITA_TOKEN | grep -c plaintext; \"$0\" sql --output=csv '{query}'");
    let mut command =
        place.command(["run", "--headless", "--plaintext", "--", "sh", "-c", &script]);
    command.arg(program());
    let ran = place.spawn("run", command).finish(SOON);
    assert_eq!(ran.ok().split_whitespace().next(), Some("1"));
    assert!(ran.text().contains("1000"), "{}", ran.text());
}
