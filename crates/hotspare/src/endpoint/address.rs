//! Addresses: what a base URL reveals, without connecting.
//!
//! Invariant: no message shows a URL that may contain a password.

/// Scheme, host and port of an address.
pub(super) fn host_of(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find('/').map_or(url.len(), |at| start + at);
    url[..end].to_ascii_lowercase()
}

/// Mistakes in a base URL that its spelling reveals. A URL that may contain a password is not shown.
pub(super) fn url_mistakes(url: &str) -> Vec<String> {
    if url.contains('@') {
        return vec!["base_url holds a user name or password; keys belong in `keys`".into()];
    }
    if let Some((_, rest)) = url.split_once('{') {
        let name = rest.split('}').next().unwrap_or_default();
        return vec![format!("base_url must be set: `{url}` with your own {name} in place of the braces")];
    }
    let mut mistakes = Vec::new();
    match url.parse::<http::Uri>() {
        Ok(uri) if uri.host().is_some_and(|host| !host.is_empty()) => match uri.scheme_str() {
            Some("http" | "https") => {}
            _ => mistakes.push(format!("base_url `{url}` must begin with http:// or https://")),
        },
        _ => mistakes.push(format!("base_url `{url}` is not an address such as https://host/v1")),
    }
    if url.contains(['?', '#']) {
        mistakes.push("base_url ends with the version, without a query or fragment".into());
    }
    let path = url.trim_end_matches('/');
    if let Some(call) = CALL_PATHS.iter().find(|call| path.ends_with(*call)) {
        mistakes
            .push(format!("base_url ends with the version: remove `{call}`, which is appended to each call"));
    }
    mistakes
}

/// The mistake in a base URL that names the host of `default` and leaves out its path, as other clients' settings do. Not
/// for servers of one's own, some of which answer with and without the version.
#[cfg(any(feature = "anthropic", feature = "cohere", feature = "gemini", feature = "openai"))]
pub(super) fn missing_version(url: &str, default: &str) -> Option<String> {
    let host = host_of(default);
    let path = &default[host.len()..];
    let is_bare = host_of(url) == host && url[host.len()..].trim_matches('/').is_empty();
    (is_bare && !path.is_empty() && host.starts_with("https://"))
        .then(|| format!("base_url `{url}` lacks `{path}`: write `{default}`, or leave it out"))
}

/// Endpoint paths that are often pasted with a base URL.
const CALL_PATHS: [&str; 5] = ["/chat/completions", "/completions", "/embeddings", "/messages", "/responses"];
