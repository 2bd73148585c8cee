//! The first and the last value that is not null, of rows in their order.

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};
use std::sync::{Arc, LazyLock};

static FIRST: LazyLock<Arc<AggregateUDF>> = LazyLock::new(|| present("first_present"));
static LAST: LazyLock<Arc<AggregateUDF>> = LazyLock::new(|| present("last_present"));

fn present(name: &'static str) -> Arc<AggregateUDF> {
    let signature = Signature::any(1, Volatility::Immutable);
    Arc::new(AggregateUDF::new_from_impl(Present { name, signature }))
}

/// The aggregates that give the first and the last value that is not null, of rows in their order.
/// Workers must know them by their names.
pub fn present_values() -> [Arc<AggregateUDF>; 2] {
    [Arc::clone(&FIRST), Arc::clone(&LAST)]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Present {
    name: &'static str,
    signature: Signature,
}

impl AggregateUDFImpl for Present {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [only] => Ok(only.clone()),
            _ => exec_err!("{} takes one argument", self.name),
        }
    }

    fn accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let value = ScalarValue::try_from(arguments.return_field.data_type())?;
        Ok(Box::new(Seen { value, is_first: self.name == FIRST.name() }))
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new("value", arguments.return_field.data_type().clone(), true))])
    }
}

/// The value so far.
#[derive(Debug)]
struct Seen {
    value: ScalarValue,
    is_first: bool,
}

impl Accumulator for Seen {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(values) = values.first() else { return Ok(()) };
        if self.is_first && !self.value.is_null() {
            return Ok(());
        }
        let mut places = (0..values.len()).filter(|at| values.is_valid(*at));
        let found = if self.is_first { places.next() } else { places.next_back() };
        if let Some(at) = found {
            self.value = ScalarValue::try_from_array(values, at)?;
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value.clone()])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.value.size()
    }
}
