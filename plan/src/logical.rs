//! Plans that clients build: their wire form, and the tables in them that only the cluster has.
//!
//! A client knows of a table of the cluster what a query over it says ([`RemoteTable`]): its columns.
//! It builds DataFusion's logical plan over such tables and sends it, unoptimised, in a
//! [`FrameCommand`]. The scheduler puts the plans of the queries in the tables' places and goes on as
//! with a statement in SQL. What must never happen: a plan that reads what lies in the client's own
//! memory or files.

use crate::error::{PlanError, plain};
use crate::walk;
use arrow_flight::sql::Any;
use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::TableReference;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::datasource::{TableType, provider_as_source, source_as_provider};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{
    AggregateUDF, Expr, Extension, LogicalPlan, LogicalPlanBuilder, ScalarUDF, TableScan, WindowUDF,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::bytes::{
    logical_plan_from_bytes_with_extension_codec, logical_plan_to_bytes_with_extension_codec,
};
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use partita_shared::wire;
use prost::Message;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The type that the command has in its `Any`.
pub const TYPE_URL: &str = "type.googleapis.com/partita.Frame";
/// Steps one within the other that a plan may have. Its wire form has a limit too, which plans with
/// far fewer steps reach; this one keeps plans from being analyzed that would exhaust the stack.
pub const FRAME_STEPS_MAX: usize = 100;

/// What shall become of a frame's rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// They go to the client.
    Rows,
    /// The client gets the plan instead.
    Explain,
    /// The workers persist them.
    Persist {
        /// The table's name.
        name: String,
        /// Whether the session alone sees it, and takes it with it.
        temporary: bool,
        /// Whether it takes the place of a table of that name.
        replace: bool,
        /// The number of partitions of rows without an order.
        partitions: Option<usize>,
        /// Values of the first sort key between the partitions, as texts.
        splits: Option<Vec<String>>,
    },
    /// They are written to files.
    Write {
        /// The folder or the file, relative to the client's directory.
        target: String,
        /// The format, as its files' extension.
        format: String,
        /// Settings of the writer.
        options: BTreeMap<String, String>,
        /// Columns whose values name folders.
        partition_by: Vec<String>,
    },
}

/// Asks for what a plan gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameCommand {
    /// The plan, as [`encode`] makes it.
    pub plan: Vec<u8>,
    /// What shall become of its rows.
    pub purpose: Purpose,
}

impl FrameCommand {
    /// The command as the bytes of a Flight descriptor.
    ///
    /// # Errors
    /// If it has no wire form.
    pub fn to_bytes(&self) -> Result<Vec<u8>, wire::WireError> {
        let any = Any { type_url: TYPE_URL.to_string(), value: wire::encode(self)?.into() };
        Ok(any.encode_to_vec())
    }

    /// Reads a command; none if it is another one.
    ///
    /// # Errors
    /// If it is one and cannot be read.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, wire::WireError> {
        match Any::decode(bytes) {
            Ok(any) if any.type_url == TYPE_URL => wire::decode(&any.value).map(Some),
            Ok(_) | Err(_) => Ok(None),
        }
    }
}

/// A table that the cluster has, where a plan is built: the rows of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteTable {
    /// The query, in SQL.
    pub query: String,
    /// Its columns.
    pub schema: SchemaRef,
}

impl RemoteTable {
    /// A plan that reads it under a name, as [`plain_name`] makes it.
    ///
    /// # Errors
    /// If two of its columns have the same name.
    pub fn plan(self, name: &str) -> Result<LogicalPlan> {
        let name = TableReference::Bare { table: plain_name(name).into() };
        LogicalPlanBuilder::scan(name, provider_as_source(Arc::new(self)), None)?.build()
    }
}

/// What a table or the files of a path are called in a plan: `sales` for `data/Sales.csv`. The wire form
/// of columns writes the names of tables as SQL would read them, which others would not survive.
pub fn plain_name(name: &str) -> String {
    let last = name.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let stem = last.split('.').find(|part| !part.is_empty()).unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let text: String = stem.chars().map(plain).collect();
    match text.starts_with(|c: char| c.is_ascii_digit()) || text.is_empty() {
        true => format!("t_{text}"),
        false => text,
    }
}

#[async_trait]
impl TableProvider for RemoteTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        _: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Err(DataFusionError::Plan(
            "the rows of this table are on the cluster; run the frame there, with the methods of the client's Frame".to_string(),
        ))
    }
}

/// Encodes and decodes tables of the cluster.
#[derive(Debug)]
struct Codec;

/// The error for a function that only the client's process has.
fn own_function<T>(name: &str) -> Result<T> {
    Err(DataFusionError::Plan(format!(
        "the workers do not have the function {name}; use DataFusion's built-in functions"
    )))
}

impl LogicalExtensionCodec for Codec {
    fn try_decode(&self, _: &[u8], _: &[LogicalPlan], _: &TaskContext) -> Result<Extension> {
        Err(DataFusionError::NotImplemented("this kind of plan node is not supported".to_string()))
    }

    fn try_encode(&self, node: &Extension, _: &mut Vec<u8>) -> Result<()> {
        let name = node.node.name();
        Err(DataFusionError::NotImplemented(format!("cannot serialize the node {name}")))
    }

    fn try_decode_table_provider(
        &self,
        bytes: &[u8],
        _: &TableReference,
        schema: SchemaRef,
        _: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        let query = String::from_utf8(bytes.to_vec())
            .map_err(|error| DataFusionError::External(Box::new(error)))?;
        Ok(Arc::new(RemoteTable { query, schema }))
    }

    fn try_encode_table_provider(
        &self,
        name: &TableReference,
        provider: Arc<dyn TableProvider>,
        bytes: &mut Vec<u8>,
    ) -> Result<()> {
        let table = provider.downcast_ref::<RemoteTable>().ok_or_else(|| own_table(name))?;
        bytes.extend(table.query.as_bytes());
        Ok(())
    }

    fn try_decode_udf(&self, name: &str, _: &[u8]) -> Result<Arc<ScalarUDF>> {
        own_function(name)
    }

    fn try_decode_udaf(&self, name: &str, _: &[u8]) -> Result<Arc<AggregateUDF>> {
        own_function(name)
    }

    fn try_decode_udwf(&self, name: &str, _: &[u8]) -> Result<Arc<WindowUDF>> {
        own_function(name)
    }
}

fn own_table(name: &TableReference) -> DataFusionError {
    DataFusionError::Plan(format!(
        "table {name} exists only in this process; upload its rows to the cluster and read them there, or write them to files that the workers can read"
    ))
}

/// The table of the cluster that a scan reads, if it is one.
fn remote(scan: &TableScan) -> Option<RemoteTable> {
    let provider = source_as_provider(&scan.source).ok()?;
    provider.downcast_ref::<RemoteTable>().cloned()
}

/// Refuses plans that read anything but tables of the cluster.
fn check_tables(plan: &LogicalPlan) -> Result<()> {
    walk::visit_plan(plan, &mut |node| match node {
        LogicalPlan::TableScan(scan) if remote(scan).is_none() => Err(own_table(&scan.table_name)),
        _ => Ok(TreeNodeRecursion::Continue),
    })
    .map(drop)
}

/// How many steps of a plan are one within the other. It does not call itself: a plan may have more
/// than the stack takes.
fn depth(plan: &LogicalPlan) -> usize {
    let (mut level, mut depth) = (vec![plan], 0);
    while !level.is_empty() && depth <= FRAME_STEPS_MAX {
        level = level.into_iter().flat_map(|node| node.inputs()).collect();
        depth += 1;
    }
    depth
}

/// The wire form of a plan over tables of the cluster. `context` knows the functions that the
/// scheduler knows.
///
/// # Errors
/// [`PlanError::TooDeep`] if it has too many steps; [`PlanError::Query`] if it reads or calls
/// something that exists only in this process; [`PlanError::NotSendable`] if a part of it has no
/// wire form.
pub fn encode(plan: &LogicalPlan, context: &TaskContext) -> Result<Vec<u8>, PlanError> {
    if depth(plan) > FRAME_STEPS_MAX {
        return Err(PlanError::TooDeep);
    }
    check_tables(plan).map_err(PlanError::Query)?;
    let bytes =
        logical_plan_to_bytes_with_extension_codec(plan, &Codec).map_err(PlanError::NotSendable)?;
    // What cannot be read here cannot be read there, where nobody knows the plan.
    match decode(&bytes, context) {
        Ok(_) => Ok(bytes.to_vec()),
        Err(PlanError::Malformed(error)) => Err(PlanError::Query(error)),
        Err(error) => Err(error),
    }
}

/// The plan that these bytes are.
///
/// # Errors
/// [`PlanError::TooDeep`] if they are nested too deep; [`PlanError::Malformed`] if they are no plan
/// over tables of the cluster.
pub fn decode(bytes: &[u8], context: &TaskContext) -> Result<LogicalPlan, PlanError> {
    let plan = logical_plan_from_bytes_with_extension_codec(bytes, context, &Codec);
    let plan =
        plan.map_err(|error| match error.to_string().contains("recursion limit reached") {
            true => PlanError::TooDeep,
            false => PlanError::Malformed(error),
        })?;
    check_tables(&plan).map_err(PlanError::Malformed)?;
    Ok(plan)
}

/// The tables of the cluster that a plan reads, each once.
///
/// # Errors
/// If the plan cannot be walked.
pub fn tables(plan: &LogicalPlan) -> Result<Vec<RemoteTable>> {
    let mut found: Vec<RemoteTable> = Vec::new();
    walk::visit_plan(plan, &mut |node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some(table) = remote(scan)
            && !found.contains(&table)
        {
            found.push(table);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// The plan with the queries' own plans in the places of the tables of the cluster.
///
/// # Errors
/// If a query has no plan here, or its columns are not those that the client saw.
pub fn resolved(
    plan: LogicalPlan,
    plan_of: impl Fn(&str) -> Option<LogicalPlan>,
) -> Result<LogicalPlan> {
    let replaced = walk::plan_up(plan, &mut |node| {
        let LogicalPlan::TableScan(scan) = &node else { return Ok(Transformed::no(node)) };
        let Some(table) = remote(scan) else { return Ok(Transformed::no(node)) };
        let found = plan_of(&table.query).ok_or_else(|| changed(&scan.table_name))?;
        let mut built = LogicalPlanBuilder::from(found).alias(scan.table_name.clone())?;
        for filter in &scan.filters {
            built = built.filter(filter.clone())?;
        }
        if let Some(columns) = &scan.projection {
            let schema = Arc::clone(built.schema());
            let columns = columns.iter().map(|at| Expr::Column(schema.qualified_field(*at).into()));
            built = built.project(columns.collect::<Vec<_>>())?;
        }
        let built = built.limit(0, scan.fetch)?.build()?;
        // The steps above know the columns by place and type, and do not look again.
        let same = node.schema().as_arrow().fields() == built.schema().as_arrow().fields();
        if !same {
            return Err(changed(&scan.table_name));
        }
        Ok(Transformed::yes(built))
    })?;
    Ok(replaced.data)
}

fn changed(name: &TableReference) -> DataFusionError {
    DataFusionError::Plan(format!(
        "the columns of {name} have changed since the frame was made; make the frame again"
    ))
}

/// What the user can do about a plan that cannot be sent.
pub fn explained(error: &PlanError) -> String {
    match error {
        PlanError::NotSendable(error) => format!(
            "cannot send a part of the frame to the cluster ({}); write that part in SQL, or as a join",
            plain(error)
        ),
        PlanError::Query(error) | PlanError::Malformed(error) => plain(error),
        PlanError::TooDeep => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::planning_context;
    use datafusion::arrow::array::RecordBatch;
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::functions_aggregate::expr_fn::sum;
    use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf, in_subquery};
    use datafusion::prelude::{DataFrame, SessionContext, col, lit};

    fn schema() -> SchemaRef {
        let field = |name| Field::new(name, DataType::Int64, true);
        Arc::new(Schema::new(vec![field("a"), field("b")]))
    }

    fn frame(context: &SessionContext, name: &str) -> DataFrame {
        let table = RemoteTable { query: format!("select * from {name}"), schema: schema() };
        DataFrame::new(context.state(), table.plan(name).expect("a plan"))
    }

    /// A plan comes out of its wire form as it went in, and the query's plan takes the table's place.
    #[test]
    fn plans_are_sent() {
        let context = planning_context();
        let made = frame(&context, "t")
            .filter(col("a").gt(lit(3)))
            .and_then(|f| f.aggregate(vec![col("b")], vec![sum(col("a"))]))
            .expect("a frame");
        let task = context.task_ctx();
        let bytes = encode(made.logical_plan(), &task).expect("its bytes");
        let read = decode(&bytes, &task).expect("its plan");
        assert_eq!(
            read.display_indent().to_string(),
            made.logical_plan().display_indent().to_string()
        );
        assert_eq!(tables(&read).expect("tables").len(), 1);
        let empty = |schema: SchemaRef| {
            let batch = RecordBatch::new_empty(schema);
            context.read_batch(batch).expect("a frame").into_unoptimized_plan()
        };
        let plan = resolved(read.clone(), |_| Some(empty(schema()))).expect("a plan");
        assert!(tables(&plan).expect("tables").is_empty());
        let other = Arc::new(Schema::new(vec![Field::new("a", DataType::Utf8, true)]));
        let error = resolved(read, |_| Some(empty(Arc::clone(&other)))).expect_err("other columns");
        assert!(error.to_string().contains("make the frame again"), "{error}");
    }

    /// What cannot be sent is refused where the frame was built, and the error says what to do.
    #[test]
    fn what_cannot_be_sent_is_refused() {
        let context = planning_context();
        let task = context.task_ctx();
        let refused = |frame: DataFrame| {
            let error = encode(frame.logical_plan(), &task).expect_err("refused");
            explained(&error)
        };
        let local = context.read_batch(RecordBatch::new_empty(schema())).expect("a frame");
        assert!(refused(local).contains("only in this process"));
        for steps in [60, 200] {
            let mut deep = frame(&context, "t");
            for step in 0..steps {
                deep = deep.filter(col("a").gt(lit(step))).expect("a step");
                deep = deep.select(vec![col("a"), col("b")]).expect("a step");
            }
            assert!(refused(deep).contains("persist"));
        }
        let inner = frame(&context, "u").select(vec![col("a")]).expect("a frame");
        let inner = Arc::new(inner.into_unoptimized_plan());
        let within = frame(&context, "t").filter(in_subquery(col("a"), inner)).expect("a frame");
        assert!(refused(within).contains("write that part in SQL"));
        let same = |values: &[ColumnarValue]| Ok(values[0].clone());
        let mine = create_udf(
            "mine",
            vec![DataType::Int64],
            DataType::Int64,
            Volatility::Immutable,
            Arc::new(same),
        );
        let called = frame(&context, "t").select(vec![mine.call(vec![col("a")])]).expect("a frame");
        assert!(refused(called).contains("mine"));
    }

    /// Names become such as SQL reads without quotes, and columns of such tables are found again.
    #[test]
    fn names_survive_the_wire() {
        for (name, plain) in [
            ("flights", "flights"),
            ("data/Sales 2024.csv.gz", "sales_2024"),
            ("/data/2024/", "t_2024"),
            ("*.parquet", "_"),
            ("My table", "my_table"),
            ("", "t_"),
        ] {
            assert_eq!(plain_name(name), plain);
            let context = planning_context();
            let table = RemoteTable { query: "select 1".to_string(), schema: schema() };
            let frame = DataFrame::new(context.state(), table.plan(name).expect("a plan"));
            let frame = frame.filter(col("a").gt(lit(3))).expect("a filter");
            encode(frame.logical_plan(), &context.task_ctx()).expect("its bytes");
        }
    }

    /// The command is told from others.
    #[test]
    fn commands_are_read() {
        let command = FrameCommand { plan: vec![1, 2], purpose: Purpose::Rows };
        let bytes = command.to_bytes().expect("bytes");
        assert_eq!(FrameCommand::read(&bytes).expect("readable"), Some(command));
        assert_eq!(FrameCommand::read(b"select 1").expect("readable"), None);
    }
}
