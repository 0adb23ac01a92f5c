//! The one alphabet in which every provider's answer is told.
//!
//! Not a wire format. Invariant: adapters put every provider's words into these; above them nobody knows another
//! alphabet. Order: `Started`, then deltas, then `Finished`; `Usage` may come anywhere and replaces what came before.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::embed::Vector;
use crate::finish::FinishReason;
use crate::json::Json;
use crate::message::{Native, Signature};
use crate::target::TargetId;
use crate::usage::Usage;

/// A step of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Event {
    /// A citation or other note on the text, as the provider wrote it.
    Annotation(Json),
    /// The answer is complete. Nothing but `Usage` follows.
    Finished(FinishReason),
    /// The serving target was cut off and another carries on; text before and after belongs together.
    Handover {
        /// Who was cut off.
        from: TargetId,
        /// Who carries on.
        to: TargetId,
    },
    /// Log probabilities of the text just sent, as the provider wrote them.
    LogProbs(Json),
    /// The beginning or end of a part, or another frame that says nothing by itself; there so that its spelling can be
    /// passed on.
    Mark,
    /// A whole part that only one wire knows, such as the result of a tool that the provider ran.
    Native(Box<Native>),
    /// Something that no shared word covers, as the provider wrote it.
    Other {
        /// The provider's name for it.
        kind: String,
        /// The whole of it.
        raw: Json,
    },
    /// A piece of the model's reasoning.
    ReasoningDelta(String),
    /// The author's proof for the reasoning so far, or reasoning that is hidden altogether.
    ReasoningSignature(Signature),
    /// A piece of a refusal.
    RefusalDelta(String),
    /// The provider accepted the request. Not yet content.
    Started {
        /// The provider's id of the answer.
        id: Option<String>,
        /// The model that truly answers.
        model: Option<String>,
    },
    /// A piece of text.
    TextDelta(String),
    /// A piece of a tool call's arguments.
    ToolDelta {
        /// Which call, counted from 0 in order of appearance.
        index: u32,
        /// The next piece of the arguments' text.
        arguments: String,
    },
    /// The model begins a tool call.
    ToolStarted {
        /// Which call, counted from 0 in order of appearance.
        index: u32,
        /// The call's id.
        id: String,
        /// The tool's name.
        name: String,
    },
    /// Token counts so far; later ones replace earlier ones. Boxed: an event is moved often and counts come once.
    Usage(Box<Usage>),
    /// One input's embedding. Boxed for the same reason.
    Vector(Box<Vector>),
}

impl Event {
    /// Whether this is something that a caller waits for: text, reasoning, a refusal, a tool call or a vector. Role frames, pings,
    /// empty deltas and usage are not. The first content is where a call commits to its target.
    #[must_use]
    pub fn is_content(&self) -> bool {
        match self {
            Self::TextDelta(text) | Self::ReasoningDelta(text) | Self::RefusalDelta(text) => !text.is_empty(),
            Self::Native(_) | Self::ToolStarted { .. } | Self::Vector(_) => true,
            Self::ToolDelta { arguments, .. } => !arguments.is_empty(),
            Self::Annotation(_)
            | Self::Finished(_)
            | Self::Handover { .. }
            | Self::LogProbs(_)
            | Self::Mark
            | Self::Other { .. }
            | Self::ReasoningSignature(_)
            | Self::Started { .. }
            | Self::Usage(_) => false,
        }
    }
}

/// An event together with the frame it was read from, so that a relay whose caller speaks the same wire can pass the
/// frame on untouched.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// What was said.
    pub event: Event,
    /// How it was spelled.
    pub raw: Raw,
}

impl From<Event> for Chunk {
    fn from(event: Event) -> Self {
        Self { event, raw: Raw::Absent }
    }
}

/// The spelling of an event. Opaque above the adapters: carried, never read.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Raw {
    /// Not read from a frame that could be passed on.
    #[default]
    Absent,
    /// Spelled by the same frame as the event before it.
    Covered,
    /// The data of one whole frame.
    Frame {
        /// Name of the wire, such as `openai-chat`; equal names mean interchangeable frames.
        wire: &'static str,
        /// The frame's data, without framing.
        data: Bytes,
    },
}

impl Raw {
    /// The wire whose frame it is.
    #[must_use]
    pub fn wire(&self) -> Option<&'static str> {
        match self {
            Self::Frame { wire, .. } => Some(wire),
            _ => None,
        }
    }
}

/// Shows sizes only: a frame holds the caller's words.
impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::Covered => f.write_str("Covered"),
            Self::Frame { wire, data } => write!(f, "Frame({wire}, {} bytes)", data.len()),
        }
    }
}
