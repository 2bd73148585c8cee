//! The columns that windows give.

use super::bounds::Bounds;
use super::fold::{Fold, Greatest, Least, Mean, Spread, Sum, WholeSum};
use super::rolling;
use crate::functions::sums::overflow;
use crate::windows::{offset_of, plain_function};
use datafusion::arrow::array::NullBufferBuilder;
use datafusion::arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, Int64Array, PrimitiveArray, RecordBatch, UInt64Array,
    new_empty_array, new_null_array,
};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{
    ArrowNativeTypeOp, DataType, Date32Type, Float64Type, Int32Type, Int64Type, Schema, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt64Type,
};
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::window::{
    PlainAggregateWindowExpr, SlidingAggregateWindowExpr, WindowExpr,
};
use std::ops::Range;
use std::sync::Arc;

/// A column under way. Rows are numbered from 0.
pub(super) trait Column: Send {
    /// Takes the next rows.
    fn take(&mut self, batch: &RecordBatch) -> Result<()>;

    /// How many rows have values after `taken` rows were taken; with `is_whole`, no more will
    /// follow.
    fn ready(&self, taken: usize, is_whole: bool) -> usize;

    /// The values of the next rows.
    fn give(&mut self, rows: Range<usize>, taken: usize) -> Result<ArrayRef>;

    /// How much memory it has.
    fn bytes(&self) -> usize;
}

/// The columns of these expressions; none if one of them has no typed form.
pub(super) fn all(exprs: &[Arc<dyn WindowExpr>], schema: &Schema) -> Option<Vec<Box<dyn Column>>> {
    exprs.iter().map(|expr| column(expr, schema)).collect()
}

fn column(expr: &Arc<dyn WindowExpr>, schema: &Schema) -> Option<Box<dyn Column>> {
    if !expr.partition_by().is_empty() {
        return None;
    }
    if let Some(aggregate) = aggregate_of(expr) {
        return rolling::column(expr, aggregate).or_else(|| folded(expr, aggregate, schema));
    }
    let function = plain_function(expr)?;
    match function.fun().name() {
        "row_number" => Some(Box::new(Numbers)),
        "lag" | "lead" => {
            let by = offset_of(function)?;
            let is_without = function.args().len() < 3;
            let by = if function.fun().name() == "lag" { by } else { by.checked_neg()? };
            is_without.then(|| Box::new(Shifted::new(Arc::clone(expr), by)) as Box<dyn Column>)
        }
        _ => None,
    }
}

/// The aggregate of a window, if it has one that sees all rows of the window.
pub(crate) fn aggregate_of(expr: &Arc<dyn WindowExpr>) -> Option<&AggregateFunctionExpr> {
    let any = expr.as_any();
    let aggregate = match (
        any.downcast_ref::<PlainAggregateWindowExpr>(),
        any.downcast_ref::<SlidingAggregateWindowExpr>(),
    ) {
        (Some(plain), _) => plain.get_aggregate_expr(),
        (None, Some(sliding)) => sliding.get_aggregate_expr(),
        (None, None) => return None,
    };
    // DataFusion has no other way to tell whether it has a filter.
    let is_unfiltered = format!("{expr:?}").ends_with("filter: None }");
    (is_unfiltered && !aggregate.is_distinct()).then_some(aggregate)
}

fn folded(
    expr: &Arc<dyn WindowExpr>,
    aggregate: &AggregateFunctionExpr,
    schema: &Schema,
) -> Option<Box<dyn Column>> {
    let arguments = aggregate.expressions();
    let [argument] = arguments.as_slice() else { return None };
    let taken = argument.data_type(schema).ok()?;
    let given = aggregate.field().data_type().clone();
    let of = Windowed { expr: Arc::clone(expr), bounds: Bounds::of(expr.as_ref(), schema)?, given };
    let is_float = taken == DataType::Float64;
    match aggregate.fun().name() {
        "count" => Some(Box::new(Counted::new(of))),
        "sum" if taken == of.given => match taken {
            DataType::Int64 => Some(of.folded::<WholeSum<Int64Type>>()),
            DataType::UInt64 => Some(of.folded::<WholeSum<UInt64Type>>()),
            DataType::Float64 => Some(of.folded::<Sum<Float64Type>>()),
            _ => None,
        },
        "min" => of.extreme(true),
        "max" => of.extreme(false),
        "avg" if is_float => Some(of.folded::<Mean>()),
        "var" if is_float => Some(of.folded::<Spread<1, false>>()),
        "var_pop" if is_float => Some(of.folded::<Spread<0, false>>()),
        "stddev" if is_float => Some(of.folded::<Spread<1, true>>()),
        "stddev_pop" if is_float => Some(of.folded::<Spread<0, true>>()),
        _ => None,
    }
}

/// A window before it is known what is computed over it.
struct Windowed {
    expr: Arc<dyn WindowExpr>,
    bounds: Bounds,
    given: DataType,
}

impl Windowed {
    fn folded<F: Fold>(self) -> Box<dyn Column> {
        let is_growing = self.bounds.is_growing();
        Box::new(Folded::<F> { of: self, queue: Queue::new(is_growing) })
    }

    fn least_or_greatest<T: ArrowPrimitiveType>(self, is_least: bool) -> Box<dyn Column>
    where
        T::Native: ArrowNativeTypeOp,
    {
        if is_least { self.folded::<Least<T>>() } else { self.folded::<Greatest<T>>() }
    }

    fn extreme(self, is_least: bool) -> Option<Box<dyn Column>> {
        Some(match self.given {
            DataType::Int32 => self.least_or_greatest::<Int32Type>(is_least),
            DataType::Int64 => self.least_or_greatest::<Int64Type>(is_least),
            DataType::UInt64 => self.least_or_greatest::<UInt64Type>(is_least),
            DataType::Float64 => self.least_or_greatest::<Float64Type>(is_least),
            DataType::Date32 => self.least_or_greatest::<Date32Type>(is_least),
            DataType::Timestamp(TimeUnit::Second, _) => {
                self.least_or_greatest::<TimestampSecondType>(is_least)
            }
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                self.least_or_greatest::<TimestampMillisecondType>(is_least)
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                self.least_or_greatest::<TimestampMicrosecondType>(is_least)
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                self.least_or_greatest::<TimestampNanosecondType>(is_least)
            }
            _ => return None,
        })
    }
}

/// The one argument of a function, as far as these rows go.
fn argument(expr: &dyn WindowExpr, batch: &RecordBatch) -> Result<ArrayRef> {
    expr.evaluate_args(batch)?
        .into_iter()
        .next()
        .ok_or_else(|| DataFusionError::Internal("a window has no argument".to_string()))
}

/// An aggregate over windows.
struct Folded<F: Fold> {
    of: Windowed,
    queue: Queue<F>,
}

impl<F: Fold> Column for Folded<F> {
    fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        self.of.bounds.take(batch)?;
        self.queue.take(&argument(self.of.expr.as_ref(), batch)?)
    }

    fn ready(&self, taken: usize, is_whole: bool) -> usize {
        self.of.bounds.ready(taken, is_whole)
    }

    fn give(&mut self, rows: Range<usize>, taken: usize) -> Result<ArrayRef> {
        let Folded { of, queue } = self;
        let mut values = Vec::with_capacity(rows.len());
        let mut nulls = NullBufferBuilder::new(rows.len());
        let mut is_too_large = false;
        of.bounds.each(rows, taken, |window| {
            let state = queue.over(window);
            is_too_large |= F::is_too_large(state);
            let value = F::value(state);
            nulls.append(value.is_some());
            values.push(value.unwrap_or_default());
        });
        queue.forget();
        if is_too_large {
            return Err(overflow(&of.given));
        }
        let values = PrimitiveArray::<F::Out>::new(values.into(), nulls.finish());
        Ok(Arc::new(values.with_data_type(of.given.clone())))
    }

    fn bytes(&self) -> usize {
        self.of.bounds.bytes() + self.queue.bytes()
    }
}

/// How many values of windows are not missing.
struct Counted {
    of: Windowed,
    /// How many values before each row are not missing, from row `first` on, and in all.
    before: Vec<i64>,
    first: usize,
}

impl Counted {
    fn new(of: Windowed) -> Self {
        Counted { of, before: vec![0], first: 0 }
    }
}

impl Column for Counted {
    fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        self.of.bounds.take(batch)?;
        let values = argument(self.of.expr.as_ref(), batch)?;
        let mut all = self.before.last().copied().unwrap_or_default();
        let mut add = |more: bool| {
            all += i64::from(more);
            all
        };
        match values.logical_nulls() {
            Some(nulls) => self.before.extend(nulls.iter().map(add)),
            None => self.before.extend((0..values.len()).map(|_| add(true))),
        }
        Ok(())
    }

    fn ready(&self, taken: usize, is_whole: bool) -> usize {
        self.of.bounds.ready(taken, is_whole)
    }

    fn give(&mut self, rows: Range<usize>, taken: usize) -> Result<ArrayRef> {
        let Counted { of, before, first } = self;
        let at = |row: usize| before.get(row - *first).copied().unwrap_or_default();
        let is_growing = of.bounds.is_growing();
        let mut counts = Vec::with_capacity(rows.len());
        let mut seen = *first;
        of.bounds.each(rows, taken, |window| {
            // All rows before the first one count as none where windows begin with the first of all.
            let start = if is_growing { 0 } else { at(window.start) };
            seen = if is_growing { window.end } else { window.start };
            counts.push(if window.is_empty() { 0 } else { at(window.end) - start });
        });
        let unseen = seen.saturating_sub(*first);
        if unseen * 2 >= before.len() {
            before.drain(..unseen);
            *first += unseen;
        }
        Ok(Arc::new(Int64Array::from(counts)))
    }

    fn bytes(&self) -> usize {
        self.of.bounds.bytes() + self.before.capacity() * size_of::<i64>()
    }
}

/// A queue of rows that knows what all in it are together.
pub(super) struct Queue<F: Fold> {
    /// What is known of each row, from `first` on.
    rows: Vec<F::State>,
    first: usize,
    /// What is known of the rows from each up to `middle`, the last row first.
    front: Vec<F::State>,
    middle: usize,
    /// What is known of the rows from `middle` to `end`.
    back: F::State,
    end: usize,
    start: usize,
    /// Whether no row leaves it.
    is_growing: bool,
}

impl<F: Fold> Queue<F> {
    pub(super) fn new(is_growing: bool) -> Self {
        Queue {
            rows: Vec::new(),
            first: 0,
            front: Vec::new(),
            middle: 0,
            back: F::NOTHING,
            end: 0,
            start: 0,
            is_growing,
        }
    }

    /// Takes the values of the next rows.
    pub(super) fn take(&mut self, values: &ArrayRef) -> Result<()> {
        F::lift(values, &mut self.rows)
    }

    /// How much memory it has.
    pub(super) fn bytes(&self) -> usize {
        (self.rows.capacity() + self.front.capacity()) * size_of::<F::State>()
    }

    fn row(&self, row: usize) -> F::State {
        self.rows.get(row - self.first).copied().unwrap_or(F::NOTHING)
    }

    /// The combined state of these rows. No window may begin before an earlier one.
    pub(super) fn over(&mut self, window: Range<usize>) -> F::State {
        // Rows that come and go at once are never in it.
        self.end = self.end.max(if self.is_growing { 0 } else { window.start.min(window.end) });
        while self.end < window.end {
            self.back = F::join(self.back, self.row(self.end));
            self.end += 1;
        }
        self.start = window.start;
        if self.is_growing {
            return self.back;
        }
        if window.is_empty() {
            return F::NOTHING;
        }
        if self.start >= self.middle {
            self.turn();
        }
        self.front.truncate(self.middle - self.start);
        match self.front.last() {
            Some(front) => F::join(*front, self.back),
            None => self.back,
        }
    }

    /// Puts all rows in front.
    fn turn(&mut self) {
        self.front.clear();
        let mut known = F::NOTHING;
        for row in (self.start..self.end).rev() {
            known = F::join(self.row(row), known);
            self.front.push(known);
        }
        self.middle = self.end;
        self.back = F::NOTHING;
    }

    /// Forgets the rows that no window sees any more.
    pub(super) fn forget(&mut self) {
        let from = if self.is_growing { self.end } else { self.start.min(self.end) };
        let unseen = from.saturating_sub(self.first).min(self.rows.len());
        // As many at least as stay, so that these are not moved often.
        if unseen * 2 >= self.rows.len() {
            self.rows.drain(..unseen);
            self.first += unseen;
        }
    }
}

/// The numbers of the rows, from 1 on.
struct Numbers;

impl Column for Numbers {
    fn take(&mut self, _: &RecordBatch) -> Result<()> {
        Ok(())
    }

    fn ready(&self, taken: usize, _: bool) -> usize {
        taken
    }

    fn give(&mut self, rows: Range<usize>, _: usize) -> Result<ArrayRef> {
        Ok(Arc::new(UInt64Array::from_iter_values(rows.map(|row| row as u64 + 1))))
    }

    fn bytes(&self) -> usize {
        0
    }
}

/// The values N rows before, or after if N is negative.
struct Shifted {
    expr: Arc<dyn WindowExpr>,
    by: i64,
    /// The values from row `first` on.
    values: Option<ArrayRef>,
    first: usize,
}

impl Shifted {
    fn new(expr: Arc<dyn WindowExpr>, by: i64) -> Self {
        Shifted { expr, by, values: None, first: 0 }
    }
}

impl Column for Shifted {
    fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        let more = argument(self.expr.as_ref(), batch)?;
        self.values = Some(match self.values.take() {
            Some(values) if !values.is_empty() => concat(&[&values, &more])?,
            _ => more,
        });
        Ok(())
    }

    fn ready(&self, taken: usize, is_whole: bool) -> usize {
        match (is_whole, usize::try_from(self.by.checked_neg().unwrap_or(0))) {
            (false, Ok(after)) => taken.saturating_sub(after),
            _ => taken,
        }
    }

    fn give(&mut self, rows: Range<usize>, taken: usize) -> Result<ArrayRef> {
        let from =
            |row: usize| (row as i128 - i128::from(self.by)).clamp(0, taken as i128) as usize;
        let (start, end) = (from(rows.start), from(rows.end));
        let kind = self.expr.field()?.data_type().clone();
        let values = self.values.take().unwrap_or_else(|| new_empty_array(&kind));
        let seen = values.slice(start - self.first, end - start);
        let missing = new_null_array(&kind, rows.len() - seen.len());
        let given = match () {
            () if missing.is_empty() => seen,
            () if self.by > 0 => concat(&[&missing, &seen])?,
            () => concat(&[&seen, &missing])?,
        };
        let unseen = end.min(taken);
        self.values = Some(values.slice(unseen - self.first, values.len() - (unseen - self.first)));
        self.first = unseen;
        Ok(given)
    }

    fn bytes(&self) -> usize {
        self.values.as_ref().map_or(0, |values| values.get_array_memory_size())
    }
}
