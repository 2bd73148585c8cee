//! DuckDB as a second oracle: DataFusion cannot see its own faults.

use crate::oracle::Answer;
use anyhow::{Context, Result, bail, ensure};
use arrow::array::RecordBatch;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::reader::StreamReader;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

/// The variable that names the interpreter of the environment with the packages of the tests.
const PYTHON_VARIABLE: &str = "PARTITA_TEST_PYTHON";
/// What runs in it.
const SERVER: &str = include_str!("duckdb.py");
/// Bytes of an answer at most: one that is longer is a fault of the protocol.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// A process that runs queries with DuckDB. It ends when this is dropped.
#[derive(Debug)]
pub struct DuckDb {
    process: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl DuckDb {
    /// Starts the process.
    ///
    /// # Errors
    /// If no interpreter is named or it cannot be started.
    pub fn start() -> Result<Self> {
        let python = std::env::var(PYTHON_VARIABLE)
            .with_context(|| format!("{PYTHON_VARIABLE} names no interpreter"))?;
        let mut process = Command::new(&python)
            .args(["-c", SERVER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {python}"))?;
        let input = process.stdin.take().context("the input of DuckDB's process")?;
        let output = process.stdout.take().context("the output of DuckDB's process")?;
        Ok(DuckDb { process, input, output })
    }

    /// Runs one statement. One that returns no rows gives an answer without columns.
    ///
    /// # Errors
    /// If DuckDB refuses it, or its process ended.
    pub fn run(&mut self, sql: &str) -> Result<Answer> {
        writeln!(self.input, "{}", serde_json::to_string(sql)?)
            .context("DuckDB's process ended")?;
        let mut head = [0; 9];
        self.output.read_exact(&mut head).context("DuckDB's process ended")?;
        let (succeeded, length) = head.split_at(1);
        let length = u64::from_le_bytes(length.try_into()?);
        ensure!(length <= ANSWER_BYTES_MAX, "DuckDB answers with {length} bytes");
        let mut body = vec![0; usize::try_from(length)?];
        self.output.read_exact(&mut body).context("DuckDB's process ended")?;
        if succeeded == [0] {
            bail!("DuckDB: {}\nby the query:\n{sql}", String::from_utf8_lossy(&body));
        }
        if body.is_empty() {
            return Ok(Answer { schema: Arc::new(Schema::empty()), batches: Vec::new() });
        }
        let reader = StreamReader::try_new(body.as_slice(), None)?;
        let schema = reader.schema();
        Ok(Answer { schema, batches: reader.collect::<Result<_, _>>()? })
    }
}

impl Drop for DuckDb {
    fn drop(&mut self) {
        // It ends with its input too; a query that hangs would not let it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The same rows with other names and types: DuckDB sums integers to 128 bits, and its constants are
/// decimals.
///
/// # Errors
/// If the number of columns differs, or a value does not fit its new type.
pub(super) fn with_schema(answer: &Answer, schema: &SchemaRef) -> Result<Answer> {
    let (found, wanted) = (answer.schema.fields().len(), schema.fields().len());
    ensure!(found == wanted, "{found} columns of DuckDB, and not {wanted}");
    let options = CastOptions { safe: false, ..Default::default() };
    let mut batches = Vec::new();
    for batch in &answer.batches {
        let columns = batch.columns().iter().zip(schema.fields());
        let columns = columns
            .map(|(column, field)| Ok(cast_with_options(column, field.data_type(), &options)?))
            .collect::<Result<_>>()?;
        let nullable = schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true));
        let nullable = Arc::new(Schema::new(nullable.collect::<Vec<_>>()));
        batches.push(RecordBatch::try_new(nullable, columns)?);
    }
    Ok(Answer { schema: Arc::clone(schema), batches })
}
