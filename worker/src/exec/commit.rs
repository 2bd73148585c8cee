//! The end of a write: the files of the attempts that count take their places.

use crate::exec::executor::{Executor, Made, TaskRun};
use crate::exec::inputs::TaskInputs;
use crate::exec::runner::TaskRunner;
use crate::exec::write::{count_schema, counted_output};
use crate::store::Store;
use async_trait::async_trait;
use datafusion::arrow::array::{Array, UInt64Array};
use datafusion::error::{DataFusionError, Result};
use futures::StreamExt;
use partita_files::sink;
use partita_plan::exchange::{Inputs, Selection};
use partita_shared::ids::{Attempt, JobId};
use partita_shared::message::{CommitSpec, Work};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Left in the staging folder when the files are in place, so that a second commit, after a worker
/// died between the two, does nothing.
const DONE_MARK: &str = "committed";

/// How long the attempts of a job that was dropped may take to end.
const ENDING_TIME_MAX: Duration = Duration::from_secs(10);
/// How often it is looked whether they have.
const ENDING_INTERVAL: Duration = Duration::from_millis(10);
/// Pauses before each removal of an abandoned folder: a write of an attempt that was under way in
/// another thread makes its folder again.
const REMOVAL_PAUSES: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(100), Duration::from_secs(1), Duration::from_secs(5)];

/// A file that could not be written, by name, with the remedy.
pub(crate) fn write_error(path: &Path, error: std::io::Error) -> DataFusionError {
    let text = format!("cannot write {}: {error}", path.display());
    DataFusionError::IoError(std::io::Error::new(error.kind(), text))
}

/// Names the folder in an error of a writer.
pub(crate) fn explain(folder: &Path, error: DataFusionError) -> DataFusionError {
    error.context(format!("cannot write to folder {}", folder.display()))
}

/// Ends writes.
#[derive(Debug)]
pub(crate) struct CommitExecutor(pub(crate) Arc<Store>);

#[async_trait]
impl Executor for CommitExecutor {
    async fn run(&self, run: TaskRun) -> Result<Made> {
        let Work::Commit(spec) = &run.stage.fragment.work else {
            let work = &run.stage.fragment.work;
            return Err(DataFusionError::Internal(format!("{work:?} is not the end of a write")));
        };
        let holders = run.inputs.locations.get(&0).cloned().unwrap_or_default();
        let written: Vec<_> = holders.iter().map(|holder| holder.attempt).collect();
        let rows = counted(&run.inputs).await?;
        commit(spec, &written)?;
        Ok(counted_output(&self.0, rows)?.into())
    }
}

/// The rows that the write tasks counted.
async fn counted(inputs: &TaskInputs) -> Result<u64> {
    let mut rows = inputs.read(0, Selection::All, count_schema())?;
    let mut sum = 0;
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        if let Some(counts) = batch.column(0).as_any().downcast_ref::<UInt64Array>() {
            sum += counts.iter().flatten().sum::<u64>();
        }
    }
    Ok(sum)
}

/// Puts the files of these attempts of the write tasks in their places.
fn commit(spec: &CommitSpec, attempts: &[Attempt]) -> Result<()> {
    let (staging, target) = (Path::new(&spec.staging), Path::new(&spec.target));
    if staging.join(DONE_MARK).exists() {
        return remove_staging(staging);
    }
    let mut files = written_files(staging, attempts)?;
    keep_rows_or_columns(&mut files, target);
    for (_, _, below) in &mut files {
        *below = key_folders(below)?;
    }
    if spec.single_file {
        let single = files.first().map(|(_, file, _)| file.clone());
        match single {
            Some(file) => std::fs::rename(&file, target).map_err(|e| write_error(target, e))?,
            // No row came, so no writer was opened: an empty file says so.
            None => std::fs::write(target, b"").map_err(|e| write_error(target, e))?,
        }
    } else {
        place_folder(staging, target, &files)?;
    }
    let _ = std::fs::write(staging.join(DONE_MARK), b"");
    remove_staging(staging)
}

/// Removes the staging folder of a job that was dropped, once its attempts here have ended.
pub(crate) async fn remove_abandoned(runner: Arc<TaskRunner>, job: JobId, staging: String) {
    let start = Instant::now();
    while runner.is_stopping(job) && start.elapsed() < ENDING_TIME_MAX {
        tokio::time::sleep(ENDING_INTERVAL).await;
    }
    let staging = PathBuf::from(staging);
    for pause in REMOVAL_PAUSES {
        tokio::time::sleep(pause).await;
        let folder = staging.clone();
        let removed = tokio::task::spawn_blocking(move || remove_staging(&folder)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(folder = %staging.display(), cause = %error, "cannot remove a staging folder");
        }
    }
}

fn remove_staging(staging: &Path) -> Result<()> {
    match std::fs::remove_dir_all(staging) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(write_error(staging, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The folders of keys, as readers know them.
fn key_folders(staged: &Path) -> Result<PathBuf> {
    staged.iter().map(|folder| partita_files::folder_of_key(&folder.to_string_lossy())).collect()
}

/// Leaves out the file without rows where there are others, written now or before.
fn keep_rows_or_columns(files: &mut Vec<(usize, PathBuf, PathBuf)>, target: &Path) {
    let empty = Path::new(sink::EMPTY_FOLDER);
    let has_rows = files.iter().any(|(_, _, below)| below != empty);
    if has_rows || std::fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_some()) {
        files.retain(|(_, _, below)| below != empty);
    }
    for (_, _, below) in files {
        if below == empty {
            *below = PathBuf::new();
        }
    }
}

/// The files of each attempt: the task, the file, and the folder below the target it belongs to.
fn written_files(staging: &Path, attempts: &[Attempt]) -> Result<Vec<(usize, PathBuf, PathBuf)>> {
    let mut files = Vec::new();
    for (task, attempt) in attempts.iter().enumerate() {
        let folder = staging.join(format!("{task}-{attempt}"));
        let mut waiting = vec![folder.clone()];
        while let Some(at) = waiting.pop() {
            let mut entries: Vec<_> = std::fs::read_dir(&at)
                .and_then(Iterator::collect::<std::io::Result<_>>)
                .map_err(|error| write_error(&at, error))?;
            entries.sort_by_key(std::fs::DirEntry::file_name);
            for entry in entries {
                let path = entry.path();
                if path.is_dir() {
                    waiting.push(path);
                } else {
                    let below = at.strip_prefix(&folder).unwrap_or(Path::new("")).to_path_buf();
                    files.push((task, path, below));
                }
            }
        }
    }
    Ok(files)
}

/// Assembles the folder aside and moves it to its place in one step; where the place is taken by a
/// folder with files in it (an INSERT), the new files are moved in beside them.
fn place_folder(staging: &Path, target: &Path, files: &[(usize, PathBuf, PathBuf)]) -> Result<()> {
    let aside = staging.join("assembled");
    std::fs::create_dir_all(&aside).map_err(|error| write_error(&aside, error))?;
    for (number, (task, file, below)) in files.iter().enumerate() {
        let folder = aside.join(below);
        std::fs::create_dir_all(&folder).map_err(|error| write_error(&folder, error))?;
        let place = folder.join(file_name(*task, number, file));
        // A link leaves the original for a second try; not every file system has links.
        if std::fs::hard_link(file, &place).is_err() {
            std::fs::rename(file, &place).map_err(|error| write_error(&place, error))?;
        }
    }
    // Succeeds if the target is not there or is an empty folder.
    if std::fs::rename(&aside, target).is_ok() {
        return Ok(());
    }
    std::fs::create_dir_all(target).map_err(|error| write_error(target, error))?;
    for (number, (task, file, below)) in files.iter().enumerate() {
        let name = file_name(*task, number, file);
        let folder = target.join(below);
        std::fs::create_dir_all(&folder).map_err(|error| write_error(&folder, error))?;
        let mut place = folder.join(&name);
        let mut more = 0;
        while place.exists() {
            more += 1;
            place = folder.join(format!("{more}-{name}"));
        }
        std::fs::rename(aside.join(below).join(&name), &place)
            .map_err(|error| write_error(&place, error))?;
    }
    Ok(())
}

/// `part-00003.parquet`, or `part-00003-7.parquet` for one of several files of a task.
fn file_name(task: usize, number: usize, file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let extension = name.split_once('.').map_or("", |(_, extension)| extension);
    format!("part-{task:05}-{number}.{extension}")
}
