//! What a file's name says about what is in it.

use std::fmt;
use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::common::config::JsonOptions;
use datafusion::common::parsers::CompressionTypeVariant;
use datafusion::common::{Result, plan_err};
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::arrow::ArrowFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;

use super::csv::Dialect;

/// The known extensions, as error messages list them.
pub(super) const KNOWN: &str = ".parquet .pq .csv .tsv .json .ndjson .jsonl .arrow .ipc \
                                .feather, and for csv, tsv and json also compressed with \
                                .gz .bz2 .xz .zst after it";

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Parquet,
    Csv { delimiter: u8 },
    Json,
    Arrow,
}

/// A format and how its files are compressed: what all files of a table have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) format: Format,
    pub(super) compression: CompressionTypeVariant,
}

fn compression(extension: &str) -> CompressionTypeVariant {
    match extension {
        "gz" => CompressionTypeVariant::GZIP,
        "bz2" => CompressionTypeVariant::BZIP2,
        "xz" => CompressionTypeVariant::XZ,
        "zst" => CompressionTypeVariant::ZSTD,
        _ => CompressionTypeVariant::UNCOMPRESSED,
    }
}

impl Kind {
    /// The kind of a file of this name; `None` if its extension is not known.
    pub(super) fn of(file_name: &str) -> Option<Self> {
        let name = file_name.to_ascii_lowercase();
        let (stem, extension) = name.rsplit_once('.')?;
        let compression = compression(extension);
        let compressed = compression != CompressionTypeVariant::UNCOMPRESSED;
        let extension = if compressed { stem.rsplit_once('.')?.1 } else { extension };
        let format = match extension {
            "csv" => Format::Csv { delimiter: b',' },
            "tsv" => Format::Csv { delimiter: b'\t' },
            "json" | "ndjson" | "jsonl" => Format::Json,
            // These compress inside the file; a compressed one could not be read from the middle.
            _ if compressed => return None,
            "parquet" | "pq" => Format::Parquet,
            "arrow" | "ipc" | "feather" => Format::Arrow,
            _ => return None,
        };
        Some(Self { format, compression })
    }

    /// The kind of a file of this name that is known to be CSV, whatever its extension.
    pub(super) fn of_csv(file_name: &str) -> Self {
        let name = file_name.to_ascii_lowercase();
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        let compression = compression(extension);
        Self::of(file_name)
            .filter(|kind| matches!(kind.format, Format::Csv { .. }))
            .unwrap_or(Self { format: Format::Csv { delimiter: b',' }, compression })
    }

    /// How CSV files of this kind are written: as `given`, or as the session says.
    ///
    /// # Errors
    /// If no file can be written so.
    pub(super) fn dialect(
        self,
        state: &dyn Session,
        delimiter: u8,
        given: Option<&Dialect>,
    ) -> Result<Arc<Dialect>> {
        let mut dialect = given.cloned().unwrap_or_else(|| {
            let has_header = state.config_options().catalog.has_header;
            let newlines = state.config_options().catalog.newlines_in_values;
            Dialect::of_options(&state.default_table_options().csv, has_header, newlines)
        });
        dialect.delimiter.get_or_insert(delimiter);
        if dialect.compression.is_none() && self.compression.is_compressed() {
            dialect.compression = Some(self.compression.to_string());
        }
        dialect.check()?;
        Ok(Arc::new(dialect))
    }

    /// DataFusion's reader.
    pub(super) fn reader(self, state: &dyn Session) -> Arc<dyn FileFormat> {
        match self.format {
            Format::Parquet => {
                Arc::new(ParquetFormat::new().with_options(state.default_table_options().parquet))
            }
            Format::Csv { .. } => Arc::new(CsvFormat::default()),
            Format::Json => Arc::new(JsonFormat::default().with_options(JsonOptions {
                compression: self.compression,
                ..state.default_table_options().json
            })),
            Format::Arrow => Arc::new(ArrowFormat),
        }
    }

    /// Whether a file's size in bytes says how much data is in it.
    pub(super) fn is_plain_text(self) -> bool {
        matches!(self.format, Format::Csv { .. } | Format::Json)
            && self.compression == CompressionTypeVariant::UNCOMPRESSED
    }
}

/// A format of `COPY`, and the options that the name of a file implies.
pub type WrittenForm = (&'static str, Vec<(&'static str, String)>);

/// How `COPY` writes a file of this name, by its extensions.
///
/// # Errors
/// If they are not known; the error lists those that are.
pub fn written_form(file_name: &str) -> Result<WrittenForm> {
    let Some(kind) = Kind::of(file_name) else {
        return plan_err!(
            "cannot tell the format from the name '{file_name}'; use one of the extensions {KNOWN}, or name the format with STORED AS CSV"
        );
    };
    let mut options = Vec::new();
    let format = match kind.format {
        Format::Parquet => "PARQUET",
        Format::Arrow => "ARROW",
        Format::Json => "JSON",
        Format::Csv { delimiter } => {
            if delimiter != b',' {
                options.push(("format.delimiter", char::from(delimiter).to_string()));
            }
            "CSV"
        }
    };
    if kind.compression.is_compressed() {
        options.push(("format.compression", kind.compression.to_string()));
    }
    Ok((format, options))
}

/// What is wrong with reading a file of this name by `reader`, a function such as `read_csv`.
pub fn other_reader(reader: &str, file_name: &str) -> Option<String> {
    let kind = Kind::of(file_name)?;
    let (right, wrong): (&[&str], _) = match kind.format {
        Format::Csv { .. } => (&["read_csv", "read_csv_auto"], "a CSV file"),
        Format::Parquet => (&["read_parquet", "parquet_scan"], "a Parquet file"),
        Format::Json => (&["read_json", "read_json_auto", "read_ndjson"], "a JSON file"),
        Format::Arrow => (&["read_arrow"], "an Arrow file"),
    };
    (!right.contains(&reader)).then(|| format!("'{file_name}' is {wrong}; use {}", right[0]))
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.format {
            Format::Parquet => "parquet",
            Format::Csv { delimiter: b'\t' } => "tsv",
            Format::Csv { .. } => "csv",
            Format::Json => "json",
            Format::Arrow => "arrow",
        })?;
        f.write_str(match self.compression {
            CompressionTypeVariant::GZIP => " in gzip",
            CompressionTypeVariant::BZIP2 => " in bzip2",
            CompressionTypeVariant::XZ => " in xz",
            CompressionTypeVariant::ZSTD => " in zstd",
            CompressionTypeVariant::UNCOMPRESSED => "",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The extensions of a file that is written tell its format and its compression.
    #[test]
    fn names_tell_how_files_are_written() {
        let options = |name: &str| written_form(name).ok();
        assert_eq!(options("a.parquet"), Some(("PARQUET", vec![])));
        assert_eq!(options("a.ndjson"), Some(("JSON", vec![])));
        let gzip = ("format.compression", "GZIP".to_string());
        assert_eq!(options("a.csv.gz"), Some(("CSV", vec![gzip.clone()])));
        let tab = ("format.delimiter", "\t".to_string());
        assert_eq!(options("A.TSV.gz"), Some(("CSV", vec![tab, gzip])));
        let error = written_form("a.xlsx").unwrap_err().to_string();
        assert!(error.contains(".parquet") && error.contains("STORED AS"), "{error}");
    }

    /// A function reads files of its own format only.
    #[test]
    fn readers_are_of_one_format() {
        let text = "'people.csv' is a CSV file; use read_csv";
        assert_eq!(other_reader("read_parquet", "people.csv").as_deref(), Some(text));
        assert!(other_reader("read_csv", "a/*.parquet").unwrap().contains("read_parquet"));
        assert!(other_reader("read_json", "a.csv.gz").is_some());
        for (reader, name) in [("read_csv_auto", "a.tsv.zst"), ("parquet_scan", "a.pq")] {
            assert_eq!(other_reader(reader, name), None, "{name}");
        }
        assert_eq!(other_reader("read_csv", "a.txt"), None);
    }

    /// Every extension that the documentation lists is known, in any case, and no other.
    #[test]
    fn extensions() {
        for (name, kind) in [
            ("a.parquet", "parquet"),
            ("a.snappy.PARQUET", "parquet"),
            ("a.pq", "parquet"),
            ("a.csv", "csv"),
            ("A.CSV.GZ", "csv in gzip"),
            ("a.tsv", "tsv"),
            ("a.tsv.bz2", "tsv in bzip2"),
            ("a.json", "json"),
            ("a.ndjson.xz", "json in xz"),
            ("a.jsonl.zst", "json in zstd"),
            ("a.arrow", "arrow"),
            ("a.ipc", "arrow"),
            ("a.feather", "arrow"),
        ] {
            assert_eq!(Kind::of(name).expect(name).to_string(), kind, "{name}");
        }
        for name in ["csv", "a", "a.txt", "a.parquet.gz", "a.arrow.zst", "a.gz", "gz", ""] {
            assert_eq!(Kind::of(name), None, "{name}");
        }
    }
}
