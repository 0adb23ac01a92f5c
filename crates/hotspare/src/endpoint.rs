//! What a target is: a model at an endpoint, with its keys.
//!
//! A plain description: nothing is connected or read before the client is built. Invariant: setters may be called in
//! any order, and mistakes are collected and reported by the builder with all others.

#[cfg(feature = "_http")]
mod address;
mod options;

#[cfg(feature = "_http")]
use std::fmt;
use std::sync::Arc;

#[cfg(feature = "_http")]
use hotspare_core::Error;
use hotspare_provider::{Provider, Signer, Wire};

use crate::key::Key;
pub(crate) use options::{NetworkOptions, Options};

/// A target's description; made by [`openai::target`](crate::openai::target) and the other provider modules, by
/// [`Endpoint::custom`], or by [`Endpoint::wire`].
///
/// All endpoints share the same setters, in any order. `W` adds those of one module, such as
/// [`responses`](crate::openai::Settings). Endpoints of different modules become the same type with [`Endpoint::into_any`]:
///
/// ```
/// use hotspare::{Endpoint, Key, anthropic, openai};
///
/// fn endpoint(provider: &str, model: &str) -> Endpoint {
///     match provider {
///         "anthropic" => anthropic::target(model).key(Key::env("ANTHROPIC_API_KEY")).into_any(),
///         _ => openai::target(model).max_in_flight(2).base_url("http://localhost:11434/v1").into_any(),
///     }
/// }
/// # endpoint("anthropic", "claude-sonnet-4-6");
/// ```
#[derive(Clone, Debug)]
pub struct Endpoint<W = AnyWire> {
    pub(crate) wire: W,
    pub(crate) model: String,
    /// Address and headers from which [`WireSettings`] make the wire.
    #[cfg(feature = "_http")]
    http: HttpOptions,
    pub(crate) options: Options,
}

/// The wire or provider of an [`Endpoint`], and what follows from it.
#[derive(Clone, Debug)]
pub struct AnyWire {
    pub(crate) backend: Backend,
    /// The host, which names the scope of its health.
    pub(crate) host: String,
    /// The API's address, which names the scopes of its models' and keys' health.
    pub(crate) address: String,
    /// The address from which the wire was made.
    pub(crate) base_url: Option<String>,
    pub(crate) needs_key: bool,
    /// The key to use if none is given.
    pub(crate) default_key: Option<Key>,
    pub(crate) signer: Option<Arc<dyn Signer>>,
}

/// How to talk to the endpoint.
#[derive(Clone, Debug)]
pub(crate) enum Backend {
    Provider(Arc<dyn Provider>),
    Wire(Arc<dyn Wire>),
}

/// What only the endpoints of one module have; implemented by [`openai::Settings`](crate::openai::Settings) and those
/// of the other provider modules. Custom wires use [`Endpoint::wire`] instead.
#[cfg(feature = "_http")]
pub trait WireSettings {
    /// Makes the wire. `mistakes` receives what is wrong with the settings.
    #[doc(hidden)]
    fn connect(self, model: &str, http: &HttpOptions, mistakes: &mut Vec<String>) -> AnyWire;
}

/// Where requests go, and the headers that each one gets.
#[cfg(feature = "_http")]
#[derive(Clone, Default)]
pub struct HttpOptions {
    pub(crate) base_url: Option<String>,
    headers: Vec<(String, String)>,
}

/// Shows neither the values of headers nor the address, which may contain secrets.
#[cfg(feature = "_http")]
impl fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("HttpOptions")
            .field("own_base_url", &self.base_url.is_some())
            .field("headers", &names)
            .finish()
    }
}

impl Endpoint {
    /// A model behind a custom provider. Targets that use the same `Arc` share its health; see
    /// [`Endpoint::health_group`].
    pub fn custom(provider: Arc<dyn Provider>, model: impl Into<String>) -> Self {
        // The builder sets the host, from the target's name.
        Self::new(AnyWire::new(Backend::Provider(provider), String::new()), model.into(), None)
    }

    /// A model behind a custom HTTP wire, reached at `host` (a name for its health, such as `https://example.com`).
    pub fn wire(wire: Arc<dyn Wire>, model: impl Into<String>, host: impl Into<String>) -> Self {
        Self::new(AnyWire::new(Backend::Wire(wire), host.into()), model.into(), None)
    }
}

impl<W> Endpoint<W> {
    /// `catalog` is the provider under which the model catalogue lists the model.
    pub(crate) fn new(wire: W, model: String, catalog: Option<String>) -> Self {
        Self {
            wire,
            model,
            #[cfg(feature = "_http")]
            http: HttpOptions::default(),
            options: Options { catalog, ..Options::default() },
        }
    }
}

#[cfg(feature = "_http")]
impl<W: WireSettings> Endpoint<W> {
    /// Sets the base URL: up to and including the version, unless the wire says otherwise (Ollama: without `/api`; Bedrock:
    /// scheme and host). A key becomes optional.
    #[must_use]
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.http.base_url = Some(base_url.into());
        self
    }

    /// Adds a header to each request.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.http.headers.push((name.into(), value.into()));
        self
    }

    /// The endpoint without the settings that only its module has, so that endpoints of all modules have one type.
    #[must_use]
    pub fn into_any(self) -> Endpoint {
        let Endpoint { wire, model, http, mut options } = self;
        let mut wire = wire.connect(&model, &http, &mut options.mistakes);
        if http.base_url.is_some() {
            wire.needs_key = false;
            wire.default_key = None;
        }
        Endpoint { wire, model, http: HttpOptions::default(), options }
    }
}

#[cfg(feature = "_http")]
impl<W: WireSettings> From<Endpoint<W>> for Endpoint {
    fn from(endpoint: Endpoint<W>) -> Self {
        endpoint.into_any()
    }
}

impl AnyWire {
    fn new(backend: Backend, address: String) -> Self {
        let host = address.clone();
        Self { backend, host, address, base_url: None, needs_key: false, default_key: None, signer: None }
    }

    /// A wire at this address, which needs a key.
    #[cfg(feature = "_http")]
    pub(crate) fn at(base_url: &str, wire: Arc<dyn Wire>, mistakes: &mut Vec<String>) -> Self {
        mistakes.extend(address::url_mistakes(base_url));
        let host = address::host_of(base_url);
        let path = base_url.get(host.len()..).unwrap_or_default().trim_end_matches('/');
        let address = format!("{host}{path}");
        let base_url = Some(address.clone());
        Self { host, base_url, needs_key: true, ..Self::new(Backend::Wire(wire), address) }
    }
}

#[cfg(feature = "_http")]
impl HttpOptions {
    /// Notes a base URL at the wire's own host without the path that its `default` address has.
    #[cfg(any(feature = "anthropic", feature = "cohere", feature = "gemini", feature = "openai"))]
    pub(crate) fn check_version(&self, default: &str, mistakes: &mut Vec<String>) {
        mistakes.extend(self.base_url.as_deref().and_then(|url| address::missing_version(url, default)));
    }

    /// The wire with all valid headers added; the others are mistakes.
    pub(crate) fn with_headers<W: Clone>(
        &self,
        wire: W,
        add: fn(W, &str, &str) -> Result<W, Error>,
        mistakes: &mut Vec<String>,
    ) -> W {
        self.headers.iter().fold(wire, |wire, (name, value)| {
            add(wire.clone(), name, value).unwrap_or_else(|error| {
                mistakes.push(format!("header `{name}`: {}", error.message()));
                wire
            })
        })
    }
}

#[cfg(all(test, feature = "bedrock", feature = "cohere", feature = "config", feature = "ollama"))]
mod tests;
