//! Clauses that DataFusion's planner ignores.
//!
//! The parser accepts the SQL of many systems, and the planner of DataFusion 55 reads only some of the fields of
//! the syntax tree: `TABLESAMPLE`, `GROUP BY .. WITH ROLLUP` or the missing condition of a join give an answer
//! without an error, to another question. Such a clause is refused here with what to write instead. A few are
//! written in another way, where that has the same meaning: `FROM t` without `SELECT`, `FETCH FIRST`,
//! `ORDER BY ALL`, `SEMI JOIN`, named windows outside the select list, several columns of one name, and outer joins with `USING`.
//!
//! Structures are taken apart field by field, so that a field of a later version of the parser is not missed.

mod distinct_from;
mod expressions;
mod names;
mod outer_using;
mod queries;
mod relations;
mod rows;

use crate::depth;
use crate::walk;
use datafusion::common::{Diagnostic, Span};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::{CopyToSource, Statement};
use datafusion::sql::sqlparser::ast::{
    self, Expr, Ident, Query, Select, Spanned, TableFactor, Value, VisitorMut,
};
use std::ops::ControlFlow;

/// Why a visit ends before its end.
type Break = Box<DataFusionError>;
type Flow = ControlFlow<Break>;

/// Refuses what the planner would ignore, and rewrites what it knows under another name.
///
/// # Errors
/// If a clause is not supported; the error says which, and what to use instead.
pub fn check(statement: &mut Statement, state: &SessionState) -> Result<()> {
    let mut visitor = Visitor { state, is_regrouped: false };
    let flow = match statement {
        Statement::Statement(inner) => walk::visit_syntax_mut(inner.as_mut(), &mut visitor),
        Statement::CopyTo(copy) => match &mut copy.source {
            CopyToSource::Query(query) => walk::visit_syntax_mut(query.as_mut(), &mut visitor),
            CopyToSource::Relation(_) => ControlFlow::Continue(()),
        },
        Statement::Explain(explain) => return check(&mut explain.statement, state),
        Statement::CreateExternalTable(_) | Statement::Reset(_) => ControlFlow::Continue(()),
    };
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}

/// The plan of a statement that was checked.
///
/// # Errors
/// If it cannot be planned, or has a clause that is not supported.
pub async fn logical_plan(state: &SessionState, sql: &str) -> Result<LogicalPlan> {
    let mut statement = depth::statement(sql, &state.config().options().sql_parser.dialect)?;
    check(&mut statement, state)?;
    state.statement_to_plan(statement).await
}

struct Visitor<'a> {
    state: &'a SessionState,
    /// Whether an `IS DISTINCT FROM` took more for its right side than it has.
    is_regrouped: bool,
}

impl VisitorMut for Visitor<'_> {
    type Break = Break;

    fn pre_visit_statement(&mut self, statement: &mut ast::Statement) -> Flow {
        let text = match statement {
            ast::Statement::CreateIndex(_) => {
                "CREATE INDEX is not supported; sort a persisted table with ORDER BY instead: ranges of its key are found without an index"
            }
            ast::Statement::StartTransaction { .. }
            | ast::Statement::Commit { .. }
            | ast::Statement::Rollback { .. }
            | ast::Statement::Savepoint { .. }
            | ast::Statement::ReleaseSavepoint { .. } => {
                "transactions are not supported; each statement takes effect by itself"
            }
            ast::Statement::Update(_) => {
                "UPDATE is not supported; use CREATE OR REPLACE TABLE name AS SELECT .. with the new values"
            }
            ast::Statement::Delete(_) => {
                "DELETE is not supported; use CREATE OR REPLACE TABLE name AS SELECT .. with the rows that stay, or DROP TABLE"
            }
            ast::Statement::Merge(_) => {
                "MERGE is not supported; use CREATE OR REPLACE TABLE name AS SELECT .. with a join"
            }
            ast::Statement::Truncate(_) => {
                "TRUNCATE is not supported; use DROP TABLE, or CREATE OR REPLACE TABLE"
            }
            _ => return ControlFlow::Continue(()),
        };
        refuse(text)
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> Flow {
        queries::check_query(query)
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> Flow {
        names::number_equal(select);
        rows::as_exists(select)?;
        queries::check_select(select)
    }

    fn pre_visit_table_factor(&mut self, relation: &mut TableFactor) -> Flow {
        relations::check_relation(relation)
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> Flow {
        rows::check_membership(expr)?;
        expressions::check_expression(expr, self.state)
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> Flow {
        distinct_from::regroup(expr, &mut self.is_regrouped);
        ControlFlow::Continue(())
    }
}

/// The name that an identifier stands for: letters are small unless it is quoted.
fn normalized(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

fn number(value: usize) -> Expr {
    Expr::Value(Value::Number(value.to_string(), false).with_empty_span())
}

/// Ends the visit: a clause is not supported.
fn refuse(text: impl Into<String>) -> Flow {
    ControlFlow::Break(Box::new(DataFusionError::NotImplemented(text.into())))
}

/// The same, with the place of what is not supported.
fn refuse_at(node: &impl Spanned, text: impl Into<String>) -> Flow {
    let text = text.into();
    let error = DataFusionError::NotImplemented(text.clone());
    ControlFlow::Break(Box::new(placed(error, node, text)))
}

/// An error with the place of what it is about.
fn placed(error: DataFusionError, node: &impl Spanned, text: String) -> DataFusionError {
    match Span::try_from_sqlparser_span(node.span()) {
        Some(span) => error.with_diagnostic(Diagnostic::new_error(text, Some(span))),
        None => error,
    }
}

/// Ends the visit with the first clause that is there.
fn refuse_present(clauses: &[(bool, &str)]) -> Flow {
    match clauses.iter().find(|(is_present, _)| *is_present) {
        Some((_, text)) => refuse(*text),
        None => ControlFlow::Continue(()),
    }
}

#[cfg(test)]
mod tests;
