//! `+`, `-` and `*` of integers, with an error where the type of the result cannot hold it.
//!
//! DataFusion 55 computes them with wrap-around (apache/datafusion#17539), as frames of NumPy's types want. What SQL says is planned
//! with these functions. Columns keep the names that the operators give them. The functions take two operands or more, of
//! one type: a long sum would be a deep tree.

use crate::functions::sums::sql_name;
use datafusion::arrow::array::{ArrayRef, Datum};
use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::common::{Result, exec_err, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::physical_expr_common::datum::apply;
use std::sync::{Arc, LazyLock};

static FUNCTIONS: LazyLock<[Arc<ScalarUDF>; 3]> = LazyLock::new(|| {
    let function = |name, operator| {
        let signature = Signature::variadic_any(Volatility::Immutable);
        Arc::new(ScalarUDF::new_from_impl(Checked { name, operator, signature }))
    };
    [
        function("checked_add", Operator::Plus),
        function("checked_sub", Operator::Minus),
        function("checked_mul", Operator::Multiply),
    ]
});

/// The functions. Workers must know them by their names.
pub fn checked() -> &'static [Arc<ScalarUDF>] {
    FUNCTIONS.as_slice()
}

/// The function that takes the place of an operator, whose operands have one type of integers.
pub fn checked_of(operator: Operator) -> Option<Arc<ScalarUDF>> {
    FUNCTIONS.iter().find(|function| operator_of(function) == Some(operator)).map(Arc::clone)
}

/// The operator whose place a function takes.
pub fn operator_of(function: &ScalarUDF) -> Option<Operator> {
    function.inner().downcast_ref::<Checked>().map(|checked| checked.operator)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    name: &'static str,
    operator: Operator,
    signature: Signature,
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        self.name
    }

    fn schema_name(&self, operands: &[Expr]) -> Result<String> {
        let names = operands.iter().map(|operand| operand.schema_name().to_string());
        Ok(names.collect::<Vec<_>>().join(&format!(" {} ", self.operator)))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [first, others @ ..]
                if !others.is_empty()
                    && others.iter().all(|other| other == first)
                    && first.is_integer() =>
            {
                Ok(first.clone())
            }
            _ => exec_err!("{} takes integers of one type, not {types:?}", self.name),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut operands = arguments.args.into_iter();
        let Some(first) = operands.next() else {
            return internal_err!("{} takes operands", self.name);
        };
        let kind = first.data_type();
        operands.try_fold(first, |left, right| {
            apply(&left, &right, |left, right| {
                self.computed(left, right).map_err(|_| {
                    ArrowError::ArithmeticOverflow(format!(
                        "a result of {} is too large for {}: cast an operand to {} first",
                        self.operator,
                        sql_name(&kind),
                        wider(&kind)
                    ))
                })
            })
        })
    }
}

impl Checked {
    fn computed(&self, left: &dyn Datum, right: &dyn Datum) -> Result<ArrayRef, ArrowError> {
        match self.operator {
            Operator::Plus => numeric::add(left, right),
            Operator::Minus => numeric::sub(left, right),
            _ => numeric::mul(left, right),
        }
    }
}

/// What SQL calls a type that holds more.
fn wider(kind: &DataType) -> &'static str {
    match kind {
        DataType::Int64 | DataType::UInt64 => "DECIMAL(38, 0) or DOUBLE",
        _ => "BIGINT",
    }
}
