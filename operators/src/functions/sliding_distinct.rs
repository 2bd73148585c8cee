//! `sum(DISTINCT ..)` over a window that moves, with an error where the type of the result cannot hold it.
//!
//! DataFusion 55 adds with wrap-around there, too, and knows no type but 64-bit integers.

use crate::functions::sums::{Summed, overflow};
use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, internal_err};
use datafusion::logical_expr::Accumulator;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

/// The sum of the distinct values of the rows of a window, each with the number of its rows.
#[derive(Debug)]
pub(super) struct SlidingDistinct<T: Summed> {
    rows: HashMap<T::Native, u64>,
    sum: i128,
    kind: DataType,
}

impl<T: Summed> SlidingDistinct<T>
where
    T::Native: Hash + Eq,
{
    pub(super) fn new(kind: &DataType) -> Self {
        Self { rows: HashMap::new(), sum: 0, kind: kind.clone() }
    }

    fn values<'a>(&self, arrays: &'a [ArrayRef]) -> Result<impl Iterator<Item = T::Native> + 'a> {
        match arrays.first().and_then(|values| values.as_primitive_opt::<T>()) {
            Some(column) => Ok(column.iter().flatten()),
            None => internal_err!("sum expects one column of {}", self.kind),
        }
    }

    fn wide(&self, value: T::Native) -> Result<i128> {
        T::total(std::iter::once(value)).ok_or_else(|| overflow(&self.kind))
    }
}

impl<T: Summed> Accumulator for SlidingDistinct<T>
where
    T::Native: Hash + Eq,
{
    fn update_batch(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        for value in self.values(arrays)? {
            let count = self.rows.entry(value).or_insert(0);
            *count += 1;
            if *count == 1 {
                let sum = self.sum.checked_add(self.wide(value)?);
                self.sum = sum.ok_or_else(|| overflow(&self.kind))?;
            }
        }
        Ok(())
    }

    fn retract_batch(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        for value in self.values(arrays)? {
            let Entry::Occupied(mut found) = self.rows.entry(value) else {
                return internal_err!("a row leaves a window in which it was not");
            };
            *found.get_mut() -= 1;
            if *found.get() == 0 {
                found.remove();
                let sum = self.sum.checked_sub(self.wide(value)?);
                self.sum = sum.ok_or_else(|| overflow(&self.kind))?;
            }
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        Err(exec_datafusion_err!("the sum of a window has no parts"))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Err(exec_datafusion_err!("the sum of a window has no parts"))
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = match self.rows.is_empty() {
            true => None,
            false => Some(T::narrowed(self.sum).ok_or_else(|| overflow(&self.kind))?),
        };
        ScalarValue::new_primitive::<T>(sum, &self.kind)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.rows.capacity() * (size_of::<T::Native>() + size_of::<u64>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::Int64Array;
    use datafusion::arrow::datatypes::Int64Type;
    use std::sync::Arc;

    fn column(values: &[Option<i64>]) -> Vec<ArrayRef> {
        vec![Arc::new(Int64Array::from(values.to_vec()))]
    }

    /// A value counts as long as some row of the window has it; a sum that is too large for a moment is an error only then.
    #[test]
    fn values_count_once_while_they_are_there() {
        let mut sum = SlidingDistinct::<Int64Type>::new(&DataType::Int64);
        let is = |sum: &mut SlidingDistinct<Int64Type>| match sum.evaluate().unwrap() {
            ScalarValue::Int64(value) => value,
            other => panic!("{other:?}"),
        };
        assert_eq!(is(&mut sum), None);
        sum.update_batch(&column(&[Some(5), None, Some(5), Some(7)])).unwrap();
        assert_eq!(is(&mut sum), Some(12));
        sum.retract_batch(&column(&[Some(5), None])).unwrap();
        assert_eq!(is(&mut sum), Some(12));
        sum.update_batch(&column(&[Some(i64::MAX)])).unwrap();
        assert!(sum.evaluate().unwrap_err().to_string().contains("too large for BIGINT"));
        sum.retract_batch(&column(&[Some(5), Some(i64::MAX)])).unwrap();
        assert_eq!(is(&mut sum), Some(7));
        sum.retract_batch(&column(&[Some(7)])).unwrap();
        assert_eq!(is(&mut sum), None);
    }
}
