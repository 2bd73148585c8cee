//! What is in the files comes out of them.

use std::fs;

use datafusion::arrow::ipc::writer::StreamWriter;

use super::Fixture;

const THREE: &str = "select * from (values (1, 'a'), (2, 'b'), (3, null)) as t(n, s)";
const THREE_ROWS: [&str; 3] = ["1,a", "2,b", "3,"];

/// Every format and every extension of it reads the same rows.
#[tokio::test]
async fn formats() {
    let f = Fixture::new();
    for (written, stored_as, others) in [
        ("a.parquet", "parquet", &["b.pq", "C.Parquet"][..]),
        ("a.csv", "csv", &["b.CSV"]),
        ("a.json", "json", &["b.ndjson", "c.jsonl"]),
        ("a.arrow", "arrow", &["b.ipc", "c.feather"]),
    ] {
        f.export(THREE, written, stored_as, "").await;
        for name in others.iter().chain([&written]) {
            if name != &written {
                fs::copy(f.path(written), f.path(name)).expect("copy");
            }
            let rows = f.rows(&format!("select n, s from '{name}' order by n")).await;
            assert_eq!(rows, THREE_ROWS, "{name}");
        }
    }
    f.write("a.tsv", "n\ts\n1\ta\n2\tb\n3\t\n");
    assert_eq!(f.rows("select * from 'a.tsv' order by n").await, THREE_ROWS);
    assert_eq!(f.columns("select * from 'a.tsv'").await, ["n Int64", "s Utf8"]);
}

/// CSV and JSON read the same rows from each compression.
#[tokio::test]
async fn compressions() {
    let f = Fixture::new();
    for (extension, method) in [("gz", "gzip"), ("bz2", "bzip2"), ("xz", "xz"), ("zst", "zstd")] {
        for (format, delimiter) in [("csv", ""), ("tsv", ", 'format.delimiter' '\t'"), ("json", "")]
        {
            let name = format!("x.{format}.{extension}");
            let options = format!("'format.compression' '{method}'{delimiter}");
            let stored_as = if format == "tsv" { "csv" } else { format };
            f.export(THREE, &name, stored_as, &options).await;
            let bytes = fs::read(f.path(&name)).expect("file");
            assert!(!bytes.starts_with(b"n") && !bytes.starts_with(b"{"), "{name} is compressed");
            let rows = f.rows(&format!("select n, s from '{name}' order by n")).await;
            assert_eq!(rows, THREE_ROWS, "{name}");
        }
    }
}

/// An Arrow stream reads like an Arrow file.
#[tokio::test]
async fn arrow_streams() {
    let f = Fixture::new();
    let batches = f.context.sql(THREE).await.expect("plan").collect().await.expect("rows");
    let file = fs::File::create(f.path("s.arrow")).expect("file");
    let mut writer = StreamWriter::try_new(file, &batches[0].schema()).expect("writer");
    for batch in &batches {
        writer.write(batch).expect("write");
    }
    writer.finish().expect("finish");
    assert_eq!(f.rows("select n, s from 's.arrow' order by n").await, THREE_ROWS);
}

/// Parquet files with different columns read as the union of them.
#[tokio::test]
async fn parquet_union() {
    let f = Fixture::new();
    f.export("select 1 as a, 'x' as b", "p/1.parquet", "parquet", "").await;
    f.export("select 2 as a, 2.5 as c", "p/2.parquet", "parquet", "").await;
    assert_eq!(f.rows("select a, b, c from 'p' order by a").await, ["1,x,", "2,,2.5"]);
}

/// A column that is of integers in one file and of fractions in another is of fractions; fields
/// that only some JSON records have are null in the others.
#[tokio::test]
async fn types_across_files() {
    let f = Fixture::new();
    f.write("c/1.csv", "n,t\n1,2024-01-01\n");
    f.write("c/2.csv", "n,t\n2.5,soon\n");
    f.write("c/3.csv", "n,t\n,\n");
    assert_eq!(f.columns("select * from 'c'").await, ["n Float64", "t Utf8"]);
    assert_eq!(f.rows("select sum(n), count(t), count(*) from 'c'").await, ["3.5,2,3"]);

    f.write("j/1.json", "{\"n\": 1, \"in\": {\"a\": 1}}\n");
    f.write("j/2.json", "{\"n\": 1.5, \"in\": {\"a\": 2.5, \"b\": true}}\n{\"s\": \"x\"}\n");
    let rows = f.rows("select n, \"in\"['a'], \"in\"['b'], s from 'j' order by n").await;
    assert_eq!(rows, ["1.0,1.0,,", "1.5,2.5,true,", ",,,x"]);
}

/// A column that is empty throughout the sample keeps the values that come later.
#[tokio::test]
async fn late_values() {
    let f = Fixture::new();
    let mut text = "n,s\n".to_owned();
    for n in 0..1500 {
        text.push_str(&format!("{n},\n"));
    }
    text.push_str("1500,late\n");
    f.write("late.csv", &text);
    assert_eq!(f.rows("select n, s from 'late.csv' where s is not null").await, ["1500,late"]);
}

/// Missing values written as words leave numbers numbers, even where the sample has none of
/// them, and take nothing from text.
#[tokio::test]
async fn missing_words() {
    let f = Fixture::new();
    let mut text = "delay,temp,carrier,time,empty\n".to_owned();
    for n in 0..1500 {
        let delay = if n % 100 == 3 { "NA".to_owned() } else { n.to_string() };
        text.push_str(&format!("{delay},1.5,AA,2013-01-01T05:00:00Z,NA\n"));
    }
    // Behind the sample, a word in a column that had none so far, and in one of text.
    text.push_str("null,NA,NA,NULL,x\n,,,,\n");
    f.write("flights.csv", &text);
    assert_eq!(
        f.columns("select * from 'flights.csv'").await,
        ["delay Int64", "temp Float64", "carrier Utf8", "time Timestamp(s)", "empty Utf8"]
    );
    let sql = "select count(*), count(delay), max(delay), avg(temp), count(time), count(carrier) \
               from 'flights.csv'";
    assert_eq!(f.rows(sql).await, ["1502,1485,1499,1.5,1500,1501"]);
    let sql = "select carrier, empty from 'flights.csv' where temp is null order by carrier";
    assert_eq!(f.rows(sql).await, ["NA,x", ","]);
    // What is neither number nor word is an error, not a null.
    f.write("bad.csv", format!("{text}oops,1,AA,,\n"));
    let err = f.error("select sum(delay) from 'bad.csv'").await;
    assert!(err.contains("Cannot cast string 'oops' to value of Int64"), "{err}");
    // Without such words nothing is converted.
    f.write("plain.csv", "name,n\nNA,1\nnull,2\n");
    let plain = f.open("plain.csv").await;
    assert!(plain.get_logical_plan().is_none());
    assert_eq!(f.rows("select name, n from 'plain.csv' order by n").await, ["NA,1", "null,2"]);
}

/// Words for missing values and partition folders go together.
#[tokio::test]
async fn missing_words_in_folders() {
    let f = Fixture::new();
    f.write("t/year=2023/a.csv", "Delay\n1\nNA\n");
    f.write("t/year=2024/a.csv", "Delay\n3\n4\n");
    let sql = "select year, count(*), sum(\"Delay\") from 't' where year >= 2024 group by year";
    assert_eq!(f.rows(sql).await, ["2024,2,7"]);
    assert_eq!(f.rows("select count(*), sum(\"Delay\") from 't'").await, ["4,8"]);
}

/// A file with nothing but a header has columns and no rows; empty files beside others are
/// passed over.
#[tokio::test]
async fn nearly_empty() {
    let f = Fixture::new();
    f.write("h.csv", "a,b\n");
    assert_eq!(f.columns("select * from 'h.csv'").await, ["a Utf8", "b Utf8"]);
    assert!(f.rows("select * from 'h.csv'").await.is_empty());
    f.write("d/0.csv", "");
    f.write("d/1.csv", "a\n1\n");
    assert_eq!(f.rows("select * from 'd'").await, ["1"]);
}
