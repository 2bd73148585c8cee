//! Functions of a floating-point number that change some numbers and leave the others: twice is as good as once.

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Values that are searched before the search may end: within them it has no branch.
pub(super) const SEARCHED_AT_ONCE: usize = 1024;

/// The array with the numbers that are changed; `None` if none is.
pub(super) type Change = fn(&ArrayRef) -> Option<ArrayRef>;

/// The function with a name that changes numbers so.
pub(super) fn of_floats(name: &'static str, change: Change) -> Arc<ScalarUDF> {
    let types = vec![DataType::Float64, DataType::Float32, DataType::Float16];
    let signature = Signature::uniform(1, types, Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(OfFloats { name, signature, change }))
}

/// The array with the numbers that are changed. It is not copied if none is.
pub(super) fn changed(change: Change, values: &ArrayRef) -> ArrayRef {
    change(values).unwrap_or_else(|| Arc::clone(values))
}

/// Whether one of the values is such.
pub(super) fn any<T: Copy>(values: &[T], is: impl Fn(T) -> bool + Copy) -> bool {
    let some = |some: &[T]| some.iter().fold(false, |found, one| found | is(*one));
    values.chunks(SEARCHED_AT_ONCE).any(some)
}

#[derive(Debug)]
struct OfFloats {
    name: &'static str,
    signature: Signature,
    change: Change,
}

impl PartialEq for OfFloats {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for OfFloats {}

impl Hash for OfFloats {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for OfFloats {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [one] => Ok(one.clone()),
            _ => exec_err!("{} takes one argument", self.name),
        }
    }

    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let is_done = matches!(
            args.as_slice(),
            [Expr::ScalarFunction(call)] if call.name() == self.name
        );
        Ok(match args.into_iter().next() {
            Some(inner) if is_done => ExprSimplifyResult::Simplified(inner),
            other => ExprSimplifyResult::Original(other.into_iter().collect()),
        })
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match arguments.args.as_slice() {
            [ColumnarValue::Array(values)] => {
                Ok(ColumnarValue::Array(changed(self.change, values)))
            }
            [ColumnarValue::Scalar(value)] => {
                let values = changed(self.change, &value.to_array()?);
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&values, 0)?))
            }
            _ => exec_err!("{} takes one argument", self.name),
        }
    }
}
