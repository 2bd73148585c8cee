//! From a name in a query to a place in the file system.

use std::path::{Component, Path, PathBuf};

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::{DdlStatement, LogicalPlan};
use url::Url;

use super::format::Kind;
use super::pattern::has_wildcard;
use super::remote::{Remote, StorageOptions};
use super::{FileProblem, cannot_read, plan_error};

/// What a name stands for.
#[derive(Debug, Clone)]
pub(super) struct Location {
    /// As it is written in the query.
    pub(super) name: String,
    /// Absolute, without `.` and `..`.
    pub(super) path: PathBuf,
    pub(super) place: Place,
    /// Where it is, if not in the file system.
    pub(super) remote: Option<Remote>,
}

/// What is at a [`Location`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    File,
    Folder,
    /// The path has wildcards; with `folders`, a slash at its end asks for folders only.
    Pattern {
        folders: bool,
    },
}

impl Location {
    /// Finds the file or folder that `name` refers to; `None` if it is not a path.
    pub(super) fn find(
        directory: &Path,
        name: &str,
        options: &StorageOptions,
        runtime: &RuntimeEnv,
    ) -> Result<Option<Self>> {
        if name.is_empty() {
            return Ok(None);
        }
        if let Some((remote, place)) = Remote::find(name, options, runtime)? {
            let (name, path) = (name.to_owned(), remote.path());
            return Ok(Some(Self { name, path, place, remote: Some(remote) }));
        }
        let path = absolute(directory, name)?;
        let location =
            |place| Some(Self { name: name.to_owned(), path: path.clone(), place, remote: None });
        let wants_folder = name.ends_with('/');
        match std::fs::metadata(&path) {
            Ok(found) if found.is_dir() => Ok(location(Place::Folder)),
            Ok(_) if wants_folder => Err(plan_error(format!(
                "'{name}' is a file, not a folder; remove the slash at its end"
            ))),
            Ok(found) if found.is_file() => Ok(location(Place::File)),
            Ok(_) => Err(plan_error(format!(
                "'{name}' ({}) is neither a file nor a folder",
                path.display()
            ))),
            // A word that happens to be an unreadable path is not an error.
            Err(_) if !is_path(name) => Ok(None),
            Err(err) if is_missing(&err) => {
                if has_wildcard(name) {
                    return Ok(location(Place::Pattern { folders: wants_folder }));
                }
                let text =
                    format!("no such file or folder: '{name}' (looked for {})", path.display());
                Err(FileProblem::error(err.kind(), text))
            }
            Err(err) => Err(cannot_read(&path, &err)),
        }
    }

    /// The address of the store that has it.
    pub(super) fn store(&self) -> ObjectStoreUrl {
        let remote = self.remote.as_ref().map(|remote| remote.url.clone());
        remote.unwrap_or_else(ObjectStoreUrl::local_filesystem)
    }

    /// Whether the name cannot be anything but a path.
    pub(super) fn is_explicit(&self) -> bool {
        self.place != Place::Folder || is_path(&self.name)
    }
}

/// Whether a name is meant as a path, whatever is there: it has a `/`, a wildcard or an extension of data.
#[must_use]
pub fn is_path(name: &str) -> bool {
    name.contains('/') || name == "~" || has_wildcard(name) || Kind::of(name).is_some()
}

/// Whether an error says that there is nothing of that name.
pub(super) fn is_missing(err: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(err.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// The absolute path that `name` means to a client in `directory`.
fn absolute(directory: &Path, name: &str) -> Result<PathBuf> {
    if is_file_address(name) {
        return from_address(name);
    }
    from_path(directory, name)
}

fn from_path(directory: &Path, name: &str) -> Result<PathBuf> {
    if name.contains('\0') {
        return Err(plan_error("a path cannot contain a zero byte"));
    }
    let home = if name == "~" { Some("") } else { name.strip_prefix("~/") };
    let path = match home {
        Some(rest) => {
            let home = std::env::home_dir().ok_or_else(|| {
                plan_error(format!(
                    "cannot resolve '{name}': the home directory is unknown; set the variable HOME"
                ))
            })?;
            home.join(rest.trim_start_matches('/'))
        }
        None => directory.join(name),
    };
    Ok(without_dots(&path))
}

fn from_address(name: &str) -> Result<PathBuf> {
    let bad = |why: &str| plan_error(format!("'{name}' is not a valid file:// URL: {why}"));
    let url = Url::parse(name).map_err(|err| bad(&err.to_string()))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("write '?' as %3F and '#' as %23"));
    }
    let path = url.to_file_path().map_err(|()| bad("it names another host"))?;
    Ok(without_dots(&path))
}

pub(super) fn is_address(name: &str) -> bool {
    name.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

pub(super) fn is_file_address(name: &str) -> bool {
    name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("file://"))
}

/// Resolves `.` and `..` without resolving other links: the path is shown to people and opened
/// on other machines, where an automounted home may be behind another link. Behind a link, `..`
/// is the parent of what it points to, as for the operating system.
fn without_dots(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                if out.is_symlink()
                    && let Ok(target) = out.canonicalize()
                {
                    out = target;
                }
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

/// Makes the places that a plan creates external tables over or copies to absolute, as a client
/// in `directory` means them.
///
/// A slash at the end, which tells a folder from a file, is kept. Addresses with a scheme are
/// left alone.
///
/// # Errors
/// If a path needs a home directory that is not known or is not valid UTF-8.
pub fn absolute_locations(plan: LogicalPlan, directory: &Path) -> Result<LogicalPlan> {
    plan.transform_down(|plan| match plan {
        LogicalPlan::Copy(mut copy) => {
            copy.output_url = absolute_text(directory, &copy.output_url)?;
            Ok(Transformed::yes(LogicalPlan::Copy(copy)))
        }
        LogicalPlan::Ddl(DdlStatement::CreateExternalTable(mut table)) => {
            for location in &mut table.locations {
                *location = absolute_text(directory, location)?;
            }
            Ok(Transformed::yes(LogicalPlan::Ddl(DdlStatement::CreateExternalTable(table))))
        }
        other => Ok(Transformed::no(other)),
    })
    .map(|transformed| transformed.data)
}

fn absolute_text(directory: &Path, location: &str) -> Result<String> {
    if location.is_empty() || is_address(location) {
        return Ok(location.to_owned());
    }
    let path = from_path(directory, location)?;
    let mut text = path.into_os_string().into_string().map_err(|path| {
        DataFusionError::Plan(format!("the path {} is not valid UTF-8", path.display()))
    })?;
    if location.ends_with('/') && !text.ends_with('/') {
        text.push('/');
    }
    Ok(text)
}
