//! The inputs and outputs of a call.
//!
//! No behavior. Invariant: whatever a driver must do for a call is a [`Step`], and whatever can end an attempt or the call
//! is an [`Input`] or an event. A driver matches every step: one that it does not know would leave a call hanging, so a
//! new one must not compile there.

use std::sync::Arc;
use std::time::Duration;

use hotspare_core::{Chunk, Error, FinishReason, RateLimits, Response, StartKind, TargetId, Trail, Usage};

use crate::index::{KeyIndex, RouteIndex, TargetIndex};
use crate::judgement::{Judged, Judgement, Reask};

/// Identifies an attempt within its call, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub usize);

/// What a driver must do next.
#[derive(Debug)]
pub enum Step {
    /// Drop this attempt: its result is no longer needed.
    Abort(AttemptId),
    /// Hand this to the caller.
    Deliver(Chunk),
    /// The call has ended. Returned once; nothing follows.
    Done(Box<Result<Summary, Error>>),
    /// Run this judgement of the attempt's answer, and report the result as [`Input::Judged`]. It needs neither the call
    /// nor the world, and may take long ([`Judgement::is_heavy`]); the call's timers go on meanwhile. A later
    /// [`Step::Abort`] means that its result is no longer needed.
    Judge(AttemptId, Box<Judgement>),
    /// Send a request.
    Start(AttemptStart),
    /// Do nothing until an input, an event or [`Call::poll_timeout`](crate::Call::poll_timeout).
    Wait,
}

/// A request to send.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptStart {
    /// Identifies the attempt in inputs and events.
    pub id: AttemptId,
    /// What part it plays in its call.
    pub kind: StartKind,
    /// Index of the target in the fleet.
    pub target: TargetIndex,
    /// Index of the key.
    pub key: KeyIndex,
    /// Whether to ask for a stream.
    pub stream: bool,
    /// Time left for the whole answer.
    pub remaining: Duration,
    /// The cut answer so far, if this attempt continues one.
    pub resume: Option<Resume>,
    /// What was wrong with the target's previous answer, if it is asked again.
    pub reask: Option<Reask>,
    /// The oldest turns must be removed until the prompt is estimated at this many tokens (by
    /// [`prompt_size`](hotspare_normalize::prompt_size)).
    pub trim_to: Option<u64>,
    /// The most tokens that the prompt may have at this target: the estimate and its margin.
    pub most_prompt_tokens: u64,
    /// The target's context window, if known.
    pub window: Option<u64>,
    /// The longest answer in tokens that the request's maximum cost pays for, if it has one.
    pub most_output: Option<u64>,
    /// Index of the route.
    pub route: RouteIndex,
}

/// How the request of an attempt was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// What was changed in the caller's request, for the trail.
    pub notes: Vec<String>,
    /// The target was told to answer by tool call: the call's arguments are delivered as text.
    pub by_tool: bool,
}

/// An answer to continue.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resume {
    /// What the caller already has, without trailing white space if it is used as prefill.
    pub text: Arc<str>,
    /// Whether to give it to the model as the beginning of its own turn; otherwise the request is sent again and the
    /// answer must begin with the same text.
    pub prefill: bool,
}

/// What happened to a call or one of its attempts.
#[derive(Debug)]
pub enum Input {
    /// Bytes without content arrived: the attempt is alive.
    Alive(AttemptId),
    /// The caller disconnected.
    CallerGone,
    /// The attempt's stream has ended cleanly.
    Ended(AttemptId),
    /// The attempt has failed, or its answer could not be judged.
    Failed(AttemptId, Error),
    /// The attempt's reply has an end that may not be the end of the answer; if nothing follows, it was.
    HeldEnd(AttemptId, FinishReason),
    /// The attempt's answer has been judged.
    Judged(AttemptId, Box<Judged>),
    /// The attempt's reply has started.
    Opened(AttemptId, RateLimits),
    /// The attempt's key was rejected, and has been replaced by a newer one from its source.
    Renewed(AttemptId, Error),
    /// There may be room at a target that the call waits for.
    Woken,
}

/// A call that was answered.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// The target that produced the answer, or its last part.
    pub served_by: TargetId,
    /// The record of all attempts.
    pub trail: Trail,
    /// Token counts of the answer; if it was continued, of every attempt that delivered a part of it.
    pub usage: Usage,
    /// The complete answer, if the call held it.
    pub response: Option<Box<Response>>,
}
