//! One host: its address, its headers, its key.
//!
//! Shared by the wires that a host offers. Invariant: the key goes into one header and nowhere else.

use std::borrow::Cow;

use hotspare_core::Error;
use hotspare_provider::{Head, HttpRequest, Secret, header};
use http::HeaderMap;

use crate::dialect::{Auth, Dialect};

/// The placeholder for the model's name in a path.
const MODEL: &str = "{model}";

/// A host with its dialect.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) dialect: Cow<'static, Dialect>,
    headers: HeaderMap,
}

impl Host {
    pub(crate) fn new(dialect: Cow<'static, Dialect>) -> Self {
        Self { dialect, headers: HeaderMap::new() }
    }

    /// Adds a header to every request.
    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Result<Self, Error> {
        let (name, value) = header(name, value)?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// The URL for a path, which may contain the model's name.
    pub(crate) fn url(&self, path: &str, model: &str) -> String {
        let base = self.dialect.base_url.trim_end_matches('/');
        let query = &*self.dialect.query;
        let mut url = String::with_capacity(base.len() + path.len() + model.len() + query.len() + 1);
        url.push_str(base);
        match path.split_once(MODEL) {
            Some((before, after)) => url.extend([before, &escaped(model), after]),
            None => url.push_str(path),
        }
        if !query.is_empty() {
            url.extend(["?", query]);
        }
        url
    }

    /// Builds a request with the headers and the key that this host requires.
    pub(crate) fn post(
        &self,
        url: String,
        body: Vec<u8>,
        secret: Option<&Secret>,
    ) -> Result<HttpRequest, Error> {
        let mut request = HttpRequest::post_json(url, body);
        if !self.headers.is_empty() {
            request.headers.extend(self.headers.clone());
        }
        match (secret, &self.dialect.auth) {
            (Some(secret), Auth::Header(name)) => request.with_key(name, secret.expose()),
            (secret, _) => request.with_bearer(secret),
        }
    }

    pub(crate) fn request_id(&self, head: &Head) -> Option<String> {
        head.header(&self.dialect.request_id).map(str::to_owned)
    }
}

/// Percent-encodes a name as one path segment.
fn escaped(name: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if name.bytes().all(plain) {
        return Cow::Borrowed(name);
    }
    let spell = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    Cow::Owned(name.bytes().map(spell).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_can_contain_the_deployment_and_api_version() {
        let dialect = Dialect::find("azure-deployments").unwrap();
        let host = Host::new(Cow::Owned(dialect.clone().at("https://acme.openai.azure.com/openai")));
        assert_eq!(
            host.url(&dialect.chat_path, "my gpt"),
            "https://acme.openai.azure.com/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21"
        );
        let newer = dialect.clone().with_api_version("2025-04-01-preview").unwrap();
        let url = Host::new(Cow::Owned(newer)).url("/x", "m");
        assert!(url.ends_with("/x?api-version=2025-04-01-preview"), "{url}");
        assert_eq!(dialect.clone().with_api_version("1&key=2"), None);
        assert_eq!(Dialect::OPENAI.with_api_version("2025-04-01"), None);
        assert_eq!(
            Host::new(Cow::Owned(Dialect::OPENAI)).url("/chat/completions", "gpt-4o"),
            "https://api.openai.com/v1/chat/completions"
        );
    }
}
