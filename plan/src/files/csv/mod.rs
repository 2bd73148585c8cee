//! CSV files in any dialect.
//!
//! Columns are found by their names in each file's header. The types of files below
//! [`WHOLE_BYTES_MAX`] come from all of their fields, those of larger ones from a sample.

mod cells;
mod columns;
mod dialect;
mod error;
mod input;
mod records;
mod source;

#[cfg(doc)]
use columns::WHOLE_BYTES_MAX;

pub(super) use columns::{check_order, columns};
pub use dialect::Dialect;
pub use error::CsvError;
pub(super) use source::TextSource;
