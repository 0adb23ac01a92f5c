//! An answer as it arrives.
//!
//! Invariant: an error after the first content is the last item; dropping the stream cancels upstream.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{Stream, StreamExt};
use hotspare_core::{ChatResponse, Chunk, Error, Event, TargetId, Trail};
use hotspare_engine::Summary;
use hotspare_normalize::Assembler;

use crate::driver::{Driver, Output};

/// A stream of events. The call has committed: the first content has arrived, so failover before it has already
/// happened.
///
/// After content has been delivered, an error is the last item. Dropping the stream cancels the request upstream.
///
/// ```no_run
/// use futures::StreamExt;
/// use hotspare::{ChatRequest, Client, Event};
///
/// # async fn run(client: Client) -> Result<(), hotspare::Error> {
/// let mut stream = client.stream(ChatRequest::to("chat").user("Tell me a story.")).await?;
/// while let Some(event) = stream.next().await {
///     if let Event::TextDelta(text) = event? {
///         print!("{text}");
///     }
/// }
/// println!("\n{}", stream.trail());
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
}

impl ChatStream {
    pub(crate) fn new(driver: Box<Driver>, first: Output) -> Self {
        Self { driver, first: Some(first), end: None, failed: None, finished: false }
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

    /// Collects the rest of the stream into an answer: text, reasoning, tool calls, usage, `served_by` and the trail,
    /// as [`Client::chat`](crate::Client::chat) returns it. Events already read from the stream are not included.
    ///
    /// # Errors
    /// The error that ended the stream.
    pub async fn into_response(mut self) -> Result<ChatResponse, Error> {
        let mut answer = Assembler::default();
        while let Some(event) = self.next().await {
            answer.push(event?)?;
        }
        let mut response = answer.finish()?;
        response.served_by = self.served_by().cloned();
        response.trail = self.trail().clone();
        Ok(response)
    }

    /// The next event with the frame it was read from, for relays whose caller speaks the provider's wire.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, Error>>> {
        if self.finished {
            return Poll::Ready(None);
        }
        let output = match self.first.take() {
            Some(first) => first,
            None => std::task::ready!(self.driver.poll_output(cx)),
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
        self.poll_chunk(cx).map(|next| next.map(|item| item.map(|chunk| chunk.event)))
    }
}
