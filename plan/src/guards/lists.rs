//! `x IN (a, b)` where it may be unknown.
//!
//! The simplifier of DataFusion 55 makes one list of two on the same value: `x IN (1, 2) AND x IN (2, 3)` is
//! `x IN (2)`. It compares what is written in the lists (apache/datafusion#24246): an empty list is false, or true where it is
//! negated, also where `x` is null; NULL in a list is an item like others; and so is a column, so that `x IN (a, 1) AND
//! x IN (b)` is false although `a` may be equal to `b`.
//!
//! Here lists have nothing but constants that are not NULL: other items are comparisons of their own, and NULL is joined by
//! OR, or AND where the list is negated. A list on a value that may be null is kept apart from others by a `CASE`, unless it
//! stands where a filter makes no difference between unknown and false: then files are still pruned by it.

use crate::guards::rule::NodeRule;
use crate::walk;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Filter, LogicalPlan, Operator, lit, when,
};

/// Makes lists such that the simplifier is right about them.
pub(crate) const RULE: NodeRule = NodeRule { name: "lists", change: rewritten };

fn rewritten(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    if let LogicalPlan::Filter(filter) = node {
        if !walk::has_part(&filter.predicate, &is_list)? {
            return Ok(Transformed::no(LogicalPlan::Filter(filter)));
        }
        let Filter { predicate, input, .. } = filter;
        let predicate = condition(predicate, input.schema(), Stands::InConjunction)?;
        return Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(predicate, input)?)));
    }
    if !walk::has_expression(&node, &is_list)? {
        return Ok(Transformed::no(node));
    }
    let schema = merge_schema(&node.inputs());
    walk::named_expressions(node, &is_list, &mut |expr| Ok(Transformed::yes(exact(expr, &schema)?)))
}

fn is_list(part: &Expr) -> bool {
    matches!(part, Expr::InList(_))
}

/// Where a condition stands of which unknown is as good as false.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    /// AND alone is above it.
    InConjunction,
    /// OR is above it as well.
    BelowOr,
}

/// A condition of a filter.
fn condition(expr: Expr, schema: &DFSchema, stands: Stands) -> Result<Expr> {
    let list = match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if matches!(op, Operator::And | Operator::Or) =>
        {
            let below = if op == Operator::Or { Stands::BelowOr } else { stands };
            let (left, right) =
                (condition(*left, schema, below)?, condition(*right, schema, below)?);
            return Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right))));
        }
        Expr::Not(inner) => match *inner {
            Expr::InList(list) => InList { negated: !list.negated, ..list },
            other => return exact(Expr::Not(Box::new(other)), schema),
        },
        Expr::InList(list) => list,
        other => return exact(other, schema),
    };
    // Two negated lists that OR joins are true for a null, which is not as good as unknown.
    if list.negated && stands == Stands::BelowOr {
        return exact(Expr::InList(list), schema);
    }
    let Some(parts) = Parts::of(&list)? else { return Ok(Expr::InList(list)) };
    Ok(parts.joined(list.negated, Expr::InList))
}

/// An expression with the three answers of all lists in it.
fn exact(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let changed = walk::expr_up(expr, &mut |expr| match expr {
        Expr::InList(list) => {
            let negated = list.negated;
            let Some(parts) = Parts::of(&list)? else {
                return Ok(Transformed::no(Expr::InList(list)));
            };
            // What refers to the query around it is not in the schema.
            let may_be_null = list.expr.nullable(schema).unwrap_or(true);
            let unknown = lit(ScalarValue::Boolean(None));
            let apart = when(list.expr.as_ref().clone().is_null(), unknown);
            let joined = parts.joined(negated, |list| match may_be_null {
                true => {
                    let list = Expr::InList(list);
                    apart.clone().otherwise(list.clone()).unwrap_or(list)
                }
                false => Expr::InList(list),
            });
            Ok(Transformed::yes(joined))
        }
        Expr::Not(inner) if is_or_of_equal(&inner)? => Ok(Transformed::yes(negated(*inner))),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(changed.data)
}

/// What is in a list.
struct Parts {
    value: Expr,
    /// Constants that are not NULL.
    constants: Vec<Expr>,
    /// Items that may have any value.
    others: Vec<Expr>,
    has_null: bool,
}

impl Parts {
    /// The parts of a list, unless its value changes with each look at it.
    fn of(list: &InList) -> Result<Option<Self>> {
        if list.expr.is_volatile() || list.list.is_empty() {
            return Ok(None);
        }
        let mut parts = Parts {
            value: list.expr.as_ref().clone(),
            constants: Vec::new(),
            others: Vec::new(),
            has_null: false,
        };
        for item in &list.list {
            match item {
                Expr::Literal(value, _) if value.is_null() => parts.has_null = true,
                item if is_constant(item)? => parts.constants.push(item.clone()),
                item => parts.others.push(item.clone()),
            }
        }
        Ok(Some(parts))
    }

    fn joined(self, negated: bool, bare: impl FnOnce(InList) -> Expr) -> Expr {
        let Parts { value, constants, others, has_null } = self;
        let mut parts = Vec::new();
        if !constants.is_empty() {
            parts.push(bare(InList::new(Box::new(value.clone()), constants, negated)));
        }
        let compare = |item| match negated {
            true => value.clone().not_eq(item),
            false => value.clone().eq(item),
        };
        parts.extend(others.into_iter().map(compare));
        if has_null {
            parts.push(lit(ScalarValue::Boolean(None)));
        }
        balanced(parts, if negated { Operator::And } else { Operator::Or })
    }
}

/// Joins conditions such that they are not nested deeply.
fn balanced(mut parts: Vec<Expr>, op: Operator) -> Expr {
    match parts.len() {
        0 => lit(op == Operator::And),
        1 => parts.remove(0),
        count => {
            let right = balanced(parts.split_off(count / 2), op);
            let left = balanced(parts, op);
            Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
        }
    }
}

/// Whether an item is a constant that is certainly not NULL.
fn is_constant(item: &Expr) -> Result<bool> {
    let may_be_null = walk::has_part(item, &|part| match part {
        Expr::Literal(value, _) => value.is_null(),
        Expr::Cast(_) | Expr::Negative(_) => false,
        _ => true,
    })?;
    Ok(!may_be_null)
}

/// Whether OR joins comparisons with constants, which the simplifier makes a list of.
fn is_or_of_equal(expr: &Expr) -> Result<bool> {
    let is_or = matches!(expr, Expr::BinaryExpr(BinaryExpr { op: Operator::Or, .. }));
    let is_equal = |part: &Expr| match part {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            matches!(**left, Expr::Literal(..)) || matches!(**right, Expr::Literal(..))
        }
        _ => false,
    };
    Ok(is_or && walk::has_part(expr, &is_equal)?)
}

/// The opposite of a condition; unknown where that is unknown.
fn negated(expr: Expr) -> Expr {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (op, is_joined) = match op {
                Operator::Or => (Operator::And, true),
                Operator::And => (Operator::Or, true),
                Operator::Eq => (Operator::NotEq, false),
                Operator::NotEq => (Operator::Eq, false),
                op => {
                    let same = Expr::BinaryExpr(BinaryExpr::new(left, op, right));
                    return Expr::Not(Box::new(same));
                }
            };
            let (left, right) = match is_joined {
                true => (Box::new(negated(*left)), Box::new(negated(*right))),
                false => (left, right),
            };
            Expr::BinaryExpr(BinaryExpr::new(left, op, right))
        }
        other => Expr::Not(Box::new(other)),
    }
}
