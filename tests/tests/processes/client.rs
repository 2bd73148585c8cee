//! The Rust client: frames that are built here and run there, tables that it uploads and fetches,
//! and its examples.

use arrow::array::{ArrayRef, AsArray, DictionaryArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{Int32Type, Int64Type};
use arrow::util::pretty::pretty_format_batches;
use datafusion::functions_aggregate::expr_fn::sum;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{ExprFunctionExt, in_subquery};
use datafusion::prelude::{CsvReadOptions, JoinType, SessionContext, col, lit};
use partita_client::{Client, Frame, Upload, Write};
use partita_shared::model::WorkerState;
use partita_tests::process::{Cluster, LONG, SOON, program, signal, wait_for};
use std::fmt::Write as _;
use std::process::Command;
use std::sync::Arc;

/// Rows of the flights.
const FLIGHTS: i64 = 3000;

/// A cluster with two small files in its place.
fn cluster() -> Cluster {
    let cluster = Cluster::start(2, &["--nthreads=2"]);
    let mut flights = "origin,delay,number\n".to_string();
    for number in 0..FLIGHTS {
        let origin = ["YUL", "YYZ", "YVR", "YQB"][(number * 7 % 4) as usize];
        let _ = writeln!(flights, "{origin},{},{number}", number * 7919 % 97 - 20);
    }
    cluster.place.write("flights.csv", flights);
    cluster.place.write("airports.csv", "code,city\nYUL,Montreal\nYYZ,Toronto\nYVR,Vancouver\n");
    cluster
}

async fn connect(cluster: &Cluster) -> Client {
    let client = Client::connect(&cluster.access).await.expect("a client");
    client.in_own_session().await.expect("a session")
}

fn path(cluster: &Cluster, name: &str) -> String {
    cluster.place.path("data").join(name).display().to_string()
}

/// The same files in plain DataFusion.
async fn alone(cluster: &Cluster) -> SessionContext {
    let context = SessionContext::new();
    for name in ["flights", "airports"] {
        let file = path(cluster, &format!("{name}.csv"));
        context.register_csv(name, &file, CsvReadOptions::new()).await.expect("a table");
    }
    context
}

/// What DataFusion alone answers.
async fn expected(cluster: &Cluster, sql: &str) -> String {
    let frame = alone(cluster).await.sql(sql).await.expect("a plan");
    shown(&frame.collect().await.expect("rows"))
}

fn shown(batches: &[RecordBatch]) -> String {
    pretty_format_batches(batches).expect("a table").to_string()
}

async fn answer(frame: &Frame) -> String {
    shown(&frame.collect().await.expect("rows"))
}

/// Runs an example of the client against a cluster.
fn example(cluster: &Cluster, name: &str, args: &[&str]) -> String {
    let program = program().with_file_name("examples").join(name);
    assert!(
        program.is_file(),
        "{} is not there: run `cargo build -p partita-client --examples` first",
        program.display()
    );
    let surroundings = cluster.place.command(["none"]);
    let mut command = Command::new(program);
    command.args(args).current_dir(cluster.place.path("data")).env_clear();
    for (key, value) in surroundings.get_envs() {
        if let Some(value) = value {
            command.env(key, value);
        }
    }
    cluster.place.spawn(name, command).finish(LONG).ok()
}

/// The example of frames says what DataFusion alone says, and what it writes is what it says.
#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_frames_runs() {
    let cluster = cluster();
    let text = example(&cluster, "frame", &["flights.csv", "airports.csv", "by-city"]);
    let by_city = "select city, count(1) as flights, sum(delay) as minutes \
                   from flights join airports on origin = code where delay > 30 \
                   group by city order by minutes desc, city";
    let grouped = expected(&cluster, by_city).await;
    assert!(text.contains(&grouped), "{text}\nis not\n{grouped}");
    let longest = "select * from flights where delay > 30 order by delay desc, origin limit 3";
    let delays = |text: &str| -> Vec<String> {
        let cells = |line: &str| line.split('|').nth(2).map(|cell| cell.trim().to_string());
        text.lines().rev().take(6).filter_map(cells).collect()
    };
    // Equal delays of one origin may come in any order.
    let longest = expected(&cluster, longest).await;
    assert_eq!(delays(&text), delays(&longest), "{text}\nis not\n{longest}");
    let context = SessionContext::new();
    let written = path(&cluster, "by-city");
    context.register_parquet("w", &written, Default::default()).await.expect("a table");
    let read = context.sql("select * from w order by minutes desc, city").await.expect("a plan");
    assert_eq!(shown(&read.collect().await.expect("rows")), grouped);
    cluster.wait_idle(SOON);
}

/// The example of persisted tables uploads them, reads them, publishes them and fetches them.
#[test]
fn the_example_of_held_tables_runs() {
    let cluster = cluster();
    let text = example(&cluster, "persisted", &[]);
    // Of the numbers below 40000, those that end with 3: the mean of 3 and 39993, 4000 times.
    for line in ["persisted 40000 rows", "sums of digits: 10 rows", "fetched 40000 rows"] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    assert!(text.contains("| 3     | 79992000 |"), "{text}");
    assert!(!cluster.place.run(["tables"]).ok().contains("sums"));
    cluster.wait_idle(SOON);
}

/// Steps of all kinds give what SQL gives on plain DataFusion.
#[tokio::test(flavor = "multi_thread")]
async fn frames_answer_as_datafusion_does() {
    let cluster = cluster();
    let client = connect(&cluster).await;
    let flights = client.read(&path(&cluster, "flights.csv")).await.expect("flights");
    let airports = client.read(&path(&cluster, "airports.csv")).await.expect("airports");
    let order = |names: &[&str]| names.iter().map(|n| col(*n).sort(true, true)).collect::<Vec<_>>();
    let cases: Vec<(Frame, &str)> = vec![
        (
            flights
                .clone()
                .join(airports.clone(), JoinType::Left, &["origin"], &["code"])
                .and_then(|f| f.aggregate(vec![col("city")], vec![sum(col("delay")).alias("s")]))
                .and_then(|f| f.sort(order(&["city"])))
                .expect("a join"),
            "select city, sum(delay) as s from flights left join airports on origin = code \
             group by city order by city nulls first",
        ),
        (
            flights
                .clone()
                .select(vec![col("origin")])
                .and_then(|f| f.union(airports.clone().select(vec![col("code")])?))
                .and_then(Frame::distinct)
                .and_then(|f| f.sort(order(&["origin"])))
                .expect("a union"),
            "select origin from flights union select code from airports order by 1",
        ),
        (
            flights
                .clone()
                .map(|f| {
                    let rank = row_number()
                        .partition_by(vec![col("origin")])
                        .order_by(vec![col("number").sort(false, true)])
                        .build()?
                        .alias("r");
                    f.window(vec![rank])?
                        .filter(col("r").lt_eq(lit(2)))?
                        .select(vec![col("origin"), col("number"), col("r")])?
                        .sort(order(&["origin", "r"]))
                })
                .expect("a window"),
            "select origin, number, r from (select *, row_number() over \
             (partition by origin order by number desc) as r from flights) where r <= 2 order by 1, 3",
        ),
        (
            client
                .sql(&format!(
                    "select delay, count(*) as n from '{}' group by delay;",
                    path(&cluster, "flights.csv")
                ))
                .await
                .expect("a query")
                .with_column("twice", col("n") * lit(2))
                .and_then(|f| f.filter(col("delay").lt(lit(-10))))
                .and_then(|f| f.sort(order(&["delay"])))
                .and_then(|f| f.limit(1, Some(4)))
                .expect("steps"),
            "select delay, count(*) as n, count(*) * 2 as twice from flights where delay < -10 \
             group by delay order by delay limit 4 offset 1",
        ),
    ];
    for (frame, sql) in cases {
        assert_eq!(answer(&frame).await, expected(&cluster, sql).await, "{sql}");
    }
    assert_eq!(flights.count().await.expect("a count"), FLIGHTS as u64);
    let plan = flights.clone().distinct().expect("a frame").explain().await.expect("a plan");
    assert!(plan.contains("stage 0") && plan.contains("Shuffle"), "{plan}");
    let figures = flights.filter(col("delay").gt(lit(0))).expect("a frame").explain_analyze().await;
    assert!(figures.expect("figures").contains("on slots"));
}

/// Frames are persisted with and without a name, sorted ones sorted; text runs that has no plan to send.
#[tokio::test(flavor = "multi_thread")]
async fn frames_are_persisted() {
    let cluster = Cluster::start(2, &["--nthreads=2"]);
    let client = connect(&cluster).await;
    let rows = client
        .sql("select value * 7919 % 100003 as k, value as v from generate_series(1, 100000)")
        .await
        .expect("rows");
    let sorted = rows.clone().sort(vec![col("k").sort(true, true)]).expect("an order");
    let persisted = sorted.persist_as("Sorted rows", false).await.expect("a table");
    assert_eq!((persisted.name(), persisted.rows()), ("Sorted rows", 100_000));
    let taken = sorted.persist_as("Sorted rows", false).await.expect_err("a name that is taken");
    assert!(taken.to_string().contains("already"), "{taken}");
    sorted.persist_as("Sorted rows", true).await.expect("another in its place");
    let range =
        persisted.frame().await.expect("a frame").filter(col("k").between(lit(10), lit(20)));
    let plan = range.expect("a range").explain().await.expect("a plan");
    assert!(plan.contains("1 of them read") || plan.contains("2 of them read"), "{plan}");
    let keys = persisted.get().await.expect("rows");
    let keys = concat_batches(&keys[0].schema(), &keys).expect("one batch");
    let keys = keys.column(0).as_primitive::<Int64Type>().values().to_vec();
    assert!(keys.is_sorted() && keys.len() == 100_000);
    let even = rows.filter((col("v") % lit(2)).eq(lit(0))).expect("a frame");
    let unnamed = even.persist().await.expect("a table");
    assert_eq!(unnamed.frame().await.expect("a frame").count().await.expect("a count"), 50_000);
    let shared = Client::connect(&cluster.access).await.expect("a client");
    let error =
        shared.sql("select 1").await.expect("a frame").persist().await.expect_err("refused");
    assert!(error.to_string().contains("in_own_session"), "{error}");
    let recursive = "with recursive t as (select 1 as n union all select n + 1 from t where n < 5) \
                     select n from t";
    // Such a table is made whole, in an order or not.
    assert_eq!(cluster.sql(&format!("create table r as {recursive} order by n desc")), "5\n");
    assert_eq!(cluster.sql("select sum(n) from r"), "15\n");
    cluster.sql("drop table r");
    let whole = client.sql(recursive).await.expect("a frame");
    assert_eq!(whole.persist().await.expect("a table").rows(), 5);
    let error = whole.filter(col("n").gt(lit(2))).expect("a step").collect().await;
    assert!(error.expect_err("refused").to_string().contains("persist"));
    persisted.release().await.expect("let go");
    drop((client, unnamed, even, sorted));
    // What was persisted for the client goes with it.
    wait_for("no tables", SOON, || {
        (!cluster.place.run(["tables"]).ok().contains("frame-")).then_some(())
    });
    cluster.wait_idle(SOON);
}

/// Frames are written, in the format and the folders that are asked for.
#[tokio::test(flavor = "multi_thread")]
async fn frames_are_written() {
    let cluster = cluster();
    let client = connect(&cluster).await;
    let flights = client.read(&path(&cluster, "flights.csv")).await.expect("flights");
    let how = Write { partition_by: vec!["origin".into()], ..Write::default() };
    let target = path(&cluster, "by-origin");
    assert_eq!(flights.write(&target, how).await.expect("files"), FLIGHTS as u64);
    let back = client.read(&target).await.expect("a frame");
    let montreal = back.filter(col("origin").eq(lit("YUL"))).expect("a frame");
    assert_eq!(montreal.count().await.expect("a count"), FLIGHTS as u64 / 4);
    let file = path(&cluster, "few.csv");
    let few = flights.clone().limit(0, Some(10)).expect("a frame");
    assert_eq!(few.write_csv(&file).await.expect("a file"), 10);
    let text = std::fs::read_to_string(&file).expect("the file");
    assert_eq!(text.lines().next(), Some("origin,delay,number"));
    let how = Write { format: "xlsx".into(), ..Write::default() };
    let error = flights.write(&path(&cluster, "x"), how).await.expect_err("refused");
    assert!(error.to_string().contains("supported: parquet, csv, json, arrow"), "{error}");
}

/// What cannot be done is refused, and the error names the thing and the remedy.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_is_refused() {
    let cluster = cluster();
    let client = connect(&cluster).await;
    let says = |error: Result<Vec<RecordBatch>, partita_client::ClientError>, word: &str| {
        let error = error.expect_err("refused").to_string();
        assert!(error.contains(word), "{word} is not in {error}");
    };
    assert!(client.table("nowhere").await.expect_err("refused").to_string().contains("nowhere"));
    let flights = client.read(&path(&cluster, "flights.csv")).await.expect("flights");
    let mut deep = flights.clone();
    for step in 0..60 {
        deep = deep.with_column("delay", col("delay") + lit(step)).expect("a step");
        deep = deep.filter(col("delay").gt(lit(step))).expect("a step");
    }
    says(deep.collect().await, "persist");
    let error = flights.clone().alias("My flights").expect_err("refused").to_string();
    assert!(error.contains("my_flights"), "{error}");
    let mut some = flights.clone();
    for step in 0..20 {
        some = some.filter(col("number").gt_eq(lit(step))).expect("a step");
    }
    assert_eq!(some.count().await.expect("a count"), FLIGHTS as u64 - 19);
    let codes = client.read(&path(&cluster, "airports.csv")).await.expect("airports");
    let codes = codes.select(vec![col("code")]).expect("a frame");
    let within = in_subquery(col("origin"), Arc::new(codes.data_frame().logical_plan().clone()));
    says(
        flights.clone().filter(within).expect("a frame").collect().await,
        "write that part in SQL",
    );
    let here = RecordBatch::try_from_iter([("a", numbers(0..3))]).expect("a batch");
    let here = client.context().read_batch(here).expect("a frame");
    says(client.frame(here).collect().await, "only in this process");
    let local = flights.data_frame().clone().collect().await.expect_err("not here").to_string();
    assert!(local.contains("on the cluster"), "{local}");
    // A statement with side effects is not a frame, not even when only its columns are requested.
    let made = client.sql("create table t as select 1 as a").await;
    let failed = match made {
        Ok(frame) => frame.filter(lit(true)).expect("a step").collect().await.map(drop),
        Err(error) => Err(error),
    };
    assert!(failed.expect_err("refused").to_string().contains("not a query"));
    assert!(client.tables().await.expect("tables").is_empty());
    // Files that change meanwhile.
    cluster.place.write("flights.csv", "origin,delay\nYUL,1\n");
    says(
        flights.filter(col("number").gt(lit(1))).expect("a frame").collect().await,
        "make the frame again",
    );
}

fn numbers(range: std::ops::Range<i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(range))
}

/// Partitions with numbers, texts and dictionaries.
fn partitions(count: i64, rows: i64) -> Vec<RecordBatch> {
    let one = |at: i64| {
        let texts = (0..rows).map(|row| format!("text {row} of partition {at}"));
        let words: DictionaryArray<Int32Type> =
            (0..rows).map(|row| ["red", "green", "blue"][(row % 3) as usize]).collect();
        RecordBatch::try_from_iter([
            ("n", numbers(at * rows..(at + 1) * rows)),
            ("s", Arc::new(StringArray::from_iter_values(texts)) as ArrayRef),
            ("w", Arc::new(words) as ArrayRef),
        ])
        .expect("a batch")
    };
    (0..count).map(one).collect()
}

/// What is uploaded comes back as it was, in its order, straight from the workers and through the
/// scheduler; in both ways it is a table of the cluster.
#[tokio::test(flavor = "multi_thread")]
async fn uploads_come_back() {
    let cluster = Cluster::start(2, &["--nthreads=2"]);
    for through in [false, true] {
        let client = connect(&cluster).await;
        let client = if through { client.through_scheduler() } else { client };
        // Of several messages each: their first one has the schema and the command.
        let uploaded = partitions(5, 60_000);
        let how = Upload { name: Some(format!("uploaded {through}")), public: true, replicas: 1 };
        let table = client.upload(uploaded.clone(), how).await.expect("a table");
        assert_eq!(table.rows(), 300_000);
        let back = table.get().await.expect("rows");
        let one = |batches: &[RecordBatch]| concat_batches(&uploaded[0].schema(), batches);
        assert_eq!(one(&back).expect("one batch"), one(&uploaded).expect("one batch"));
        let sums = table.frame().await.expect("a frame");
        let sums = sums.aggregate(vec![col("w")], vec![sum(col("n")).alias("s")]).expect("a frame");
        let batches = sums.collect().await.expect("rows");
        let total: i64 = batches
            .iter()
            .flat_map(|batch| batch.column(1).as_primitive::<Int64Type>().iter().flatten())
            .sum();
        assert_eq!(total, 300_000 * 299_999 / 2);
        let empty = partitions(2, 0);
        let none = client.upload(empty, Upload::default()).await.expect("a table without rows");
        assert_eq!(
            (none.rows(), none.get().await.expect("rows").iter().map(|b| b.num_rows()).sum()),
            (0, 0)
        );
        let renamed = table.rename("other").await.expect("another name");
        assert!(client.table("other").await.is_ok());
        renamed.release().await.expect("let go");
    }
    let client = connect(&cluster).await;
    let mut mixed = partitions(1, 3);
    mixed.push(RecordBatch::try_from_iter([("a", numbers(0..3))]).expect("a batch"));
    let error = client.upload(mixed, Upload::default()).await.expect_err("refused").to_string();
    assert!(error.contains("partition 1 has different columns"), "{error}");
    let error =
        client.upload(Vec::new(), Upload::default()).await.expect_err("refused").to_string();
    assert!(error.contains("at least one partition"), "{error}");
    let how = Upload { replicas: 99, ..Upload::default() };
    let error = client.upload(partitions(1, 3), how).await.expect_err("refused").to_string();
    assert!(error.contains("replicas"), "{error}");
}

/// Copies of a table outlive a worker.
#[tokio::test(flavor = "multi_thread")]
async fn copies_outlive_a_worker() {
    let cluster = Cluster::start(2, &[]);
    let client = connect(&cluster).await;
    assert_eq!(client.workers().await.expect("workers").len(), 2);
    assert_eq!(client.cluster().await.expect("the cluster").workers, 2);
    let how = Upload { replicas: 2, ..Upload::default() };
    let table = client.upload(partitions(4, 1000), how).await.expect("a table");
    let victim = cluster.workers[0].pid();
    signal(victim, libc::SIGKILL);
    wait_for("its loss", SOON, || {
        (cluster.worker(victim).state == WorkerState::Lost).then_some(())
    });
    let back = table.get().await.expect("rows");
    assert_eq!(back.iter().map(RecordBatch::num_rows).sum::<usize>(), 4000);
    let waited = client.wait_for_workers(2, std::time::Duration::from_millis(200)).await;
    let error = waited.expect_err("too few").to_string();
    assert!(error.contains("1 of 2 workers"), "{error}");
}
