//! Frames: plans that are built here and run on the cluster.

use crate::{Client, ClientError, Persisted, Query, persisted, quoted, session};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{SchemaRef, UInt64Type};
use datafusion::common::JoinType;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, SortExpr};
use datafusion::prelude::DataFrame;
use futures::TryStreamExt;
use partita_plan::logical::{self, FrameCommand, Purpose, RemoteTable};
use std::collections::BTreeMap;
use std::fmt;

/// The name that the rows of a query have in a plan where nobody gave them one.
const UNNAMED: &str = "query";

/// Rows of the cluster, and what is to be done with them.
///
/// Nothing runs until they are asked for ([`Frame::collect`], [`Frame::stream`], [`Frame::count`]),
/// persisted ([`Frame::persist`]) or written ([`Frame::write`]). The steps are those of DataFusion's
/// [`DataFrame`]: the usual ones are methods here, all others go through [`Frame::map`].
#[derive(Clone)]
pub struct Frame {
    client: Client,
    frame: DataFrame,
    /// The query that it is, as long as nothing was added: its text can do more than a plan can, such
    /// as recursion.
    query: Option<String>,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame:\n{}", self.frame.logical_plan().display_indent())
    }
}

/// How rows are written to files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Write {
    /// The format: `parquet`, `csv`, `json` or `arrow`; Parquet if none is named.
    pub format: String,
    /// Settings of the format as in SQL's `COPY .. OPTIONS`, such as `compression` and `zstd(3)`.
    pub options: BTreeMap<String, String>,
    /// Columns whose values name folders.
    pub partition_by: Vec<String>,
}

fn wrong(error: DataFusionError) -> ClientError {
    ClientError::Query(partita_plan::error::plain(&error))
}

impl Client {
    /// A table of the cluster: one that workers hold, or one that a statement made.
    ///
    /// # Errors
    /// If there is no such table, or the scheduler cannot be reached.
    pub async fn table(&self, name: &str) -> Result<Frame, ClientError> {
        self.over(format!("SELECT * FROM {}", quoted(name)), name).await
    }

    /// Files that the workers see, by path: a file, a folder or a pattern (`data/2024-*.parquet`), of
    /// Parquet, CSV, JSON or Arrow, as the names end. Relative paths are relative to this process's
    /// directory.
    ///
    /// # Errors
    /// If nothing is there or it cannot be read as one table, or the scheduler cannot be reached.
    pub async fn read(&self, path: &str) -> Result<Frame, ClientError> {
        self.over(format!("SELECT * FROM {}", quoted(path)), path).await
    }

    /// The rows of a query. Its columns are looked up; nothing is run.
    ///
    /// # Errors
    /// If the query is wrong, or the scheduler cannot be reached.
    pub async fn sql(&self, query: &str) -> Result<Frame, ClientError> {
        self.over(query.trim().trim_end_matches(';').to_string(), UNNAMED).await
    }

    /// A plan that was built in [`Client::context`] out of frames of this client.
    pub fn frame(&self, frame: DataFrame) -> Frame {
        Frame { client: self.clone(), frame, query: None }
    }

    async fn over(&self, query: String, name: &str) -> Result<Frame, ClientError> {
        let schema = self.schema(&query).await?;
        let plan = RemoteTable { query: query.clone(), schema }.plan(name).map_err(wrong)?;
        let frame = DataFrame::new(self.context().state(), plan);
        Ok(Frame { client: self.clone(), frame, query: Some(query) })
    }
}

/// Steps.
impl Frame {
    /// The same rows with more steps: any that DataFusion's [`DataFrame`] has.
    ///
    /// # Errors
    /// If the steps are wrong.
    pub fn map(
        self,
        steps: impl FnOnce(DataFrame) -> Result<DataFrame, DataFusionError>,
    ) -> Result<Frame, ClientError> {
        let frame = steps(self.frame).map_err(wrong)?;
        Ok(Frame { client: self.client, frame, query: None })
    }

    /// Selects columns, each an expression over the existing ones.
    ///
    /// # Errors
    /// If an expression names a column that is not there.
    pub fn select(self, columns: Vec<Expr>) -> Result<Frame, ClientError> {
        self.map(|frame| frame.select(columns))
    }

    /// The columns of these names.
    ///
    /// # Errors
    /// If a column does not exist.
    pub fn select_columns(self, names: &[&str]) -> Result<Frame, ClientError> {
        self.map(|frame| frame.select_columns(names))
    }

    /// All columns and one more, or with this one in the place of that of its name.
    ///
    /// # Errors
    /// If the expression names a column that is not there.
    pub fn with_column(self, name: &str, value: Expr) -> Result<Frame, ClientError> {
        self.map(|frame| frame.with_column(name, value))
    }

    /// The rows for which this holds.
    ///
    /// # Errors
    /// If the expression is not a condition, or names a column that does not exist.
    pub fn filter(self, condition: Expr) -> Result<Frame, ClientError> {
        self.map(|frame| frame.filter(condition))
    }

    /// One row for each group: its key and these aggregates.
    ///
    /// # Errors
    /// If an expression names a column that is not there.
    pub fn aggregate(self, by: Vec<Expr>, values: Vec<Expr>) -> Result<Frame, ClientError> {
        self.map(|frame| frame.aggregate(by, values))
    }

    /// The rows in an order.
    ///
    /// # Errors
    /// If an expression names a column that is not there.
    pub fn sort(self, by: Vec<SortExpr>) -> Result<Frame, ClientError> {
        self.map(|frame| frame.sort(by))
    }

    /// Keeps `fetch` rows, after skipping some.
    ///
    /// # Errors
    /// None that is known.
    pub fn limit(self, skip: usize, fetch: Option<usize>) -> Result<Frame, ClientError> {
        self.map(|frame| frame.limit(skip, fetch))
    }

    /// Each row once.
    ///
    /// # Errors
    /// None that is known.
    pub fn distinct(self) -> Result<Frame, ClientError> {
        self.map(DataFrame::distinct)
    }

    /// These rows and another frame's.
    ///
    /// # Errors
    /// If they have not as many columns, or of types that do not go together.
    pub fn union(self, other: Frame) -> Result<Frame, ClientError> {
        self.map(|frame| frame.union(other.frame))
    }

    /// The rows of both whose columns are equal, pair by pair.
    ///
    /// # Errors
    /// If a column is not there, or both have columns of one name: give one another [`Frame::alias`].
    pub fn join(
        self,
        other: Frame,
        kind: JoinType,
        left: &[&str],
        right: &[&str],
    ) -> Result<Frame, ClientError> {
        self.map(|frame| frame.join(other.frame, kind, left, right, None))
    }

    /// The same rows under another name, by which columns can be told from another frame's. It has small
    /// letters, digits and `_` alone. Without one, rows are called as their table or their file is.
    ///
    /// # Errors
    /// If the name has other characters.
    pub fn alias(self, name: &str) -> Result<Frame, ClientError> {
        if logical::plain_name(name) != name {
            return Err(ClientError::Query(format!(
                "invalid alias {name:?}: use lower-case letters, digits and '_', such as {}",
                logical::plain_name(name)
            )));
        }
        self.map(|frame| frame.alias(name))
    }
}

/// What is known without running anything.
impl Frame {
    /// The columns, as far as they can be told without the optimiser.
    pub fn schema(&self) -> SchemaRef {
        std::sync::Arc::new(self.frame.schema().as_arrow().clone())
    }

    /// The plan so far. It cannot be run here: give it to [`Client::frame`].
    pub fn data_frame(&self) -> &DataFrame {
        &self.frame
    }
}

/// Where the work is done.
impl Frame {
    async fn begin(&self, purpose: Purpose) -> Result<Query, ClientError> {
        let sql = self.query.as_ref().and_then(|query| statement(query, &purpose));
        if let Some(sql) = sql {
            return self.client.run(&sql).await;
        }
        let task = self.client.context().task_ctx();
        let plan = logical::encode(self.frame.logical_plan(), &task)
            .map_err(|error| ClientError::Query(logical::explained(&error)))?;
        let command = FrameCommand { plan, purpose }.to_bytes();
        let command = command.map_err(|error| ClientError::Query(error.to_string()))?;
        self.client.begin(command).await
    }

    /// Runs it. The rows come as they are made; the job stops when the stream is dropped.
    ///
    /// # Errors
    /// If it has no answer, or a part of it cannot be sent.
    pub async fn stream(&self) -> Result<Query, ClientError> {
        self.begin(Purpose::Rows).await
    }

    /// Runs it. All rows.
    ///
    /// # Errors
    /// If it has no answer, or a part of it cannot be sent.
    pub async fn collect(&self) -> Result<Vec<RecordBatch>, ClientError> {
        self.stream().await?.batches.try_collect().await
    }

    /// Runs it. The number of rows.
    ///
    /// # Errors
    /// If it has no answer, or a part of it cannot be sent.
    pub async fn count(&self) -> Result<u64, ClientError> {
        use datafusion::functions_aggregate::expr_fn::count;
        let all = vec![count(datafusion::prelude::lit(1)).alias("rows")];
        let batches = self.clone().aggregate(Vec::new(), all)?.collect().await?;
        let counts = batches.iter().filter_map(|batch| {
            batch.column(0).as_primitive_opt::<arrow::datatypes::Int64Type>().cloned()
        });
        Ok(counts.flat_map(|column| column.iter().flatten().collect::<Vec<_>>()).sum::<i64>()
            as u64)
    }

    /// Runs it, and has the workers hold the rows, only for this client, until its session ends or
    /// the table is dropped. If the frame ends with [`Frame::sort`], the table is sorted across its
    /// partitions, and a query for a range of its first key reads only the partitions that can
    /// contain it.
    ///
    /// # Errors
    /// If it has no answer, a part of it cannot be sent, or the client has no session of its own
    /// ([`Client::in_own_session`]).
    pub async fn persist(&self) -> Result<Persisted, ClientError> {
        if self.client.session.is_empty() {
            return Err(ClientError::Query(
                "a frame that is persisted without a name needs a session; connect with Client::in_own_session, or name it with persist_as".to_string(),
            ));
        }
        let name = format!("frame-{}", session::unique());
        self.persist_under(name, true, false).await
    }

    /// Runs it, and has the workers hold the rows under a name, for everyone, until someone drops them.
    /// `replace` says whether they take the place of a table of that name.
    ///
    /// # Errors
    /// If it has no answer, a part of it cannot be sent, or the name is taken.
    pub async fn persist_as(&self, name: &str, replace: bool) -> Result<Persisted, ClientError> {
        self.persist_under(name.to_string(), false, replace).await
    }

    async fn persist_under(
        &self,
        name: String,
        temporary: bool,
        replace: bool,
    ) -> Result<Persisted, ClientError> {
        let purpose = Purpose::Persist {
            name: name.clone(),
            temporary,
            replace,
            partitions: None,
            splits: None,
        };
        let rows = counted(self.begin(purpose).await?).await?;
        Ok(persisted::over(&self.client, name, rows))
    }

    /// Runs it, and has the workers write the rows to files of a folder, or to one file if the name
    /// has an ending. The files become visible together, when all are complete. Gives the number of
    /// rows.
    ///
    /// # Errors
    /// If it has no answer, a part of it cannot be sent, or there are files already.
    pub async fn write(&self, target: &str, how: Write) -> Result<u64, ClientError> {
        let format = match how.format.is_empty() {
            true => "parquet".to_string(),
            false => how.format,
        };
        let Write { options, partition_by, .. } = how;
        let target = target.to_string();
        counted(self.begin(Purpose::Write { target, format, options, partition_by }).await?).await
    }

    /// The same, as Parquet.
    ///
    /// # Errors
    /// As [`Frame::write`].
    pub async fn write_parquet(&self, target: &str) -> Result<u64, ClientError> {
        self.write(target, Write::default()).await
    }

    /// The same, as CSV.
    ///
    /// # Errors
    /// As [`Frame::write`].
    pub async fn write_csv(&self, target: &str) -> Result<u64, ClientError> {
        self.write(target, Write { format: "csv".to_string(), ..Write::default() }).await
    }

    /// What the cluster would do: the plan, cut into stages.
    ///
    /// # Errors
    /// If it has no answer, or a part of it cannot be sent.
    pub async fn explain(&self) -> Result<String, ClientError> {
        explanation(self.begin(Purpose::Explain).await?).await
    }

    /// Runs it, and says what each stage did, with figures of each operator.
    ///
    /// # Errors
    /// If it has no answer, or a part of it cannot be sent.
    pub async fn explain_analyze(&self) -> Result<String, ClientError> {
        let client = self.client.clone().with_analyze(true);
        explanation(Frame { client, ..self.clone() }.stream().await?).await
    }
}

/// The statement for a query that is used as it is.
fn statement(query: &str, purpose: &Purpose) -> Option<String> {
    match purpose {
        Purpose::Rows => Some(query.to_string()),
        Purpose::Explain => Some(format!("EXPLAIN {query}")),
        Purpose::Persist { name, temporary, replace, .. } => {
            let replace = if *replace { "OR REPLACE " } else { "" };
            let temporary = if *temporary { "TEMPORARY " } else { "" };
            Some(format!("CREATE {replace}{temporary}TABLE {} AS {query}", quoted(name)))
        }
        Purpose::Write { .. } => None,
    }
}

/// The rows that a statement says it made.
async fn counted(query: Query) -> Result<u64, ClientError> {
    let batches: Vec<RecordBatch> = query.batches.try_collect().await?;
    let mut rows = 0;
    for batch in batches.iter().filter(|batch| batch.num_columns() > 0) {
        let counts = batch.column(0).as_primitive_opt::<UInt64Type>();
        rows += counts.map_or(0, |counts| counts.iter().flatten().sum::<u64>());
    }
    Ok(rows)
}

/// The text of an explanation.
async fn explanation(query: Query) -> Result<String, ClientError> {
    let batches: Vec<RecordBatch> = query.batches.try_collect().await?;
    let mut text = String::new();
    for batch in batches.iter().filter(|batch| batch.num_columns() == 2) {
        let (kinds, plans) = (batch.column(0), batch.column(1));
        let (Some(kinds), Some(plans)) =
            (kinds.as_string_opt::<i32>(), plans.as_string_opt::<i32>())
        else {
            continue;
        };
        for row in 0..kinds.len() {
            text.push_str(&format!("{}:\n{}\n", kinds.value(row), plans.value(row).trim_end()));
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A query that is used as it is becomes one statement, whatever is in its table's name.
    #[test]
    fn queries_become_statements() {
        let persist = |temporary, replace| Purpose::Persist {
            name: "a\"b".into(),
            temporary,
            replace,
            partitions: None,
            splits: None,
        };
        let sql = |purpose| statement("select 1", &purpose);
        assert_eq!(sql(Purpose::Rows).as_deref(), Some("select 1"));
        let made = sql(persist(true, false));
        assert_eq!(made.as_deref(), Some("CREATE TEMPORARY TABLE \"a\"\"b\" AS select 1"));
        let made = sql(persist(false, true));
        assert_eq!(made.as_deref(), Some("CREATE OR REPLACE TABLE \"a\"\"b\" AS select 1"));
    }
}
