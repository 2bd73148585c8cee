//! The state of some rows, and its combination with the state of the rows after them.

use crate::functions::sums::Summed;
use datafusion::arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use datafusion::arrow::datatypes::{ArrowNativeTypeOp, Float64Type, Int64Type};
use datafusion::error::{DataFusionError, Result};
use std::marker::PhantomData;

/// An aggregate in its typed form.
pub(super) trait Fold: 'static {
    /// What is known of some rows.
    type State: Copy + Send + Sync;
    /// What is told of them.
    type Out: ArrowPrimitiveType;
    /// What is known of no rows.
    const NOTHING: Self::State;

    /// What is known of each of these rows.
    fn lift(values: &ArrayRef, into: &mut Vec<Self::State>) -> Result<()>;

    /// What is known of some rows and of those after them.
    fn join(earlier: Self::State, later: Self::State) -> Self::State;

    /// The value for rows with this state; none for a missing value.
    fn value(state: Self::State) -> Option<<Self::Out as ArrowPrimitiveType>::Native>;

    /// Whether the type of the values cannot hold the one for rows with this state.
    fn is_too_large(_state: Self::State) -> bool {
        false
    }
}

/// The values, each that is missing as `nothing`, any other as `of` it.
fn lifted<T: ArrowPrimitiveType, S: Copy>(
    values: &ArrayRef,
    into: &mut Vec<S>,
    nothing: S,
    of: impl Fn(T::Native) -> S,
) -> Result<()> {
    let values = values.as_primitive_opt::<T>().ok_or_else(|| {
        DataFusionError::Internal(format!("a window expects values of type {}", T::DATA_TYPE))
    })?;
    match values.nulls() {
        Some(_) => into.extend(values.iter().map(|value| value.map_or(nothing, &of))),
        None => into.extend(values.values().iter().map(|value| of(*value))),
    }
    Ok(())
}

fn joined<T>(earlier: Option<T>, later: Option<T>, of: impl Fn(T, T) -> T) -> Option<T> {
    match (earlier, later) {
        (Some(earlier), Some(later)) => Some(of(earlier, later)),
        (earlier, later) => earlier.or(later),
    }
}

macro_rules! extremes {
    ($name:ident, $what:literal, $of:expr) => {
        #[doc = $what]
        pub(super) struct $name<T>(PhantomData<T>);

        impl<T: ArrowPrimitiveType> Fold for $name<T>
        where
            T::Native: ArrowNativeTypeOp,
        {
            type State = Option<T::Native>;
            type Out = T;
            const NOTHING: Self::State = None;

            fn lift(values: &ArrayRef, into: &mut Vec<Self::State>) -> Result<()> {
                lifted::<T, _>(values, into, None, Some)
            }

            fn join(earlier: Self::State, later: Self::State) -> Self::State {
                joined(earlier, later, $of)
            }

            fn value(state: Self::State) -> Self::State {
                state
            }
        }
    };
}

extremes!(Sum, "The sum of floating-point numbers.", |a, b| a.add_wrapping(b));
extremes!(Least, "The minimum; NaN is the greatest value.", |a, b| if b.is_lt(a) { b } else { a });
extremes!(Greatest, "The maximum; NaN is the greatest value.", |a, b| if b.is_gt(a) {
    b
} else {
    a
});

/// The sum of integers.
pub(super) struct WholeSum<T>(PhantomData<T>);

impl<T: Summed> Fold for WholeSum<T>
where
    T::Native: Into<i128>,
{
    type State = Option<i128>;
    type Out = T;
    const NOTHING: Self::State = None;

    fn lift(values: &ArrayRef, into: &mut Vec<Self::State>) -> Result<()> {
        lifted::<T, _>(values, into, None, |value| Some(value.into()))
    }

    fn join(earlier: Self::State, later: Self::State) -> Self::State {
        joined(earlier, later, |a, b| a + b)
    }

    fn value(state: Self::State) -> Option<T::Native> {
        state.and_then(T::narrowed)
    }

    fn is_too_large(state: Self::State) -> bool {
        state.is_some_and(|sum| T::narrowed(sum).is_none())
    }
}

/// How many values are not missing.
pub(super) struct Present;

impl Fold for Present {
    type State = i64;
    type Out = Int64Type;
    const NOTHING: i64 = 0;

    fn lift(values: &ArrayRef, into: &mut Vec<i64>) -> Result<()> {
        lifted::<Float64Type, _>(values, into, Self::NOTHING, |_| 1)
    }

    fn join(earlier: i64, later: i64) -> i64 {
        earlier + later
    }

    fn value(state: i64) -> Option<i64> {
        Some(state)
    }
}

/// The mean.
pub(super) struct Mean;

impl Fold for Mean {
    type State = (f64, u64);
    type Out = Float64Type;
    const NOTHING: (f64, u64) = (0.0, 0);

    fn lift(values: &ArrayRef, into: &mut Vec<(f64, u64)>) -> Result<()> {
        lifted::<Float64Type, _>(values, into, Self::NOTHING, |value| (value, 1))
    }

    fn join(earlier: (f64, u64), later: (f64, u64)) -> (f64, u64) {
        (earlier.0 + later.0, earlier.1 + later.1)
    }

    fn value((sum, count): (f64, u64)) -> Option<f64> {
        (count > 0).then(|| sum / count as f64)
    }
}

/// How many values there are, their mean, and the sum of the squares of their differences to it.
/// They are joined as in Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for
/// computing sample variances" (1979).
#[derive(Clone, Copy)]
pub(super) struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

/// The variance or its root, of a sample (`FREE` is 1) or of all (`FREE` is 0).
pub(super) struct Spread<const FREE: u8, const ROOT: bool>;

impl<const FREE: u8, const ROOT: bool> Fold for Spread<FREE, ROOT> {
    type State = Moments;
    type Out = Float64Type;
    const NOTHING: Moments = Moments { count: 0.0, mean: 0.0, squares: 0.0 };

    fn lift(values: &ArrayRef, into: &mut Vec<Moments>) -> Result<()> {
        lifted::<Float64Type, _>(values, into, Self::NOTHING, |mean| Moments {
            count: 1.0,
            mean,
            squares: 0.0,
        })
    }

    fn join(earlier: Moments, later: Moments) -> Moments {
        if earlier.count == 0.0 {
            return later;
        }
        if later.count == 0.0 {
            return earlier;
        }
        let count = earlier.count + later.count;
        let difference = later.mean - earlier.mean;
        let weight = later.count / count;
        Moments {
            count,
            mean: earlier.mean + difference * weight,
            squares: earlier.squares
                + later.squares
                + difference * difference * earlier.count * weight,
        }
    }

    fn value(state: Moments) -> Option<f64> {
        let free = f64::from(FREE);
        let variance = (state.count > free).then(|| state.squares / (state.count - free));
        if ROOT { variance.map(f64::sqrt) } else { variance }
    }
}
