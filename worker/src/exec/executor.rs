//! What runs a task on a slot, whatever its work is.

use crate::exec::failure::{classify, exception_of};
use crate::exec::inputs::TaskInputs;
use crate::exec::runner::OwnSlot;
use crate::exec::slots::Key;
use crate::exec::stage::Stage;
use crate::memory::TaskMemory;
use crate::store::{Output, Store};
use async_trait::async_trait;
use datafusion::error::Result;
use futures::FutureExt;
use partita_shared::message::{FailureKind, Outcome, RunTask, TaskFigures, Work};
use partita_shared::model::OperatorRow;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// One attempt of a task, with all that it may use.
#[derive(Debug)]
pub(crate) struct TaskRun {
    pub(crate) stage: Arc<Stage>,
    pub(crate) task: RunTask,
    pub(crate) inputs: TaskInputs,
    pub(crate) memory: TaskMemory,
    pub(crate) slot: OwnSlot,
}

/// The output of an attempt, and what its operators tell if that was asked for.
pub(crate) struct Made {
    pub(crate) output: Output,
    pub(crate) operators: Vec<OperatorRow>,
    /// The output of a function, if it is small.
    pub(crate) value: Option<Arc<[u8]>>,
}

impl From<Output> for Made {
    fn from(output: Output) -> Self {
        Made { output, operators: Vec::new(), value: None }
    }
}

/// Runs tasks with one kind of work.
#[async_trait]
pub(crate) trait Executor: Send + Sync + fmt::Debug {
    /// Runs an attempt on the slot that calls it. It is stopped where it waits.
    async fn run(&self, run: TaskRun) -> Result<Made>;

    /// Runs attempts of one stage on the slot that calls it, one after the other, and says how each ended. Those that it
    /// cannot begin are given back.
    async fn run_batch(&self, runs: Vec<TaskRun>, batch: &dyn Batch) {
        for run in runs {
            let key = (run.task.task, run.task.attempt);
            batch.ended(key, self.run(run).await).await;
        }
    }
}

/// Hears of attempts that run one after the other.
#[async_trait]
pub(crate) trait Batch: Send + Sync {
    /// An attempt is over. The next one begins.
    async fn ended(&self, key: Key, made: Result<Made>);

    /// These have not begun, and will not.
    fn give_back(&self, keys: &[Key]);
}

/// The executors of a worker.
#[derive(Debug)]
pub(crate) struct Executors {
    /// Plans, and whole statements.
    pub(crate) queries: Box<dyn Executor>,
    /// The end of a write.
    pub(crate) commits: Box<dyn Executor>,
    /// Calls of functions.
    pub(crate) functions: Box<dyn Executor>,
}

impl Executors {
    /// What runs this work; none for work that makes nothing.
    pub(crate) fn executor_of(&self, work: &Work) -> Option<&dyn Executor> {
        match work {
            Work::Empty => None,
            Work::Plan(_) | Work::Statement { .. } => Some(self.queries.as_ref()),
            Work::Commit(_) => Some(self.commits.as_ref()),
            Work::Function(_) => Some(self.functions.as_ref()),
        }
    }
}

/// Runs an attempt, keeps its output, and says how it went. It never panics: what panics in it is its
/// failure.
pub(crate) async fn outcome(executor: &dyn Executor, store: &Store, run: TaskRun) -> Outcome {
    let (stage, fetched) = (Arc::clone(&run.stage), Arc::clone(&run.inputs.fetched_bytes));
    let key = (run.task.task, run.task.attempt);
    match AssertUnwindSafe(executor.run(run)).catch_unwind().await {
        Ok(made) => keep(made, (store, &stage), key, fetched.load(Ordering::Relaxed)),
        Err(panic) => {
            stage.forget_plan();
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            Outcome::failed(FailureKind::Fatal, format!("the task panicked: {text}"))
        }
    }
}

/// Keeps the output of an attempt that is over, and says how it went.
pub(crate) fn keep(
    made: Result<Made>,
    (store, stage): (&Store, &Stage),
    (task, attempt): Key,
    fetched_bytes: u64,
) -> Outcome {
    match made {
        Ok(Made { output, operators, value }) => {
            let (rows, bytes) = output.size();
            if let Err(error) = store.put(task, attempt, output) {
                let (kind, error) = classify(&error, store.folder());
                return Outcome::failed(kind, error);
            }
            Outcome::Finished(TaskFigures { rows, bytes, fetched_bytes, operators, value })
        }
        Err(error) => {
            stage.forget_plan();
            let exception = exception_of(&error);
            let (kind, error) = classify(&error, store.folder());
            tracing::warn!(%task, attempt, cause = %error, "a task failed");
            Outcome::Failed { kind, error, exception }
        }
    }
}
