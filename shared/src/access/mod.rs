//! The access file: where a cluster is and the token that opens it.
//!
//! A scheduler writes `~/.partita/<name>.json`, readable only by its owner, and removes it at its
//! end. On a cluster with a shared home, workers and clients need no other argument.

mod find;
mod private;
mod stale;

pub use find::{
    Found, Hints, Survey, find, find_with, is_token_given, list, local_path, search, survey, sweep,
};
pub use private::{read_private, write_private, write_public};
pub use stale::Stale;

use crate::endpoint::{Endpoint, Fingerprint};
use ring::hmac;
use serde::{Deserialize, Serialize};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The environment variable that names the scheduler: `tcp://host:port` or `host:port`.
pub const SCHEDULER_VARIABLE: &str = "PARTITA_SCHEDULER";
/// The environment variable that holds the token.
pub const TOKEN_VARIABLE: &str = "PARTITA_TOKEN";
/// The environment variable that names the access file.
pub const FILE_VARIABLE: &str = "PARTITA_SCHEDULER_FILE";
/// The environment variable that names a file with the certificates of authorities, by which the scheduler is recognized.
pub const CA_VARIABLE: &str = "PARTITA_TLS_CA_FILE";
/// The environment variable that names the folder of access files, instead of `~/.partita`.
pub const FOLDER_VARIABLE: &str = "PARTITA_HOME";

/// What stands between the secret and the fingerprint in a token.
const TOKEN_SEPARATOR: char = '.';
/// What stands in the place of the fingerprint in the token of a cluster that does not encrypt.
const PLAINTEXT_MARK: &str = "plaintext";
/// From what the page's token is derived, with the cluster's token as the key.
const PAGE_TOKEN_INPUT: &[u8] = b"partita page token";

/// What the access file holds.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The cluster's name.
    pub name: String,
    /// `host:port` of the scheduler.
    pub address: String,
    /// The token that every request needs: a secret, and the fingerprint of the scheduler's certificate; `plaintext` in
    /// the place of that if the cluster does not encrypt.
    pub token: String,
    /// The scheduler's version.
    pub version: String,
    /// The scheduler's process id, on its host.
    pub pid: u32,
    /// The scheduler's host.
    pub host: String,
    /// The Slurm job that the scheduler runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slurm_job: Option<String>,
    /// The name of the Slurm cluster of that job: a home may be shared by several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slurm_cluster: Option<String>,
    /// Whether the scheduler listens on all addresses of its host, and so under its name too.
    #[serde(default)]
    pub listens_everywhere: bool,
    /// The file with the authorities that vouch for the scheduler's certificate, in PEM. Without one, the scheduler is
    /// recognized by the fingerprint in the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_ca_file: Option<PathBuf>,
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
    #[error("cannot use access file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("{} is not a Partita access file: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Others can read it.
    #[error("access file {} is readable by other users (mode {mode:o}), so its token is not secret; remove it and restart the scheduler", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The token does not say how the scheduler is recognized.
    #[error(
        "invalid token in {TOKEN_VARIABLE}: expected SECRET.FINGERPRINT with the fingerprint of the scheduler's certificate, or SECRET.plaintext for a cluster with --plaintext; copy the whole token from the access file or from `partita access`"
    )]
    NoFingerprint,
    /// A cluster without encryption is wanted, and the token is that of another one.
    #[error(
        "cannot connect with --plaintext: the cluster's token contains the fingerprint of a certificate, so the cluster uses TLS; omit --plaintext, or start the scheduler with it"
    )]
    NotPlaintext,
    /// There is a scheduler's address, but no token for it.
    #[error(
        "no token for the scheduler at {address}; set {TOKEN_VARIABLE}, or pass its access file with --scheduler-file"
    )]
    NoToken {
        /// The address.
        address: String,
    },
    /// No cluster is named anywhere.
    #[error(
        "no cluster found{}; start one with `partita scheduler`, or choose one with --scheduler-file or with {SCHEDULER_VARIABLE} and {TOKEN_VARIABLE}",
        stale::in_parentheses(stale)
    )]
    NoCluster {
        /// Clusters that have an access file and do not answer.
        stale: Vec<Stale>,
    },
    /// The cluster that was named is known to have ended.
    #[error(
        "cannot reach the scheduler at {address}: its process {pid} on {host} has ended; start another with `partita scheduler`"
    )]
    Ended {
        /// Its address.
        address: String,
        /// Its process.
        pid: u32,
        /// Its host.
        host: String,
    },
    /// Several clusters are running.
    #[error("several clusters are running ({}); choose one with --cluster NAME", names.join(", "))]
    Several {
        /// Their names.
        names: Vec<String>,
    },
    /// Inside a Slurm job, only that job's clusters are taken without being named: else two jobs
    /// of one user could meet.
    #[error(
        "Slurm job {job} has no cluster; start one in the job, or choose a cluster of another job ({}) with --cluster NAME", names.join(", ")
    )]
    OfOtherJobs {
        /// This job.
        job: String,
        /// The names of those that run elsewhere.
        names: Vec<String>,
    },
    /// Someone else wrote the file.
    #[error("cannot trust access file {}: it belongs to another user", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Others can put files into the folder of access files.
    #[error("folder {} is writable by other users (mode {mode:o}), who could place access files there; run `chmod 700 {}`", path.display(), path.display())]
    ExposedFolder {
        /// The folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The folder of access files is someone else's.
    #[error("cannot trust folder {}: it belongs to another user; choose another folder with {FOLDER_VARIABLE}", path.display())]
    ForeignFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The address is invalid.
    #[error("invalid address `{0}`: expected host:port or tcp://host:port")]
    Address(String),
    /// The name cannot be a file's name.
    #[error("invalid cluster name `{0}`: use letters, digits, `.`, `_` and `-`")]
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

/// Refuses the folder of access files if others can write to it or it belongs to another user: whoever can put an
/// access file there can have this user's queries sent to a scheduler of theirs.
///
/// # Errors
/// If the folder exists and is not to be trusted.
fn check_folder(path: &Path) -> Result<(), AccessError> {
    let Ok(found) = std::fs::metadata(path) else { return Ok(()) };
    if Some(found.uid()) != own_user() {
        return Err(AccessError::ForeignFolder { path: path.to_path_buf() });
    }
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o022 != 0 {
        return Err(AccessError::ExposedFolder { path: path.to_path_buf(), mode });
    }
    Ok(())
}

/// The folder of access files, made if it does not exist.
///
/// # Errors
/// If it cannot be made, or is not to be trusted.
pub fn make_folder() -> Result<PathBuf, AccessError> {
    let folder = folder();
    make(&folder).map_err(|source| AccessError::File { path: folder.clone(), source })?;
    check_folder(&folder)?;
    Ok(folder)
}

/// Makes a folder that only the user can access.
fn make(folder: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Checks the folder of a file, if that is the folder of access files: another may be shared.
fn check_folder_of(file: &Path) -> Result<(), AccessError> {
    let folder = folder();
    if file.parent() == Some(&folder) { check_folder(&folder) } else { Ok(()) }
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

/// The fingerprint that a token ends with: of the certificate of the scheduler that made it.
pub fn fingerprint_of(token: &str) -> Option<Fingerprint> {
    token.rsplit_once(TOKEN_SEPARATOR)?.1.parse().ok()
}

/// The secret of a token, without what says how the scheduler is recognized.
pub fn secret_of(token: &str) -> &str {
    match fingerprint_of(token).is_some() || is_plaintext(token) {
        true => token.rsplit_once(TOKEN_SEPARATOR).map_or(token, |(secret, _)| secret),
        false => token,
    }
}

/// Whether the token is that of a cluster that does not encrypt. It is never sent.
pub fn is_plaintext(token: &str) -> bool {
    token.rsplit_once(TOKEN_SEPARATOR).is_some_and(|(_, mark)| mark == PLAINTEXT_MARK)
}

/// What a request says to show the token; none if it must not be sent.
pub fn authorization(token: &str) -> Option<String> {
    (!is_plaintext(token)).then(|| format!("Bearer {token}"))
}

/// The token of a scheduler with this secret and certificate.
pub fn make_token(secret: &str, fingerprint: Fingerprint) -> String {
    format!("{secret}{TOKEN_SEPARATOR}{fingerprint}")
}

/// The token of a scheduler with this secret that does not encrypt.
pub fn make_plaintext_token(secret: &str) -> String {
    format!("{secret}{TOKEN_SEPARATOR}{PLAINTEXT_MARK}")
}

/// The token that opens the page, and nothing else. Whoever has the cluster's token can derive it; nobody can find out
/// the cluster's token from it. It depends only on the secret: a certificate may be renewed.
pub fn page_token(token: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret_of(token).as_bytes());
    let tag = hmac::sign(&key, PAGE_TOKEN_INPUT);
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Access {
    /// Where the scheduler listens, and how it is recognized.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::new(self.address.clone(), fingerprint_of(&self.token))
    }

    /// The token that opens the page.
    pub fn page_token(&self) -> String {
        page_token(&self.token)
    }

    /// The access to something that this process serves.
    pub fn to_this_process(name: String, address: String, token: String) -> Self {
        Access {
            name,
            address,
            token,
            version: crate::VERSION.to_string(),
            pid: std::process::id(),
            host: host_name(),
            slurm_job: slurm_job(),
            slurm_cluster: std::env::var("SLURM_CLUSTER_NAME").ok().filter(|name| !name.is_empty()),
            listens_everywhere: false,
            tls_ca_file: None,
        }
    }

    /// Writes the file so that it is never seen half written, nor by others.
    ///
    /// # Errors
    /// If the folder or the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), AccessError> {
        let text = serde_json::to_vec_pretty(self)
            .map_err(|source| AccessError::Content { path: path.to_path_buf(), source })?;
        write_private(path, &text)
    }

    /// Reads an access file, and refuses one that others can read or have written.
    ///
    /// # Errors
    /// If it is not there, is something else, is readable by others or someone else's.
    pub fn read(path: &Path) -> Result<Access, AccessError> {
        serde_json::from_slice(&read_private(path)?)
            .map_err(|source| AccessError::Content { path: path.to_path_buf(), source })
    }

    /// Removes the file if it is still this scheduler's.
    pub fn remove(&self, path: &Path) {
        if Access::read(path).is_ok_and(|found| found == *self) {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The Slurm job around this process.
pub fn slurm_job() -> Option<String> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    variable("SLURM_JOB_ID").or_else(|| variable("SLURM_JOBID"))
}

/// The user that this process acts as.
pub fn own_user() -> Option<u32> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    // The real one, the effective one, ...
    ids.split_whitespace().nth(1)?.parse().ok()
}

/// This host's name.
pub fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_string())
        .unwrap_or_else(|_| "localhost".to_string())
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
            slurm_job: None,
            slurm_cluster: None,
            listens_everywhere: false,
            tls_ca_file: None,
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

    /// A folder of access files that others can write to is refused, with the remedy.
    #[test]
    fn a_folder_of_others_is_refused() {
        let folder = std::env::temp_dir().join(format!("partita-folder-{}", std::process::id()));
        assert!(check_folder(&folder).is_ok());
        std::fs::create_dir(&folder).expect("made");
        for (mode, fine) in [(0o700, true), (0o755, true), (0o775, false), (0o707, false)] {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&folder, permissions).expect("chmod");
            let checked = check_folder(&folder);
            assert_eq!(checked.is_ok(), fine, "{mode:o}");
            if let Err(error) = checked {
                assert!(error.to_string().contains("chmod 700"), "{error}");
            }
        }
        std::fs::remove_dir_all(&folder).expect("removed");
        if own_user() != Some(0) {
            assert!(matches!(check_folder(Path::new("/")), Err(AccessError::ForeignFolder { .. })));
        }
    }

    /// The token never reaches a log through `Debug`.
    #[test]
    fn the_token_is_not_shown() {
        assert!(!format!("{:?}", access()).contains("secret"));
    }

    /// A token has a secret and a fingerprint. The page's token is another text for each token, and not a part of it.
    #[test]
    fn tokens_have_a_fingerprint() {
        let fingerprint: Fingerprint = "ab".repeat(32).parse().expect("a fingerprint");
        let token = make_token("a.b", fingerprint);
        assert_eq!((secret_of(&token), fingerprint_of(&token)), ("a.b", Some(fingerprint)));
        for other in ["a.b", "secret", &token[..token.len() - 1]] {
            assert_eq!((secret_of(other), fingerprint_of(other)), (other, None));
        }
        let page = page_token(&token);
        assert_eq!(page.len(), 64);
        assert!(!page.contains("a.b") && page == page_token("a.b") && page != page_token("a.c"));
        let plaintext = make_plaintext_token("a.b");
        assert_eq!((secret_of(&plaintext), fingerprint_of(&plaintext)), ("a.b", None));
        assert!(is_plaintext(&plaintext) && !is_plaintext(&token) && !is_plaintext("a.b"));
        assert_eq!(authorization(&plaintext), None);
        assert_eq!(authorization("a.b").as_deref(), Some("Bearer a.b"));
    }

    /// The page's token is HMAC-SHA256 of the constant under the token, as other clients derive it.
    #[test]
    fn the_page_token_is_an_hmac() {
        let expected = "5ac037966da76105b8d9ce7688c6995c7ccc6b2a2081e3a395bb7c587390b86a";
        assert_eq!(page_token("secret"), expected);
    }

    /// Accepts addresses as Dask's users write them, and refuses anything else.
    #[test]
    fn addresses_are_read() {
        assert_eq!(parse_address("tcp://n1:8786").expect("fine"), "n1:8786");
        assert_eq!(parse_address("[::1]:1").expect("fine"), "[::1]:1");
        for bad in ["n1", "n1:", ":8786", "n1:99999", "http://n1:1", "::1:80", ""] {
            assert!(parse_address(bad).is_err(), "{bad}");
        }
    }
}
