//! `partita sql`

use crate::args::{ProgressFormat, RowFormat, SqlArgs};
use crate::cluster::{Cluster, Embedded, Rows, find};
use crate::output::rows::Writer;
use crate::progress::Progress;
use crate::statements;
use anyhow::{Context, Result, bail};
use futures::StreamExt;
use partita_client::Client;
use partita_shared::access::AccessError;
use std::io::Read;

/// The exit code after an interrupt, as a shell gives it.
const INTERRUPTED: u8 = 130;

pub(crate) async fn run(args: SqlArgs) -> Result<u8> {
    if args.output == RowFormat::Parquet && args.output_file.is_none() {
        bail!("a Parquet file cannot be written to standard output: name it with --output-file");
    }
    let statements = statements::split(&text(&args)?);
    if statements.is_empty() {
        bail!("there is no statement in what was given");
    }
    let cluster = open(&args).await?;
    let last = statements.len() - 1;
    for (number, statement) in statements.iter().enumerate() {
        let statement = match args.explain {
            true => format!("EXPLAIN {statement}"),
            false => statement.clone(),
        };
        // One file holds one result: the last one's.
        let file = args.output_file.as_ref().filter(|_| number == last);
        let mut writer =
            Writer::new(args.output, file.map(std::path::PathBuf::as_path), args.max_rows)?;
        tokio::select! {
            done = one(&args, &cluster, &statement, &mut writer) => done?,
            _ = tokio::signal::ctrl_c() => {
                return interrupted(&cluster).await;
            }
        }
    }
    Ok(0)
}

/// The first interrupt drops the stream, which cancels the job; a second one leaves at once.
async fn interrupted(cluster: &Cluster) -> Result<u8> {
    eprintln!("\ncancelled");
    if let Cluster::Remote(client) = cluster {
        tokio::select! {
            // Dropping the stream reaches the scheduler by itself; an answer shows that it did.
            _ = client.control() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    }
    Ok(INTERRUPTED)
}

fn text(args: &SqlArgs) -> Result<String> {
    if let Some(file) = &args.file {
        return std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()));
    }
    match args.query.as_deref() {
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
            Ok(text)
        }
        Some(query) => Ok(query.to_string()),
        None => bail!("give a query, or a file of statements with --file"),
    }
}

async fn open(args: &SqlArgs) -> Result<Cluster> {
    let found = if args.embedded { Err(AccessError::NoCluster) } else { find(&args.target) };
    match found {
        Ok(access) => {
            let client = Client::connect(&access).await?;
            let session =
                format!("sql-{}-{}", partita_shared::access::host_name(), std::process::id());
            let client = client.with_session(session).with_priority(args.priority);
            // Temporary tables go with this process.
            client.attend();
            Ok(Cluster::Remote(Box::new(client)))
        }
        Err(AccessError::NoCluster | AccessError::OfOtherJobs { .. }) => {
            let embedded = Embedded::start(args.threads, args.memory_limit).await?;
            Ok(Cluster::Embedded(Box::new(embedded)))
        }
        Err(error) => Err(error.into()),
    }
}

async fn one(
    args: &SqlArgs,
    cluster: &Cluster,
    statement: &str,
    writer: &mut Writer,
) -> Result<()> {
    let Rows { job, schema, mut batches } = cluster.sql(statement, args.analyze).await?;
    let shown = match (args.progress, args.headless) {
        (ProgressFormat::Auto | ProgressFormat::Bars, true) => ProgressFormat::Plain,
        (format, _) => format,
    };
    let mut progress = Progress::start(shown, job.map(|job| cluster.watch(job)));
    let reading = async {
        writer.begin(&schema)?;
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            progress.suspend(|| writer.write(&batch))?;
        }
        anyhow::Ok(())
    };
    let read = reading.await;
    if read.is_ok() {
        progress.finish().await;
    } else {
        progress.abandon();
    }
    read?;
    writer.finish()
}
