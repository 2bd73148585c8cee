//! The product of numbers, an aggregate that DataFusion does not have.

use datafusion::arrow::array::{ArrayRef, ArrowPrimitiveType, AsArray};
use datafusion::arrow::datatypes::{
    ArrowNativeTypeOp, DataType, Float64Type, Int64Type, UInt64Type,
};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};
use std::fmt::Debug;
use std::sync::{Arc, LazyLock};

/// The name of the aggregate.
const NAME: &str = "product";

static PRODUCT: LazyLock<Arc<AggregateUDF>> = LazyLock::new(|| {
    let types = vec![DataType::Int64, DataType::UInt64, DataType::Float64];
    let signature = Signature::uniform(1, types, Volatility::Immutable);
    Arc::new(AggregateUDF::new_from_impl(Product { signature }))
});

/// The aggregate that multiplies the values that are not null; null if all are null. Integers wrap
/// around on overflow, as their sums do. Workers must know it by its name.
pub fn product() -> Arc<AggregateUDF> {
    Arc::clone(&PRODUCT)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Product {
    signature: Signature,
}

impl AggregateUDFImpl for Product {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [only] => Ok(only.clone()),
            _ => exec_err!("{NAME} takes one argument"),
        }
    }

    fn accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match arguments.return_field.data_type() {
            DataType::Int64 => Ok(Box::new(Running::<Int64Type>(None))),
            DataType::UInt64 => Ok(Box::new(Running::<UInt64Type>(None))),
            DataType::Float64 => Ok(Box::new(Running::<Float64Type>(None))),
            other => exec_err!("{NAME} does not support {other}"),
        }
    }
}

/// The product of what was seen so far.
#[derive(Debug)]
struct Running<T: ArrowPrimitiveType>(Option<T::Native>);

impl<T: ArrowPrimitiveType + Debug> Accumulator for Running<T>
where
    T::Native: ArrowNativeTypeOp,
{
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(values) = values.first().and_then(|values| values.as_primitive_opt::<T>()) else {
            return exec_err!("{NAME} expects numbers of type {}", T::DATA_TYPE);
        };
        for value in values.iter().flatten() {
            self.0 = Some(self.0.map_or(value, |product| product.mul_wrapping(value)));
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        ScalarValue::new_primitive::<T>(self.0, &T::DATA_TYPE)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::planning_context;
    use datafusion::arrow::util::pretty::pretty_format_batches;

    async fn answer(sql: &str) -> String {
        let frame = planning_context().sql(sql).await.expect("a plan");
        let batches = frame.collect().await.expect("rows");
        let text = pretty_format_batches(&batches).expect("text").to_string();
        text.lines().nth(3).expect("a row").split_whitespace().collect()
    }

    /// Nulls are left out, nothing has no product, and types stay whole or not.
    #[tokio::test]
    async fn values_are_multiplied() {
        let of = |values: &str| {
            format!("select product(x), arrow_typeof(product(x)) from (values {values}) t(x)")
        };
        assert_eq!(answer(&of("(2), (null), (-3), (7)")).await, "|-42|Int64|");
        assert_eq!(answer(&of("(0.5::double), (3)")).await, "|1.5|Float64|");
        assert_eq!(answer(&of("(null::int)")).await, "||Int64|");
    }

    /// Groups have products of their own, also when partial ones are put together.
    #[tokio::test]
    async fn groups_are_multiplied() {
        let sql = "select product(p) from (select value % 3 as k, product(value) as p \
                   from generate_series(1, 10) group by value % 3)";
        assert_eq!(answer(sql).await, "|3628800|");
    }
}
