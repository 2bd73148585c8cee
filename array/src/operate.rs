//! Operations on the items of tiles, which lie one after the other.

use crate::dtype::with_type;
use crate::program::{Binary, Unary};
use crate::{Dtype, Result, Unsupported};
use bytemuck::{Pod, cast_slice, cast_slice_mut};

/// A number that kernels compute with. Integers wrap around, as NumPy's do.
pub(crate) trait Number: Pod + PartialOrd {
    const ZERO: Self;
    /// No number of the type is less.
    const LEAST: Self;
    /// No number of the type is larger.
    const LARGEST: Self;
    fn add(self, other: Self) -> Self;
    fn subtract(self, other: Self) -> Self;
    fn multiply(self, other: Self) -> Self;
    fn divide(self, other: Self) -> Self;
    fn negative(self) -> Self;
    fn absolute(self) -> Self;
    fn sqrt(self) -> Self;
    fn is_nan(self) -> bool;
    fn is_infinite(self) -> bool;
    /// The smaller one; NaN if one is NaN.
    fn minimum(self, other: Self) -> Self {
        // Either comparison is false for NaN.
        if self.is_nan() || self <= other { self } else { other }
    }
    /// The larger one; NaN if one is NaN.
    fn maximum(self, other: Self) -> Self {
        if self.is_nan() || self >= other { self } else { other }
    }
}

macro_rules! integer {
    ($($name:ty: $absolute:expr),*) => {$(
        impl Number for $name {
            const ZERO: Self = 0;
            const LEAST: Self = <$name>::MIN;
            const LARGEST: Self = <$name>::MAX;
            fn add(self, other: Self) -> Self { self.wrapping_add(other) }
            fn subtract(self, other: Self) -> Self { self.wrapping_sub(other) }
            fn multiply(self, other: Self) -> Self { self.wrapping_mul(other) }
            fn divide(self, _: Self) -> Self { 0 }
            fn negative(self) -> Self { self.wrapping_neg() }
            fn absolute(self) -> Self { $absolute(self) }
            fn sqrt(self) -> Self { self }
            fn is_nan(self) -> bool { false }
            fn is_infinite(self) -> bool { false }
        }
    )*};
}

macro_rules! float {
    ($($name:ty),*) => {$(
        impl Number for $name {
            const ZERO: Self = 0.0;
            const LEAST: Self = <$name>::NEG_INFINITY;
            const LARGEST: Self = <$name>::INFINITY;
            fn add(self, other: Self) -> Self { self + other }
            fn subtract(self, other: Self) -> Self { self - other }
            fn multiply(self, other: Self) -> Self { self * other }
            fn divide(self, other: Self) -> Self { self / other }
            fn negative(self) -> Self { -self }
            fn absolute(self) -> Self { self.abs() }
            fn sqrt(self) -> Self { self.sqrt() }
            fn is_nan(self) -> bool { self != self }
            fn is_infinite(self) -> bool { <$name>::is_infinite(self) }
        }
    )*};
}

integer!(
    i8: i8::wrapping_abs,
    i16: i16::wrapping_abs,
    i32: i32::wrapping_abs,
    i64: i64::wrapping_abs,
    u8: std::convert::identity,
    u16: std::convert::identity,
    u32: std::convert::identity,
    u64: std::convert::identity
);
float!(f32, f64);

fn each<A: Pod, B: Pod>(from: &[u8], to: &mut [u8], operation: impl Fn(A) -> B) {
    let (from, to): (&[A], &mut [B]) = (cast_slice(from), cast_slice_mut(to));
    for (to, from) in to.iter_mut().zip(from) {
        *to = operation(*from);
    }
}

fn each_two<A: Pod, B: Pod>(from: [&[u8]; 2], to: &mut [u8], operation: impl Fn(A, A) -> B) {
    let [one, other] = from.map(cast_slice::<u8, A>);
    let to: &mut [B] = cast_slice_mut(to);
    for ((to, one), other) in to.iter_mut().zip(one).zip(other) {
        *to = operation(*one, *other);
    }
}

/// Computes an operation on each item. All bytes are those of items, aligned.
pub(crate) fn unary(operation: Unary, dtype: Dtype, from: &[u8], to: &mut [u8]) -> Result<()> {
    if operation == Unary::LogicalNot {
        each::<u8, u8>(from, to, |item| item ^ 1);
        return Ok(());
    }
    with_type!(dtype, T => {
        match operation {
            Unary::Negative => each::<T, T>(from, to, Number::negative),
            Unary::Absolute => each::<T, T>(from, to, Number::absolute),
            Unary::Square => each::<T, T>(from, to, |item| Number::multiply(item, item)),
            Unary::Sqrt => each::<T, T>(from, to, Number::sqrt),
            Unary::Isnan => each::<T, u8>(from, to, |item| u8::from(Number::is_nan(item))),
            Unary::Isinf => each::<T, u8>(from, to, |item| u8::from(Number::is_infinite(item))),
            Unary::Isfinite => each::<T, u8>(from, to, |item| {
                u8::from(!Number::is_nan(item) && !Number::is_infinite(item))
            }),
            Unary::LogicalNot => {}
        }
        Ok(())
    })
}

/// Computes an operation on two items of one dtype.
pub(crate) fn binary(
    operation: Binary,
    dtype: Dtype,
    from: [&[u8]; 2],
    to: &mut [u8],
) -> Result<()> {
    match operation {
        Binary::LogicalAnd => each_two::<u8, u8>(from, to, |one, other| one & other),
        Binary::LogicalOr => each_two::<u8, u8>(from, to, |one, other| one | other),
        Binary::LogicalXor => each_two::<u8, u8>(from, to, |one, other| one ^ other),
        _ => return numbers(operation, dtype, from, to),
    }
    Ok(())
}

fn numbers(operation: Binary, dtype: Dtype, from: [&[u8]; 2], to: &mut [u8]) -> Result<()> {
    with_type!(dtype, T => {
        match operation {
            Binary::Add => each_two::<T, T>(from, to, Number::add),
            Binary::Subtract => each_two::<T, T>(from, to, Number::subtract),
            Binary::Multiply => each_two::<T, T>(from, to, Number::multiply),
            Binary::TrueDivide => each_two::<T, T>(from, to, Number::divide),
            Binary::Minimum => each_two::<T, T>(from, to, Number::minimum),
            Binary::Maximum => each_two::<T, T>(from, to, Number::maximum),
            Binary::Equal => each_two::<T, u8>(from, to, |one, other| u8::from(one == other)),
            Binary::NotEqual => each_two::<T, u8>(from, to, |one, other| u8::from(one != other)),
            Binary::Less => each_two::<T, u8>(from, to, |one, other| u8::from(one < other)),
            Binary::LessEqual => each_two::<T, u8>(from, to, |one, other| u8::from(one <= other)),
            Binary::Greater => each_two::<T, u8>(from, to, |one, other| u8::from(one > other)),
            Binary::GreaterEqual => {
                each_two::<T, u8>(from, to, |one, other| u8::from(one >= other));
            }
            _ => return Err(Unsupported(format!("{operation:?} of {dtype}"))),
        }
        Ok(())
    })
}

/// Takes items of the second array where the first one is true, else those of the third.
pub(crate) fn choose<T: Pod>(from: [&[u8]; 3], to: &mut [u8]) {
    let condition = from[0];
    let [one, other] = [from[1], from[2]].map(cast_slice::<u8, T>);
    let to: &mut [T] = cast_slice_mut(to);
    for (((to, condition), one), other) in to.iter_mut().zip(condition).zip(one).zip(other) {
        *to = if *condition != 0 { *one } else { *other };
    }
}

macro_rules! cast_from {
    ($from:ty, $dtype:expr, $bytes:expr, $to:expr) => {
        with_type!($dtype, T => {
            each::<$from, T>($bytes, $to, |item| item as T);
            Ok(())
        })
    };
}

/// Changes the dtype of items, as C does. Floats do not become integers.
pub(crate) fn cast(from: Dtype, into: Dtype, bytes: &[u8], to: &mut [u8]) -> Result<()> {
    if from == into {
        to.copy_from_slice(bytes);
        return Ok(());
    }
    if into == Dtype::Bool {
        return with_type!(from, T => {
            each::<T, u8>(bytes, to, |item| u8::from(item != T::ZERO));
            Ok(())
        });
    }
    match from {
        // A bool is 0 or 1.
        Dtype::Bool | Dtype::U8 => cast_from!(u8, into, bytes, to),
        Dtype::I8 => cast_from!(i8, into, bytes, to),
        Dtype::I16 => cast_from!(i16, into, bytes, to),
        Dtype::I32 => cast_from!(i32, into, bytes, to),
        Dtype::I64 => cast_from!(i64, into, bytes, to),
        Dtype::U16 => cast_from!(u16, into, bytes, to),
        Dtype::U32 => cast_from!(u32, into, bytes, to),
        Dtype::U64 => cast_from!(u64, into, bytes, to),
        Dtype::F32 => cast_from!(f32, into, bytes, to),
        Dtype::F64 => cast_from!(f64, into, bytes, to),
        Dtype::C64 | Dtype::C128 => Err(Unsupported::new("a cast of complex numbers")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two<A: Pod, B: Pod>(operation: Binary, dtype: Dtype, one: A, other: A) -> B {
        let mut to = [0_u64; 1];
        let to: &mut [u8] = &mut cast_slice_mut(&mut to)[..size_of::<B>()];
        let (one, other) = ([one], [other]);
        binary(operation, dtype, [cast_slice(&one), cast_slice(&other)], to).unwrap();
        cast_slice::<u8, B>(to)[0]
    }

    /// Integers wrap around, also the least one's absolute value.
    #[test]
    fn integers_wrap() {
        assert_eq!(two::<i8, i8>(Binary::Add, Dtype::I8, 127, 1), -128);
        assert_eq!(two::<u8, u8>(Binary::Subtract, Dtype::U8, 0, 1), 255);
        assert_eq!(two::<i64, i64>(Binary::Multiply, Dtype::I64, i64::MAX, 2), -2);
        assert_eq!((i8::MIN.absolute(), i8::MIN.negative()), (-128, -128));
    }

    /// The least and the largest are NaN if one is NaN, whichever it is, and NaN equals nothing.
    #[test]
    fn not_a_number_stays() {
        for (one, other) in [(f64::NAN, 1.0), (1.0, f64::NAN)] {
            assert!(two::<f64, f64>(Binary::Minimum, Dtype::F64, one, other).is_nan());
            assert!(two::<f64, f64>(Binary::Maximum, Dtype::F64, one, other).is_nan());
            assert_eq!(two::<f64, u8>(Binary::Equal, Dtype::F64, one, other), 0);
            assert_eq!(two::<f64, u8>(Binary::NotEqual, Dtype::F64, one, other), 1);
            assert_eq!(two::<f64, u8>(Binary::GreaterEqual, Dtype::F64, one, other), 0);
        }
        assert_eq!(two::<f32, f32>(Binary::TrueDivide, Dtype::F32, 1.0, 0.0), f32::INFINITY);
    }

    /// All items but zero are true, NaN too.
    #[test]
    fn casts_are_those_of_c() {
        let mut to = [9_u8; 3];
        cast(Dtype::F64, Dtype::Bool, cast_slice(&[0.0, f64::NAN, -0.0]), &mut to).unwrap();
        assert_eq!(to, [0, 1, 0]);
        let mut to = [0_i8; 2];
        cast(Dtype::I32, Dtype::I8, cast_slice(&[300, -1]), cast_slice_mut(&mut to)).unwrap();
        assert_eq!(to, [44, -1]);
    }
}
