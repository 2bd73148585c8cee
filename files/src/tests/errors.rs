//! Errors name what is wrong and where.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::super::format::KNOWN;
use super::{Fixture, reads_anything};

const PLANNING: &str = "Error during planning: ";

async fn fails(f: &Fixture, name: &str, expected: &str) {
    let err = f.error(&format!("select * from '{name}'")).await;
    assert_eq!(err, format!("{PLANNING}{expected}"), "{name}");
}

/// Names that look like paths and lead nowhere say where was looked; other names are DataFusion's.
#[tokio::test]
async fn nothing_there() {
    let f = Fixture::new();
    f.write("d/a.csv", "n\n1\n");
    fails(&f, "x.csv", "no such file or folder: 'x.csv' (looked for $DIR/x.csv)").await;
    fails(&f, "x/y", "no such file or folder: 'x/y' (looked for $DIR/x/y)").await;
    fails(
        &f,
        "d/a.csv/b.csv",
        "no such file or folder: 'd/a.csv/b.csv' (looked for $DIR/d/a.csv/b.csv)",
    )
    .await;
    fails(&f, "/no/x.csv.gz", "no such file or folder: '/no/x.csv.gz' (looked for /no/x.csv.gz)")
        .await;
    fails(&f, "d/*.json", "no data file matches 'd/*.json' (looked for $DIR/d/*.json)").await;
    fails(&f, "no/*.csv", "no data file matches 'no/*.csv' (looked for $DIR/no/*.csv)").await;
    fails(&f, "d/a.csv/", "'d/a.csv/' is a file, not a folder; remove the slash at its end").await;
    for name in ["flights", "notes.txt", "Flights"] {
        fails(&f, name, &format!("table 'datafusion.public.{name}' not found")).await;
    }
    let err = f.error("select * from nothing.here").await;
    assert_eq!(err, format!("{PLANNING}table 'datafusion.nothing.here' not found"));
}

/// A folder without data is an error that says so; a plain word that names one is not a table.
#[tokio::test]
async fn no_data() {
    let f = Fixture::new();
    fs::create_dir(f.path("empty")).expect("folder");
    fails(&f, "empty/", "no data file in folder 'empty/' (looked in $DIR/empty)").await;
    fails(&f, "./empty", "no data file in folder './empty' (looked in $DIR/empty)").await;
    fails(&f, "empty", "table 'datafusion.public.empty' not found").await;
    f.write("docs/a.txt", "x");
    let expected = format!(
        "no data file in folder 'docs/' (looked in $DIR/docs): 1 other file has an unsupported extension, such as '$DIR/docs/a.txt'; supported: {KNOWN}"
    );
    fails(&f, "docs/", &expected).await;
    let expected = format!(
        "no data file matches 'docs/*.txt' (looked for $DIR/docs/*.txt): 1 other file has an unsupported extension, such as '$DIR/docs/a.txt'; supported: {KNOWN}"
    );
    fails(&f, "docs/*.txt", &expected).await;
    f.write("nil.csv", "");
    fails(&f, "nil.csv", "'nil.csv' ($DIR/nil.csv) is empty: it has no columns").await;
}

/// An extension that is not known leads to those that are.
#[tokio::test]
async fn unknown_extension() {
    let f = Fixture::new();
    for name in ["data.txt", "x.parquet.gz", "bare"] {
        f.write(name, "n\n1\n");
        let expected = format!(
            "cannot tell the format of '{name}' ($DIR/{name}) from its extension; supported: {KNOWN}; for other names use CREATE EXTERNAL TABLE ... STORED AS"
        );
        fails(&f, name, &expected).await;
    }
}

/// Files that are not of one kind, or have other columns, are named two at a time.
#[tokio::test]
async fn files_that_differ() {
    let f = Fixture::new();
    f.write("m/a.csv", "n\n1\n");
    f.write("m/b.json", "{\"n\": 1}\n");
    let expected = "'m' has files of different formats: '$DIR/m/a.csv' is csv, '$DIR/m/b.json' is \
                    json; choose one with a pattern";
    fails(&f, "m", expected).await;
    f.write("z/a.csv", "n\n1\n");
    f.write("z/b.csv.gz", "x");
    let expected = "'z' has files of different formats: '$DIR/z/a.csv' is csv, '$DIR/z/b.csv.gz' \
                    is csv in gzip; choose one with a pattern";
    fails(&f, "z", expected).await;
    f.write("i/a.csv", "n\n1\n");
    f.write("i/b.csv", "n,m\n1,2\n");
    let expected = "the files of 'i' have different columns: '$DIR/i/b.csv' has 'm', \
                    '$DIR/i/a.csv' does not";
    fails(&f, "i", expected).await;
    f.export("select 1 as n", "w/a.arrow", "arrow", "").await;
    f.export("select 'x' as n", "w/b.arrow", "arrow", "").await;
    let expected = "the files of 'w' have different columns: column 1 is 'n' (Int64) in \
                    '$DIR/w/a.arrow' and 'n' (Utf8) in '$DIR/w/b.arrow'";
    fails(&f, "w", expected).await;
    f.export("select 1 as n", "p/a.parquet", "parquet", "").await;
    f.export("select 'x' as n", "p/b.parquet", "parquet", "").await;
    let err = f.error("select * from 'p'").await;
    assert!(err.starts_with(&format!("{PLANNING}cannot combine the files of 'p': ")), "{err}");
}

/// External tables read CSV by position: files with the columns in another order are refused.
#[tokio::test]
async fn external_tables() {
    let f = Fixture::new();
    f.write("h/a.csv", "n,m\n1,2\n");
    f.write("h/b.csv", "n,m\n3,4\n");
    let create = |name: &str, options: &str| {
        let folder = f.path("h").display().to_string();
        format!("create external table {name} stored as csv location '{folder}' {options}")
    };
    f.rows(&create("good", "")).await;
    assert_eq!(f.rows("select sum(n), sum(m) from good").await, ["4,6"]);
    f.write("h/b.csv", "m,n\n3,4\n");
    let err = f.error(&create("bad", "")).await;
    assert!(err.contains("column 1 is 'n' in '$DIR/h/a.csv' and 'm' in '$DIR/h/b.csv'"), "{err}");
    f.rows(&create("plain", "options ('format.has_header' 'false')")).await;
    assert_eq!(f.rows("select count(*) from plain").await, ["4"]);
}

/// Partition folders that differ are named two at a time.
#[tokio::test]
async fn partition_folders_that_differ() {
    let f = Fixture::new();
    f.write("t/year=1/month=1/a.csv", "n\n1\n");
    f.write("t/year=2/a.csv", "n\n1\n");
    let expected = "partition folders differ: '$DIR/t/year=1/month=1/a.csv' has year=/month=, \
                    '$DIR/t/year=2/a.csv' has year=";
    fails(&f, "t", expected).await;
    f.write("u/k=1/a.csv", "n\n1\n");
    f.write("u/z.csv", "n\n1\n");
    let expected = "partition folders differ: '$DIR/u/k=1/a.csv' has k=, '$DIR/u/z.csv' has none";
    fails(&f, "u", expected).await;
    f.write("v/k=1/k=2/a.csv", "n\n1\n");
    fails(&f, "v", "'$DIR/v/k=1/k=2/a.csv' has the partition folder 'k=' twice").await;
}

/// A broken file among good ones is named.
#[tokio::test]
async fn broken_files() {
    let f = Fixture::new();
    f.export("select 1 as n", "p/a.parquet", "parquet", "").await;
    f.write("p/b.parquet", "this is not parquet");
    let err = f.error("select * from 'p'").await;
    assert!(
        err.starts_with(&format!("{PLANNING}cannot read '$DIR/p/b.parquet' as parquet: ")),
        "{err}"
    );
    f.write("x.arrow", "this is not arrow");
    let err = f.error("select * from 'x.arrow'").await;
    assert!(err.starts_with(&format!("{PLANNING}cannot read '$DIR/x.arrow' as arrow: ")), "{err}");
    f.write("x.csv.gz", "this is not gzip");
    let err = f.error("select * from 'x.csv.gz'").await;
    assert!(err.starts_with(&format!("{PLANNING}cannot read '$DIR/x.csv.gz' as csv: ")), "{err}");
}

/// An existing file that cannot be read is named. Root may read anything, so for root the test
/// tries only dangling and circular links.
#[tokio::test]
async fn unreadable() {
    let f = Fixture::new();
    symlink(f.path("loop.csv"), f.path("loop.csv")).expect("link");
    let err = f.error("select * from 'loop.csv'").await;
    assert!(
        err.starts_with(&format!("{PLANNING}cannot read '$DIR/loop.csv': Too many levels")),
        "{err}"
    );
    f.write("d/a.csv", "n\n1\n");
    symlink(f.path("gone"), f.path("d/b.csv")).expect("link");
    for name in ["d", "d/*.csv"] {
        let err = f.error(&format!("select * from '{name}'")).await;
        assert!(
            err.starts_with(&format!("{PLANNING}cannot read '$DIR/d/b.csv': No such file")),
            "{err}"
        );
    }
    f.write("shut.csv", "n\n1\n");
    f.write("shut/a.csv", "n\n1\n");
    f.write("some/a.csv", "n\n1\n");
    for name in ["shut.csv", "shut", "some/a.csv"] {
        fs::set_permissions(f.path(name), fs::Permissions::from_mode(0o000)).expect("permissions");
    }
    if reads_anything(&f.path("shut.csv")) {
        return;
    }
    for (name, path) in [("shut.csv", "shut.csv"), ("shut/", "shut"), ("some", "some/a.csv")] {
        fails(&f, name, &format!("cannot read '$DIR/{path}': Permission denied (os error 13)"))
            .await;
    }
    fs::set_permissions(f.path("shut"), fs::Permissions::from_mode(0o700)).expect("permissions");
}

/// Addresses of which the scheme is unknown, or that are no local files, are refused as such.
#[tokio::test]
async fn addresses() {
    let f = Fixture::new();
    let only = "cannot be read: supported are paths, file:// addresses, s3://, gs://, az://, abfs://, http:// and https://";
    fails(&f, "hdfs://host/x.parquet", &format!("'hdfs://host/x.parquet' {only}")).await;
    let err = f.error("select * from 'file://host/x.csv'").await;
    assert!(
        err.contains("'file://host/x.csv' is not a valid file:// URL: it names another host"),
        "{err}"
    );
    let err = f.error("select * from 'file:///a/?.csv'").await;
    assert!(err.contains("write '?' as %3F"), "{err}");
}
