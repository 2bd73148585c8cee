//! Plans that clients build: decoded, with the cluster's tables in their places, they go the way of
//! statements.

use crate::planning::Planner;
use crate::query::prepare::{self, Prepared};
use crate::query::sessions::Session;
use crate::query::{Catalog, QueryError, RequestContext, Statement, Text, text};
use datafusion::common::{Constraints, TableReference};
use datafusion::datasource::file_format::format_as_file_type;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::{CreateMemoryTable, DdlStatement, LogicalPlan, LogicalPlanBuilder};
use partita_plan::depth;
use partita_plan::logical::{self, FrameCommand, Purpose, RemoteTable};
use std::collections::HashMap;
use std::sync::Arc;

/// Maximum number of characters of a plan that are kept for display.
const FRAME_TEXT_CHARS_MAX: usize = 4000;

/// Understands a plan that a client built, and what shall become of its rows.
pub(crate) async fn prepare_frame(
    planner: &Planner,
    catalog: &Arc<Catalog>,
    request_context: &RequestContext,
    command: FrameCommand,
) -> Result<Prepared, QueryError> {
    let mut statement = planner.begin(request_context, "a frame").await?;
    let planned = planned(planner, catalog, request_context, &mut statement, command).await;
    prepare::settled(statement, planned).await
}

async fn planned(
    planner: &Planner,
    catalog: &Arc<Catalog>,
    request_context: &RequestContext,
    statement: &mut Statement,
    command: FrameCommand,
) -> Result<Prepared, QueryError> {
    let session = catalog.session(request_context).await;
    let capacity = planner.capacity().await?;
    let (analyze, catalog) = (request_context.analyze, Arc::clone(catalog));
    let work = async move {
        let FrameCommand { plan, purpose } = command;
        let plan = logical::decode(&plan, &session.context.task_ctx())?;
        let text = plan.display_indent().to_string().chars().take(FRAME_TEXT_CHARS_MAX).collect();
        let plan = resolved(&session, plan).await?;
        depth::check_plan(&plan).map_err(|error| QueryError::plan(&error))?;
        let plan = serving(&session, plan, purpose).map_err(|error| QueryError::plan(&error))?;
        let text = Text::Frame(text);
        prepare::understand(&catalog, session, text, plan, Vec::new(), analyze, capacity).await
    };
    planner.run(request_context, statement, work).await
}

/// The plan with the plans of its queries in the places of the tables that stand for them.
async fn resolved(session: &Session, plan: LogicalPlan) -> Result<LogicalPlan, QueryError> {
    let wrong = |error: DataFusionError| QueryError::plan(&error);
    let mut plans: HashMap<String, LogicalPlan> = HashMap::new();
    for table in logical::tables(&plan).map_err(wrong)? {
        let found = query(session, &table).await?;
        plans.insert(table.query, found);
    }
    logical::resolved(plan, |query| plans.get(query).cloned()).map_err(wrong)
}

/// The plan of a query, which must not do anything but read.
async fn query(session: &Session, table: &RemoteTable) -> Result<LogicalPlan, QueryError> {
    let sql = table.query.as_str();
    let wrong = |error: DataFusionError| QueryError::Statement(text::located(sql, &error));
    let plan = text::logical(session, sql, None).await?;
    let reads_only =
        SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let is_query = !matches!(
        plan,
        LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) | LogicalPlan::DescribeTable(_)
    );
    if reads_only.verify_plan(&plan).is_err() || !is_query {
        return Err(QueryError::Statement(format!(
            "cannot make a frame from `{sql}`: it is not a query; run it as a statement"
        )));
    }
    let fields = |plan: &LogicalPlan| plan.schema().as_arrow().fields().clone();
    match &fields(&plan) == table.schema.fields() {
        true => Ok(plan),
        // The client was told the columns as the optimiser makes them, which decides on some types.
        false => session.context.state().optimize(&plan).map_err(wrong),
    }
}

/// The plan that does with the rows what is asked.
fn serving(session: &Session, plan: LogicalPlan, purpose: Purpose) -> Result<LogicalPlan> {
    match purpose {
        Purpose::Rows => Ok(plan),
        Purpose::Explain => LogicalPlanBuilder::from(plan).explain(false, false)?.build(),
        Purpose::Persist { name, temporary, replace } => {
            Ok(LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(CreateMemoryTable {
                name: TableReference::Bare { table: name.into() },
                constraints: Constraints::default(),
                input: Arc::new(plan),
                if_not_exists: false,
                or_replace: replace,
                column_defaults: Vec::new(),
                temporary,
            })))
        }
        Purpose::Write { target, format, options, partition_by } => {
            let factory = session.context.state().get_file_format_factory(&format);
            let factory = factory.ok_or_else(|| {
                DataFusionError::Plan(format!(
                    "cannot write files of the format {format}; supported: parquet, csv, json, arrow"
                ))
            })?;
            // As in the options of COPY, a name without a dot is one of the format's.
            let full = |(key, value): (String, String)| match key.contains('.') {
                true => (key, value),
                false => (format!("format.{key}"), value),
            };
            let options = options.into_iter().map(full).collect();
            let kind = format_as_file_type(factory);
            let plan =
                LogicalPlanBuilder::copy_to(plan, target, kind, options, partition_by)?.build()?;
            partita_files::absolute_locations(plan, &session.directory())
        }
    }
}
