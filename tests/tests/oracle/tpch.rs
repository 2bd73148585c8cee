//! The 22 queries of TPC-H at a small scale.

use crate::data::parquet;
use crate::fixture::fixture;
use anyhow::{Context, Result, ensure};
use partita_tests::local::LocalCluster;
use partita_tests::oracle::{Oracle, Sameness};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow,
    RecordBatchIterator, RegionArrow, SupplierArrow,
};

/// 60 thousand line items.
const SCALE: f64 = 0.01;
/// 600 thousand, for the test with little memory.
const LARGER_SCALE: f64 = 0.1;
/// Files of the large tables.
const PARTS: i32 = 4;

const TABLES: &[(&str, &str)] = &[
    ("lineitem", "lineitem/"),
    ("orders", "orders/"),
    ("partsupp", "partsupp/"),
    ("part", "part.parquet"),
    ("supplier", "supplier.parquet"),
    ("customer", "customer.parquet"),
    ("nation", "nation.parquet"),
    ("region", "region.parquet"),
];

macro_rules! queries {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../queries/tpch/", $name, ".sql")))),*]
    };
}

const QUERIES: &[(&str, &str)] = queries!(
    "q01", "q02", "q03", "q04", "q05", "q06", "q07", "q08", "q09", "q10", "q11", "q12", "q13",
    "q14", "q15", "q16", "q17", "q18", "q19", "q20", "q21", "q22",
);

fn write(path: &Path, rows: impl RecordBatchIterator) -> Result<()> {
    parquet(path, Arc::clone(rows.schema()), rows)
}

fn generate(folder: &Path, scale: f64) -> Result<()> {
    for table in ["lineitem", "orders", "partsupp"] {
        std::fs::create_dir(folder.join(table))?;
    }
    for part in 1..=PARTS {
        let file = |table: &str| folder.join(table).join(format!("{part}.parquet"));
        let lines = LineItemGenerator::new(scale, part, PARTS);
        write(&file("lineitem"), LineItemArrow::new(lines))?;
        write(&file("orders"), OrderArrow::new(OrderGenerator::new(scale, part, PARTS)))?;
        write(&file("partsupp"), PartSuppArrow::new(PartSuppGenerator::new(scale, part, PARTS)))?;
    }
    let file = |table: &str| folder.join(format!("{table}.parquet"));
    write(&file("part"), PartArrow::new(PartGenerator::new(scale, 1, 1)))?;
    write(&file("supplier"), SupplierArrow::new(SupplierGenerator::new(scale, 1, 1)))?;
    write(&file("customer"), CustomerArrow::new(CustomerGenerator::new(scale, 1, 1)))?;
    write(&file("nation"), NationArrow::new(NationGenerator::new(scale, 1, 1)))?;
    write(&file("region"), RegionArrow::new(RegionGenerator::new(scale, 1, 1)))
}

/// Memory of each worker where it is short: 16 MiB of it can be reserved.
const LITTLE_MEMORY_BYTES: u64 = 64 << 20;

/// All 22, with the joins that the planner chooses for small tables (whole tables to every task),
/// for large ones (both sides split by key), and where memory is short (sorted and merged).
#[test]
fn the_22_queries() -> Result<()> {
    let fixture = fixture()?;
    let folder = TempDir::with_prefix("partita-tpch-")?;
    generate(folder.path(), SCALE)?;
    let partitioned = [
        "datafusion.optimizer.hash_join_single_partition_threshold = 0",
        "datafusion.optimizer.hash_join_single_partition_threshold_rows = 0",
    ];
    let sorted = ["datafusion.optimizer.prefer_hash_join = false"];
    for (name, settings) in [("broadcast", &[][..]), ("split", &partitioned), ("sorted", &sorted)] {
        let checked = check_all(&fixture.cluster, folder.path(), settings);
        checked.with_context(|| format!("with joins {name}"))?;
    }
    Ok(())
}

/// All 22 where memory is short: every step has more and smaller tasks than there are slots.
#[test]
fn the_22_queries_in_little_memory() -> Result<()> {
    let folder = TempDir::with_prefix("partita-tpch-")?;
    generate(folder.path(), LARGER_SCALE)?;
    let cluster = LocalCluster::start(2, 1, LITTLE_MEMORY_BYTES)?;
    check_all(&cluster, folder.path(), &[])?;
    // Otherwise the test would prove nothing.
    let plan = cluster.run(async {
        let oracle = Oracle::new(&cluster, folder.path()).await?;
        oracle.explain("select l_tax from '{dir}/lineitem/'").await
    })?;
    let scan = plan.last().map(|(_, text)| text.as_str()).unwrap_or_default();
    ensure!(!scan.contains("(2 tasks"), "the scan has one task for each slot:\n{scan}");
    Ok(())
}

fn check_all(cluster: &LocalCluster, folder: &Path, settings: &[&str]) -> Result<()> {
    cluster.run(async {
        let oracle = Oracle::new(cluster, folder).await?;
        for (table, path) in TABLES {
            let view = format!("create view {table} as select * from '{{dir}}/{path}'");
            oracle.both(&view).await?;
        }
        for setting in settings {
            oracle.on_cluster_only(&format!("set {setting}")).await?;
        }
        check_queries(&oracle).await
    })
}

async fn check_queries(oracle: &Oracle) -> Result<()> {
    let mut failures = Vec::new();
    for (name, sql) in QUERIES {
        if let Err(error) = oracle.check(sql, Sameness::Rows).await {
            failures.push(format!("{name}: {error:#}"));
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n\n"));
    Ok(())
}
