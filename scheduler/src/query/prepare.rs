//! A plan is understood, and becomes a job.

use crate::planning::Planner;
use crate::query::create_table::{self, CreateTable};
use crate::query::partitions::{Capacity, MemoryMode, file_bytes};
use crate::query::sessions::{Change, Session};
use crate::query::sorted::{self, Spread};
use crate::query::{Catalog, QueryError, RequestContext, Statement, Text, explain, write};
use datafusion::arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{ParamValues, TableReference};
use datafusion::datasource::sink::DataSinkExec;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{DdlStatement, LogicalPlan, Statement as SessionStatement};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use partita_core::{JobSpec, Origin, StageSpec};
use partita_plan::distinct::with_divided_distincts;
use partita_plan::nodes::shared;
use partita_plan::persisted::{PersistedExec, Sorted};
use partita_plan::walk::visit_plan;
use partita_plan::{codec, cut};
use partita_shared::message::Work;
use std::sync::Arc;

/// A statement that was understood.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// What was asked for.
    pub(crate) text: Text,
    /// The schema of its rows.
    pub(crate) schema: SchemaRef,
    /// What is to be done.
    pub(crate) kind: Kind,
    /// Its parameters that have no value, each named as in the statement (`$1`, `$name`).
    pub(crate) parameters: Vec<FieldRef>,
    /// What its job will be, if it needs one and was numbered.
    pub(crate) statement: Option<Statement>,
    /// The values of its other parameters.
    pub(crate) values: Option<ParamValues>,
}

/// What a statement would answer.
#[derive(Debug)]
pub(crate) struct Described {
    /// The schema of its rows; empty if it gives none.
    pub(crate) schema: SchemaRef,
    /// Its parameters in their order, each named as in the statement (`$1`, `$name`); of type
    /// null where the type cannot be told.
    pub(crate) parameters: Vec<FieldRef>,
}

/// What a statement needs.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A job on the workers.
    Job {
        /// The plan, after the analyzer and before the optimiser.
        logical: LogicalPlan,
        /// The session.
        session: Arc<Session>,
    },
    /// A job whose result is persisted, under a name.
    CreateTable(CreateTable),
    /// Nothing more: these are the rows.
    Rows(Vec<RecordBatch>),
}

/// The schema of what a plan answers that was analyzed.
fn answer_schema(state: &SessionState, plan: &LogicalPlan, analyze: bool) -> SchemaRef {
    match plan {
        LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(_)) => create_table::schema(),
        LogicalPlan::Ddl(_) | LogicalPlan::Statement(_) => Arc::new(Schema::empty()),
        LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) => explain::schema(),
        plan if analyze && !is_about_the_session(plan) => explain::schema(),
        // The type of a rounded decimal, say, is known when the optimiser has computed the places. Where it fails, so will
        // the planner, with a better error.
        plan => match shared::optimized(state, plan.clone()) {
            Ok(plan) => Arc::new(plan.schema().as_arrow().clone()),
            Err(_) => Arc::new(plan.schema().as_arrow().clone()),
        },
    }
}

/// The schema of what a plan answers. Where the analyzer refuses the plan, so will the planner, with a better error.
pub(super) fn described(session: &Session, plan: &LogicalPlan, analyze: bool) -> SchemaRef {
    let state = session.context.state();
    match shared::analyzed(&state, plan.clone()) {
        Ok(analyzed) => answer_schema(&state, &analyzed, analyze),
        Err(_) => answer_schema(&state, plan, analyze),
    }
}

/// Carries out a statement about a persisted table that needs no worker. False if it is another one.
async fn about_persisted(catalog: &Catalog, session: &Session, plan: &LogicalPlan) -> bool {
    let LogicalPlan::Ddl(DdlStatement::DropTable(dropped)) = plan else { return false };
    // DataFusion reports a table of another schema as missing.
    let Ok(name) = create_table::own_name(&dropped.name) else { return false };
    catalog.drop_table(&session.name, &name).await
}

/// The answer to a statement that gives no rows.
pub(super) fn nothing(text: Text) -> Prepared {
    let (schema, kind) = (Arc::new(Schema::empty()), Kind::Rows(Vec::new()));
    Prepared { text, schema, kind, parameters: Vec::new(), statement: None, values: None }
}

/// A statement whose planning has come this far: it goes on towards its job, or ends here, answered or failed.
pub(super) async fn settled(
    statement: Statement,
    planned: Result<Prepared, QueryError>,
) -> Result<Prepared, QueryError> {
    let prepared = match planned {
        Ok(prepared) => prepared,
        Err(error) => return Err(statement.failed(error).await),
    };
    if let Kind::Rows(batches) = &prepared.kind {
        statement.answered(batches.iter().map(|batch| batch.num_rows() as u64).sum()).await;
        return Ok(prepared);
    }
    Ok(Prepared { statement: Some(statement), ..prepared })
}

/// How a plan is to be understood.
#[derive(Debug)]
pub(super) struct Manner {
    /// Parameters of the statement that have no value.
    pub(super) parameters: Vec<FieldRef>,
    /// Whether the answer is the plan with figures of each operator.
    pub(super) analyze: bool,
    /// The cluster as it is now.
    pub(super) capacity: Capacity,
    /// How the rows of a table are spread, where no statement says it.
    pub(super) layout: create_table::Layout,
}

/// Understands a plan; one that makes a table or a view is carried out.
pub(super) async fn understand(
    catalog: &Catalog,
    session: Arc<Session>,
    text: Text,
    plan: LogicalPlan,
    manner: Manner,
) -> Result<Prepared, QueryError> {
    let Manner { parameters, analyze, capacity, layout: frame_layout } = manner;
    let wrong = |error: DataFusionError| text.wrong(&error);
    let rows = |schema: SchemaRef, rows: Vec<RecordBatch>| Prepared {
        text: text.clone(),
        schema,
        kind: Kind::Rows(rows),
        parameters: Vec::new(),
        statement: None,
        values: None,
    };
    if about_persisted(catalog, &session, &plan).await {
        return Ok(nothing(text));
    }
    let plan = match plan {
        LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(create)) => {
            let layout = match &text {
                Text::Sql(sql) => create_table::layout(sql)?,
                Text::Frame(_) => frame_layout,
            };
            let Some(create) = create_table::understand(catalog, &session, create, layout)? else {
                return Ok(rows(create_table::schema(), Vec::new()));
            };
            let (schema, kind) = (create_table::schema(), Kind::CreateTable(create));
            return Ok(Prepared { text, schema, kind, parameters, statement: None, values: None });
        }
        plan => plan,
    };
    match &plan {
        LogicalPlan::Statement(SessionStatement::Execute(_) | SessionStatement::Prepare(_)) => {
            Err(QueryError::Statement(
                "PREPARE and EXECUTE are not supported; prepare statements through Flight SQL"
                    .into(),
            ))
        }
        LogicalPlan::Ddl(_) | LogicalPlan::Statement(_) => {
            let change = Change::of(&plan);
            let made = session.context.execute_logical_plan(plan);
            partita_files::registered_only(made).await.map_err(wrong)?;
            if !session.remember(change, text.shown()) {
                return Err(QueryError::Statement(
                    "this session has too many statements; open another session".into(),
                ));
            }
            Ok(nothing(text))
        }
        LogicalPlan::Explain(explained) => {
            let inner = explained.plan.as_ref().clone();
            let analyzed = shared::analyzed(&session.context.state(), inner.clone());
            let analyzed = analyzed.map_err(wrong)?;
            let stages =
                build(&session, &text, &analyzed, capacity, MemoryMode::Normal, false, None)
                    .await?;
            let (schema, batch) = explain::plans(&inner, &stages).map_err(wrong)?;
            Ok(rows(schema, vec![batch]))
        }
        _ if is_about_the_session(&plan) => {
            let frame = session.context.execute_logical_plan(plan).await.map_err(wrong)?;
            let schema = Arc::new(frame.schema().as_arrow().clone());
            Ok(rows(schema, frame.collect().await.map_err(wrong)?))
        }
        _ => {
            let state = session.context.state();
            let plan = shared::analyzed(&state, plan).map_err(wrong)?;
            let schema = answer_schema(&state, &plan, analyze);
            let kind = Kind::Job { logical: plan, session };
            Ok(Prepared { text, schema, kind, parameters, statement: None, values: None })
        }
    }
}

/// Whether a plan reads nothing but what the session itself knows: `SHOW`, `DESCRIBE`, the
/// information schema.
fn is_about_the_session(plan: &LogicalPlan) -> bool {
    if matches!(plan, LogicalPlan::DescribeTable(_)) {
        return true;
    }
    let mut found = false;
    let walked = visit_plan(plan, &mut |node| {
        if let LogicalPlan::TableScan(scan) = node {
            let schema = match &scan.table_name {
                TableReference::Bare { .. } => None,
                TableReference::Partial { schema, .. } | TableReference::Full { schema, .. } => {
                    Some(schema)
                }
            };
            if schema.is_some_and(|schema| schema.as_ref() == "information_schema") {
                found = true;
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    });
    walked.is_ok() && found
}

/// The physical plan of a query that was analyzed, with as many tasks a step as the cluster and the data ask for.
pub(super) async fn physical(
    state: &SessionState,
    logical: &LogicalPlan,
    capacity: Capacity,
    mode: MemoryMode,
) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let change = |plan: &LogicalPlan| match mode {
        MemoryMode::Normal => Ok(plan.clone()),
        MemoryMode::Low => shared::analyzed(state, with_divided_distincts(plan)?),
    };
    let planned = |partitions: usize| {
        let mut state = state.clone();
        let options = state.config_mut().options_mut();
        options.execution.target_partitions = partitions;
        if mode == MemoryMode::Low {
            options.optimizer.prefer_hash_join = false;
            options.optimizer.hash_join_single_partition_threshold = 0;
            options.optimizer.hash_join_single_partition_threshold_rows = 0;
        }
        async move { shared::physical_plan(&state, logical, &change).await }
    };
    let first = capacity.partitions(0, mode);
    let plan = planned(first).await?;
    match capacity.partitions(file_bytes(&plan), mode) {
        wanted if wanted > first => planned(wanted).await,
        _ => Ok(plan),
    }
}

/// Makes the stages of a job.
async fn build(
    session: &Session,
    text: &Text,
    logical: &LogicalPlan,
    capacity: Capacity,
    mode: MemoryMode,
    for_run: bool,
    spread: Option<&Spread>,
) -> Result<Built, QueryError> {
    let state = session.context.state();
    let planned = match spread {
        Some(spread) => sorted::planned(&state, logical, capacity, mode, spread).await,
        None => physical(&state, logical, capacity, mode).await.map(|plan| (plan, None)),
    };
    let (plan, order) = planned.map_err(|error| text.wrong(&error))?;
    let whole = |plan: &Arc<dyn ExecutionPlan>, sql: String| StageSpec {
        name: "whole statement".to_string(),
        plan: datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string(),
        tasks: 1,
        work: Work::Statement {
            session: session.made_by(),
            directory: session.directory().display().to_string(),
            sql,
        },
        inputs: Vec::new(),
        origin: Origin::Tasks,
        ..StageSpec::default()
    };
    if let Some(exec) = plan.downcast_ref::<DataSinkExec>() {
        let is_copy = matches!(logical, LogicalPlan::Copy(_));
        let query = |sql| whole(exec.input(), sql);
        return write::build(exec, text, is_copy, for_run, query);
    }
    let whole = |reason: String| {
        let Text::Sql(sql) = text else {
            return Err(QueryError::Statement(format!(
                "a part of the frame cannot be combined with other steps ({reason}); persist its SQL first, and continue with the persisted table"
            )));
        };
        // Of a table that is to be persisted, the query alone is run there.
        let sql = match spread {
            Some(_) => create_table::query_text(sql).unwrap_or_else(|| sql.clone()),
            None => sql.clone(),
        };
        if reads_persisted(&plan) {
            return Err(QueryError::Statement(format!(
                "this statement runs in one process, which cannot read persisted tables ({reason}); write the table to files with COPY, and read these"
            )));
        }
        tracing::debug!(reason, "running the statement in one task");
        Ok(Built {
            stages: vec![whole(&plan, sql)],
            staging: None,
            schema: plan.schema(),
            order: None,
        })
    };
    if reads_persisted(&plan) && is_recursive(&plan) {
        // Rows of persisted tables come into the one process that runs it.
        let one = Capacity { slots: 1, slot_bytes: 0 };
        let plan = physical(&state, logical, one, mode).await;
        let plan = plan.map_err(|error| QueryError::Statement(text.located(&error)))?;
        let stages = cut::whole(Arc::clone(&plan)).map_err(|error| QueryError::plan(&error))?;
        let (stages, schema) = (encode(&stages)?, plan.schema());
        return Ok(Built { stages, staging: None, schema, order: None });
    }
    let stages = match cut::cut(Arc::clone(&plan)) {
        Ok(stages) => stages,
        Err(DataFusionError::NotImplemented(reason)) => return whole(reason),
        Err(error) => return Err(QueryError::plan(&error)),
    };
    match encode(&stages) {
        Ok(stages) => Ok(Built { stages, staging: None, schema: plan.schema(), order }),
        Err(error) => whole(error.to_string()),
    }
}

/// Whether a plan can be cut and sent, or only run whole.
pub(super) fn is_sendable(plan: &Arc<dyn ExecutionPlan>) -> bool {
    cut::cut(Arc::clone(plan)).is_ok_and(|stages| encode(&stages).is_ok())
}

/// Whether a plan has such an operator.
fn has(plan: &Arc<dyn ExecutionPlan>, is: impl Fn(&Arc<dyn ExecutionPlan>) -> bool) -> bool {
    let mut found = false;
    shared::visit_operators(plan, &mut |node| found |= is(node));
    found
}

/// Whether a plan reads a persisted table.
fn reads_persisted(plan: &Arc<dyn ExecutionPlan>) -> bool {
    has(plan, |node| node.is::<PersistedExec>())
}

/// Whether a plan has a part that is done again with its own rows.
fn is_recursive(plan: &Arc<dyn ExecutionPlan>) -> bool {
    has(plan, |node| node.is::<RecursiveQueryExec>())
}

/// The stages of a job, and the folder that it writes in before it is complete.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) stages: Vec<StageSpec>,
    pub(crate) staging: Option<String>,
    /// The schema of the rows that the workers make.
    pub(crate) schema: SchemaRef,
    /// The order in which they are, where they are persisted.
    pub(crate) order: Option<Sorted>,
}

/// Gives stages their wire form.
pub(crate) fn encode(stages: &[cut::PlanStage]) -> Result<Vec<StageSpec>, partita_plan::PlanError> {
    stages
        .iter()
        .map(|stage| {
            let (name, work, origin) = match &stage.persisted {
                Some(persisted) => {
                    (persisted.name.clone(), Work::Empty, Origin::Persisted(persisted.job))
                }
                None => {
                    let plan = codec::encode(Arc::clone(&stage.plan))?;
                    (stage.name(), Work::Plan(Arc::new(plan)), Origin::Tasks)
                }
            };
            let (plan, tasks, inputs) = (stage.text(), stage.tasks, stage.inputs.clone());
            Ok(StageSpec { name, plan, tasks, work, inputs, origin, ..StageSpec::default() })
        })
        .collect()
}

/// Makes the job of a statement, and says what its rows are.
pub(crate) async fn job(
    planner: &Planner,
    request_context: &RequestContext,
    statement: &mut Statement,
    text: &Text,
    logical: &LogicalPlan,
    session: &Arc<Session>,
    mode: MemoryMode,
) -> Result<(JobSpec, SchemaRef), QueryError> {
    let made =
        make(planner, request_context, statement, (text, logical, session), mode, None).await?;
    Ok((made.0, made.1))
}

/// Makes the job of a query whose rows are persisted, and says what they are and in which order.
pub(crate) async fn persisted_job(
    planner: &Planner,
    request_context: &RequestContext,
    statement: &mut Statement,
    text: &Text,
    create: &CreateTable,
    mode: MemoryMode,
    spread: &Spread,
) -> Result<(JobSpec, SchemaRef, Option<Sorted>), QueryError> {
    let (spread, source) = (Some(spread.clone()), (text, &create.logical, &create.session));
    let (spec, schema, order) =
        make(planner, request_context, statement, source, mode, spread).await?;
    Ok((JobSpec { persist: true, ..spec }, schema, order))
}

/// What a job is made of: the statement's words, its plan before the optimiser, and its session.
type Source<'a> = (&'a Text, &'a LogicalPlan, &'a Arc<Session>);

async fn make(
    planner: &Planner,
    request_context: &RequestContext,
    statement: &mut Statement,
    (text, logical, session): Source<'_>,
    mode: MemoryMode,
    spread: Option<Spread>,
) -> Result<(JobSpec, SchemaRef, Option<Sorted>), QueryError> {
    let capacity = planner.capacity().await?;
    let (session, planned, logical) = (Arc::clone(session), text.clone(), logical.clone());
    let (analyze, logical) = match &logical {
        LogicalPlan::Analyze(analyzed) => (true, analyzed.input.as_ref().clone()),
        _ => (request_context.analyze, logical),
    };
    let work = async move {
        build(&session, &planned, &logical, capacity, mode, true, spread.as_ref()).await
    };
    let built = planner.run(request_context, statement, work).await?;
    let spec = JobSpec {
        text: text.shown().to_string(),
        client: request_context.client.clone(),
        owner: request_context.owner.clone(),
        priority: request_context.priority,
        analyze,
        staging: built.staging,
        stages: built.stages,
        ..JobSpec::default()
    };
    Ok((spec, if analyze { explain::schema() } else { built.schema }, built.order))
}
