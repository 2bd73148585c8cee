//! Functions that make a large value of a small one: `array_repeat(0, 1000000000)` in one row.
//!
//! A value that is constant is computed while its query is planned, by the scheduler, whose memory
//! has no budget, and all others by workers before they can ask for memory. If memory runs out, the
//! process ends, and with it everybody's queries. So these functions refuse large results.

use datafusion::arrow::array::AsArray;
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature,
};
use std::sync::Arc;

/// What a function may make for the rows of one batch: characters of texts, elements of lists.
const MADE_MAX: u64 = 1 << 26;

/// Where a function is told how much to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Told {
    /// By this argument.
    By(usize),
    /// By the ends of a series of integers, and its step.
    Series,
}

/// The functions.
const FUNCTIONS: [(&str, Told); 7] = [
    ("repeat", Told::By(1)),
    ("lpad", Told::By(1)),
    ("rpad", Told::By(1)),
    ("array_repeat", Told::By(1)),
    ("array_resize", Told::By(1)),
    ("range", Told::Series),
    ("generate_series", Told::Series),
];

/// These functions, with those bounded that make large values.
pub(crate) fn bounded(functions: Vec<Arc<ScalarUDF>>) -> Vec<Arc<ScalarUDF>> {
    let bound = |function: Arc<ScalarUDF>| {
        let found = FUNCTIONS.iter().find(|(name, _)| *name == function.name());
        match found {
            Some((_, told)) => {
                Arc::new(ScalarUDF::new_from_impl(Bounded { function, told: *told }))
            }
            None => function,
        }
    };
    functions.into_iter().map(bound).collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    function: Arc<ScalarUDF>,
    told: Told,
}

impl Bounded {
    /// How much the function is told to make for all rows.
    fn made(&self, arguments: &ScalarFunctionArgs) -> Result<u64> {
        let numbers = |at: usize| -> Result<Option<Vec<i64>>> {
            let Some(argument) = arguments.args.get(at) else { return Ok(None) };
            if !argument.data_type().is_integer() {
                return Ok(None);
            }
            let rows = match argument {
                ColumnarValue::Scalar(_) => 1,
                ColumnarValue::Array(_) => arguments.number_rows,
            };
            // A count that does not fit into an i64 is too large as well.
            let exact = CastOptions { safe: false, ..CastOptions::default() };
            let values = cast_with_options(&argument.to_array(rows)?, &DataType::Int64, &exact)?;
            let values = values.as_primitive::<Int64Type>();
            let all: Vec<i64> = values.iter().map(Option::unwrap_or_default).collect();
            Ok(Some(match rows {
                1 => vec![all.first().copied().unwrap_or_default(); arguments.number_rows],
                _ => all,
            }))
        };
        let sum = |counts: &mut dyn Iterator<Item = u64>| counts.fold(0, u64::saturating_add);
        match self.told {
            Told::By(at) => {
                let counts = numbers(at)?.unwrap_or_default();
                Ok(sum(&mut counts.into_iter().map(|count| u64::try_from(count).unwrap_or(0))))
            }
            Told::Series => {
                let ends = match arguments.args.len() {
                    1 => numbers(0)?.map(|ends| (vec![0; ends.len()], ends)),
                    _ => numbers(0)?.zip(numbers(1)?),
                };
                let Some((starts, ends)) = ends else { return Ok(0) };
                let steps = numbers(2)?.unwrap_or_else(|| vec![1; starts.len()]);
                let counts = starts.iter().zip(&ends).zip(&steps);
                Ok(sum(&mut counts
                    .map(|((start, end), step)| start.abs_diff(*end) / step.unsigned_abs().max(1))))
            }
        }
    }
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn aliases(&self) -> &[String] {
        self.function.aliases()
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.function.return_type(types)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        self.function.return_field_from_args(arguments)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.function.coerce_types(types)
    }

    fn simplify(&self, arguments: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.function.simplify(arguments, info)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let made = self.made(&arguments)?;
        if made > MADE_MAX {
            return exec_err!(
                "{} would make {made} characters or elements at once, but at most {MADE_MAX} are supported",
                self.name()
            );
        }
        self.function.invoke_with_args(arguments)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.function.documentation()
    }
}

#[cfg(test)]
mod tests {
    use crate::session::planning_context;

    /// What would fill the memory is an error, in constants and in columns; all else is as it was.
    #[tokio::test]
    async fn large_values_are_refused() {
        let context = planning_context();
        let ran = async |query: String| -> Result<usize, String> {
            let frame = context.sql(&query).await.map_err(|error| error.to_string())?;
            let rows = frame.collect().await.map_err(|error| error.to_string())?;
            Ok(rows.iter().map(|batch| batch.num_rows()).sum())
        };
        for call in [
            "repeat('ab', {})",
            "lpad('x', {})",
            "rpad('x', {}, 'ab')",
            "array_repeat(1, {})",
            "list_resize([1], {}, 0)",
            "range({})",
            "generate_series(5, {}, 2)",
        ] {
            for from in ["", " from (values (1000000000), (1)) t(n)"] {
                let count = if from.is_empty() { "1000000000" } else { "n" };
                let query = |count: &str| format!("select {}{from}", call.replace("{}", count));
                let error = ran(query(count)).await.expect_err(call);
                assert!(error.contains("at once"), "{call}: {error}");
                ran(query("7")).await.expect(call);
            }
        }
        let dates =
            "select generate_series(date '2020-01-01', date '2020-01-09', interval '1 day')";
        assert_eq!(ran(dates.to_string()).await, Ok(1));
    }
}
