//! HTTP to one registry, with limits on time and length.

use std::{net::IpAddr, path::Path, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client as Http, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde_json::Value;
use url::{Host, Url};

use crate::{ANSWER_BYTES_MAX, Config, Credentials, Error, answer::Answer};

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/vnd.schemaregistry.v1+json");

#[derive(Clone)]
pub(crate) struct Client {
    http: Http<HttpsConnector<HttpConnector>, Full<Bytes>>,
    authorization: Option<HeaderValue>,
    patience: Duration,
}

impl Client {
    pub(crate) fn new(config: &Config) -> Result<Client, Error> {
        check(&config.url, config.credentials.is_some())?;
        let connector = match &config.ca {
            Some(ca) => HttpsConnectorBuilder::new().with_tls_config(trusting(ca)?),
            None => native_roots()?,
        };
        let connector = connector.https_or_http().enable_http1().enable_http2().build();
        Ok(Client {
            http: Http::builder(TokioExecutor::new()).build(connector),
            authorization: config.credentials.as_ref().map(authorization).transpose()?,
            patience: config.answer_timeout,
        })
    }

    pub(crate) async fn get(&self, url: Url) -> Result<Answer, Error> {
        self.ask(Method::GET, url, Bytes::new()).await
    }

    pub(crate) async fn post(&self, url: Url, body: &Value) -> Result<Answer, Error> {
        self.ask(Method::POST, url, body.to_string().into()).await
    }

    async fn ask(&self, method: Method, url: Url, body: Bytes) -> Result<Answer, Error> {
        let slow = |_| Error::Slow { seconds: self.patience.as_secs() };
        tokio::time::timeout(self.patience, self.exchange(method, url, body)).await.map_err(slow)?
    }

    async fn exchange(&self, method: Method, url: Url, body: Bytes) -> Result<Answer, Error> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = url.as_str().parse().expect("a URL that was parsed is a URI");
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, MEDIA_TYPE);
        headers.insert(header::CONTENT_TYPE, MEDIA_TYPE);
        if let Some(authorization) = &self.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        let response = self.http.request(request).await.map_err(|error| Error::Unreachable(error.into()))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(Error::Broken)?;
        Ok(Answer::of(status, &body.to_bytes()))
    }
}

fn check(url: &Url, has_credentials: bool) -> Result<(), Error> {
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() || url.query().is_some() {
        return Err(Error::Config(format!(
            "\"{url}\" is no URL of a schema registry: give http:// or https:// and a host"
        )));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::Config(
            "the URL of the schema registry names a user: give username and password apart".to_owned(),
        ));
    }
    if has_credentials && url.scheme() == "http" && !is_this_machine(url) {
        return Err(Error::Config(format!("{url} would be told who we are in the clear: use https://")));
    }
    Ok(())
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    }
}

fn native_roots() -> Result<HttpsConnectorBuilder<hyper_rustls::builderstates::WantsSchemes>, Error> {
    HttpsConnectorBuilder::new().with_provider_and_native_roots(Arc::new(aws_lc_rs::default_provider())).map_err(
        |error| {
            Error::Config(format!(
                "cannot check the schema registry's certificate ({error}): install ca-certificates, or name ca"
            ))
        },
    )
}

fn trusting(ca: &Path) -> Result<ClientConfig, Error> {
    let wrong = |why: String| Error::Config(format!("the schema registry's ca {}: {why}", ca.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).map_err(|error| wrong(error.to_string()))? {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("it holds no certificate".to_owned()));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().map_err(|error| wrong(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn authorization(credentials: &Credentials) -> Result<HeaderValue, Error> {
    let text = match credentials {
        Credentials::Basic { username, password } => {
            format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
        }
        Credentials::Bearer(token) => format!("Bearer {token}"),
    };
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| Error::Config("the schema registry's token has signs that no header may have".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}
