//! Window functions whose wire form, in DataFusion 55, says less than they do.
//!
//! The wire form of a window function that is not an aggregate states neither that it ignores nulls
//! nor that the optimiser has reversed its order: a worker would silently compute something else.
//! [`IgnoreNullsRule`] replaces such functions by aggregates of Partita where possible, `straight`
//! rewrites reversed functions, and `check` refuses the others, so that their statement runs whole
//! in one task, which plans it itself. DataFusion's own aggregates of that kind change their names
//! when they are reversed, which the operators above do not expect.

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::error::DataFusionError;
use datafusion::functions_window::lead_lag::{lag_udwf, lead_udwf};
use datafusion::logical_expr::expr::{NullTreatment, WindowFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, LogicalPlan, Signature, Volatility,
    WindowFrame, WindowFrameBound, WindowFunctionDefinition,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_expr::window::{StandardWindowExpr, WindowExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::windows::{
    BoundedWindowAggExec, WindowAggExec, WindowUDFExpr, create_udwf_window_expr,
};
use std::sync::{Arc, LazyLock};

/// What a window function shows of itself at its end if nothing of it would be lost.
const PLAIN: &str = "is_reversed: false, ignore_nulls: false }";
/// And if it was turned around, but heeds nulls.
const REVERSED: &str = "is_reversed: true, ignore_nulls: false }";

static FIRST: LazyLock<Arc<AggregateUDF>> = LazyLock::new(|| present("first_present"));
static LAST: LazyLock<Arc<AggregateUDF>> = LazyLock::new(|| present("last_present"));

fn present(name: &'static str) -> Arc<AggregateUDF> {
    let signature = Signature::any(1, Volatility::Immutable);
    Arc::new(AggregateUDF::new_from_impl(Present { name, signature }))
}

/// The aggregates that give the first and the last value that is not null, of rows in their order.
/// Workers must know them by their names.
pub fn present_values() -> [Arc<AggregateUDF>; 2] {
    [Arc::clone(&FIRST), Arc::clone(&LAST)]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Present {
    name: &'static str,
    signature: Signature,
}

impl AggregateUDFImpl for Present {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [only] => Ok(only.clone()),
            _ => exec_err!("{} takes one argument", self.name),
        }
    }

    fn accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let value = ScalarValue::try_from(arguments.return_field.data_type())?;
        Ok(Box::new(Seen { value, is_first: self.name == FIRST.name() }))
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new("value", arguments.return_field.data_type().clone(), true))])
    }
}

/// The value so far.
#[derive(Debug)]
struct Seen {
    value: ScalarValue,
    is_first: bool,
}

impl Accumulator for Seen {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(values) = values.first() else { return Ok(()) };
        if self.is_first && !self.value.is_null() {
            return Ok(());
        }
        let mut places = (0..values.len()).filter(|at| values.is_valid(*at));
        let found = if self.is_first { places.next() } else { places.next_back() };
        if let Some(at) = found {
            self.value = ScalarValue::try_from_array(values, at)?;
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value.clone()])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.value.size()
    }
}

/// Puts aggregates in the place of `first_value` and `last_value` that ignore nulls, where their
/// windows only grow.
#[derive(Debug)]
pub struct IgnoreNullsRule;

impl AnalyzerRule for IgnoreNullsRule {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let rewritten = plan.transform_down_with_subqueries(|node| {
            let names = NamePreserver::new(&node);
            node.map_expressions(|expr| {
                let name = names.save(&expr);
                let changed = expr.transform_down(|expr| Ok(as_aggregate(expr)))?;
                Ok(changed.update_data(|expr| name.restore(expr)))
            })
        })?;
        rewritten.data.recompute_schema()
    }

    fn name(&self) -> &str {
        "ignore_nulls"
    }
}

fn as_aggregate(expr: Expr) -> Transformed<Expr> {
    let Expr::WindowFunction(mut window) = expr else { return Transformed::no(expr) };
    match aggregate(&window) {
        Some(fun) => {
            window.fun = WindowFunctionDefinition::AggregateUDF(fun);
            window.params.null_treatment = None;
            Transformed::yes(Expr::WindowFunction(window))
        }
        None => Transformed::no(Expr::WindowFunction(window)),
    }
}

fn aggregate(window: &WindowFunction) -> Option<Arc<AggregateUDF>> {
    let WindowFunctionDefinition::WindowUDF(fun) = &window.fun else { return None };
    let params = &window.params;
    let ignores = params.null_treatment == Some(NullTreatment::IgnoreNulls);
    let grows = is_growing(&params.window_frame);
    match fun.name() {
        "first_value" if ignores && grows => Some(Arc::clone(&FIRST)),
        "last_value" if ignores && grows => Some(Arc::clone(&LAST)),
        _ => None,
    }
}

/// What a window operator computes, if this is one.
pub(crate) fn window_exprs(plan: &Arc<dyn ExecutionPlan>) -> Option<&[Arc<dyn WindowExpr>]> {
    match (plan.downcast_ref::<BoundedWindowAggExec>(), plan.downcast_ref::<WindowAggExec>()) {
        (Some(window), _) => Some(window.window_expr()),
        (None, Some(window)) => Some(window.window_expr()),
        (None, None) => None,
    }
}

/// Whether windows begin with the first row of all.
pub(crate) fn is_growing(frame: &WindowFrame) -> bool {
    match &frame.start_bound {
        WindowFrameBound::Preceding(start) => start.is_null(),
        WindowFrameBound::CurrentRow | WindowFrameBound::Following(_) => false,
    }
}

/// The function of a window that is not an aggregate, if its wire form would lose nothing.
pub(crate) fn plain_function(expr: &Arc<dyn WindowExpr>) -> Option<&WindowUDFExpr> {
    let standard = expr.as_any().downcast_ref::<StandardWindowExpr>()?;
    let function = standard.get_standard_func_expr().as_any().downcast_ref::<WindowUDFExpr>()?;
    is_plain(standard).then_some(function)
}

/// Whether a window function neither ignores nulls nor was turned around.
fn is_plain(function: &StandardWindowExpr) -> bool {
    // It has no other way to tell.
    let shown = format!("{:?}", function.get_standard_func_expr());
    !shown.starts_with("WindowUDFExpr") || shown.ends_with(PLAIN)
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

/// By how many rows `lag` or `lead` look away, if that is said by a number.
pub(crate) fn offset_of(function: &WindowUDFExpr) -> Option<i64> {
    match function.args().get(1) {
        None => Some(1),
        Some(offset) => match offset.downcast_ref::<Literal>()?.value() {
            ScalarValue::Int64(offset) => offset.filter(|offset| *offset > i64::MIN),
            _ => None,
        },
    }
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
