//! What both ends of an encrypted connection agree on: TLS 1.3, and a certificate that is recognized by its
//! fingerprint. No authority is asked: whoever may connect was told the fingerprint together with the token. Only the
//! certificate of a scheduler may be recognized by the authorities of a site instead.

use crate::endpoint::Fingerprint;
use ring::digest::{SHA256, digest};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring as provider, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, version,
};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The name that the certificate of every process has, beside those of its host: peers recognize the certificate,
/// not the name, but clients of others insist on one.
pub const CERTIFICATE_NAME: &str = "partita";

/// The fingerprint of a certificate in DER.
pub fn fingerprint(certificate: &[u8]) -> Fingerprint {
    let mut bytes = [0; crate::endpoint::FINGERPRINT_BYTES];
    bytes.copy_from_slice(digest(&SHA256, certificate).as_ref());
    Fingerprint(bytes)
}

/// The cryptography of all connections. The cheapest cipher comes first: shuffles pass through it.
pub fn crypto_provider() -> Arc<CryptoProvider> {
    use provider::cipher_suite::{
        TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
    };
    let mut provider = provider::default_provider();
    provider.cipher_suites =
        vec![TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256];
    Arc::new(provider)
}

/// The name that is sent to a server.
pub fn server_name() -> ServerName<'static> {
    // The constant is a valid name; the other one is never used.
    ServerName::try_from(CERTIFICATE_NAME)
        .unwrap_or(ServerName::IpAddress(std::net::Ipv4Addr::LOCALHOST.into()))
}

/// How a client connects to whoever owns the certificate with this fingerprint, and to nobody else.
///
/// # Errors
/// If the cryptography cannot be set up.
pub fn client_config(
    fingerprint: Fingerprint,
    protocol: &[u8],
) -> Result<Arc<ClientConfig>, rustls::Error> {
    config(Arc::new(Pinned { fingerprint, provider: crypto_provider() }), protocol)
}

/// The authorities in a file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the certificates of authorities in {} (--tls-ca-file): {cause}", path.display())]
pub struct AuthorityError {
    path: PathBuf,
    cause: String,
}

/// How a client connects to whoever has a certificate, for the name by which it is asked, that one of the authorities in
/// this file (PEM) vouches for.
///
/// # Errors
/// If the file cannot be read or has no certificates.
pub fn authority_config(path: &Path, protocol: &[u8]) -> Result<Arc<ClientConfig>, AuthorityError> {
    let failed = |cause: String| AuthorityError { path: path.to_path_buf(), cause };
    let text = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), crypto_provider())
        .build()
        .map_err(|error| failed(error.to_string()))?;
    config(verifier, protocol).map_err(|error| failed(error.to_string()))
}

/// The name of a server in its certificate: the host of `host:port`; none if it cannot be one.
pub fn host_name_of(address: &str) -> Option<ServerName<'static>> {
    let (host, _) = address.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_string()).ok()
}

fn config(
    verifier: Arc<dyn ServerCertVerifier>,
    protocol: &[u8],
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(crypto_provider())
        .with_protocol_versions(&[&version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    // Each connection is a handshake of its own, in which the peer proves that it owns the certificate.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

/// Whether a handshake failed because the peer does not own the expected certificate.
pub fn is_other_certificate(error: &io::Error) -> bool {
    let found = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(
        found,
        Some(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    )
}

/// What is wrong with the certificate for which a handshake failed, if it did for that.
pub fn certificate_fault(error: &io::Error) -> Option<String> {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(fault)) => Some(fault.to_string()),
        _ => None,
    }
}

/// Whether a handshake failed because the peer does not answer in TLS.
pub fn is_other_protocol(error: &io::Error) -> bool {
    let found = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(found, Some(rustls::Error::InvalidMessage(_)))
}

/// Takes one certificate, and no other.
#[derive(Debug)]
struct Pinned {
    fingerprint: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if fingerprint(end_entity) == self.fingerprint {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // This version is never offered.
        Err(rustls::Error::InvalidCertificate(CertificateError::BadSignature))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
