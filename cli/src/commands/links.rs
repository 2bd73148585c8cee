//! `partita dashboard`: the link to the page, and the tunnel that leads to it.

use crate::args::Target;
use crate::cluster::find_all;
use anyhow::Result;
use partita_shared::access::{self, Access};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

/// Prints the link to the cluster that is meant; without one, to all that are running.
pub(crate) fn dashboard(target: &Target) -> Result<u8> {
    let found = find_all(target)?;
    for access in &found {
        match found.len() {
            1 => say_part!("{}", links(access)),
            _ => say!("{}\n{}", headed(access), links(access)),
        }
    }
    Ok(0)
}

/// A cluster in a list.
fn headed(access: &Access) -> String {
    let place = match &access.slurm_job {
        Some(job) => format!("on {}, Slurm job {job}", access.host),
        None => format!("on {}", access.host),
    };
    format!("{} ({place})", access.name)
}

/// The link and the tunnel.
pub(crate) fn links(access: &Access) -> String {
    let port = port(access);
    let token = access.page_token();
    format!("dashboard   http://localhost:{port}/#token={token}\n{}", tunnel(access))
}

/// The same for standard error, which may go to a file that others can read: then the token stays
/// out of it.
pub(crate) fn links_for_log(access: &Access) -> String {
    if is_private() {
        return links(access);
    }
    format!(
        "dashboard   http://localhost:{}/ (others may read this log, so the token is omitted; `partita dashboard` prints the full link)\n{}",
        port(access),
        tunnel(access)
    )
}

fn port(access: &Access) -> &str {
    access.address.rsplit_once(':').map_or("", |(_, port)| port)
}

fn tunnel(access: &Access) -> String {
    let (host, port) = access.address.rsplit_once(':').unwrap_or((access.address.as_str(), ""));
    let user = std::env::var("USER").unwrap_or_else(|_| "USER".to_string());
    // Slurm says where the job was submitted: that is the host that can be reached from outside.
    // On that host itself, it is this one.
    let login = std::env::var("SLURM_SUBMIT_HOST").ok().filter(|login| !login.is_empty());
    let is_local = matches!(host, "127.0.0.1" | "[::1]" | "localhost");
    // The address may be one that only the nodes reach.
    let end = if access.listens_everywhere { access.host.as_str() } else { host };
    let (through, end) = match login {
        Some(login) => (login, end),
        None if is_local => (access::host_name(), "localhost"),
        None => (access::host_name(), end),
    };
    format!("tunnel      ssh -N -L {port}:{end}:{port} {user}@{through}\n")
}

/// Whether only the user can read standard error: a terminal, a file that others cannot read, or a
/// pipe. Behind a pipe inside a Slurm job is the job's log, whose mode is not known here.
fn is_private() -> bool {
    let Ok(found) = std::fs::metadata("/proc/self/fd/2") else { return false };
    let kind = found.file_type();
    if kind.is_file() {
        return found.mode() & 0o077 == 0;
    }
    kind.is_char_device() || access::slurm_job().is_none()
}
