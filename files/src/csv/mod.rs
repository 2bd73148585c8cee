//! CSV files in any dialect.
//!
//! Columns are found by their names in each file's header. The types of small files come from all of their
//! fields, those of larger ones from a sample. Where the sample told too little, `whole` finds the types in all of
//! them, in many pieces at once.

mod cells;
mod columns;
mod dialect;
mod error;
mod input;
mod opening;
mod records;
mod source;
mod whole;

pub(super) use columns::{check_order, columns};
pub use dialect::Dialect;
pub use error::CsvError;
pub(super) use source::TextSource;
pub(super) use whole::learn;
