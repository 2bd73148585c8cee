//! The certificate of a process, and the key by which it proves to own it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use partita_shared::endpoint::Fingerprint;
use partita_shared::tls::{CERTIFICATE_NAME, crypto_provider, fingerprint};
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::version::TLS13;
use std::fmt::Write;
use std::sync::Arc;

/// The protocols that are offered on an encrypted connection: Flight, then everything else.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// Characters of a line of PEM.
const PEM_LINE_CHARACTERS: usize = 64;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// It could not be made.
    #[error("cannot make a certificate: {0}")]
    Generation(rcgen::Error),
    /// It is not in PEM, or is not what it should be.
    #[error("cannot read the {what}: {cause}")]
    Content {
        /// The certificate or the key.
        what: &'static str,
        /// What is wrong.
        cause: String,
    },
    /// Certificate and key cannot be used together.
    #[error("cannot use the certificate: {0}")]
    Unusable(rustls::Error),
}

/// A certificate, those that vouch for it, and its key.
pub struct Identity {
    certificate: CertificateDer<'static>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the key.
        f.debug_struct("Identity").field("fingerprint", &self.fingerprint()).finish()
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Identity {
            certificate: self.certificate.clone(),
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

impl Identity {
    /// Makes a key and a certificate that it signs itself, for these hosts: names and addresses. The key is on the
    /// curve P-256, which takes less than a millisecond.
    ///
    /// # Errors
    /// If the system has no random numbers, or a host is not the name of one.
    pub fn generate(hosts: &[String]) -> Result<Self, IdentityError> {
        let mut names = vec![CERTIFICATE_NAME.to_string(), "localhost".to_string()];
        names.extend(["127.0.0.1", "::1"].map(str::to_string));
        for host in hosts {
            let host = host.trim_start_matches('[').trim_end_matches(']').to_string();
            // Only what a certificate can name: a host's name may have other characters.
            let is_name = host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:".contains(c));
            if is_name && !host.is_empty() && !names.contains(&host) {
                names.push(host);
            }
        }
        let mut params = CertificateParams::new(names).map_err(IdentityError::Generation)?;
        params.distinguished_name.push(DnType::CommonName, CERTIFICATE_NAME);
        let key = KeyPair::generate().map_err(IdentityError::Generation)?;
        let certificate = params.self_signed(&key).map_err(IdentityError::Generation)?;
        Ok(Identity {
            certificate: certificate.der().clone(),
            chain: Vec::new(),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        })
    }

    /// Reads a certificate, with those that vouch for it behind it, and its key, both in PEM.
    ///
    /// # Errors
    /// If one of them is something else.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        let what = "certificate";
        let failed = |cause: String| IdentityError::Content { what, cause };
        let mut chain = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| failed(error.to_string()))?;
        if chain.is_empty() {
            return Err(failed("no certificate in PEM".to_string()));
        }
        let certificate = chain.remove(0);
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| IdentityError::Content { what: "key", cause: error.to_string() })?;
        Ok(Identity { certificate, chain, key })
    }

    /// What peers recognize the process by.
    pub fn fingerprint(&self) -> Fingerprint {
        fingerprint(&self.certificate)
    }

    /// The certificate, and those that vouch for it, in PEM.
    pub fn certificate_pem(&self) -> String {
        let all = std::iter::once(&self.certificate).chain(&self.chain);
        all.map(|certificate| pem("CERTIFICATE", certificate)).collect()
    }

    /// The key in PEM.
    pub fn key_pem(&self) -> String {
        let kind = match &self.key {
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            _ => "PRIVATE KEY",
        };
        pem(kind, self.key.secret_der())
    }

    /// How a server proves to be this process. Whether a client may do anything, the token says.
    ///
    /// # Errors
    /// If the key is not the certificate's, or of an unknown kind.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, IdentityError> {
        let chain = std::iter::once(&self.certificate).chain(&self.chain).cloned().collect();
        let mut config = ServerConfig::builder_with_provider(crypto_provider())
            .with_protocol_versions(&[&TLS13])
            .map_err(IdentityError::Unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, self.key.clone_key())
            .map_err(IdentityError::Unusable)?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        // Nobody resumes a session here.
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}

pub(crate) fn pem(kind: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {kind}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(PEM_LINE_CHARACTERS));
        let _ = writeln!(out, "{line}");
        rest = after;
    }
    let _ = writeln!(out, "-----END {kind}-----");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An identity that is written and read again is the same: its fingerprint, and a key that fits. A key of
    /// another certificate is refused.
    #[test]
    fn an_identity_survives_its_text() {
        let one = Identity::generate(&["node-1".to_string(), "[fd00::1]".to_string()]).unwrap();
        let other = Identity::generate(&[]).unwrap();
        assert_ne!(one.fingerprint(), other.fingerprint());
        let (certificate, key) = (one.certificate_pem(), one.key_pem());
        let read = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
        assert_eq!(read.fingerprint(), one.fingerprint());
        assert!(read.server_config().is_ok());
        let mixed = Identity::from_pem(certificate.as_bytes(), other.key_pem().as_bytes()).unwrap();
        assert!(matches!(mixed.server_config(), Err(IdentityError::Unusable(_))));
        assert!(Identity::from_pem(b"", key.as_bytes()).is_err());
        assert!(Identity::from_pem(certificate.as_bytes(), b"").is_err());
    }
}
