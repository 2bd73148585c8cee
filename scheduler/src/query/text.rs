//! Statements in SQL: their plans, their parameters, and where in them an error is.

pub(super) use crate::query::location::located;

use crate::query::partitions::Capacity;
use crate::query::prepare::{self, Described, Prepared};
use crate::query::sessions::Session;
use crate::query::types::{Planned, Sampled};
use crate::query::{
    Catalog, CurrentJob, JobRunner, QueryError, RequestContext, Statement, Text, collections,
    create_table, dialect,
};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::ParamValues;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{DdlStatement, LogicalPlan};
use datafusion::sql::parser::Statement as DFStatement;
use datafusion::sql::sqlparser::ast::Value;
use partita_plan::{clauses, depth};
use partita_shared::message::ErrorKind;
use std::sync::Arc;

/// Understands a statement; one that makes a table or a view is carried out.
pub(crate) async fn prepare(
    runner: &Arc<JobRunner>,
    catalog: &Arc<Catalog>,
    request_context: &RequestContext,
    sql: &str,
) -> Result<Prepared, QueryError> {
    prepare_with(runner, catalog, request_context, sql, None).await
}

/// The same, with values for the parameters of a prepared statement.
pub(crate) async fn prepare_with(
    runner: &Arc<JobRunner>,
    catalog: &Arc<Catalog>,
    request_context: &RequestContext,
    sql: &str,
    values: Option<ParamValues>,
) -> Result<Prepared, QueryError> {
    let mut statement = runner.planner.begin(request_context, sql).await?;
    let planned = planned(runner, catalog, request_context, &mut statement, sql, values).await;
    prepare::settled(statement, planned).await
}

/// The same for a statement that is planned again, whose answer comes of this from now on.
pub(super) async fn prepare_again(
    runner: &Arc<JobRunner>,
    catalog: &Arc<Catalog>,
    request_context: &RequestContext,
    sql: &str,
    values: Option<ParamValues>,
    current: Option<&CurrentJob>,
) -> Result<Prepared, QueryError> {
    let mut statement = match current {
        Some(current) => runner.planner.begin_again(request_context, sql, current).await?,
        None => runner.planner.begin(request_context, sql).await?,
    };
    let planned = planned(runner, catalog, request_context, &mut statement, sql, values).await;
    prepare::settled(statement, planned).await
}

async fn planned(
    runner: &Arc<JobRunner>,
    catalog: &Arc<Catalog>,
    request_context: &RequestContext,
    statement: &mut Statement,
    sql: &str,
    values: Option<ParamValues>,
) -> Result<Prepared, QueryError> {
    let session = catalog.session(request_context).await;
    let capacity = runner.planner.capacity().await?;
    let text = dialect::translated(sql)?.into_owned();
    let mut learns = Learns::at_first(request_context);
    loop {
        let (analyze, catalog, session_too) =
            (request_context.analyze, Arc::clone(catalog), Arc::clone(&session));
        let (text, values_too) = (text.clone(), values.clone());
        let work = async move {
            let session = session_too;
            if let Some((from, to)) = create_table::renamed(&text) {
                if session.has_own(&to) {
                    return Err(collections::exists(&to));
                }
                catalog.rename(&session.name, &from, &to)?;
                return Ok(Planned::Done(prepare::nothing(Text::Sql(text))));
            }
            let plan = match known(&session, &text, values_too, capacity, learns).await? {
                Planned::Done(plan) => plan,
                Planned::Unsure(sampled) => return Ok(Planned::Unsure(sampled)),
            };
            let parameters = parameters(&text, &plan)?;
            let text = Text::Sql(text);
            let layout = create_table::Layout::default();
            let manner = prepare::Manner { parameters, analyze, capacity, layout };
            prepare::understand(&catalog, session, text, plan, manner).await.map(Planned::Done)
        };
        match runner.planner.run(request_context, statement, work).await? {
            Planned::Done(prepared) => return Ok(Prepared { values, ..prepared }),
            Planned::Unsure(sampled) => sampled.learn(runner, request_context, &session).await?,
        };
        learns = Learns::Nothing;
    }
}

/// Why large files are scanned in full before a statement is planned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Learns {
    Nothing,
    /// For a column that a sample of them lacks.
    Columns,
    /// For all types.
    Types,
}

impl Learns {
    fn at_first(request_context: &RequestContext) -> Self {
        if request_context.has_fixed_types { Learns::Types } else { Learns::Columns }
    }
}

/// The plan of a statement, unless types must be known before.
async fn known(
    session: &Session,
    sql: &str,
    values: Option<ParamValues>,
    capacity: Capacity,
    learns: Learns,
) -> Result<Planned<LogicalPlan>, QueryError> {
    match logical(session, sql, values).await {
        Err(error)
            if learns != Learns::Nothing && error.kind() == Some(ErrorKind::ColumnNotFound) =>
        {
            let sampled = Sampled::to_search(session, sql, capacity).await;
            sampled.map(Planned::Unsure).ok_or(error)
        }
        Err(error) => Err(error),
        Ok(plan) => {
            let unsure = match learns {
                Learns::Types => Sampled::of(&plan).scannable(session, capacity),
                Learns::Nothing | Learns::Columns => None,
            };
            Ok(unsure.map_or_else(|| Planned::Done(plan), Planned::Unsure))
        }
    }
}

/// Describes the result of a statement. Nothing is executed, except that large files are scanned
/// for clients that rely on the types.
pub(crate) async fn describe(
    runner: &Arc<JobRunner>,
    catalog: &Arc<Catalog>,
    request_context: &RequestContext,
    sql: &str,
) -> Result<Described, QueryError> {
    let session = catalog.session(request_context).await;
    let capacity = runner.planner.capacity().await?;
    let text = dialect::translated(sql)?.into_owned();
    let mut learns = Learns::at_first(request_context);
    loop {
        let (analyze, session_too, text) =
            (request_context.analyze, Arc::clone(&session), text.clone());
        let work = async move {
            if create_table::renamed(&text).is_some() {
                let schema = Arc::new(Schema::empty());
                return Ok(Planned::Done(Described { schema, parameters: Vec::new() }));
            }
            let plan = match known(&session_too, &text, None, capacity, learns).await? {
                Planned::Done(plan) => plan,
                Planned::Unsure(sampled) => return Ok(Planned::Unsure(sampled)),
            };
            let schema = prepare::described(&session_too, &plan, analyze);
            let parameters = parameters(&text, &plan)?;
            Ok(Planned::Done(Described { schema, parameters }))
        };
        match runner.planner.describe(request_context, sql, work).await? {
            Planned::Done(described) => return Ok(described),
            Planned::Unsure(sampled) => sampled.learn(runner, request_context, &session).await?,
        };
        learns = Learns::Nothing;
    }
}

/// The plan of a statement, with the values of its parameters and with absolute paths.
pub(super) async fn logical(
    session: &Session,
    sql: &str,
    values: Option<ParamValues>,
) -> Result<LogicalPlan, QueryError> {
    let wrong = |error: DataFusionError| QueryError::statement(&error, located(sql, &error));
    let plan = parsed(&session.context.state(), sql).await.map_err(wrong)?;
    depth::check_plan(&plan).map_err(wrong)?;
    let plan = partita_files::absolute_locations(plan, &session.directory()).map_err(wrong)?;
    match values {
        Some(values) => plan.with_param_values(values).map_err(wrong),
        None => Ok(plan),
    }
}

/// The parameters of a plan that have no value: numbered ones by number, then named ones by name.
fn parameters(sql: &str, plan: &LogicalPlan) -> Result<Vec<FieldRef>, QueryError> {
    let wrong = |error: DataFusionError| QueryError::statement(&error, located(sql, &error));
    let mut found: Vec<_> = plan.get_parameter_fields().map_err(wrong)?.into_iter().collect();
    let number = |id: &str| id.get(1..).and_then(|rest| rest.parse().ok()).unwrap_or(usize::MAX);
    found.sort_by(|(a, _), (b, _)| (number(a), a).cmp(&(number(b), b)));
    let field = |(id, field): (String, Option<FieldRef>)| {
        let kind = field.map_or(DataType::Null, |field| field.data_type().clone());
        Arc::new(Field::new(id, kind, true))
    };
    Ok(found.into_iter().map(field).collect())
}

/// The plan of a statement.
async fn parsed(state: &SessionState, sql: &str) -> Result<LogicalPlan, DataFusionError> {
    let dialect = state.config().options().sql_parser.dialect;
    let mut statement = depth::statement(sql, &dialect)?;
    name_format(&mut statement, state)?;
    clauses::check(&mut statement, state)?;
    // DataFusion plans no temporary tables; here they are those of a session.
    let temporary = create_table::take_temporary(&mut statement);
    let file = match &statement {
        DFStatement::Statement(inner) => dialect::unquoted_file(inner),
        _ => None,
    };
    let planned = state.statement_to_plan(statement).await;
    let mut plan = planned.map_err(|error| match file {
        Some(name) => DataFusionError::Plan(format!(
            "{}; put the name of a file in single quotes: '{name}'",
            partita_plan::error::plain(&error)
        )),
        None => error,
    })?;
    if let LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(create)) = &mut plan {
        create.temporary = temporary;
    }
    Ok(plan)
}

/// Gives `COPY` the format and the compression that the name of its file implies; one without an extension
/// is a folder of Parquet files.
fn name_format(statement: &mut DFStatement, state: &SessionState) -> Result<(), DataFusionError> {
    let copy = match statement {
        DFStatement::CopyTo(copy) => copy,
        DFStatement::Explain(explain) => return name_format(&mut explain.statement, state),
        _ => return Ok(()),
    };
    let named = partita_files::written_form(&copy.target);
    let (format, implied) = match (&copy.stored_as, named) {
        (Some(given), named) => {
            if state.get_file_format_factory(given).is_none() {
                return Err(DataFusionError::Plan(format!(
                    "unknown format {given}; use CSV, JSON, PARQUET or ARROW"
                )));
            }
            match named {
                Ok((format, implied)) if given.eq_ignore_ascii_case(format) => (format, implied),
                _ => return Ok(()),
            }
        }
        (None, Ok(named)) => named,
        (None, Err(error)) => {
            let is_folder = copy.target.ends_with('/')
                || std::path::Path::new(&copy.target).extension().is_none();
            if !is_folder {
                return Err(error);
            }
            ("PARQUET", Vec::new())
        }
    };
    copy.stored_as = Some(format.to_string());
    for (key, value) in implied {
        // The planner adds `format.` to names without a dot.
        let is_given = copy.options.iter().any(|(given, _)| {
            let given = given.to_ascii_lowercase();
            given == key || key.strip_prefix("format.") == Some(given.as_str())
        });
        if !is_given {
            copy.options.push((key.to_string(), Value::SingleQuotedString(value)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::prelude::SessionContext;

    /// The name of a file implies its format; what a statement says of it counts more.
    #[test]
    fn copies_have_the_format_of_their_file() {
        let state = SessionContext::new().state();
        let named = |sql: &str| {
            let mut statement = depth::statement(sql, &Default::default()).unwrap();
            name_format(&mut statement, &state).map_err(|error| error.to_string())?;
            let DFStatement::CopyTo(copy) = statement else { panic!("{sql}") };
            let options = copy.options.iter().map(|(key, value)| format!(" {key}={value}"));
            Ok::<_, String>(copy.stored_as.unwrap_or_default() + &options.collect::<String>())
        };
        for (sql, form) in [
            ("copy t to 'z'", "PARQUET"),
            ("copy t to 'v1.2/'", "PARQUET"),
            ("copy t to 'z.pq'", "PARQUET"),
            ("copy t to 'z.csv.gz'", "CSV format.compression='GZIP'"),
            ("copy t to 'z.json.zst'", "JSON format.compression='ZSTD'"),
            ("copy t to 'z.tsv'", "CSV format.delimiter='\t'"),
            ("copy t to 'z.csv.gz' stored as csv", "CSV format.compression='GZIP'"),
            ("copy t to 'z.tsv' options ('delimiter' ';')", "CSV delimiter=';'"),
            ("copy t to 'z.txt' stored as csv", "CSV"),
        ] {
            assert_eq!(named(sql).as_deref(), Ok(form), "{sql}");
        }
        assert!(named("copy t to 'z.xlsx'").unwrap_err().contains(".csv"));
        assert!(named("copy t to 'z.csv' stored as xlsx").unwrap_err().contains("PARQUET"));
    }
}
