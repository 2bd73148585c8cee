//! The one value of several rows, or an error.

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};
use std::sync::{Arc, LazyLock};

/// The name of the aggregate, as plans show it.
const NAME: &str = "single_value";

static SINGLE_VALUE: LazyLock<Arc<AggregateUDF>> = LazyLock::new(|| {
    let signature = Signature::any(1, Volatility::Immutable);
    Arc::new(AggregateUDF::new_from_impl(SingleValue { signature }))
});

/// The aggregate that gives the value of a single row. Workers must know it by its name.
pub fn single_value() -> Arc<AggregateUDF> {
    Arc::clone(&SINGLE_VALUE)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SingleValue {
    signature: Signature,
}

impl AggregateUDFImpl for SingleValue {
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
        let value = ScalarValue::try_from(arguments.return_field.data_type())?;
        Ok(Box::new(Single { value, rows: 0 }))
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let value = Field::new("value", arguments.return_field.data_type().clone(), true);
        Ok(vec![Arc::new(value), Arc::new(Field::new("rows", DataType::UInt64, false))])
    }
}

/// What was seen so far: at most one row.
#[derive(Debug)]
struct Single {
    value: ScalarValue,
    rows: u64,
}

impl Single {
    fn take(&mut self, values: &ArrayRef, at: usize) -> Result<()> {
        if self.rows > 0 {
            return exec_err!("a scalar subquery returned more than one row");
        }
        self.value = ScalarValue::try_from_array(values, at)?;
        self.rows = 1;
        Ok(())
    }
}

impl Accumulator for Single {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(values) = values.first() else { return Ok(()) };
        // The second row is an error already: there is no need to look at more.
        (0..values.len().min(2)).try_for_each(|at| self.take(values, at))
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [values, rows] = states else { return exec_err!("{NAME} has a state of two columns") };
        for at in 0..rows.len() {
            if ScalarValue::try_from_array(rows, at)? != ScalarValue::UInt64(Some(0)) {
                self.take(values, at)?;
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value.clone(), ScalarValue::UInt64(Some(self.rows))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.value.size()
    }
}
