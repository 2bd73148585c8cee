//! Window functions whose wire form, in DataFusion 55, says less than they do.
//!
//! The wire form of a window function that is not an aggregate states neither that it ignores nulls
//! nor that the optimiser has reversed its order: a worker would silently compute something else.
//! [`IgnoreNullsRule`] replaces such functions by aggregates of Partita where possible, `straight`
//! rewrites reversed functions, and `check` refuses the others, so that their statement runs whole
//! in one task, which plans it itself. DataFusion's own aggregates of that kind change their names
//! when they are reversed, which the operators above do not expect.

use crate::walk;
use datafusion::arrow::datatypes::Schema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::functions_window::lead_lag::{lag_udwf, lead_udwf};
use datafusion::logical_expr::expr::{NullTreatment, WindowFunction};
use datafusion::logical_expr::{
    AggregateUDF, Expr, LogicalPlan, Window, WindowFunctionDefinition, lit,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_expr::window::{StandardWindowExpr, WindowExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::windows::{
    BoundedWindowAggExec, WindowAggExec, WindowUDFExpr, create_udwf_window_expr,
};
use partita_operators::functions::present::present_values;
use partita_operators::windows::{is_growing, is_plain, window_exprs};
use std::sync::Arc;

/// What a window function shows of itself at its end if it was turned around, but heeds nulls.
const REVERSED: &str = "is_reversed: true, ignore_nulls: false }";

/// Puts aggregates in the place of `first_value` and `last_value` that ignore nulls, where their
/// windows only grow.
#[derive(Debug)]
pub struct IgnoreNullsRule;

impl AnalyzerRule for IgnoreNullsRule {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let rewritten = walk::plan_down(plan, &mut |node| {
            let node = apart(node)?;
            let is_window = |part: &Expr| matches!(part, Expr::WindowFunction(_));
            walk::named_expressions(node, &is_window, &mut |expr| {
                walk::expr_down(expr, &mut |expr| Ok(as_aggregate(expr)))
            })
        })?;
        match rewritten.transformed {
            true => rewritten.data.recompute_schema(),
            false => Ok(rewritten.data),
        }
    }

    fn name(&self) -> &str {
        "ignore_nulls"
    }
}

fn as_aggregate(expr: Expr) -> Transformed<Expr> {
    let Expr::WindowFunction(mut window) = expr else { return Transformed::no(expr) };
    if let Some(offset) = forward(&window) {
        look_back(&mut window, offset);
        return Transformed::yes(Expr::WindowFunction(window));
    }
    match aggregate(&window) {
        Some(fun) => {
            window.fun = WindowFunctionDefinition::AggregateUDF(fun);
            window.params.null_treatment = None;
            Transformed::yes(Expr::WindowFunction(window))
        }
        None => Transformed::no(Expr::WindowFunction(window)),
    }
}

/// A node whose functions all have the same order, also when those that look forward have the opposite one.
fn apart(node: LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Window(window) = node else { return Ok(node) };
    let looks_forward = |expr: &Expr| {
        let named = if let Expr::Alias(alias) = expr { alias.expr.as_ref() } else { expr };
        matches!(named, Expr::WindowFunction(window) if forward(window).is_some())
    };
    let (forward, others): (Vec<_>, Vec<_>) =
        window.window_expr.iter().cloned().partition(looks_forward);
    if forward.is_empty() || others.is_empty() {
        return Ok(LogicalPlan::Window(window));
    }
    let others = LogicalPlan::Window(Window::try_new(others, window.input)?);
    Ok(LogicalPlan::Window(Window::try_new(forward, Arc::new(others))?))
}

/// How many rows `lead` and `lag` look forward if they ignore nulls: DataFusion 55 counts wrongly then
/// (apache/datafusion#25471).
fn forward(window: &WindowFunction) -> Option<i64> {
    let WindowFunctionDefinition::WindowUDF(fun) = &window.fun else { return None };
    let sign = match fun.name() {
        "lead" => 1,
        "lag" => -1,
        _ => return None,
    };
    let offset = match window.params.args.get(1) {
        None => 1,
        Some(Expr::Literal(ScalarValue::Int64(Some(offset)), _)) => *offset,
        Some(Expr::Negative(inner)) => match inner.as_ref() {
            Expr::Literal(ScalarValue::Int64(Some(offset)), _) => -*offset,
            _ => return None,
        },
        Some(_) => return None,
    };
    let forward = offset.checked_mul(sign)?;
    let ignores = window.params.null_treatment == Some(NullTreatment::IgnoreNulls);
    (ignores && forward > 0 && !window.params.order_by.is_empty()).then_some(forward)
}

/// Makes `lead` of `lag` in the opposite order.
fn look_back(window: &mut WindowFunction, offset: i64) {
    window.fun = WindowFunctionDefinition::WindowUDF(lag_udwf());
    if let Some(told) = window.params.args.get_mut(1) {
        *told = lit(offset);
    }
    for key in &mut window.params.order_by {
        (key.asc, key.nulls_first) = (!key.asc, !key.nulls_first);
    }
}

fn aggregate(window: &WindowFunction) -> Option<Arc<AggregateUDF>> {
    let WindowFunctionDefinition::WindowUDF(fun) = &window.fun else { return None };
    let params = &window.params;
    let ignores = params.null_treatment == Some(NullTreatment::IgnoreNulls);
    let grows = is_growing(&params.window_frame);
    let [first, last] = present_values();
    match fun.name() {
        "first_value" if ignores && grows => Some(first),
        "last_value" if ignores && grows => Some(last),
        _ => None,
    }
}

/// The plan with other functions in the place of those that were turned around: `lag`, turned around,
/// is `lead`.
///
/// # Errors
/// If an operator cannot be put together again.
pub(crate) fn straight(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let changed = plan.transform_up(|node| {
        let children = node.children();
        let (Some(exprs), Some(input)) = (window_exprs(&node), children.first()) else {
            return Ok(Transformed::no(node));
        };
        let straight = |expr: &Arc<dyn WindowExpr>| straightened(expr, &input.schema());
        let other = exprs.iter().map(straight).collect::<Result<Vec<_>>>()?;
        if other.iter().all(Option::is_none) {
            return Ok(Transformed::no(node));
        }
        let exprs = exprs.iter().zip(other);
        let exprs = exprs.map(|(expr, other)| other.unwrap_or_else(|| Arc::clone(expr))).collect();
        let input = Arc::clone(input);
        let window: Arc<dyn ExecutionPlan> = match node.downcast_ref::<BoundedWindowAggExec>() {
            Some(bounded) => {
                let (mode, keys) = (bounded.input_order_mode.clone(), bounded.partition_keys());
                Arc::new(BoundedWindowAggExec::try_new(exprs, input, mode, !keys.is_empty())?)
            }
            None => Arc::new(WindowAggExec::try_new(exprs, input, false)?),
        };
        Ok(Transformed::yes(window))
    })?;
    Ok(changed.data)
}

/// The other way to say a function that was turned around, if it is one and there is another.
fn straightened(expr: &Arc<dyn WindowExpr>, input: &Schema) -> Result<Option<Arc<dyn WindowExpr>>> {
    let Some(standard) = expr.as_any().downcast_ref::<StandardWindowExpr>() else {
        return Ok(None);
    };
    let any = standard.get_standard_func_expr().as_any();
    let Some(function) = any.downcast_ref::<WindowUDFExpr>() else { return Ok(None) };
    if !format!("{function:?}").ends_with(REVERSED) {
        return Ok(None);
    }
    let other = match function.fun().name() {
        "lag" => lead_udwf(),
        "lead" => lag_udwf(),
        // These are each other already, with the frame turned around.
        "first_value" | "last_value" => Arc::clone(function.fun()),
        _ => return Ok(None),
    };
    let name = expr.name().to_string();
    let function = create_udwf_window_expr(&other, function.args(), input, name, false)?;
    let (keys, order) = (expr.partition_by(), expr.order_by());
    let frame = Arc::clone(expr.get_window_frame());
    Ok(Some(Arc::new(StandardWindowExpr::new(function, keys, order, frame))))
}

/// Whether a fragment's wire form would say all that its window functions do.
///
/// # Errors
/// If not; the error names the function.
pub(crate) fn check(plan: &Arc<dyn ExecutionPlan>) -> Result<()> {
    for expr in window_exprs(plan).into_iter().flatten() {
        if let Some(function) = expr.as_any().downcast_ref::<StandardWindowExpr>()
            && !is_plain(function)
        {
            return Err(DataFusionError::NotImplemented(format!(
                "cannot serialize the window function {} as planned",
                expr.name()
            )));
        }
    }
    plan.children().into_iter().try_for_each(check)
}
