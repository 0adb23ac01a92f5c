//! What a target is: a model at an endpoint, with its keys.
//!
//! A plain description: nothing is connected or read before the client is built. Invariant: mistakes are collected and
//! reported by the builder with all others.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hotspare_core::{Cost, ModelProfile, ThinkTags};
use hotspare_engine::SpendLimit;
use hotspare_health::Config as Breaker;
use hotspare_normalize::PromptTemplate;
use hotspare_provider::{Provider, Signer, Wire};

use crate::key::Key;
use crate::shared::NamedTemplate;

/// A target's description; made by [`openai::target`](crate::openai::target) and its siblings.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub(crate) backend: Backend,
    pub(crate) model: String,
    /// The host, which names the scope of its health.
    pub(crate) host: String,
    /// The API's address, which names the scopes of its models' and keys' health.
    pub(crate) address: String,
    /// The API's address, whatever names its health.
    pub(crate) base_url: Option<String>,
    pub(crate) keys: Vec<Key>,
    pub(crate) needs_key: bool,
    /// The key to use if none is given.
    pub(crate) default_key: Option<Key>,
    pub(crate) signer: Option<Arc<dyn Signer>>,
    pub(crate) profile: Option<ModelProfile>,
    /// The provider under which the model catalogue lists the model.
    pub(crate) catalog: Option<String>,
    pub(crate) max_in_flight: Option<u32>,
    pub(crate) requests_per_minute: Option<u64>,
    pub(crate) tokens_per_minute: Option<u64>,
    pub(crate) spend_limit: Option<SpendLimit>,
    pub(crate) think_tags: Option<ThinkTags>,
    pub(crate) breaker: Breaker,
    pub(crate) probe: bool,
    pub(crate) deadline_header: Option<String>,
    pub(crate) network: NetworkOptions,
    pub(crate) prompt: Option<NamedTemplate>,
    /// Mistakes found so far.
    pub(crate) mistakes: Vec<String>,
}

/// How to talk to the endpoint.
#[derive(Clone, Debug)]
pub(crate) enum Backend {
    Provider(Arc<dyn Provider>),
    Wire(Arc<dyn Wire>),
}

/// Network settings.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct NetworkOptions {
    pub(crate) proxy: Option<String>,
    pub(crate) proxy_from_env: bool,
    pub(crate) ca: Option<Vec<u8>>,
    pub(crate) connect: Option<Duration>,
}

/// Shows whether there is a proxy but not its address, which may contain a password.
impl fmt::Debug for NetworkOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkOptions")
            .field("proxy", &self.proxy.is_some())
            .field("proxy_from_env", &self.proxy_from_env)
            .field("ca", &self.ca.is_some())
            .field("connect", &self.connect)
            .finish()
    }
}

impl Endpoint {
    /// A model behind a custom provider. Targets that use the same `Arc` share its health; see
    /// [`Endpoint::health_group`].
    pub fn custom(provider: Arc<dyn Provider>, model: impl Into<String>) -> Self {
        // The builder sets the host, from the target's name.
        Self::new(Backend::Provider(provider), model.into(), String::new())
    }

    /// A model behind a custom HTTP wire, reached at `host` (a name for its health, such as `https://example.com`).
    pub fn wire(wire: Arc<dyn Wire>, model: impl Into<String>, host: impl Into<String>) -> Self {
        Self::new(Backend::Wire(wire), model.into(), host.into())
    }

    /// A model behind a wire at this address.
    #[cfg(feature = "_http")]
    pub(crate) fn reached(wire: Arc<dyn Wire>, model: String, base_url: &str) -> Self {
        let host = host_of(base_url);
        let path = base_url.get(host.len()..).unwrap_or_default().trim_end_matches('/');
        let address = format!("{host}{path}");
        let base_url = Some(address.clone());
        Self { host, base_url, ..Self::new(Backend::Wire(wire), model, address) }
    }

    fn new(backend: Backend, model: String, address: String) -> Self {
        Self {
            backend,
            model,
            host: address.clone(),
            address,
            base_url: None,
            keys: Vec::new(),
            needs_key: false,
            default_key: None,
            signer: None,
            profile: None,
            catalog: None,
            max_in_flight: None,
            requests_per_minute: None,
            tokens_per_minute: None,
            spend_limit: None,
            think_tags: None,
            breaker: Breaker::default(),
            probe: false,
            deadline_header: None,
            network: NetworkOptions::default(),
            prompt: None,
            mistakes: Vec::new(),
        }
    }

    /// Adds a key. Traffic is spread over several keys; a key that is rejected or out of quota is skipped.
    #[must_use]
    pub fn key(mut self, key: Key) -> Self {
        self.keys.push(key);
        self
    }

    /// Signs requests with the key after the wire has encoded them; for custom wires.
    #[must_use]
    pub fn signer(mut self, signer: Arc<dyn Signer>) -> Self {
        self.signer = Some(signer);
        self
    }

    /// Sets what the model can do, its limits and its prices, instead of the catalogue's entry.
    #[must_use]
    pub fn profile(mut self, profile: ModelProfile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// Groups targets for health by this name instead of by address: the targets of a group share the health of their
    /// host, and that of equal models and keys.
    #[must_use]
    pub fn health_group(mut self, name: impl Into<String>) -> Self {
        self.host = name.into();
        self.address.clone_from(&self.host);
        self
    }

    /// Maximum number of concurrent calls; needed for servers that queue silently.
    #[must_use]
    pub fn max_in_flight(mut self, calls: u32) -> Self {
        self.max_in_flight = Some(calls);
        self
    }

    /// Maximum number of requests per minute. Beyond that, a call goes to the next target, or waits if there is none.
    #[must_use]
    pub fn requests_per_minute(mut self, requests: u64) -> Self {
        self.requests_per_minute = Some(requests);
        self
    }

    /// Maximum number of tokens per minute, with estimated prompts; otherwise as [`Endpoint::requests_per_minute`].
    #[must_use]
    pub fn tokens_per_minute(mut self, tokens: u64) -> Self {
        self.tokens_per_minute = Some(tokens);
        self
    }

    /// Limits what the target may cost within any window of length `per`, at list prices. Beyond that, calls go to the
    /// next target. Needs a known price.
    #[must_use]
    pub fn spend_limit(mut self, most: Cost, per: Duration) -> Self {
        self.spend_limit = Some(SpendLimit::new(most, per));
        self
    }

    /// The model writes its reasoning between these tags in its text, and its server leaves them there. What they
    /// enclose is reported as reasoning.
    #[must_use]
    pub fn think_tags(mut self, tags: ThinkTags) -> Self {
        self.think_tags = Some(tags);
        self
    }

    /// Sets when its breakers open.
    #[must_use]
    pub fn breaker(mut self, config: Breaker) -> Self {
        self.breaker = config;
        self
    }

    /// While the target is unhealthy, or its key or model is out of service, probes it in the background, so that no
    /// caller has to find out whether it works again. A probe says hello and asks for 16 tokens; it is billed like any
    /// other request. Off by default.
    #[must_use]
    pub fn probe(mut self, on: bool) -> Self {
        self.probe = on;
        self
    }

    /// Sends the time left for the answer in this header, such as `x-hotspare-deadline` for another Hotspare gateway:
    /// `20000ms`, or the bare number if the header's name ends in `-ms`. Off by default.
    #[must_use]
    pub fn deadline_header(mut self, name: impl Into<String>) -> Self {
        self.deadline_header = Some(name.into());
        self
    }

    /// Rewrites requests for this model with a Jinja template; see [`Template`](crate::Template). The template may use
    /// `{{ system }}` and `{{ model }}`. Mistakes in it are reported when the client is built.
    #[cfg(feature = "templates")]
    #[must_use]
    pub fn prompt(mut self, text: &str) -> Self {
        match hotspare_normalize::Template::parse("prompt", text) {
            Ok(template) => self.template("prompt", template),
            Err(error) => {
                self.mistakes.push(error.message().to_owned());
                self
            }
        }
    }

    /// Rewrites requests for this model with a template of any kind; `name` identifies it in the trail.
    #[must_use]
    pub fn template(mut self, name: impl Into<String>, template: impl PromptTemplate + 'static) -> Self {
        self.prompt = Some(NamedTemplate { name: name.into(), template: Arc::new(template) });
        self
    }

    /// Connects through an HTTP proxy.
    #[must_use]
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.network.proxy = Some(url.into());
        self
    }

    /// Connects through the proxies named in the environment (`HTTPS_PROXY` and related variables).
    #[must_use]
    pub fn proxy_from_env(mut self) -> Self {
        self.network.proxy_from_env = true;
        self
    }

    /// Trusts these certificate authorities (PEM) in addition to the default ones.
    #[must_use]
    pub fn ca(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.network.ca = Some(pem.into());
        self
    }

    /// Time limit for connecting. Default 1 s.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.network.connect = Some(limit);
        self
    }
}

/// Scheme, host and port of an address.
#[cfg(feature = "_http")]
fn host_of(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find('/').map_or(url.len(), |at| start + at);
    url[..end].to_ascii_lowercase()
}

/// Mistakes in a base URL that its spelling reveals. A URL that may contain a password is not shown.
#[cfg(feature = "_http")]
pub(crate) fn url_mistakes(url: &str) -> Vec<String> {
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

/// Endpoint paths that are often pasted with a base URL.
#[cfg(feature = "_http")]
const CALL_PATHS: [&str; 5] = ["/chat/completions", "/completions", "/embeddings", "/messages", "/responses"];
