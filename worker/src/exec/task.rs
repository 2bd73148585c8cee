//! One attempt: from a fragment and its inputs to an output in the store.

use crate::exec::commit;
use crate::exec::engine::{Engine, Stage};
use crate::exec::failure::classify;
use crate::exec::figures;
use crate::exec::files;
use crate::exec::inputs::{TaskInputs, by_input};
use crate::exec::split::RangeSplitter;
use crate::exec::waits::Waits;
use crate::exec::write::write_all;
use crate::memory::{TaskMemory, with_gated_reads};
use crate::store::Output;
use datafusion::arrow::array::{ArrayRef, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::datasource::sink::DataSinkExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::Time;
use datafusion::physical_plan::repartition::{BatchPartitioner, RepartitionExec};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, Partitioning};
use datafusion::prelude::{DataFrame, SessionContext};
use futures::{FutureExt, StreamExt};
use partita_files::sink;
use partita_operators::chunked::with_chunked_windows;
use partita_operators::merging::with_levelled_merges;
use partita_operators::sliding::with_sliding_windows;
use partita_operators::sorting::with_whole_sorts;
use partita_operators::width::widest_row_bytes;
use partita_plan::exchange::InputsExtension;
use partita_plan::{clauses, codec};
use partita_shared::message::{FailureKind, Outcome, RunTask, TaskFigures, Work};
use partita_shared::model::OperatorRow;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Runs an attempt and says how it went. It never panics: what panics in it is its failure.
pub(crate) async fn run(
    engine: &Arc<Engine>,
    stage: Option<Arc<Stage>>,
    task: &RunTask,
    waits: &Waits,
    memory: &TaskMemory,
) -> Outcome {
    let Some(stage) = stage else {
        let error = format!("unknown plan fragment of {}", task.task.stage);
        return Outcome::Failed { kind: FailureKind::Retry, error };
    };
    if stage.fragment.work == Work::Empty {
        return Outcome::Finished(TaskFigures::default());
    }
    let fetched = Arc::new(AtomicU64::new(0));
    let work = run_work(engine, &stage, task, &fetched, waits, memory);
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(Ok((output, operators))) => {
            let (rows, bytes) = output.size();
            if let Err(error) = engine.store().put(task.task, task.attempt, output) {
                let (kind, error) = classify(&error, engine.store().folder());
                return Outcome::Failed { kind, error };
            }
            Outcome::Finished(TaskFigures {
                rows,
                bytes,
                fetched_bytes: fetched.load(Ordering::Relaxed),
                operators,
            })
        }
        Ok(Err(error)) => {
            stage.forget_plan();
            let (kind, error) = classify(&error, engine.store().folder());
            tracing::warn!(task = %task.task, attempt = task.attempt, ?kind, cause = %error, "a task failed");
            Outcome::Failed { kind, error }
        }
        Err(panic) => {
            stage.forget_plan();
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            Outcome::Failed {
                kind: FailureKind::Fatal,
                error: format!("the task panicked: {text}"),
            }
        }
    }
}

async fn run_work(
    engine: &Arc<Engine>,
    stage: &Arc<Stage>,
    task: &RunTask,
    fetched: &Arc<AtomicU64>,
    waits: &Waits,
    memory: &TaskMemory,
) -> Result<(Output, Vec<OperatorRow>)> {
    let index = task.task.index;
    let inputs = TaskInputs {
        engine: Arc::clone(engine),
        fragment: Arc::clone(&stage.fragment),
        locations: stage.locations(),
        own: by_input(&task.own),
        fetched_bytes: Arc::clone(fetched),
        waits: waits.clone(),
    };
    match &stage.fragment.work {
        Work::Empty => Ok((Output::new(engine.store(), Arc::new(Schema::empty()), 1), Vec::new())),
        Work::Plan(bytes) => {
            let decode = || {
                let plan = codec::decode(bytes, engine.context());
                let plan = plan.map_err(|error| DataFusionError::External(Box::new(error)))?;
                let plan = with_chunked_windows(with_sliding_windows(plan)?)?;
                let plan = with_whole_sorts(plan, engine.heap_bytes_max())?;
                let plan = with_levelled_merges(plan, engine.merge_inputs())?;
                with_gated_reads(plan, engine.runtime(), engine.row_groups())
            };
            // A second attempt must not meet the state that the first one left in a shared plan,
            // and the metrics must be only this task's.
            let own = stage.fragment.analyze || task.attempt > 1;
            let plan = stage.plan(own, decode)?;
            files::check_unchanged(&plan, index)?;
            let batch_rows = engine.batch_rows(widest_row_bytes(&plan));
            let context = context_with(engine, inputs, memory, batch_rows);
            let output = run_plan(engine, &plan, task, &context).await;
            let output = output.map_err(|error| files::named(&plan, index, error))?;
            let wanted = stage.fragment.analyze;
            Ok((output, if wanted { figures::operators(&plan) } else { Vec::new() }))
        }
        Work::Statement { session, directory, sql } => {
            let output = run_statement(engine, session, directory, sql).await?;
            Ok((output, Vec::new()))
        }
        Work::Commit(spec) => {
            let holders = inputs.locations.get(&0).cloned().unwrap_or_default();
            let written: Vec<_> = holders.iter().map(|holder| holder.attempt).collect();
            let rows = commit::counted(&inputs, count_schema()).await?;
            commit::commit(spec, &written)?;
            Ok((counted_output(engine, rows)?, Vec::new()))
        }
    }
}

/// A task context in which exchanges find this task's inputs.
fn context_with(
    engine: &Engine,
    inputs: TaskInputs,
    memory: &TaskMemory,
    batch_rows: usize,
) -> Arc<TaskContext> {
    let base = engine.context();
    let usual = base.session_config().batch_size();
    let config = base.session_config().clone().with_batch_size(batch_rows.min(usual));
    let config = config.with_extension(Arc::new(InputsExtension(Arc::new(inputs))));
    let pool = memory.pool(engine.budget());
    let runtime = RuntimeEnv { memory_pool: pool, ..RuntimeEnv::clone(engine.runtime()) };
    Arc::new(TaskContext::new(
        None,
        base.session_id(),
        config,
        base.scalar_functions().clone(),
        base.higher_order_functions().clone(),
        base.aggregate_functions().clone(),
        base.window_functions().clone(),
        Arc::new(runtime),
    ))
}

/// Runs one partition of a plan. Its root says what becomes of the rows.
async fn run_plan(
    engine: &Arc<Engine>,
    plan: &Arc<dyn ExecutionPlan>,
    task: &RunTask,
    context: &Arc<TaskContext>,
) -> Result<Output> {
    let index = task.task.index as usize;
    if let Some(split) = plan.downcast_ref::<RepartitionExec>() {
        let rows = split.input().execute(index, Arc::clone(context))?;
        let tasks = split.input().properties().partitioning.partition_count();
        return split_rows(engine, rows, split.partitioning(), index, tasks).await;
    }
    if let Some(exec) = plan.downcast_ref::<DataSinkExec>() {
        let rows = exec.input().execute(index, Arc::clone(context))?;
        let folder = sink::target(exec)?.join(format!("{index}-{}", task.attempt));
        return write_rows(engine, exec, rows, folder, index == 0, context).await;
    }
    let rows = plan.execute(index, Arc::clone(context))?;
    keep_rows(engine, rows).await
}

async fn keep_rows(engine: &Arc<Engine>, mut rows: SendableRecordBatchStream) -> Result<Output> {
    let mut output = Output::new(engine.store(), rows.schema(), 1);
    while let Some(batch) = rows.next().await {
        output.push(0, batch?)?;
        // Only where it looks up can it be stopped.
        tokio::task::consume_budget().await;
    }
    output.finish()?;
    Ok(output)
}

enum Splitter {
    Ranges(RangeSplitter),
    Other(BatchPartitioner),
}

async fn split_rows(
    engine: &Arc<Engine>,
    mut rows: SendableRecordBatchStream,
    partitioning: &Partitioning,
    index: usize,
    tasks: usize,
) -> Result<Output> {
    let buckets = partitioning.partition_count();
    let mut output = Output::new(engine.store(), rows.schema(), buckets);
    let mut splitter = match partitioning {
        Partitioning::Range(ranges) => {
            Splitter::Ranges(RangeSplitter::new(ranges, &rows.schema())?)
        }
        other => {
            Splitter::Other(BatchPartitioner::try_new(other.clone(), Time::new(), index, tasks)?)
        }
    };
    while let Some(batch) = rows.next().await {
        let give = |bucket, part| output.push(bucket, part);
        match &mut splitter {
            Splitter::Ranges(splitter) => splitter.split(&batch?, give)?,
            Splitter::Other(splitter) => splitter.partition(batch?, give)?,
        }
        tokio::task::consume_budget().await;
    }
    output.finish()?;
    Ok(output)
}

/// Writes rows below a folder of this attempt's own, which goes if the attempt does. Where no row comes, the
/// first of the tasks writes a file with the columns.
async fn write_rows(
    engine: &Arc<Engine>,
    exec: &DataSinkExec,
    rows: SendableRecordBatchStream,
    folder: PathBuf,
    is_first: bool,
    context: &Arc<TaskContext>,
) -> Result<Output> {
    std::fs::create_dir_all(&folder).map_err(|error| commit::write_error(&folder, error))?;
    let mut guard = RemoveUnlessKept(Some(folder.clone()));
    let (target, by) = (sink::redirected(exec.sink(), &folder)?, sink::partitioned_by(exec)?);
    let target = sink::bounded(target, engine.row_group_bytes())?;
    let written = write_all(target, rows, &by, context).await;
    let count = written.map_err(|error| commit::explain(&folder, error))?;
    if count == 0 && is_first {
        let empty = folder.join(sink::EMPTY_FOLDER);
        let written = write_empty(exec, &empty, context).await;
        written.map_err(|error| commit::explain(&folder, error))?;
    }
    guard.0 = None;
    counted_output(engine, count)
}

/// Writes a file that has columns and no rows.
async fn write_empty(
    exec: &DataSinkExec,
    folder: &Path,
    context: &Arc<TaskContext>,
) -> Result<u64> {
    std::fs::create_dir_all(folder).map_err(|error| commit::write_error(folder, error))?;
    let schema = exec.input().schema();
    let none = futures::stream::iter([Ok(RecordBatch::new_empty(Arc::clone(&schema)))]);
    let rows = Box::pin(RecordBatchStreamAdapter::new(schema, none));
    sink::without_keys(exec.sink(), folder)?.write_all(rows, context).await
}

struct RemoveUnlessKept(Option<PathBuf>);

impl Drop for RemoveUnlessKept {
    fn drop(&mut self) {
        if let Some(folder) = self.0.take()
            && let Err(error) = std::fs::remove_dir_all(&folder)
            // The end of a job removes the folder around it, maybe sooner.
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %folder.display(), cause = %error, "cannot remove a half-written folder");
        }
    }
}

/// The schema of what writing gives: how many rows were written.
pub(crate) fn count_schema() -> Arc<Schema> {
    Arc::new(Schema::new(vec![Field::new("count", DataType::UInt64, false)]))
}

fn counted_output(engine: &Arc<Engine>, count: u64) -> Result<Output> {
    let column: ArrayRef = Arc::new(UInt64Array::from(vec![count]));
    let mut output = Output::new(engine.store(), count_schema(), 1);
    output.push(0, RecordBatch::try_new(count_schema(), vec![column])?)?;
    output.finish()?;
    Ok(output)
}

/// Plans a statement as the scheduler does.
async fn plan_statement(context: &SessionContext, sql: &str) -> Result<DataFrame> {
    let plan = clauses::logical_plan(&context.state(), sql).await?;
    context.execute_logical_plan(plan).await
}

/// Plans and runs a whole statement here.
async fn run_statement(
    engine: &Arc<Engine>,
    session: &[String],
    directory: &str,
    sql: &str,
) -> Result<Output> {
    let context = commit::statement_context(engine, directory);
    for statement in session {
        plan_statement(&context, statement).await?.collect().await?;
    }
    let plan = plan_statement(&context, sql).await?.create_physical_plan().await?;
    let rows = datafusion::physical_plan::execute_stream(plan, context.task_ctx())?;
    keep_rows(engine, rows).await
}
