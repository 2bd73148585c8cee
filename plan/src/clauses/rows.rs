//! `(a, b) IN (SELECT x, y ..)`, of which DataFusion 55 has no plan.
//!
//! As a condition of `WHERE` that is not negated, it keeps the rows for which such a row exists: `EXISTS (SELECT 1 FROM (SELECT x, y ..)
//! AS r WHERE a = r.x AND b = r.y)`. Elsewhere the answer would have to tell NULL from false: there it is refused.

use super::{Break, Flow, refuse_at};
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Ident, Query, Select, SetExpr, TableFactor,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use std::ops::ControlFlow;

/// The name of the rows of the query.
const ROWS: &str = "__rows";

/// Rewrites the conditions of a `WHERE` that are such comparisons.
pub(super) fn as_exists(select: &mut Select) -> Flow {
    match &mut select.selection {
        Some(condition) => rewrite(condition),
        None => ControlFlow::Continue(()),
    }
}

fn rewrite(condition: &mut Expr) -> Flow {
    match condition {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            rewrite(left)?;
            rewrite(right)
        }
        Expr::Nested(inner) => rewrite(inner),
        Expr::InSubquery { expr, subquery, negated: false } => match expr.as_mut() {
            Expr::Tuple(values) => {
                *condition = exists(values, subquery)?;
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Continue(()),
        },
        _ => ControlFlow::Continue(()),
    }
}

/// Takes the values and the query, which nobody needs after it.
fn exists(values: &mut Vec<Expr>, query: &mut Query) -> ControlFlow<Break, Expr> {
    let columns: Vec<String> = (0..values.len()).map(|at| format!("{ROWS}_{at}")).collect();
    // What it is made of has no text of its own: only the frame is parsed.
    let text = format!("EXISTS (SELECT 1 FROM (SELECT 1) AS {ROWS} ({}))", columns.join(", "));
    let parsed = Parser::new(&GenericDialect {}).try_with_sql(&text);
    let mut frame = match parsed.and_then(|mut parser| parser.parse_expr()) {
        Ok(frame) => frame,
        Err(error) => return ControlFlow::Break(Box::new(DataFusionError::from(error))),
    };
    let equal = std::mem::take(values).into_iter().zip(&columns).map(|(value, column)| {
        let names = vec![Ident::new(ROWS), Ident::new(column)];
        Expr::BinaryOp {
            left: Box::new(Expr::Nested(Box::new(value))),
            op: BinaryOperator::Eq,
            right: Box::new(Expr::CompoundIdentifier(names)),
        }
    });
    let all = equal.reduce(|one, other| Expr::BinaryOp {
        left: Box::new(one),
        op: BinaryOperator::And,
        right: Box::new(other),
    });
    if let Expr::Exists { subquery: outer, .. } = &mut frame
        && let SetExpr::Select(select) = outer.body.as_mut()
        && let Some(TableFactor::Derived { subquery, .. }) =
            select.from.first_mut().map(|from| &mut from.relation)
    {
        std::mem::swap(subquery.as_mut(), query);
        select.selection = all;
    }
    ControlFlow::Continue(frame)
}

/// Refuses those that are left.
pub(super) fn check_membership(expr: &Expr) -> Flow {
    match expr {
        Expr::InSubquery { expr: row, .. } if matches!(row.as_ref(), Expr::Tuple(_)) => refuse_at(
            expr,
            "a row of several values IN a query is supported as a condition of WHERE, alone or with AND; use EXISTS (SELECT 1 FROM .. WHERE x = a AND y = b)",
        ),
        _ => ControlFlow::Continue(()),
    }
}
