//! Aggregates over the rows of a span of time that ends with each row.
//!
//! A window of SQL that is bounded by `RANGE` has the later rows with an equal key. Windows of pandas
//! end with their own row. `rolling_sum(value, time, oldest, newest)` has that meaning, over a frame
//! that begins with the first row and ends with the current one: of the frame's rows it takes those
//! whose time is between `oldest` and `newest` before that of the last one, in units of the time's
//! type. The times must be sorted, in either direction.

use super::column::{Column, Queue};
use super::fold::{Fold, Greatest, Least, Mean, Present, Spread, Sum};
use datafusion::arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, NullBufferBuilder, PrimitiveArray, RecordBatch,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility, WindowFrameBound,
    WindowFrameUnits,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_expr::window::WindowExpr;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Function {
    Count,
    Sum,
    Mean,
    Min,
    Max,
    Std,
    Var,
}

impl Function {
    const ALL: [Function; 7] = [
        Function::Count,
        Function::Sum,
        Function::Mean,
        Function::Min,
        Function::Max,
        Function::Std,
        Function::Var,
    ];

    fn name(self) -> &'static str {
        match self {
            Function::Count => "rolling_count",
            Function::Sum => "rolling_sum",
            Function::Mean => "rolling_mean",
            Function::Min => "rolling_min",
            Function::Max => "rolling_max",
            Function::Std => "rolling_std",
            Function::Var => "rolling_var",
        }
    }

    fn start(self) -> Box<dyn Rolled> {
        match self {
            Function::Count => Spanned::<Present>::boxed(),
            Function::Sum => Spanned::<Sum<Float64Type>>::boxed(),
            Function::Mean => Spanned::<Mean>::boxed(),
            Function::Min => Spanned::<Least<Float64Type>>::boxed(),
            Function::Max => Spanned::<Greatest<Float64Type>>::boxed(),
            Function::Std => Spanned::<Spread<1, true>>::boxed(),
            Function::Var => Spanned::<Spread<1, false>>::boxed(),
        }
    }
}

static FUNCTIONS: LazyLock<Vec<Arc<AggregateUDF>>> = LazyLock::new(|| {
    let function = |function| {
        let signature = Signature::any(4, Volatility::Immutable);
        Arc::new(AggregateUDF::new_from_impl(Rolling { function, signature }))
    };
    Function::ALL.into_iter().map(function).collect()
});

/// The aggregates. Workers must know them by their names.
pub fn rolling() -> &'static [Arc<AggregateUDF>] {
    &FUNCTIONS
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Rolling {
    function: Function,
    signature: Signature,
}

impl AggregateUDFImpl for Rolling {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [DataType::Float64, DataType::Timestamp(..), DataType::Int64, DataType::Int64] => {
                Ok(self.function.start().given())
            }
            _ => plan_err!(
                "{} takes a double, a timestamp and two numbers of its units, not {types:?}",
                self.name()
            ),
        }
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Running { name: self.function.name(), rolled: self.function.start(), rows: 0 }))
    }
}

/// One of the aggregates under way. Rows are numbered from 0.
trait Rolled: Send + Sync {
    /// Takes the arguments of the next rows.
    fn take(&mut self, arguments: &[ArrayRef]) -> Result<()>;

    /// The values of rows that were taken; later calls are for the same rows or for later ones.
    fn give(&mut self, rows: Range<usize>) -> ArrayRef;

    fn given(&self) -> DataType;

    fn bytes(&self) -> usize;
}

/// The aggregate over a frame that grows by one row after the other.
struct Running {
    name: &'static str,
    rolled: Box<dyn Rolled>,
    rows: usize,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct(self.name).field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl Accumulator for Running {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.rolled.take(values)?;
        self.rows += values.first().map_or(0, |values| values.len());
        Ok(())
    }

    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        exec_err!("{} is a window function; it needs OVER (ORDER BY ..)", self.name)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        exec_err!("{} is a window function; it needs OVER (ORDER BY ..)", self.name)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        match self.rows.checked_sub(1) {
            Some(last) => ScalarValue::try_from_array(&self.rolled.give(last..self.rows), 0),
            None => ScalarValue::try_from(&self.rolled.given()),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.rolled.bytes()
    }
}

struct Spanned<F: Fold> {
    span: Span,
    queue: Queue<F>,
}

impl<F: Fold> Spanned<F> {
    fn boxed() -> Box<dyn Rolled> {
        Box::new(Spanned::<F> { span: Span::default(), queue: Queue::new(false) })
    }
}

impl<F: Fold> Rolled for Spanned<F> {
    fn take(&mut self, arguments: &[ArrayRef]) -> Result<()> {
        let [values, times, oldest, newest] = arguments else {
            return exec_err!("a rolling aggregate takes four arguments");
        };
        self.span.take(times, oldest, newest)?;
        self.queue.take(values)
    }

    fn give(&mut self, rows: Range<usize>) -> ArrayRef {
        let mut values = Vec::with_capacity(rows.len());
        let mut nulls = NullBufferBuilder::new(rows.len());
        for row in rows {
            let value = F::value(self.queue.over(self.span.window(row)));
            nulls.append(value.is_some());
            values.push(value.unwrap_or_default());
        }
        self.queue.forget();
        Arc::new(PrimitiveArray::<F::Out>::new(values.into(), nulls.finish()))
    }

    fn given(&self) -> DataType {
        F::Out::DATA_TYPE
    }

    fn bytes(&self) -> usize {
        self.span.keys.capacity() * size_of::<i64>() + self.queue.bytes()
    }
}

/// Windows by a time: from so much before that of the row, up to the row itself or to so much before.
#[derive(Default)]
struct Span {
    oldest: i64,
    newest: i64,
    /// Whether times fall; unknown while all are equal.
    falls: Option<bool>,
    /// The times of rows that windows may still see, such that they rise.
    keys: VecDeque<i64>,
    /// The number of the row of the first of them.
    first: usize,
    start: usize,
    end: usize,
}

impl Span {
    fn take(&mut self, times: &ArrayRef, oldest: &ArrayRef, newest: &ArrayRef) -> Result<()> {
        if times.is_empty() {
            return Ok(());
        }
        if times.null_count() > 0 {
            return exec_err!("a time window needs an index without missing values");
        }
        let number = |array: &ArrayRef| array.as_primitive_opt::<Int64Type>().map(|a| a.value(0));
        let (Some(oldest), Some(newest)) = (number(oldest), number(newest)) else {
            return exec_err!("the bounds of a time window must be numbers");
        };
        (self.oldest, self.newest) = (oldest, newest);
        let times = cast(times, &DataType::Int64)?;
        times.as_primitive::<Int64Type>().values().iter().try_for_each(|time| self.push(*time))
    }

    fn push(&mut self, time: i64) -> Result<()> {
        // Falling times rise if each bit of them is the other one; distances stay what they are.
        let key = |falls: bool| if falls { !time } else { time };
        if self.falls.is_none()
            && let Some(last) = self.keys.back().filter(|last| **last != time)
        {
            let falls = time < *last;
            self.falls = Some(falls);
            if falls {
                self.keys.iter_mut().for_each(|key| *key = !*key);
            }
        }
        let key = key(self.falls.unwrap_or_default());
        if self.keys.back().is_some_and(|last| *last > key) {
            return exec_err!("index values must be monotonic; use sort_index() first");
        }
        self.keys.push_back(key);
        Ok(())
    }

    fn at(&self, row: usize) -> i64 {
        self.keys.get(row - self.first).copied().unwrap_or_default()
    }

    fn window(&mut self, row: usize) -> Range<usize> {
        let key = self.at(row);
        while self.end <= row && key.saturating_sub(self.at(self.end)) >= self.newest {
            self.end += 1;
        }
        while self.start < row && key.saturating_sub(self.at(self.start)) > self.oldest {
            self.start += 1;
        }
        let window = self.start..self.end;
        let unseen = self.start.min(self.end).min(row) - self.first;
        self.keys.drain(..unseen);
        self.first += unseen;
        window
    }
}

/// The column that one of the aggregates gives over a growing frame, if the expression is one.
pub(super) fn column(
    expr: &Arc<dyn WindowExpr>,
    aggregate: &AggregateFunctionExpr,
) -> Option<Box<dyn Column>> {
    let rolled = function(expr.as_ref(), aggregate)?.start();
    Some(Box::new(RollingColumn { expr: Arc::clone(expr), rolled }))
}

fn function(expr: &dyn WindowExpr, aggregate: &AggregateFunctionExpr) -> Option<Function> {
    let frame = expr.get_window_frame();
    let is_of_rows = frame.units == WindowFrameUnits::Rows
        && crate::windows::is_growing(frame)
        && frame.end_bound == WindowFrameBound::CurrentRow;
    let found = aggregate.fun().inner().downcast_ref::<Rolling>()?;
    is_of_rows.then_some(found.function)
}

/// The time of one of the aggregates and how far back it sees, in its units, if the expression is one.
pub(crate) fn span_of(
    expr: &dyn WindowExpr,
    aggregate: &AggregateFunctionExpr,
) -> Option<(Arc<dyn PhysicalExpr>, i64)> {
    function(expr, aggregate)?;
    let arguments = aggregate.expressions();
    let [_, time, oldest, _] = arguments.as_slice() else { return None };
    match oldest.downcast_ref::<Literal>()?.value() {
        ScalarValue::Int64(Some(oldest)) => Some((Arc::clone(time), *oldest)),
        _ => None,
    }
}

struct RollingColumn {
    expr: Arc<dyn WindowExpr>,
    rolled: Box<dyn Rolled>,
}

impl Column for RollingColumn {
    fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rolled.take(&self.expr.evaluate_args(batch)?)
    }

    fn ready(&self, taken: usize, _: bool) -> usize {
        taken
    }

    fn give(&mut self, rows: Range<usize>, _: usize) -> Result<ArrayRef> {
        Ok(self.rolled.give(rows))
    }

    fn bytes(&self) -> usize {
        self.rolled.bytes()
    }
}
