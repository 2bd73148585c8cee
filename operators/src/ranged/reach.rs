//! How far windows see beyond their own row.

use super::Ranges;
use crate::sliding::{aggregate_of, nanoseconds_of, span_of};
use crate::windows::{offset_of, plain_function};
use datafusion::arrow::datatypes::{DataType, IntervalMonthDayNano, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{WindowFrameBound, WindowFrameUnits};
use datafusion::physical_expr::window::{StandardWindowExpr, WindowExpr};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// How far windows reach: back to the rows whose key is within these distances of their row,
/// `before` rows further, and `after` rows ahead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Rows before those.
    pub before: usize,
    /// Rows after the row.
    pub after: usize,
    /// Distances of the key; their sum counts.
    pub distances: Vec<ScalarValue>,
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sees {} rows before and {} after", self.before, self.after)?;
        self.distances.iter().try_for_each(|distance| write!(f, " and {distance}"))
    }
}

impl Reach {
    /// How far a window sees. None if it may see any row.
    pub fn of(expr: &Arc<dyn WindowExpr>, schema: &Schema) -> Option<Reach> {
        reach(expr, schema)
    }

    /// Has it see as far as another one over the same rows, too.
    pub fn add(&mut self, other: Reach) {
        self.before = self.before.max(other.before);
        self.after = self.after.max(other.after);
        for distance in other.distances {
            if !self.distances.contains(&distance) {
                self.distances.push(distance);
            }
        }
    }

    /// The reach of windows with this one over others with `below`. `None` if the sum has no such
    /// form: a number of rows back, and from there a distance of the key.
    pub fn above(&self, below: &Reach) -> Option<Reach> {
        if self.before > 0 && !below.distances.is_empty() {
            return None;
        }
        Some(Reach {
            before: self.before.checked_add(below.before)?,
            after: self.after.checked_add(below.after)?,
            distances: self.distances.iter().chain(&below.distances).cloned().collect(),
        })
    }

    /// Rows that are seen by their number.
    pub fn rows(&self) -> usize {
        self.before.max(self.after)
    }

    /// The key from which on windows at `key` or after it in an order see rows. `None` if the type
    /// cannot hold that key: then all rows are seen.
    pub fn bound(&self, key: &ScalarValue, descending: bool) -> Option<ScalarValue> {
        self.distances.iter().try_fold(key.clone(), |key, distance| {
            match descending {
                // Without `checked` they would wrap around.
                true => key.add_checked(distance),
                false => key.sub_checked(distance),
            }
            .ok()
        })
    }

    /// The partitions before each that its windows may see.
    pub fn earlier(&self, ranges: &Ranges) -> Vec<Vec<u32>> {
        let list = |at: usize| -> Vec<u32> {
            let mut wanted = self.before;
            let seen = |from: &usize| match &ranges.rows {
                _ if self.before == 0 => self.sees(ranges, at, *from),
                Some(rows) if self.distances.is_empty() => counted(&mut wanted, rows, *from),
                Some(_) | None => true,
            };
            (0..at).rev().take_while(seen).map(|from| from as u32).collect()
        };
        (0..=ranges.splits.len()).map(list).collect()
    }

    /// The partitions after each that its windows may see.
    pub fn later(&self, ranges: &Ranges) -> Vec<Vec<u32>> {
        let partitions = ranges.splits.len() + 1;
        let list = |at: usize| -> Vec<u32> {
            let mut wanted = self.after;
            let seen = |from: &usize| match &ranges.rows {
                Some(rows) => counted(&mut wanted, rows, *from),
                None => true,
            };
            (at + 1..partitions).take_while(seen).map(|from| from as u32).collect()
        };
        (0..partitions).map(list).collect()
    }

    /// Whether windows in partition `at` may see keys of an earlier one.
    fn sees(&self, ranges: &Ranges, at: usize, from: usize) -> bool {
        if self.distances.is_empty() {
            return false;
        }
        let descending = ranges.key.1.descending;
        let (Some(first), Some(last)) = (ranges.splits.get(at - 1), ranges.splits.get(from)) else {
            return true;
        };
        let Some(bound) = self.bound(first, descending) else { return true };
        match last.partial_cmp(&bound) {
            Some(order) => order != if descending { Ordering::Greater } else { Ordering::Less },
            None => true,
        }
    }
}

/// Whether rows of this partition are wanted too; takes them from what is wanted.
fn counted(wanted: &mut usize, rows: &[usize], partition: usize) -> bool {
    let more = *wanted > 0;
    *wanted = wanted.saturating_sub(rows.get(partition).copied().unwrap_or_default());
    more
}

fn reach(expr: &Arc<dyn WindowExpr>, schema: &Schema) -> Option<Reach> {
    if !expr.partition_by().is_empty() {
        return None;
    }
    if let Some((time, oldest)) = aggregate_of(expr).and_then(|of| span_of(expr.as_ref(), of)) {
        let is_key = expr.order_by().first().is_some_and(|key| key.expr.eq(&time));
        let distances = vec![interval(&time.data_type(schema).ok()?, oldest)?];
        return is_key.then_some(Reach { distances, ..Reach::default() });
    }
    if !expr.as_any().is::<StandardWindowExpr>() {
        return frame(expr, schema);
    }
    let function = plain_function(expr)?;
    match function.fun().name() {
        "lag" | "lead" => {
            let offset = usize::try_from(offset_of(function)?.unsigned_abs()).ok()?;
            // Negative offsets look the other way.
            Some(Reach { before: offset, after: offset, distances: Vec::new() })
        }
        "first_value" | "last_value" | "nth_value" => frame(expr, schema),
        _ => None,
    }
}

fn frame(expr: &Arc<dyn WindowExpr>, schema: &Schema) -> Option<Reach> {
    let frame = expr.get_window_frame();
    let count = |value: &ScalarValue| match value {
        ScalarValue::UInt64(Some(count)) => usize::try_from(*count).ok(),
        _ => None,
    };
    match frame.units {
        WindowFrameUnits::Rows => {
            let before = match &frame.start_bound {
                WindowFrameBound::Preceding(rows) => count(rows)?,
                WindowFrameBound::CurrentRow | WindowFrameBound::Following(_) => 0,
            };
            let after = match &frame.end_bound {
                WindowFrameBound::Following(rows) => count(rows)?,
                WindowFrameBound::CurrentRow | WindowFrameBound::Preceding(_) => 0,
            };
            Some(Reach { before, after, distances: Vec::new() })
        }
        // Rows with the same key are in the same partition.
        WindowFrameUnits::Range if frame.end_bound == WindowFrameBound::CurrentRow => {
            match &frame.start_bound {
                WindowFrameBound::CurrentRow => Some(Reach::default()),
                WindowFrameBound::Preceding(distance) if !distance.is_null() => {
                    let [key] = expr.order_by() else { return None };
                    let kind = key.expr.data_type(schema).ok()?;
                    let distances = vec![distance.clone()];
                    is_even(&kind, distance).then_some(Reach { distances, ..Reach::default() })
                }
                WindowFrameBound::Preceding(_) | WindowFrameBound::Following(_) => None,
            }
        }
        WindowFrameUnits::Range | WindowFrameUnits::Groups => None,
    }
}

/// An interval of `units` units of a time.
fn interval(time: &DataType, units: i64) -> Option<ScalarValue> {
    let DataType::Timestamp(unit, _) = time else { return None };
    let nanoseconds = units.checked_mul(nanoseconds_of(*unit))?;
    Some(ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(0, 0, nanoseconds))))
}

/// Whether a distance leaves the order of keys as it is when it is taken from them: days and months do
/// not where clocks are put back.
fn is_even(key: &DataType, distance: &ScalarValue) -> bool {
    match (key, distance) {
        (DataType::Timestamp(_, Some(_)), ScalarValue::IntervalMonthDayNano(Some(distance))) => {
            let IntervalMonthDayNano { months, days, .. } = distance;
            (*months, *days) == (0, 0)
        }
        (DataType::Timestamp(_, None), ScalarValue::IntervalMonthDayNano(_)) => true,
        (key, distance) => key.is_numeric() && distance.data_type() == *key,
    }
}
