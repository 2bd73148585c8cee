//! Which cluster is meant, when nobody names one.

use super::stale::{self, Stale, is_dead};
use super::{
    Access, AccessError, CA_VARIABLE, FILE_VARIABLE, SCHEDULER_VARIABLE, TOKEN_VARIABLE,
    check_folder, fingerprint_of, folder, host_name, is_plaintext, make_plaintext_token, own_user,
    parse_address, secret_of, slurm_job,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How old an access file must be before it is removed because nobody answers at its address.
const LEFT_AGE_MIN: Duration = Duration::from_secs(24 * 3600);
/// How long the journals, certificates and keys of Slurm jobs are kept.
const LEFTOVER_AGE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// The access files of the user's clusters whose scheduler is not known to be dead.
///
/// # Errors
/// If the folder of access files is not to be trusted.
pub fn list() -> Result<Vec<(PathBuf, Access)>, AccessError> {
    let mut found = list_all()?;
    found.retain(|(_, access)| !is_dead(access));
    Ok(found)
}

/// All access files of the user's clusters, by name.
fn list_all() -> Result<Vec<(PathBuf, Access)>, AccessError> {
    let folder = folder();
    check_folder(&folder)?;
    let mut found = read_all(&folder, "");
    // A node that does not see the home has a copy.
    if slurm_job().is_some() {
        found.extend(read_all(&local_folder(), &local_prefix()));
    }
    found.sort_by(|a, b| a.1.name.cmp(&b.1.name));
    found.dedup_by(|a, b| a.1 == b.1);
    Ok(found)
}

/// The user's clusters: inside a Slurm job, that job's.
#[derive(Debug, Default)]
pub struct Survey {
    /// Those that answer.
    pub running: Vec<(PathBuf, Access)>,
    /// Those that do not, and so are not meant.
    pub stale: Vec<Stale>,
}

/// Asks all clusters that have an access file whether they answer. The files of those whose owner is known to be
/// gone are removed.
///
/// # Errors
/// If the folder of access files is not to be trusted, or the clusters are all of other Slurm jobs.
pub fn survey() -> Result<Survey, AccessError> {
    let mut survey = ask_all()?;
    stale::remove_files(&mut survey.stale);
    Ok(survey)
}

fn ask_all() -> Result<Survey, AccessError> {
    let mut found = list_all()?;
    if let Some(job) = slurm_job() {
        let (own, mut others): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|(_, access)| access.slurm_job.as_ref() == Some(&job));
        others.retain(|(_, access)| !is_dead(access));
        if own.is_empty() && !others.is_empty() {
            return Err(AccessError::OfOtherJobs { job, names: names(others) });
        }
        found = own;
    }
    Ok(stale::ask(found))
}

fn names(found: Vec<(PathBuf, Access)>) -> Vec<String> {
    found.into_iter().map(|(_, access)| access.name).collect()
}

/// The access files in a folder whose names begin so.
fn read_all(folder: &Path, prefix: &str) -> Vec<(PathBuf, Access)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .filter_map(|path| Access::read(&path).ok().map(|access| (path, access)))
        .collect()
}

/// The node's own folder for copies of access files.
fn local_folder() -> PathBuf {
    let named = std::env::var_os("SLURM_TMPDIR").filter(|folder| !folder.is_empty());
    named.map_or_else(|| PathBuf::from("/tmp"), PathBuf::from)
}

fn local_prefix() -> String {
    format!("partita-{}-slurm-", own_user().map_or("unknown".to_string(), |id| id.to_string()))
}

/// The path of an access file's copy on a node of a Slurm job: in `$SLURM_TMPDIR`, else in `/tmp`.
/// `name` is the cluster's and begins with `slurm-`. A home on a network file system may be
/// missing, and nodes cache for half a minute that a file does not exist.
pub fn local_path(name: &str) -> PathBuf {
    let name = name.strip_prefix("slurm-").unwrap_or(name);
    local_folder().join(format!("{}{name}.json", local_prefix()))
}

/// Removes what schedulers left that were killed: access files older than `LEFT_AGE_MIN` that nobody
/// answers for, and journals, certificates and keys of Slurm jobs older than `LEFTOVER_AGE_MAX`.
pub fn sweep() {
    let age = |path: &Path| {
        let modified = path.metadata().and_then(|found| found.modified()).ok()?;
        std::time::SystemTime::now().duration_since(modified).ok()
    };
    for (path, access) in read_all(&folder(), "") {
        let old = age(&path).is_some_and(|age| age > LEFT_AGE_MIN);
        if is_dead(&access) || (old && stale::cause(&access).is_some()) {
            access.remove(&path);
        }
    }
    for entry in std::fs::read_dir(folder()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_left = [".journal", ".identity", ".pem"].iter().any(|ending| name.contains(ending));
        if name.starts_with("slurm-")
            && is_left
            && age(&entry.path()).is_some_and(|age| age > LEFTOVER_AGE_MAX)
        {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// A cluster that was found, and others that were passed over.
#[derive(Debug)]
pub struct Found {
    /// The cluster that is meant.
    pub access: Access,
    /// Clusters that have an access file and do not answer.
    pub stale: Vec<Stale>,
}

/// What arguments say about the connection to a cluster.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// The file with the authorities that vouch for the scheduler's certificate, before that of the environment and of
    /// the access file.
    pub tls_ca_file: Option<PathBuf>,
    /// Whether the cluster must be one that does not encrypt: then its token may be only the secret.
    pub plaintext: bool,
}

impl Hints {
    /// The file with the authorities that the arguments or the environment name.
    fn authority(&self) -> Option<PathBuf> {
        let named = || std::env::var_os(CA_VARIABLE).filter(|path| !path.is_empty());
        self.tls_ca_file.clone().or_else(|| named().map(PathBuf::from))
    }

    /// A cluster that was found, as the arguments say.
    fn apply(&self, mut access: Access) -> Result<Access, AccessError> {
        let is_pinned = fingerprint_of(&access.token).is_some();
        if self.plaintext {
            if is_pinned {
                return Err(AccessError::NotPlaintext);
            }
            access.token = make_plaintext_token(secret_of(&access.token));
        }
        access.tls_ca_file = self.authority().or(access.tls_ca_file);
        if !is_pinned && !is_plaintext(&access.token) && access.tls_ca_file.is_none() {
            return Err(AccessError::NoFingerprint);
        }
        Ok(access)
    }
}

/// Finds the cluster that is meant: by the address given, by the file given, by the environment,
/// or as the only one in the folder of access files; inside a Slurm job, the only one of that job.
/// One that is not named counts only if it answers. This removes no file: whoever waits for a cluster calls it
/// again and again.
///
/// # Errors
/// If none is there, several are, or the token is missing.
pub fn find(address: Option<&str>, file: Option<&Path>) -> Result<Access, AccessError> {
    find_with(address, file, &Hints::default())
}

/// Like [`find`], with what arguments say about the connection.
///
/// # Errors
/// As [`find`], and if the cluster is not as the arguments say.
pub fn find_with(
    address: Option<&str>,
    file: Option<&Path>,
    hints: &Hints,
) -> Result<Access, AccessError> {
    hints.apply(match find_named(address, file)? {
        Some(access) => access,
        None => the_only_one(ask_all()?)?.access,
    })
}

/// Like [`find_with`], for a command: it tells which clusters do not answer, and removes the access files of those whose
/// owner is known to be gone.
///
/// # Errors
/// As [`find_with`].
pub fn search(
    address: Option<&str>,
    file: Option<&Path>,
    hints: &Hints,
) -> Result<Found, AccessError> {
    let Found { access, stale } = match find_named(address, file)? {
        Some(access) => Found { access, stale: Vec::new() },
        None => the_only_one(survey()?)?,
    };
    Ok(Found { access: hints.apply(access)?, stale })
}

/// The only cluster there is to be meant.
fn the_only_one(survey: Survey) -> Result<Found, AccessError> {
    let Survey { mut running, stale } = survey;
    match running.len() {
        0 => Err(AccessError::NoCluster { stale }),
        1 => Ok(Found { access: running.remove(0).1, stale }),
        _ => Err(AccessError::Several { names: names(running) }),
    }
}

/// The cluster that the arguments or the environment name, if they name one.
fn find_named(address: Option<&str>, file: Option<&Path>) -> Result<Option<Access>, AccessError> {
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
        let Some(file) = file else { return Ok(None) };
        let access = Access::read(&file)?;
        if is_dead(&access) {
            let Access { address, pid, host, .. } = access;
            return Err(AccessError::Ended { address, pid, host });
        }
        return Ok(Some(access));
    };
    let (token, tls_ca_file) = match file {
        Some(file) => Access::read(&file).map(|access| shown(&access))?,
        None => match environment(TOKEN_VARIABLE) {
            Some(token) => (token, None),
            None => token_for(&address)?
                .ok_or_else(|| AccessError::NoToken { address: address.clone() })?,
        },
    };
    Ok(Some(Access {
        name: String::new(),
        address,
        token,
        version: String::new(),
        pid: 0,
        host: String::new(),
        slurm_job: None,
        slurm_cluster: None,
        listens_everywhere: false,
        tls_ca_file,
    }))
}

/// A token, and the file with the authorities that vouch for its scheduler.
type Shown = (String, Option<PathBuf>);

fn shown(access: &Access) -> Shown {
    (access.token.clone(), access.tls_ca_file.clone())
}

/// Whether the environment names the token, so that no access file is searched for it.
pub fn is_token_given() -> bool {
    std::env::var_os(TOKEN_VARIABLE).is_some_and(|token| !token.is_empty())
}

/// The token of the access file whose scheduler has this address, or this port on one of the
/// names of the same host: job scripts write `$(hostname)` where the scheduler wrote an address.
/// Schedulers that were killed on other hosts have left files; a later one at the same address has
/// the right token.
fn token_for(address: &str) -> Result<Option<Shown>, AccessError> {
    let mut found = list()?;
    let job = slurm_job();
    let written = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
    found.sort_by_cached_key(|(path, access)| {
        let is_own = job.is_some() && access.slurm_job == job;
        std::cmp::Reverse((is_own, written(path)))
    });
    let same = found.iter().find(|(_, access)| access.address == address);
    let token = same.map(|(_, access)| shown(access));
    Ok(token.or_else(|| token_by_port(address, &found)))
}

fn token_by_port(address: &str, found: &[(PathBuf, Access)]) -> Option<Shown> {
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
    let is_same = |other: &(PathBuf, Access)| other.1.address == first.1.address;
    candidates.all(is_same).then(|| shown(&first.1))
}
