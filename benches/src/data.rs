//! The files that are measured on: made once, from fixed formulas, kept in the cache.

use anyhow::{Context, Result};
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, Encoding};
use datafusion::parquet::file::properties::WriterProperties;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow,
    SupplierArrow,
};

/// Rows of the tables at scale 1.
const ROWS: f64 = 50_000_000.0;
/// Rows of each side of the join at scale 1.
const JOIN_ROWS: f64 = 5_000_000.0;
/// Files of each table, so that every system has as many pieces.
const FILES: u64 = 8;
/// Rows of a batch that is written.
const BATCH: u64 = 65_536;

/// Spreads numbers: SplitMix64's finaliser (Steele, Lea, Flood 2014).
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Makes whatever is not there yet.
pub(crate) fn make(folder: &Path, scale: f64) -> Result<()> {
    let done = folder.join("done-1");
    if done.exists() {
        return Ok(());
    }
    eprintln!("making the files in {}", folder.display());
    std::fs::create_dir_all(folder)?;
    table(&folder.join("numbers"), (ROWS * scale) as u64, |row| {
        // key: all different, in no order; group: 10,000; value.
        (
            mix(row) as i64,
            (mix(row ^ 0xabcd) % 10_000) as i64,
            (mix(row ^ 0x1234) % 1_000_000) as f64 / 7.0,
        )
    })?;
    let join_rows = (JOIN_ROWS * scale) as u64;
    wide(&folder.join("left"), join_rows, 0)?;
    wide(&folder.join("right"), join_rows, 1)?;
    small(&folder.join("small.parquet"))?;
    tpch(&folder.join("tpch"), scale)?;
    File::create(done)?;
    Ok(())
}

fn writer(path: &Path, schema: &Arc<Schema>) -> Result<ArrowWriter<File>> {
    // Plain pages without compression: reading is the same small work for all.
    let properties = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::PLAIN)
        .build();
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(ArrowWriter::try_new(file, Arc::clone(schema), Some(properties))?)
}

fn table(folder: &Path, rows: u64, make: impl Fn(u64) -> (i64, i64, f64)) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let schema = Arc::new(Schema::new(vec![
        Field::new("key", DataType::Int64, false),
        Field::new("grp", DataType::Int64, false),
        Field::new("value", DataType::Float64, false),
    ]));
    for file in 0..FILES {
        let mut writer = writer(&folder.join(format!("part-{file:02}.parquet")), &schema)?;
        let (mut row, end) = (rows * file / FILES, rows * (file + 1) / FILES);
        while row < end {
            let upto = (row + BATCH).min(end);
            let made: Vec<_> = (row..upto).map(&make).collect();
            let columns: Vec<ArrayRef> = vec![
                Arc::new(made.iter().map(|m| m.0).collect::<Int64Array>()),
                Arc::new(made.iter().map(|m| m.1).collect::<Int64Array>()),
                Arc::new(made.iter().map(|m| m.2).collect::<Float64Array>()),
            ];
            writer.write(&RecordBatch::try_new(Arc::clone(&schema), columns)?)?;
            row = upto;
        }
        writer.close()?;
    }
    Ok(())
}

/// A side of the join: wide enough that five million rows are a gigabyte in two tables.
fn wide(folder: &Path, rows: u64, side: u64) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut fields = vec![Field::new("id", DataType::Int64, false)];
    fields.extend((0..10).map(|i| Field::new(format!("v{side}_{i}"), DataType::Float64, false)));
    let schema = Arc::new(Schema::new(fields));
    for file in 0..FILES {
        let mut writer = writer(&folder.join(format!("part-{file:02}.parquet")), &schema)?;
        let (mut row, end) = (rows * file / FILES, rows * (file + 1) / FILES);
        while row < end {
            let upto = (row + BATCH).min(end);
            // A permutation of 0..rows, another on each side, as long as rows has no factor 7 or 11.
            let step = if side == 0 { 7_368_787 } else { 11_000_027 };
            let id = |r: u64| ((u128::from(r) * step) % u128::from(rows.max(1))) as i64;
            let mut columns: Vec<ArrayRef> =
                vec![Arc::new((row..upto).map(id).collect::<Int64Array>())];
            for i in 0..10 {
                let value = |r: u64| (mix(r ^ (i << 40)) % 1000) as f64;
                columns.push(Arc::new((row..upto).map(value).collect::<Float64Array>()));
            }
            writer.write(&RecordBatch::try_new(Arc::clone(&schema), columns)?)?;
            row = upto;
        }
        writer.close()?;
    }
    Ok(())
}

/// The 2,400 hours of the first question.
fn small(path: &Path) -> Result<()> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("hour", DataType::Utf8, false),
        Field::new("a", DataType::Int64, false),
    ]));
    let hours: StringArray = (0..2400).map(|hour| Some(format!("hour {hour}"))).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(hours), Arc::new((0..2400).collect::<Int64Array>())];
    let mut writer = writer(path, &schema)?;
    writer.write(&RecordBatch::try_new(schema, columns)?)?;
    writer.close()?;
    Ok(())
}

/// TPC-H's tables, from the generator of the crate `tpchgen`.
fn tpch(folder: &Path, scale: f64) -> Result<()> {
    use tpchgen::generators::{
        CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
        PartSuppGenerator, RegionGenerator, SupplierGenerator,
    };
    std::fs::create_dir_all(folder)?;
    let write = |name: &str,
                 part: i32,
                 batches: &mut dyn Iterator<Item = RecordBatch>|
     -> Result<()> {
        let at = folder.join(name);
        std::fs::create_dir_all(&at)?;
        let mut file: Option<ArrowWriter<File>> = None;
        for batch in batches {
            let open = match &mut file {
                Some(open) => open,
                None => {
                    let path = at.join(format!("part-{part:02}.parquet"));
                    file.insert(ArrowWriter::try_new(File::create(path)?, batch.schema(), None)?)
                }
            };
            open.write(&batch)?;
        }
        if let Some(file) = file {
            file.close()?;
        }
        Ok(())
    };
    write("region", 1, &mut RegionArrow::new(RegionGenerator::new(scale, 1, 1)))?;
    write("nation", 1, &mut NationArrow::new(NationGenerator::new(scale, 1, 1)))?;
    write("supplier", 1, &mut SupplierArrow::new(SupplierGenerator::new(scale, 1, 1)))?;
    let parts = FILES as i32;
    for part in 1..=parts {
        write(
            "customer",
            part,
            &mut CustomerArrow::new(CustomerGenerator::new(scale, part, parts)),
        )?;
        write("part", part, &mut PartArrow::new(PartGenerator::new(scale, part, parts)))?;
        write(
            "partsupp",
            part,
            &mut PartSuppArrow::new(PartSuppGenerator::new(scale, part, parts)),
        )?;
        write("orders", part, &mut OrderArrow::new(OrderGenerator::new(scale, part, parts)))?;
        write(
            "lineitem",
            part,
            &mut LineItemArrow::new(LineItemGenerator::new(scale, part, parts)),
        )?;
    }
    Ok(())
}
