//! What window operators and window functions of DataFusion tell of themselves.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{WindowFrame, WindowFrameBound};
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_expr::window::{StandardWindowExpr, WindowExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec, WindowUDFExpr};
use std::sync::Arc;

/// What a window function shows of itself at its end if nothing of it would be lost.
const PLAIN: &str = "is_reversed: false, ignore_nulls: false }";

/// What a window operator computes, if this is one.
pub fn window_exprs(plan: &Arc<dyn ExecutionPlan>) -> Option<&[Arc<dyn WindowExpr>]> {
    match (plan.downcast_ref::<BoundedWindowAggExec>(), plan.downcast_ref::<WindowAggExec>()) {
        (Some(window), _) => Some(window.window_expr()),
        (None, Some(window)) => Some(window.window_expr()),
        (None, None) => None,
    }
}

/// Whether windows begin with the first row of all.
pub fn is_growing(frame: &WindowFrame) -> bool {
    match &frame.start_bound {
        WindowFrameBound::Preceding(start) => start.is_null(),
        WindowFrameBound::CurrentRow | WindowFrameBound::Following(_) => false,
    }
}

/// The function of a window that is not an aggregate, if its wire form would lose nothing.
pub fn plain_function(expr: &Arc<dyn WindowExpr>) -> Option<&WindowUDFExpr> {
    let standard = expr.as_any().downcast_ref::<StandardWindowExpr>()?;
    let function = standard.get_standard_func_expr().as_any().downcast_ref::<WindowUDFExpr>()?;
    is_plain(standard).then_some(function)
}

/// Whether a window function neither ignores nulls nor was turned around.
pub fn is_plain(function: &StandardWindowExpr) -> bool {
    // It has no other way to tell.
    let shown = format!("{:?}", function.get_standard_func_expr());
    !shown.starts_with("WindowUDFExpr") || shown.ends_with(PLAIN)
}

/// By how many rows `lag` or `lead` look away, if that is said by a number.
pub fn offset_of(function: &WindowUDFExpr) -> Option<i64> {
    match function.args().get(1) {
        None => Some(1),
        Some(offset) => match offset.downcast_ref::<Literal>()?.value() {
            ScalarValue::Int64(offset) => offset.filter(|offset| *offset > i64::MIN),
            _ => None,
        },
    }
}
