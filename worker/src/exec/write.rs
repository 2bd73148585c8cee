//! Writing files: in one go, or, partitioned by values, one file after another.

use crate::store::{Output, Store};
use datafusion::arrow::array::{ArrayRef, RecordBatch, UInt64Array, make_comparator};
use datafusion::arrow::compute::{SortOptions, partition};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::datasource::sink::DataSink;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{Stream, StreamExt, stream};
use partita_operators::clustered::clustered;
use std::cmp::Ordering;
use std::sync::Arc;
use tokio::sync::oneshot;

/// The schema of what writing gives: how many rows were written.
pub(crate) fn count_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("count", DataType::UInt64, false)]))
}

/// What a task gives that wrote so much.
pub(crate) fn counted_output(store: &Arc<Store>, count: u64) -> Result<Output> {
    let column: ArrayRef = Arc::new(UInt64Array::from(vec![count]));
    let mut output = Output::new(store, count_schema(), 1);
    output.push(0, RecordBatch::try_new(count_schema(), vec![column])?)?;
    output.finish()?;
    Ok(output)
}

/// Writes all rows. Where files are partitioned by values of some columns, there is one at a time. Gives
/// the number of rows.
pub(crate) async fn write_all(
    sink: Arc<dyn DataSink>,
    rows: SendableRecordBatchStream,
    partitioned_by: &[String],
    context: &Arc<TaskContext>,
) -> Result<u64> {
    let schema = rows.schema();
    let columns = partitioned_by.iter().map(|name| Ok(schema.index_of(name)?));
    let columns = columns.collect::<Result<Vec<usize>>>()?;
    if columns.is_empty() {
        return sink.write_all(rows, context).await;
    }
    let rows = clustered(rows, &columns, Arc::clone(context))?;
    let mut runs = Runs { rows, columns, key: None, rest: None };
    let mut count = 0;
    while runs.begin().await? {
        let (give_back, given_back) = oneshot::channel();
        let run = RecordBatchStreamAdapter::new(SchemaRef::clone(&schema), run(runs, give_back));
        count += sink.write_all(Box::pin(run), context).await?;
        let lost = |_| {
            DataFusionError::Internal("the writer stopped before the end of a file".to_string())
        };
        runs = given_back.await.map_err(lost)?;
    }
    Ok(count)
}

/// Rows in the order of some columns, taken run by run of equal values.
struct Runs {
    rows: SendableRecordBatchStream,
    columns: Vec<usize>,
    /// The values of the run: one row.
    key: Option<Vec<ArrayRef>>,
    /// What came and is not given yet.
    rest: Option<RecordBatch>,
}

impl Runs {
    /// Whether there is another run. It becomes the one that is given.
    async fn begin(&mut self) -> Result<bool> {
        self.fill().await?;
        self.key = self.rest.as_ref().map(|batch| self.keys(&batch.slice(0, 1)));
        Ok(self.key.is_some())
    }

    async fn fill(&mut self) -> Result<()> {
        while self.rest.is_none() {
            match self.rows.next().await.transpose()? {
                Some(batch) if batch.num_rows() == 0 => {}
                Some(batch) => self.rest = Some(batch),
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// The next rows of the run, if there are more.
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        self.fill().await?;
        let (Some(batch), Some(key)) = (self.rest.take(), &self.key) else { return Ok(None) };
        let keys = self.keys(&batch);
        if !is_same(key, &keys)? {
            self.rest = Some(batch);
            return Ok(None);
        }
        let count = partition(&keys)?.ranges().first().map_or(batch.num_rows(), |run| run.end);
        let left = batch.num_rows() - count;
        self.rest = (left > 0).then(|| batch.slice(count, left));
        Ok(Some(batch.slice(0, count)))
    }

    fn keys(&self, batch: &RecordBatch) -> Vec<ArrayRef> {
        self.columns.iter().map(|column| Arc::clone(batch.column(*column))).collect()
    }
}

/// Whether the first rows of two batches have the same values.
fn is_same(one: &[ArrayRef], other: &[ArrayRef]) -> Result<bool> {
    for (one, other) in one.iter().zip(other) {
        let compare = make_comparator(one.as_ref(), other.as_ref(), SortOptions::default())?;
        if compare(0, 0) != Ordering::Equal {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The rows of one run. At its end it gives back what follows.
fn run(
    runs: Runs,
    give_back: oneshot::Sender<Runs>,
) -> impl Stream<Item = Result<RecordBatch>> + Send {
    stream::unfold(Some((runs, give_back)), async |state| {
        let (mut runs, give_back) = state?;
        match runs.next().await {
            Ok(Some(batch)) => Some((Ok(batch), Some((runs, give_back)))),
            Ok(None) => {
                let _ = give_back.send(runs);
                None
            }
            Err(error) => Some((Err(error), None)),
        }
    })
}
