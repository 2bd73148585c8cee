//! Scans of files and Python functions on the wire.

use super::{decode, encode};
use crate::python::{PythonCalls, PythonFunction};
use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Int64Type, SchemaRef};
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::error::Result;
use datafusion::physical_plan::collect;
use datafusion::prelude::{SessionConfig, SessionContext};
use partita_files::{FileTables, enable};
use partita_shared::message::FunctionSpec;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Writes the rows of a query with DataFusion.
async fn export(context: &SessionContext, query: &str, target: &Path, stored_as: &str) {
    let sql = format!("copy ({query}) to '{}' stored as {stored_as}", target.display());
    context.sql(&sql).await.expect("plan copy").collect().await.expect("run copy");
}

/// Writes the rows of a query as an Arrow stream.
async fn export_stream(context: &SessionContext, query: &str, target: &Path) {
    let batches = context.sql(query).await.expect("plan").collect().await.expect("rows");
    let file = fs::File::create(target).expect("file");
    let mut writer = StreamWriter::try_new(file, &batches[0].schema()).expect("writer");
    batches.iter().for_each(|batch| writer.write(batch).expect("write"));
    writer.finish().expect("finish");
}

fn text(batches: &[RecordBatch]) -> String {
    pretty_format_batches(batches).expect("text").to_string()
}

/// Plans over files go to another process and give the same rows there: words for missing
/// values, partition folders with nulls, compression and Arrow streams included.
#[tokio::test]
async fn plans_over_files_travel() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let write = |name: &str, content: &str| {
        fs::create_dir_all(at(name).parent().expect("a folder")).expect("a folder");
        fs::write(at(name), content).expect("a file");
    };
    // Splits any file, however small, four ways.
    let mut config = SessionConfig::new().with_target_partitions(4);
    config.options_mut().optimizer.repartition_file_min_size = 1;
    let tables = Arc::new(FileTables::new());
    tables.set_directory(folder.path().to_owned());
    let context = enable(SessionContext::new_with_config(config), tables);
    write("na/k=1/a.csv", "n,s\n1,x\nNA,y\n");
    write("na/k=__HIVE_DEFAULT_PARTITION__/a.csv", "n,s\n3,NA\n");
    write("a.tsv", "n\ts\tk\n1\tx\t2\n");
    write("d/1.csv", "n,s,k\n1,x,1\n");
    write("d/2.csv", "k,s,n\n2,\"y\nz\",3\n");
    let one = "select 1 as n, 'x' as s, 1 as k";
    let gzip = "json options('format.compression' 'gzip')";
    export(&context, one, &at("a.json.gz"), gzip).await;
    let zstd = "csv options('format.compression' 'zstd')";
    export(&context, one, &at("c/a.csv.zst"), zstd).await;
    export(&context, "select 1 as n, 'x' as s", &at("p/k=a b/a.parquet"), "parquet").await;
    export(&context, one, &at("a.arrow"), "arrow").await;
    export_stream(&context, "select 5 as k, 'y' as s, 2 as n", &at("s.arrow")).await;
    for name in ["na", "a.json.gz", "c", "p", "a.arrow", "s.arrow", "a.tsv", "d"] {
        let sql = format!("select k, n, s from '{name}' order by n");
        let frame = context.sql(&sql).await.expect("a plan");
        let plan = frame.clone().create_physical_plan().await.expect("a plan");
        let expected = frame.collect().await.expect("rows");
        assert!(expected.iter().any(|batch| batch.num_rows() > 0), "{name}");
        let bytes = encode(plan).expect("encode");
        let there = SessionContext::new().task_ctx();
        let plan = decode(&bytes, &there, None).expect("decode");
        let found = collect(plan, there).await.expect("run");
        assert_eq!(text(&found), text(&expected), "{name}");
    }
}

/// Adds one, as a Python function would.
#[derive(Debug)]
struct AddsOne;

impl PythonCalls for AddsOne {
    fn call(
        &self,
        function: &Arc<FunctionSpec>,
        arguments: &SchemaRef,
        columns: Vec<ArrayRef>,
        rows: usize,
        result: &DataType,
    ) -> Result<ArrayRef> {
        assert_eq!((function.name.as_str(), &function.pickle[..]), ("plus_one", &b"pickled"[..]));
        assert_eq!((arguments.field(0).data_type(), result), (&DataType::Int64, &DataType::Int64));
        let numbers = columns[0].as_primitive::<Int64Type>();
        assert_eq!(numbers.len(), rows);
        Ok(Arc::new(numbers.unary::<_, Int64Type>(|number| number + 1)))
    }
}

/// A Python function arrives with its pickle and its types, and is called by what the worker has; the planner cannot
/// call it, and does not when its arguments are constants.
#[tokio::test]
async fn python_functions_are_decoded_with_what_calls_them() {
    let spec = FunctionSpec {
        name: "plus_one".into(),
        pickle: (*b"pickled").into(),
        ..Default::default()
    };
    let function = PythonFunction::new(spec, vec![DataType::Int64], DataType::Int64);
    let context = SessionContext::new();
    context.register_udf(function.into_udf());
    let sql = "select plus_one(a) as b, plus_one(1) as c from (values (1), (5)) as t(a) order by b";
    let plan = context.sql(sql).await.expect("a plan").create_physical_plan().await;
    let plan = plan.expect("a physical plan");
    assert!(collect(Arc::clone(&plan), context.task_ctx()).await.is_err());
    let bytes = encode(plan).expect("encode");
    let there = SessionContext::new().task_ctx();
    let plan = decode(&bytes, &there, Some(Arc::new(AddsOne))).expect("decode");
    let found = collect(plan, there).await.expect("run");
    let expected = "+---+---+\n| b | c |\n+---+---+\n| 2 | 2 |\n| 6 | 2 |\n+---+---+";
    assert_eq!(text(&found), expected);
}
