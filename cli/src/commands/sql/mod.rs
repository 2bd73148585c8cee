//! `partita sql`

mod completion;
mod editor;
mod prompt;

use crate::args::{ProgressFormat, RowFormat, SqlArgs};
use crate::cluster::{Cluster, Embedded, Rows, say_stale, search};
use crate::output::rows::{Writer, Written, row_format};
use crate::progress::Progress;
use crate::statements::{self, Statement};
use anyhow::{Context, Result, bail};
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::Schema;
use futures::StreamExt;
use partita_client::Client;
use partita_shared::NOTICE_KEY;
use partita_shared::access::{Access, AccessError, host_name, slurm_job};
use std::io::{IsTerminal, Read};
use std::sync::Arc;

/// The exit code after an interrupt, as a shell gives it.
const INTERRUPTED: u8 = 130;
/// Rows that a table shows where nobody says how many.
const ROWS_MAX: usize = 1000;
/// Where a query runs that was meant for a cluster.
const INSIDE: &str = "running the query inside this process";

pub(crate) async fn run(args: SqlArgs) -> Result<u8> {
    let format = row_format(args.output, args.output_file.as_deref())?;
    if args.query.is_none() && args.file.is_none() && is_at_a_terminal() {
        if let Some(file) = &args.output_file {
            bail!(
                "cannot write {} from the prompt; pass a query, or statements with --file",
                file.display()
            );
        }
        let cluster = open(&args).await?;
        return prompt::run(&args, &cluster, format).await;
    }
    let statements = statements::split(&text(&args)?);
    if statements.is_empty() {
        bail!("no statement given");
    }
    let cluster = open(&args).await?;
    if !args.explain
        && let Some(last) = statements.last()
    {
        refuse_lost_table(&cluster, &last.text)?;
    }
    // What is printed beside a file: no Parquet file can be.
    let printed = args.output.filter(|format| *format != RowFormat::Parquet);
    let printed = printed.unwrap_or(RowFormat::Table);
    // One file holds one result: that of the last statement that gives rows, whatever is cleared up after it.
    let last = statements.iter().rposition(|statement| statements::gives_rows(&statement.text));
    let last = last.unwrap_or(statements.len() - 1);
    for (number, statement) in statements.iter().enumerate() {
        let file = args.output_file.as_deref().filter(|_| number == last);
        let format = if file.is_some() { format } else { printed };
        let max_rows = args.max_rows.unwrap_or(ROWS_MAX);
        let mut writer = Writer::new(format, file, max_rows)?;
        let written = tokio::select! {
            written = one(&args, &cluster, statement, &mut writer, Reading::All) => written,
            _ = tokio::signal::ctrl_c() => return interrupted(&cluster).await,
        };
        if let Err(error) = written {
            return Err(match which(&args, number, statements.len()) {
                Some(which) => error.context(which),
                None => error,
            });
        }
    }
    Ok(0)
}

/// Whether somebody types statements and sees their rows.
fn is_at_a_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Names a statement of several, or of a file.
fn which(args: &SqlArgs, number: usize, count: usize) -> Option<String> {
    let number = number + 1;
    match &args.file {
        Some(file) => Some(format!("{}, statement {number}", file.display())),
        None if count > 1 => Some(format!("statement {number}")),
        None => None,
    }
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

/// The statements that are given.
fn text(args: &SqlArgs) -> Result<String> {
    if let Some(file) = &args.file {
        return std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()));
    }
    match args.query.as_deref() {
        Some("-") | None => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
            Ok(text)
        }
        Some(query) => Ok(query.to_string()),
    }
}

/// The cluster that is meant. Without one that answers, and without a name, one inside this process: what was
/// expected to be there is said.
async fn open(args: &SqlArgs) -> Result<Cluster> {
    if !args.embedded {
        match search(&args.target) {
            Ok(found) => {
                say_stale(&found.stale);
                return connect(args, &found.access).await;
            }
            Err(AccessError::NoCluster { stale }) => {
                if let Some(job) = slurm_job() {
                    eprintln!("partita: Slurm job {job} has no cluster that responds; {INSIDE}");
                } else if !stale.is_empty() {
                    eprintln!("partita: no cluster responds; {INSIDE}");
                }
                say_stale(&stale);
            }
            Err(error @ AccessError::OfOtherJobs { .. }) => eprintln!("partita: {error}; {INSIDE}"),
            Err(error) => return Err(error.into()),
        }
    }
    let embedded = Embedded::start(args.threads, args.memory_limit).await?;
    Ok(Cluster::Embedded(Box::new(embedded)))
}

async fn connect(args: &SqlArgs, access: &Access) -> Result<Cluster> {
    let client = Client::connect(access).await?;
    let session = format!("sql-{}-{}", host_name(), std::process::id());
    let client = client.with_session(session).with_priority(args.priority);
    // Temporary tables go with this process.
    client.attend();
    Ok(Cluster::Remote(Box::new(client)))
}

/// A table of a process without a cluster goes with the process. Made as the last thing, it is of no use to anyone.
fn refuse_lost_table(cluster: &Cluster, last: &str) -> Result<()> {
    if matches!(cluster, Cluster::Embedded(_)) && statements::makes_table(last) {
        bail!(
            "the last statement creates a table that would be lost when this command ends, because no cluster is running; start one with `partita scheduler` and `partita worker`, or with `partita run`; use the table in the same command; or write a file with COPY"
        );
    }
    Ok(())
}

/// How much of a result is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// All rows.
    All,
    /// This number of rows at least; then the statement is cancelled.
    UpTo(usize),
}

/// Runs a statement and writes its rows.
async fn one(
    args: &SqlArgs,
    cluster: &Cluster,
    statement: &Statement,
    writer: &mut Writer,
    reading: Reading,
) -> Result<Written> {
    let (Rows { schema, mut batches, .. }, mut progress) = start(args, cluster, statement).await?;
    let all = async {
        let mut has_begun = false;
        while let Some(batch) = batches.next().await {
            let (batch, notice) = without_notice(batch?)?;
            if let Some(notice) = notice {
                progress.suspend(|| eprintln!("partita: {notice}"));
            }
            // The types may have become others since the statement was planned.
            if !std::mem::replace(&mut has_begun, true) {
                writer.begin(&batch.schema())?;
            }
            progress.suspend(|| writer.write(&batch))?;
            if matches!(reading, Reading::UpTo(rows) if writer.rows() > rows) {
                return Ok(false);
            }
        }
        if !has_begun {
            writer.begin(&schema)?;
        }
        anyhow::Ok(true)
    };
    let read = all.await;
    if read.is_ok() {
        progress.finish().await;
    } else {
        progress.abandon();
    }
    let is_all = read?;
    Ok(Written { is_all, ..writer.finish()? })
}

/// A batch without the notice that is in the metadata of its schema.
fn without_notice(batch: RecordBatch) -> Result<(RecordBatch, Option<String>)> {
    let schema = batch.schema();
    let mut metadata = schema.metadata().clone();
    let Some(notice) = metadata.remove(NOTICE_KEY) else { return Ok((batch, None)) };
    let schema = Arc::new(Schema::new_with_metadata(schema.fields().clone(), metadata));
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let plain = RecordBatch::try_new_with_options(schema, batch.columns().to_vec(), &options)?;
    Ok((plain, Some(notice)))
}

/// Starts a statement, and begins to show its progress.
async fn start(
    args: &SqlArgs,
    cluster: &Cluster,
    statement: &Statement,
) -> Result<(Rows, Progress)> {
    let sql = match args.explain {
        true => format!("EXPLAIN {}", statement.text),
        false => statement.in_place(),
    };
    let rows = cluster.sql(&sql, args.analyze).await?;
    let shown = match (args.progress, args.headless) {
        (ProgressFormat::Auto | ProgressFormat::Bars, true) => ProgressFormat::Plain,
        (format, _) => format,
    };
    let progress = Progress::start(shown, rows.job.map(|job| cluster.watch(job)));
    Ok((rows, progress))
}
