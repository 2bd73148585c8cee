//! Plans that clients build: decoded, with the cluster's tables in their places, they go the way of
//! statements.

use crate::planning::Planner;
use crate::query::create_table::Layout;
use crate::query::partitions::Capacity;
use crate::query::prepare::{self, Described, Prepared};
use crate::query::sessions::Session;
use crate::query::types::{Planned, Sampled};
use crate::query::{
    Catalog, JobRunner, QueryError, RequestContext, Statement, Text, dialect, text,
};
use datafusion::common::{Constraints, TableReference};
use datafusion::datasource::file_format::format_as_file_type;
use datafusion::datasource::provider_as_source;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::{CreateMemoryTable, DdlStatement, LogicalPlan, LogicalPlanBuilder};
use datafusion::prelude::DataFrame;
use partita_files::FileRequest;
use partita_plan::depth;
use partita_plan::logical::{self, FrameCommand, Purpose, RemoteTable};
use partita_plan::nodes::lower::{self, Leaf};
use partita_plan::nodes::{Plan, PlanCommand};
use std::collections::HashMap;
use std::sync::Arc;

/// Maximum number of characters of a plan that are kept for display.
const FRAME_TEXT_CHARS_MAX: usize = 4000;

/// As much of a text as is kept for display.
fn shown(text: &str) -> String {
    text.chars().take(FRAME_TEXT_CHARS_MAX).collect()
}

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
        let text = shown(&plan.display_indent().to_string());
        let plan = resolved(&session, plan).await?;
        depth::check_plan(&plan).map_err(|error| QueryError::plan(&error))?;
        understood(&catalog, session, text, plan, purpose, analyze, capacity).await
    };
    planner.run(request_context, statement, work).await
}

/// Understands a plan of a data frame of the Python package, and what shall become of its rows.
pub(crate) async fn prepare_plan(
    runner: &Arc<JobRunner>,
    catalog: &Arc<Catalog>,
    request_context: &RequestContext,
    command: PlanCommand,
) -> Result<Prepared, QueryError> {
    let text = shown(&command.text);
    let mut statement = runner.planner.begin(request_context, &text).await?;
    let plan = Arc::new(command.plan);
    let purpose = command.purpose;
    let planned =
        planned_nodes(runner, catalog, request_context, &mut statement, plan, purpose, text).await;
    prepare::settled(statement, planned).await
}

async fn planned_nodes(
    runner: &Arc<JobRunner>,
    catalog: &Arc<Catalog>,
    request_context: &RequestContext,
    statement: &mut Statement,
    plan: Arc<Plan>,
    purpose: Purpose,
    text: String,
) -> Result<Prepared, QueryError> {
    let session = catalog.session(request_context).await;
    let capacity = runner.planner.capacity().await?;
    let mut learns = request_context.has_fixed_types;
    loop {
        let (analyze, catalog, session_too) =
            (request_context.analyze, Arc::clone(catalog), Arc::clone(&session));
        let (plan, purpose, text) = (Arc::clone(&plan), purpose.clone(), text.clone());
        let work = async move {
            let plan = match lowered(&session_too, &plan, learns.then_some(capacity)).await? {
                Planned::Done(plan) => plan,
                Planned::Unsure(sampled) => return Ok(Planned::Unsure(sampled)),
            };
            understood(&catalog, session_too, text, plan, purpose, analyze, capacity)
                .await
                .map(Planned::Done)
        };
        match runner.planner.run(request_context, statement, work).await? {
            Planned::Done(prepared) => return Ok(prepared),
            Planned::Unsure(sampled) => sampled.learn(runner, request_context, &session).await?,
        };
        learns = false;
    }
}

/// Describes the rows of a plan of a data frame.
pub(crate) async fn describe_plan(
    runner: &Arc<JobRunner>,
    catalog: &Arc<Catalog>,
    request_context: &RequestContext,
    command: PlanCommand,
) -> Result<Described, QueryError> {
    let session = catalog.session(request_context).await;
    let capacity = runner.planner.capacity().await?;
    let plan = Arc::new(command.plan);
    let mut learns = request_context.has_fixed_types;
    loop {
        let (session_too, plan) = (Arc::clone(&session), Arc::clone(&plan));
        let work = async move {
            let plan = match lowered(&session_too, &plan, learns.then_some(capacity)).await? {
                Planned::Done(plan) => plan,
                Planned::Unsure(sampled) => return Ok(Planned::Unsure(sampled)),
            };
            let schema = prepare::described(&session_too, &plan, false);
            Ok(Planned::Done(Described { schema, parameters: Vec::new() }))
        };
        match runner.planner.describe(request_context, &command.text, work).await? {
            Planned::Done(described) => return Ok(described),
            Planned::Unsure(sampled) => sampled.learn(runner, request_context, &session).await?,
        };
        learns = false;
    }
}

/// The logical plan of nodes, unless types of files must be known before, where that is wanted.
async fn lowered(
    session: &Session,
    plan: &Plan,
    learns: Option<Capacity>,
) -> Result<Planned<LogicalPlan>, QueryError> {
    let (mut known, mut plans) = (HashMap::<Leaf<'_>, LogicalPlan>::new(), HashMap::new());
    for (id, leaf) in lower::leaves(plan) {
        let found = match (known.get(&leaf), leaf) {
            (Some(found), _) => found.clone(),
            (None, Leaf::Query(sql)) => reading(session, sql).await?,
            (None, Leaf::Table(name)) => table(session, name).await?,
        };
        known.insert(leaf, found.clone());
        plans.insert(id, found);
    }
    if let Some(capacity) = learns {
        let unsure = Sampled::of_all(known.values()).scannable(session, capacity);
        if let Some(unsure) = unsure {
            return Ok(Planned::Unsure(unsure));
        }
    }
    let state = session.context.state();
    let plan = lower::lower(plan, &plans, &state).map_err(|error| QueryError::plan(&error))?;
    Ok(Planned::Done(plan))
}

/// The plan of all columns of a table, or of files.
async fn table(session: &Session, name: &str) -> Result<LogicalPlan, QueryError> {
    let wrong = |error: DataFusionError| QueryError::plan(&error);
    let reference = TableReference::Bare { table: name.into() };
    let Some(shown) = FileRequest::shown(name) else {
        let found = session.context.table(reference).await;
        return found.map(DataFrame::into_unoptimized_plan).map_err(wrong);
    };
    // Plans and errors are to name the files, not how they are read: credentials are a part of that.
    let provider = session.context.table_provider(reference).await.map_err(wrong)?;
    let scan = LogicalPlanBuilder::scan(
        TableReference::Bare { table: shown.into() },
        provider_as_source(provider),
        None,
    );
    scan.and_then(LogicalPlanBuilder::build).map_err(wrong)
}

/// Understands a plan that does with its rows what is asked.
async fn understood(
    catalog: &Catalog,
    session: Arc<Session>,
    text: String,
    plan: LogicalPlan,
    purpose: Purpose,
    analyze: bool,
    capacity: Capacity,
) -> Result<Prepared, QueryError> {
    let layout = match &purpose {
        Purpose::Persist { partitions, splits, .. } => {
            Layout::new(*partitions, splits.clone()).map_err(QueryError::Statement)?
        }
        Purpose::Rows | Purpose::Explain | Purpose::Write { .. } => Layout::default(),
    };
    let plan = serving(&session, plan, purpose).map_err(|error| QueryError::plan(&error))?;
    let text = Text::Frame(text);
    let manner = prepare::Manner { parameters: Vec::new(), analyze, capacity, layout };
    prepare::understand(catalog, session, text, plan, manner).await
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

/// The plan of a query that a table stands for.
async fn query(session: &Session, table: &RemoteTable) -> Result<LogicalPlan, QueryError> {
    let sql = table.query.as_str();
    let wrong = |error: DataFusionError| QueryError::Statement(text::located(sql, &error));
    let plan = reading(session, sql).await?;
    let fields = |plan: &LogicalPlan| plan.schema().as_arrow().fields().clone();
    match &fields(&plan) == table.schema.fields() {
        true => Ok(plan),
        // The client was told the columns as the optimiser makes them, which decides on some types.
        false => session.context.state().optimize(&plan).map_err(wrong),
    }
}

/// The plan of a query, which must not do anything but read.
async fn reading(session: &Session, sql: &str) -> Result<LogicalPlan, QueryError> {
    let sql = dialect::translated(sql)?;
    let plan = text::logical(session, &sql, None).await?;
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
    Ok(plan)
}

/// The plan that does with the rows what is asked.
fn serving(session: &Session, plan: LogicalPlan, purpose: Purpose) -> Result<LogicalPlan> {
    match purpose {
        Purpose::Rows => Ok(plan),
        Purpose::Explain => LogicalPlanBuilder::from(plan).explain(false, false)?.build(),
        Purpose::Persist { name, temporary, replace, .. } => {
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
