//! A second user on the nodes of a job: what that user sees, and what that user can do.

use crate::workers_in;
use arrow_flight::Ticket;
use arrow_flight::flight_service_client::FlightServiceClient;
use partita_net::dial::Dial;
use partita_shared::access::{Access, make_token};
use partita_shared::endpoint::Endpoint;
use partita_tests::process::{LONG, SOON, raw};
use partita_tests::slurm::job::Job;
use partita_tests::slurm::{self, Nodes, STRANGER};

/// A cluster over two nodes that waits to be ended, with all its files where others may look for
/// them.
const SCRIPT: &str = "#!/bin/bash
#SBATCH --nodes=2 --ntasks-per-node=1 --cpus-per-task=2 --mem=2000M
srun env --unset=SLURM_TMPDIR partita run -- bash -c \
    'partita workers --output json >workers-$SLURM_JOB_ID.json; echo ready; sleep infinity'
";

/// The access file of a job's first step, as root reads it.
fn access(nodes: &Nodes, job: &Job<'_>) -> Access {
    let file = nodes.home().join(format!(".partita/slurm-{}.0.json", job.id));
    serde_json::from_slice(&std::fs::read(file).expect("the access file")).expect("an access file")
}

fn start(nodes: &Nodes) -> (Job<'_>, Access) {
    // Some homes can be entered by all.
    nodes.run(&["chmod", "755", "."]).ok();
    let job = nodes.sbatch(SCRIPT, &[]);
    job.wait_output("ready\n", LONG);
    let access = access(nodes, &job);
    (job, access)
}

/// Neither files nor command lines nor environments show a stranger the token, and scratch cannot be
/// read.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn a_stranger_finds_no_secret() {
    let nodes = slurm::nodes(2);
    let (job, access) = start(&nodes);
    let look = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' '\\n'
        grep -rs . /tmp /dev/shm /mnt ~OWNER ~OWNER/.partita
        find /tmp /mnt ~OWNER -ls
        true";
    let look = look.replace("OWNER", nodes.user());
    for node in nodes.names() {
        let found = nodes.exec_as(STRANGER, node, &["bash", "-c", &look]);
        let seen = format!("{}{}", found.text(), found.stderr);
        // The search works: it comes upon names of files and command lines.
        for name in ["partita-", ".partita", "--nthreads"] {
            assert!(seen.contains(name), "{name} is not in: {seen}");
        }
        assert!(!seen.contains(&access.token), "{seen}");
        assert!(!seen.contains("/lock"), "scratch folders were read: {seen}");
        // The owner's own search finds it.
        let own = nodes.exec_as(nodes.user(), node, &["bash", "-c", &look]).text();
        assert!(own.contains(&access.token) && own.contains("/lock"), "{own}");
    }
    let log = job.output();
    assert!(log.contains("dashboard   http://localhost:") && !log.contains(&access.token), "{log}");
}

/// Without the token only `/healthz` and the dashboard's files are answered: no command joins, asks
/// or stops anything, and no worker gives data.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn a_stranger_opens_nothing() {
    let nodes = slurm::nodes(2);
    let (job, access) = start(&nodes);
    let node = nodes.names()[0];
    let scheduler = format!("tcp://{}", access.address);
    let file = format!("/home/{}/.partita/slurm-{}.0.json", nodes.user(), job.id);
    let ask = |words: &[&str]| nodes.exec_as(STRANGER, node, &[&["partita"], words].concat());
    for command in ["status", "workers", "shutdown"] {
        ask(&[command, "--scheduler", &scheduler]).fails(1, &["no token"]);
        ask(&[command, "--scheduler-file", &file]).fails(1, &["Permission denied"]);
    }
    // Everyone can see the certificate.
    let seen = nodes.slurm().enter(|| raw::presented(&access.address));
    let wrong = format!("PARTITA_TOKEN={}", make_token("a-guess", seen));
    let guess = |words: &[&str], code| {
        let guess = ["env", wrong.as_str(), "partita"];
        nodes.exec_as(STRANGER, node, &[&guess, words].concat()).fails(code, &["refused", "token"]);
    };
    guess(&["sql", "--scheduler", &scheduler, "select 1"], 1);
    guess(&["worker", &scheduler], 77);
    guess(&["shutdown", "--scheduler", &scheduler], 1);
    let workers = workers_in(&nodes, &job);
    nodes.slurm().enter(|| {
        for (path, expected) in
            [("/healthz", 200), ("/", 200), ("/api/v2/cluster", 401), ("/metrics", 401)]
        {
            assert_eq!(raw::get_with(&access, path, "").0, expected, "{path}");
        }
        for worker in &workers {
            assert_eq!(ask_for_data(&worker.address), tonic::Code::Unauthenticated);
        }
    });
    let up = nodes.partita(&["workers", "--output=json"]).ok();
    assert_eq!(slurm::nodes::workers_up_in(&up).len(), 2);
}

/// Asks a worker for a partition without a token.
fn ask_for_data(address: &str) -> tonic::Code {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let worker = Endpoint::new(address.to_string(), Some(raw::presented(address)));
        let channel = Dial::within(SOON).open(&worker).await.expect("a connection to the worker");
        let mut client = FlightServiceClient::new(channel);
        let asked = client.do_get(Ticket::new("anything")).await;
        asked.expect_err("data without a token").code()
    })
}

/// Files that a stranger put where a job looks for those of its own are not taken for them, and
/// nothing secret is written into them.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn a_stranger_lays_no_trap() {
    let nodes = slurm::nodes(2);
    let first = nodes.sbatch("#!/bin/bash\ntrue\n", &[]);
    first.finish(LONG);
    // Other tests submit jobs beside this one.
    let ids: Vec<String> = (1..=20).map(|next| (first.id + next).to_string()).collect();
    let user = nodes.exec(nodes.names()[0], &["id", "-u", nodes.user()]).ok();
    let lay = format!(
        "umask 0; for id in {}; do for name in $id $id.0; do \
         echo '{{\"name\":\"slurm-'$name'\",\"address\":\"127.0.0.1:1\",\"token\":\"t\",\
         \"version\":\"\",\"pid\":1,\"host\":\"h\",\"slurm_job\":\"'$id'\"}}' \
         >/tmp/partita-{}-slurm-$name.json; done; done",
        ids.join(" "),
        user.trim()
    );
    for node in nodes.names() {
        nodes.exec_as(STRANGER, node, &["bash", "-c", &lay]).ok();
    }
    let script = "#!/bin/bash
#SBATCH --nodes=2 --ntasks-per-node=1 --cpus-per-task=2 --mem=2000M
unset SLURM_TMPDIR
partita sql --output csv 'select 7 * 6 as n'
srun env --unset=SLURM_TMPDIR partita run -- bash -c \
    'partita workers --output json >workers-$SLURM_JOB_ID.json; \
     grep -h token ~/.partita/slurm-$SLURM_JOB_ID.0.json'
";
    let job = nodes.sbatch(script, &[]);
    let output = job.finish(LONG);
    assert!(ids.contains(&job.id.to_string()), "{}", job.id);
    assert!(output.contains("n\n42\n"), "{output}");
    assert_eq!(workers_in(&nodes, &job).len(), 2);
    let token = output.lines().find(|line| line.contains("\"token\"")).expect("the token");
    let token = token.split('"').nth(3).expect("the token");
    for node in nodes.names() {
        let laid = "cat $(find /tmp -user \"$(id -un)\" -name 'partita-*'); true";
        let laid = nodes.exec_as(STRANGER, node, &["bash", "-c", laid]).ok();
        assert!(laid.contains("slurm_job") && !laid.contains(token), "{laid}");
    }
}
