//! Calls of Python functions as tasks.

use crate::exec::{Batch, Executor, Made, Object, Stage, TaskRun};
use crate::python::frames;
use crate::python::kernels;
use crate::python::pool::{Lease, Pools};
use crate::python::runner::{Call, Input};
use crate::python::{PythonError, frames::packed};
use crate::store::{Output, Store};
use async_trait::async_trait;
use datafusion::arrow::buffer::Buffer;
use datafusion::error::{DataFusionError, Result};
use partita_net::payload::Payload;
use partita_shared::ids::{Attempt, TaskId};
use partita_shared::limits::INLINE_VALUE_BYTES_MAX;
use partita_shared::message::{FunctionSpec, Work};
use partita_shared::model::CallTextKind;
use std::sync::Arc;

/// Calls functions.
#[derive(Debug)]
pub(crate) struct FunctionExecutor {
    store: Arc<Store>,
    pools: Arc<Pools>,
}

fn external(error: PythonError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

fn function_of(stage: &Stage) -> Result<&Arc<FunctionSpec>> {
    match &stage.fragment.work {
        Work::Function(spec) => Ok(spec),
        work => Err(DataFusionError::Internal(format!("{work:?} is not a function"))),
    }
}

/// The calls of a batch that have not ended, the next one first.
type Left = Vec<(TaskRun, Vec<Input>)>;

fn keys(left: &[(TaskRun, Vec<Input>)]) -> Vec<(TaskId, Attempt)> {
    left.iter().map(|(run, _)| key(run)).collect()
}

fn key(run: &TaskRun) -> (TaskId, Attempt) {
    (run.task.task, run.task.attempt)
}

impl FunctionExecutor {
    pub(crate) fn new(store: &Arc<Store>, pools: &Arc<Pools>) -> Self {
        FunctionExecutor { store: Arc::clone(store), pools: Arc::clone(pools) }
    }

    /// The objects that a call reads.
    async fn inputs_of(&self, run: &TaskRun) -> Result<Vec<Input>> {
        let mut inputs = Vec::new();
        for read in run.inputs.objects().await? {
            let (value, segment) = match read.value {
                Object::Held(payload) => {
                    let segment = self.store.segments().find(payload.bytes());
                    (payload, segment)
                }
                Object::Small(bytes) => {
                    (frames::unpack(&Buffer::from(&bytes[..])).map_err(external)?, None)
                }
            };
            inputs.push(Input { stage: read.stage, index: read.index, value, segment });
        }
        Ok(inputs)
    }

    /// A runner for the calls of a stage, to which these calls were sent.
    async fn send(&self, spec: &FunctionSpec, left: &Left) -> Result<Lease, PythonError> {
        let stage = left.first().map(|(run, _)| run.stage.fragment.stage);
        let stage = stage.ok_or_else(|| PythonError::Protocol("no call".to_string()))?;
        let (mut lease, function) = self.pools.lease(&spec.environment, stage, None).await?;
        let mut calls = Vec::with_capacity(left.len());
        for (run, inputs) in left {
            let (attempt, arguments) = (Some(key(run)), &run.task.arguments[..]);
            calls.push(Call { attempt, function, spec, arguments, inputs });
        }
        // From here on the process may be at work.
        lease.is_busy = true;
        lease.runner()?.send(&calls).await?;
        Ok(lease)
    }

    /// The failure of a call, of which the traceback is told.
    fn failed(&self, key: (TaskId, Attempt), error: PythonError) -> DataFusionError {
        if let PythonError::Raised { traceback, arguments, .. } = &error {
            self.pools.texts().raised(key, CallTextKind::Arguments, arguments);
            self.pools.texts().raised(key, CallTextKind::Traceback, traceback);
        }
        external(error)
    }

    /// What a call gives without a Python process; none if it needs one.
    fn run_kernels(&self, run: &TaskRun, inputs: &[Input]) -> Result<Option<Made>> {
        let made = kernels::run(&run.task.arguments, inputs, &self.store);
        made.map_err(|error| DataFusionError::External(Box::new(error)))?
            .map(|made| self.keep(&made))
            .transpose()
    }

    /// Keeps a result.
    fn keep(&self, value: &Payload) -> Result<Made> {
        let refused = |error: partita_net::payload::PayloadError| {
            external(PythonError::Protocol(error.to_string()))
        };
        let batch = value.to_batch().map_err(refused)?;
        let mut output = Output::new(&self.store, batch.schema(), 1);
        output.push(0, batch)?;
        output.finish()?;
        Ok(Made { output, operators: Vec::new(), value: packed(value, INLINE_VALUE_BYTES_MAX) })
    }

    /// Calls a function for each of these, one after the other. Those that cannot begin are given back.
    async fn call_all(&self, spec: &FunctionSpec, mut left: Left, batch: &dyn Batch) {
        let mut lease = match self.send(spec, &left).await {
            Ok(lease) => lease,
            Err(error) => {
                let (first, _) = left.remove(0);
                first.stage.call_singly();
                batch.give_back(&keys(&left));
                return batch.ended(key(&first), Err(external(error))).await;
            }
        };
        left.reverse();
        while let Some((run, _)) = left.pop() {
            lease.begin(run.stage.fragment.stage, Some(key(&run)));
            let answer = match lease.runner() {
                Ok(runner) => {
                    let alone = || {
                        left.reverse();
                        batch.give_back(&keys(&left));
                        left.clear();
                    };
                    runner.answer(Some(&run.slot), alone).await
                }
                Err(error) => Err(error),
            };
            let is_broken = !matches!(answer, Ok(_) | Err(PythonError::Raised { .. }));
            if matches!(answer, Err(PythonError::Memory(_))) {
                // It is tried once more, as the others, with a process of its own.
                run.stage.call_singly();
                lease.is_busy = true;
                left.push((run, Vec::new()));
                left.reverse();
                batch.give_back(&keys(&left));
                return;
            }
            if is_broken {
                // The next ones have not begun. Which one it was is known when each has a process of its own.
                run.stage.call_singly();
                left.reverse();
                batch.give_back(&keys(&left));
                left.clear();
            }
            lease.is_busy = is_broken || !left.is_empty();
            let answer = answer.map_err(|error| self.failed(key(&run), error));
            let made = answer.and_then(|value| self.keep(&value));
            batch.ended(key(&run), made).await;
        }
    }
}

#[async_trait]
impl Executor for FunctionExecutor {
    async fn run(&self, run: TaskRun) -> Result<Made> {
        let spec = Arc::clone(function_of(&run.stage)?);
        let inputs = self.inputs_of(&run).await?;
        if let Some(made) = self.run_kernels(&run, &inputs)? {
            return Ok(made);
        }
        let left = vec![(run, inputs)];
        let mut lease = self.send(&spec, &left).await.map_err(external)?;
        let first = left.first().map(|(run, _)| run);
        if let Some(run) = first {
            lease.begin(run.stage.fragment.stage, Some(key(run)));
        }
        let slot = first.map(|run| &run.slot);
        let answer = lease.runner().map_err(external)?.answer(slot, || {}).await;
        lease.is_busy = !matches!(answer, Ok(_) | Err(PythonError::Raised { .. }));
        // The runner serves the next call while the result is kept.
        drop(lease);
        let answer = answer.map_err(|error| match first {
            Some(run) => self.failed(key(run), error),
            None => external(error),
        });
        self.keep(&answer?)
    }

    async fn run_batch(&self, runs: Vec<TaskRun>, batch: &dyn Batch) {
        let mut left = Vec::with_capacity(runs.len());
        let mut spec = None;
        for run in runs {
            let read = match function_of(&run.stage) {
                Ok(of_stage) => {
                    spec = Some(Arc::clone(of_stage));
                    self.inputs_of(&run).await
                }
                Err(error) => Err(error),
            };
            let inputs = match read {
                Ok(inputs) => inputs,
                Err(error) => {
                    batch.ended(key(&run), Err(error)).await;
                    continue;
                }
            };
            // They end in their order: after one that needs a process, the others do not go before it.
            let made = if left.is_empty() { self.run_kernels(&run, &inputs) } else { Ok(None) };
            match made.transpose() {
                Some(made) => batch.ended(key(&run), made).await,
                None => left.push((run, inputs)),
            }
        }
        if let Some(spec) = spec.filter(|_| !left.is_empty()) {
            self.call_all(&spec, left, batch).await;
        }
    }
}
