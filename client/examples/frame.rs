//! Frames: plans that are built here, step by step, and run on the cluster.
//!
//! ```text
//! cargo run -p partita-client --example frame -- flights.csv airports.csv by-city
//! ```
//!
//! reads the two files on the workers, keeps what is used twice there, and writes a folder of Parquet.

use anyhow::{Context, Result};
use arrow::util::pretty::pretty_format_batches;
use datafusion::functions_aggregate::expr_fn::{count, sum};
use datafusion::prelude::{JoinType, col, lit};
use partita_client::{Client, access};

#[tokio::main]
async fn main() -> Result<()> {
    let mut paths = std::env::args().skip(1);
    let mut path = || paths.next().context("usage: frame FLIGHTS AIRPORTS NEW_FOLDER");
    let (flights, airports, target) = (path()?, path()?, path()?);

    // A session of one's own: what is persisted for it goes with it.
    let client = Client::connect(&access::find(None, None)?).await?.in_own_session().await?;

    // Nothing is read but the columns' names and types.
    let flights = client.read(&flights).await?;
    let airports = client.read(&airports).await?;
    let late = flights.filter(col("delay").gt(lit(30)))?;

    // This is used twice: the workers hold it.
    let late = late.persist().await?;
    println!("{} late flights", late.rows());

    let by_city = late
        .frame()
        .await?
        .join(airports, JoinType::Inner, &["origin"], &["code"])?
        .aggregate(
            vec![col("city")],
            vec![count(lit(1)).alias("flights"), sum(col("delay")).alias("minutes")],
        )?
        .sort(vec![col("minutes").sort(false, true), col("city").sort(true, true)])?;
    println!("{}", pretty_format_batches(&by_city.collect().await?)?);

    let rows = by_city.write_parquet(&target).await?;
    println!("wrote {rows} rows");

    // Whatever DataFusion's frames can do besides.
    let longest = late.frame().await?.map(|frame| {
        frame
            .sort(vec![col("delay").sort(false, true), col("origin").sort(true, true)])?
            .limit(0, Some(3))
    })?;
    println!("{}", pretty_format_batches(&longest.collect().await?)?);
    late.release().await?;
    Ok(())
}
