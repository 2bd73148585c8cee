//! What clients may send: statements, plans, tickets, actions and requests that are changed at random, and
//! statements that are nested deep. Errors are answers; the scheduler and its worker live on.
//!
//! The seed is fixed. `PARTITA_FUZZ_SECONDS` makes the test longer, `PARTITA_FUZZ_SEED` another one.

use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::{Any, CommandStatementQuery, ProstMessageExt};
use arrow_flight::{Action, FlightDescriptor, Ticket};
use datafusion::prelude::{col, lit};
use futures::StreamExt;
use partita_net::dial::Dial;
use partita_plan::logical::{self, FrameCommand, Purpose, RemoteTable};
use partita_plan::nodes::TYPE_URL;
use partita_plan::session::planning_context;
use partita_tests::process::raw;
use partita_tests::process::{Cluster, SOON, wait_for};
use prost::Message;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngCore, SeedableRng};
use serde_json::json;
use std::time::{Duration, Instant};
use tonic::Request;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;

/// How long the test goes on where nobody says.
const SECONDS_DEFAULT: u64 = 12;
/// How long one question may take: most are errors.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);
/// Bytes that a random change adds at most.
const NOISE_BYTES_MAX: usize = 40;

/// Statements that are changed.
const STATEMENTS: [&str; 12] = [
    "select a, sum(b) over (partition by a order by b rows 3 preceding) from t where b in (1, 2)",
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 9) select * from n",
    "select * from t x full join t y on x.a = y.b where not exists (select 1 from t where a = x.a)",
    "create or replace table u as select * from t order by a",
    "select date_trunc('hour', now()), interval '1 day', cast('7' as int), array[1, 2][1]",
    "copy (select 1) to '/nowhere/at/all' (format csv, header)",
    "explain select count(distinct a) from t group by grouping sets ((a), ())",
    "select case when a > 1 then 'x' else null end, a::text || 'y', substr('abc', -1, 2) from t",
    "set datafusion.execution.batch_size = 1",
    "select unnest([1, 2, 3]), regexp_replace('a', '(', 'b'), to_timestamp(9e18)",
    "select 9223372036854775807 + 1, -9223372036854775808 / -1, 1 % 0, 1e308 * 10",
    "select * from 'file.csv' limit 3 offset 9223372036854775807",
];

/// Pieces that are put into statements.
const PIECES: [&str; 16] = [
    "(",
    ")",
    "'",
    "\"",
    ",",
    ";",
    "--",
    "/*",
    " not ",
    " null ",
    "-1",
    "1e999",
    "\u{0}",
    "ü",
    "$1",
    " union all ",
];

/// A statement that repeats something `times` times.
fn deep(random: &mut SmallRng, times: usize) -> String {
    let repeated = |text: &str| text.repeat(times);
    match random.random_range(0..9) {
        0 => format!("select 1{}", repeated(" + 1")),
        1 => format!("select * from t where a = 1{}", repeated(" or a = 1")),
        2 => format!("select 1{}", repeated(" union all select 1")),
        3 => format!("select {}1{}", repeated("("), repeated(")")),
        4 => format!("select {}1{}", repeated("abs("), repeated(")")),
        5 => format!("select {}true", repeated("not ")),
        6 => format!("{}select 1 as a{}", repeated("select a from ("), repeated(") as t")),
        7 => format!("select 1 from t{}", repeated(" cross join t")),
        _ => format!("select {}1{}", repeated("case when true then "), repeated(" end")),
    }
}

fn changed(random: &mut SmallRng, statement: &str) -> String {
    let mut text: Vec<char> = statement.chars().collect();
    for _ in 0..random.random_range(1..4) {
        let at = random.random_range(0..=text.len());
        match random.random_range(0..4) {
            0 => {
                let piece = PIECES.choose(random).copied().unwrap_or_default();
                text.splice(at..at, piece.chars());
            }
            1 => {
                let end = (at + random.random_range(0..12)).min(text.len());
                text.drain(at..end);
            }
            2 => {
                let other = STATEMENTS.choose(random).copied().unwrap_or_default();
                let end = (at + random.random_range(0..8)).min(text.len());
                text.splice(at..end, other.chars().skip(at).take(30));
            }
            _ => {
                let end = (at + random.random_range(0..20)).min(text.len());
                let piece: Vec<char> = text[at..end].to_vec();
                text.splice(at..at, piece);
            }
        }
    }
    text.into_iter().collect()
}

/// Bytes with some of them changed, cut off or added.
fn damaged(random: &mut SmallRng, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..random.random_range(1..6) {
        let at = random.random_range(0..=bytes.len());
        match random.random_range(0..3) {
            0 => bytes.truncate(at),
            1 => {
                let mut noise = vec![0; random.random_range(0..NOISE_BYTES_MAX)];
                random.fill_bytes(&mut noise);
                bytes.splice(at..at, noise);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = random.random();
                }
            }
        }
    }
    bytes
}

/// A message of protobuf in which one field is nested in the other, `times` times.
fn nested(times: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..times {
        let mut outer = vec![0x0a];
        let mut length = bytes.len();
        while length >= 0x80 {
            outer.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        outer.push(length as u8);
        outer.extend(bytes);
        bytes = outer;
    }
    bytes
}

/// A frame over a table, as the Rust client sends it.
fn frame() -> Vec<u8> {
    let context = planning_context();
    let schema =
        std::sync::Arc::new(arrow::datatypes::Schema::new(vec![arrow::datatypes::Field::new(
            "a",
            arrow::datatypes::DataType::Int64,
            true,
        )]));
    let table = RemoteTable { query: "select a from t".to_string(), schema };
    let plan = table.plan("t").expect("a plan");
    let frame = datafusion::prelude::DataFrame::new(context.state(), plan);
    let frame = frame.filter(col("a").gt(lit(1))).expect("a filter");
    let plan = logical::encode(frame.logical_plan(), &context.task_ctx()).expect("bytes");
    FrameCommand { plan, purpose: Purpose::Rows }.to_bytes().expect("bytes")
}

/// A plan of nodes as the Python package sends it, whose numbers and names are drawn.
fn nodes(random: &mut SmallRng) -> Vec<u8> {
    let mut id = || random.random_range(0..9_u32);
    let expressions = [
        json!({"column": "a"}),
        json!({"literal": [id() / 4, 1]}),
        json!({"call": ["add", [id(), id()]]}),
        json!({"cast": [id(), id() / 4, true]}),
        json!({"case": {"operand": null, "branches": [[id(), id()]], "otherwise": id()}}),
        json!({"aggregate": {"function": "sum", "arguments": [id()], "order": [], "condition": null, "distinct": false}}),
        json!({"window": {"function": "lag", "arguments": [id(), id()], "partition": [id()], "order": [[id(), true, false]], "frame": [-1, null], "skips_missing": false}}),
        json!({"call": ["element", [id(), id()]]}),
        json!({"call": ["unnest", [id()]]}),
    ];
    let relations = [
        json!({"table": "t"}),
        json!({"project": [id() / 4, [["a", id()], ["b", id()]]]}),
        json!({"filter": [id() / 3, [id()]]}),
        json!({"group": [id() / 3, [["a", id()]], [["s", id()]]]}),
        json!({"join": [id() / 2, id() / 2, "outer", [[id(), id()]]]}),
        json!({"union": [id() / 2, id() / 2]}),
        json!({"sort": [id() / 2, [[id(), false, true]], id()]}),
        json!({"distinct": id() / 2}),
    ];
    let count = random.random_range(1..=relations.len());
    let plan = json!({
        "text": "nodes",
        "purpose": "rows",
        "plan": {
            "types": ["Int64", "Utf8", "Timestamp(Nanosecond, None)"],
            "expressions": expressions,
            "relations": relations[..count],
        },
    });
    Any { type_url: TYPE_URL.to_string(), value: plan.to_string().into() }.encode_to_vec()
}

/// Someone who knows the token.
struct Stranger {
    client: FlightServiceClient<Channel>,
    bearer: MetadataValue<tonic::metadata::Ascii>,
}

impl Stranger {
    async fn connect(cluster: &Cluster) -> Self {
        let channel = Dial::within(SOON).open(&cluster.access.endpoint()).await;
        let channel = channel.expect("a connection");
        let bearer = format!("Bearer {}", cluster.access.token).parse().expect("a header");
        Stranger { client: FlightServiceClient::new(channel), bearer }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.bearer.clone());
        request
    }

    /// Asks for a plan, and fetches what comes of it, as far as it comes in time.
    async fn ask(&mut self, command: Vec<u8>) {
        let descriptor = FlightDescriptor::new_cmd(command);
        let request = self.request(descriptor);
        let info = self.client.get_flight_info(request);
        let Ok(Ok(info)) = tokio::time::timeout(ANSWER_TIME_MAX, info).await else { return };
        for endpoint in info.into_inner().endpoint {
            let Some(ticket) = endpoint.ticket else { continue };
            self.fetch(ticket.ticket.to_vec()).await;
        }
    }

    async fn fetch(&mut self, ticket: Vec<u8>) {
        let request = self.request(Ticket::new(ticket));
        let fetched = async {
            let Ok(stream) = self.client.do_get(request).await else { return };
            let mut stream = stream.into_inner();
            while let Some(Ok(_)) = stream.next().await {}
        };
        let _ = tokio::time::timeout(ANSWER_TIME_MAX, fetched).await;
    }

    async fn act(&mut self, name: &str, body: Vec<u8>) {
        let action = Action { r#type: name.to_string(), body: body.into() };
        let request = self.request(action);
        // Some actions have an answer without an end.
        let _ =
            tokio::time::timeout(Duration::from_millis(500), self.client.do_action(request)).await;
    }
}

fn sql(statement: String) -> Vec<u8> {
    let command = CommandStatementQuery { query: statement, transaction_id: None };
    let any: Any = command.as_any();
    any.encode_to_vec()
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// One thing of each kind, changed at random.
async fn round(random: &mut SmallRng, stranger: &mut Stranger, cluster: &Cluster, frame: &[u8]) {
    for _ in 0..20 {
        let statement = STATEMENTS.choose(random).copied().unwrap_or_default();
        let statement = changed(random, statement);
        stranger.ask(sql(statement)).await;
    }
    for _ in 0..40 {
        let plan = nodes(random);
        stranger.ask(damaged(random, &plan)).await;
        stranger.ask(plan).await;
    }
    let times = *[40, 900, 2_000, 30_000].choose(random).unwrap_or(&40);
    let statement = deep(random, times);
    stranger.ask(sql(statement)).await;
    for _ in 0..20 {
        let command = damaged(random, frame);
        stranger.ask(command).await;
        let ticket = damaged(random, &sql("select 1".to_string()));
        stranger.fetch(ticket).await;
    }
    stranger.ask(nested(random.random_range(10..20_000))).await;
    stranger
        .fetch(damaged(random, b"partita.fetch:{\"address\":\"127.0.0.1:1\",\"ticket\":\"AAAA\"}"))
        .await;
    let name = [
        "partita.upload_begin",
        "partita.upload_end",
        "partita.publish",
        "partita.locate",
        "CreatePreparedStatement",
        "CancelFlightInfo",
        "partita.tables",
    ];
    let name = name.choose(random).copied().unwrap_or_default();
    let body = damaged(
        random,
        b"{\"name\":\"t\",\"partitions\":3,\"job\":1,\"schema\":\"\",\"splits\":\"\"}",
    );
    stranger.act(name, body).await;
    stranger.act(name, "[".repeat(50_000).into_bytes()).await;
    for _ in 0..10 {
        let path = ["jobs?limit=3", "jobs/7/stages", "workers?state=up", "jobs/1/tasks"];
        let path = path.choose(random).copied().unwrap_or_default();
        let path = damaged(random, path.as_bytes());
        // A character that no path may contain makes no valid request either.
        let path: String = path.iter().map(|byte| char::from(byte % 94 + 33)).collect();
        raw::get(&cluster.access, &format!("/api/v2/{path}"));
    }
}

/// No input of a client ends the scheduler or a worker.
#[test]
fn no_input_ends_a_process() {
    let mut cluster = Cluster::start(1, &[]);
    cluster.sql("create table t as select value as a, value * 2 as b from generate_series(1, 9)");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let seed = setting("PARTITA_FUZZ_SEED", 11);
    let mut random = SmallRng::seed_from_u64(seed);
    let end =
        Instant::now() + Duration::from_secs(setting("PARTITA_FUZZ_SECONDS", SECONDS_DEFAULT));
    let frame = frame();
    let mut stranger = runtime.block_on(Stranger::connect(&cluster));
    let mut rounds = 0;
    while Instant::now() < end || rounds == 0 {
        runtime.block_on(round(&mut random, &mut stranger, &cluster, &frame));
        rounds += 1;
        let lives = cluster.scheduler.is_running() && cluster.workers[0].is_running();
        assert!(lives, "seed {seed}, round {rounds}: {}", cluster.scheduler.log());
    }
    wait_for("an answer after all", SOON, || {
        let ran = cluster.place.run(["sql", "--output=csv", "select 40 + 2 as x"]);
        (ran.code == 0).then(|| assert!(ran.text().contains("42")))
    });
    let log = format!("{}{}", cluster.scheduler.log(), cluster.workers[0].log());
    assert!(!log.contains("overflowed its stack"), "{log}");
}
