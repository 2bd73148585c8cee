//! The lint of paths: each file or folder that a document names must exist.
//!
//! A name is what stands between single backticks and looks like a path. It may leave out the folders at its
//! beginning, as `exec/runner.rs` does within a section about the worker.

use crate::mirror::sources;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The documents whose paths are checked, below the root of the checkout.
const DOCUMENTS: [&str; 1] = ["ARCHITECTURE.md"];

/// Endings by which a name is taken for that of a file.
const EXTENSIONS: [&str; 8] = ["rs", "md", "mjs", "py", "sh", "css", "html", "toml"];

/// What begins and ends a block of code, in which nothing is a name.
const FENCE: &str = "```";

/// The files and the folders of a checkout, relative to its root.
#[derive(Default)]
struct Tree {
    files: BTreeSet<PathBuf>,
    folders: BTreeSet<PathBuf>,
}

impl Tree {
    fn add(&mut self, root: &Path, folder: &Path) -> Result<()> {
        for name in sources(&root.join(folder))? {
            let path = folder.join(name);
            if root.join(&path).is_dir() {
                self.add(root, &path)?;
                self.folders.insert(path);
            } else {
                self.files.insert(path);
            }
        }
        Ok(())
    }

    /// Whether a text is meant as a path.
    fn is_path(&self, text: &str) -> bool {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
        if !text.chars().all(is_plain) || text.starts_with(['/', '.']) {
            return false;
        }
        let extension = Path::new(text).extension().and_then(|extension| extension.to_str());
        let is_below = |(first, _): (&str, &str)| self.folders.contains(Path::new(first));
        text.ends_with('/')
            || extension.is_some_and(|extension| EXTENSIONS.contains(&extension))
            || text.split_once('/').is_some_and(is_below)
    }

    fn has(&self, name: &str) -> bool {
        let is_it = |path: &PathBuf| path.ends_with(name);
        self.folders.iter().any(is_it) || (!name.ends_with('/') && self.files.iter().any(is_it))
    }

    /// The paths that a text names and that do not exist, with their lines.
    fn missing<'t>(&self, text: &'t str) -> Vec<(usize, &'t str)> {
        let mut is_code = false;
        let mut missing = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            is_code ^= line.starts_with(FENCE);
            if !is_code {
                let names = line.split('`').skip(1).step_by(2);
                let names = names.filter(|name| self.is_path(name) && !self.has(name));
                missing.extend(names.map(|name| (number, name)));
            }
        }
        missing
    }
}

/// Searches the documents below `root`, and reports each path that does not exist on standard error.
///
/// # Errors
/// If there is one, or a file cannot be read.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut tree = Tree::default();
    tree.add(root, Path::new(""))?;
    let mut count = 0;
    for document in DOCUMENTS {
        let path = root.join(document);
        let text = fs::read_to_string(&path)
            .with_context(|| format!("cannot read '{}'", path.display()))?;
        for (line, name) in tree.missing(&text) {
            eprintln!("{document}:{line}: `{name}` does not exist");
            count += 1;
        }
    }
    if count > 0 {
        bail!("found {count} names of files that do not exist");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect();
        Tree {
            files: paths(&["worker/src/exec/task.rs", "README.md"]),
            folders: paths(&["worker", "worker/src", "worker/src/exec"]),
        }
    }

    /// Files and folders are found by whole names from the end of their paths, and nothing else is.
    #[test]
    fn missing_paths_are_found() {
        for (text, missing) in [
            ("`exec/task.rs`, `task.rs`, `worker/src/exec`, `exec/` and `README.md`", &[][..]),
            (
                "| where | `worker/src/place/memory.rs`, `exec/mod.rs` |",
                &["worker/src/place/memory.rs", "exec/mod.rs"],
            ),
            ("`place/` and `sk.rs`, `task.rs/`", &["place/", "sk.rs", "task.rs/"]),
            ("`worker/src/none`, not `other/src/none`", &["worker/src/none"]),
            ("`/api/v2`, `~/x.rs`, `'facts/'`, `a::b` and none.rs", &[]),
        ] {
            let found: Vec<_> = tree().missing(text).into_iter().map(|(_, name)| name).collect();
            assert_eq!(found, missing, "{text}");
        }
    }

    /// Blocks of code are not read; lines are counted from one.
    #[test]
    fn code_is_not_read() {
        let text = "one\n```rust\n`none.rs`\n```\n`none.rs`\n";
        assert_eq!(tree().missing(text), [(5, "none.rs")]);
    }
}
