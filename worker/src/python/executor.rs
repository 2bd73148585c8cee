//! Calls of Python functions as tasks.

use crate::exec::{Executor, Made, TaskRun};
use crate::python::frames;
use crate::python::pool::Pools;
use crate::python::runner::{Call, Input};
use crate::python::{PythonError, frames::packed};
use crate::store::{Output, Store};
use async_trait::async_trait;
use datafusion::arrow::buffer::Buffer;
use datafusion::error::{DataFusionError, Result};
use partita_net::payload::Payload;
use partita_shared::limits::INLINE_VALUE_BYTES_MAX;
use partita_shared::message::{FunctionSpec, Work};
use std::sync::Arc;

/// Calls functions.
#[derive(Debug)]
pub(crate) struct FunctionExecutor {
    store: Arc<Store>,
    pools: Arc<Pools>,
}

impl FunctionExecutor {
    pub(crate) fn new(store: &Arc<Store>, pools: &Arc<Pools>) -> Self {
        FunctionExecutor { store: Arc::clone(store), pools: Arc::clone(pools) }
    }

    async fn call(
        &self,
        spec: &FunctionSpec,
        run: &TaskRun,
        inputs: &[Input],
    ) -> Result<Payload, PythonError> {
        let (mut lease, function) =
            self.pools.lease(&spec.environment, run.stage.fragment.stage).await?;
        let (task, arguments) = (run.task.task, &run.task.arguments);
        let call = Call { task, function, spec, arguments, inputs };
        // From here on the process may be at work.
        lease.is_busy = true;
        let sent = lease.runner()?.send(&call).await;
        let answer = match sent {
            Ok(()) => lease.runner()?.answer(Some(&run.slot)).await,
            Err(error) => Err(error),
        };
        lease.is_busy = !matches!(answer, Ok(_) | Err(PythonError::Raised { .. }));
        answer
    }
}

#[async_trait]
impl Executor for FunctionExecutor {
    async fn run(&self, run: TaskRun) -> Result<Made> {
        let Work::Function(spec) = &run.stage.fragment.work else {
            let work = &run.stage.fragment.work;
            return Err(DataFusionError::Internal(format!("{work:?} is not a function")));
        };
        let external = |error: PythonError| DataFusionError::External(Box::new(error));
        let mut inputs = Vec::new();
        for read in run.inputs.objects().await? {
            let value = match read.value {
                crate::exec::Object::Held(payload) => payload,
                crate::exec::Object::Small(bytes) => {
                    frames::unpack(&Buffer::from(&bytes[..])).map_err(external)?
                }
            };
            inputs.push(Input { stage: read.stage, index: read.index, value });
        }
        let value = self.call(spec, &run, &inputs).await.map_err(external)?;
        let refused = |error: partita_net::payload::PayloadError| {
            external(PythonError::Protocol(error.to_string()))
        };
        let batch = value.to_batch().map_err(refused)?;
        let mut output = Output::new(&self.store, batch.schema(), 1);
        output.push(0, batch)?;
        output.finish()?;
        Ok(Made { output, operators: Vec::new(), value: packed(&value, INLINE_VALUE_BYTES_MAX) })
    }
}
