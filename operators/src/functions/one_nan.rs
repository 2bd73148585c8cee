//! One NaN for all.
//!
//! There are many bit patterns that are NaN. Arrow's kernels compare, order and hash floating-point numbers by their bits: to
//! them -NaN is another value than NaN, and less than every number. And -NaN is common: on x86-64, 0.0 / 0.0 is one, and `-x`
//! changes the sign. In SQL, NaN equals itself and is greater than all other numbers, as in PostgreSQL and DuckDB. So files
//! are read with one NaN ([`crate::one_nan`]), and `one_nan(x)` is put around expressions that may make another.

use crate::functions::floats::{any, of_floats};
use datafusion::arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use datafusion::arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};
use datafusion::logical_expr::ScalarUDF;
use std::sync::{Arc, LazyLock};

/// The name of the function.
pub const ONE_NAN: &str = "one_nan";

static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| of_floats(ONE_NAN, with_one_nan));

/// The function `one_nan`: a floating-point number, and for every NaN the same one. Workers must know it by its name.
pub fn one_nan() -> Arc<ScalarUDF> {
    Arc::clone(&FUNCTION)
}

/// The array with one NaN, if it is one of floating-point numbers and has another.
pub fn with_one_nan(values: &ArrayRef) -> Option<ArrayRef> {
    let one = (f64::NAN.to_bits(), f32::NAN.to_bits());
    match values.data_type() {
        DataType::Float64 => changed::<Float64Type>(values, f64::NAN, |item| {
            item.is_nan() && item.to_bits() != one.0
        }),
        DataType::Float32 => changed::<Float32Type>(values, f32::NAN, |item| {
            item.is_nan() && item.to_bits() != one.1
        }),
        DataType::Float16 => {
            let nan = <Float16Type as ArrowPrimitiveType>::Native::NAN;
            changed::<Float16Type>(values, nan, |item| {
                item.is_nan() && item.to_bits() != nan.to_bits()
            })
        }
        _ => None,
    }
}

fn changed<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    nan: T::Native,
    is_other: impl Fn(T::Native) -> bool + Copy,
) -> Option<ArrayRef> {
    let numbers = array.as_primitive::<T>();
    any(numbers.values(), is_other).then(|| {
        let values = numbers.values().iter().map(|one| if is_other(*one) { nan } else { *one });
        Arc::new(PrimitiveArray::<T>::new(values.collect(), numbers.nulls().cloned())) as ArrayRef
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Float32Array, Float64Array, Int64Array};

    /// NaN of any sign and content becomes the same; all other values, and NULL, stay as they are.
    #[test]
    fn all_nan_are_one() {
        let odd = f64::from_bits(f64::NAN.to_bits() | 7);
        let given = [Some(-f64::NAN), Some(odd), None, Some(-0.0), Some(f64::NEG_INFINITY)];
        let values: ArrayRef = Arc::new(Float64Array::from(given.to_vec()));
        let made = with_one_nan(&values).unwrap();
        let made = made.as_primitive::<Float64Type>();
        assert_eq!(made.value(0).to_bits(), f64::NAN.to_bits());
        assert_eq!(made.value(1).to_bits(), f64::NAN.to_bits());
        assert!(made.is_null(2) && made.value(3).is_sign_negative());
        assert_eq!(made.value(4), f64::NEG_INFINITY);
        let single: ArrayRef = Arc::new(Float32Array::from(vec![1.0, -f32::NAN]));
        let made = with_one_nan(&single).unwrap();
        assert_eq!(made.as_primitive::<Float32Type>().value(1).to_bits(), f32::NAN.to_bits());
    }

    /// An array without such values is not copied, whatever it has.
    #[test]
    fn other_arrays_are_not_copied() {
        let plain: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN; 3_000]));
        assert!(with_one_nan(&plain).is_none());
        let integers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        assert!(with_one_nan(&integers).is_none());
    }
}
