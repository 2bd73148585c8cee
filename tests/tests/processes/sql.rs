//! `partita sql`.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::ipc::reader::StreamReader;
use partita_shared::access::{SCHEDULER_VARIABLE, TOKEN_VARIABLE};
use partita_shared::model::JobState;
use partita_tests::process::data::{numbers, slow};
use partita_tests::process::{Cluster, Place, SOON, rows, wait_for};

const PEOPLE: &str = "name,age\nAda,36\nBlaise,39\nCarl,77\n";

/// A place with a small file and no cluster.
fn place() -> Place {
    let place = Place::new();
    place.write("people.csv", PEOPLE);
    place
}

/// Names of what lies in the data folder.
fn listing(place: &Place) -> Vec<String> {
    let entries = std::fs::read_dir(place.path("data")).expect("the data folder");
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.expect("an entry").file_name().to_string_lossy().into_owned()
    };
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

/// On a bare machine a query runs inside the process, finds its file by a relative path, and
/// leaves no scratch folder behind.
#[test]
fn a_query_needs_no_cluster() {
    let place = place();
    let table = place.run(["sql", "select sum(age) as years from 'people.csv'"]).ok();
    assert!(table.contains("years") && table.contains("152"), "{table}");
    let scratch = std::fs::read_dir(place.path("scratch")).expect("the scratch folder");
    assert_eq!(scratch.count(), 0);
}

/// A cluster is found by its access file; by address and token where there is none; and an
/// address without a token is an error that says what to do. `--embedded` stays away from it.
#[test]
fn a_cluster_is_found() {
    let cluster = Cluster::start(1, &[]);
    let query = "select sum(value) from generate_series(1, 10) as t(value)";
    assert_eq!(cluster.sql(query), "55\n");
    assert_eq!(cluster.jobs().len(), 1);
    let other = Place::new();
    let mut command = other.command(["sql", "--output=csv", query]);
    command.env(SCHEDULER_VARIABLE, format!("tcp://{}", cluster.access.address));
    command.env(TOKEN_VARIABLE, &cluster.access.token);
    assert_eq!(rows(&other.spawn("sql", command).finish(SOON)), "55\n");
    assert_eq!(cluster.jobs().len(), 2);
    let address = &cluster.access.address;
    let without = other.run(["sql", "--scheduler", address, query]);
    without.fails(1, &["no token", address, TOKEN_VARIABLE]);
    assert_eq!(rows(&cluster.place.run(["sql", "--embedded", "--output=csv", query])), "55\n");
    assert_eq!(cluster.jobs().len(), 2);
}

/// A file of statements makes tables and views that later statements see, on a cluster and
/// without one; the query can come from standard input as well.
#[test]
fn statements_follow_each_other() {
    let script = "-- ages; as a table\n\
        create external table people stored as csv location 'people.csv' \
        options ('format.has_header' 'true');\n\
        create view old as select name from people where age > 38;\n\
        select count(*) as n from people; select name from old order by name;";
    let cluster = Cluster::start(1, &[]);
    for place in [&place(), &cluster.place] {
        place.write("people.csv", PEOPLE);
        place.write("script.sql", script);
        let text = place.run(["sql", "--output=csv", "-f", "script.sql"]).ok();
        assert_eq!(text, "n\n3\nname\nBlaise\nCarl\n");
        let text = place.run_with_input(&["sql", "--output=csv", "-"], script).ok();
        assert_eq!(text, "n\n3\nname\nBlaise\nCarl\n");
    }
}

/// Every format holds the same rows; an empty result has its header; Parquet needs a file.
#[test]
fn rows_are_written_in_every_format() {
    let place = place();
    let query = "select name, age from 'people.csv' order by name";
    let run = |format: &str| place.run(["sql", "--output", format, query]);
    let table = run("table").ok();
    assert!(table.starts_with('+') && table.contains("| Ada    | 36  |"), "{table}");
    assert_eq!(run("csv").ok(), PEOPLE);
    let json: Vec<serde_json::Value> =
        run("json").ok().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(json[2], serde_json::json!({"name": "Carl", "age": 77}));
    let arrow = run("arrow");
    arrow.ok();
    let reader = StreamReader::try_new(arrow.stdout.as_slice(), None).expect("a stream");
    let batches: Vec<RecordBatch> = reader.map(|batch| batch.expect("a batch")).collect();
    let ages: Vec<i64> = batches
        .iter()
        .flat_map(|batch| batch.column(1).as_primitive::<Int64Type>().values().to_vec())
        .collect();
    assert_eq!(ages, [36, 39, 77]);
    run("parquet").fails(1, &["--output-file"]);
    place.run(["sql", "--output=parquet", "-o", "people.parquet", query]).ok();
    let again = "select * from 'people.parquet' order by name";
    assert_eq!(place.run(["sql", "--output=csv", again]).ok(), PEOPLE);
    let none = "select name, age from 'people.csv' where age > 100";
    assert_eq!(place.run(["sql", "--output=csv", none]).ok(), "name,age\n");
}

/// `-o` replaces a file when the result is complete: a query that fails half-way or is interrupted
/// leaves what was there, and nothing else.
#[test]
fn an_output_file_is_whole_or_not_there() {
    let place = place();
    place.write("out.csv", "old\n");
    let fails = "select cast(s as bigint) from (select 'x' || s as s, k from '{}') where k > 1000";
    let fails = fails.replace("{}", &numbers().display().to_string());
    place.run(["sql", "--output=csv", "-o", "out.csv", &fails]).fails(1, &["row-"]);
    let read = || std::fs::read_to_string(place.path("data").join("out.csv")).expect("the file");
    assert_eq!(read(), "old\n");
    let long = format!("select k, {} from '{}'", slow("s"), numbers().display());
    let mut sql = place.start(["sql", "--output=csv", "-o", "out.csv", &long]);
    wait_for("rows in the draft", SOON, || (listing(&place).len() > 2).then_some(()));
    assert_eq!(read(), "old\n");
    sql.signal(libc::SIGINT);
    assert_eq!(sql.finish(SOON).code, 130);
    assert_eq!(listing(&place), ["out.csv", "people.csv"]);
    assert_eq!(read(), "old\n");
    place.run(["sql", "--output=csv", "-o", "out.csv", "select 1 as one"]).ok();
    assert_eq!(read(), "one\n1\n");
    assert_eq!(listing(&place), ["out.csv", "people.csv"]);
}

/// 0 for an answer, 1 for a query without one, 2 for a command line that is none.
#[test]
fn exit_codes_say_what_happened() {
    let place = place();
    place.run(["sql", "select 1"]).ok();
    place.run(["sql", "select nothing from 'people.csv'"]).fails(1, &["nothing"]);
    place.run(["sql", " ; -- nothing"]).fails(1, &["no statement"]);
    place.run(["sql", "-f", "nowhere.sql"]).fails(1, &["cannot read nowhere.sql"]);
    place.run(["sql", "--output=xml", "select 1"]).fails(2, &["xml", "table"]);
    place.run(["sql"]).fails(2, &["QUERY"]);
    place.run(["sql", "--explain", "--analyze", "select 1"]).fails(2, &["--analyze"]);
}

/// `--explain` shows the groups of tasks and runs nothing; `--analyze` runs, and shows what each
/// operator did.
#[test]
fn plans_are_shown() {
    let cluster = Cluster::start(2, &[]);
    cluster.place.write("people.csv", PEOPLE);
    let query = "select name, count(*) from 'people.csv' group by name";
    let text = cluster.place.run(["sql", "--explain", query]).ok();
    for word in ["logical_plan", "group 0", "group 1", "Shuffle of group 0", "AggregateExec"] {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
    assert_eq!(cluster.jobs().len(), 0);
    let text = cluster.place.run(["sql", "--analyze", query]).ok();
    for word in ["group 0", "[3 rows", "on slots", "AggregateExec"] {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
    assert_eq!(cluster.jobs().len(), 1);
}

/// `--progress json` writes one JSON object a line to standard error, the last of a job that is
/// done, and leaves standard output to the rows.
#[test]
fn progress_is_json_lines() {
    let cluster = Cluster::start(1, &[]);
    let folder = numbers();
    let query = format!("select g, count(*) as n from '{}' group by g", folder.display());
    for more in [&["--embedded"][..], &[]] {
        let args = ["sql", "--output=csv", "--progress=json", &query].into_iter();
        let ran = cluster.place.run(args.chain(more.iter().copied()));
        assert_eq!(rows(&ran).lines().count(), 1000);
        let lines: Vec<serde_json::Value> =
            ran.stderr.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let last = lines.last().expect("a line");
        assert_eq!(last["job"]["state"], serde_json::json!(JobState::Done), "{last}");
        assert!(last["groups"].as_array().is_some_and(|groups| !groups.is_empty()), "{last}");
    }
}
