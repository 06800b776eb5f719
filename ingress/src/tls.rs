//! The listener's certificate, read again when its files change.
//!
//! It refuses to replace a certificate that works by one that does not: faulty files are reported, and the old pair
//! stays in use.

use std::{
    fs,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::time::sleep;
use tracing::{info, warn};

use crate::{Error, config::Tls};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The pair of files in use.
#[derive(Debug)]
pub(crate) struct Certificate {
    files: Tls,
    in_use: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    pub(crate) fn load(files: Tls) -> Result<Arc<Certificate>, Error> {
        let in_use = RwLock::new(read(&files)?);
        Ok(Arc::new(Certificate { files, in_use }))
    }

    pub(crate) fn server_config(self: &Arc<Self>) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has the default versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }

    /// Looks at the files for ever.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut seen = modified(&self.files);
        loop {
            sleep(LOOK_EVERY).await;
            let now = modified(&self.files);
            if now != seen {
                seen = now;
                self.reload();
            }
        }
    }

    fn reload(&self) {
        match read(&self.files) {
            Ok(key) => {
                *self.in_use.write().unwrap_or_else(PoisonError::into_inner) = key;
                info!(certificate = %self.files.certificate.display(), "the certificate was read again");
            }
            Err(error) => warn!(%error, "the certificate's files have changed and cannot be used; the old ones stay"),
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.in_use.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn read(files: &Tls) -> Result<Arc<CertifiedKey>, Error> {
    let fault = |fault: String| Error::Certificate { path: files.certificate.display().to_string(), fault };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(&files.certificate).and_then(Iterator::collect);
    let chain = chain.map_err(|error| fault(error.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| fault(format!("its key: {error}")))?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let pair = CertifiedKey::from_der(chain, key, &provider).map_err(|error| fault(error.to_string()))?;
    Ok(Arc::new(pair))
}

/// A file that is not there has no time, and its coming back is a change.
fn modified(files: &Tls) -> [Option<SystemTime>; 2] {
    [&files.certificate, &files.key].map(|path| fs::metadata(path).and_then(|file| file.modified()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A new pair in the files.
    fn issue(files: &Tls) {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        fs::write(&files.certificate, pair.cert.pem()).expect("written");
        fs::write(&files.key, pair.signing_key.serialize_pem()).expect("written");
    }

    fn in_use(certificate: &Certificate) -> Vec<u8> {
        certificate.in_use.read().expect("no panic").cert[0].to_vec()
    }

    #[test]
    fn faulty_files_replace_nothing_and_good_ones_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Tls { certificate: folder.path().join("certificate.pem"), key: folder.path().join("key.pem") };
        assert!(Certificate::load(files.clone()).is_err(), "there are no files");
        issue(&files);
        let certificate = Certificate::load(files.clone()).expect("a pair");
        let first = in_use(&certificate);

        let key = fs::read(&files.key).expect("a key");
        issue(&files);
        fs::write(&files.key, key).expect("written");
        certificate.reload();
        assert_eq!(in_use(&certificate), first, "a key of another certificate");
        fs::write(&files.certificate, "no certificate").expect("written");
        certificate.reload();
        assert_eq!(in_use(&certificate), first);

        issue(&files);
        certificate.reload();
        assert_ne!(in_use(&certificate), first);
    }
}
