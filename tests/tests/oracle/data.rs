//! The files that the queries read, written by single-node DataFusion from series of numbers.
//!
//! Every value is a function of its row's number, so that the files are the same in every run.
//! Numbers that are summed as floating-point numbers are multiples of an eighth: their sums are
//! exact in any order.

use anyhow::{Context, Result};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::prelude::SessionContext;
use partita_tests::oracle::single_node;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// The tables that every session has as views, and where they are below the folder.
pub(crate) const TABLES: &[(&str, &str)] = &[
    ("facts", "facts/"),
    ("events", "events/"),
    ("skewed", "skewed/"),
    ("dims", "dims.parquet"),
    ("tiny", "tiny.parquet"),
    ("one_row", "one_row.parquet"),
    ("no_rows", "no_rows.parquet"),
    ("wide", "wide/"),
    ("nested", "nested/"),
    ("sparse", "sparse/"),
    ("long_texts", "long_texts/"),
];

/// Files of the tables that have several: one for each slot of the cluster.
const FILES: u32 = 4;
/// Rows of each file of `facts`.
const FACTS_ROWS_EACH: u32 = 1500;
/// Rows of each file of `events` and `skewed`.
const EVENTS_ROWS_EACH: u32 = 1000;
/// Columns of the table that has many.
const WIDE_COLUMNS: u32 = 200;

/// Keys with nulls, a skewed group, and a column of each common type.
const FACTS: &str = "
    value as id,
    case when value % 17 = 0 then null else value % 100 end as k,
    case when value % 10 < 7 then 'common' else concat('g', value % 13) end as grp,
    case when value % 23 = 0 then null else (value * 7919 % 1000) / 8.0 end as v,
    cast(cast(value * 31 % 10007 as decimal(12, 2)) / 4 as decimal(12, 2)) as price,
    arrow_cast(1700000000000 + value * 3600123, 'Timestamp(Millisecond, Some(\"Europe/Zurich\"))')
        as at,
    arrow_cast(arrow_cast(19723 + value % 400, 'Int32'), 'Date32') as day,
    case when value % 11 = 0 then null else value % 3 = 0 end as flag,
    concat('row ', value) as txt,
    arrow_cast(concat('d', value % 5), 'Dictionary(Int32, Utf8)') as dict";

/// A second large table with keys that `facts` lacks, and the other way round.
const EVENTS: &str = "
    value as eid,
    case when value % 29 = 0 then null else value % 140 + 50 end as k,
    value * 13 % 500 as amount,
    case value % 3 when 0 then 'open' when 1 then 'close' end as kind";

/// Nineteen of twenty rows have one key.
const SKEWED: &str = "
    value as id,
    case when value % 20 = 0 then value % 7 else 1 end as k,
    value % 97 as n";

const NESTED: &str = "
    value as id,
    case when value % 7 = 0 then null
        else named_struct('x', value % 5, 'y', concat('s', value % 3)) end as st,
    case when value % 5 = 0 then null when value % 5 = 1 then make_array()
        else make_array(value, null, value + 1) end as li,
    map(make_array('a', 'b'), make_array(value, value * 2)) as mp";

const SPARSE: &str = "
    value as id,
    case when value % 200 = 150 then value end as rare,
    cast(null as varchar) as never,
    case when value % 100 = 0 then concat('x', value) end as word,
    case when value > 300 then value % 3 = 0 end as late";

const DIMS: &str = "
    select value as k, concat('name ', value % 40) as name, value / 4.0 as weight,
        case when value > 9 then value / 10 end as parent
    from generate_series(0, 119)
    union all select null, 'nobody', 0.5, null";

/// Writes all files below a folder.
pub(crate) async fn write(folder: &Path) -> Result<()> {
    let context = single_node(folder);
    let facts = (FACTS, FACTS_ROWS_EACH);
    let (events, skewed) = ((EVENTS, EVENTS_ROWS_EACH), (SKEWED, EVENTS_ROWS_EACH));
    let wide: Vec<String> =
        (0..WIDE_COLUMNS).map(|n| format!("(value * {}) % 1000 as c{n:03}", n + 1)).collect();
    let wide = wide.join(", ");
    for (table, (columns, rows), files) in [
        ("facts", facts, FILES),
        ("events", events, FILES),
        ("skewed", skewed, FILES),
        ("wide", (wide.as_str(), 100), 3),
        ("nested", (NESTED, 60), 3),
        ("sparse", (SPARSE, 200), 3),
        ("long_texts", ("value as id, repeat(chr(64 + value), 1048576) as txt", 3), 2),
    ] {
        for file in 0..files {
            let (first, last) = (file * rows + 1, (file + 1) * rows);
            let query = format!("select {columns} from generate_series({first}, {last})");
            copy(&context, folder, &query, &format!("{table}/part-{file}.parquet")).await?;
        }
    }
    copy(&context, folder, DIMS, "dims.parquet").await?;
    let tiny = "select * from (values (1, 'one'), (2, 'two'), (null, 'none'), (60, 'sixty'),
        (999, 'nowhere')) as t (k, label)";
    copy(&context, folder, tiny, "tiny.parquet").await?;
    copy(&context, folder, "select 7 as k, 'seven' as label", "one_row.parquet").await?;
    let columns = vec![
        Field::new("k", DataType::Int64, true),
        Field::new("label", DataType::Utf8, true),
        Field::new("v", DataType::Float64, true),
    ];
    parquet(&folder.join("no_rows.parquet"), Arc::new(Schema::new(columns)), [])?;
    write_formats(&context, folder).await
}

/// The same rows in every format, in folders of several files, by patterns and by partitions.
async fn write_formats(context: &SessionContext, folder: &Path) -> Result<()> {
    let rows = |first: u32, last: u32| {
        format!(
            "select value as id, concat('text \"', value % 7, '\", and more') as txt,
                case when value % 6 = 0 then null else value / 8.0 end as v,
                value % 2 = 0 as even, cast('2024-03-01' as date) as day
             from generate_series({first}, {last})"
        )
    };
    for (file, (first, last)) in [(1, 90), (91, 100), (101, 300)].into_iter().enumerate() {
        let query = rows(first, last);
        for extension in ["csv", "csv.gz", "ndjson", "arrow", "parquet"] {
            let path = format!("{}/2024-0{file}.{extension}", extension.replace('.', "-"));
            copy(context, folder, &query, &path).await?;
        }
        for kind in ["a", "b"] {
            let path = format!("hive/year=202{file}/kind={kind}/rows.parquet");
            copy(context, folder, &query, &path).await?;
        }
    }
    copy(context, folder, &rows(1, 5000), "large.csv").await?;
    copy(context, folder, &rows(1, 5000), "large.ndjson").await?;
    copy(context, folder, &rows(1, 5000), "large.arrow").await
}

async fn copy(context: &SessionContext, folder: &Path, query: &str, path: &str) -> Result<()> {
    let path = folder.join(path);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let path = path.display().to_string();
    let format = match path.rsplit('.').next() {
        Some("parquet") => "parquet",
        Some("arrow") => "arrow",
        Some("ndjson") => "json",
        Some("csv") => "csv",
        Some("gz") => "csv options ('format.compression' 'gzip')",
        _ => anyhow::bail!("{path} has no known extension"),
    };
    let statement = format!("copy ({query}) to '{path}' stored as {format}");
    let written = async { context.sql(&statement).await?.collect().await };
    written.await.with_context(|| statement)?;
    Ok(())
}

/// Writes a Parquet file, one row group for each batch.
pub(crate) fn parquet(
    path: &Path,
    schema: SchemaRef,
    batches: impl IntoIterator<Item = RecordBatch>,
) -> Result<()> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut writer = ArrowWriter::try_new(file, schema, None)?;
    for batch in batches {
        writer.write(&batch)?;
        writer.flush()?;
    }
    writer.close()?;
    Ok(())
}
