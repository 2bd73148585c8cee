//! Arithmetic with the meaning that NumPy, pandas and Arrow give it.
//!
//! SQL divides towards zero and computes powers as floating-point numbers; the Python package needs
//! floored division, a remainder with the sign of the divisor, powers of integers, and one defined
//! answer at the limits of every type. Each style (`Style`) has its own set of functions, named after it:
//! `numpy_floordiv`, `pandas_floordiv`, `arrow_floordiv`. Both arguments have the type of the result.

use datafusion::arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use datafusion::arrow::datatypes::{
    ArrowNativeTypeOp, DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::{Arc, LazyLock};

/// The types of the arguments, in the order in which SQL converts to them.
const TYPES: [DataType; 10] = [
    DataType::Int64,
    DataType::Int32,
    DataType::Int16,
    DataType::Int8,
    DataType::UInt64,
    DataType::UInt32,
    DataType::UInt16,
    DataType::UInt8,
    DataType::Float32,
    DataType::Float64,
];
const NEGATIVE_POWER: &str = "Integers to negative integer powers are not allowed.";

/// What an integer result is where the type cannot hold it, and where the divisor is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Style {
    /// NumPy's scalars and arrays, and pandas' nullable types: wraps around; 0 for a divisor of zero.
    Numpy,
    /// A pandas column of a NumPy type, which becomes one of floats where a divisor is zero. A column of
    /// integers cannot hold infinity: that is an error; null stands for NaN.
    Pandas,
    /// A pandas column of an Arrow type: an error.
    Arrow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Operator {
    Add,
    Sub,
    Mul,
    TrueDiv,
    FloorDiv,
    Mod,
    Pow,
}

static FUNCTIONS: LazyLock<Vec<Arc<ScalarUDF>>> = LazyLock::new(|| {
    use {Operator::*, Style::*};
    let all = [
        ("numpy_floordiv", Numpy, FloorDiv),
        ("numpy_mod", Numpy, Mod),
        ("numpy_pow", Numpy, Pow),
        ("pandas_truediv", Pandas, TrueDiv),
        ("pandas_floordiv", Pandas, FloorDiv),
        ("pandas_mod", Pandas, Mod),
        ("arrow_add", Arrow, Add),
        ("arrow_sub", Arrow, Sub),
        ("arrow_mul", Arrow, Mul),
        ("arrow_floordiv", Arrow, FloorDiv),
        ("arrow_mod", Arrow, Mod),
        ("arrow_pow", Arrow, Pow),
    ];
    let function = |(name, style, operator)| {
        let signature = Signature::uniform(2, TYPES.to_vec(), Volatility::Immutable);
        let function = Arithmetic { name, style, operator, signature };
        Arc::new(ScalarUDF::new_from_impl(function))
    };
    all.into_iter().map(function).collect()
});

/// The functions. Workers must know them by their names.
pub fn arithmetic() -> &'static [Arc<ScalarUDF>] {
    &FUNCTIONS
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Arithmetic {
    name: &'static str,
    style: Style,
    operator: Operator,
    signature: Signature,
}

impl ScalarUDFImpl for Arithmetic {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [left, right] if left == right => Ok(left.clone()),
            _ => exec_err!("{} takes two numbers of one type, not {types:?}", self.name),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar =
            arguments.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let [left, right] = arrays.as_slice() else {
            return exec_err!("{} takes two arguments", self.name);
        };
        let result = self.of_arrays(left, right)?;
        Ok(match is_scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?),
            false => ColumnarValue::Array(result),
        })
    }
}

impl Arithmetic {
    fn of_arrays(&self, left: &ArrayRef, right: &ArrayRef) -> Result<ArrayRef> {
        match left.data_type() {
            DataType::Int8 => self.of_integers::<Int8Type>(left, right),
            DataType::Int16 => self.of_integers::<Int16Type>(left, right),
            DataType::Int32 => self.of_integers::<Int32Type>(left, right),
            DataType::Int64 => self.of_integers::<Int64Type>(left, right),
            DataType::UInt8 => self.of_integers::<UInt8Type>(left, right),
            DataType::UInt16 => self.of_integers::<UInt16Type>(left, right),
            DataType::UInt32 => self.of_integers::<UInt32Type>(left, right),
            DataType::UInt64 => self.of_integers::<UInt64Type>(left, right),
            DataType::Float32 => self.of_floats::<Float32Type>(left, right),
            DataType::Float64 => self.of_floats::<Float64Type>(left, right),
            other => exec_err!("{} does not support {other}", self.name),
        }
    }

    fn of_integers<T: ArrowPrimitiveType>(
        &self,
        left: &ArrayRef,
        right: &ArrayRef,
    ) -> Result<ArrayRef>
    where
        T::Native: ArrowNativeTypeOp,
    {
        each::<T>(left, right, |pair| match pair {
            (Some(left), Some(right)) => self.of_integer(left, right),
            pair => Ok(self.of_missing(pair)),
        })
    }

    fn of_integer<N: ArrowNativeTypeOp>(&self, left: N, right: N) -> Result<Option<N>> {
        let is_division = matches!(self.operator, Operator::FloorDiv | Operator::Mod);
        if is_division && right.is_zero() {
            return self.by_zero(left);
        }
        let is_checked = self.style == Style::Arrow;
        let value = match self.operator {
            Operator::Add if is_checked => left.add_checked(right)?,
            Operator::Add => left.add_wrapping(right),
            Operator::Sub if is_checked => left.sub_checked(right)?,
            Operator::Sub => left.sub_wrapping(right),
            Operator::Mul if is_checked => left.mul_checked(right)?,
            Operator::Mul => left.mul_wrapping(right),
            Operator::TrueDiv => return exec_err!("{} takes floating-point numbers", self.name),
            Operator::FloorDiv => {
                let quotient =
                    if is_checked { left.div_checked(right)? } else { left.div_wrapping(right) };
                let is_above = is_rounded_up(left.mod_wrapping(right), right);
                if is_above { quotient.sub_wrapping(N::ONE) } else { quotient }
            }
            Operator::Mod => {
                let rest = left.mod_wrapping(right);
                if is_rounded_up(rest, right) { rest.add_wrapping(right) } else { rest }
            }
            Operator::Pow => power(left, right, is_checked)?,
        };
        Ok(Some(value))
    }

    /// The answer where the divisor is zero.
    fn by_zero<N: ArrowNativeTypeOp>(&self, left: N) -> Result<Option<N>> {
        match self.style {
            Style::Numpy => Ok(Some(N::ZERO)),
            Style::Pandas if self.operator == Operator::Mod || left.is_zero() => Ok(None),
            Style::Pandas => exec_err!(
                "integer division by zero: the result is infinite, which an integer column cannot store; convert one of them with astype('float64')"
            ),
            Style::Arrow => exec_err!("integer division by zero"),
        }
    }

    fn of_floats<T: ArrowPrimitiveType>(
        &self,
        left: &ArrayRef,
        right: &ArrayRef,
    ) -> Result<ArrayRef>
    where
        T::Native: Float,
    {
        each::<T>(left, right, |pair| match pair {
            (Some(left), Some(right)) => {
                Ok(Some(self.of_float(left, right)?).filter(|value| !value.is_not_a_number()))
            }
            pair => Ok(self.of_missing(pair)),
        })
    }

    fn of_float<N: Float>(&self, left: N, right: N) -> Result<N> {
        Ok(match self.operator {
            Operator::Add => left.add_wrapping(right),
            Operator::Sub => left.sub_wrapping(right),
            Operator::Mul => left.mul_wrapping(right),
            Operator::TrueDiv => left.div_wrapping(right),
            Operator::FloorDiv => left.floored(right).0,
            Operator::Mod => left.floored(right).1,
            Operator::Pow => left.to_the(right),
        })
    }

    /// The answer where one side is missing: for NumPy, whatever that is, its power of 0 is 1, and so is
    /// each power of 1.
    fn of_missing<N: ArrowNativeTypeOp>(&self, pair: (Option<N>, Option<N>)) -> Option<N> {
        let is_one = match pair {
            (Some(base), None) => base.is_eq(N::ONE),
            (None, Some(exponent)) => exponent.is_zero(),
            _ => false,
        };
        let is_known = self.operator == Operator::Pow && self.style != Style::Arrow && is_one;
        is_known.then_some(N::ONE)
    }
}

/// The values of two arrays of this type, one pair after the other.
fn each<T: ArrowPrimitiveType>(
    left: &ArrayRef,
    right: &ArrayRef,
    of: impl Fn((Option<T::Native>, Option<T::Native>)) -> Result<Option<T::Native>>,
) -> Result<ArrayRef> {
    let (Some(left), Some(right)) = (left.as_primitive_opt::<T>(), right.as_primitive_opt::<T>())
    else {
        return Err(DataFusionError::Internal(format!(
            "arithmetic of {} got {} and {}",
            T::DATA_TYPE,
            left.data_type(),
            right.data_type()
        )));
    };
    let values = left.iter().zip(right.iter()).map(of).collect::<Result<PrimitiveArray<T>>>()?;
    Ok(Arc::new(values))
}

/// Whether a division towards zero that left this rest is one more than the floored one.
fn is_rounded_up<N: ArrowNativeTypeOp>(rest: N, divisor: N) -> bool {
    !rest.is_zero() && rest.is_lt(N::ZERO) != divisor.is_lt(N::ZERO)
}

/// A power by squaring.
fn power<N: ArrowNativeTypeOp>(base: N, exponent: N, is_checked: bool) -> Result<N> {
    let Some(mut exponent) = exponent.to_usize() else { return exec_err!("{NEGATIVE_POWER}") };
    let times = |one: N, other: N| match is_checked {
        true => one.mul_checked(other).map_err(DataFusionError::from),
        false => Ok(one.mul_wrapping(other)),
    };
    let (mut square, mut product) = (base, N::ONE);
    loop {
        if exponent & 1 == 1 {
            product = times(product, square)?;
        }
        exponent >>= 1;
        if exponent == 0 {
            return Ok(product);
        }
        square = times(square, square)?;
    }
}

/// Operators of floating-point numbers, as NumPy has them.
trait Float: ArrowNativeTypeOp {
    fn is_not_a_number(self) -> bool;

    fn to_the(self, exponent: Self) -> Self;

    /// The floored quotient, and the rest with the sign of the divisor: `npy_divmod` of NumPy.
    fn floored(self, divisor: Self) -> (Self, Self);
}

macro_rules! float {
    ($native:ty) => {
        impl Float for $native {
            fn is_not_a_number(self) -> bool {
                self.is_nan()
            }

            fn to_the(self, exponent: Self) -> Self {
                self.powf(exponent)
            }

            fn floored(self, divisor: Self) -> (Self, Self) {
                let rest = self % divisor;
                if divisor == 0.0 {
                    return (self / divisor, rest);
                }
                let quotient = (self - rest) / divisor;
                let (quotient, rest) = match rest {
                    0.0 => (quotient, <$native>::copysign(0.0, divisor)),
                    _ if (rest < 0.0) != (divisor < 0.0) => (quotient - 1.0, rest + divisor),
                    _ => (quotient, rest),
                };
                if quotient == 0.0 {
                    return (<$native>::copysign(0.0, self / divisor), rest);
                }
                let floor = quotient.floor();
                (if quotient - floor > 0.5 { floor + 1.0 } else { floor }, rest)
            }
        }
    };
}

float!(f32);
float!(f64);

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Float64Array, Int8Array, Int64Array, UInt64Array};

    fn of(name: &str, left: ArrayRef, right: ArrayRef) -> Result<ArrayRef> {
        let function = arithmetic().iter().find(|one| one.name() == name).expect("a function");
        let function = function.inner().downcast_ref::<Arithmetic>().expect("of ours");
        function.of_arrays(&left, &right)
    }

    fn int64(values: &[i64]) -> ArrayRef {
        Arc::new(Int64Array::from(values.to_vec()))
    }

    /// The values of Python's integers wherever the type holds them, and NumPy's where it does not.
    #[test]
    fn integers_near_their_limits() {
        let (min, max) = (i64::MIN, i64::MAX);
        let (left, right) = (int64(&[max - 1, min, min, -7, 7]), int64(&[max, max, -1, 2, -2]));
        let rest = of("pandas_mod", Arc::clone(&left), Arc::clone(&right)).expect("values");
        assert_eq!(&rest, &int64(&[max - 1, max - 1, 0, 1, -1]));
        let quotients = of("pandas_floordiv", left, right).expect("values");
        assert_eq!(&quotients, &int64(&[0, -2, min, -4, -4]));
        let powers = of("numpy_pow", int64(&[2, -2, 3, 0]), int64(&[64, 63, 41, 0]));
        let wrapped = 3_i64.wrapping_pow(41);
        assert_eq!(&powers.expect("values"), &int64(&[0, min, wrapped, 1]));
    }

    /// Every pair of the smallest type, beside arithmetic that cannot overflow.
    #[test]
    fn all_pairs_of_int8() {
        let pairs = (i8::MIN..=i8::MAX).flat_map(|a| (i8::MIN..=i8::MAX).map(move |b| (a, b)));
        let pairs: Vec<(i8, i8)> = pairs.filter(|(_, b)| *b != 0).collect();
        let left: ArrayRef = Arc::new(Int8Array::from_iter_values(pairs.iter().map(|p| p.0)));
        let right: ArrayRef = Arc::new(Int8Array::from_iter_values(pairs.iter().map(|p| p.1)));
        let exact = |(a, b): &(i8, i8)| (f64::from(*a) / f64::from(*b)).floor() as i32;
        let quotients = pairs.iter().map(|pair| exact(pair) as i8);
        let quotients: ArrayRef = Arc::new(Int8Array::from_iter_values(quotients));
        let rests =
            pairs.iter().map(|pair| (i32::from(pair.0) - exact(pair) * i32::from(pair.1)) as i8);
        let rests: ArrayRef = Arc::new(Int8Array::from_iter_values(rests));
        let found = of("numpy_floordiv", Arc::clone(&left), Arc::clone(&right)).expect("values");
        assert_eq!(&found, &quotients);
        assert_eq!(&of("numpy_mod", left, right).expect("values"), &rests);
    }

    /// Zero, one style after the other.
    #[test]
    fn divisors_of_zero() {
        let (left, zero) = (int64(&[5, 0]), int64(&[0, 0]));
        let by = |name: &str, left: &ArrayRef| of(name, Arc::clone(left), Arc::clone(&zero));
        for name in ["numpy_floordiv", "numpy_mod"] {
            assert_eq!(&by(name, &left).expect("values"), &int64(&[0, 0]));
        }
        assert_eq!(by("pandas_mod", &left).expect("values").null_count(), 2);
        assert_eq!(by("pandas_floordiv", &int64(&[0, 0])).expect("values").null_count(), 2);
        for name in ["pandas_floordiv", "arrow_floordiv", "arrow_mod"] {
            let error = by(name, &left).expect_err("infinite").to_string();
            assert!(error.contains("division by zero"), "{error}");
        }
    }

    /// What a type cannot hold is an error for Arrow, and so is a negative power for all.
    #[test]
    fn what_is_refused() {
        let max: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
        for name in ["arrow_add", "arrow_mul", "arrow_pow"] {
            assert!(of(name, Arc::clone(&max), Arc::clone(&max)).is_err(), "{name}");
        }
        assert!(of("arrow_floordiv", int64(&[i64::MIN]), int64(&[-1])).is_err());
        for name in ["numpy_pow", "arrow_pow"] {
            let error = of(name, int64(&[1]), int64(&[-1])).expect_err("a fraction").to_string();
            assert!(error.contains(NEGATIVE_POWER), "{error}");
        }
    }

    /// Missing sides of powers, and floats that are not numbers, which are null.
    #[test]
    fn missing_values_and_floats() {
        let base: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(1), Some(2)]));
        let exponent: ArrayRef = Arc::new(Int64Array::from(vec![Some(0), None, None]));
        let powers = of("numpy_pow", Arc::clone(&base), Arc::clone(&exponent)).expect("values");
        let expected: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(1), None]));
        assert_eq!(&powers, &expected);
        assert_eq!(of("arrow_pow", base, exponent).expect("values").null_count(), 3);
        let floats =
            |values: &[Option<f64>]| -> ArrayRef { Arc::new(Float64Array::from(values.to_vec())) };
        let left = floats(&[Some(-7.5), Some(1.0), Some(0.0), Some(f64::INFINITY), Some(-7.5)]);
        let right = floats(&[Some(2.0), Some(0.0), Some(0.0), Some(2.0), Some(f64::INFINITY)]);
        let quotients = of("pandas_floordiv", Arc::clone(&left), Arc::clone(&right));
        let expected = [Some(-4.0), Some(f64::INFINITY), None, None, Some(-1.0)];
        assert_eq!(&quotients.expect("values"), &floats(&expected));
        let rests = of("pandas_mod", left, right).expect("values");
        let expected = [Some(0.5), None, None, None, Some(f64::INFINITY)];
        assert_eq!(&rests, &floats(&expected));
    }
}
