//! How CSV files are written, and what their fields mean.

use std::collections::{BTreeMap, HashSet};

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::common::config::CsvOptions;
use serde::{Deserialize, Serialize};

use super::super::plan_error;

/// Words that stand for a missing value wherever a column is not text. They are those of pandas.
const MISSING: [&str; 18] = [
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>",
    "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
];

/// How the bytes of a file stand for characters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    #[default]
    Utf8,
    /// UTF-16; a byte order mark says in which order the bytes are, else they are little-endian.
    Utf16,
    /// UTF-16, the low byte first.
    Utf16Le,
    /// UTF-16, the high byte first.
    Utf16Be,
    /// One byte for each character: the 256 characters, U+FFFD for bytes that stand for none.
    Table(String),
}

/// What becomes of a row with more fields than there are columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LongRows {
    /// An error.
    #[default]
    Refuse,
    /// The row is left out.
    Skip,
    /// Its last fields are left out.
    Cut,
}

/// A column by its name or its position.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Key {
    /// Its position, from 0.
    At(usize),
    /// Its name.
    Name(String),
}

impl Key {
    fn is(&self, at: usize, name: &str) -> bool {
        match self {
            Key::At(position) => *position == at,
            Key::Name(key) => key == name,
        }
    }
}

/// Which fields are missing values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MissingWords {
    /// In columns of text.
    pub texts: Vec<String>,
    /// In all other columns.
    pub others: Vec<String>,
    /// In these columns, whatever their type, beside those above.
    pub columns: BTreeMap<String, Vec<String>>,
}

impl Default for MissingWords {
    fn default() -> Self {
        let others = MISSING.iter().map(|word| word.to_string()).chain([String::new()]);
        Self { texts: vec![String::new()], others: others.collect(), columns: BTreeMap::new() }
    }
}

/// How CSV files are written, and what their fields mean.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dialect {
    /// What separates two fields; none if the extension of the file says it.
    pub delimiter: Option<u8>,
    /// Fields are separated by any number of blanks and tabs.
    pub is_blank_delimited: bool,
    /// What encloses fields.
    pub quote: Option<u8>,
    /// Whether two quotes inside of quotes are one.
    pub has_double_quotes: bool,
    /// What takes the meaning from the next character.
    pub escape: Option<u8>,
    /// What begins a comment, which ends with the line.
    pub comment: Option<u8>,
    /// What ends a row, instead of line feeds and carriage returns.
    pub terminator: Option<u8>,
    /// Whether blanks after a delimiter are left out.
    pub skips_initial_space: bool,
    /// How many lines at the beginning are left out.
    pub skipped_first: u64,
    /// Lines that are left out, from 0, in order.
    pub skipped_lines: Vec<u64>,
    /// Which row has the names of the columns, from 0.
    pub header: Option<u32>,
    /// The names of the columns, whatever the header says.
    pub names: Option<Vec<String>>,
    /// Whether columns without a name, and of a name that comes twice, get the names that pandas gives them, and
    /// lines of blanks are left out.
    pub is_pandas: bool,
    /// Rows that are read.
    pub rows_max: Option<u64>,
    /// How bytes stand for characters.
    pub encoding: Encoding,
    /// Whether bytes that stand for no character are replaced.
    pub replaces_invalid: bool,
    /// How files are compressed, instead of what their extension says.
    pub compression: Option<String>,
    /// Whether a row may have fewer fields than there are columns.
    pub takes_short_rows: bool,
    /// What becomes of a row with more fields.
    pub long_rows: LongRows,
    /// Which fields are missing values.
    pub missing: MissingWords,
    /// Words that are true, beside `true` in any case.
    pub true_words: Vec<String>,
    /// Words that are false.
    pub false_words: Vec<String>,
    /// What stands before the fraction of a number.
    pub decimal: u8,
    /// What may stand between the digits of a number.
    pub thousands: Option<u8>,
    /// The types of columns, by the names that Arrow has for types.
    pub types: Vec<(Key, String)>,
    /// The type of all other columns.
    pub other_type: Option<String>,
    /// Columns of times.
    pub dates: Vec<Key>,
    /// Whether columns whose fields all look like times are times.
    pub finds_times: bool,
    /// Whether a column without values is of numbers rather than of text.
    pub empty_is_number: bool,
    /// Records of a file that tell the types of columns, instead of a number of bytes.
    pub sampled_records: Option<usize>,
    /// Whether a file may be read in several pieces.
    pub is_splittable: bool,
    /// Whether the types of columns that were given none, and that no value has line breaks, are known from a sample
    /// only: what does not fit them is then no fault of the file.
    pub is_sampled: bool,
    /// Whether a scan gives what it finds out about the types of the columns, instead of rows.
    pub gives_types: bool,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            delimiter: None,
            is_blank_delimited: false,
            quote: Some(b'"'),
            has_double_quotes: true,
            escape: None,
            comment: None,
            terminator: None,
            skips_initial_space: false,
            skipped_first: 0,
            skipped_lines: Vec::new(),
            header: Some(0),
            names: None,
            is_pandas: false,
            rows_max: None,
            encoding: Encoding::Utf8,
            replaces_invalid: false,
            compression: None,
            takes_short_rows: false,
            long_rows: LongRows::Refuse,
            missing: MissingWords::default(),
            true_words: Vec::new(),
            false_words: Vec::new(),
            decimal: b'.',
            thousands: None,
            types: Vec::new(),
            other_type: None,
            dates: Vec::new(),
            finds_times: true,
            empty_is_number: false,
            sampled_records: None,
            is_splittable: true,
            is_sampled: false,
            gives_types: false,
        }
    }
}

impl Dialect {
    /// What the options of a session say.
    #[must_use]
    pub(crate) fn of_options(
        options: &CsvOptions,
        has_header: bool,
        has_newlines_in_values: bool,
    ) -> Self {
        Self {
            quote: Some(options.quote),
            has_double_quotes: options.double_quote.unwrap_or(true),
            escape: options.escape,
            comment: options.comment,
            terminator: options.terminator,
            header: options.has_header.unwrap_or(has_header).then_some(0),
            takes_short_rows: options.truncated_rows.unwrap_or(false),
            sampled_records: options.schema_infer_max_rec,
            is_splittable: !options.newlines_in_values.unwrap_or(has_newlines_in_values),
            ..Self::default()
        }
    }

    /// Refuses what no reader can take.
    ///
    /// # Errors
    /// If a separator is not a single ASCII character, or two are the same.
    pub(crate) fn check(&self) -> Result<()> {
        let signs = [
            ("delimiter", self.delimiter),
            ("quote", self.quote),
            ("escape", self.escape),
            ("comment", self.comment),
            ("terminator", self.terminator),
        ];
        for (at, (name, sign)) in signs.iter().enumerate() {
            let Some(sign) = sign else { continue };
            if !sign.is_ascii() {
                return Err(plan_error(format!(
                    "the {name} of CSV files must be an ASCII character"
                )));
            }
            if let Some((other, _)) = signs[..at].iter().find(|(_, other)| *other == Some(*sign)) {
                return Err(plan_error(format!(
                    "the {other} and the {name} of CSV files are both '{}'; choose another {name}",
                    sign.escape_ascii()
                )));
            }
        }
        Ok(())
    }

    /// Whether the bytes of a file are shaped before they are split into fields.
    pub(super) fn is_shaped(&self) -> bool {
        self.is_blank_delimited
            || self.escape.is_some()
            || self.comment.is_some()
            || self.skips_initial_space
            || self.skipped_first > 0
            || !self.skipped_lines.is_empty()
    }

    /// Whether a record can be found from the middle of a file that is not compressed.
    pub(super) fn is_plain(&self) -> bool {
        self.is_splittable
            && !self.is_shaped()
            && self.compression.is_none()
            && self.terminator.is_none()
            && self.rows_max.is_none()
            && self.header.is_none_or(|row| row == 0)
            && self.encoding == Encoding::Utf8
    }

    /// Whether the names of columns say where they are in each file.
    pub(super) fn has_named_columns(&self) -> bool {
        self.header.is_some() && self.names.is_none()
    }

    /// Whether a file may have the first columns only, and rows are missing values in the others.
    pub(super) fn may_lack_columns(&self) -> bool {
        self.takes_short_rows && !self.is_pandas
    }

    /// Whether a column was given a type.
    pub(super) fn has_type(&self, at: usize, name: &str) -> bool {
        self.other_type.is_some() || self.types.iter().any(|(key, _)| key.is(at, name))
    }

    /// The type that a column was given.
    ///
    /// # Errors
    /// If Arrow has no such type.
    pub(super) fn given_type(&self, at: usize, name: &str) -> Result<Option<DataType>> {
        let given = self.types.iter().find(|(key, _)| key.is(at, name)).map(|(_, text)| text);
        let Some(text) = given.or(self.other_type.as_ref()) else { return Ok(None) };
        text.parse().map(Some).map_err(|error| plan_error(format!("column '{name}': {error}")))
    }

    /// Whether the type of a column was given, as times or by name.
    pub(super) fn is_typed(&self, at: usize, name: &str) -> bool {
        self.is_date(at, name) || self.has_type(at, name)
    }

    /// Whether a column was said to be of times.
    pub(super) fn is_date(&self, at: usize, name: &str) -> bool {
        self.dates.iter().any(|key| key.is(at, name))
    }

    /// The words for missing values in a column that is or is not text.
    pub(super) fn missing(&self, name: &str, is_text: bool) -> Words {
        let words = if is_text { &self.missing.texts } else { &self.missing.others };
        Words::new(words.iter().chain(self.missing.columns.get(name).into_iter().flatten()))
    }
}

/// A set of words, asked for each field.
#[derive(Debug, Default)]
pub(super) struct Words {
    has_empty: bool,
    bytes_max: usize,
    has_digits: bool,
    words: HashSet<String>,
}

impl Words {
    pub(super) fn new<'a>(words: impl Iterator<Item = &'a String>) -> Self {
        let words: HashSet<String> = words.cloned().collect();
        Self {
            has_empty: words.contains(""),
            bytes_max: words.iter().map(String::len).max().unwrap_or(0),
            has_digits: words.iter().any(|word| word.starts_with(|c: char| c.is_ascii_digit())),
            words,
        }
    }

    pub(super) fn contains(&self, field: &str) -> bool {
        let Some(first) = field.as_bytes().first() else { return self.has_empty };
        field.len() <= self.bytes_max
            && (self.has_digits || !first.is_ascii_digit())
            && self.words.contains(field)
    }
}
