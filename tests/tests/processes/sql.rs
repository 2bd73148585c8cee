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

/// A cluster is found by its access file; without one, by address and token; an address without a
/// token is an error that says what to do. `--embedded` stays away from it.
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
    // The name of the file says the format, and what was written is read, streams of Arrow too.
    for name in ["named.parquet", "named.csv", "named.tsv", "named.json", "named.arrow"] {
        place.run(["sql", "-o", name, query]).ok();
        let again = format!("select name, age from '{name}' order by name");
        assert_eq!(place.run(["sql", "--output=csv", &again]).ok(), PEOPLE, "{name}");
    }
    let first = place.run(["sql", "--output=csv", "from 'named.arrow' order by name limit 1"]);
    assert_eq!(first.ok(), "name,age\nAda,36\n");
    place.run(["sql", "-o", "named.dat", query]).fails(1, &["cannot tell the format"]);
    place.run(["sql", "--output=csv", "-o", "a.parquet", query]).fails(1, &["is csv"]);
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
    // Many times the numbers: rows come soon, and the statement still runs when the interrupt comes.
    let part = format!("select k, {} from '{}'", slow("s"), numbers().display());
    let long = vec![part; 50].join(" union all ");
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

/// 0 for an answer, 1 for a failed query, 2 for an invalid command line.
#[test]
fn exit_codes_say_what_happened() {
    let place = place();
    place.run(["sql", "select 1"]).ok();
    place.run(["sql", "select nothing from 'people.csv'"]).fails(1, &["nothing"]);
    place.run(["sql", " ; -- nothing"]).fails(1, &["no statement"]);
    place.run(["sql", "-f", "nowhere.sql"]).fails(1, &["cannot read nowhere.sql"]);
    place.run(["sql", "--output=xml", "select 1"]).fails(2, &["xml", "table"]);
    place.run(["sql"]).fails(1, &["no statement"]);
    place.run(["sql", "--explain", "--analyze", "select 1"]).fails(2, &["--analyze"]);
}

/// `--explain` shows the stages and runs nothing; `--analyze` runs, and shows what each
/// operator did.
#[test]
fn plans_are_shown() {
    let cluster = Cluster::start(2, &[]);
    cluster.place.write("people.csv", PEOPLE);
    let query = "select name, count(*) from 'people.csv' group by name";
    let text = cluster.place.run(["sql", "--explain", query]).ok();
    for word in ["logical_plan", "stage 0", "stage 1", "Shuffle of stage 0", "AggregateExec"] {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
    // The statement is listed: it was answered without a task.
    let explained = cluster.last_job().expect("the statement");
    assert_eq!((explained.state, explained.tasks.total()), (JobState::Done, 0));
    let text = cluster.place.run(["sql", "--analyze", query]).ok();
    for word in ["stage 0", "[3 rows", "on slots", "AggregateExec"] {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
    assert_eq!(cluster.jobs().len(), 2);
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
        assert!(last["stages"].as_array().is_some_and(|stages| !stages.is_empty()), "{last}");
    }
}

/// `-o` and `--pid-file` replace a link instead of writing to what it leads to.
#[test]
fn links_are_not_written_through() {
    let place = place();
    let precious = place.write("precious", "keep");
    let link = |name: &str| {
        let path = place.path("data").join(name);
        std::os::unix::fs::symlink(&precious, &path).expect("a link");
        path
    };
    let output = link("out.csv");
    place.run(["sql", "--output=csv", "-o", "out.csv", "select 1 as one"]).ok();
    assert_eq!(std::fs::read_to_string(&output).expect("the rows"), "one\n1\n");
    let pid_file = link("scheduler.pid");
    let mut scheduler =
        place.start(["scheduler", "--host=127.0.0.1", "--port=0", "--pid-file=scheduler.pid"]);
    place.access();
    let pid = wait_for("the process id", SOON, || {
        let text = std::fs::read_to_string(&pid_file).expect("the file");
        text.trim().parse::<u32>().ok()
    });
    assert_eq!(pid, scheduler.pid());
    scheduler.signal(libc::SIGTERM);
    assert_eq!(scheduler.finish(SOON).code, 0);
    assert!(!pid_file.exists());
    assert_eq!(std::fs::read_to_string(&precious).expect("the target"), "keep");
}

/// Without a cluster, a table is gone with the process: as the last thing that a command does it is refused before
/// anything runs, and inside one command it is used.
#[test]
fn a_table_without_a_cluster_is_not_lost_silently() {
    let place = place();
    let create = "create or replace table t as select age from 'people.csv'";
    let words = ["would be lost", "partita scheduler", "partita run", "COPY"];
    place.run(["sql", create]).fails(1, &words);
    place.run(["sql", "--embedded", create]).fails(1, &words);
    let script = format!("copy (select 1 as a) to 'a.csv'; {create};");
    place.run_with_input(&["sql", "-"], &script).fails(1, &words);
    assert!(!place.path("data").join("a.csv").exists());
    let script = format!("{create}; select sum(age) as years from t");
    assert_eq!(place.run(["sql", "--output=csv", &script]).ok(), "count\n3\nyears\n152\n");
    let cluster = Cluster::start(1, &[]);
    cluster.place.run(["sql", "create table t as select 1 as a"]).ok();
    assert_eq!(cluster.sql("select a from t"), "1\n");
}

/// Inside a Slurm job whose cluster is gone, a query says where it runs.
#[test]
fn a_job_without_its_cluster_is_told() {
    let place = place();
    let mut command = place.command(["sql", "--output=csv", "select 1 as one"]);
    command.env("SLURM_JOB_ID", "4711");
    let ran = place.spawn("sql", command).finish(SOON);
    assert_eq!(ran.ok(), "one\n1\n");
    assert!(ran.stderr.contains("Slurm job 4711 has no cluster"), "{}", ran.stderr);
    assert!(ran.stderr.contains("inside this process"), "{}", ran.stderr);
}

/// What DuckDB's users write has its meaning, or an error that says what is written here; a statement may
/// begin with a comment, and a file takes the rows of the last statement that has some.
#[test]
fn habits_are_understood() {
    let place = place();
    let csv = |query: &str| rows(&place.run(["sql", "--output=csv", query]));
    assert_eq!(csv("-- the sum\nselect sum(age) as s from read_csv('people.csv')"), "152\n");
    assert_eq!(
        csv("/* one */ select count(*) from read_csv_auto('people.csv') p where age > 38"),
        "2\n"
    );
    let columns = "name,Utf8,YES\nage,Int64,YES\n";
    assert_eq!(csv("show columns from 'people.csv'"), columns);
    csv("copy (select age, name from 'people.csv' order by age) to 'out.csv' (format csv, header)");
    assert_eq!(csv("select name from 'out.csv' where age = 77"), "Carl\n");
    csv("copy (select * from 'people.csv') to 'bare.csv' (header false, delimiter ';')");
    let bare = std::fs::read_to_string(place.path("data").join("bare.csv")).expect("the file");
    assert!(bare.contains("Ada;36") && !bare.contains("age"), "{bare}");
    for (query, hint) in [
        ("select * from people.csv", "'people.csv'"),
        ("summarize 'people.csv'", "DESCRIBE"),
        ("select * from read_csv('people.csv', header = true)", "CREATE EXTERNAL TABLE"),
        ("copy (select 1) to 'x.csv' (format csv, colour red)", "colour"),
    ] {
        place.run(["sql", query]).fails(1, &[hint]);
    }
    let several = "create table t as select name from 'people.csv'; select * from t order by name; drop table t";
    let args = ["sql", "--output=csv", "--output-file=rows.csv", several];
    place.run(args).ok();
    let written = std::fs::read_to_string(place.path("data").join("rows.csv")).expect("the file");
    assert_eq!(written, "name\nAda\nBlaise\nCarl\n");
}
