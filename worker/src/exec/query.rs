//! Queries: plans and whole statements, run by DataFusion.

use crate::exec::commit;
use crate::exec::executor::{Executor, Made, TaskRun};
use crate::exec::figures;
use crate::exec::files;
use crate::exec::inputs::TaskInputs;
use crate::exec::split::RangeSplitter;
use crate::exec::write::{counted_output, write_all};
use crate::memory::{Budget, MemoryPolicy, RowGroupGate, TaskMemory, with_gated_reads};
use crate::python::{Pools, QueryFunctions};
use crate::store::{Output, Store};
use async_trait::async_trait;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::datasource::sink::DataSinkExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::Time;
use datafusion::physical_plan::repartition::{BatchPartitioner, RepartitionExec};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, Partitioning};
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use futures::StreamExt;
use partita_files::{FileTables, sink};
use partita_operators::chunked::with_chunked_windows;
use partita_operators::merging::with_levelled_merges;
use partita_operators::one_nan::with_one_nan;
use partita_operators::progress::{ProgressExtension, with_progress};
use partita_operators::sliding::with_sliding_windows;
use partita_operators::sorting::with_whole_sorts;
use partita_operators::width::widest_row_bytes;
use partita_plan::exchange::InputsExtension;
use partita_plan::python::PythonCalls;
use partita_plan::{clauses, codec, session};
use partita_shared::ids::StageId;
use partita_shared::message::{RunTask, Work};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of a file that are gathered before they are written.
const FILE_BUFFER_BYTES: usize = 1 << 20;

/// Runs queries.
#[derive(Debug)]
pub(crate) struct QueryExecutor {
    policy: MemoryPolicy,
    budget: Arc<Budget>,
    row_groups: Arc<RowGroupGate>,
    store: Arc<Store>,
    runtime: Arc<RuntimeEnv>,
    context: Arc<TaskContext>,
    pools: Arc<Pools>,
}

/// The settings under which fragments run here: those of the memory that a slot has.
fn running_config(policy: MemoryPolicy) -> SessionConfig {
    let mut config = session::running_config();
    let execution = &mut config.options_mut().execution;
    let bytes = policy.sort_bytes();
    execution.sort_spill_reservation_bytes = execution.sort_spill_reservation_bytes.min(bytes);
    execution.sort_in_place_threshold_bytes = execution.sort_in_place_threshold_bytes.min(bytes);
    // Written data of a file is gathered in a buffer, which no reservation counts.
    execution.objectstore_writer_buffer_size = FILE_BUFFER_BYTES;
    config
}

#[async_trait]
impl Executor for QueryExecutor {
    async fn run(&self, run: TaskRun) -> Result<Made> {
        let TaskRun { stage, task, inputs, memory, .. } = run;
        let index = task.task.index;
        match &stage.fragment.work {
            Work::Plan(bytes) => {
                // A second attempt must not meet the state that the first one left in a shared plan,
                // and the metrics must be only this task's.
                let wanted = stage.fragment.analyze;
                let is_own = wanted || task.attempt > 1;
                let plan = stage.plan(is_own, || self.decode(bytes, stage.fragment.stage))?;
                files::check_unchanged(&plan, index, &self.runtime).await?;
                let batch_rows = self.policy.batch_rows(widest_row_bytes(&plan));
                let context = self.context_with(inputs, &memory, batch_rows);
                let output = self.run_plan(&plan, &task, &context).await;
                let output = output.map_err(|error| files::named(&plan, index, error))?;
                let operators = if wanted { figures::operators(&plan) } else { Vec::new() };
                if !wanted {
                    stage.plan_ended(is_own.then_some(&plan));
                }
                Ok(Made { output, operators, value: None })
            }
            Work::Statement { session, directory, sql } => {
                Ok(self.run_statement(session, directory, sql).await?.into())
            }
            other => Err(DataFusionError::Internal(format!("{other:?} is not a query"))),
        }
    }
}

impl QueryExecutor {
    pub(crate) fn new(
        budget: &Arc<Budget>,
        store: &Arc<Store>,
        runtime: Arc<RuntimeEnv>,
        pools: &Arc<Pools>,
    ) -> Self {
        let policy = budget.policy();
        QueryExecutor {
            policy,
            budget: Arc::clone(budget),
            row_groups: RowGroupGate::new(Arc::clone(budget)),
            store: Arc::clone(store),
            context: session::task_context(Arc::clone(&runtime), running_config(policy)),
            runtime,
            pools: Arc::clone(pools),
        }
    }

    /// The plan of a fragment, with the operators that have no wire form.
    fn decode(&self, bytes: &[u8], stage: StageId) -> Result<Arc<dyn ExecutionPlan>> {
        let python: Arc<dyn PythonCalls> = Arc::new(QueryFunctions::new(&self.pools, stage));
        let plan = codec::decode(bytes, &self.context, Some(python));
        let plan = plan.map_err(|error| DataFusionError::External(Box::new(error)))?;
        let plan = with_chunked_windows(with_sliding_windows(plan)?)?;
        let plan = with_whole_sorts(plan, self.policy.heap_bytes())?;
        let plan = with_levelled_merges(plan, self.policy.merge_inputs())?;
        let plan = with_gated_reads(plan, &self.runtime, &self.row_groups)?;
        with_progress(with_one_nan(plan)?, &self.runtime)
    }

    /// A task context in which exchanges find this task's inputs.
    fn context_with(
        &self,
        inputs: TaskInputs,
        memory: &TaskMemory,
        batch_rows: usize,
    ) -> Arc<TaskContext> {
        let base = &self.context;
        let usual = base.session_config().batch_size();
        let config = base.session_config().clone().with_batch_size(batch_rows.min(usual));
        let progress = ProgressExtension(Arc::clone(&inputs.progress));
        let config = config
            .with_extension(Arc::new(InputsExtension(Arc::new(inputs))))
            .with_extension(Arc::new(progress));
        let pool = memory.pool(&self.budget);
        let runtime = RuntimeEnv { memory_pool: pool, ..RuntimeEnv::clone(&self.runtime) };
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
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        task: &RunTask,
        context: &Arc<TaskContext>,
    ) -> Result<Output> {
        let index = task.task.index as usize;
        if let Some(split) = plan.downcast_ref::<RepartitionExec>() {
            let rows = split.input().execute(index, Arc::clone(context))?;
            let tasks = split.input().properties().partitioning.partition_count();
            return split_rows(&self.store, rows, split.partitioning(), index, tasks).await;
        }
        if let Some(exec) = plan.downcast_ref::<DataSinkExec>() {
            let rows = exec.input().execute(index, Arc::clone(context))?;
            let folder = sink::target(exec)?.join(format!("{index}-{}", task.attempt));
            return self.write_rows(exec, rows, folder, index == 0, context).await;
        }
        let rows = plan.execute(index, Arc::clone(context))?;
        keep_rows(&self.store, rows).await
    }

    /// Writes rows below a folder of this attempt's own, which goes if the attempt does. Where no row comes, the
    /// first of the tasks writes a file with the columns.
    async fn write_rows(
        &self,
        exec: &DataSinkExec,
        rows: SendableRecordBatchStream,
        folder: PathBuf,
        is_first: bool,
        context: &Arc<TaskContext>,
    ) -> Result<Output> {
        std::fs::create_dir_all(&folder).map_err(|error| commit::write_error(&folder, error))?;
        let mut guard = RemoveUnlessKept(Some(folder.clone()));
        let (target, by) = (sink::redirected(exec.sink(), &folder)?, sink::partitioned_by(exec)?);
        let target = sink::bounded(target, self.policy.row_group_bytes())?;
        let written = write_all(target, rows, &by, context).await;
        let count = written.map_err(|error| commit::explain(&folder, error))?;
        if count == 0 && is_first {
            let empty = folder.join(sink::EMPTY_FOLDER);
            let written = write_empty(exec, &empty, context).await;
            written.map_err(|error| commit::explain(&folder, error))?;
        }
        guard.0 = None;
        counted_output(&self.store, count)
    }

    /// Plans and runs a whole statement here.
    async fn run_statement(
        &self,
        session: &[String],
        directory: &str,
        sql: &str,
    ) -> Result<Output> {
        let context = self.statement_context(directory);
        for statement in session {
            plan_statement(&context, statement).await?.collect().await?;
        }
        let plan = plan_statement(&context, sql).await?.create_physical_plan().await?;
        let plan = with_one_nan(plan)?;
        let rows = datafusion::physical_plan::execute_stream(plan, context.task_ctx())?;
        keep_rows(&self.store, rows).await
    }

    /// A session in which a whole statement is planned as the scheduler would, in one partition.
    fn statement_context(&self, directory: &str) -> SessionContext {
        let mut config = session::planning_config(1);
        // In one process the value of a subquery can be handed over.
        config.options_mut().optimizer.enable_physical_uncorrelated_scalar_subquery = true;
        let state = session::planner(config).with_runtime_env(Arc::clone(&self.runtime)).build();
        let tables = Arc::new(FileTables::new());
        tables.set_directory(PathBuf::from(directory));
        partita_files::enable(SessionContext::new_with_state(state), tables)
    }
}

async fn keep_rows(store: &Arc<Store>, mut rows: SendableRecordBatchStream) -> Result<Output> {
    let mut output = Output::new(store, rows.schema(), 1);
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
    store: &Arc<Store>,
    mut rows: SendableRecordBatchStream,
    partitioning: &Partitioning,
    index: usize,
    tasks: usize,
) -> Result<Output> {
    let buckets = partitioning.partition_count();
    let mut output = Output::new(store, rows.schema(), buckets);
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

/// Plans a statement as the scheduler does.
async fn plan_statement(context: &SessionContext, sql: &str) -> Result<DataFrame> {
    let plan = clauses::logical_plan(&context.state(), sql).await?;
    context.execute_logical_plan(plan).await
}
