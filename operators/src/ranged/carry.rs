//! Windows that begin with the first row of all.
//!
//! Each partition is done by itself, as if none were before it. The last row of each has in it what
//! its windows found. A [`PrefixExec`] joins those of all partitions, one after the other, and a
//! [`CarryExec`] joins what was found before a partition to the values of its rows, column by column:
//! the parallel prefix sum of Hillis and Steele, "Data parallel algorithms" (1986), of two levels.

use super::edge::{Kept, children_of, partitions, sorted};
use crate::functions::sums::overflow;
use crate::sliding::aggregate_of;
use crate::windows::{is_growing, plain_function};
use crate::{Plan, over_input, plain_operator};
use datafusion::arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::arrow::compute::kernels::cmp::{gt, lt};
use datafusion::arrow::compute::kernels::numeric::{add, mul_wrapping};
use datafusion::arrow::compute::kernels::zip::zip;
use datafusion::arrow::compute::{concat_batches, is_null};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::WindowFrameBound;
use datafusion::physical_expr::window::WindowExpr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{TryFutureExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// How what was found before is joined to a value. A missing one is that of no rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Carry {
    /// The sum.
    Add,
    /// The product.
    Multiply,
    /// The lesser.
    Least,
    /// The greater.
    Greatest,
    /// The one that was found before.
    First,
    /// The value.
    Last,
}

impl Carry {
    /// How a window's values carry over to the next partition; `None` if its frame does not begin
    /// with the first row, or if its values are not sufficient.
    pub fn of(expr: &Arc<dyn WindowExpr>) -> Option<Carry> {
        if !expr.partition_by().is_empty() {
            return None;
        }
        let Some(aggregate) = aggregate_of(expr) else {
            let function = plain_function(expr)?;
            return (function.fun().name() == "row_number").then_some(Carry::Add);
        };
        let frame = expr.get_window_frame();
        if !is_growing(frame) || frame.end_bound != WindowFrameBound::CurrentRow {
            return None;
        }
        let field = aggregate.field();
        let is_number =
            matches!(field.data_type(), DataType::Int64 | DataType::UInt64 | DataType::Float64);
        // Lists and structures are not compared element by element.
        if field.data_type().is_nested() {
            return None;
        }
        match aggregate.fun().name() {
            "sum" | "count" if is_number => Some(Carry::Add),
            "product" if is_number => Some(Carry::Multiply),
            "min" => Some(Carry::Least),
            "max" => Some(Carry::Greatest),
            "first_present" => Some(Carry::First),
            "last_present" => Some(Carry::Last),
            _ => None,
        }
    }

    /// The values, with what was found before them.
    fn joined(self, own: &ArrayRef, before: &ScalarValue) -> Result<ArrayRef> {
        if before.is_null() {
            return Ok(Arc::clone(own));
        }
        let earlier = before.to_scalar()?;
        let both = match self {
            Carry::Add => add(own, &earlier).map_err(|_| overflow(own.data_type()))?,
            Carry::Multiply => mul_wrapping(own, &earlier)?,
            Carry::Least => zip(&lt(own, &earlier)?, own, &earlier)?,
            Carry::Greatest => zip(&gt(own, &earlier)?, own, &earlier)?,
            Carry::Last => Arc::clone(own),
            Carry::First => return before.to_array_of_size(own.len()),
        };
        if own.null_count() == 0 {
            return Ok(both);
        }
        Ok(zip(&is_null(own)?, &earlier, &both)?)
    }
}

/// The columns of windows, and how their values are joined.
pub type Carries = Vec<(usize, Carry)>;

/// What windows found before some row, by their columns.
type Found = Vec<(usize, Carry, ScalarValue)>;

/// Takes the last rows of partitions, and joins to each what was found in all before it.
#[derive(Debug)]
pub struct PrefixExec {
    /// The last rows of all partitions.
    pub input: Plan,
    /// How they are joined.
    pub carries: Carries,
}

impl DisplayAs for PrefixExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrefixExec: combines the last rows")
    }
}

impl ExecutionPlan for PrefixExec {
    over_input!("PrefixExec", |this: &Arc<Self>, input| PrefixExec {
        input,
        carries: this.carries.clone()
    });

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let rows = self.input.execute(partition, Arc::clone(&context))?;
        let (schema, carries) = (self.schema(), self.carries.clone());
        let kept = Kept::new("PrefixExec", &context);
        let made = Arc::clone(&schema);
        let work = sorted(Some(rows), Arc::clone(&schema), kept).and_then(move |kept| async move {
            let mut joined = Vec::new();
            let mut found = Found::new();
            for edge in &kept.batches {
                let edge = with_found(&found, edge)?;
                found = found_at(&carries, &edge, edge.num_rows() - 1)?;
                joined.push(edge);
            }
            Ok(concat_batches(&made, &joined)?)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream::once(work))))
    }
}

/// Joins what windows found in the partitions before one to the values of its rows. Its children are
/// the rows and what a [`PrefixExec`] gives.
#[derive(Debug)]
pub struct CarryExec {
    /// The rows, and what a [`PrefixExec`] gives.
    pub children: [Plan; 2],
    /// How they are joined.
    pub carries: Carries,
}

impl DisplayAs for CarryExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CarryExec: applies the carry-in of earlier partitions")
    }
}

impl ExecutionPlan for CarryExec {
    fn name(&self) -> &'static str {
        "CarryExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.children[0].properties()
    }

    fn children(&self) -> Vec<&Plan> {
        self.children.iter().collect()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true, false]
    }

    plain_operator!(|this: &Arc<Self>, children| {
        let carries = this.carries.clone();
        Ok(Arc::new(CarryExec { children: children_of(children)?, carries }) as Plan)
    });

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let [rows, prefixes] = &self.children;
        let rows = rows.execute(partition, Arc::clone(&context))?;
        let prefixes = prefixes.execute(0, context)?;
        let carries = self.carries.clone();
        let joined = before(prefixes, partition, carries).map_ok(move |found| {
            rows.and_then(move |batch| std::future::ready(with_found(&found, &batch)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), joined.try_flatten_stream())))
    }
}

/// What was found in the partitions before one.
async fn before(
    mut prefixes: SendableRecordBatchStream,
    partition: usize,
    carries: Carries,
) -> Result<Found> {
    let mut found = Found::new();
    while let Some(batch) = prefixes.try_next().await? {
        let numbers = partitions(&batch)?;
        let earlier = numbers.iter().take_while(|number| (**number as usize) < partition).count();
        if earlier > 0 {
            found = found_at(&carries, &batch, earlier - 1)?;
        }
    }
    Ok(found)
}

/// What windows found up to this row.
fn found_at(carries: &Carries, batch: &RecordBatch, row: usize) -> Result<Found> {
    let value = |&(column, carry): &(usize, Carry)| {
        Ok((column, carry, ScalarValue::try_from_array(batch.column(column), row)?))
    };
    carries.iter().map(value).collect()
}

fn with_found(found: &Found, batch: &RecordBatch) -> Result<RecordBatch> {
    let mut columns = batch.columns().to_vec();
    for (column, carry, before) in found {
        if let Some(own) = columns.get_mut(*column) {
            *own = carry.joined(own, before)?;
        }
    }
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}
