//! Persisted tables: uploaded, read on the cluster, fetched.
//!
//! ```text
//! cargo run -p partita-client --example persisted
//! ```

use anyhow::Result;
use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::util::pretty::pretty_format_batches;
use datafusion::functions_aggregate::expr_fn::sum;
use datafusion::prelude::{col, lit};
use partita_client::{Client, Upload, access};
use std::sync::Arc;
use std::time::Duration;

/// Rows of each partition.
const ROWS: i64 = 10_000;

#[tokio::main]
async fn main() -> Result<()> {
    let client = Client::connect(&access::find(None, None)?).await?.in_own_session().await?;
    client.wait_for_workers(2, Duration::from_secs(60)).await?;

    // Four partitions, each held by two workers: what was uploaded cannot be recomputed.
    let partitions = (0..4).map(numbers).collect::<Result<Vec<_>, _>>()?;
    let table = client.upload(partitions, Upload { replicas: 2, ..Upload::default() }).await?;
    println!("persisted {} rows", table.rows());

    // Work on them runs where they are; its result is persisted there, too.
    let sums = table
        .frame()
        .await?
        .aggregate(vec![(col("n") % lit(10)).alias("digit")], vec![sum(col("n")).alias("sum")])?
        .sort(vec![col("digit").sort(true, true)])?
        .persist()
        .await?;
    println!("{}", pretty_format_batches(&sums.get().await?)?);

    // Under a name that everyone sees it stays when this process ends.
    let published = sums.publish("sums of digits", true).await?;
    for row in client.tables().await?.iter().filter(|row| row.session.is_none()) {
        println!("{}: {} rows", row.name, row.rows);
    }
    published.release().await?;

    // All rows, each partition from the worker that has it.
    let home = table.get().await?;
    println!("fetched {} rows", home.iter().map(RecordBatch::num_rows).sum::<usize>());
    table.release().await?;
    Ok(())
}

/// A partition: the numbers that follow those of the one before.
fn numbers(partition: i64) -> Result<RecordBatch, arrow::error::ArrowError> {
    let numbers: ArrayRef =
        Arc::new(Int64Array::from_iter_values(partition * ROWS..(partition + 1) * ROWS));
    RecordBatch::try_from_iter([("n", numbers)])
}
