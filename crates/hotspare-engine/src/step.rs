//! What goes into a call and what comes out.
//!
//! Not behaviour. Invariant: whatever a driver must do for a call is a [`Step`], whatever it must tell the call is an
//! [`Input`] or an event; there is no third way in or out.

use std::sync::Arc;
use std::time::Duration;

use hotspare_core::{Chunk, Error, RateLimits, Response, TargetId, Trail, Usage};

/// Names an attempt within its call, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub usize);

/// What a driver must do next.
#[derive(Debug)]
#[non_exhaustive]
pub enum Step {
    /// Drop this attempt: nobody waits for it any more.
    Abort(AttemptId),
    /// Hand this to the caller.
    Deliver(Chunk),
    /// The call has ended. Given once; nothing follows.
    Done(Box<Result<Summary, Error>>),
    /// Send a request.
    Start(AttemptStart),
    /// Nothing, until an input, an event or [`Call::poll_timeout`](crate::Call::poll_timeout).
    Wait,
}

/// A request to send.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptStart {
    /// Names the attempt in inputs and events.
    pub id: AttemptId,
    /// Place of the target in the fleet.
    pub target: usize,
    /// Which of its keys.
    pub key: usize,
    /// Whether to ask for a stream.
    pub stream: bool,
    /// Time left for the whole answer.
    pub remaining: Duration,
    /// What a cut answer has already said, if this one carries it on.
    pub resume: Option<Resume>,
    /// What was wrong with the target's answer, if it is asked again for that.
    pub reask: Option<Reask>,
    /// The oldest turns must go until the prompt is estimated at so many tokens (as
    /// [`prompt_size`](hotspare_normalize::prompt_size) estimates).
    pub trim_to: Option<u64>,
    /// Tokens of the prompt as the target counts them, about.
    pub prompt_tokens: u64,
    /// The route.
    pub route: usize,
}

/// An answer that did not have the form that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reask {
    /// What the model said.
    pub answer: Arc<str>,
    /// What to tell it.
    pub feedback: Arc<str>,
}

/// An answer to carry on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resume {
    /// What the caller already has; without white space at its end, if the model gets it as the beginning of its turn.
    pub text: Arc<str>,
    /// Whether to give it to the model as the beginning of its own turn; otherwise the request is sent anew and the
    /// answer must begin with the same text.
    pub prefill: bool,
}

/// What happened to a call or one of its attempts.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input {
    /// Bytes without content arrived: the attempt is alive.
    Alive(AttemptId),
    /// The caller went away.
    CallerGone,
    /// The attempt's stream has ended in order.
    Ended(AttemptId),
    /// The attempt has failed.
    Failed(AttemptId, Error),
    /// The attempt's reply has begun.
    Opened(AttemptId, RateLimits),
    /// The attempt's key was rejected, and its source has a newer one, which takes its place.
    Renewed(AttemptId, Error),
    /// There may be room at a target for which the call waits.
    Woken,
}

/// A call that was answered.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// Who gave the answer, or its last part.
    pub served_by: TargetId,
    /// Who was tried.
    pub trail: Trail,
    /// Tokens of the answer.
    pub usage: Usage,
    /// The whole answer, where the call held it.
    pub response: Option<Response>,
}
