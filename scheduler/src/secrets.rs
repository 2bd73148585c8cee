//! What a scheduler proves itself by, and what others prove themselves by to it: its certificate and its token.
//!
//! A scheduler that starts again for the same cluster has the same ones: workers and clients that wait for it recognize
//! it, and whoever took its port meanwhile is sent nothing.

use crate::SecurityConfig;
use crate::error::SchedulerError;
use partita_net::identity::Identity;
use partita_shared::access::{
    AccessError, make_plaintext_token, make_token, read_private, secret_of, write_private,
};
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::Path;

/// The shortest secret that a user may choose, in bytes. The dashboard's token, which may travel unencrypted, is derived
/// from the secret, as are the proofs of `--plaintext`: whoever records one can try short secrets at leisure.
const SECRET_BYTES_MIN: usize = 16;

/// Bytes of a token, before it is written as text.
const TOKEN_BYTES: usize = 32;

/// A new token: 32 random bytes, as text that fits in a link.
pub fn new_token() -> Result<String, SchedulerError> {
    use base64::Engine;
    use rand::TryRngCore;
    let mut bytes = [0u8; TOKEN_BYTES];
    rand::rngs::OsRng.try_fill_bytes(&mut bytes).map_err(|error| SchedulerError::System {
        what: "cannot generate a random token".into(),
        source: std::io::Error::other(error.to_string()),
    })?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}

/// The file that keeps them, which only its owner may read.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    secret: String,
    /// In PEM, with the key; none of a certificate that was given, or where none was needed yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

/// The certificate and the token of a scheduler.
pub(crate) struct Secrets {
    /// None of a scheduler that does not encrypt.
    pub(crate) identity: Option<Identity>,
    pub(crate) token: String,
}

impl Secrets {
    /// Takes those that are given, else those that are kept, else makes new ones for these hosts.
    pub(crate) fn obtain(
        config: &SecurityConfig,
        token: Option<&str>,
        hosts: &[String],
    ) -> Result<Self, SchedulerError> {
        let kept = config.identity_file.as_deref().map(read).transpose()?.flatten();
        let secret = match (token, &kept) {
            (Some(token), _) => checked(secret_of(token))?.to_string(),
            (None, Some(kept)) => kept.secret.clone(),
            (None, None) => new_token()?,
        };
        let identity = match config.plaintext {
            true => None,
            false => Some(obtain_identity(config, kept.as_ref(), hosts)?),
        };
        let (certificate, key) = match (&identity, &config.certificate) {
            (Some(identity), None) => (Some(identity.certificate_pem()), Some(identity.key_pem())),
            (Some(_), Some(_)) => (None, None),
            // The next scheduler of this name may encrypt again.
            (None, _) => kept.clone().map_or((None, None), |kept| (kept.certificate, kept.key)),
        };
        let now = Kept { secret: secret.clone(), certificate, key };
        if let Some(path) = &config.identity_file
            && kept.as_ref() != Some(&now)
        {
            let text = serde_json::to_vec_pretty(&now)
                .map_err(|source| SchedulerError::IdentityFile { path: path.clone(), source })?;
            write_private(path, &text)?;
        }
        let token = match &identity {
            Some(identity) => make_token(&secret, identity.fingerprint()),
            None => make_plaintext_token(&secret),
        };
        Ok(Secrets { identity, token })
    }
}

/// A secret that a user chose, if it is not too short.
fn checked(secret: &str) -> Result<&str, SchedulerError> {
    match secret.len() < SECRET_BYTES_MIN {
        true => Err(SchedulerError::ShortSecret { bytes: secret.len(), min: SECRET_BYTES_MIN }),
        false => Ok(secret),
    }
}

/// The certificate that is given, else that which is kept, else a new one for these hosts.
fn obtain_identity(
    config: &SecurityConfig,
    kept: Option<&Kept>,
    hosts: &[String],
) -> Result<Identity, SchedulerError> {
    Ok(match (&config.certificate, kept) {
        (Some(files), _) => {
            let read = |path: &Path| {
                std::fs::read(path).map_err(|source| SchedulerError::System {
                    what: format!("cannot read {}", path.display()),
                    source,
                })
            };
            Identity::from_pem(&read(&files.certificate)?, &read(&files.key)?)?
        }
        (None, Some(Kept { certificate: Some(certificate), key: Some(key), .. })) => {
            Identity::from_pem(certificate.as_bytes(), key.as_bytes())?
        }
        (None, _) => Identity::generate(hosts)?,
    })
}

fn read(path: &Path) -> Result<Option<Kept>, SchedulerError> {
    let text = match read_private(path) {
        Ok(text) => text,
        Err(AccessError::File { source, .. }) if source.kind() == ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let path = path.to_path_buf();
    let kept = serde_json::from_slice(&text);
    kept.map(Some).map_err(|source| SchedulerError::IdentityFile { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// As short as a secret may be.
    const SECRET: &str = "open-sesame-1234";

    fn obtain(file: Option<&Path>, token: Option<&str>) -> Result<Secrets, SchedulerError> {
        let identity_file = file.map(Path::to_path_buf);
        Secrets::obtain(&SecurityConfig { identity_file, ..SecurityConfig::default() }, token, &[])
    }

    /// A scheduler that starts again has the same certificate and token; one without a file has others each time.
    /// Nobody else can read the file, and one that others can read is refused.
    #[test]
    fn a_restart_keeps_key_and_token() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.identity");
        let first = obtain(Some(&file), None).unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let second = obtain(Some(&file), None).unwrap();
        assert_eq!(first.token, second.token);
        assert_ne!(obtain(None, None).unwrap().token, first.token);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(obtain(Some(&file), None).is_err());
    }

    /// A token that is given brings its secret; the fingerprint is always that of the scheduler's certificate.
    #[test]
    fn a_given_token_brings_its_secret() {
        let fingerprint = |secrets: &Secrets| secrets.identity.as_ref().unwrap().fingerprint();
        let plain = obtain(None, Some(SECRET)).unwrap();
        assert_eq!(plain.token, make_token(SECRET, fingerprint(&plain)));
        let whole = obtain(None, Some(&plain.token)).unwrap();
        assert_eq!(secret_of(&whole.token), SECRET);
        assert_eq!(whole.token, make_token(SECRET, fingerprint(&whole)));
    }

    /// A secret that could be guessed is refused, with the remedy.
    #[test]
    fn a_short_secret_is_refused() {
        let error = obtain(None, Some(&SECRET[1..])).err().unwrap();
        assert!(error.to_string().contains("openssl rand"), "{error}");
        assert!(!error.to_string().contains(&SECRET[1..]), "{error}");
        assert!(obtain(None, Some(SECRET)).is_ok());
    }

    /// A scheduler that does not encrypt has no certificate and says so in its token; one that encrypts afterwards has
    /// the certificate of before.
    #[test]
    fn a_scheduler_may_not_encrypt() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.identity");
        let first = obtain(Some(&file), None).unwrap();
        let (identity_file, plaintext) = (Some(file.clone()), true);
        let config = SecurityConfig { identity_file, plaintext, ..SecurityConfig::default() };
        let second = Secrets::obtain(&config, None, &[]).unwrap();
        assert!(second.identity.is_none());
        assert_eq!(second.token, make_plaintext_token(secret_of(&first.token)));
        assert_eq!(obtain(Some(&file), None).unwrap().token, first.token);
    }
}
