//! The files that a task reads: whether they are still those that were planned for, and their names for errors
//! of readers, which do not say them.

use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;
use object_store::ObjectMeta;
use partita_plan::error::plain;
use std::fs::{File, Metadata};
use std::sync::Arc;
use std::time::SystemTime;

/// How errors begin that come from a file's content.
const CONTENT_ERRORS: [&str; 5] =
    ["Parquet", "Ipc error", "Csv error", "Json error", "Parser error"];
/// Files that are named one by one.
const NAMED_FILES_MAX: usize = 3;

/// Adds to an error about the content of a file which file that was, or which it may have been.
pub(crate) fn named(
    plan: &Arc<dyn ExecutionPlan>,
    index: u32,
    error: DataFusionError,
) -> DataFusionError {
    let text = plain(&error);
    if !CONTENT_ERRORS.iter().any(|start| text.starts_with(start)) {
        return error;
    }
    let mut files = Vec::new();
    collect(plan, Some(index as usize), &mut files);
    if files.is_empty() || files.iter().any(|file| text.contains(file.trim_start_matches('/'))) {
        return error;
    }
    let shown: Vec<&str> = files.iter().take(NAMED_FILES_MAX).map(String::as_str).collect();
    let more = match files.len() - shown.len() {
        0 => String::new(),
        more => format!(" or {more} other files"),
    };
    error.context(format!("cannot read {}{more}", shown.join(" or ")))
}

/// Refuses files that were changed since the plan was made: some rows would be of the old file and
/// others of the new one, and recomputation would give other rows.
pub(crate) async fn check_unchanged(
    plan: &Arc<dyn ExecutionPlan>,
    index: u32,
    runtime: &RuntimeEnv,
) -> Result<()> {
    let mut result = Ok(());
    let mut remote: Vec<(ObjectStoreUrl, Vec<ObjectMeta>)> = Vec::new();
    visit(plan, Some(index as usize), &mut |file, url| {
        if *url == ObjectStoreUrl::local_filesystem() {
            if result.is_ok() {
                result = is_unchanged(file);
            }
            return;
        }
        let meta = file.object_meta.clone();
        match remote.iter_mut().find(|(known, _)| known == url) {
            // A large file is read in many pieces.
            Some((_, files)) if files.last() == Some(&meta) => {}
            Some((_, files)) => files.push(meta),
            None => remote.push((url.clone(), vec![meta])),
        }
    });
    result?;
    for (url, files) in remote {
        let store = runtime.object_store(&url)?;
        if let Some(file) = partita_files::changed_file(&url, &store, files).await {
            return Err(changed(&partita_files::file_name(&url, &file)));
        }
    }
    Ok(())
}

fn changed(name: &str) -> DataFusionError {
    DataFusionError::Execution(format!(
        "{name} was changed after the query had been planned; run the query again, and recreate tables that were created from this file"
    ))
}

fn is_unchanged(file: &PartitionedFile) -> Result<()> {
    let planned = &file.object_meta;
    let path = format!("/{}", planned.location);
    let time = SystemTime::from(planned.last_modified);
    let is_planned = |found: std::io::Result<Metadata>| match found {
        Ok(found) => found.len() == planned.size && found.modified().is_ok_and(|at| at == time),
        // The reader of a file whose metadata cannot be read refuses it and says why.
        Err(_) => true,
    };
    // What a network file system remembers of a file is made true when the file is opened.
    let opened = || File::open(&path).and_then(|file| file.metadata());
    if is_planned(std::fs::metadata(&path)) || is_planned(opened()) {
        return Ok(());
    }
    Err(changed(&path))
}

/// The files that a task reads: those of its partition, or of all where that cannot be told.
fn collect(plan: &Arc<dyn ExecutionPlan>, index: Option<usize>, files: &mut Vec<String>) {
    visit(plan, index, &mut |file, url| {
        let name = partita_files::file_name(url, &file.object_meta);
        if !files.contains(&name) {
            files.push(name);
        }
    });
}

fn visit(
    plan: &Arc<dyn ExecutionPlan>,
    index: Option<usize>,
    see: &mut impl FnMut(&PartitionedFile, &ObjectStoreUrl),
) {
    // The partitions of a union are numbered over all its inputs.
    let index = index.filter(|_| !plan.is::<UnionExec>());
    let scan = plan
        .downcast_ref::<DataSourceExec>()
        .and_then(|scan| scan.data_source().downcast_ref::<FileScanConfig>());
    if let Some(config) = scan {
        let own = index.and_then(|index| config.file_groups.get(index));
        let groups = match own {
            Some(own) => std::slice::from_ref(own),
            None => &config.file_groups,
        };
        let files = groups.iter().flat_map(|group| group.iter());
        files.for_each(|file| see(file, &config.object_store_url));
    }
    plan.children().into_iter().for_each(|child| visit(child, index, see));
}
