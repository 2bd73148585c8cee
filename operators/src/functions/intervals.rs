//! Products of intervals and integers: `3 * INTERVAL '1 month'`, of which DataFusion 55 has no plan.

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
use std::sync::{Arc, LazyLock};

/// The name of the function.
const TIMES_INTERVAL: &str = "times_interval";
/// The type of intervals.
const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let signature = Signature::exact(vec![DataType::Int64, INTERVAL], Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(TimesInterval { signature }))
});

/// The function `times_interval(number, interval)`: months, days and time are multiplied each. Workers must know it by its
/// name.
pub fn times_interval() -> Arc<ScalarUDF> {
    Arc::clone(&FUNCTION)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TimesInterval {
    signature: Signature,
}

impl ScalarUDFImpl for TimesInterval {
    fn name(&self) -> &str {
        TIMES_INTERVAL
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(INTERVAL)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        make_scalar_function(products, Vec::new())(&arguments.args)
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

#[cfg(test)]
mod tests {
    use super::*;

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
