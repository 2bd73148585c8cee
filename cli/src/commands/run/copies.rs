//! Copies of the access file on all nodes of a Slurm job.
//!
//! Where the home is shared, they are sooner there than a network file system shows a new file.
//! Where it is not, they are the only way. `sbcast` brings them, as the user, through Slurm's own
//! authentication.

use partita_shared::access::{self, Access};
use partita_worker::environment::slurm::SlurmJob;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};
use tokio::process::Command;

/// How long `sbcast` may take.
const SBCAST_TIMEOUT: Duration = Duration::from_secs(30);
/// A copy is of no use to anyone any more when it is this old: its step has long begun.
const COPY_AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Where a cluster's access file goes: in the home, or in the node's own folder where there is no
/// home that can be written to.
pub(super) fn file_for(name: &str) -> anyhow::Result<PathBuf> {
    let home = access::default_path(name)?;
    let parent = home.parent().unwrap_or(Path::new("/"));
    let made = std::fs::DirBuilder::new();
    let writable = {
        use std::os::unix::fs::DirBuilderExt;
        let mut made = made;
        made.recursive(true).mode(0o700).create(parent).is_ok()
            && tempfile::tempfile_in(parent).is_ok()
    };
    if writable {
        return Ok(home);
    }
    // Not the path of the copy: source and destination must be different files.
    Ok(access::local_path(name).with_extension("lead.json"))
}

/// Brings copies to all nodes, if there are others than this one.
pub(super) async fn spread(file: PathBuf, access: Access, job: &SlurmJob) {
    remove_old(&access.name);
    if partita_worker::environment::hostlist::expand(&job.nodes).len() < 2 {
        return;
    }
    let to = access::local_path(&access.name);
    let mut command = Command::new("sbcast");
    command.arg("--force").arg(&file).arg(&to);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let problem = match tokio::time::timeout(SBCAST_TIMEOUT, command.output()).await {
        Ok(Ok(output)) if output.status.success() => return,
        Ok(Ok(output)) => String::from_utf8_lossy(&output.stderr).trim().to_string(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("timed out after {} s", SBCAST_TIMEOUT.as_secs()),
    };
    // Harmless where the home is shared. Where it is not, the tasks that did not come are named.
    tracing::info!(cause = problem, "sbcast did not copy the access file to the nodes of the job");
}

/// Removes this node's copy.
pub(super) fn remove(name: &str) {
    let _ = std::fs::remove_file(access::local_path(name));
}

/// Removes copies that steps which were killed left on this node.
fn remove_old(name: &str) {
    let own = access::local_path(name);
    let Some(folder) = own.parent() else { return };
    let user = access::own_user();
    let prefix = format!("partita-{}-slurm-", user.map_or(String::new(), |id| id.to_string()));
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_copy = entry.file_name().to_string_lossy().starts_with(&prefix);
        let age = entry.metadata().and_then(|found| found.modified()).ok();
        let age = age.and_then(|at| SystemTime::now().duration_since(at).ok());
        if is_copy && entry.path() != own && age.is_some_and(|age| age > COPY_AGE_MAX) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
