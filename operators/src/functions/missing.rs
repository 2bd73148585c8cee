//! NaN as a missing value, and values in the place of missing ones.
//!
//! pandas has NaN where a floating-point number is missing, and so have its sums, comparisons, keys and orders.
//! SQL has NULL there, and NaN is a number greater than all others. Frames of the Python package have NULL:
//! `nan_as_null` is where files and tables enter them, and where an expression may give NaN.
//!
//! `fill_null(a, b)` is `coalesce(a, b)` that stays one call: DataFusion 55 plans the latter as
//! `CASE WHEN a IS NOT NULL THEN a ELSE b END`, which has `a` twice, and n of them one within the other 2ⁿ times.

use crate::functions::floats::{any, of_floats};
use datafusion::arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use datafusion::arrow::buffer::{BooleanBuffer, NullBuffer};
use datafusion::arrow::compute::is_not_null;
use datafusion::arrow::compute::kernels::zip::zip;
use datafusion::arrow::datatypes::{DataType, FieldRef, Float16Type, Float32Type, Float64Type};
use datafusion::common::{Result, exec_err};
use datafusion::functions::core::coalesce;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use std::sync::{Arc, LazyLock};

/// The name of the function.
pub const NAN_AS_NULL: &str = "nan_as_null";

static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| of_floats(NAN_AS_NULL, without_nan));

/// The function `nan_as_null`: a floating-point number, or NULL for NaN. Workers must know it by its name.
pub fn nan_as_null() -> Arc<ScalarUDF> {
    Arc::clone(&FUNCTION)
}

/// The array with NULL in the place of NaN, if it has such.
fn without_nan(values: &ArrayRef) -> Option<ArrayRef> {
    match values.data_type() {
        DataType::Float64 => without::<Float64Type>(values, |value| value.is_nan()),
        DataType::Float32 => without::<Float32Type>(values, |value| value.is_nan()),
        DataType::Float16 => without::<Float16Type>(values, |value| value.is_nan()),
        _ => None,
    }
}

fn without<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    is_nan: impl Fn(T::Native) -> bool + Copy,
) -> Option<ArrayRef> {
    let numbers = array.as_primitive::<T>();
    let values = numbers.values();
    any(values, is_nan).then(|| {
        let there = BooleanBuffer::collect_bool(values.len(), |at| !is_nan(values[at]));
        let nulls = NullBuffer::union(numbers.nulls(), Some(&NullBuffer::new(there)));
        Arc::new(PrimitiveArray::<T>::new(values.clone(), nulls)) as ArrayRef
    })
}

static FILL_NULL: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(FillNull { signature }))
});

/// The function `fill_null`: a value, or another one where it is NULL. Workers must know it by its name.
pub fn fill_null() -> Arc<ScalarUDF> {
    Arc::clone(&FILL_NULL)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct FillNull {
    signature: Signature,
}

impl ScalarUDFImpl for FillNull {
    fn name(&self) -> &str {
        "fill_null"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [_, _] => coalesce().coerce_types(types),
            _ => exec_err!("fill_null takes two arguments"),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        coalesce().return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        coalesce().return_field_from_args(args)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Ok([values, other]) = <[ColumnarValue; 2]>::try_from(arguments.args) else {
            return exec_err!("fill_null takes two arguments");
        };
        match values {
            ColumnarValue::Scalar(value) if value.is_null() => Ok(other),
            ColumnarValue::Scalar(value) => Ok(ColumnarValue::Scalar(value)),
            ColumnarValue::Array(values) if values.logical_null_count() == 0 => {
                Ok(ColumnarValue::Array(values))
            }
            ColumnarValue::Array(values) => {
                let there = is_not_null(&values)?;
                Ok(ColumnarValue::Array(match other {
                    ColumnarValue::Scalar(one) => zip(&there, &values, &one.to_scalar()?)?,
                    ColumnarValue::Array(others) => zip(&there, &values, &others)?,
                }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::floats::{SEARCHED_AT_ONCE, changed};
    use crate::testing::planning_context;
    use datafusion::arrow::array::{Float32Array, Float64Array};
    use datafusion::arrow::util::pretty::pretty_format_batches;

    fn of_array(values: &ArrayRef) -> ArrayRef {
        changed(without_nan, values)
    }

    /// Every NaN, of either sign, is null; all other values stay what they are, with what was null.
    #[test]
    fn nan_becomes_null() {
        let values =
            [Some(1.5), Some(f64::NAN), None, Some(f64::INFINITY), Some(-0.0), Some(-f64::NAN)];
        let made = of_array(&(Arc::new(Float64Array::from(values.to_vec())) as ArrayRef));
        let expected = [Some(1.5), None, None, Some(f64::INFINITY), Some(-0.0), None];
        let made = made.as_primitive::<Float64Type>();
        assert_eq!(made, &Float64Array::from(expected.to_vec()));
        assert!(made.value(4).is_sign_negative());
        let single: ArrayRef = Arc::new(Float32Array::from(vec![f32::NAN, 2.0]));
        let made = of_array(&single);
        assert_eq!(made.as_primitive::<Float32Type>(), &Float32Array::from(vec![None, Some(2.0)]));
    }

    /// A slice is searched only where it is, and an array without NaN is not copied.
    #[test]
    fn arrays_without_nan_are_not_copied() {
        let mut values = vec![1.0; 3 * SEARCHED_AT_ONCE];
        values[0] = f64::NAN;
        values[3 * SEARCHED_AT_ONCE - 1] = f64::NAN;
        let all: ArrayRef = Arc::new(Float64Array::from(values));
        assert_eq!(of_array(&all).null_count(), 2);
        let slice = all.slice(1, 3 * SEARCHED_AT_ONCE - 2);
        let made = of_array(&slice);
        assert!(Arc::ptr_eq(&made, &slice));
        assert_eq!(of_array(&all.slice(5, 3 * SEARCHED_AT_ONCE - 5)).null_count(), 1);
    }

    /// Single values too, and a second search is not planned.
    #[tokio::test]
    async fn queries_call_it() {
        let context = planning_context();
        let sql = "select nan_as_null('NaN'::double) is null as a, nan_as_null(2.5) as b, \
            nan_as_null(arrow_cast('NaN', 'Float32')) is null as c, nan_as_null(null) is null as d";
        let rows = context.sql(sql).await.unwrap().collect().await.unwrap();
        let found = pretty_format_batches(&rows).unwrap().to_string();
        assert!(found.contains("| true | 2.5 | true | true |"), "{found}");
        let twice =
            "select nan_as_null(nan_as_null(v)) as v from (values (1.5::double), (null)) t(v)";
        let plan = context.sql(twice).await.unwrap().into_optimized_plan().unwrap();
        let plan = plan.display_indent().to_string();
        assert_eq!(plan.matches("nan_as_null(").count(), 1, "{plan}");
    }

    /// It gives what `coalesce` gives, of columns and of single values, and stays one call for each of many.
    #[tokio::test]
    async fn missing_values_are_filled() {
        let context = planning_context();
        context
            .sql("create table t as values (1, 1.5, 'a', null), (null, 2.5, null, 7), (3, null, 'c', null)")
            .await
            .unwrap();
        for arguments in [
            "column1, 5",
            "column1, column2",
            "column3, 'x'",
            "column4, column1",
            "null, column1",
            "2, column1",
        ] {
            let of = |function: &str| format!("select {function}({arguments}) as v from t");
            let context = context.clone();
            let mut found = Vec::new();
            for function in ["coalesce", "fill_null"] {
                let rows = context.sql(&of(function)).await.unwrap().collect().await.unwrap();
                found.push((rows[0].schema(), pretty_format_batches(&rows).unwrap().to_string()));
            }
            let (wanted, made) = (&found[0], &found[1]);
            assert_eq!(made.1, wanted.1, "{arguments}");
            assert_eq!(made.0.field(0).data_type(), wanted.0.field(0).data_type(), "{arguments}");
        }
        let many =
            (0..30).fold("column1".to_string(), |inner, _| format!("fill_null({inner}, column4)"));
        let plan = context.sql(&format!("select {many} as v from t")).await.unwrap();
        let plan = plan.into_optimized_plan().unwrap().display_indent().to_string();
        assert_eq!(plan.matches("fill_null(").count(), 30, "{plan}");
    }
}
