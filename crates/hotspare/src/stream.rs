//! An answer as it arrives.
//!
//! Invariant: an error after the first content is the last item; dropping the stream cancels upstream; events are kept
//! only on request.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::Stream;
use hotspare_core::{ChatResponse, Chunk, Error, Event, Kind, TargetId, Trail};
use hotspare_engine::Summary;
use hotspare_normalize::Assembler;

use crate::driver::{Driver, Output};

/// A stream of events. The call has committed: the first content has arrived, so failover before it has already
/// happened.
///
/// After content has been delivered, an error is the last item. Dropping the stream cancels the request upstream.
///
/// A chat application shows the pieces as they arrive and needs the complete answer for the next turn. That is what
/// [`ChatStream::assembled`] is for:
///
/// ```no_run
/// use hotspare::{ChatRequest, Client};
///
/// # async fn run(client: Client) -> Result<(), hotspare::Error> {
/// let mut chat = ChatRequest::to("chat").user("Tell me a story.");
/// let mut stream = client.stream(chat.clone()).await?.assembled();
/// while let Some(event) = stream.next().await {
///     if let Some(text) = event?.as_text() {
///         print!("{text}");
///     }
/// }
/// println!("\n{}", stream.trail());
/// let answer = stream.into_response().await?; // with tool calls, reasoning and token counts
/// chat = chat.message(answer.into_message()).user("And then?");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ChatStream {
    driver: Box<Driver>,
    first: Option<Output>,
    end: Option<Summary>,
    failed: Option<Trail>,
    finished: bool,
    events: Events,
}

/// What became of the events read so far.
#[derive(Debug)]
enum Events {
    None,
    Dropped,
    Kept(Result<Box<Assembler>, Error>),
}

impl ChatStream {
    pub(crate) fn new(driver: Box<Driver>, first: Output) -> Self {
        Self { driver, first: Some(first), end: None, failed: None, finished: false, events: Events::None }
    }

    /// The attempts so far, and their outcomes.
    #[must_use]
    pub fn trail(&self) -> &Trail {
        match (&self.end, &self.failed) {
            (Some(end), _) => &end.trail,
            (None, Some(trail)) => trail,
            (None, None) => self.driver.trail(),
        }
    }

    /// The target that serves: the one that gave the answer, or the last one started that is still running.
    #[must_use]
    pub fn served_by(&self) -> Option<&TargetId> {
        self.trail().serving().map(|attempt| &attempt.target)
    }

    /// Keeps a copy of the events as they are read, so that [`ChatStream::into_response`] can return the complete
    /// answer afterwards. Call it before reading the first event.
    #[must_use]
    pub fn assembled(mut self) -> Self {
        if matches!(self.events, Events::None) {
            self.events = Events::Kept(Ok(Box::default()));
        }
        self
    }

    /// The next event; `None` after the last one.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Reads the rest of the stream and returns the complete answer: text, reasoning, tool calls, usage, `served_by`
    /// and the trail, as [`Client::chat`](crate::Client::chat) does. If events were already read, the stream must have
    /// been [`assembled`](ChatStream::assembled) from the start.
    ///
    /// # Errors
    /// The error that ended the stream; [`Kind::Config`] if events were read that were not kept.
    pub async fn into_response(self) -> Result<ChatResponse, Error> {
        let mut stream = self.assembled();
        while let Some(event) = stream.next().await {
            event?;
        }
        let mut response = match std::mem::replace(&mut stream.events, Events::Dropped) {
            Events::Kept(answer) => answer?.finish()?,
            Events::None | Events::Dropped => {
                let what = "events were read from the stream without keeping them; call `assembled` before the first one";
                return Err(Error::new(Kind::Config, what));
            }
        };
        response.served_by = stream.served_by().cloned();
        response.trail = stream.trail().clone();
        Ok(response)
    }

    /// The next event with the frame it was read from, for relays whose caller speaks the provider's wire.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, Error>>> {
        if self.finished {
            return Poll::Ready(None);
        }
        let next = ready!(self.poll_next_chunk(cx));
        match (&mut self.events, &next) {
            (Events::Kept(answer), Some(Ok(chunk))) => {
                if let Ok(assembler) = answer
                    && let Err(error) = assembler.push(chunk.event.clone())
                {
                    *answer = Err(error);
                }
            }
            (Events::Kept(answer), Some(Err(error))) => *answer = Err(error.clone()),
            (events @ Events::None, Some(_)) => *events = Events::Dropped,
            _ => {}
        }
        Poll::Ready(next)
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        self.poll_chunk(cx).map(|next| next.map(|item| item.map(|chunk| chunk.event)))
    }

    fn poll_next_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, Error>>> {
        let output = match self.first.take() {
            Some(first) => first,
            None => ready!(self.driver.poll_output(cx)),
        };
        match output {
            Output::Chunk(chunk) => Poll::Ready(Some(Ok(chunk))),
            Output::Done(result) => {
                self.finished = true;
                match *result {
                    Ok(summary) => {
                        self.end = Some(summary);
                        Poll::Ready(None)
                    }
                    Err(error) => {
                        self.failed = Some(error.trail().clone());
                        Poll::Ready(Some(Err(error)))
                    }
                }
            }
        }
    }
}

impl Stream for ChatStream {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_event(cx)
    }
}
