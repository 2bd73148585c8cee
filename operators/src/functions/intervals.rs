//! Products of intervals and integers, as `3 * INTERVAL '1 month'`, of which DataFusion 55 has no plan, and the form of
//! intervals in which these are compared.

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::compute::kernels::arity::try_binary;
use datafusion::arrow::datatypes::{
    DataType, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
};
use datafusion::arrow::error::ArrowError;
use datafusion::common::Result;
use datafusion::functions::utils::make_scalar_function;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

/// The name of the function.
const TIMES_INTERVAL: &str = "times_interval";
/// The name of the other function.
const ONE_INTERVAL: &str = "one_interval";
/// The type of intervals.
const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

/// Days of a month, where intervals are compared.
const MONTH_DAYS: i128 = 30;
/// Nanoseconds of a day, where intervals are compared.
const DAY_NS: i128 = 86_400_000_000_000;

static TIMES: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let signature = Signature::exact(vec![DataType::Int64, INTERVAL], Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(OfIntervals {
        name: TIMES_INTERVAL,
        signature,
        of: products,
    }))
});

static ONE: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let signature = Signature::exact(vec![INTERVAL], Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(OfIntervals {
        name: ONE_INTERVAL,
        signature,
        of: comparable,
    }))
});

/// The function `times_interval(number, interval)`: months, days and time are multiplied each. Workers must know it by its
/// name.
pub fn times_interval() -> Arc<ScalarUDF> {
    Arc::clone(&TIMES)
}

/// The function `one_interval(interval)`: an interval of the same length, with as many whole months of 30 days and then as
/// many whole days of 24 hours as possible, and the rest, which is not negative. Those of equal length become equal, and of
/// two the one with more months, then more days, then more nanoseconds is longer. Workers must know it by its name.
pub fn one_interval() -> Arc<ScalarUDF> {
    Arc::clone(&ONE)
}

#[derive(Debug)]
struct OfIntervals {
    name: &'static str,
    signature: Signature,
    of: fn(&[ArrayRef]) -> Result<ArrayRef>,
}

impl PartialEq for OfIntervals {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for OfIntervals {}

impl Hash for OfIntervals {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for OfIntervals {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(INTERVAL)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        make_scalar_function(self.of, Vec::new())(&arguments.args)
    }
}

fn products(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let numbers = arguments[0].as_primitive::<Int64Type>();
    let intervals = arguments[1].as_primitive::<IntervalMonthDayNanoType>();
    let made = try_binary::<_, _, _, IntervalMonthDayNanoType>(numbers, intervals, |n, one| {
        times(n, one).ok_or_else(|| {
            ArrowError::ArithmeticOverflow(format!("an interval times {n} is too long"))
        })
    })?;
    Ok(Arc::new(made))
}

fn times(number: i64, one: IntervalMonthDayNano) -> Option<IntervalMonthDayNano> {
    let part = |part: i32| i32::try_from(i64::from(part).checked_mul(number)?).ok();
    let (months, days) = (part(one.months)?, part(one.days)?);
    Some(IntervalMonthDayNano::new(months, days, one.nanoseconds.checked_mul(number)?))
}

fn comparable(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let intervals = arguments[0].as_primitive::<IntervalMonthDayNanoType>();
    let made = intervals.try_unary::<_, IntervalMonthDayNanoType, _>(|one| {
        justified(one).ok_or_else(|| {
            ArrowError::ArithmeticOverflow("an interval is too long to be compared".to_string())
        })
    })?;
    Ok(Arc::new(made))
}

fn justified(one: IntervalMonthDayNano) -> Option<IntervalMonthDayNano> {
    let days = i128::from(one.months) * MONTH_DAYS + i128::from(one.days);
    let length_ns = days * DAY_NS + i128::from(one.nanoseconds);
    let (days, rest_ns) = (length_ns.div_euclid(DAY_NS), length_ns.rem_euclid(DAY_NS));
    Some(IntervalMonthDayNano::new(
        i32::try_from(days.div_euclid(MONTH_DAYS)).ok()?,
        i32::try_from(days.rem_euclid(MONTH_DAYS)).ok()?,
        i64::try_from(rest_ns).ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Intervals of equal length become equal, and longer ones greater, below zero, too.
    #[test]
    fn intervals_are_compared_by_their_length() {
        let one = |months, days, hours: i64| {
            justified(IntervalMonthDayNano::new(months, days, hours * 3_600_000_000_000)).unwrap()
        };
        assert_eq!(one(0, 1, 0), one(0, 0, 24));
        assert_eq!(one(1, 0, 0), one(0, 29, 24));
        assert_eq!(one(0, 0, -24), one(-1, 29, 0));
        let mut lengths = [one(1, 0, 1), one(0, 0, -1), one(0, 1, 0), one(0, 0, 25), one(-1, 0, 0)];
        lengths.sort();
        assert_eq!(
            lengths,
            [one(-1, 0, 0), one(0, 0, -1), one(0, 1, 0), one(0, 0, 25), one(1, 0, 1)]
        );
        assert_eq!(justified(IntervalMonthDayNano::new(i32::MAX, i32::MAX, 0)), None);
    }

    /// Each part is multiplied; what does not fit is refused.
    #[test]
    fn parts_are_multiplied() {
        let one = IntervalMonthDayNano::new(1, -2, 3);
        assert_eq!(times(-4, one), Some(IntervalMonthDayNano::new(-4, 8, -12)));
        assert_eq!(times(0, one), Some(IntervalMonthDayNano::new(0, 0, 0)));
        assert_eq!(times(i64::from(i32::MAX), one), None);
        assert_eq!(times(i64::MAX, IntervalMonthDayNano::new(0, 0, 2)), None);
    }
}
