//! Tables that are files of every format, named by path.

use crate::fixture::{check, check_with, fixture};
use anyhow::Result;
use partita_tests::oracle::Sameness;

/// What every format is asked; the mark stands for the table.
const QUESTIONS: &[&str] = &[
    "select * from TABLE",
    "select count(*), sum(id), sum(v), min(txt), count(day) from TABLE",
    "select txt, even, count(*), avg(v) from TABLE group by txt, even",
    "select id, v from TABLE where v > 10 and even order by id desc limit 20",
    "select a.id, b.txt from TABLE a join TABLE b on a.id = b.id + 100",
    "select count(*) from TABLE",
];

/// Folders, patterns and single files of every format.
const PLACES: &[&str] = &[
    "csv/",
    "csv-gz/",
    "ndjson/",
    "arrow/",
    "parquet/",
    "csv/2024-*.csv",
    "csv-gz/*.gz",
    "ndjson/2024-0[12].ndjson",
    "arrow/2024-0?.arrow",
    "**/2024-00.parquet",
    "csv/2024-02.csv",
    "csv-gz/2024-02.csv.gz",
    "ndjson/2024-00.ndjson",
    "arrow/2024-01.arrow",
    "large.csv",
    "large.ndjson",
    "large.arrow",
];

fn questions(places: &[&str]) -> Vec<String> {
    let ask = |place: &&str| {
        let table = format!("'{{dir}}/{place}'");
        QUESTIONS.iter().map(move |question| question.replace("TABLE", &table)).collect::<Vec<_>>()
    };
    places.iter().flat_map(ask).collect()
}

/// The formats give the same rows on workers as in one process.
#[test]
fn formats() -> Result<()> {
    let queries = questions(PLACES);
    check(&queries.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The same where each file is read by several tasks, as far as its format allows.
#[test]
fn parts_of_files() -> Result<()> {
    let queries = questions(&["large.csv", "large.ndjson", "large.arrow", "csv/", "csv-gz/"]);
    let settings = ["datafusion.optimizer.repartition_file_min_size = 1"];
    check_with(&settings, &queries.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Folders named `key=value` are columns, and those that a filter rules out are not read.
#[test]
fn partition_folders() -> Result<()> {
    check(&[
        "select * from '{dir}/hive/'",
        "select year, kind, count(*), sum(id) from '{dir}/hive/' group by year, kind",
        "select id, year from '{dir}/hive/' where kind = 'a' and year > 2020 order by year, id",
        "select kind, id from '{dir}/hive/year=2021' order by kind, id",
        "select year, count(*) from '{dir}/hive/year=*/kind=b' group by year",
        "select a.id, b.kind from '{dir}/hive/' a join '{dir}/hive/' b
            on a.id = b.id and a.kind = b.kind and a.year = 2020",
        "select max(year), count(distinct kind) from '{dir}/hive/' where year = 2022",
        "select id from '{dir}/hive/' where year = 1999",
    ])
}

/// Tables that `CREATE EXTERNAL TABLE` makes, and views of views.
#[test]
fn registered_tables() -> Result<()> {
    let fixture = fixture()?;
    fixture.cluster.run(async {
        let oracle = fixture.oracle().await?;
        for statement in [
            "create external table t_csv stored as csv location '{dir}/csv/' \
             options ('format.has_header' 'true')",
            "create external table t_parquet stored as parquet location '{dir}/parquet/'",
            "create external table t_typed (id bigint, txt varchar, v double, even boolean, \
             day varchar) stored as csv location '{dir}/csv/2024-02.csv' \
             options ('format.has_header' 'true')",
            "create view v_small as select id, v from t_parquet where id < 50",
            "create view v_top as select a.id, b.txt from v_small a join t_csv b on a.id = b.id",
        ] {
            oracle.both(statement).await?;
        }
        let queries = [
            "select * from t_csv",
            "select count(*), sum(v) from t_parquet",
            "select day, count(*) from t_typed group by day",
            "select * from v_top order by id",
            "select txt, count(*) from v_top group by txt",
        ];
        oracle.check_all(&queries, Sameness::Rows).await?;
        oracle.both("drop view v_top").await?;
        oracle.check_fails("select * from v_top").await.map(|_| ())
    })
}
