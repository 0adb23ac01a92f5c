//! A provider with scripted replies, without a network.
//!
//! For tests of applications, and of Hotspare with a paused clock. Invariant: replies come in the order added, the last
//! one repeatedly; all requests are recorded.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use hotspare_core::{ChatRequest, Chunk, Error, Event, FinishReason, Kind, Request, Usage, Vector};
use hotspare_provider::{Describe, Outbound, Provider, Signal, by_status};

/// A scripted provider. Each of its replies is added by one method call, and each attempt uses one: a single 500 is
/// retried in place and takes the next reply, too. Concurrent calls need [`Scripted::respond`].
///
/// Clones share the log of requests.
#[derive(Clone, Debug, Default)]
pub struct Scripted {
    replies: Vec<Reply>,
    log: Arc<Mutex<Vec<ScriptedRequest>>>,
}

/// A request that a scripted provider received.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ScriptedRequest {
    /// The request: chat or embeddings.
    pub request: Request,
    /// The model.
    pub model: Arc<str>,
    /// Whether a stream was requested.
    pub stream: bool,
}

impl ScriptedRequest {
    /// The chat request.
    ///
    /// # Panics
    /// If it is a request for embeddings.
    #[must_use]
    #[expect(clippy::panic, reason = "for tests, which should fail where they expected a chat request")]
    pub fn chat(&self) -> &ChatRequest {
        match &self.request {
            Request::Chat(chat) => chat,
            other => panic!("expected a chat request, got {other:?}"),
        }
    }
}

#[derive(Clone, Debug)]
enum Reply {
    /// These pieces, each after a pause, and then an end.
    Text {
        delay: Duration,
        pieces: Vec<String>,
        end: End,
    },
    Fail(Error),
    Stall,
    Events(Vec<Event>),
    Respond(Respond),
}

type RespondFn = dyn Fn(&ScriptedRequest) -> Result<Vec<Event>, Error> + Send + Sync;

/// Answers by the request.
#[derive(Clone)]
struct Respond(Arc<RespondFn>);

impl fmt::Debug for Respond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Respond")
    }
}

#[derive(Clone, Debug)]
enum End {
    Finished,
    Fail(Error),
    Stall,
}

impl Scripted {
    /// A provider without replies; requests to it fail.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers with a text.
    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Self {
        self.pieces([text.into()])
    }

    /// Answers with a text in several pieces.
    #[must_use]
    pub fn pieces(self, pieces: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.push_text(Duration::ZERO, pieces, End::Finished)
    }

    /// Answers with a text in pieces, with a delay before each.
    #[must_use]
    pub fn paced(self, delay: Duration, pieces: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.push_text(delay, pieces, End::Finished)
    }

    /// Sends these pieces, then the stream is truncated.
    #[must_use]
    pub fn cut(self, pieces: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.push_text(Duration::ZERO, pieces, End::Fail(Error::new(Kind::Truncated, "cut by the script")))
    }

    /// Sends these pieces, then stalls.
    #[must_use]
    pub fn stall_after(self, pieces: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.push_text(Duration::ZERO, pieces, End::Stall)
    }

    /// Accepts the request and never answers.
    #[must_use]
    pub fn stall(mut self) -> Self {
        self.replies.push(Reply::Stall);
        self
    }

    /// Fails with this HTTP status, classified as most providers mean it.
    #[must_use]
    pub fn status(self, status: u16) -> Self {
        self.fail(failure(status, "failed by the script"))
    }

    /// Answers 429, with the pause that it asks for.
    #[must_use]
    pub fn rate_limited(self, pause: impl Into<Option<Duration>>) -> Self {
        self.fail(failure(429, "rate limited by the script").with_retry_after(pause))
    }

    /// Answers with one tool call. `arguments` are JSON text, valid or not.
    #[must_use]
    pub fn tool_call(self, name: impl Into<String>, arguments: impl Into<String>) -> Self {
        self.events([
            Event::ToolStarted { index: 0, id: "call_1".into(), name: name.into() },
            Event::ToolDelta { index: 0, arguments: arguments.into() },
            Event::Finished(FinishReason::ToolCalls),
        ])
    }

    /// Answers a request for embeddings with these vectors, one for each input.
    #[must_use]
    pub fn vectors(self, vectors: impl IntoIterator<Item = Vec<f32>>) -> Self {
        let vectors =
            (0..).zip(vectors).map(|(index, values)| Event::Vector(Box::new(Vector { index, values })));
        self.events(vectors.chain([Event::Finished(FinishReason::Stop)]))
    }

    /// Answers with these events after `Started`: tool calls, reasoning, token counts, or anything else a provider may send.
    /// Without a `Finished` among them, the answer is truncated.
    #[must_use]
    pub fn events(mut self, events: impl IntoIterator<Item = Event>) -> Self {
        self.replies.push(Reply::Events(events.into_iter().collect()));
        self
    }

    /// Answers by the request: with these events after `Started`, or an error. As a script's last reply it serves any
    /// number of concurrent calls.
    ///
    /// ```
    /// use hotspare_chaos::Scripted;
    /// use hotspare_core::{Event, FinishReason};
    ///
    /// let echo = Scripted::new().respond(|request| {
    ///     let question = request.chat().messages.last().map(|message| message.joined_text());
    ///     Ok(vec![Event::TextDelta(question.unwrap_or_default()), Event::Finished(FinishReason::Stop)])
    /// });
    /// ```
    #[must_use]
    pub fn respond(
        mut self,
        respond: impl Fn(&ScriptedRequest) -> Result<Vec<Event>, Error> + Send + Sync + 'static,
    ) -> Self {
        self.replies.push(Reply::Respond(Respond(Arc::new(respond))));
        self
    }

    /// Fails with this error.
    #[must_use]
    pub fn fail(mut self, error: Error) -> Self {
        self.replies.push(Reply::Fail(error));
        self
    }

    /// The requests received so far, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<ScriptedRequest> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn push_text(
        mut self,
        delay: Duration,
        pieces: impl IntoIterator<Item = impl Into<String>>,
        end: End,
    ) -> Self {
        let pieces = pieces.into_iter().map(Into::into).collect();
        self.replies.push(Reply::Text { delay, pieces, end });
        self
    }
}

impl Describe for Scripted {
    fn wire(&self) -> &'static str {
        "scripted"
    }
}

#[async_trait]
impl Provider for Scripted {
    async fn send(&self, call: Outbound) -> Result<BoxStream<'static, Result<Signal, Error>>, Error> {
        let request = call.request;
        let request = ScriptedRequest { request, model: call.model, stream: call.stream };
        let index = {
            let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            log.push(request.clone());
            log.len() - 1
        };
        let reply = self.replies.get(index).or(self.replies.last()).cloned();
        match reply {
            None => Err(Error::new(Kind::Server, "the script has no replies")),
            Some(Reply::Fail(error)) => Err(error),
            Some(Reply::Stall) => std::future::pending().await,
            Some(Reply::Text { delay, pieces, end }) => Ok(text_signals(delay, pieces, end)),
            Some(Reply::Events(events)) => Ok(event_signals(events)),
            Some(Reply::Respond(Respond(respond))) => respond(&request).map(event_signals),
        }
    }
}

fn event_signals(events: Vec<Event>) -> BoxStream<'static, Result<Signal, Error>> {
    let events = std::iter::once(Event::Started { id: None, model: None }).chain(events);
    let chunks = events.map(|event| Ok(Signal::Chunk(Chunk::from(event))));
    Box::pin(stream::iter([Ok(Signal::Opened(Box::default()))]).chain(stream::iter(chunks)))
}

/// The error that hosts without rules of their own mean by a status.
pub(crate) fn failure(status: u16, message: impl Into<String>) -> Error {
    Error::new(by_status(Some(status)), message).with_status(status)
}

fn text_signals(delay: Duration, pieces: Vec<String>, end: End) -> BoxStream<'static, Result<Signal, Error>> {
    let chunk = |event: Event| Ok(Signal::Chunk(Chunk::from(event)));
    let start =
        stream::iter([Ok(Signal::Opened(Box::default())), chunk(Event::Started { id: None, model: None })]);
    let tokens = pieces.len() as u64;
    let content = stream::iter(pieces).then(move |piece| async move {
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        Ok(Signal::Chunk(Chunk::from(Event::TextDelta(piece))))
    });
    let end_signals: BoxStream<'static, Result<Signal, Error>> = match end {
        End::Finished => Box::pin(stream::iter([
            chunk(Event::Finished(FinishReason::Stop)),
            chunk(Event::Usage(Box::new(Usage::reported(Some(1), Some(tokens))))),
        ])),
        End::Fail(error) => Box::pin(stream::iter([Err(error)])),
        End::Stall => Box::pin(stream::pending()),
    };
    Box::pin(start.chain(content).chain(end_signals))
}

#[cfg(test)]
mod tests {
    use hotspare_core::Kind;

    use super::failure;

    #[test]
    fn classifies_statuses_as_real_providers_mean_them() {
        for (status, kind) in [
            (409, Kind::Overloaded),
            (413, Kind::ContextOverflow),
            (501, Kind::Unsupported),
            (524, Kind::Timeout),
        ] {
            assert_eq!(failure(status, "").kind(), kind, "{status}");
        }
    }
}
