//! Texts without the buffers that they do not use.

use datafusion::arrow::array::{ArrayRef, AsArray, GenericByteViewArray, RecordBatch};
use datafusion::arrow::datatypes::{ByteViewType, DataType};
use datafusion::error::Result;
use std::sync::Arc;

/// The batch without what it does not use of the buffers behind its texts: an operator that picks
/// rows, such as a merge, leaves them in the buffers of all the batches that they came from, which
/// would be counted and written as a whole with each batch. A column is copied if it uses less than one
/// `part`-th of its buffers.
///
/// # Errors
/// If the batch cannot be put together again.
pub fn compacted(batch: RecordBatch, part: usize) -> Result<RecordBatch> {
    let compact = |column| compact(column, part);
    let compact: Vec<Option<ArrayRef>> = batch.columns().iter().map(compact).collect();
    if compact.iter().all(Option::is_none) {
        return Ok(batch);
    }
    let columns = compact.into_iter().zip(batch.columns());
    let columns = columns.map(|(compact, column)| compact.unwrap_or_else(|| Arc::clone(column)));
    Ok(RecordBatch::try_new(batch.schema(), columns.collect())?)
}

/// A copy of a column with what it uses of its buffers, if that is less than one `part`-th.
fn compact(column: &ArrayRef, part: usize) -> Option<ArrayRef> {
    fn copy<T: ByteViewType>(array: &GenericByteViewArray<T>, part: usize) -> Option<ArrayRef> {
        let held: usize = array.data_buffers().iter().map(|buffer| buffer.capacity()).sum();
        (held / part > array.total_buffer_bytes_used()).then(|| Arc::new(array.gc()) as ArrayRef)
    }
    match column.data_type() {
        DataType::Utf8View => copy(column.as_string_view(), part),
        DataType::BinaryView => copy(column.as_binary_view(), part),
        _ => None,
    }
}
