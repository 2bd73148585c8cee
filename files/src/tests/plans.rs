//! Scans can be divided and leave out what they need not read.

use std::any::Any;
use std::sync::Arc;

use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::prelude::SessionConfig;

use super::super::FileTable;
use super::Fixture;

/// Splits any file, however small, four ways.
fn splitting() -> Fixture {
    let mut config = SessionConfig::new().with_target_partitions(4);
    config.options_mut().optimizer.repartition_file_min_size = 1;
    Fixture::with_config(config)
}

async fn plan(f: &Fixture, sql: &str) -> Arc<dyn ExecutionPlan> {
    f.context.sql(sql).await.expect("plan").create_physical_plan().await.expect("physical plan")
}

/// The file groups of the scans of a query.
async fn groups(f: &Fixture, sql: &str) -> Vec<FileGroup> {
    let mut found = Vec::new();
    plan(f, sql)
        .await
        .apply(|node| {
            if let Some(source) = node.downcast_ref::<DataSourceExec>()
                && let Some(scan) = source.data_source().downcast_ref::<FileScanConfig>()
            {
                found.extend(scan.file_groups.clone());
            }
            Ok(TreeNodeRecursion::Continue)
        })
        .expect("walk");
    found
}

/// A large CSV or JSON file is read in byte ranges, without losing a row; a compressed one whole.
#[tokio::test]
async fn ranges() {
    let f = splitting();
    let rows = "select value as n, 'text' as s from generate_series(1, 20000)";
    for (name, stored_as, options, ways) in [
        ("a.csv", "csv", "", 4),
        ("a.csv.gz", "csv", "'format.compression' 'gzip'", 1),
        ("a.json", "json", "", 4),
        ("a.json.zst", "json", "'format.compression' 'zstd'", 1),
        ("a.parquet", "parquet", "", 4),
    ] {
        f.export(rows, name, stored_as, options).await;
        let sql = format!("select sum(n), count(s) from '{name}'");
        assert_eq!(groups(&f, &sql).await.len(), ways, "{name}");
        assert_eq!(f.rows(&sql).await, ["200010000,20000"], "{name}");
    }
}

/// The files of a folder are divided by size, words for missing values or not.
#[tokio::test]
async fn by_size() {
    let f = splitting();
    for n in 0..10 {
        let rows = if n == 0 { 9_000 } else { 100 };
        f.write(&format!("d/{n}.csv"), format!("a,b\nNA,2\n{}", "1,2\n".repeat(rows)));
    }
    let sql = "select sum(a), sum(b), count(*) from 'd'";
    let sizes: Vec<i64> = groups(&f, sql)
        .await
        .iter()
        .map(|group| {
            group
                .iter()
                .map(|file| file.range.as_ref().expect("range"))
                .map(|r| r.end - r.start)
                .sum()
        })
        .collect();
    assert_eq!(sizes.len(), 4);
    let (least, most) = (sizes.iter().min().expect("four"), sizes.iter().max().expect("four"));
    assert!(most - least < 10, "{sizes:?}");
    assert_eq!(f.rows(sql).await, ["9900,19820,9910"]);
}

/// A thousand files are one table.
#[tokio::test]
async fn many_files() {
    let f = Fixture::new();
    for n in 0..1000 {
        f.write(&format!("d/k={}/{n:04}.csv", n % 10), format!("n\n{n}\n"));
    }
    assert_eq!(f.rows("select sum(n), count(*) from 'd'").await, ["499500,1000"]);
    assert_eq!(f.rows("select count(*) from 'd' where k = 3").await, ["100"]);
}

/// Filters on partition folders leave out files before they are read.
#[tokio::test]
async fn pruning() {
    let f = Fixture::new();
    for year in 2020..2024 {
        let name = format!("t/year={year}/x.parquet");
        f.export(&format!("select {year} * 2 as n"), &name, "parquet", "").await;
    }
    let files = async |condition: &str| -> usize {
        let sql = format!("select n from 't' where {condition}");
        groups(&f, &sql).await.iter().map(FileGroup::len).sum()
    };
    assert_eq!(files("year = 2021").await, 1);
    assert_eq!(files("year > 2021 and n > 0").await, 2);
    assert_eq!(files("year in (2020, 2023) or year is null").await, 2);
    assert_eq!(files("year = 1999").await, 0);
    assert_eq!(files("n > 0").await, 4);
    assert!(f.rows("select n from 't' where year = 1999").await.is_empty());
    assert_eq!(f.rows("select n from 't' where year = 2022").await, ["4044"]);
}

/// Parquet footers give exact statistics, so counting reads no rows; a limit stops at the first
/// files that have enough of them.
#[tokio::test]
async fn statistics() {
    let f = Fixture::new();
    for n in 0..8 {
        let rows = format!("select value + {n} * 100 as n from generate_series(1, 100)");
        f.export(&rows, &format!("t/k={}/{n}.parquet", n % 2), "parquet", "").await;
    }
    let scan = plan(&f, "select * from 't'").await;
    let statistics = StatisticsContext::new()
        .compute(scan.as_ref(), &StatisticsArgs::new())
        .expect("statistics");
    assert_eq!(statistics.num_rows, Precision::Exact(800));
    let min = statistics.column_statistics[0].min_value.get_value().expect("min").to_string();
    let max = statistics.column_statistics[1].max_value.get_value().expect("max").to_string();
    assert_eq!((min.as_str(), max.as_str()), ("1", "1"));
    assert!(groups(&f, "select count(*), max(n) from 't'").await.is_empty());
    assert_eq!(f.rows("select count(*), max(n), max(k) from 't'").await, ["800,800,1"]);
    let read = groups(&f, "select n from 't' limit 150").await;
    assert_eq!(read.iter().map(FileGroup::len).sum::<usize>(), 2);
    assert_eq!(f.rows("select n from 't' limit 150").await.len(), 150);
    assert_eq!(f.rows("select n from 't' where n > 700 limit 150").await.len(), 100);
}

/// Files in which a filter cannot hold, by their footers, are not read; those with missing values and
/// those that may hold it are.
#[tokio::test]
async fn files_are_left_out() {
    let f = Fixture::new();
    for n in 0..8 {
        let rows = format!(
            "select value + {n} * 100 as n, cast(value + {n} * 100 as varchar) as s,
                case when {n} = 3 then null else value + {n} * 100 end as gap
                from generate_series(1, 100)"
        );
        f.export(&rows, &format!("t/{n}.parquet"), "parquet", "").await;
    }
    for (filter, files) in [
        ("n between 150 and 250", 2),
        ("n = 300 or n = 301", 2),
        ("n > 10000", 0),
        ("n < 500 and n % 7 = 3", 5),
        ("gap > 600", 2),
        ("gap is null", 1),
        ("gap is null and n < 300", 0),
        ("n in (1, 799)", 2),
        ("n + 1 > 10000", 8),
        ("s like '%9'", 8),
        ("random() > 2 or n = 5", 8),
    ] {
        let read = groups(&f, &format!("select n from 't' where {filter}")).await;
        assert_eq!(read.iter().map(FileGroup::len).sum::<usize>(), files, "{filter}");
        let all = format!("select count(*) from (select * from 't' limit 800) where {filter}");
        let counted = format!("select count(*) from 't' where {filter}");
        assert_eq!(f.rows(&counted).await, f.rows(&all).await, "{filter}");
    }
}

/// A table that is kept sees files that come and go.
#[tokio::test]
async fn kept_tables() {
    let f = Fixture::new();
    f.write("d/k=1/a.csv", "n\n1\n");
    let table = f.open("d").await;
    f.context.register_table("kept", Arc::clone(&table)).expect("register");
    assert_eq!(f.rows("select n, k from kept").await, ["1,1"]);
    f.write("d/k=2/b.csv", "n\n2\n");
    f.write("d/k=1/a.csv", "n\n10\n11\n");
    let table: &dyn Any = table.as_ref();
    let table = table.downcast_ref::<FileTable>().expect("file table");
    table.expire();
    assert_eq!(f.rows("select n, k from kept order by n").await, ["2,2", "10,1", "11,1"]);
    assert_eq!(table.bytes(), 12);
    f.write("d/k=x/b.csv", "n\n2\n");
    table.expire();
    let err = f.error("select * from kept").await;
    assert!(
        err.contains("'$DIR/d/k=x/b.csv' has k=x, which is not an integer like the others"),
        "{err}"
    );
}
