//! Python functions that queries call: a batch of rows at a time, on a runner that the calling slot waits for.

use crate::python::PythonError;
use crate::python::pool::{Lease, Pools};
use crate::python::runner::Call;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::error::{DataFusionError, Result};
use partita_net::payload::{Header, Payload};
use partita_plan::python::PythonCalls;
use partita_shared::ids::StageId;
use partita_shared::message::FunctionSpec;
use std::io::Cursor;
use std::sync::{Arc, mpsc};

/// Calls the functions of the fragments of one stage.
#[derive(Debug)]
pub(crate) struct QueryFunctions {
    pools: Arc<Pools>,
    stage: StageId,
}

fn external(error: PythonError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

fn unexpected(name: &str, what: impl std::fmt::Display) -> DataFusionError {
    external(PythonError::Protocol(format!("the result of {name}: {what}")))
}

impl QueryFunctions {
    pub(crate) fn new(pools: &Arc<Pools>, stage: StageId) -> Self {
        QueryFunctions { pools: Arc::clone(pools), stage }
    }

    /// Has a function called on the data runtime, and waits for its result. It ends with its job.
    fn call_and_wait(
        &self,
        spec: &Arc<FunctionSpec>,
        arguments: Vec<u8>,
    ) -> Result<Payload, PythonError> {
        let (pools, spec, stage) = (Arc::clone(&self.pools), Arc::clone(spec), self.stage);
        let ended = self.pools.end_of(stage.job);
        let (told, answer) = mpsc::sync_channel(1);
        self.pools.data().spawn(async move {
            let called = async {
                let name = Some(spec.name.as_str());
                let (mut lease, function) = pools.lease(&spec.environment, stage, name).await?;
                lease.begin(stage, None);
                let called = call(&mut lease, function, &spec, &arguments).await;
                lease.is_busy = !matches!(called, Ok(_) | Err(PythonError::Raised { .. }));
                called
            };
            let result = tokio::select! {
                result = called => result,
                // The lease stops the call.
                () = ended.cancelled() => {
                    Err(PythonError::Ended { cause: format!("{} has ended", stage.job) })
                }
            };
            let _ = told.send(result);
        });
        let gone = |_| PythonError::Ended { cause: "the worker is ending".to_string() };
        answer.recv().map_err(gone)?
    }
}

async fn call(
    lease: &mut Lease,
    function: u32,
    spec: &FunctionSpec,
    arguments: &[u8],
) -> Result<Payload, PythonError> {
    lease.is_busy = true;
    let call = Call { attempt: None, function, spec, arguments, inputs: &[] };
    let runner = lease.runner()?;
    runner.send(&[call]).await?;
    runner.answer(None, || {}).await
}

impl PythonCalls for QueryFunctions {
    fn call(
        &self,
        function: &Arc<FunctionSpec>,
        arguments: &SchemaRef,
        columns: Vec<ArrayRef>,
        rows: usize,
        result: &DataType,
    ) -> Result<ArrayRef> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(arguments), columns, &options)?;
        let mut writer = StreamWriter::try_new(Vec::new(), arguments)?;
        writer.write(&batch)?;
        let table = writer.into_inner()?;
        let called = self.call_and_wait(function, pickled_arguments(&table, rows as u64));
        let name = &function.name;
        let payload = called.map_err(|error| named(name, error)).map_err(external)?;
        let Header::Pickle { parts } = payload.header() else {
            return Err(unexpected(name, "not a pickled value"));
        };
        let [first, _] = parts[..] else { return Err(unexpected(name, "not a table")) };
        let table = payload.bytes().slice(first as usize);
        let mut reader = StreamReader::try_new(Cursor::new(table.as_slice()), None)?;
        let batch = reader.next().transpose()?;
        let values = batch.as_ref().and_then(|batch| batch.columns().first());
        let values = values.ok_or_else(|| unexpected(name, "an empty table"))?;
        if values.len() != rows || values.data_type() != result {
            let found = format!("{} values of type {}", values.len(), values.data_type());
            return Err(unexpected(name, format!("{found} for {rows} rows of type {result}")));
        }
        Ok(Arc::clone(values))
    }
}

/// An exception, with the name of the function that raised it.
fn named(name: &str, error: PythonError) -> PythonError {
    match error {
        PythonError::Raised { text, traceback, arguments, exception, is_interrupt } => {
            let text = format!("the Python function {name} raised {text}");
            PythonError::Raised { text, traceback, arguments, exception, is_interrupt }
        }
        other => other,
    }
}

/// The arguments of a call, as the runner reads them: no inputs, and the pickle (protocol 5) of `((table, rows), {})`.
fn pickled_arguments(table: &[u8], rows: u64) -> Vec<u8> {
    const PROTOCOL: [u8; 2] = [0x80, 5];
    const BINBYTES8: u8 = 0x8e;
    const LONG1_OF_9: [u8; 2] = [0x8a, 9];
    const TUPLE2: u8 = 0x86;
    const EMPTY_DICT: u8 = b'}';
    const STOP: u8 = b'.';
    let mut bytes = Vec::with_capacity(table.len() + 64);
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(PROTOCOL);
    bytes.push(BINBYTES8);
    bytes.extend((table.len() as u64).to_le_bytes());
    bytes.extend_from_slice(table);
    // A number of nine bytes, the last of which keeps it from being negative.
    bytes.extend(LONG1_OF_9);
    bytes.extend(rows.to_le_bytes());
    bytes.extend([0, TUPLE2, EMPTY_DICT, TUPLE2, STOP]);
    bytes
}
