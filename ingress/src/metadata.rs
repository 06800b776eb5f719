//! RFC 9728: where a client learns which issuer gives tokens for a connection.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::exchange::Gate;

/// The answer to `GET /.well-known/oauth-protected-resource<resource>`. It says the same of connections that do not
/// exist, so that nobody can ask which ones do.
pub(crate) fn answer(gate: &Gate, host: Option<&str>, resource: &str) -> Response<Bytes> {
    let document = json!({
        "resource": format!("{}{resource}", origin(gate, host)),
        "authorization_servers": gate.authenticator.issuers(),
        "bearer_methods_supported": ["header"],
    });
    let mut response = Response::new(Bytes::from(document.to_string()));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// `WWW-Authenticate` of a 401: names the metadata, and says so when it was the token that failed.
pub(crate) fn challenge(gate: &Gate, host: Option<&str>, resource: &str, token_sent: bool) -> String {
    let url = format!("{}/.well-known/oauth-protected-resource{resource}", origin(gate, host));
    let error = if token_sent { r#"error="invalid_token", "# } else { "" };
    format!(r#"Bearer {error}resource_metadata="{url}""#)
}

/// Scheme and authority that clients use, without a slash at the end.
fn origin(gate: &Gate, host: Option<&str>) -> String {
    if let Some(url) = &gate.public_url {
        return url.as_str().trim_end_matches('/').to_owned();
    }
    let scheme = if gate.secure { "https" } else { "http" };
    format!("{scheme}://{}", host.unwrap_or("localhost"))
}
