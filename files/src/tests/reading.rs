//! What is in the files comes out of them.

use std::fs;

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
    f.write_stream(THREE, "s.arrow").await;
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

/// Missing values written as words leave numbers numbers, wherever they are, and take nothing from text.
#[tokio::test]
async fn missing_words() {
    let f = Fixture::new();
    let mut text = "delay,temp,carrier,time,empty\n".to_owned();
    for n in 0..1500 {
        let delay = if n % 100 == 3 { "NA".to_owned() } else { n.to_string() };
        text.push_str(&format!("{delay},1.5,AA,2013-01-01T05:00:00Z,NA\n"));
    }
    text.push_str("null,NaN,NA,NULL,x\n,,,,\n");
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
    f.write("plain.csv", "name,n\nNA,1\nnull,2\n");
    assert_eq!(f.rows("select name, n from 'plain.csv' order by n").await, ["NA,1", "null,2"]);
}

/// What comes late in a file decides on types as well: fractions, text, numbers that are too large, and texts
/// that are longer than any sample.
#[tokio::test]
async fn late_types() {
    let f = Fixture::new();
    let long = "a \"\"line\"\",\n".repeat(100_000);
    let mut text = "n,x,big,text\n".to_owned();
    for n in 0..3_000 {
        text.push_str(&format!("{n},{n},{n},\"{n}\"\n"));
    }
    text.push_str(&format!("3000,0.5,18446744073709551615,\"{long}\"\nlast,1,2,3\n"));
    f.write("late.csv", &text);
    let columns = f.columns("select * from 'late.csv'").await;
    assert_eq!(columns, ["n Utf8", "x Float64", "big UInt64", "text Utf8"]);
    let rows = f.rows("select n, x, big, length(text) from 'late.csv' where text > '9999'").await;
    assert_eq!(rows, [format!("3000,0.5,18446744073709551615,{}", 10 * 100_000)]);
    assert_eq!(f.rows("select count(*), sum(x) from 'late.csv'").await, ["3002,4498501.5"]);
}

/// Columns of CSV files are found by their names, plain or compressed, and a file with a header and no rows
/// leaves the others what they are.
#[tokio::test]
async fn columns_in_another_order() {
    let f = Fixture::new();
    for (folder, extension, options) in
        [("p", "csv", ""), ("z", "csv.gz", "'format.compression' 'gzip'")]
    {
        let name = |file: &str| format!("{folder}/{file}.{extension}");
        f.export("select 1 as a, 'x' as b, 2.5 as c", &name("1"), "csv", options).await;
        f.export("select 'y' as b, 3 as c, 2 as a", &name("2"), "csv", options).await;
        f.export("select 'y' as b, 3 as c, 2 as a limit 0", &name("3"), "csv", options).await;
        let sql = format!("select a, b, c from '{folder}' order by a");
        assert_eq!(f.rows(&sql).await, ["1,x,2.5", "2,y,3.0"], "{folder}");
        assert_eq!(f.rows(&format!("select b from '{folder}' order by a")).await, ["x", "y"]);
    }
    // A file that comes after the table was opened is compared where it is read.
    f.write("t/1.csv", "a,b\n1,2\n");
    f.write("t/2.csv", "b\n2\n");
    let err = f.error("select * from 't'").await;
    assert!(err.contains("'$DIR/t/1.csv' has 'a', '$DIR/t/2.csv' does not"), "{err}");
}

/// A byte order mark is not part of the first column's name.
#[tokio::test]
async fn byte_order_mark() {
    let f = Fixture::new();
    f.write("m.csv", "\u{feff}n,s\n1,a\n");
    assert_eq!(f.rows("select n, s from 'm.csv'").await, ["1,a"]);
}

/// Escapes take the meaning from delimiters, quotes and ends of lines, inside of quotes and outside.
#[tokio::test]
async fn escapes() {
    let f = Fixture::new();
    f.write("e.csv", "a,b\r\n1,x\\,y\\\\\r\n2,\"q\\\"r, s\"\r\n\r\n3,z\\\nw\r\n4,\"it''s \"\"\"\n");
    let request = "partita-files:{\"paths\": [\"e.csv\"], \"csv\": {\"escape\": 92}}";
    let rows = f.rows(&format!("select a, b from '{request}' order by a")).await;
    assert_eq!(rows, ["1,x,y\\", "2,q\"r, s", "3,z\nw", "4,it''s \""]);
}

/// Several paths are one table, by the names of the columns, whatever their extensions are.
#[tokio::test]
async fn requests() {
    let f = Fixture::new();
    f.write("x.dat", "# made by hand\na;b\n1,5;x\n\n2;?\n");
    f.write("y.txt", "b;a\ny;1.000\n");
    let request = "partita-files:{\"paths\": [\"x.dat\", \"y.txt\"], \"path_column\": \"path\", \"csv\": \
                   {\"delimiter\": 59, \"decimal\": 44, \"thousands\": 46, \"comment\": 35, \
                   \"missing\": {\"texts\": [\"?\"]}}}";
    let sql = format!("select a, b, right(path, 5) from '{request}' order by a, b");
    assert_eq!(f.rows(&sql).await, ["1.5,x,x.dat", "2.0,,x.dat", "1000.0,y,y.txt"]);
    f.export("select 1 as a, 'x' as b", "1.parquet", "parquet", "").await;
    f.export("select 'y' as b, 2 as a", "2.parquet", "parquet", "").await;
    let request = "partita-files:{\"paths\": [\"1.parquet\", \"2.parquet\"]}";
    assert_eq!(f.rows(&format!("select a, b from '{request}' order by a")).await, ["1,x", "2,y"]);
    let request = request.replace("2.parquet", "none.parquet");
    let err = f.error(&format!("select * from '{request}'")).await;
    assert!(err.contains("no such file or folder: 'none.parquet'"), "{err}");
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

/// Columns whose types differ from file to file get one that has the values of all: integers and floats, units of times,
/// widths. Conditions on them choose the right rows of each file.
#[tokio::test]
async fn columns_of_several_types() {
    let f = Fixture::new();
    let row = |n: &str, t: &str, x: &str| {
        format!(
            "select arrow_cast({n}, '{x}') as n, arrow_cast(timestamp '2026-01-0{t}', 'Timestamp({u}, None)') as t",
            u = if x == "Float64" { "ns" } else { "ms" }
        )
    };
    f.export(&row("3", "1", "Int64"), "w/a.parquet", "parquet", "").await;
    f.export(&row("1.5", "2", "Float64"), "w/b.parquet", "parquet", "").await;
    f.export(&row("7", "3", "Int16"), "w/c.parquet", "parquet", "").await;
    let kinds = "select distinct arrow_typeof(n), arrow_typeof(t) from 'w'";
    assert_eq!(f.rows(kinds).await, ["Float64,Timestamp(ns)"]);
    assert_eq!(f.rows("select sum(n), count(*) from 'w'").await, ["11.5,3"]);
    assert_eq!(f.rows("select n from 'w' where n > 2 order by n").await, ["3.0", "7.0"]);
    let later = "select n from 'w' where t >= timestamp '2026-01-02' order by t";
    assert_eq!(f.rows(later).await, ["1.5", "7.0"]);
    assert_eq!(f.rows("select max(t), min(n) from 'w'").await, ["2026-01-03T00:00:00,1.5"]);
}
