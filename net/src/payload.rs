//! What a partition can be besides rows: a block of an array, or a pickled object.
//!
//! Either is opaque bytes with a header. It is kept and sent as a table with one column of bytes, with the header in
//! the metadata of the schema: so whatever stores, spills, sends, migrates and counts tables does the same with it.

use arrow::array::{Array, ArrayRef, UInt8Array};
use arrow::buffer::{Buffer, MutableBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// The key of the header in the metadata of a schema.
const HEADER_KEY: &str = "partita.payload";

/// The name of the column with the bytes.
const BYTES_COLUMN: &str = "bytes";

/// The largest number of axes of a block.
const AXES_MAX: usize = 64;

/// What the bytes of a payload are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Header {
    /// A block of an array: its items in row-major order.
    Block {
        /// The type of the items, as NumPy writes it (`<f8`).
        dtype: String,
        /// Bytes of one item.
        item_bytes: u32,
        /// Items on each axis.
        shape: Vec<u64>,
    },
    /// A pickled object: the pickle, then its buffers (pickle protocol 5), one after the other.
    Pickle {
        /// Bytes of each part.
        parts: Vec<u64>,
    },
}

/// Which items of a block are wanted on one axis: `start`, `start + step`, … below `stop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoxAxis {
    /// The first item.
    pub start: u64,
    /// The end of the range, which is not in it; at least `start`.
    pub stop: u64,
    /// The distance of two items, at least 1.
    pub step: u64,
}

impl BoxAxis {
    fn len(self) -> u64 {
        self.stop.saturating_sub(self.start).div_ceil(self.step.max(1))
    }
}

/// Why bytes are no payload, or have no such part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The table is one of rows.
    #[error("the partition has rows, not a block of an array or an object")]
    Rows,
    /// The header is damaged, or of another version.
    #[error("the header of the partition cannot be read: {0}")]
    Header(String),
    /// The header and the bytes do not fit.
    #[error("the partition has {found} bytes, and its header says {expected}")]
    Length {
        /// What there is.
        found: u64,
        /// What there should be.
        expected: u64,
    },
    /// A box that does not fit the block.
    #[error("the box {wanted} is not part of a block of shape {shape}")]
    Box {
        /// The box.
        wanted: String,
        /// The shape of the block, if it is one.
        shape: String,
    },
}

/// What stands before the bytes of a pickled object where they are sent without a schema: the number of its parts in 4
/// bytes, and the length of each in 8, little-endian.
pub fn parts_prefix(parts: &[u64]) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(4 + 8 * parts.len());
    prefix.extend((parts.len() as u32).to_le_bytes());
    parts.iter().for_each(|part| prefix.extend(part.to_le_bytes()));
    prefix
}

/// Opaque bytes with a header.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload {
    header: Header,
    bytes: Buffer,
}

impl Header {
    /// The bytes that it says there are; none if they cannot be counted.
    pub fn bytes(&self) -> Option<u64> {
        match self {
            Header::Block { item_bytes, shape, .. } => {
                let items = shape.iter().try_fold(1_u64, |items, axis| items.checked_mul(*axis));
                items?.checked_mul(u64::from(*item_bytes)).filter(|_| shape.len() <= AXES_MAX)
            }
            Header::Pickle { parts } => {
                parts.iter().try_fold(0_u64, |bytes, part| bytes.checked_add(*part))
            }
        }
    }

    /// The header of the items of a block in a box.
    ///
    /// # Errors
    /// If it is not that of a block, or the box reaches beyond it.
    pub fn cut(&self, wanted: &[BoxAxis]) -> Result<Self, PayloadError> {
        let outside = |shape: &[u64]| PayloadError::Box {
            wanted: format!("{wanted:?}"),
            shape: format!("{shape:?}"),
        };
        let Header::Block { dtype, item_bytes, shape } = self else { return Err(outside(&[])) };
        let fits = |(axis, items): (&BoxAxis, &u64)| {
            axis.step > 0 && axis.start <= axis.stop && axis.stop <= *items
        };
        if wanted.len() != shape.len() || !wanted.iter().zip(shape).all(fits) {
            return Err(outside(shape));
        }
        let shape = wanted.iter().map(|axis| axis.len()).collect();
        Ok(Header::Block { dtype: dtype.clone(), item_bytes: *item_bytes, shape })
    }

    /// The schema of tables with this header.
    pub fn schema(&self) -> Result<SchemaRef, PayloadError> {
        let header =
            serde_json::to_string(self).map_err(|error| PayloadError::Header(error.to_string()))?;
        let metadata = HashMap::from([(HEADER_KEY.to_string(), header)]);
        let field = Field::new(BYTES_COLUMN, DataType::UInt8, false);
        Ok(Arc::new(Schema::new_with_metadata(vec![field], metadata)))
    }

    /// The header of a table, if it is a payload.
    pub fn of(schema: &Schema) -> Result<Option<Header>, PayloadError> {
        let Some(text) = schema.metadata().get(HEADER_KEY) else { return Ok(None) };
        let header =
            serde_json::from_str(text).map_err(|error| PayloadError::Header(error.to_string()))?;
        Ok(Some(header))
    }

    /// Whether a table is a payload.
    pub fn is_in(schema: &Schema) -> bool {
        schema.metadata().contains_key(HEADER_KEY)
    }
}

impl Payload {
    /// Bytes with their header.
    ///
    /// # Errors
    /// [`PayloadError::Length`] if they do not fit each other.
    pub fn new(header: Header, bytes: Buffer) -> Result<Self, PayloadError> {
        let (found, expected) = (bytes.len() as u64, header.bytes());
        match expected == Some(found) {
            true => Ok(Payload { header, bytes }),
            false => Err(PayloadError::Length { found, expected: expected.unwrap_or(u64::MAX) }),
        }
    }

    /// What the bytes are.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The bytes.
    pub fn bytes(&self) -> &Buffer {
        &self.bytes
    }

    /// The table, which shares the bytes.
    pub fn to_batch(&self) -> Result<RecordBatch, PayloadError> {
        let bytes = ScalarBuffer::from(self.bytes.clone());
        let column: ArrayRef = Arc::new(UInt8Array::new(bytes, None));
        RecordBatch::try_new(self.header.schema()?, vec![column])
            .map_err(|error| PayloadError::Header(error.to_string()))
    }

    /// The bytes in one batch of the table of a payload.
    ///
    /// # Errors
    /// [`PayloadError::Rows`] if it is one of rows.
    pub fn bytes_of(batch: &RecordBatch) -> Result<&Buffer, PayloadError> {
        let column = batch.columns().first().and_then(|column| column.as_any().downcast_ref());
        column.map(|bytes: &UInt8Array| bytes.values().inner()).ok_or(PayloadError::Rows)
    }

    /// The payload of a table. It shares the bytes of a single batch, and copies those of several.
    ///
    /// # Errors
    /// If the table is not a payload, or a damaged one.
    pub fn from_batches(schema: &Schema, batches: &[RecordBatch]) -> Result<Self, PayloadError> {
        let header = Header::of(schema)?.ok_or(PayloadError::Rows)?;
        let bytes = |batch| Payload::bytes_of(batch).cloned();
        let parts = batches.iter().map(bytes).collect::<Result<Vec<Buffer>, _>>()?;
        let bytes = match parts.as_slice() {
            [one] => one.clone(),
            parts => {
                let mut all = MutableBuffer::new(parts.iter().map(Buffer::len).sum());
                parts.iter().for_each(|part| all.extend_from_slice(part));
                all.into()
            }
        };
        Payload::new(header, bytes)
    }

    /// The items of a block in a box, as a block: a copy of these.
    ///
    /// # Errors
    /// If it is not a block, or the box reaches beyond it.
    pub fn cut(&self, wanted: &[BoxAxis]) -> Result<Self, PayloadError> {
        let header = self.header.cut(wanted)?;
        let bytes = header.bytes().unwrap_or(0);
        let mut cut = MutableBuffer::new(bytes as usize);
        if let (Header::Block { item_bytes, shape, .. }, 1..) = (&self.header, bytes) {
            copy_box(&self.bytes, *item_bytes as usize, shape, wanted, &mut cut);
        }
        Payload::new(header, cut.into())
    }
}

/// Appends the items of a box that is not empty, row by row. A row is what lies together: the last axis, if its step
/// is 1, with all axes before it that are wanted whole.
fn copy_box(
    bytes: &[u8],
    item_bytes: usize,
    shape: &[u64],
    wanted: &[BoxAxis],
    cut: &mut MutableBuffer,
) {
    // The bytes from one item to the next on each axis.
    let mut strides = vec![item_bytes; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis] as usize;
    }
    let (mut outer, mut row_bytes, mut start) = (shape.len(), item_bytes, 0);
    while let Some(axis) = outer.checked_sub(1).filter(|axis| wanted[*axis].step == 1) {
        outer = axis;
        row_bytes = wanted[axis].len() as usize * strides[axis];
        start += wanted[axis].start as usize * strides[axis];
        if wanted[axis].len() != shape[axis] {
            break;
        }
    }
    let mut at = vec![0_u64; outer];
    loop {
        let offset: usize = (0..outer)
            .map(|axis| {
                (wanted[axis].start + at[axis] * wanted[axis].step) as usize * strides[axis]
            })
            .sum();
        cut.extend_from_slice(&bytes[start + offset..start + offset + row_bytes]);
        let Some(axis) = (0..outer).rev().find(|axis| at[*axis] + 1 < wanted[*axis].len()) else {
            return;
        };
        at[axis] += 1;
        at[axis + 1..].fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block whose items are 0, 1, 2, … of two bytes each.
    fn block(shape: &[u64]) -> Payload {
        let items: u64 = shape.iter().product();
        let bytes: Vec<u8> = (0..items as u16).flat_map(u16::to_le_bytes).collect();
        let header = Header::Block { dtype: "<u2".into(), item_bytes: 2, shape: shape.to_vec() };
        Payload::new(header, bytes.into()).unwrap()
    }

    fn axis(start: u64, stop: u64, step: u64) -> BoxAxis {
        BoxAxis { start, stop, step }
    }

    /// The items of a box, one by one.
    fn items(shape: &[u64], wanted: &[BoxAxis]) -> Vec<u16> {
        let mut found = vec![0];
        for (axis, items) in wanted.iter().zip(shape) {
            let chosen = (axis.start..axis.stop).step_by(axis.step as usize);
            let chosen: Vec<u64> = chosen.collect();
            found =
                found.iter().flat_map(|at| chosen.iter().map(move |i| at * items + i)).collect();
        }
        found.into_iter().map(|item| item as u16).collect()
    }

    /// A table of a payload is read back as the same payload, in whatever pieces it comes.
    #[test]
    fn tables_give_payloads_back() {
        let pickle = Header::Pickle { parts: vec![3, 0, 2] };
        for payload in
            [block(&[3, 5]), block(&[]), Payload::new(pickle, vec![1_u8; 5].into()).unwrap()]
        {
            let batch = payload.to_batch().unwrap();
            assert!(Header::is_in(&batch.schema()));
            let pieces = [batch.slice(0, 1), batch.slice(1, batch.num_rows() - 1)];
            for batches in [&[batch.clone()][..], &pieces[..]] {
                assert_eq!(Payload::from_batches(&batch.schema(), batches).unwrap(), payload);
            }
        }
    }

    /// A box has the items that it names, for each shape, start, stop and step on each axis.
    #[test]
    fn boxes_have_their_items() {
        for shape in [&[7][..], &[4, 3], &[3, 1, 4], &[2, 3, 2, 2], &[0, 3]] {
            let block = block(shape);
            let axes = |items: u64| {
                let starts = (0..=items).flat_map(move |a| (a..=items).map(move |b| (a, b)));
                starts.flat_map(|(a, b)| [1, 2, 5].map(|step| axis(a, b, step)))
            };
            let mut boxes: Vec<Vec<BoxAxis>> = vec![Vec::new()];
            for items in shape {
                let longer = boxes.into_iter().flat_map(|before| {
                    axes(*items).map(move |last| [before.clone(), vec![last]].concat())
                });
                // Every seventh of many.
                let all: Vec<_> = longer.collect();
                let step = if all.len() > 2000 { 7 } else { 1 };
                boxes = all.into_iter().step_by(step).collect();
            }
            for wanted in boxes {
                let cut = block.cut(&wanted).unwrap();
                let expected: Vec<u8> =
                    items(shape, &wanted).into_iter().flat_map(u16::to_le_bytes).collect();
                assert_eq!(cut.bytes().as_slice(), expected, "{wanted:?} of {shape:?}");
            }
        }
    }

    /// What does not fit is refused: a box beyond the block, a wrong number of axes, no step, a box of an object, and
    /// bytes that are not as many as the header says.
    #[test]
    fn what_does_not_fit_is_refused() {
        let two = block(&[2, 2]);
        let bad = [vec![axis(0, 3, 1), axis(0, 2, 1)], vec![axis(0, 2, 1)], vec![axis(0, 2, 0); 2]];
        bad.iter().for_each(|bad| assert!(two.cut(bad).is_err(), "{bad:?}"));
        let object = Payload::new(Header::Pickle { parts: vec![4] }, vec![0_u8; 4].into()).unwrap();
        assert!(object.cut(&[]).is_err());
        let huge =
            Header::Block { dtype: "<f8".into(), item_bytes: 8, shape: vec![1 << 62, 1 << 62] };
        for header in [Header::Pickle { parts: vec![5] }, huge] {
            assert!(Payload::new(header, vec![0_u8; 4].into()).is_err());
        }
        let rows = RecordBatch::new_empty(Arc::new(Schema::empty()));
        assert_eq!(Payload::from_batches(&rows.schema(), &[rows]), Err(PayloadError::Rows));
    }
}
