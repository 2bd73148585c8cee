//! The prompt: `partita sql` at a terminal, without a query.

use super::completion::Names;
use super::editor::{Editor, Input};
use super::{Reading, one};
use crate::args::{RowFormat, SqlArgs};
use crate::cluster::{Cluster, Rows};
use crate::output::columns::{Columns, Fit};
use crate::output::rows::{Writer, Written};
use crate::output::{said, width};
use crate::statements;
use anyhow::{Result, bail};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::StreamExt;
use partita_shared::units::format_duration;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Rows of a result that are shown where nobody says how many.
const ROWS_SHOWN: usize = 40;
/// Rows that are read of a result whose first ones are shown: nobody waits for the end of a large table to see them.
const ROWS_READ_MAX: usize = 100_000;
/// How long the names that are completed may take to come.
const NAMES_TIMEOUT: Duration = Duration::from_secs(2);
/// Columns of tables whose names are completed.
const NAMES_MAX: usize = 20_000;
/// Where the names of tables and columns stand.
const NAMES_QUERY: &str = "select table_name, column_name from information_schema.columns \
                           where table_schema <> 'information_schema' \
                           order by table_name, ordinal_position";

/// What the prompt does besides statements.
pub(super) const COMMANDS: [(&str, &str); 5] = [
    (".help", "Show this help"),
    (".tables", "List the tables and their columns"),
    (".rows N", "Show at most N rows of a result"),
    (".timing on|off", "Print how long each statement takes"),
    (".quit", "Quit, like Ctrl-D"),
];

/// What can be changed at the prompt.
struct Settings {
    rows_shown: usize,
    has_timing: bool,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Prompt,
    End,
}

/// Reads statements and runs them until there are no more.
///
/// # Errors
/// If the terminal fails. Errors of statements are printed.
pub(super) async fn run(args: &SqlArgs, cluster: &Cluster, format: RowFormat) -> Result<u8> {
    greet(cluster);
    let mut settings =
        Settings { rows_shown: args.max_rows.unwrap_or(ROWS_SHOWN), has_timing: true };
    let known = tables(cluster).await.unwrap_or_default();
    let mut names = Names { tables: known, ..Names::default() };
    let mut editor = Editor::open()?;
    loop {
        editor.set_names(&names);
        let (back, input) = editor.read().await?;
        editor = back;
        match input {
            Input::End => return Ok(0),
            Input::Dropped => {}
            Input::Text(text) if text.trim_start().starts_with('.') => {
                match command(text.trim(), &mut settings, &names) {
                    Ok(Next::Prompt) => {}
                    Ok(Next::End) => return Ok(0),
                    Err(error) => eprintln!("error: {}", said(&error)),
                }
            }
            Input::Text(text) => {
                statements(args, cluster, format, &text, &settings, &mut names).await;
                if let Some(tables) = tables(cluster).await {
                    names.tables = tables;
                }
            }
        }
    }
}

fn greet(cluster: &Cluster) {
    match cluster {
        Cluster::Remote(client) => {
            say!("partita, connected to the cluster at {}", client.address())
        }
        Cluster::Embedded(_) => say!("partita, running inside this process, without a cluster"),
    }
    say!("End a statement with a semicolon. Tab completes, .help lists commands.");
}

/// Runs the statements of an input, up to the first that fails.
async fn statements(
    args: &SqlArgs,
    cluster: &Cluster,
    format: RowFormat,
    text: &str,
    settings: &Settings,
    names: &mut Names,
) {
    for statement in statements::split(text) {
        let start = Instant::now();
        let mut writer = match Writer::new(format, None, settings.rows_shown) {
            Ok(writer) => writer.within(width()),
            Err(error) => return eprintln!("error: {}", said(&error)),
        };
        let reading = match format {
            RowFormat::Table => Reading::UpTo(settings.rows_shown.max(ROWS_READ_MAX)),
            _ => Reading::All,
        };
        let done = tokio::select! {
            done = one(args, cluster, &statement, &mut writer, reading) => done,
            // What runs is dropped, which cancels the job.
            _ = tokio::signal::ctrl_c() => return eprintln!("\ncancelled"),
        };
        match done {
            Ok(written) => {
                names.remember(written.schema.fields().iter().map(|field| field.name().as_str()));
                let end = settings.has_timing.then(|| start.elapsed());
                if format == RowFormat::Table {
                    say!("{}", footer(&written, end));
                }
            }
            Err(error) => return eprintln!("error: {}", said(&error)),
        }
    }
}

/// The line below a result: how many rows and columns are shown, and how long the statement took.
fn footer(written: &Written, took: Option<Duration>) -> String {
    let columns = written.schema.fields().len();
    let mut parts = Vec::new();
    if columns == 0 {
        parts.push("done".to_string());
    } else {
        let rows = written.rows;
        parts.push(match (written.is_all, written.rows_shown < written.rows) {
            (true, false) if written.rows == 1 => "1 row".to_string(),
            (true, false) => format!("{rows} rows"),
            (true, true) => format!("{} of {rows} rows shown", written.rows_shown),
            (false, _) => format!("{} of more than {rows} rows shown", written.rows_shown),
        });
        if written.columns_shown < columns {
            parts.push(format!("{} of {columns} columns fit", written.columns_shown));
        }
    }
    parts.extend(took.map(format_duration));
    parts.join(", ")
}

/// Does what a line says that begins with a point.
fn command(line: &str, settings: &mut Settings, names: &Names) -> Result<Next> {
    let mut words = line.trim_end_matches(';').split_whitespace();
    let (word, argument) = (words.next().unwrap_or_default(), words.next());
    if let Some(more) = words.next() {
        bail!("{word} takes no argument '{more}'; .help lists the commands");
    }
    match (word, argument) {
        (".help", None) => help(),
        (".tables", None) => list(names),
        (".rows", Some(count)) => match count.parse() {
            Ok(count) => settings.rows_shown = count,
            Err(_) => bail!("invalid number of rows '{count}'"),
        },
        (".timing", Some("on")) => settings.has_timing = true,
        (".timing", Some("off")) => settings.has_timing = false,
        (".quit" | ".exit", None) => return Ok(Next::End),
        (".rows", None) => bail!(".rows takes a number of rows, e.g. .rows 100"),
        (".timing", _) => bail!(".timing takes on or off"),
        (".help" | ".tables" | ".quit" | ".exit", Some(argument)) => {
            bail!("{word} takes no argument '{argument}'")
        }
        _ => bail!("unknown command {word}; .help lists the commands"),
    }
    Ok(Next::Prompt)
}

fn help() {
    for (command, what) in COMMANDS {
        say!("{command:16}{what}");
    }
    say!("Ctrl-C          Discard the input, or cancel the running statement");
    say!("select * from 'flights/*.parquet' limit 3;   -- read files");
    say!("create table t as select ...;                -- persist a result on the workers");
    say!("copy (select ...) to 'folder' stored as parquet;   -- write files");
}

fn list(names: &Names) {
    let mut listing = Columns::new(&[("table", Fit::Always), ("columns", Fit::Cut(20))]);
    for (table, columns) in &names.tables {
        listing.push(vec![table.clone(), columns.join(", ")]);
    }
    listing
        .print("no tables; `create table NAME as QUERY` creates one; files are read by their path");
}

/// The tables and their columns; none where they cannot be had soon.
async fn tables(cluster: &Cluster) -> Option<BTreeMap<String, Vec<String>>> {
    let asking = async {
        let Rows { mut batches, .. } = cluster.sql(NAMES_QUERY, false).await?;
        let mut tables = BTreeMap::<String, Vec<String>>::new();
        let mut found = 0;
        let options = FormatOptions::default();
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            let table = ArrayFormatter::try_new(batch.column(0), &options)?;
            let column = ArrayFormatter::try_new(batch.column(1), &options)?;
            for row in 0..batch.num_rows() {
                found += 1;
                if found > NAMES_MAX {
                    return Ok(tables);
                }
                let columns = tables.entry(table.value(row).to_string()).or_default();
                columns.push(column.value(row).to_string());
            }
        }
        anyhow::Ok(tables)
    };
    tokio::time::timeout(NAMES_TIMEOUT, asking).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::{DataType, Field, Schema};
    use std::sync::Arc;

    fn written(rows: usize, rows_shown: usize, is_all: bool) -> Written {
        let fields = ["a", "b"].map(|name| Field::new(name, DataType::Int64, true));
        let schema = Arc::new(Schema::new(fields.to_vec()));
        Written { schema, rows, rows_shown, columns_shown: 2, is_all }
    }

    /// The line below a result says how much of it is shown.
    #[test]
    fn footers() {
        assert_eq!(footer(&written(1, 1, true), None), "1 row");
        assert_eq!(footer(&written(0, 0, true), None), "0 rows");
        assert_eq!(footer(&written(1234, 40, true), None), "40 of 1234 rows shown");
        let more = footer(&written(100_000, 40, false), None);
        assert_eq!(more, "40 of more than 100000 rows shown");
        let some = Written { columns_shown: 1, ..written(3, 3, true) };
        assert_eq!(footer(&some, None), "3 rows, 1 of 2 columns fit");
        let none = Written { schema: Arc::new(Schema::empty()), ..written(0, 0, true) };
        assert_eq!(footer(&none, Some(Duration::from_millis(1500))), "done, 1.5 s");
    }

    /// Commands change their setting; unknown commands and missing arguments are errors.
    #[test]
    fn commands() {
        let mut settings = Settings { rows_shown: 40, has_timing: true };
        let names = Names::default();
        assert_eq!(command(".rows 7", &mut settings, &names).unwrap(), Next::Prompt);
        command(".timing off", &mut settings, &names).unwrap();
        assert!(settings.rows_shown == 7 && !settings.has_timing);
        assert_eq!(command(".quit;", &mut settings, &names).unwrap(), Next::End);
        for wrong in [".rows", ".rows many", ".timing", ".tables x", ".nothing", ".rows 1 2"] {
            assert!(command(wrong, &mut settings, &names).is_err(), "{wrong}");
        }
    }
}
