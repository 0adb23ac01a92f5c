//! The port: what the engine's driver asks of a provider.
//!
//! Not a place for retries, health or clocks. Invariant: one [`Provider::send`] is one request on the wire; dropping its
//! future or stream cancels that request, and nothing is left running behind it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use hotspare_core::{Capabilities, ChatRequest, Chunk, Error, Origin, RateLimits, Request, SchemaSubset};

use crate::secret::Secret;

/// Something that answers requests: usually an [`HttpProvider`](crate::HttpProvider), or your own.
#[async_trait]
pub trait Provider: fmt::Debug + Send + Sync {
    /// The wire's name, such as `openai-chat`. Equal names mean that frames are interchangeable, and that a request
    /// which came in over this wire reaches the provider untranslated.
    fn wire(&self) -> &'static str;

    /// Whose signed reasoning it can read back, if anybody's; what others signed is taken off before a request is sent.
    fn origin(&self) -> Option<Origin> {
        None
    }

    /// What `model` can do here as far as the provider knows; the catalogue and the application know more.
    fn capabilities(&self, model: &str) -> Capabilities {
        let _ = model;
        Capabilities::default()
    }

    /// What of `request` is said differently, or not at all, when it goes to `model`: hints that the wire has no word
    /// for, parts of a schema that it does not take. For the trail; what would change the answer is an error instead.
    fn notes(&self, request: &ChatRequest, model: &str) -> Vec<String> {
        let _ = (request, model);
        Vec::new()
    }

    /// What ties a request to state that this provider keeps (a conversation, a file, a tool that it runs), if anything
    /// does, for people. Such a request is never moved.
    fn binds(&self, request: &ChatRequest) -> Option<String> {
        let _ = request;
        None
    }

    /// Whether `request` asks the model to think before it answers. Some words for that are the wire's own.
    fn thinks(&self, request: &ChatRequest) -> bool {
        request.asks_for_reasoning()
    }

    /// What it understands of JSON Schema where it enforces `model`'s answers; `None` if it takes any schema, or enforces
    /// none.
    fn schema_subset(&self, model: &str) -> Option<&'static SchemaSubset> {
        let _ = model;
        None
    }

    /// Sends one request. The stream yields [`Signal::Opened`] first, then chunks, and ends after the answer's last
    /// event; a reply that ends early yields an error instead of an end.
    ///
    /// # Errors
    /// Whatever kept the reply from beginning, classified.
    async fn send(&self, call: Outbound) -> Result<BoxStream<'static, Result<Signal, Error>>, Error>;
}

const _: fn(&dyn Provider) = |_| ();

/// A shared provider is one as well, so that wrappers take it.
impl<P: Provider + ?Sized> Provider for Arc<P> {
    fn wire(&self) -> &'static str {
        (**self).wire()
    }

    fn origin(&self) -> Option<Origin> {
        (**self).origin()
    }

    fn capabilities(&self, model: &str) -> Capabilities {
        (**self).capabilities(model)
    }

    fn notes(&self, request: &ChatRequest, model: &str) -> Vec<String> {
        (**self).notes(request, model)
    }

    fn binds(&self, request: &ChatRequest) -> Option<String> {
        (**self).binds(request)
    }

    fn thinks(&self, request: &ChatRequest) -> bool {
        (**self).thinks(request)
    }

    fn schema_subset(&self, model: &str) -> Option<&'static SchemaSubset> {
        (**self).schema_subset(model)
    }

    /// Written as the macro expands it, because `async` would box the future a second time.
    fn send<'call, 'async_trait>(
        &'call self,
        call: Outbound,
    ) -> BoxFuture<'async_trait, Result<BoxStream<'static, Result<Signal, Error>>, Error>>
    where
        'call: 'async_trait,
        Self: 'async_trait,
    {
        (**self).send(call)
    }
}

/// One request as it leaves for one target.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outbound {
    /// What is asked, prepared for this target.
    pub request: Request,
    /// The provider's name of the model.
    pub model: Arc<str>,
    /// Whether the answer is wanted piece by piece.
    pub stream: bool,
    /// The key to use.
    pub secret: Option<Secret>,
    /// Time that is left for the whole answer, where it is limited.
    pub remaining: Option<Duration>,
    /// Wall time at which it leaves: signatures are dated with it. The beginning of 1970 where nobody said.
    pub sent_at: SystemTime,
}

impl Outbound {
    /// A request for `model`.
    pub fn new(request: impl Into<Request>, model: impl Into<Arc<str>>, stream: bool) -> Self {
        Self {
            request: request.into(),
            model: model.into(),
            stream,
            secret: None,
            remaining: None,
            sent_at: SystemTime::UNIX_EPOCH,
        }
    }

    /// What is asked in words.
    ///
    /// # Errors
    /// [`Kind::Unsupported`](hotspare_core::Kind::Unsupported) if something else is asked.
    pub fn chat(&self) -> Result<&ChatRequest, Error> {
        self.request.chat().map(|request| &**request)
    }

    /// Adds the key.
    #[must_use]
    pub fn with_secret(mut self, secret: Option<Secret>) -> Self {
        self.secret = secret;
        self
    }

    /// Adds the time left.
    #[must_use]
    pub fn with_remaining(mut self, remaining: Option<Duration>) -> Self {
        self.remaining = remaining;
        self
    }

    /// Adds the wall time.
    #[must_use]
    pub fn with_sent_at(mut self, sent_at: SystemTime) -> Self {
        self.sent_at = sent_at;
        self
    }
}

/// What comes back.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Signal {
    /// Bytes without content arrived (a ping, a comment, half a frame): the provider is alive.
    Alive,
    /// A piece of the answer.
    Chunk(Chunk),
    /// The reply has begun: headers are here, content is not.
    Opened(Box<Opened>),
}

/// The head of a reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// HTTP status, where the wire has one.
    pub status: Option<u16>,
    /// The provider's id of the request.
    pub request_id: Option<String>,
    /// What the provider says of its limits.
    pub limits: RateLimits,
}

impl Opened {
    /// The head of a reply.
    #[must_use]
    pub fn new(status: Option<u16>, request_id: Option<String>, limits: RateLimits) -> Self {
        Self { status, request_id, limits }
    }
}
