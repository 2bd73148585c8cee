//! `sum`, with an error where the type of the result cannot hold it.
//!
//! DataFusion 55 adds integers and decimals with wrap-around, so that a sum that is too large is another number
//! (apache/datafusion#17539). This aggregate has the same name, types and states, and takes its place. Sums of all rows are
//! computed with 128 bits, so that only the result must fit; sums of groups are checked at each addition.

use crate::functions::sliding_distinct::SlidingDistinct;
use datafusion::arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray};
use datafusion::arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, FieldRef, Int64Type, UInt64Type,
};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::error::DataFusionError;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator,
    ReversedUDAF, SetMonotonicity, Signature,
};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::prim_op::PrimitiveGroupsAccumulator;
use std::fmt::Debug;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

static SUM: LazyLock<Arc<AggregateUDF>> =
    LazyLock::new(|| Arc::new(AggregateUDF::new_from_impl(CheckedSum { plain: sum_udaf() })));

/// The aggregate `sum`. Workers must know it in the place of DataFusion's.
pub fn checked_sum() -> Arc<AggregateUDF> {
    Arc::clone(&SUM)
}

/// The error of a sum that is too large for its type.
pub(crate) fn overflow(kind: &DataType) -> DataFusionError {
    let remedy = match kind {
        DataType::Decimal128(..) => "DOUBLE or DECIMAL(76, 0)",
        _ => "DECIMAL(38, 0) or DOUBLE",
    };
    let name = sql_name(kind);
    ArrowError::ArithmeticOverflow(format!(
        "a sum is too large for {name}: cast its argument to {remedy} in SQL, or use astype(\"float64\") in a frame"
    ))
    .into()
}

/// What SQL calls a type of numbers.
pub(crate) fn sql_name(kind: &DataType) -> String {
    let name = match kind {
        DataType::Int8 => "TINYINT",
        DataType::Int16 => "SMALLINT",
        DataType::Int32 => "INT",
        DataType::Int64 => "BIGINT",
        DataType::UInt8 => "TINYINT UNSIGNED",
        DataType::UInt16 => "SMALLINT UNSIGNED",
        DataType::UInt32 => "INT UNSIGNED",
        DataType::UInt64 => "BIGINT UNSIGNED",
        DataType::Decimal128(precision, scale) => return format!("DECIMAL({precision}, {scale})"),
        other => return other.to_string(),
    };
    name.to_string()
}

/// A type whose sums could wrap around.
pub(crate) trait Summed: ArrowPrimitiveType + Debug + Send + Sync {
    /// The sum of some values, if 128 bits can hold it.
    fn total(values: impl Iterator<Item = Self::Native>) -> Option<i128>;

    /// The sum of values none of which is missing, if 128 bits can hold it.
    fn total_of_all(values: &[Self::Native]) -> Option<i128> {
        Self::total(values.iter().copied())
    }

    /// A sum as a value of the type, if that can hold it.
    fn narrowed(sum: i128) -> Option<Self::Native>;

    /// The sum of two values, if the type can hold it.
    fn plus(one: Self::Native, other: Self::Native) -> Option<Self::Native>;
}

/// Sums 64-bit numbers in halves, which the compiler makes a loop over vectors of. `flip` makes them unsigned.
fn in_halves(values: impl Iterator<Item = u64>) -> u128 {
    // A batch has less than 2^32 rows.
    let (high, low) = values.fold((0_u64, 0_u64), |(high, low), value| {
        (high.wrapping_add(value >> 32), low.wrapping_add(value & 0xFFFF_FFFF))
    });
    (u128::from(high) << 32) + u128::from(low)
}

impl Summed for Int64Type {
    fn total(values: impl Iterator<Item = i64>) -> Option<i128> {
        Some(values.map(i128::from).sum())
    }

    fn total_of_all(values: &[i64]) -> Option<i128> {
        // The difference to the least value is unsigned.
        let shifted = in_halves(values.iter().map(|value| (value ^ i64::MIN).cast_unsigned()));
        let least = i128::from(i64::MIN) * i128::try_from(values.len()).ok()?;
        Some(i128::try_from(shifted).ok()? + least)
    }

    fn narrowed(sum: i128) -> Option<i64> {
        i64::try_from(sum).ok()
    }

    fn plus(one: i64, other: i64) -> Option<i64> {
        one.checked_add(other)
    }
}

impl Summed for UInt64Type {
    fn total(values: impl Iterator<Item = u64>) -> Option<i128> {
        Some(values.map(i128::from).sum())
    }

    fn total_of_all(values: &[u64]) -> Option<i128> {
        i128::try_from(in_halves(values.iter().copied())).ok()
    }

    fn narrowed(sum: i128) -> Option<u64> {
        u64::try_from(sum).ok()
    }

    fn plus(one: u64, other: u64) -> Option<u64> {
        one.checked_add(other)
    }
}

/// One more than the largest decimal number of 38 digits, as an integer.
const DECIMAL_END: u128 = 10_u128.pow(38);

impl Summed for Decimal128Type {
    fn total(mut values: impl Iterator<Item = i128>) -> Option<i128> {
        values.try_fold(0_i128, i128::checked_add)
    }

    fn narrowed(sum: i128) -> Option<i128> {
        (sum.unsigned_abs() < DECIMAL_END).then_some(sum)
    }

    fn plus(one: i128, other: i128) -> Option<i128> {
        one.checked_add(other).and_then(Self::narrowed)
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CheckedSum {
    plain: Arc<AggregateUDF>,
}

/// Calls a function for the type of a sum, or gives something else where sums cannot wrap around.
macro_rules! if_checked {
    ($kind:expr, $make:ident($($argument:expr),*), else $other:expr) => {
        match $kind {
            DataType::Int64 => $make::<Int64Type>($($argument),*),
            DataType::UInt64 => $make::<UInt64Type>($($argument),*),
            // Others have ten digits more than what is summed.
            DataType::Decimal128(DECIMAL128_MAX_PRECISION, _) => {
                $make::<Decimal128Type>($($argument),*)
            }
            _ => $other,
        }
    };
}

fn total<T: Summed>(kind: &DataType) -> Box<dyn Accumulator> {
    Box::new(Total::<T>::new(kind, 0, 0))
}

fn distinct<T: Summed>(kind: &DataType, values: Box<dyn Accumulator>) -> Box<dyn Accumulator> {
    Box::new(Distinct::<T> { values, total: Total::new(kind, 0, 0) })
}

fn sliding<T: Summed>(kind: &DataType) -> Box<dyn Accumulator>
where
    T::Native: Hash + Eq,
{
    Box::new(SlidingDistinct::<T>::new(kind))
}

fn groups<T: Summed>(kind: &DataType) -> Box<dyn GroupsAccumulator> {
    let is_too_large = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&is_too_large);
    let add = move |sum: &mut T::Native, value| match T::plus(*sum, value) {
        Some(more) => *sum = more,
        None => flag.store(true, Ordering::Relaxed),
    };
    let sums = PrimitiveGroupsAccumulator::<T, _>::new(kind, add);
    Box::new(Groups { sums, is_too_large, kind: kind.clone() })
}

impl AggregateUDFImpl for CheckedSum {
    fn name(&self) -> &str {
        self.plain.name()
    }

    fn signature(&self) -> &Signature {
        self.plain.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.plain.return_type(types)
    }

    fn accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let kind = arguments.return_field.data_type().clone();
        let is_distinct = arguments.is_distinct;
        let plain = self.plain.accumulator(arguments)?;
        Ok(match is_distinct {
            true => if_checked!(kind, distinct(&kind, plain), else plain),
            false => if_checked!(kind, total(&kind), else plain),
        })
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.plain.state_fields(arguments)
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs<'_>) -> bool {
        self.plain.groups_accumulator_supported(arguments)
    }

    fn create_groups_accumulator(
        &self,
        arguments: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        let kind = arguments.return_field.data_type().clone();
        Ok(if_checked!(kind, groups(&kind), else self.plain.create_groups_accumulator(arguments)?))
    }

    fn create_sliding_accumulator(
        &self,
        arguments: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        let kind = arguments.return_field.data_type().clone();
        if arguments.is_distinct {
            return Ok(
                if_checked!(kind, sliding(&kind), else self.plain.create_sliding_accumulator(arguments)?),
            );
        }
        Ok(if_checked!(kind, total(&kind), else self.plain.create_sliding_accumulator(arguments)?))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn set_monotonicity(&self, kind: &DataType) -> SetMonotonicity {
        self.plain.inner().set_monotonicity(kind)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.plain.documentation()
    }
}

/// The sum of what was seen so far.
#[derive(Debug)]
struct Total<T> {
    sum: i128,
    /// Of how many values.
    count: usize,
    kind: DataType,
    of: PhantomData<T>,
}

impl<T: Summed> Total<T> {
    fn new(kind: &DataType, sum: i128, count: usize) -> Self {
        Self { sum, count, kind: kind.clone(), of: PhantomData }
    }

    /// The sum of the values of one column that are not missing, and how many they are.
    fn of(&self, arrays: &[ArrayRef]) -> Result<(i128, usize)> {
        let Some(column) = arrays.first().and_then(|values| values.as_primitive_opt::<T>()) else {
            return internal_err!("sum expects one column of {}", self.kind);
        };
        let sum = match column.null_count() {
            0 => T::total_of_all(column.values()),
            _ => T::total(column.iter().flatten()),
        };
        Ok((sum.ok_or_else(|| overflow(&self.kind))?, column.len() - column.null_count()))
    }
}

impl<T: Summed> Accumulator for Total<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (sum, count) = self.of(values)?;
        self.sum = self.sum.checked_add(sum).ok_or_else(|| overflow(&self.kind))?;
        self.count += count;
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (sum, count) = self.of(values)?;
        self.sum = self.sum.checked_sub(sum).ok_or_else(|| overflow(&self.kind))?;
        self.count = self.count.saturating_sub(count);
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = match self.count {
            0 => None,
            _ => Some(T::narrowed(self.sum).ok_or_else(|| overflow(&self.kind))?),
        };
        ScalarValue::new_primitive::<T>(sum, &self.kind)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// The sum of distinct values, which DataFusion's accumulator holds.
#[derive(Debug)]
struct Distinct<T> {
    values: Box<dyn Accumulator>,
    /// Of no values.
    total: Total<T>,
}

impl<T: Summed> Accumulator for Distinct<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.values.update_batch(values)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.values.merge_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.values.state()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let states = self.values.state()?;
        let Some(ScalarValue::List(list)) = states.first() else {
            return internal_err!("distinct values of a sum are no list");
        };
        let (sum, count) = self.total.of(&[list.value(0)])?;
        Total::<T>::new(&self.total.kind, sum, count).evaluate()
    }

    fn size(&self) -> usize {
        self.values.size()
    }
}

/// The sums of groups.
struct Groups<G> {
    sums: G,
    /// Whether an addition could not be done.
    is_too_large: Arc<AtomicBool>,
    kind: DataType,
}

impl<G: GroupsAccumulator> Groups<G> {
    fn check(&self) -> Result<()> {
        match self.is_too_large.load(Ordering::Relaxed) {
            true => Err(overflow(&self.kind)),
            false => Ok(()),
        }
    }
}

impl<G: GroupsAccumulator> GroupsAccumulator for Groups<G> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        count: usize,
    ) -> Result<()> {
        self.sums.update_batch(values, groups, filter, count)?;
        self.check()
    }

    fn evaluate(&mut self, which: EmitTo) -> Result<ArrayRef> {
        self.sums.evaluate(which)
    }

    fn state(&mut self, which: EmitTo) -> Result<Vec<ArrayRef>> {
        self.sums.state(which)
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], count: usize) -> Result<()> {
        self.sums.merge_batch(states, groups, count)?;
        self.check()
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        self.sums.convert_to_state(values, filter)
    }

    fn size(&self) -> usize {
        self.sums.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Int64Array, UInt64Array};

    fn sum_of<T: Summed>(kind: &DataType, values: ArrayRef) -> Result<ScalarValue> {
        let mut total = Total::<T>::new(kind, 0, 0);
        total.update_batch(&[values])?;
        total.evaluate()
    }

    /// What is too large on the way does not matter, if the sum is not.
    #[test]
    fn only_the_sum_must_fit() {
        let of = |values: Vec<i64>| {
            sum_of::<Int64Type>(&DataType::Int64, Arc::new(Int64Array::from(values)))
        };
        assert_eq!(of(vec![i64::MAX, 5, -5]).unwrap(), ScalarValue::Int64(Some(i64::MAX)));
        assert_eq!(of(vec![i64::MIN, -1, 1, 0]).unwrap(), ScalarValue::Int64(Some(i64::MIN)));
        assert_eq!(of(vec![]).unwrap(), ScalarValue::Int64(None));
        assert!(of(vec![i64::MAX, 1]).is_err());
        assert!(of(vec![i64::MIN, -1]).is_err());
        let values: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX, 1]));
        assert!(sum_of::<UInt64Type>(&DataType::UInt64, values).is_err());
    }

    /// Halves give the same sum as 128 bits, with missing values and without.
    #[test]
    fn halves_are_exact() {
        let mut value = 0x9E37_79B9_7F4A_7C15_u64;
        let numbers: Vec<i64> = (0..5_000)
            .map(|_| {
                value = value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                value.cast_signed() >> (value % 60)
            })
            .collect();
        let expected: i128 = numbers.iter().map(|one| i128::from(*one)).sum();
        assert_eq!(Int64Type::total_of_all(&numbers), Some(expected));
        let unsigned: Vec<u64> = numbers.iter().map(|one| one.cast_unsigned()).collect();
        let expected: i128 = unsigned.iter().map(|one| i128::from(*one)).sum();
        assert_eq!(UInt64Type::total_of_all(&unsigned), Some(expected));
    }
}
