//! What a target is: a model at an endpoint, with its keys.
//!
//! A plain description: nothing is connected or read before the client is built. Invariant: whatever cannot be right is
//! reported by the builder, together with everything else that is wrong.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hotspare_core::{Cost, ModelProfile, ThinkTags};
use hotspare_engine::SpendLimit;
use hotspare_health::Config as Breaker;
use hotspare_normalize::PromptTemplate;
use hotspare_provider::{Provider, Signer, Wire};

use crate::key::Key;
use crate::shared::Prompt;

/// A target's description; made by [`openai::target`](crate::openai::target) and its siblings.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub(crate) backend: Backend,
    pub(crate) model: String,
    /// Who answers: names the scope of the host's health.
    pub(crate) host: String,
    /// Where its API is: names the scopes of its models' and keys' health.
    pub(crate) address: String,
    pub(crate) keys: Vec<Key>,
    pub(crate) needs_key: bool,
    /// The key that is used where none is named.
    pub(crate) found_key: Option<Key>,
    pub(crate) signer: Option<Arc<dyn Signer>>,
    pub(crate) profile: Option<ModelProfile>,
    /// Whose list in the model catalogue applies.
    pub(crate) catalog: Option<String>,
    pub(crate) max_in_flight: Option<u32>,
    pub(crate) requests_per_minute: Option<u64>,
    pub(crate) tokens_per_minute: Option<u64>,
    pub(crate) spend_limit: Option<SpendLimit>,
    pub(crate) think_tags: Option<ThinkTags>,
    pub(crate) breaker: Breaker,
    pub(crate) probe: bool,
    pub(crate) deadline_header: Option<String>,
    pub(crate) net: Net,
    pub(crate) prompt: Option<Prompt>,
    /// What is already known to be wrong.
    pub(crate) mistakes: Vec<String>,
}

/// How to talk to it.
#[derive(Clone, Debug)]
pub(crate) enum Backend {
    Provider(Arc<dyn Provider>),
    Wire(Arc<dyn Wire>),
}

/// What concerns the connection.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Net {
    pub(crate) proxy: Option<String>,
    pub(crate) proxy_from_env: bool,
    pub(crate) ca: Option<Vec<u8>>,
    pub(crate) connect: Option<Duration>,
}

/// Shows that there is a proxy, not its address: that may hold a password.
impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net")
            .field("proxy", &self.proxy.is_some())
            .field("proxy_from_env", &self.proxy_from_env)
            .field("ca", &self.ca.is_some())
            .field("connect", &self.connect)
            .finish()
    }
}

impl Endpoint {
    /// A model behind a provider of your own. Targets over the same `Arc` share its health; see
    /// [`Endpoint::health_group`].
    pub fn custom(provider: Arc<dyn Provider>, model: impl Into<String>) -> Self {
        // Named by the builder, which knows whose it is.
        Self::new(Backend::Provider(provider), model.into(), String::new())
    }

    /// A model behind an HTTP wire of your own, reached at `host` (a name for its health, such as `https://example.com`).
    pub fn wire(wire: Arc<dyn Wire>, model: impl Into<String>, host: impl Into<String>) -> Self {
        Self::new(Backend::Wire(wire), model.into(), host.into())
    }

    /// A model behind a wire at this address.
    #[cfg(feature = "_http")]
    pub(crate) fn reached(wire: Arc<dyn Wire>, model: String, base_url: &str) -> Self {
        let host = host_of(base_url);
        let path = base_url.get(host.len()..).unwrap_or_default().trim_end_matches('/');
        let address = format!("{host}{path}");
        Self { host, ..Self::new(Backend::Wire(wire), model, address) }
    }

    fn new(backend: Backend, model: String, address: String) -> Self {
        Self {
            backend,
            model,
            host: address.clone(),
            address,
            keys: Vec::new(),
            needs_key: false,
            found_key: None,
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
            net: Net::default(),
            prompt: None,
            mistakes: Vec::new(),
        }
    }

    /// Adds a key. Several keys share the traffic, and one that is dead or out of quota is left out.
    #[must_use]
    pub fn key(mut self, key: Key) -> Self {
        self.keys.push(key);
        self
    }

    /// Signs its requests with the key, after its wire has spelled them; for wires of your own.
    #[must_use]
    pub fn signer(mut self, signer: Arc<dyn Signer>) -> Self {
        self.signer = Some(signer);
        self
    }

    /// Says what the model can do, holds and costs, instead of the catalogue.
    #[must_use]
    pub fn profile(mut self, profile: ModelProfile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// Groups targets for health by this name instead of by address: targets of one group share the health of their host,
    /// and of equal models and keys there.
    #[must_use]
    pub fn health_group(mut self, name: impl Into<String>) -> Self {
        self.host = name.into();
        self.address.clone_from(&self.host);
        self
    }

    /// Most calls under way at once; a server that queues silently needs this.
    #[must_use]
    pub fn max_in_flight(mut self, calls: u32) -> Self {
        self.max_in_flight = Some(calls);
        self
    }

    /// Most requests a minute. Whoever comes when they are used up goes to the next target, or waits where there is none.
    #[must_use]
    pub fn requests_per_minute(mut self, requests: u64) -> Self {
        self.requests_per_minute = Some(requests);
        self
    }

    /// Most tokens a minute, prompts as estimated; otherwise as [`Endpoint::requests_per_minute`].
    #[must_use]
    pub fn tokens_per_minute(mut self, tokens: u64) -> Self {
        self.tokens_per_minute = Some(tokens);
        self
    }

    /// The most that it may cost in any `per`, at list price. Whoever comes when the money is spent goes to the next
    /// target. Needs a known price.
    #[must_use]
    pub fn spend_limit(mut self, most: Cost, per: Duration) -> Self {
        self.spend_limit = Some(SpendLimit::new(most, per));
        self
    }

    /// The model writes its thoughts between these tags into its text, and its server leaves them there: they are told as
    /// reasoning.
    #[must_use]
    pub fn think_tags(mut self, tags: ThinkTags) -> Self {
        self.think_tags = Some(tags);
        self
    }

    /// When its breakers open.
    #[must_use]
    pub fn breaker(mut self, config: Breaker) -> Self {
        self.breaker = config;
        self
    }

    /// While it is ill, or its key or model is out of service, asks it in the background whether it is back, so that no
    /// caller has to find out. Such a request says hello and asks for 16 tokens; it is paid for like any other. Off unless
    /// written.
    #[must_use]
    pub fn probe(mut self, on: bool) -> Self {
        self.probe = on;
        self
    }

    /// Tells it in this header how much time is left for the answer, such as `x-hotspare-deadline` for another gateway of
    /// this kind: `20000ms`, or the bare number if the header's name ends with `-ms`. Off unless written.
    #[must_use]
    pub fn deadline_header(mut self, name: impl Into<String>) -> Self {
        self.deadline_header = Some(name.into());
        self
    }

    /// Rewrites requests for this model with a template in Jinja's language; see [`Template`](crate::Template). It may
    /// use `{{ system }}` and `{{ model }}`. What is wrong with it is reported when the client is built.
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

    /// Rewrites requests for this model with a template of any kind; `name` stands in the trail.
    #[must_use]
    pub fn template(mut self, name: impl Into<String>, template: impl PromptTemplate + 'static) -> Self {
        self.prompt = Some(Prompt { name: name.into(), template: Arc::new(template) });
        self
    }

    /// Reaches it through an HTTP proxy.
    #[must_use]
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.net.proxy = Some(url.into());
        self
    }

    /// Reaches it through the proxies that the environment names (`HTTPS_PROXY` and its siblings).
    #[must_use]
    pub fn proxy_from_env(mut self) -> Self {
        self.net.proxy_from_env = true;
        self
    }

    /// Also trusts these certificate authorities (PEM).
    #[must_use]
    pub fn ca(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.net.ca = Some(pem.into());
        self
    }

    /// Time to connect. Default 1 s.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.net.connect = Some(limit);
        self
    }
}

/// Scheme, host and port of an address.
#[cfg(feature = "_http")]
fn host_of(url: &str) -> String {
    let after = url.find("://").map_or(0, |at| at + 3);
    let end = url[after..].find('/').map_or(url.len(), |at| after + at);
    url[..end].to_ascii_lowercase()
}

/// What is wrong with an address, as far as its spelling tells. An address that may hold a password is not shown.
#[cfg(feature = "_http")]
pub(crate) fn url_mistakes(url: &str) -> Vec<String> {
    if url.contains('@') {
        return vec!["base_url holds a user name or password; keys belong in `keys`".into()];
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
        mistakes.push("base_url goes up to the version, without `?` or `#` and what follows".into());
    }
    let path = url.trim_end_matches('/');
    if let Some(call) = CALLS.iter().find(|call| path.ends_with(*call)) {
        mistakes.push(format!(
            "base_url goes up to the version: leave out `{call}`, which is added to each call"
        ));
    }
    mistakes
}

/// What is added to an address, and often pasted with it.
#[cfg(feature = "_http")]
const CALLS: [&str; 5] = ["/chat/completions", "/completions", "/embeddings", "/messages", "/responses"];
