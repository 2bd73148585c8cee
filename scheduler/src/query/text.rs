//! Statements in SQL: their plans, their parameters, and where in them an error is.

use crate::Shared;
use crate::query::prepare::{self, Described, Prepared};
use crate::query::sessions::Session;
use crate::query::{Asked, QueryError, Text, collections, hold};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::ParamValues;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{DdlStatement, LogicalPlan};
use datafusion::sql::parser::Statement as DFStatement;
use partita_plan::files;
use std::sync::Arc;

/// Understands a statement; one that makes a table or a view is carried out.
pub(crate) async fn prepare(
    shared: &Arc<Shared>,
    asked: &Asked,
    sql: &str,
) -> Result<Prepared, QueryError> {
    prepare_with(shared, asked, sql, None).await
}

/// The same, with values for the parameters of a prepared statement.
pub(crate) async fn prepare_with(
    shared: &Arc<Shared>,
    asked: &Asked,
    sql: &str,
    values: Option<ParamValues>,
) -> Result<Prepared, QueryError> {
    let session = prepare::session(shared, asked).await;
    let capacity = prepare::capacity(shared).await?;
    let (sql, analyze, shared_too) = (sql.to_string(), asked.analyze, Arc::clone(shared));
    let work = async move {
        if let Some((from, to)) = hold::renamed(&sql) {
            if session.has_own(&to) {
                return Err(collections::exists(&to));
            }
            shared_too.collections.rename(&session.name, &from, &to)?;
            return Ok(prepare::nothing(Text::Sql(sql)));
        }
        let plan = logical(&session, &sql, values).await?;
        let parameters = parameters(&sql, &plan)?;
        let text = Text::Sql(sql);
        prepare::understand(&shared_too, session, text, plan, parameters, analyze, capacity).await
    };
    shared.planning.run(work).await.ok_or(QueryError::Ending)?
}

/// Says what a statement would answer. Nothing is carried out.
pub(crate) async fn describe(
    shared: &Arc<Shared>,
    asked: &Asked,
    sql: &str,
) -> Result<Described, QueryError> {
    let session = prepare::session(shared, asked).await;
    let (sql, analyze) = (sql.to_string(), asked.analyze);
    let work = async move {
        if hold::renamed(&sql).is_some() {
            let schema = Arc::new(Schema::empty());
            return Ok(Described { schema, parameters: Vec::new() });
        }
        let plan = logical(&session, &sql, None).await?;
        let schema = prepare::answer_schema(&session.context.state(), &plan, analyze);
        Ok(Described { schema, parameters: parameters(&sql, &plan)? })
    };
    shared.planning.run(work).await.ok_or(QueryError::Ending)?
}

/// The plan of a statement, with the values of its parameters and with absolute paths.
pub(super) async fn logical(
    session: &Session,
    sql: &str,
    values: Option<ParamValues>,
) -> Result<LogicalPlan, QueryError> {
    let wrong = |error: DataFusionError| QueryError::Statement(located(sql, &error));
    let plan = parsed(&session.context.state(), sql).await.map_err(wrong)?;
    let plan = files::absolute_locations(plan, &session.directory()).map_err(wrong)?;
    match values {
        Some(values) => plan.with_param_values(values).map_err(wrong),
        None => Ok(plan),
    }
}

/// The parameters of a plan that have no value: numbered ones by number, then named ones by name.
fn parameters(sql: &str, plan: &LogicalPlan) -> Result<Vec<FieldRef>, QueryError> {
    let wrong = |error: DataFusionError| QueryError::Statement(located(sql, &error));
    let mut found: Vec<_> = plan.get_parameter_fields().map_err(wrong)?.into_iter().collect();
    let number = |id: &str| id.get(1..).and_then(|rest| rest.parse().ok()).unwrap_or(usize::MAX);
    found.sort_by(|(a, _), (b, _)| (number(a), a).cmp(&(number(b), b)));
    let field = |(id, field): (String, Option<FieldRef>)| {
        let kind = field.map_or(DataType::Null, |field| field.data_type().clone());
        Arc::new(Field::new(id, kind, true))
    };
    Ok(found.into_iter().map(field).collect())
}

/// The plan of a statement. `COPY (query) TO 'folder'` without a format writes Parquet.
async fn parsed(state: &SessionState, sql: &str) -> Result<LogicalPlan, DataFusionError> {
    let dialect = state.config().options().sql_parser.dialect;
    let mut statement = state.sql_to_statement(sql, &dialect)?;
    if let DFStatement::CopyTo(copy) = &mut statement
        && copy.stored_as.is_none()
        && std::path::Path::new(&copy.target).extension().is_none()
    {
        copy.stored_as = Some("PARQUET".to_string());
    }
    // DataFusion plans no temporary tables; here they are those of a session.
    let temporary = hold::take_temporary(&mut statement);
    let mut plan = state.statement_to_plan(statement).await?;
    if let LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(create)) = &mut plan {
        create.temporary = temporary;
    }
    Ok(plan)
}

/// An error with the place in the statement marked, where the parser says where it is.
pub(super) fn located(sql: &str, error: &DataFusionError) -> String {
    let text = partita_plan::error::plain(error);
    let Some((line, column)) = place(&text) else { return text };
    let Some(source) = sql.lines().nth(line - 1) else { return text };
    format!("{text}\n  {source}\n  {}^", " ".repeat(column.saturating_sub(1)))
}

/// Reads `Line: 3, Column: 14` out of a parser's message.
fn place(text: &str) -> Option<(usize, usize)> {
    let number = |text: &str| -> Option<usize> {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    let line = number(text.split("Line: ").nth(1)?)?;
    let column = number(text.split("Column: ").nth(1)?)?;
    (line > 0).then_some((line, column))
}
