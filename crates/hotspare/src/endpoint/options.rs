//! The settings that every endpoint has.
//!
//! Not those of one wire, which are in its module. Invariant: setting something twice keeps the last value; keys add up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hotspare_catalog::Catalog;
use hotspare_core::{Cost, ModelProfile, ThinkTags};
use hotspare_engine::SpendLimit;
use hotspare_health::Config as Breaker;
use hotspare_normalize::PromptTemplate;
use hotspare_provider::Signer;

use super::Endpoint;
use crate::key::Key;
use crate::shared::NamedTemplate;

/// What was set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) keys: Vec<Key>,
    pub(crate) signer: Option<Arc<dyn Signer>>,
    pub(crate) profile: Option<ModelProfile>,
    /// The provider under which the model catalogue lists the model.
    pub(crate) catalog: Option<String>,
    /// A name for its health instead of host and address.
    pub(crate) health_group: Option<String>,
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

impl<W> Endpoint<W> {
    /// What is known about the model: what was set, else the catalogue's entry.
    pub(crate) fn model_profile(&self) -> ModelProfile {
        self.options.profile.clone().unwrap_or_else(|| {
            let list = self.options.catalog.as_deref();
            let found = list.and_then(|list| Catalog::vendored().lookup(list, &self.model));
            found.map(|entry| entry.profile()).unwrap_or_default()
        })
    }

    /// Adds a key. Traffic is spread over several keys; a key that is rejected or out of quota is skipped.
    #[must_use]
    pub fn key(mut self, key: Key) -> Self {
        self.options.keys.push(key);
        self
    }

    /// Signs requests with the key after the wire has encoded them.
    #[must_use]
    pub fn signer(mut self, signer: Arc<dyn Signer>) -> Self {
        self.options.signer = Some(signer);
        self
    }

    /// Sets what the model can do, its limits and its prices. This replaces the catalogue's entry; to override parts of
    /// it, use [`Endpoint::adjust_profile`].
    #[must_use]
    pub fn profile(mut self, profile: ModelProfile) -> Self {
        self.options.profile = Some(profile);
        self
    }

    /// Changes what is known about the model: the profile that was set, else the catalogue's entry.
    ///
    /// ```
    /// use hotspare::{Price, openai};
    ///
    /// // A negotiated price; window and capabilities stay as listed.
    /// let target = openai::target("gpt-4o").adjust_profile(|profile| {
    ///     profile.price = Some(Price::micros_per_million(2_000_000, 8_000_000));
    /// });
    /// ```
    #[must_use]
    pub fn adjust_profile(mut self, adjust: impl FnOnce(&mut ModelProfile)) -> Self {
        let mut profile = self.model_profile();
        adjust(&mut profile);
        self.options.profile = Some(profile);
        self
    }

    /// Groups targets for health by this name instead of by address: the targets of a group share the health of their
    /// host, and that of equal models and keys.
    #[must_use]
    pub fn health_group(mut self, name: impl Into<String>) -> Self {
        self.options.health_group = Some(name.into());
        self
    }

    /// Maximum number of concurrent calls; needed for servers that queue silently.
    #[must_use]
    pub fn max_in_flight(mut self, calls: u32) -> Self {
        self.options.max_in_flight = Some(calls);
        self
    }

    /// Maximum number of requests per minute. Beyond that, a call goes to the next target, or waits if there is none.
    #[must_use]
    pub fn requests_per_minute(mut self, requests: u64) -> Self {
        self.options.requests_per_minute = Some(requests);
        self
    }

    /// Maximum number of tokens per minute, with estimated prompts; otherwise as [`Endpoint::requests_per_minute`].
    #[must_use]
    pub fn tokens_per_minute(mut self, tokens: u64) -> Self {
        self.options.tokens_per_minute = Some(tokens);
        self
    }

    /// Limits what the target may cost within any window of length `per`, at list prices. Beyond that, calls go to the
    /// next target. Needs a known price.
    #[must_use]
    pub fn spend_limit(mut self, most: Cost, per: Duration) -> Self {
        self.options.spend_limit = Some(SpendLimit::new(most, per));
        self
    }

    /// The model writes its reasoning between these tags in its text, and its server leaves them there. What they
    /// enclose is reported as reasoning.
    #[must_use]
    pub fn think_tags(mut self, tags: ThinkTags) -> Self {
        self.options.think_tags = Some(tags);
        self
    }

    /// Sets when its breakers open. Targets at one host share that host's breaker, and those with one key that key's: it takes
    /// the settings of the target that was added first.
    #[must_use]
    pub fn breaker(mut self, config: Breaker) -> Self {
        self.options.breaker = config;
        self
    }

    /// While the target is unhealthy, or its key or model is out of service, probes it in the background, so that no
    /// caller has to find out whether it works again. A probe says hello and asks for 16 tokens; it is billed like any
    /// other request. Off by default.
    #[must_use]
    pub fn probe(mut self, on: bool) -> Self {
        self.options.probe = on;
        self
    }

    /// Sends the time left for the answer in this header, such as `x-hotspare-deadline` for another Hotspare gateway:
    /// `20000ms`, or the bare number if the header's name ends in `-ms`. Off by default.
    #[must_use]
    pub fn deadline_header(mut self, name: impl Into<String>) -> Self {
        self.options.deadline_header = Some(name.into());
        self
    }

    /// Rewrites requests for this model with a Jinja template; see [`Template`](crate::Template). The template may use
    /// `{{ system }}` and `{{ model }}`. Mistakes in it are reported when the client is built.
    #[cfg(feature = "templates")]
    #[must_use]
    pub fn prompt(mut self, text: &str) -> Self {
        match hotspare_normalize::Template::parse("prompt", text) {
            Ok(template) => {
                let name = template.version_name();
                self.template(name, template)
            }
            Err(error) => {
                self.options.mistakes.push(error.message().to_owned());
                self
            }
        }
    }

    /// Rewrites requests for this model with a template of any kind; `name` identifies it in the trail.
    #[must_use]
    pub fn template(mut self, name: impl Into<String>, template: impl PromptTemplate + 'static) -> Self {
        self.options.prompt = Some(NamedTemplate { name: name.into(), template: Arc::new(template) });
        self
    }

    /// Connects through an HTTP proxy.
    #[must_use]
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.options.network.proxy = Some(url.into());
        self
    }

    /// Connects through the proxies named in the environment (`HTTPS_PROXY` and related variables).
    #[must_use]
    pub fn proxy_from_env(mut self) -> Self {
        self.options.network.proxy_from_env = true;
        self
    }

    /// Trusts these certificate authorities (PEM) in addition to the default ones.
    #[must_use]
    pub fn ca(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.options.network.ca = Some(pem.into());
        self
    }

    /// Time limit for connecting. Default 1 s.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.options.network.connect = Some(limit);
        self
    }
}
