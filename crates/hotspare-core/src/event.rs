//! The one event vocabulary for the answers of all providers.
//!
//! Not a wire format. Invariant: adapters translate every provider's stream into these events, and nothing above them
//! knows another vocabulary. Order: `Started`, then deltas, then `Finished`; `Usage`, `Turns` and `ServiceTier` may come
//! anywhere and replace what came before.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::embed::Vector;
use crate::finish::FinishReason;
use crate::json::Json;
use crate::message::{Native, Signature};
use crate::target::TargetId;
use crate::usage::{Turn, Usage};

/// An event of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A citation or other annotation of the text, as the provider wrote it.
    Annotation(Json),
    /// Fields that only one wire has, of the part before it, as a JSON object: the provider wants them back with it.
    Fields(Box<Native>),
    /// The answer is complete. Only `Usage`, `Turns` and `ServiceTier` may follow.
    Finished(FinishReason),
    /// The serving target was cut off and another continues; the text before and after belongs together.
    Handover {
        /// The target that was cut off.
        from: TargetId,
        /// The target that continues.
        to: TargetId,
    },
    /// Log probabilities of the text just sent, as the provider wrote them.
    LogProbs(Json),
    /// The start or end of a part, or another frame without content of its own. It exists so that its raw frame can be
    /// passed through.
    Mark,
    /// A complete part that only one wire has, such as the result of a tool that the provider ran.
    Native(Box<Native>),
    /// Anything that the vocabulary does not cover, as the provider wrote it.
    Other {
        /// The provider's name for it.
        kind: String,
        /// The complete JSON.
        raw: Json,
    },
    /// A piece of the model's reasoning.
    ReasoningDelta(String),
    /// The provider's signature of the reasoning so far, or reasoning that is redacted entirely.
    ReasoningSignature(Signature),
    /// A piece of a refusal.
    RefusalDelta(String),
    /// The class of service that the answer was given, in the provider's word, such as `priority`.
    ServiceTier(String),
    /// The provider accepted the request. Not yet content.
    Started {
        /// The provider's id of the answer.
        id: Option<String>,
        /// The model that actually answers.
        model: Option<String>,
    },
    /// A piece of text.
    TextDelta(String),
    /// A piece of a tool call's arguments.
    ToolDelta {
        /// Which call, counted from 0 in order of appearance.
        index: u32,
        /// The next fragment of the arguments' text.
        arguments: String,
    },
    /// The model starts a tool call.
    ToolStarted {
        /// Which call, counted from 0 in order of appearance.
        index: u32,
        /// The call's id.
        id: String,
        /// The tool's name.
        name: String,
    },
    /// The counts of each model, if the provider let several work on the answer; later ones replace earlier ones.
    /// `Usage` has those of the answer itself.
    Turns(Vec<Turn>),
    /// Token counts so far; later ones replace earlier ones. Boxed to keep events small: they are moved often, and
    /// counts are rare.
    Usage(Box<Usage>),
    /// One input's embedding. Boxed for the same reason.
    Vector(Box<Vector>),
}

impl Event {
    /// The piece of text, if this is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::TextDelta(text) => Some(text),
            _ => None,
        }
    }

    /// Whether this is content that a caller waits for: text, reasoning, a refusal, a tool call, a native part or a
    /// vector. Role frames, pings, empty deltas and usage are not. The first content commits a call to its target.
    #[must_use]
    pub fn is_content(&self) -> bool {
        match self {
            Self::TextDelta(text) | Self::ReasoningDelta(text) | Self::RefusalDelta(text) => !text.is_empty(),
            Self::Native(_) | Self::ToolStarted { .. } | Self::Vector(_) => true,
            Self::ToolDelta { arguments, .. } => !arguments.is_empty(),
            Self::Annotation(_)
            | Self::Fields(_)
            | Self::Finished(_)
            | Self::Handover { .. }
            | Self::LogProbs(_)
            | Self::Mark
            | Self::Other { .. }
            | Self::ReasoningSignature(_)
            | Self::ServiceTier(_)
            | Self::Started { .. }
            | Self::Turns(_)
            | Self::Usage(_) => false,
        }
    }
}

impl From<Usage> for Event {
    fn from(usage: Usage) -> Self {
        Self::Usage(Box::new(usage))
    }
}

/// An event together with the frame it was read from, so that a relay whose caller uses the same wire can pass the
/// frame through unchanged.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// The decoded event.
    pub event: Event,
    /// The frame it was read from.
    pub raw: Raw,
}

impl From<Event> for Chunk {
    fn from(event: Event) -> Self {
        Self { event, raw: Raw::Absent }
    }
}

/// The raw form of an event. Opaque above the adapters: carried, never parsed.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Raw {
    /// Not read from a frame that can be passed through.
    #[default]
    Absent,
    /// Contained in the frame of the event before it.
    Covered,
    /// One complete frame.
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

/// Shows sizes only: a frame may contain user data.
impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::Covered => f.write_str("Covered"),
            Self::Frame { wire, data } => write!(f, "Frame({wire}, {} bytes)", data.len()),
        }
    }
}
