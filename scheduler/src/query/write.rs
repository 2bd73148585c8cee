//! Statements that write: `COPY (query) TO 'folder'` and `INSERT INTO table`.

use crate::query::prepare::{Built, encode};
use crate::query::{QueryError, Text};
use datafusion::config::Dialect;
use datafusion::datasource::sink::{DataSink, DataSinkExec};
use datafusion::error::DataFusionError;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::sql::parser::{CopyToSource, Statement};
use partita_core::{Origin, StageSpec};
use partita_files::sink;
use partita_plan::exchange::{ExchangeExec, Reading};
use partita_plan::ranged::{column_key, ranges};
use partita_plan::{PlanError, cut, depth};
use partita_shared::message::{CommitSpec, ErrorKind, Exchange, InputSpec, Work};
use rand::RngCore;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The stages of a statement that writes: the query's, whose last tasks write, and the commit.
/// `whole` makes the stage of a query that runs whole, in one task, from the query's text.
pub(crate) fn build(
    exec: &DataSinkExec,
    text: &Text,
    is_copy: bool,
    for_run: bool,
    whole: impl FnOnce(String) -> StageSpec,
) -> Result<Built, QueryError> {
    let failed = |error| QueryError::plan(&error);
    let target = sink::target(exec).map_err(failed)?;
    let single_file = is_copy && sink::is_single_file(exec).map_err(failed)?;
    if for_run {
        check_target(&target, is_copy, single_file)?;
    }
    let staging = staging_folder(&target);
    let input = match single_file {
        true => Arc::clone(exec.input()),
        false => unmerged(exec.input()),
    };
    let writer = sink::redirected(exec.sink(), &staging).map_err(failed)?;
    let mut stages = match query_stages(&input, &writer) {
        Ok(stages) => stages,
        Err(PlanError::NotSendable(error)) => {
            let query = match text {
                Text::Sql(sql) => copied_query(sql),
                Text::Frame(_) => None,
            };
            let query = query.ok_or_else(|| failed(error))?;
            let mut stages = vec![whole(query)];
            stages.extend(encode(&[write_from_whole(&input, writer).map_err(failed)?])?);
            stages
        }
        Err(error) => return Err(error.into()),
    };
    let writers = stages.len() as u32 - 1;
    stages.push(StageSpec {
        name: "commit".to_string(),
        plan: format!("move the files to {}", target.display()),
        tasks: 1,
        work: Work::Commit(CommitSpec {
            staging: staging.display().to_string(),
            target: target.display().to_string(),
            single_file,
        }),
        inputs: vec![InputSpec { stage: writers, exchange: Exchange::Gather, first: 0, count: 1 }],
        origin: Origin::Tasks,
        ..StageSpec::default()
    });
    let schema = exec.schema();
    Ok(Built { stages, staging: Some(staging.display().to_string()), schema, order: None })
}

/// The partitions that a plan puts together at its top, or the plan. Those that are put together in
/// the order of a key stay together, unless they are ranges of it: files follow one another as they do.
fn unmerged(plan: &Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    let plan = Arc::clone(plan);
    if plan.fetch().is_some() {
        return plan;
    }
    if let Some(node) = plan.downcast_ref::<CoalescePartitionsExec>() {
        return Arc::clone(node.input());
    }
    let Some(node) = plan.downcast_ref::<SortPreservingMergeExec>() else { return plan };
    let key = column_key(node.expr().first());
    match ranges(node.input()) {
        Some(found) if Some(found.key) == key => Arc::clone(node.input()),
        Some(_) | None => plan,
    }
}

/// The stages of a query whose last tasks write.
fn query_stages(
    input: &Arc<dyn ExecutionPlan>,
    writer: &Arc<dyn DataSink>,
) -> Result<Vec<StageSpec>, PlanError> {
    let mut stages = cut::cut(Arc::clone(input)).map_err(|error| match error {
        DataFusionError::NotImplemented(_) => PlanError::NotSendable(error),
        other => PlanError::Query(other),
    })?;
    if let Some(last) = stages.last_mut() {
        let rows = Arc::clone(&last.plan);
        let (rows, writer) =
            sink::with_text_keys(rows, Arc::clone(writer)).map_err(PlanError::Query)?;
        last.plan = Arc::new(DataSinkExec::new(rows, writer, None));
    }
    encode(&stages)
}

/// The stage that writes what the one task of the first stage gives.
fn write_from_whole(
    input: &Arc<dyn ExecutionPlan>,
    writer: Arc<dyn DataSink>,
) -> Result<cut::PlanStage, DataFusionError> {
    let rows = Arc::new(ExchangeExec::new(0, Reading::All, 1, input.schema()));
    let (rows, writer) = sink::with_text_keys(rows, writer)?;
    Ok(cut::PlanStage {
        plan: Arc::new(DataSinkExec::new(rows, writer, None)),
        tasks: 1,
        inputs: vec![InputSpec { stage: 0, exchange: Exchange::Gather, first: 0, count: 1 }],
        persisted: None,
    })
}

/// The query in a `COPY (query) TO`, as text. None if the statement is another one.
fn copied_query(sql: &str) -> Option<String> {
    let mut statement = depth::statement(sql, &Dialect::Generic).ok()?;
    while let Statement::Explain(explained) = statement {
        statement = *explained.statement;
    }
    match statement {
        Statement::CopyTo(copy) => Some(match copy.source {
            CopyToSource::Query(query) => query.to_string(),
            CopyToSource::Relation(table) => format!("SELECT * FROM {table}"),
        }),
        _ => None,
    }
}

/// Refuses to mix new output with existing files.
fn check_target(target: &Path, is_copy: bool, single_file: bool) -> Result<(), QueryError> {
    let refuse = |text: String| Err(QueryError::Known { kind: ErrorKind::FileExists, text });
    let shown = target.display();
    if single_file && target.is_dir() {
        return refuse(format!(
            "{shown} is a folder; name a file, or end the name with / to write into the folder"
        ));
    }
    if is_copy && single_file && target.exists() {
        return refuse(format!("{shown} already exists; remove it or choose another path"));
    }
    if !single_file && target.is_file() {
        return refuse(format!("{shown} is a file; remove it or choose another folder"));
    }
    let has_files = std::fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_some());
    if is_copy && !single_file && has_files {
        return refuse(format!("{shown} is not empty; remove its files or choose another folder"));
    }
    Ok(())
}

/// A hidden folder beside the target, so that moving from it never copies.
fn staging_folder(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let number = rand::rng().next_u64();
    target.with_file_name(format!(".{name}{}{number:016x}", sink::STAGING_MARK))
}
