//! Statements that write: `COPY (query) TO 'folder'` and `INSERT INTO table`.

use crate::query::QueryError;
use crate::query::prepare::{Built, encode};
use datafusion::datasource::sink::DataSinkExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use partita_core::GroupSpec;
use partita_plan::{cut, sink};
use partita_shared::message::{CommitSpec, Exchange, InputSpec, Work};
use rand::RngCore;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The groups of a statement that writes: the query's, whose last tasks write, and the commit.
pub(crate) fn build(
    exec: &DataSinkExec,
    is_copy: bool,
    for_run: bool,
) -> Result<Built, QueryError> {
    let failed = |error| QueryError::plan(&error);
    let target = sink::target(exec).map_err(failed)?;
    let single_file = is_copy && sink::is_single_file(exec).map_err(failed)?;
    if for_run {
        check_target(&target, is_copy, single_file)?;
    }
    let staging = staging_folder(&target);
    let mut input = Arc::clone(exec.input());
    if !single_file
        && let Some(node) = input.downcast_ref::<CoalescePartitionsExec>()
        && input.fetch().is_none()
    {
        input = Arc::clone(node.input());
    }
    let mut groups = cut::cut(input).map_err(failed)?;
    if let Some(last) = groups.last_mut() {
        let writer = sink::redirected(exec.sink(), &staging).map_err(failed)?;
        last.plan = Arc::new(DataSinkExec::new(Arc::clone(&last.plan), writer, None));
    }
    let mut groups = encode(&groups)?;
    let writers = groups.len() as u32 - 1;
    groups.push(GroupSpec {
        name: "commit".to_string(),
        plan: format!("move the files to {}", target.display()),
        tasks: 1,
        work: Work::Commit(CommitSpec {
            staging: staging.display().to_string(),
            target: target.display().to_string(),
            single_file,
        }),
        inputs: vec![InputSpec { group: writers, exchange: Exchange::Gather, first: 0, count: 1 }],
    });
    Ok(Built { groups, staging: Some(staging.display().to_string()) })
}

/// Refuses to mix what is written with what is there.
fn check_target(target: &Path, is_copy: bool, single_file: bool) -> Result<(), QueryError> {
    let refuse = |text: String| Err(QueryError::Statement(text));
    let shown = target.display();
    if single_file && target.is_dir() {
        return refuse(format!(
            "{shown} is a folder: name a file, or end the name with / to write into the folder"
        ));
    }
    if !single_file && target.is_file() {
        return refuse(format!("{shown} is a file: remove it, or name another folder"));
    }
    let has_files = std::fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_some());
    if is_copy && !single_file && has_files {
        return refuse(format!("{shown} is not empty: remove its files, or name another folder"));
    }
    Ok(())
}

/// A hidden folder beside the target, so that moving from it never copies.
fn staging_folder(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let number = rand::rng().next_u64();
    target.with_file_name(format!(".{name}{}{number:016x}", sink::STAGING_MARK))
}
