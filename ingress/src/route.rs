//! What a path asks for: a connection, the metadata of one, or nothing that is here.
//!
//! It refuses suffixes that climb out of the upstream's URL.

use url::Url;

const METADATA: &str = "/.well-known/oauth-protected-resource";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    /// `/c/<name>` and what follows it.
    Connection {
        name: &'a str,
        suffix: &'a str,
    },
    /// RFC 9728 metadata of the resource at this path.
    Metadata {
        resource: &'a str,
    },
    Unknown,
}

pub(crate) fn route(path: &str) -> Route<'_> {
    if let Some(resource) = path.strip_prefix(METADATA)
        && (resource.is_empty() || resource.starts_with("/c/"))
    {
        return Route::Metadata { resource };
    }
    let Some(rest) = path.strip_prefix("/c/") else { return Route::Unknown };
    let (name, suffix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Route::Connection { name, suffix }
}

/// Path and query at the upstream for what follows `/c/<name>`; none when the suffix leaves the upstream's URL.
pub(crate) fn upstream_path(upstream: &Url, suffix: &str, query: Option<&str>) -> Option<String> {
    if climbs(suffix) {
        return None;
    }
    let base = if suffix.is_empty() { upstream.path() } else { upstream.path().trim_end_matches('/') };
    let queries: Vec<&str> =
        [upstream.query(), query].into_iter().flatten().filter(|query| !query.is_empty()).collect();
    let mark = if queries.is_empty() { "" } else { "?" };
    Some(format!("{base}{suffix}{mark}{}", queries.join("&")))
}

/// The URL for the record: without user, password and query.
pub(crate) fn shown(upstream: &Url) -> String {
    let mut shown = upstream.clone();
    // Both fail only on URLs without a host, which have none to remove.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.set_fragment(None);
    shown.to_string()
}

/// Dot segments, however they are spelled, and backslashes, which some servers take for slashes.
fn climbs(suffix: &str) -> bool {
    let plain = suffix.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "\\");
    plain.contains('\\') || plain.split('/').any(|segment| segment == "." || segment == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_served_at_its_name_and_below() {
        assert_eq!(route("/c/files"), Route::Connection { name: "files", suffix: "" });
        assert_eq!(route("/c/files/a/b"), Route::Connection { name: "files", suffix: "/a/b" });
        assert_eq!(route("/files"), Route::Unknown);
        assert_eq!(route(METADATA), Route::Metadata { resource: "" });
        assert_eq!(route(&format!("{METADATA}/c/files")), Route::Metadata { resource: "/c/files" });
        assert_eq!(route(&format!("{METADATA}x")), Route::Unknown);
    }

    #[track_caller]
    fn check(upstream: &str, suffix: &str, query: Option<&str>, expected: Option<&str>) {
        let upstream = Url::parse(upstream).expect("a URL");
        assert_eq!(upstream_path(&upstream, suffix, query).as_deref(), expected);
    }

    #[test]
    fn suffix_and_query_are_appended() {
        check("http://h/mcp", "", None, Some("/mcp"));
        check("http://h/mcp", "/x", None, Some("/mcp/x"));
        check("http://h/mcp/", "", None, Some("/mcp/"));
        check("http://h/mcp/", "/x", Some("a=1"), Some("/mcp/x?a=1"));
        check("http://h", "/sse", None, Some("/sse"));
        check("http://h/mcp?k=v", "", Some("a=1"), Some("/mcp?k=v&a=1"));
    }

    #[test]
    fn nothing_climbs_out_of_the_upstream() {
        for suffix in ["/../x", "/a/..", "/%2e%2E/x", "/./x", "/a%2f..%2fx", "/..\\x", "/%5c..", "/.%2e/"] {
            check("http://h/mcp", suffix, None, None);
        }
        check("http://h/mcp", "/a..b", None, Some("/mcp/a..b"));
    }

    #[test]
    fn the_record_shows_no_secret_of_the_url() {
        let url = Url::parse("https://user:pass@h:8443/mcp?key=1#f").expect("a URL");
        assert_eq!(shown(&url), "https://h:8443/mcp");
    }
}
