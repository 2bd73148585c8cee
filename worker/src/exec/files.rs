//! The names of files, for errors of readers, which do not say them.

use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;
use partita_plan::error::plain;
use std::sync::Arc;

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
        more => format!(" or {more} others"),
    };
    error.context(format!("reading {}{more}", shown.join(" or ")))
}

/// The files that a task reads: those of its partition, or of all where that cannot be told.
fn collect(plan: &Arc<dyn ExecutionPlan>, index: Option<usize>, files: &mut Vec<String>) {
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
        for file in groups.iter().flat_map(|group| group.iter()) {
            let name = format!("/{}", file.object_meta.location);
            if !files.contains(&name) {
                files.push(name);
            }
        }
    }
    plan.children().into_iter().for_each(|child| collect(child, index, files));
}
