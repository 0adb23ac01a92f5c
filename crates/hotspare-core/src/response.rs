//! The complete chat answer.
//!
//! Not a stream: see [`Event`](crate::Event). Invariant: it contains what the events of its stream carried, no more and
//! no less.

use serde::{Deserialize, Serialize};

use crate::cost::Cost;
use crate::event::Raw;
use crate::finish::FinishReason;
use crate::message::{Message, Part, Role};
use crate::target::TargetId;
use crate::tool::ToolCall;
use crate::trail::Trail;
use crate::usage::Usage;

/// A complete chat answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChatResponse {
    /// The provider's id of the answer.
    pub id: Option<String>,
    /// The model that actually answered.
    pub model: Option<String>,
    /// Its content, in order: reasoning, text, refusals, tool calls.
    pub content: Vec<Part>,
    /// Why it ended.
    pub finish: FinishReason,
    /// Tokens of the answer alone; the trail has those of every attempt.
    pub usage: Usage,
    /// The class of service that it was given, in the provider's word, such as `priority`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
    /// Citations and other annotations, as the provider wrote them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<crate::json::Json>,
    /// Log probabilities, as the provider wrote them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logprobs: Vec<crate::json::Json>,
    /// The target that served it.
    pub served_by: Option<TargetId>,
    /// The record of all attempts.
    pub trail: Trail,
    /// The provider's raw answer, if it came in one piece, nothing was repaired, and the caller uses the same wire.
    #[serde(skip)]
    pub raw: Raw,
}

impl ChatResponse {
    /// An answer with these parts.
    #[must_use]
    pub fn new(content: Vec<Part>, finish: FinishReason) -> Self {
        Self {
            id: None,
            model: None,
            content,
            finish,
            usage: Usage::default(),
            service_tier: None,
            annotations: Vec::new(),
            logprobs: Vec::new(),
            served_by: None,
            trail: Trail::EMPTY,
            raw: Raw::Absent,
        }
    }

    /// All text, without reasoning or refusals.
    #[must_use]
    pub fn text(&self) -> String {
        self.content.iter().filter_map(Part::as_text).collect()
    }

    /// All reasoning that the provider reveals; empty if there is none.
    #[must_use]
    pub fn reasoning(&self) -> String {
        let texts = self.content.iter().filter_map(|part| match part {
            Part::Reasoning(reasoning) => Some(reasoning.text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// The model's refusal, if it refused.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        self.content.iter().find_map(|part| match part {
            Part::Refusal(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// What the call cost at list price: [`Trail::cost`](crate::Trail::cost).
    #[must_use]
    pub fn cost(&self) -> Option<Cost> {
        self.trail.cost()
    }

    /// All tool calls, in order.
    pub fn tool_calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.content.iter().filter_map(|part| match part {
            Part::ToolCall(call) => Some(call),
            _ => None,
        })
    }

    /// The answer as an assistant message, to be sent back with the next request.
    #[must_use]
    pub fn to_message(&self) -> Message {
        Message::new(Role::Assistant, self.content.clone())
    }

    /// As [`ChatResponse::to_message`], without a copy.
    #[must_use]
    pub fn into_message(self) -> Message {
        Message::new(Role::Assistant, self.content)
    }
}
