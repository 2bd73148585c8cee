//! Names lead to the right files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use datafusion::logical_expr::{DdlStatement, LogicalPlan};

use super::super::{absolute_locations, registered_only};
use super::Fixture;

/// A folder is all data files below it, with or without a slash at its end.
#[tokio::test]
async fn folders() {
    let f = Fixture::new();
    for (name, n) in [("d/a.csv", 1), ("d/b.csv", 2), ("d/deep/er/c.csv", 4)] {
        f.write(name, format!("n\n{n}\n"));
    }
    for name in ["d/_SUCCESS", "d/README.md", "d/.d.csv", "d/_e.csv", "d/_tmp/f.csv", "d/.g/h.csv"]
    {
        f.write(name, "x,y\n1,2\n");
    }
    for name in ["d", "d/", "./d", "e/../d//"] {
        assert_eq!(f.rows(&format!("select sum(n) from '{name}'")).await, ["7"], "{name}");
    }
    assert_eq!(f.rows("select sum(n) from d").await, ["7"], "as a plain word");
    assert_eq!(f.rows("select a.n from 'd' a join 'd' b on a.n = b.n where a.n > 3").await, ["4"]);
    // A folder may look like a file, and extensions of one format may be mixed.
    f.write("out.csv/part-0.csv", "n\n5\n");
    assert_eq!(f.rows("select n from 'out.csv'").await, ["5"]);
    f.write("j/a.json", "{\"n\": 1}\n");
    f.write("j/b.jsonl", "{\"n\": 2}\n");
    assert_eq!(f.rows("select sum(n) from 'j'").await, ["3"]);
}

/// Wildcards choose files, across folders too, and an existing path is not a pattern.
#[tokio::test]
async fn patterns() {
    let f = Fixture::new();
    for (name, n) in [
        ("d/2024-01.csv", 1),
        ("d/2024-02.csv", 2),
        ("d/2023-01.csv", 4),
        ("d/x/part-1.csv", 8),
        ("d/x/y/part-2.csv", 16),
        ("d/x/y/_part-3.csv", 32),
        ("part-[9].csv", 64),
        ("z/[1]/d/a.csv", 128),
        ("z/1/d/a.csv", 256),
    ] {
        f.write(name, format!("n\n{n}\n"));
    }
    for (name, sum) in [
        ("d/2024-*.csv", 3),
        ("d/202?-01.csv", 5),
        ("d/202[34]-01.csv", 5),
        ("d/202[!3]-0*", 3),
        ("d/**/part-*.csv", 24),
        ("d/**/y/*.csv", 16),
        ("**/y/**/*.csv", 16),
        ("d/*/*.csv", 8),
        ("d/**", 31),
        ("d/*", 31),
        ("d/*/", 24),
        ("d/x/*/_*.csv", 32),
        ("part-[9].csv", 64),
        ("z/[1]/*/a.csv", 128),
        ("z/?/d/a.csv", 256),
    ] {
        assert_eq!(
            f.rows(&format!("select sum(n) from '{name}'")).await,
            [sum.to_string()],
            "{name}"
        );
    }
    // The client's directory is never a pattern.
    f.tables.set_directory(f.path("z/[1]"));
    assert_eq!(f.rows("select n from 'd/*.csv'").await, ["128"]);
}

/// Folders named `key=value` are columns of the right type, also below a pattern.
#[tokio::test]
async fn partition_folders() {
    let f = Fixture::new();
    for (year, month, city, n) in
        [(2023, "12", "Rio%20Branco", 1), (2024, "01", "Bonn", 2), (2024, "02", "Bonn", 4)]
    {
        let folder = format!("t/year={year}/month={month}/extra/city={city}");
        f.export(&format!("select {n} as n"), &format!("{folder}/x.parquet"), "parquet", "").await;
    }
    let all = "select year, month, city, n from 't' order by n";
    let rows = ["2023,12,Rio Branco,1", "2024,1,Bonn,2", "2024,2,Bonn,4"];
    assert_eq!(f.rows(all).await, rows);
    assert_eq!(
        f.columns("select * from 't'").await,
        ["n Int64", "year Int64", "month Int64", "city Utf8"]
    );
    assert_eq!(f.rows(&all.replace("'t'", "'t/year=*/**/x.parquet'")).await, rows);
    assert_eq!(f.rows(&all.replace("'t'", "'t/*/month=*/extra/*/*.parquet'")).await, rows);
    let sql =
        "select sum(n), min(month), count(distinct city) from 't' where year = 2024 and n < 4";
    assert_eq!(f.rows(sql).await, ["2,1,1"]);
    let sql =
        "select year, sum(n) from 't' where city like 'B%' or month > 11 group by year order by 1";
    assert_eq!(f.rows(sql).await, ["2023,1", "2024,6"]);
    // The part above the first wildcard, and the folder itself, only locate the data.
    assert_eq!(
        f.columns("select * from 't/year=2024/month=*/extra/*/*.parquet'").await,
        ["n Int64", "month Int64", "city Utf8"]
    );
    assert_eq!(
        f.columns("select * from 't/year=2024/'").await,
        ["n Int64", "month Int64", "city Utf8"]
    );
}

/// The folder of rows without a key has nulls, in filters and in statistics too.
#[tokio::test]
async fn null_folders() {
    let f = Fixture::new();
    f.export("select 1 as n", "t/k=7/x.parquet", "parquet", "").await;
    f.export("select 2 as n", "t/k=__HIVE_DEFAULT_PARTITION__/x.parquet", "parquet", "").await;
    assert_eq!(f.rows("select n, k from 't' order by n").await, ["1,7", "2,"]);
    assert_eq!(f.rows("select n from 't' where k is null").await, ["2"]);
    assert_eq!(f.rows("select n from 't' where k <> 8").await, ["1"]);
    assert_eq!(f.rows("select count(k), count(*), min(k), max(k) from 't'").await, ["1,2,7,7"]);
}

/// A column inside the files is not replaced by a folder of its name.
#[tokio::test]
async fn columns_before_folders() {
    let f = Fixture::new();
    f.write("t/year=1/month=2/a.csv", "year,n\n2024,1\n");
    assert_eq!(f.columns("select * from 't'").await, ["year Int64", "n Int64", "month Int64"]);
    assert_eq!(f.rows("select * from 't' where year = 2024 and month = 2").await, ["2024,1,2"]);
}

/// Names start at the client's directory, the home directory or the root, or are addresses.
#[tokio::test]
async fn starting_points() {
    let f = Fixture::new();
    f.write("one/my data#1.csv", "n\n1\n");
    f.write("two/my data#1.csv", "n\n2\n");
    let name = "my data#1.csv";
    for (directory, n) in [("one", "1"), ("two", "2")] {
        f.tables.set_directory(f.path(directory));
        assert_eq!(f.rows(&format!("select n from '{name}'")).await, [n]);
        assert_eq!(f.rows(&format!("select n from '../{directory}/./{name}'")).await, [n]);
    }
    let absolute = f.path("one").join(name);
    assert_eq!(f.rows(&format!("select n from '{}'", absolute.display())).await, ["1"]);
    let address = url::Url::from_file_path(&absolute).expect("address");
    assert!(address.as_str().contains("%20"), "{address}");
    assert_eq!(f.rows(&format!("select n from '{address}'")).await, ["1"]);
    let folder = f.path("one").display().to_string();
    assert_eq!(f.rows(&format!("select n from 'file://{folder}/'")).await, ["1"]);
    assert_eq!(f.rows(&format!("select n from 'FILE://{folder}/*.csv'")).await, ["1"]);
    let home = std::env::home_dir().expect("home");
    let err = f.error("select * from '~/no such folder/x.csv'").await;
    assert!(err.contains(&format!("{}/no such folder/x.csv", home.display())), "{err}");
}

/// Links are followed, `..` behind a link is the parent of what it points to, and links in a
/// circle end.
#[tokio::test]
async fn links() {
    let f = Fixture::new();
    f.write("data/deep/a.csv", "n\n1\n");
    f.write("data/b.csv", "n\n2\n");
    symlink(f.path("data/deep"), f.path("short")).expect("link");
    symlink(f.path("data"), f.path("data/deep/circle")).expect("link");
    assert_eq!(f.rows("select n from 'short'").await, ["1"]);
    assert_eq!(f.rows("select n from 'short/../b.csv'").await, ["2"]);
    assert_eq!(f.rows("select sum(n) from 'data'").await, ["3"]);
    assert_eq!(f.rows("select sum(n) from 'data/**/*.csv'").await, ["3"]);
}

/// A table that is registered under the name of a file wins, and can be created though the file
/// is there.
#[tokio::test]
async fn registered_tables() {
    let f = Fixture::new();
    f.write("flights/a.csv", "n\n1\n");
    assert_eq!(f.rows("select n from flights").await, ["1"]);
    for sql in [
        "create view flights as select n + 1 as n from 'flights/'",
        "create table \"flights/a.csv\" as select n + 2 as n from 'flights/'",
    ] {
        let plan = f.context.state().create_logical_plan(sql).await.expect("plan");
        registered_only(f.context.execute_logical_plan(plan)).await.expect("create");
    }
    assert_eq!(f.rows("with w as (select * from flights) select n from w").await, ["2"]);
    assert_eq!(f.rows("select n from 'flights/a.csv'").await, ["3"]);
}

/// Places in statements become absolute for the client's directory and keep their slash.
#[tokio::test]
async fn absolute() {
    let f = Fixture::new();
    let home = std::env::home_dir().expect("home").display().to_string();
    for (location, expected) in [
        ("rel/path", "$DIR/rel/path".to_owned()),
        ("rel/path/", "$DIR/rel/path/".to_owned()),
        ("./x/../y.csv", "$DIR/y.csv".to_owned()),
        ("data/*.csv", "$DIR/data/*.csv".to_owned()),
        ("/abs/x.csv", "/abs/x.csv".to_owned()),
        ("~/x/", format!("{home}/x/")),
        ("file:///abs/a%20b/", "file:///abs/a%20b/".to_owned()),
        ("s3://bucket/x/", "s3://bucket/x/".to_owned()),
    ] {
        let state = f.context.state();
        let copy = format!("explain copy (select 1 as n) to '{location}' stored as csv");
        let create = format!("create external table t stored as csv location '{location}'");
        for sql in [copy.as_str(), &copy["explain ".len()..], &create] {
            let plan = state.create_logical_plan(sql).await.expect("plan");
            let plan = absolute_locations(plan, f.folder.path()).expect("absolute");
            let found = location_of(&plan);
            assert_eq!(f.shorten(&found), expected, "{sql}");
        }
    }
}

fn location_of(plan: &LogicalPlan) -> String {
    match plan {
        LogicalPlan::Copy(copy) => copy.output_url.clone(),
        LogicalPlan::Ddl(DdlStatement::CreateExternalTable(table)) => table.locations[0].clone(),
        other => location_of(other.inputs()[0]),
    }
}

/// What the rewritten statements write and create is where the client is.
#[tokio::test]
async fn absolute_statements_run() {
    let f = Fixture::new();
    for sql in [
        "copy (select 1 as n) to 'out/' stored as csv",
        "create external table t stored as csv location 'out'",
    ] {
        let plan = f.context.state().create_logical_plan(sql).await.expect("plan");
        let plan = absolute_locations(plan, f.folder.path()).expect("absolute");
        let frame = f.context.execute_logical_plan(plan).await.expect("execute");
        frame.collect().await.expect("run");
    }
    assert!(fs::read_dir(f.path("out")).expect("folder").count() > 0);
    assert!(!Path::new("out").exists());
    assert_eq!(f.rows("select n from t").await, ["1"]);
}
