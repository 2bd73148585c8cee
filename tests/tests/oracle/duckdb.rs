//! Random queries against DuckDB, over tables with nulls, ties, NaN, both zeros, and without rows.

use crate::fixture::fixture;
use crate::grammar::{Dialect, Floats, Grammar, TABLES, for_duckdb};
use crate::random::{
    FIRST_SEED, REFUSED_SHARE_MAX, SEED_VARIABLE, SETS_VARIABLE, number, write_tables,
};
use anyhow::{Result, ensure};
use futures::StreamExt;
use partita_tests::local::LocalCluster;
use partita_tests::oracle::{DuckDb, Oracle};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tempfile::TempDir;

/// Sets of tables.
const DATA_SETS: u64 = 40;
/// Queries over each.
const QUERIES_EACH: u64 = 50;
/// Queries that the cluster answers at the same time.
const QUERIES_AT_ONCE: usize = 4;

/// What became of the queries of one set.
#[derive(Debug, Default)]
struct Checked {
    /// Those that DataFusion does not plan or DuckDB does not answer: the grammar knows more than they.
    refused: Vec<String>,
    failures: Vec<String>,
}

async fn check_seed(cluster: &LocalCluster, duckdb: &mut DuckDb, seed: u64) -> Result<Checked> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let folder = TempDir::with_prefix("partita-duckdb-")?;
    write_tables(&mut rng, folder.path(), Floats::Special)?;
    let oracle = Oracle::new(cluster, folder.path()).await?;
    for table in TABLES {
        oracle.both(&format!("create view {table} as select * from '{{dir}}/{table}/'")).await?;
        let files = folder.path().join(table).join("*.parquet");
        // Not a view: DuckDB too takes the statistics of Parquet files, which omit NaN, for whole.
        let rows = format!("select * from read_parquet('{}')", files.display());
        duckdb.run(&format!("create or replace table {table} as {rows}"))?;
    }
    let mut checked = Checked::default();
    let mut queries = Vec::new();
    for _ in 0..QUERIES_EACH {
        let sql = Grammar::new(&mut rng, Dialect::Shared).query();
        if !oracle.is_planned(&sql).await {
            checked.refused.push(format!("DataFusion does not plan {sql}"));
            continue;
        }
        match duckdb.run(&for_duckdb(&sql)) {
            Ok(answer) => queries.push((sql, answer)),
            Err(error) => checked.refused.push(format!("{error:#}")),
        }
    }
    let oracle = &oracle;
    let answers = futures::stream::iter(queries)
        .map(|(sql, answer)| async move { oracle.check_against_duckdb(&sql, &answer).await })
        .buffer_unordered(QUERIES_AT_ONCE);
    let failures = answers.filter_map(|answer| async move { answer.err() });
    checked.failures = failures.map(|error| format!("{error:#}")).collect().await;
    Ok(checked)
}

/// Queries that nobody thought of mean what they mean in DuckDB. A failure names its seed.
#[test]
fn random_queries_as_in_duckdb() -> Result<()> {
    let (first, sets) = (number(SEED_VARIABLE, FIRST_SEED)?, number(SETS_VARIABLE, DATA_SETS)?);
    let fixture = fixture()?;
    let mut duckdb = DuckDb::start()?;
    let (mut refused, mut failures) = (Vec::new(), Vec::new());
    for seed in first..first + sets {
        let checked = fixture.cluster.run(check_seed(&fixture.cluster, &mut duckdb, seed))?;
        refused.extend(checked.refused);
        failures.extend(
            checked.failures.into_iter().map(|text| format!("{SEED_VARIABLE}={seed}: {text}")),
        );
    }
    ensure!(failures.is_empty(), "{} failed\n\n{}", failures.len(), failures.join("\n\n"));
    let (count, all) = (refused.len() as u64, sets * QUERIES_EACH);
    ensure!(
        count * REFUSED_SHARE_MAX < all,
        "{count} of {all} are refused: the grammar needs fixing\n{}",
        refused.join("\n")
    );
    Ok(())
}
