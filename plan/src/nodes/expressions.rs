//! Expressions of messages as DataFusion's.

use super::literals::scalar;
use super::{EXPRESSION_LEVELS_MAX, EXPRESSION_NODES_MAX, Expression, Id, Key, Plan};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::logical_expr::expr::{
    AggregateFunction, Cast, InList, NullTreatment, ScalarFunction, TryCast, WindowFunction,
};
use datafusion::logical_expr::{
    AggregateUDF, Case, Expr, Operator, ScalarUDF, SortExpr, WindowFrame, WindowFrameBound,
    WindowFrameUnits, WindowFunctionDefinition, binary_expr, lit,
};
use std::collections::HashMap;
use std::sync::Arc;

/// The error for a message that the package does not write.
pub(super) fn malformed(text: impl AsRef<str>) -> DataFusionError {
    DataFusionError::Plan(format!("internal error: malformed plan: {}", text.as_ref()))
}

/// The columns of a relation, by name.
#[derive(Debug)]
pub(super) struct Scope(HashMap<String, Column>);

impl Scope {
    /// The columns of these schemas.
    pub(super) fn new<'a>(schemas: impl IntoIterator<Item = &'a DFSchema>) -> Self {
        let mut found = HashMap::new();
        for column in schemas.into_iter().flat_map(DFSchema::columns) {
            found.entry(column.name.clone()).or_insert(column);
        }
        Scope(found)
    }

    fn column(&self, name: &str) -> Result<Expr> {
        match self.0.get(name) {
            Some(column) => Ok(Expr::Column(column.clone())),
            None => Err(DataFusionError::Plan(format!("internal error: no column {name:?}"))),
        }
    }
}

/// How large expressions are, where each use of a part counts.
pub(super) struct Sizes {
    sizes: Vec<usize>,
    levels: Vec<u32>,
}

impl Sizes {
    /// Those of the expressions of a plan, which use only earlier ones.
    ///
    /// # Errors
    /// If one uses a later one, or has too many levels.
    pub(super) fn of(plan: &Plan) -> Result<Self> {
        let (mut sizes, mut levels) = (Vec::new(), Vec::<u32>::new());
        for expression in &plan.expressions {
            let (mut size, mut level) = (1_usize, 0);
            for input in inputs(expression) {
                let (Some(of), Some(below)) =
                    (sizes.get(input as usize), levels.get(input as usize))
                else {
                    return Err(malformed("an expression uses a later one"));
                };
                size = size.saturating_add(*of);
                level = level.max(*below);
            }
            if level >= EXPRESSION_LEVELS_MAX {
                return Err(DataFusionError::Plan(format!(
                    "an expression has more than {EXPRESSION_LEVELS_MAX} levels; persist the frame or column after some of its operations"
                )));
            }
            sizes.push(size);
            levels.push(level + 1);
        }
        Ok(Sizes { sizes, levels })
    }

    /// The levels of an expression.
    pub(super) fn levels(&self, id: Id) -> usize {
        self.levels.get(id as usize).map_or(0, |levels| *levels as usize)
    }

    /// Counts an expression that is used.
    ///
    /// # Errors
    /// If it does not exist, or the plan then has too many nodes.
    pub(super) fn count(&self, id: Id, total: &mut usize) -> Result<()> {
        let size = self.sizes.get(id as usize).ok_or_else(|| malformed("no such expression"))?;
        *total = total.saturating_add(*size);
        if *total > EXPRESSION_NODES_MAX {
            return Err(DataFusionError::Plan(format!(
                "the plan has expressions of more than {EXPRESSION_NODES_MAX} parts; persist the frame after some of its operations"
            )));
        }
        Ok(())
    }
}

/// The expressions that one uses.
fn inputs(expression: &Expression) -> Vec<Id> {
    let keys = |keys: &[Key]| keys.iter().map(|key| key.0).collect::<Vec<_>>();
    match expression {
        Expression::Column(_) | Expression::Literal(..) => Vec::new(),
        Expression::Call(_, arguments) => arguments.clone(),
        Expression::Cast(value, ..) => vec![*value],
        Expression::Case { operand, branches, otherwise } => {
            let branches = branches.iter().flat_map(|(test, value)| [*test, *value]);
            operand.iter().copied().chain(branches).chain(*otherwise).collect()
        }
        Expression::Aggregate { arguments, order, condition, .. } => {
            arguments.iter().copied().chain(keys(order)).chain(*condition).collect()
        }
        Expression::Window { arguments, partition, order, .. } => {
            arguments.iter().chain(partition).copied().chain(keys(order)).collect()
        }
    }
}

/// Makes expressions of a plan whose sizes were counted.
pub(super) struct Expressions<'a> {
    pub(super) state: &'a SessionState,
    pub(super) nodes: &'a [Expression],
    pub(super) types: Vec<DataType>,
}

impl Expressions<'_> {
    fn kind(&self, id: Id) -> Result<&DataType> {
        self.types.get(id as usize).ok_or_else(|| malformed("no such type"))
    }

    /// An expression over the columns of a relation.
    pub(super) fn expr(&self, id: Id, scope: &Scope) -> Result<Expr> {
        let node = self.nodes.get(id as usize).ok_or_else(|| malformed("no such expression"))?;
        let one = |id: Id| self.expr(id, scope);
        let boxed = |id: Id| one(id).map(Box::new);
        let all = |ids: &[Id]| ids.iter().map(|id| one(*id)).collect::<Result<Vec<_>>>();
        match node {
            Expression::Column(name) => scope.column(name),
            Expression::Literal(kind, value) => Ok(lit(scalar(self.kind(*kind)?, value)?)),
            Expression::Call(name, arguments) => self.call(name, all(arguments)?),
            Expression::Cast(value, kind, is_lenient) => {
                let (value, kind) = (boxed(*value)?, self.kind(*kind)?.clone());
                Ok(match is_lenient {
                    true => Expr::TryCast(TryCast::new(value, kind)),
                    false => Expr::Cast(Cast::new(value, kind)),
                })
            }
            Expression::Case { operand, branches, otherwise } => {
                let branch = |(test, value): &(Id, Id)| Ok((boxed(*test)?, boxed(*value)?));
                let branches = branches.iter().map(branch).collect::<Result<Vec<_>>>()?;
                let operand = operand.map(boxed).transpose()?;
                Ok(Expr::Case(Case::new(operand, branches, otherwise.map(boxed).transpose()?)))
            }
            Expression::Aggregate { function, arguments, order, condition, distinct } => {
                let (function, arguments) = self.aggregate(function, all(arguments)?)?;
                let mut order = self.order(order, scope)?;
                if function.supports_within_group_clause() {
                    // The value comes first, and is the order of the rows too.
                    order =
                        arguments.iter().take(1).map(|one| one.clone().sort(true, false)).collect();
                }
                let condition = condition.map(boxed).transpose()?;
                Ok(Expr::AggregateFunction(AggregateFunction::new_udf(
                    function, arguments, *distinct, condition, order, None,
                )))
            }
            Expression::Window { function, arguments, partition, order, frame, skips_missing } => {
                let (function, arguments) = self.window(function, all(arguments)?)?;
                let mut made = WindowFunction::new(function, arguments);
                let is_constant = |one: &Expr| matches!(one, Expr::Literal(..));
                made.params.partition_by = all(partition)?;
                made.params.partition_by.retain(|one| !is_constant(one));
                made.params.order_by = self.order(order, scope)?;
                made.params.window_frame = match frame {
                    Some(frame) => rows(*frame),
                    None => WindowFrame::new((!order.is_empty()).then_some(false)),
                };
                made.params.null_treatment = skips_missing.then_some(NullTreatment::IgnoreNulls);
                Ok(Expr::WindowFunction(Box::new(made)))
            }
        }
    }

    /// Sort keys over the columns of a relation.
    pub(super) fn order(&self, keys: &[Key], scope: &Scope) -> Result<Vec<SortExpr>> {
        let key = |Key(id, is_descending, nulls_first): &Key| {
            Ok(self.expr(*id, scope)?.sort(!is_descending, *nulls_first))
        };
        keys.iter().map(key).collect()
    }

    fn call(&self, name: &str, mut arguments: Vec<Expr>) -> Result<Expr> {
        if let Some(operator) = operator(name) {
            return balanced(operator, arguments);
        }
        let count = arguments.len();
        let mut first = || match arguments.is_empty() {
            true => Err(malformed(format!("{name} has no arguments"))),
            false => Ok(Box::new(arguments.remove(0))),
        };
        match (name, count) {
            ("negate", 1) => return Ok(Expr::Negative(first()?)),
            ("not", 1) => return Ok(Expr::Not(first()?)),
            ("is_null", 1) => return Ok(Expr::IsNull(first()?)),
            ("is_not_null", 1) => return Ok(Expr::IsNotNull(first()?)),
            ("among", _) => {
                let value = first()?;
                return Ok(Expr::InList(InList::new(value, arguments, false)));
            }
            _ => {}
        }
        let is_text = |one: &Expr| matches!(one, Expr::Literal(value, _) if value.data_type() == DataType::Utf8);
        let name = match name {
            "element" if arguments.get(1).is_some_and(is_text) => "get_field",
            "element" => "array_element",
            other => other,
        };
        let function = self.scalar_function(name)?;
        Ok(Expr::ScalarFunction(ScalarFunction::new_udf(function, arguments)))
    }

    fn scalar_function(&self, name: &str) -> Result<Arc<ScalarUDF>> {
        self.state.scalar_functions().get(name).cloned().ok_or_else(|| unknown(name))
    }

    fn aggregate_function(&self, name: &str) -> Result<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned().ok_or_else(|| unknown(name))
    }

    /// An aggregate function and its arguments. `count_rows` counts a constant.
    fn aggregate(
        &self,
        name: &str,
        arguments: Vec<Expr>,
    ) -> Result<(Arc<AggregateUDF>, Vec<Expr>)> {
        match name {
            "count_rows" => Ok((self.aggregate_function("count")?, vec![lit(1_i64)])),
            name => Ok((self.aggregate_function(name)?, arguments)),
        }
    }

    /// The number of rows.
    pub(super) fn count_rows(&self) -> Result<Expr> {
        let (function, arguments) = self.aggregate("count_rows", Vec::new())?;
        let made = AggregateFunction::new_udf(function, arguments, false, None, Vec::new(), None);
        Ok(Expr::AggregateFunction(made))
    }

    fn window(
        &self,
        name: &str,
        arguments: Vec<Expr>,
    ) -> Result<(WindowFunctionDefinition, Vec<Expr>)> {
        if let Some(function) = self.state.window_functions().get(name) {
            return Ok((WindowFunctionDefinition::WindowUDF(Arc::clone(function)), arguments));
        }
        let (function, arguments) = self.aggregate(name, arguments)?;
        Ok((WindowFunctionDefinition::AggregateUDF(function), arguments))
    }
}

fn unknown(name: &str) -> DataFusionError {
    DataFusionError::Plan(format!("internal error: the scheduler has no function {name:?}"))
}

/// The operator of this name.
fn operator(name: &str) -> Option<Operator> {
    Some(match name {
        "add" => Operator::Plus,
        "subtract" => Operator::Minus,
        "multiply" => Operator::Multiply,
        "divide" => Operator::Divide,
        "remainder" => Operator::Modulo,
        "concatenate" => Operator::StringConcat,
        "bit_and" => Operator::BitwiseAnd,
        "bit_or" => Operator::BitwiseOr,
        "bit_xor" => Operator::BitwiseXor,
        "eq" => Operator::Eq,
        "ne" => Operator::NotEq,
        "lt" => Operator::Lt,
        "le" => Operator::LtEq,
        "gt" => Operator::Gt,
        "ge" => Operator::GtEq,
        "same" => Operator::IsNotDistinctFrom,
        "and" => Operator::And,
        "or" => Operator::Or,
        _ => return None,
    })
}

/// An operator between all of these, as a tree that is as flat as possible: only associative ones have more
/// than two operands.
fn balanced(operator: Operator, mut operands: Vec<Expr>) -> Result<Expr> {
    let is_associative = matches!(operator, Operator::And | Operator::Or | Operator::StringConcat);
    match operands.len() {
        0 => return Err(malformed("an operator has no operands")),
        1 if !is_associative => return Err(malformed("an operator has one operand")),
        3.. if !is_associative => return Err(malformed("an operator has more than two operands")),
        _ => {}
    }
    while operands.len() > 1 {
        let mut level = Vec::with_capacity(operands.len().div_ceil(2));
        let mut rest = operands.into_iter();
        while let Some(left) = rest.next() {
            level.push(match rest.next() {
                Some(right) => binary_expr(left, operator, right),
                None => left,
            });
        }
        operands = level;
    }
    operands.pop().ok_or_else(|| malformed("an operator has no operands"))
}

/// A frame of rows.
fn rows((first, last): (Option<i64>, Option<i64>)) -> WindowFrame {
    let bound = |offset: i64| {
        let rows = ScalarValue::UInt64(Some(offset.unsigned_abs()));
        match offset {
            0 => WindowFrameBound::CurrentRow,
            ..0 => WindowFrameBound::Preceding(rows),
            1.. => WindowFrameBound::Following(rows),
        }
    };
    let none = ScalarValue::UInt64(None);
    let first = first.map_or(WindowFrameBound::Preceding(none.clone()), bound);
    let last = last.map_or(WindowFrameBound::Following(none), bound);
    WindowFrame::new_bounds(WindowFrameUnits::Rows, first, last)
}
