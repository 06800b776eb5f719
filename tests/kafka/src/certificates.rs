//! Certificates for one run of a cluster: an authority, its nodes, its clients.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// The name by which the brokers know one another; it may do everything.
pub(crate) const NODE: &str = "node";

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Authority {
        let mut params = named("authority", &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Authority(CertifiedIssuer::self_signed(params, key()).expect("a certificate"))
    }

    pub(crate) fn certificate(&self) -> String {
        self.0.pem()
    }

    /// Key and certificates of a node in one file, as Kafka wants them.
    pub(crate) fn node(&self) -> String {
        let (certificate, key) = self.issue(&named(NODE, &["localhost", "127.0.0.1"]));
        format!("{key}{certificate}{}", self.certificate())
    }

    pub(crate) fn client(&self, user: &str) -> (String, String) {
        self.issue(&named(user, &[]))
    }

    fn issue(&self, params: &CertificateParams) -> (String, String) {
        let key = key();
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn named(name: &str, addresses: &[&str]) -> CertificateParams {
    let addresses: Vec<String> = addresses.iter().map(|address| (*address).to_owned()).collect();
    let mut params = CertificateParams::new(addresses).expect("these are names");
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}
