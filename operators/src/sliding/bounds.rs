//! Which rows the window of a row has.

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, Schema, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{WindowFrame, WindowFrameBound, WindowFrameUnits};
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_expr::window::WindowExpr;
use std::collections::VecDeque;
use std::ops::Range;

/// Nanoseconds of a day without changes of clocks.
const DAY: i128 = 86_400_000_000_000;

/// Where the windows of rows begin and end. Rows are numbered from 0, and asked for in their order.
pub(super) enum Bounds {
    /// Rows from N before the row, or from the first if all before it are seen, up to and with
    /// `last`.
    Rows {
        first: Option<i64>,
        last: i64,
    },
    Keys(Keys),
}

impl Bounds {
    /// Those of an expression; none if they are of another form.
    pub(super) fn of(expr: &dyn WindowExpr, schema: &Schema) -> Option<Bounds> {
        let frame = expr.get_window_frame();
        match frame.units {
            WindowFrameUnits::Rows => {
                let first = match &frame.start_bound {
                    WindowFrameBound::Preceding(rows) if rows.is_null() => None,
                    bound => Some(offset(bound)?),
                };
                Some(Bounds::Rows { first, last: offset(&frame.end_bound)? })
            }
            WindowFrameUnits::Range => Keys::of(frame, expr.order_by(), schema).map(Bounds::Keys),
            WindowFrameUnits::Groups => None,
        }
    }

    /// Whether windows begin with the first row of all.
    pub(super) fn is_growing(&self) -> bool {
        match self {
            Bounds::Rows { first, .. } => first.is_none(),
            Bounds::Keys(keys) => keys.distance.is_none(),
        }
    }

    pub(super) fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Bounds::Rows { .. } => Ok(()),
            Bounds::Keys(keys) => keys.take(batch),
        }
    }

    /// How many rows have windows of which all rows were taken.
    pub(super) fn ready(&self, taken: usize, is_whole: bool) -> usize {
        match self {
            _ if is_whole => taken,
            Bounds::Rows { last, .. } => taken.saturating_sub(usize::try_from(*last).unwrap_or(0)),
            Bounds::Keys(keys) => keys.last_change,
        }
    }

    /// The windows of some rows, one after the other.
    pub(super) fn each(
        &mut self,
        rows: Range<usize>,
        taken: usize,
        mut with: impl FnMut(Range<usize>),
    ) {
        match self {
            Bounds::Rows { first, last } => {
                let end = *last + 1;
                match *first {
                    None => rows.for_each(|row| with(0..moved(row, end).min(taken))),
                    Some(first) => rows.for_each(|row| {
                        with(moved(row, first).min(taken)..moved(row, end).min(taken));
                    }),
                }
            }
            Bounds::Keys(keys) => rows.for_each(|row| with(keys.window(row, taken))),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Bounds::Rows { .. } => 0,
            Bounds::Keys(keys) => keys.keys.capacity() * size_of::<Option<i64>>(),
        }
    }
}

fn moved(row: usize, by: i64) -> usize {
    let distance = usize::try_from(by.unsigned_abs()).unwrap_or(usize::MAX);
    if by < 0 { row.saturating_sub(distance) } else { row.saturating_add(distance) }
}

/// The offset of a bound in rows after its row.
fn offset(bound: &WindowFrameBound) -> Option<i64> {
    match bound {
        WindowFrameBound::CurrentRow => Some(0),
        WindowFrameBound::Preceding(ScalarValue::UInt64(Some(rows))) => {
            i64::try_from(*rows).ok().map(|rows| -rows)
        }
        // One row more must have a number too.
        WindowFrameBound::Following(ScalarValue::UInt64(Some(rows))) => {
            i64::try_from(*rows).ok().filter(|rows| *rows < i64::MAX)
        }
        WindowFrameBound::Preceding(_) | WindowFrameBound::Following(_) => None,
    }
}

/// Windows by the key of the order: from so much before that of the row, up to the last row with
/// the same.
pub(super) struct Keys {
    key: PhysicalSortExpr,
    /// None if all rows before are seen.
    distance: Option<i64>,
    /// The keys of rows that windows may still see, such that they rise; none is a missing one.
    keys: VecDeque<Option<i64>>,
    /// The number of the row of the first of them.
    first: usize,
    /// The first of the last rows with the same key.
    last_change: usize,
    start: usize,
    end: usize,
}

impl Keys {
    fn of(frame: &WindowFrame, order: &[PhysicalSortExpr], schema: &Schema) -> Option<Keys> {
        let ([key], WindowFrameBound::CurrentRow) = (order, &frame.end_bound) else { return None };
        let kind = key.expr.data_type(schema).ok()?;
        if !matches!(kind, DataType::Int64 | DataType::Timestamp(..)) {
            return None;
        }
        let distance = match &frame.start_bound {
            WindowFrameBound::Preceding(distance) if distance.is_null() => None,
            WindowFrameBound::Preceding(distance) => Some(in_units(&kind, distance)?),
            WindowFrameBound::CurrentRow => Some(0),
            WindowFrameBound::Following(_) => return None,
        };
        Some(Keys {
            key: key.clone(),
            distance,
            keys: VecDeque::new(),
            first: 0,
            last_change: 0,
            start: 0,
            end: 0,
        })
    }

    fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        let values = self.key.expr.evaluate(batch)?.into_array(batch.num_rows())?;
        let values = cast(&values, &DataType::Int64)?;
        for value in values.as_primitive::<Int64Type>() {
            // Falling keys rise if each bit of them is the other one; distances stay what they are.
            let key = value.map(|value| if self.key.options.descending { !value } else { value });
            if self.keys.back().is_none_or(|last| *last != key) {
                self.last_change = self.first + self.keys.len();
            }
            self.keys.push_back(key);
        }
        Ok(())
    }

    fn at(&self, row: usize) -> Option<i64> {
        self.keys.get(row - self.first).copied().flatten()
    }

    fn window(&mut self, row: usize, taken: usize) -> Range<usize> {
        let key = self.at(row);
        while self.end < taken && (self.end <= row || self.at(self.end) == key) {
            self.end += 1;
        }
        let Some(distance) = self.distance else {
            self.forget(row);
            return 0..self.end;
        };
        let is_seen = |other: Option<i64>| match (other, key) {
            (Some(other), Some(key)) => key.saturating_sub(other) <= distance,
            (other, key) => other.is_none() == key.is_none(),
        };
        while self.start < row && !is_seen(self.at(self.start)) {
            self.start += 1;
        }
        self.forget(self.start);
        self.start..self.end
    }

    /// Forgets the keys of rows before this one.
    fn forget(&mut self, row: usize) {
        self.keys.drain(..row - self.first);
        self.first = row;
    }
}

/// A distance in the units of the keys, if it is a whole number of them.
fn in_units(kind: &DataType, distance: &ScalarValue) -> Option<i64> {
    match (kind, distance) {
        (DataType::Int64, ScalarValue::Int64(Some(distance))) => Some(*distance),
        (DataType::Timestamp(unit, zone), ScalarValue::IntervalMonthDayNano(Some(distance))) => {
            // Months differ, and days do where clocks change.
            if distance.months != 0 || (distance.days != 0 && zone.is_some()) {
                return None;
            }
            let all = i128::from(distance.days) * DAY + i128::from(distance.nanoseconds);
            let unit = i128::from(nanoseconds_of(*unit));
            if all % unit == 0 { i64::try_from(all / unit).ok() } else { None }
        }
        _ => None,
    }
    .filter(|distance| *distance >= 0)
}

/// The nanoseconds of a unit.
pub(crate) fn nanoseconds_of(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}
