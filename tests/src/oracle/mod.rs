//! The oracle: the same query on single-node DataFusion.
//!
//! An [`Oracle`] is one session in two places: on a cluster, and in a [`SessionContext`] of
//! DataFusion's own with its default settings. What [`Oracle::both`] does is done in both, and
//! [`Oracle::check`] asks both and compares the answers.

mod compare;
mod duckdb;

pub use duckdb::DuckDb;

use crate::local::LocalCluster;
use anyhow::{Context, Result, bail, ensure};
use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{Schema, SchemaRef};
use compare::{key_columns, mismatch};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::collect;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::TryStreamExt;
use partita_client::{Client, Query};
use partita_files::FileTables;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How long the cluster may take for one answer: a query that hangs must not hang the tests.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Partitions of the plans of single-node DataFusion: two, so that it exchanges rows too.
const SINGLE_NODE_PARTITIONS: usize = 2;
/// What stands in a statement for the folder with the test's data.
const FOLDER_MARK: &str = "{dir}";

/// The number of the next session, since sessions of one cluster must differ.
static SESSIONS: AtomicU32 = AtomicU32::new(0);

/// The rows of a query.
#[derive(Debug)]
pub struct Answer {
    /// The columns.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: Vec<RecordBatch>,
}

impl Answer {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

/// The names and types of columns.
fn columns(schema: &Schema) -> Vec<String> {
    let fields = schema.fields().iter();
    fields.map(|field| format!("{}: {}", field.name(), field.data_type())).collect()
}

/// How much of two answers must be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sameness {
    /// All rows; where the query sorts, in that order.
    Rows,
    /// Their number: for queries that may choose among rows, such as a limit without an order.
    Count,
}

/// One session, on a cluster and on single-node DataFusion.
#[derive(Debug)]
pub struct Oracle {
    single: SingleNode,
    client: Client,
    folder: PathBuf,
}

/// A session of DataFusion in this process.
struct SingleNode(SessionContext);

impl std::fmt::Debug for SingleNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SingleNode({})", self.0.session_id())
    }
}

/// DataFusion as anyone would use it, but that files are tables by their paths.
pub fn single_node(folder: &Path) -> SessionContext {
    let config = SessionConfig::new().with_target_partitions(SINGLE_NODE_PARTITIONS);
    let tables = Arc::new(FileTables::new());
    tables.set_directory(folder.to_path_buf());
    partita_files::enable(SessionContext::new_with_config(config), tables)
}

impl Oracle {
    /// A new session in both places. `{dir}` in its statements stands for `folder`.
    ///
    /// # Errors
    /// If the scheduler cannot be reached.
    pub async fn new(cluster: &LocalCluster, folder: &Path) -> Result<Self> {
        let number = SESSIONS.fetch_add(1, Ordering::Relaxed);
        let client = cluster.client().await?.with_session(format!("oracle-{number}"));
        let single = SingleNode(single_node(folder));
        Ok(Oracle { single, client, folder: folder.to_path_buf() })
    }

    /// The session on the cluster.
    pub fn client(&self) -> &Client {
        &self.client
    }

    fn expand(&self, sql: &str) -> String {
        sql.replace(FOLDER_MARK, &self.folder.display().to_string())
    }

    /// Runs a statement that makes a table or a view, or changes a setting, in both places.
    ///
    /// # Errors
    /// If one of them refuses it.
    pub async fn both(&self, sql: &str) -> Result<()> {
        self.on_single_node_only(sql).await?;
        self.on_cluster_only(sql).await
    }

    /// Runs such a statement on the single node alone: to keep it from a bug of its own, say.
    ///
    /// # Errors
    /// If it refuses the statement.
    pub async fn on_single_node_only(&self, sql: &str) -> Result<()> {
        let sql = self.expand(sql);
        let single = async {
            let plan = self.single.0.state().create_logical_plan(&sql).await?;
            partita_files::registered_only(self.single.0.execute_logical_plan(plan))
                .await?
                .collect()
                .await
        };
        single.await.with_context(|| format!("single node: {sql}"))?;
        Ok(())
    }

    /// Runs such a statement on the cluster alone: a setting that steers the plan, say.
    ///
    /// # Errors
    /// If the cluster refuses it.
    pub async fn on_cluster_only(&self, sql: &str) -> Result<()> {
        self.cluster(sql).await.with_context(|| format!("cluster: {sql}"))?;
        Ok(())
    }

    /// What the cluster answers.
    ///
    /// # Errors
    /// If it refuses the query, fails, or takes too long.
    pub async fn cluster(&self, sql: &str) -> Result<Answer> {
        let sql = self.expand(sql);
        let answer = async {
            let Query { schema, batches, .. } = self.client.run(&sql).await?;
            let batches: Vec<RecordBatch> = batches.try_collect().await?;
            for batch in &batches {
                let (announced, came) = (columns(&schema), columns(batch.schema_ref()));
                ensure!(announced == came, "columns {announced:?} announced, {came:?} came");
            }
            anyhow::Ok(Answer { schema, batches })
        };
        match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
            Ok(answer) => answer,
            Err(_) => bail!("no answer within {ANSWER_TIMEOUT:?}"),
        }
    }

    /// What single-node DataFusion answers, and its plan before the optimiser.
    ///
    /// # Errors
    /// If it refuses the query or fails.
    pub async fn single(&self, sql: &str) -> Result<(Answer, LogicalPlan)> {
        let frame = self.single.0.sql(&self.expand(sql)).await?;
        let plan = frame.logical_plan().clone();
        let context = frame.task_ctx();
        // The types before the optimiser, those of the frame, are not always those of the rows.
        let physical = frame.create_physical_plan().await?;
        let schema = physical.schema();
        let batches = collect(physical, Arc::new(context)).await?;
        Ok((Answer { schema, batches }, plan))
    }

    /// Asks both, and compares the answers. Gives the number of rows.
    ///
    /// # Errors
    /// If one of them fails, or the answers differ: then the error has the query, both plans, and
    /// the first rows that differ.
    pub async fn check(&self, sql: &str, sameness: Sameness) -> Result<usize> {
        let (expected, plan) =
            self.single(sql).await.with_context(|| format!("on a single node:\n{sql}"))?;
        let found = match self.cluster(sql).await {
            Ok(found) => found,
            Err(error) => bail!("{error:#}, on the cluster:\n{sql}\n{}", self.plans(sql).await),
        };
        let difference = match sameness {
            Sameness::Rows => mismatch(&expected, &found, &key_columns(&plan))?,
            Sameness::Count if expected.rows() == found.rows() => None,
            Sameness::Count => {
                Some(format!("{} rows expected, {} found", expected.rows(), found.rows()))
            }
        };
        match difference {
            None => Ok(expected.rows()),
            Some(text) => bail!("{text}\nby the query:\n{sql}\n{}", self.plans(sql).await),
        }
    }

    /// Compares the cluster's answer with DuckDB's, which `expected` is. Gives the number of rows.
    ///
    /// # Errors
    /// If the cluster fails, or the answers differ: then the error has the query and the first rows
    /// that differ.
    pub async fn check_against_duckdb(&self, sql: &str, expected: &Answer) -> Result<usize> {
        let found = match self.cluster(sql).await {
            Ok(found) => found,
            Err(error) => bail!("{error:#}, on the cluster:\n{sql}\n{}", self.plans(sql).await),
        };
        let expected = duckdb::with_schema(expected, &found.schema)
            .with_context(|| format!("by the query:\n{sql}"))?;
        match mismatch(&expected, &found, &[])? {
            None => Ok(expected.rows()),
            Some(text) => bail!("{text}\nby the query:\n{sql}\n{}", self.plans(sql).await),
        }
    }

    /// Whether single-node DataFusion can plan a query.
    pub async fn is_planned(&self, sql: &str) -> bool {
        let planned =
            async { self.single.0.sql(&self.expand(sql)).await?.create_physical_plan().await };
        planned.await.is_ok()
    }

    /// Checks that both places refuse a query or fail with it. Gives the cluster's error.
    ///
    /// # Errors
    /// If one of them answers.
    pub async fn check_fails(&self, sql: &str) -> Result<String> {
        ensure!(self.single(sql).await.is_err(), "a single node answers:\n{sql}");
        match self.cluster(sql).await {
            Ok(_) => bail!("the cluster answers:\n{sql}"),
            Err(error) => Ok(format!("{error:#}")),
        }
    }

    /// Checks query after query and reports all that went wrong, not only the first.
    ///
    /// # Errors
    /// If any check fails.
    pub async fn check_all<S: AsRef<str>>(&self, queries: &[S], sameness: Sameness) -> Result<()> {
        let mut failures = Vec::new();
        for sql in queries {
            if let Err(error) = self.check(sql.as_ref(), sameness).await {
                failures.push(format!("{error:#}"));
            }
        }
        ensure!(
            failures.is_empty(),
            "{} of {} queries went wrong\n\n{}",
            failures.len(),
            queries.len(),
            failures.join("\n\n")
        );
        Ok(())
    }

    /// The lines of the cluster's `EXPLAIN`: the plan's stage, and the text.
    ///
    /// # Errors
    /// If the cluster refuses.
    pub async fn explain(&self, sql: &str) -> Result<Vec<(String, String)>> {
        plan_rows(&self.cluster(&format!("explain {sql}")).await?)
    }

    async fn plans(&self, sql: &str) -> String {
        let physical = async {
            let plan = self.single.0.sql(&self.expand(sql)).await?.create_physical_plan().await?;
            let text = datafusion::physical_plan::displayable(plan.as_ref()).indent(false);
            anyhow::Ok(text.to_string())
        };
        let single = physical.await.unwrap_or_else(|error| format!("{error:#}"));
        let cluster = match self.explain(sql).await {
            Ok(rows) => rows.into_iter().map(|(kind, text)| format!("[{kind}] {text}\n")).collect(),
            Err(error) => format!("{error:#}"),
        };
        format!("single node's plan:\n{single}\ncluster's plan:\n{cluster}")
    }
}

/// The rows of an answer to `EXPLAIN`.
///
/// # Errors
/// If the answer is not a plan.
pub fn plan_rows(answer: &Answer) -> Result<Vec<(String, String)>> {
    let mut rows = Vec::new();
    for batch in &answer.batches {
        ensure!(batch.num_columns() == 2, "an explanation has two columns");
        let text = |at: usize| batch.column(at).as_any().downcast_ref::<StringArray>();
        let (kinds, plans) = text(0).zip(text(1)).context("an explanation is made of strings")?;
        let pairs = kinds.iter().flatten().zip(plans.iter().flatten());
        rows.extend(pairs.map(|(kind, plan)| (kind.to_string(), plan.to_string())));
    }
    Ok(rows)
}
