//! The port between the engine's driver and a provider.
//!
//! Not a place for retries, health or clocks. Invariant: one [`Provider::send`] is one request on the wire; dropping
//! its future or stream cancels the request and leaves nothing running.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use hotspare_core::{ChatRequest, Chunk, Error, Event, FinishReason, RateLimits, Request};

use crate::describe::Describe;
use crate::secret::Secret;

/// Something that answers requests: usually an [`HttpProvider`](crate::HttpProvider), or your own.
///
/// A model that is not reached over HTTP; `Endpoint::custom` of the `hotspare` crate makes a target of it:
///
/// ```
/// use futures::stream::{self, BoxStream, StreamExt as _};
/// use hotspare_core::{Error, Event, FinishReason, Kind, Usage};
/// use hotspare_provider::{Describe, Opened, Outbound, Provider, Signal};
///
/// #[derive(Debug)]
/// struct Echo;
///
/// impl Describe for Echo {
///     fn wire(&self) -> &'static str {
///         "echo"
///     }
/// }
///
/// #[async_trait::async_trait]
/// impl Provider for Echo {
///     async fn send(&self, call: Outbound) -> Result<BoxStream<'static, Result<Signal, Error>>, Error> {
///         let chat = call.chat()?;
///         if !chat.tools.is_empty() {
///             return Err(Error::new(Kind::Unsupported, "it calls no tools")); // another target serves
///         }
///         let text = chat.messages.last().map(|message| message.joined_text()).unwrap_or_default();
///         let signals: [Signal; 5] = [
///             Opened::default().into(),
///             Event::Started { id: None, model: None }.into(),
///             Event::TextDelta(text).into(),
///             Event::from(Usage::reported(Some(3), Some(4))).into(),
///             Event::Finished(FinishReason::Stop).into(),
///         ];
///         Ok(stream::iter(signals.map(Ok)).boxed())
///     }
/// }
/// ```
#[async_trait]
pub trait Provider: Describe {
    /// Sends one request. The stream yields [`Signal::Opened`] first, then chunks, and ends after the answer's last
    /// event; a reply that ends early yields an error instead of an end.
    ///
    /// # Errors
    /// Whatever prevented the reply from starting, classified.
    async fn send(&self, call: Outbound) -> Result<BoxStream<'static, Result<Signal, Error>>, Error>;
}

const _: fn(&dyn Provider) = |_| ();

/// A shared provider is a provider, so that wrappers accept it.
impl<P: Provider + ?Sized> Provider for Arc<P> {
    /// Written as the macro expands, because `async` would box the future a second time.
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

/// One request, ready to be sent to one target.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outbound {
    /// The request, prepared for this target.
    pub request: Request,
    /// The provider's name for the model.
    pub model: Arc<str>,
    /// Whether to stream the answer.
    pub stream: bool,
    /// The key to use.
    pub secret: Option<Secret>,
    /// The time left for the whole answer, if it is limited.
    pub remaining: Option<Duration>,
    /// The wall-clock time of sending, which dates signatures. The Unix epoch if unset.
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

    /// The chat request.
    ///
    /// # Errors
    /// [`Kind::Unsupported`](hotspare_core::Kind::Unsupported) if the request is of another type.
    pub fn chat(&self) -> Result<&ChatRequest, Error> {
        self.request.chat().map(|request| &**request)
    }

    /// Sets the key.
    #[must_use]
    pub fn with_secret(mut self, secret: Option<Secret>) -> Self {
        self.secret = secret;
        self
    }

    /// Sets the time left.
    #[must_use]
    pub fn with_remaining(mut self, remaining: Option<Duration>) -> Self {
        self.remaining = remaining;
        self
    }

    /// Sets the wall-clock time of sending.
    #[must_use]
    pub fn with_sent_at(mut self, sent_at: SystemTime) -> Self {
        self.sent_at = sent_at;
        self
    }
}

/// What a provider's stream yields.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Signal {
    /// Bytes without content arrived (a ping, a comment, half a frame): the provider is alive.
    Alive,
    /// A piece of the answer.
    Chunk(Chunk),
    /// An end has arrived that may not be the end of the answer, as some hosts end it too early. If nothing follows, it
    /// was. Repeated with every sign of life, in place of [`Signal::Alive`].
    HeldEnd(FinishReason),
    /// The reply has begun: its headers have arrived, but no content yet.
    Opened(Box<Opened>),
}

impl From<Event> for Signal {
    fn from(event: Event) -> Self {
        Self::Chunk(event.into())
    }
}

impl From<Opened> for Signal {
    fn from(head: Opened) -> Self {
        Self::Opened(Box::new(head))
    }
}

/// The head of a reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// HTTP status, where the wire has one.
    pub status: Option<u16>,
    /// The provider's id of the request.
    pub request_id: Option<String>,
    /// The rate limits that the head reports.
    pub limits: RateLimits,
}

impl Opened {
    /// Creates the head of a reply.
    #[must_use]
    pub fn new(status: Option<u16>, request_id: Option<String>, limits: RateLimits) -> Self {
        Self { status, request_id, limits }
    }
}
