//! Random queries over random tables.

use crate::data::parquet;
use crate::fixture::fixture;
use crate::grammar::{Dialect, FILE_ROWS_MAX, Floats, Grammar, TABLES, rows};
use anyhow::{Context, Result, ensure};
use partita_tests::local::LocalCluster;
use partita_tests::oracle::{Oracle, Sameness};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::path::Path;
use tempfile::TempDir;

/// Sets of tables.
const DATA_SETS: u64 = 12;
/// Queries over each.
const QUERIES_EACH: u64 = 10;
/// Files of a table at most.
const FILES_MAX: u32 = 5;
/// The share of tables without rows, where there are such.
const EMPTY_SHARE: f64 = 0.1;
/// Memory of each worker of other clusters.
const MEMORY_BYTES_EACH: u64 = 256 << 20;
/// A single node may refuse one of this many queries.
pub(crate) const REFUSED_SHARE_MAX: u64 = 10;
/// The seed of the first set; that of a failure, given in the variable below, comes first too.
pub(crate) const FIRST_SEED: u64 = 20_130_901;
/// The environment variable with the seed of the first set.
pub(crate) const SEED_VARIABLE: &str = "PARTITA_TEST_SEED";
/// The environment variable with the number of sets, for a long search.
pub(crate) const SETS_VARIABLE: &str = "PARTITA_TEST_SETS";

/// Ways of planning of which each set gets some.
const SETTINGS: &[&[&str]] = &[
    &[
        "datafusion.optimizer.hash_join_single_partition_threshold = 0",
        "datafusion.optimizer.hash_join_single_partition_threshold_rows = 0",
    ],
    &["datafusion.optimizer.prefer_hash_join = false"],
    &["datafusion.execution.batch_size = 7"],
    &["datafusion.optimizer.repartition_file_min_size = 1"],
    &["datafusion.optimizer.prefer_existing_union = true"],
];

/// Keeps a single node from wrong answers: DataFusion 55 moves a condition on a scalar subquery
/// below outer joins and global aggregates as if it were one on a constant.
const SCALAR_SUBQUERIES_BY_JOIN: &str =
    "datafusion.optimizer.enable_physical_uncorrelated_scalar_subquery = false";

pub(crate) fn number(variable: &str, otherwise: u64) -> Result<u64> {
    match std::env::var(variable) {
        Ok(text) => text.parse().with_context(|| format!("{variable}={text}")),
        Err(_) => Ok(otherwise),
    }
}

/// Writes the tables. Where floating-point numbers are special, some tables are empty too.
pub(crate) fn write_tables(rng: &mut SmallRng, folder: &Path, floats: Floats) -> Result<()> {
    for table in TABLES {
        std::fs::create_dir(folder.join(table))?;
        let is_empty = floats == Floats::Special && rng.random_bool(EMPTY_SHARE);
        let rows_max = if is_empty { 0 } else { FILE_ROWS_MAX };
        for file in 0..rng.random_range(1..=FILES_MAX) {
            let batch = rows(rng, rows_max, floats);
            parquet(&folder.join(table).join(format!("{file}.parquet")), batch.schema(), [batch])?;
        }
    }
    Ok(())
}

/// Checks the queries of one seed. Gives those that a single node refused: the grammar knows more
/// than the planner.
async fn check_seed(oracle: &Oracle, rng: &mut SmallRng) -> Result<Vec<String>> {
    for table in TABLES {
        oracle.both(&format!("create view {table} as select * from '{{dir}}/{table}/'")).await?;
    }
    oracle.on_single_node_only(&format!("set {SCALAR_SUBQUERIES_BY_JOIN}")).await?;
    for group in SETTINGS {
        if rng.random_bool(0.3) {
            for setting in *group {
                oracle.on_cluster_only(&format!("set {setting}")).await?;
            }
        }
    }
    let mut refused = Vec::new();
    for _ in 0..QUERIES_EACH {
        let sql = Grammar::new(rng, Dialect::DataFusion).query();
        if let Err(error) = oracle.single(&sql).await {
            refused.push(format!("{error:#}, by {sql}"));
            continue;
        }
        oracle.check(&sql, Sameness::Rows).await?;
    }
    Ok(refused)
}

/// Queries that nobody thought of have the same answers too. A failure names its seed.
#[test]
fn random_queries() -> Result<()> {
    check_seeds(&fixture()?.cluster, number(SETS_VARIABLE, DATA_SETS)?)
}

/// The same where every step is one task, and where the tasks of a step are more than the files.
#[test]
fn random_queries_on_other_clusters() -> Result<()> {
    for (workers, slots_each) in [(1, 1), (3, 3)] {
        let cluster = LocalCluster::start(workers, slots_each, MEMORY_BYTES_EACH)?;
        let checked = check_seeds(&cluster, number(SETS_VARIABLE, DATA_SETS)? / 3);
        checked.with_context(|| format!("on {workers} workers with {slots_each} slots"))?;
    }
    Ok(())
}

fn check_seeds(cluster: &LocalCluster, sets: u64) -> Result<()> {
    let first = number(SEED_VARIABLE, FIRST_SEED)?;
    let (mut refused, mut failures) = (Vec::new(), Vec::new());
    for seed in first..first + sets {
        let mut rng = SmallRng::seed_from_u64(seed);
        let folder = TempDir::with_prefix("partita-random-")?;
        write_tables(&mut rng, folder.path(), Floats::Plain)?;
        let checked = cluster.run(async {
            let oracle = Oracle::new(cluster, folder.path()).await?;
            check_seed(&oracle, &mut rng).await
        });
        match checked {
            Ok(some) => refused.extend(some),
            Err(error) => failures.push(format!("{SEED_VARIABLE}={seed}: {error:#}")),
        }
    }
    ensure!(failures.is_empty(), "{} sets failed\n\n{}", failures.len(), failures.join("\n\n"));
    let (count, all) = (refused.len() as u64, sets * QUERIES_EACH);
    ensure!(
        count * REFUSED_SHARE_MAX < all,
        "a single node refuses {count} of {all}: the grammar needs fixing\n{}",
        refused.join("\n")
    );
    Ok(())
}
