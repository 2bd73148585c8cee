//! What those see who listen on the network, and who take the port of a scheduler that is gone.

use partita_net::identity::Identity;
use partita_shared::access::{SCHEDULER_VARIABLE, TOKEN_VARIABLE, own_user, secret_of};
use partita_tests::process::slow::SlowProxy;
use partita_tests::process::{Cluster, Place, Process, SOON, raw, rows, wait_for};
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The user that nobody is.
const NOBODY: u32 = 65534;
/// Attempts to connect that the other process must see before the test goes on.
const ATTEMPTS: usize = 5;

/// Takes a port, speaks TLS with a certificate of its own, and writes down what it is sent: what comes first on each
/// connection, and what comes when a handshake is over.
const IMPOSTOR: &str = r#"
import os, socket, ssl, sys, tempfile, threading
with tempfile.NamedTemporaryFile("w") as file:
    file.write(sys.stdin.read())
    file.flush()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file.name)
context.set_alpn_protocols(["h2", "http/1.1"])
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", os.getuid(), flush=True)
def serve(connection):
    connection.settimeout(10)
    print("first", connection.recv(65536, socket.MSG_PEEK).hex(), flush=True)
    try:
        with context.wrap_socket(connection, server_side=True) as encrypted:
            print("sent", encrypted.recv(65536).hex(), flush=True)
    except OSError:
        print("refused", flush=True)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"#;

/// Another process on this port: of another user, if this one may start it.
fn impostor(place: &Place, port: &str) -> Process {
    let identity = Identity::generate(&[]).expect("a certificate");
    let pem = identity.certificate_pem() + &identity.key_pem();
    let file = place.write("impostor.pem", pem);
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-I", "-c", IMPOSTOR, port]).env_clear().current_dir("/");
    command.stdin(File::open(file).expect("the certificate"));
    let other = (own_user() == Some(0)).then_some(NOBODY);
    if let Some(other) = other {
        command.uid(other).gid(other);
    }
    let process = place.spawn("impostor", command);
    let user = other.or(own_user()).expect("a user");
    wait_for("the other process", SOON, || {
        process.output().contains(&format!("listening {user}")).then_some(())
    });
    process
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// A process that takes the port of a scheduler that was killed is sent nothing: by the worker that waits for the
/// scheduler, by clients that are told its address and token. When the scheduler is back, the worker works for it.
#[test]
fn another_process_on_the_port_gets_nothing() {
    let mut cluster = Cluster::start(1, &["--death-timeout=120s"]);
    let address = cluster.access.address.clone();
    let port = address.rsplit(':').next().expect("a port").to_string();
    cluster.scheduler.signal(libc::SIGKILL);
    cluster.scheduler.finish(SOON);
    let mut impostor = impostor(&cluster.place, &port);
    for args in [&["sql", "select 'of-the-query'"][..], &["status"], &["shutdown"]] {
        let place = Place::new();
        let mut command = place.command(args);
        command.env(SCHEDULER_VARIABLE, format!("tcp://{address}"));
        command.env(TOKEN_VARIABLE, &cluster.access.token);
        place.spawn("client", command).finish(SOON).fails(1, &[&address, "another process"]);
    }
    // One worker that waits by the access file's means, and one that is told address and token.
    let mut command =
        cluster.place.command(["worker", "--host=127.0.0.1", "--memory-limit=512MiB"]);
    command.env(SCHEDULER_VARIABLE, &address).env(TOKEN_VARIABLE, &cluster.access.token);
    let mut waiting = cluster.place.spawn("waiting", command);
    let seen = wait_for("attempts to connect", SOON, || {
        let seen = impostor.output();
        (seen.matches("refused").count() >= ATTEMPTS).then_some(seen)
    });
    assert!(!seen.contains("sent"), "{seen}");
    assert!(!seen.contains(&hex(secret_of(&cluster.access.token))), "{seen}");
    assert!(cluster.workers[0].is_running() && waiting.is_running() && impostor.is_running());
    drop(impostor);
    cluster.scheduler = cluster.place.start(["scheduler", "--host=127.0.0.1", "--port", &port]);
    let pid = cluster.scheduler.pid();
    wait_for("the access file", SOON, || (cluster.place.access().pid == pid).then_some(()));
    assert_eq!(cluster.place.access().token, cluster.access.token);
    cluster.wait_workers(2);
    assert_eq!(cluster.sql("select count(*) from generate_series(1, 1000)"), "1000\n");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// Whoever records all traffic of a query, to the scheduler and between the workers, has no row, no SQL and no token.
/// The recording works: a request without TLS is in it.
#[test]
fn a_recording_of_the_traffic_shows_nothing() {
    const ROWS: u64 = 20_000;
    let mut cluster = Cluster::start(0, &[]);
    let scheduler: SocketAddr = cluster.access.address.parse().expect("the scheduler's address");
    let control = SlowProxy::recording(scheduler);
    let file = cluster.place.path("home").join("default.json");
    let access = format!("--scheduler-file={}", file.display());
    let mut proxies = Vec::new();
    for _ in 0..2 {
        let port = free_port();
        let proxy = SlowProxy::recording(SocketAddr::from(([127, 0, 0, 1], port)));
        let flags = [
            control.address.to_string(),
            format!("--port={port}"),
            format!("--contact-address={}", proxy.address),
        ];
        let mut flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        flags.push(&access);
        cluster.add_worker(&flags);
        proxies.push(proxy);
    }
    cluster.wait_workers(2);
    // The text of the rows is not a part of the query's, and all rows pass between workers, then to the client.
    let query = format!(
        "select concat('text', '-of-', 'row-', value) as text, count(*) as n \
         from generate_series(1, {ROWS}) as t(value) group by 1 order by 1"
    );
    let address = control.address.to_string();
    let ran = cluster.place.run(["sql", "--output=csv", &address_flag(&address), &access, &query]);
    assert_eq!(
        rows(&ran).lines().filter(|row| row.starts_with("text-of-row-")).count() as u64,
        ROWS
    );
    assert_eq!(raw::get_plain(&address, "/healthz", "X-Mark: in-plain\r\n").0, 200);
    proxies.push(control);
    let recorded: Vec<u8> = proxies.iter().flat_map(SlowProxy::recorded).collect();
    let contains = |text: &str| recorded.windows(text.len()).any(|at| at == text.as_bytes());
    assert!(contains("X-Mark: in-plain") && recorded.len() as u64 > ROWS);
    for secret in ["text-of-row-", "generate_series", "row-", secret_of(&cluster.access.token)] {
        assert!(!contains(secret), "`{secret}` was sent in plain");
    }
}

fn address_flag(address: &str) -> String {
    format!("--scheduler=tcp://{address}")
}

/// Without TLS the port has the page, its link and `/healthz`; with `--page-https-only` nothing at all.
#[test]
fn pages_can_be_closed_too() {
    let place = Place::new();
    let args = ["scheduler", "--host=127.0.0.1", "--port=0", "--page-https-only"];
    let _scheduler = place.start(args);
    let access = place.access();
    assert_eq!(raw::get_with(&access, "/healthz", "").0, 200);
    assert_eq!(raw::get_with(&access, "/", "").0, 200);
    for path in ["/healthz", "/"] {
        assert_eq!(raw::get_plain(&access.address, path, "").0, 0, "{path} is answered");
    }
}

/// The certificate beside the access file is the one that the scheduler has, and a certificate of the site is used
/// instead of one that it makes.
#[test]
fn the_certificate_is_beside_the_access_file() {
    let cluster = Cluster::start(0, &[]);
    let pem = std::fs::read(cluster.place.path("home").join("default.pem")).expect("it is there");
    let key = Identity::generate(&[]).expect("a certificate").key_pem();
    let made = Identity::from_pem(&pem, key.as_bytes()).expect("a certificate").fingerprint();
    assert_eq!(Some(made), cluster.access.endpoint().fingerprint);
    assert_eq!(made, raw::presented(&cluster.access.address));
    let place = Place::new();
    let site = Identity::generate(&["node.example".to_string()]).expect("a certificate");
    let certificate = place.write("site.pem", site.certificate_pem());
    let key = place.write("site.key", site.key_pem());
    let files =
        [format!("--tls-cert={}", certificate.display()), format!("--tls-key={}", key.display())];
    let args = ["scheduler", "--host=127.0.0.1", "--port=0", &files[0], &files[1]];
    let _scheduler = place.start(args);
    assert_eq!(place.access().endpoint().fingerprint, Some(site.fingerprint()));
    assert_eq!(raw::presented(&place.access().address), site.fingerprint());
    place.run(["status"]).ok();
}

/// A certificate of the site is recognized by the site's authorities, by workers and clients of `partita run` too,
/// whatever fingerprint a token has. By other authorities it is not, though the fingerprint is right.
#[test]
fn the_authorities_of_a_site_are_enough() {
    let place = Place::new();
    let made = |name: &str, host: &str| {
        let identity = Identity::generate(&[host.to_string()]).expect("a certificate");
        let certificate = place.write(&format!("{name}.pem"), identity.certificate_pem());
        let key = place.write(&format!("{name}.key"), identity.key_pem());
        let flags = [("cert", &certificate), ("key", &key), ("ca-file", &certificate)];
        flags.map(|(option, file)| format!("--tls-{option}={}", file.display()))
    };
    let [cert, key, authority] = made("site", "node.example");
    let program = partita_tests::process::program();
    let script = r#"
        PARTITA_TOKEN="${PARTITA_TOKEN%.*}.0000000000000000000000000000000000000000000000000000000000000000"
        export PARTITA_TOKEN
        "$0" sql --output=csv "select count(*) from generate_series(1, 1000)" || exit 1
        unset PARTITA_TLS_CA_FILE
        "$0" status 2>&1
    "#;
    let args = ["run", "--headless", &cert, &key, &authority, "--", "sh", "-c", script];
    let mut command = place.command(args);
    command.arg(&program);
    let ran = place.spawn("run", command).finish(SOON);
    assert!(ran.text().contains("1000"), "{}{}", ran.text(), ran.stderr);
    // Without the authorities, the fingerprint decides.
    assert!(ran.text().contains("does not have the expected certificate"), "{}", ran.text());
    let _scheduler = place.start(["scheduler", "--host=127.0.0.1", "--port=0", &cert, &key]);
    let address = address_flag(&place.access().address);
    place.run(["status", &address, &authority]).ok();
    let [_, _, other] = made("other", "node.example");
    place.run(["status", &address, &other]).fails(1, &["--tls-ca-file"]);
}
