//! The Python side of the runners: a package that is part of this program, and is written where Python finds it.

use std::path::{Path, PathBuf};
use tokio::sync::Mutex;

/// The folder of the Python side in the scratch folder.
const FOLDER: &str = "partita-runner";
/// The package in that folder.
const PACKAGE: &str = "_partita_runner";
/// What starts it, in that folder.
const START_FILE: &str = "__main__.py";

/// The files in the folder: where, and their text.
const FILES: [(&str, &str); 11] = [
    ("__main__.py", include_str!("runner/__main__.py")),
    ("_partita_runner/__init__.py", include_str!("runner/__init__.py")),
    ("_partita_runner/calls.py", include_str!("runner/calls.py")),
    ("_partita_runner/errors.py", include_str!("runner/errors.py")),
    ("_partita_runner/exceptions.py", include_str!("runner/exceptions.py")),
    ("_partita_runner/functions.py", include_str!("runner/functions.py")),
    ("_partita_runner/memory.py", include_str!("runner/memory.py")),
    ("_partita_runner/output.py", include_str!("runner/output.py")),
    ("_partita_runner/packing.py", include_str!("runner/packing.py")),
    ("_partita_runner/protocol.py", include_str!("runner/protocol.py")),
    ("_partita_runner/zygote.py", include_str!("runner/zygote.py")),
];

/// Held while files are written: nobody starts Python with half of them.
static WRITING: Mutex<()> = Mutex::const_new(());

/// Writes the files to the scratch folder, and returns the one that Python starts.
///
/// Existing files are not written again: another Python may be reading them, or has stored their compiled form.
pub(super) async fn write_source(scratch: &Path) -> std::io::Result<PathBuf> {
    let _writing = WRITING.lock().await;
    let folder = scratch.join(FOLDER);
    tokio::fs::create_dir_all(folder.join(PACKAGE)).await?;
    for (name, text) in FILES {
        let path = folder.join(name);
        let found = tokio::fs::read(&path).await;
        if !found.is_ok_and(|found| found == text.as_bytes()) {
            tokio::fs::write(&path, text).await?;
        }
    }
    Ok(folder.join(START_FILE))
}

/// Whether code in this file is the runner's own, not a user's.
pub(super) fn is_own_file(file: &str) -> bool {
    let mut parts = file.rsplit('/');
    match (parts.next(), parts.next()) {
        (Some(START_FILE), Some(FOLDER)) => true,
        (_, folder) => folder == Some(PACKAGE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every module of the package is written, and the file that starts it.
    #[tokio::test]
    async fn all_files_are_written() {
        let scratch = tempfile::tempdir().unwrap();
        let start = write_source(scratch.path()).await.unwrap();
        assert_eq!(write_source(scratch.path()).await.unwrap(), start);
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/python/runner");
        let mut names = BTreeSet::new();
        for entry in std::fs::read_dir(&source).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "py") {
                names.insert(path.file_name().unwrap().to_os_string());
            }
        }
        assert_eq!(names.len(), FILES.len());
        for name in names {
            let written = if name == START_FILE {
                start.clone()
            } else {
                start.with_file_name(PACKAGE).join(&name)
            };
            let (written, text) = (std::fs::read(written), std::fs::read(source.join(&name)));
            assert_eq!(written.unwrap(), text.unwrap(), "{}", name.display());
        }
    }

    /// Users' files are told from the runner's.
    #[test]
    fn own_files_are_known() {
        assert!(is_own_file("/tmp/partita-1/partita-runner/__main__.py"));
        assert!(is_own_file("/tmp/partita-1/partita-runner/_partita_runner/calls.py"));
        assert!(!is_own_file("/home/user/partita-runner/tasks.py"));
        assert!(!is_own_file("/home/user/__main__.py"));
        assert!(!is_own_file("__main__.py"));
    }
}
