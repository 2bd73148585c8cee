//! The access file: where a cluster is and the token that opens it.
//!
//! A scheduler writes `~/.partita/<name>.json`, readable by its owner alone, and removes it at its
//! end. On a cluster with a shared home, workers and clients need no other argument.

use serde::{Deserialize, Serialize};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The environment variable that names the scheduler: `tcp://host:port` or `host:port`.
pub const SCHEDULER_VARIABLE: &str = "PARTITA_SCHEDULER";
/// The environment variable that holds the token.
pub const TOKEN_VARIABLE: &str = "PARTITA_TOKEN";
/// The environment variable that names the access file.
pub const FILE_VARIABLE: &str = "PARTITA_SCHEDULER_FILE";
/// The environment variable that names the folder of access files, instead of `~/.partita`.
pub const FOLDER_VARIABLE: &str = "PARTITA_HOME";

/// What the access file holds.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The cluster's name.
    pub name: String,
    /// `host:port` of the scheduler.
    pub address: String,
    /// The token that every request needs.
    pub token: String,
    /// The scheduler's version.
    pub version: String,
    /// The scheduler's process id, on its host.
    pub pid: u32,
    /// The scheduler's host.
    pub host: String,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the token: what is printed ends up in logs.
        f.debug_struct("Access").field("name", &self.name).field("address", &self.address).finish()
    }
}

/// Why a cluster was not found or an access file not written.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The file could not be read or written.
    #[error("access file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("access file {} is not one of Partita's: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Others can read it.
    #[error("access file {} can be read by others (mode {mode:o}): its token is no secret; remove it and start the scheduler again", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// There is a scheduler's address, but no token for it.
    #[error(
        "no token for the scheduler at {address}: set {TOKEN_VARIABLE}, or name its access file with --scheduler-file"
    )]
    NoToken {
        /// The address.
        address: String,
    },
    /// No cluster is named anywhere.
    #[error(
        "no cluster was found: start one with `partita scheduler`, or name one with --scheduler-file or {SCHEDULER_VARIABLE} and {TOKEN_VARIABLE}"
    )]
    NoCluster,
    /// Several clusters are running.
    #[error("several clusters are running ({}): choose one with --scheduler-file", names.join(", "))]
    Several {
        /// Their names.
        names: Vec<String>,
    },
    /// The address is no address.
    #[error("`{0}` is not an address: write host:port or tcp://host:port")]
    Address(String),
    /// The name cannot be a file's name.
    #[error("`{0}` cannot be a cluster's name: use letters, digits, `.`, `_` and `-`")]
    Name(String),
}

/// Takes `tcp://host:port` or `host:port` and returns `host:port`.
///
/// # Errors
/// If it is neither.
pub fn parse_address(text: &str) -> Result<String, AccessError> {
    let error = || AccessError::Address(text.to_string());
    let rest = text.trim().strip_prefix("tcp://").unwrap_or(text.trim());
    let (host, port) = rest.rsplit_once(':').ok_or_else(error)?;
    let open_v6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
    if host.is_empty() || open_v6 || host.contains(['/', '@', ' ']) || port.parse::<u16>().is_err()
    {
        return Err(error());
    }
    Ok(rest.to_string())
}

/// The folder of access files: `$PARTITA_HOME`, else `~/.partita`.
pub fn folder() -> PathBuf {
    match std::env::var_os(FOLDER_VARIABLE) {
        Some(folder) => PathBuf::from(folder),
        None => {
            PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/".into())).join(".partita")
        }
    }
}

/// The access file of the cluster of that name.
///
/// # Errors
/// If the name cannot be a file's name.
pub fn default_path(name: &str) -> Result<PathBuf, AccessError> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(fine) {
        return Err(AccessError::Name(name.to_string()));
    }
    Ok(folder().join(format!("{name}.json")))
}

impl Access {
    /// The access to something that this process serves.
    pub fn to_this_process(name: String, address: String, token: String) -> Self {
        Access {
            name,
            address,
            token,
            version: crate::VERSION.to_string(),
            pid: std::process::id(),
            host: host_name(),
        }
    }

    /// Writes the file so that it is never seen half written, nor by others: it is created with
    /// mode 0600 under another name and then takes its own.
    ///
    /// # Errors
    /// If the folder or the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), AccessError> {
        let error = |source| AccessError::File { path: path.to_path_buf(), source };
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(error)?;
        }
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".{}", std::process::id()));
        let draft = path.with_file_name(name);
        let _ = std::fs::remove_file(&draft);
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)
            .map_err(error)?;
        let text = serde_json::to_vec_pretty(self)
            .map_err(|source| AccessError::Content { path: path.to_path_buf(), source })?;
        file.write_all(&text).and_then(|()| file.write_all(b"\n")).map_err(error)?;
        std::fs::rename(&draft, path).map_err(error)
    }

    /// Reads an access file, and refuses one that others can read.
    ///
    /// # Errors
    /// If it is not there, is something else, or is readable by others.
    pub fn read(path: &Path) -> Result<Access, AccessError> {
        let error = |source| AccessError::File { path: path.to_path_buf(), source };
        let mode = std::fs::metadata(path).map_err(error)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(AccessError::Exposed { path: path.to_path_buf(), mode });
        }
        let text = std::fs::read(path).map_err(error)?;
        serde_json::from_slice(&text)
            .map_err(|source| AccessError::Content { path: path.to_path_buf(), source })
    }

    /// Removes the file if it is still this scheduler's.
    pub fn remove(&self, path: &Path) {
        if Access::read(path).is_ok_and(|found| found == *self) {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The access files of the user's clusters whose scheduler is not known to be dead.
pub fn list() -> Vec<(PathBuf, Access)> {
    let Ok(entries) = std::fs::read_dir(folder()) else { return Vec::new() };
    let mut found: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .filter_map(|path| Access::read(&path).ok().map(|access| (path, access)))
        .filter(|(_, access)| !is_dead(access))
        .collect();
    found.sort_by(|a, b| a.1.name.cmp(&b.1.name));
    found
}

/// Whether the scheduler surely is gone: it ran on this host and its process is not there.
fn is_dead(access: &Access) -> bool {
    access.host == host_name() && !Path::new(&format!("/proc/{}", access.pid)).exists()
}

/// This host's name.
pub fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_string())
        .unwrap_or_else(|_| "localhost".to_string())
}

/// Finds the cluster that is meant: by the address given, by the file given, by the environment,
/// or as the only one in the folder of access files.
///
/// # Errors
/// If none is there, several are, or the token is missing.
pub fn find(address: Option<&str>, file: Option<&Path>) -> Result<Access, AccessError> {
    let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let address = match address {
        Some(given) => Some(parse_address(given)?),
        None if file.is_some() => None,
        None => environment(SCHEDULER_VARIABLE).map(|given| parse_address(&given)).transpose()?,
    };
    let file = match (file, &address) {
        (Some(file), _) => Some(file.to_path_buf()),
        (None, None) => environment(FILE_VARIABLE).map(PathBuf::from),
        (None, Some(_)) => None,
    };
    let Some(address) = address else {
        if let Some(file) = file {
            return Access::read(&file);
        }
        let mut found = list();
        return match found.len() {
            0 => Err(AccessError::NoCluster),
            1 => Ok(found.remove(0).1),
            _ => Err(AccessError::Several {
                names: found.into_iter().map(|(_, a)| a.name).collect(),
            }),
        };
    };
    let token = match file {
        Some(file) => Some(Access::read(&file)?.token),
        None => environment(TOKEN_VARIABLE).or_else(|| token_for(&address)),
    };
    match token {
        Some(token) => Ok(Access {
            name: String::new(),
            address,
            token,
            version: String::new(),
            pid: 0,
            host: String::new(),
        }),
        None => Err(AccessError::NoToken { address }),
    }
}

/// The token of the access file whose scheduler has this address, or this port on one of the
/// names of the same host: job scripts write `$(hostname)` where the scheduler wrote an address.
fn token_for(address: &str) -> Option<String> {
    let found = list();
    if let Some((_, access)) = found.iter().find(|(_, access)| access.address == address) {
        return Some(access.token.clone());
    }
    let (host, port) = address.rsplit_once(':')?;
    let short = |name: &str| name.split('.').next().unwrap_or(name).to_string();
    let local = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    let same_port = |access: &&(PathBuf, Access)| {
        access.1.address.rsplit_once(':').is_some_and(|(_, p)| p == port)
    };
    let mut candidates = found.iter().filter(same_port).filter(|(_, access)| {
        (local && access.host == host_name()) || short(&access.host) == short(host)
    });
    let first = candidates.next()?;
    candidates.next().is_none().then(|| first.1.token.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access {
            name: "test".into(),
            address: "127.0.0.1:8786".into(),
            token: "secret".into(),
            version: "0.1.0".into(),
            pid: 1,
            host: "h".into(),
        }
    }

    /// The file is its owner's alone from the first moment, and one that is not is refused.
    #[test]
    fn the_file_is_private() {
        let folder = std::env::temp_dir().join(format!("partita-access-{}", std::process::id()));
        let path = folder.join("a.json");
        access().write(&path).expect("written");
        let mode = std::fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        assert_eq!(Access::read(&path).expect("read"), access());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("chmod");
        assert!(matches!(Access::read(&path), Err(AccessError::Exposed { mode: 0o644, .. })));
        std::fs::remove_dir_all(&folder).expect("removed");
    }

    /// The token never reaches a log through `Debug`.
    #[test]
    fn the_token_is_not_shown() {
        assert!(!format!("{:?}", access()).contains("secret"));
    }

    /// Addresses as Dask's users write them, and nothing that is none.
    #[test]
    fn addresses_are_read() {
        assert_eq!(parse_address("tcp://n1:8786").expect("fine"), "n1:8786");
        assert_eq!(parse_address("[::1]:1").expect("fine"), "[::1]:1");
        for bad in ["n1", "n1:", ":8786", "n1:99999", "http://n1:1", "::1:80", ""] {
            assert!(parse_address(bad).is_err(), "{bad}");
        }
    }
}
