//! Chat requests.
//!
//! Not a wire format. Invariant: everything here is supported by more than one provider, or sits in `extras` under the
//! name of the wire it is meant for.

mod setters;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cost::Cost;
use crate::error::Error;
use crate::json::Json;
use crate::kind::Kind;
use crate::message::{Media, Message, Native, Part, Role};
use crate::target::TargetId;
use crate::tool::{Tool, ToolChoice};

/// A chat request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct ChatRequest {
    /// Name of a route or target; the route decides which model answers.
    pub model: String,
    /// The conversation.
    pub messages: Vec<Message>,
    /// Tools that the model may call.
    pub tools: Vec<Tool>,
    /// Tools that a provider runs itself, each in the format of its wire: only a target of that wire can serve them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub native_tools: Vec<Native>,
    /// Which tools it may or must call; `None` leaves the provider's default.
    pub tool_choice: Option<ToolChoice>,
    /// Whether several tools may be called in one turn; `None` leaves the provider's default.
    pub parallel_tools: Option<bool>,
    /// The output format.
    pub output: OutputFormat,
    /// Sampling parameters.
    pub sampling: Sampling,
    /// Maximum tokens of the answer, reasoning included.
    pub max_output: Option<u64>,
    /// Stop sequences.
    pub stop: Vec<String>,
    /// How much a reasoning model should reason, in the provider's terms (`low`, `medium`, `high`).
    pub reasoning_effort: Option<String>,
    /// Opaque id of the end user, for the provider's abuse detection.
    pub end_user: Option<String>,
    /// Fields that only one wire has, keyed by wire name, then by field name. Sent verbatim, to that wire only.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extras: BTreeMap<String, BTreeMap<String, Json>>,
    /// What ties the request to one target or one wire; targets that cannot serve it are skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<Bound>,
    /// Failover options of this request.
    pub options: CallOptions,
}

/// Something that not every target can serve. Either state that one provider keeps: the first target of the route that
/// uses `wire` is assumed to have it. Or a feature that only `wire` has, which any target of that wire may serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Bound {
    /// The wire it belongs to.
    pub wire: String,
    /// What it is, in words for humans.
    pub what: String,
    /// Whether it is state that one provider keeps.
    pub kept: bool,
    /// The extra fields that the request requires: a host that does not accept one of them cannot serve it, either.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}

impl ChatRequest {
    /// A request to a route or target, without messages.
    pub fn to(model: impl Into<String>) -> Self {
        Self { model: model.into(), ..Self::default() }
    }

    /// Rejects numbers that no wire accepts; the limits of a single wire are its adapter's to check.
    ///
    /// # Errors
    ///
    /// `InvalidRequest`, naming the field: a sampling value that is not finite, or a `max_output` of 0.
    pub fn check_numbers(&self) -> Result<(), Error> {
        let sampling = &self.sampling;
        let numbers = [
            ("temperature", sampling.temperature),
            ("top_p", sampling.top_p),
            ("frequency_penalty", sampling.frequency_penalty),
            ("presence_penalty", sampling.presence_penalty),
        ];
        if let Some((name, _)) =
            numbers.iter().find(|(_, value)| value.is_some_and(|value| !value.is_finite()))
        {
            return Err(Error::new(Kind::InvalidRequest, format!("{name} is not a finite number")));
        }
        if self.max_output == Some(0) {
            return Err(Error::new(Kind::InvalidRequest, "max_output must be at least 1"));
        }
        Ok(())
    }

    /// Whether the request asks for reasoning or turns it off, by its effort; `None` if it has none. A minimal effort
    /// takes no time.
    #[must_use]
    pub fn asks_for_reasoning(&self) -> Option<bool> {
        self.reasoning_effort.as_deref().map(|effort| !matches!(effort, "none" | "minimal"))
    }

    /// Marks the request as referring to `what`, which one provider of `wire` keeps. Fields that the request requires stay
    /// required, and if they are of another wire, nothing changes.
    #[must_use]
    pub fn bound_to(self, wire: impl Into<String>, what: impl Into<String>) -> Self {
        self.restricted(wire.into(), what.into(), true)
    }

    /// Restricts the request to targets of `wire`, because it contains `what`. Fields that the request requires stay
    /// required, and if they are of another wire, nothing changes.
    #[must_use]
    pub fn only_on_wire(self, wire: impl Into<String>, what: impl Into<String>) -> Self {
        self.restricted(wire.into(), what.into(), false)
    }

    fn restricted(mut self, wire: String, what: String, kept: bool) -> Self {
        let fields = match &mut self.bound {
            Some(bound) if bound.wire == wire => std::mem::take(&mut bound.fields),
            Some(bound) if !bound.fields.is_empty() => return self,
            _ => Vec::new(),
        };
        self.bound = Some(Bound { wire, what, kept, fields });
        self
    }

    /// All parts of the conversation in the format of `wire`, including those in tool results.
    pub fn natives<'a>(&'a self, wire: &'a str) -> impl Iterator<Item = &'a Native> {
        self.parts().filter_map(move |part| match part {
            Part::Native(native) if native.wire == wire => Some(native),
            _ => None,
        })
    }

    /// All images and documents of the conversation, including those in tool results.
    pub fn media(&self) -> impl Iterator<Item = &Media> {
        self.parts().filter_map(|part| match part {
            Part::Image(media) | Part::Document(media) => Some(media),
            _ => None,
        })
    }

    /// All parts of the conversation, each tool result followed by its own parts.
    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.messages.iter().flat_map(|message| &message.parts).flat_map(|part| {
            let inner: &[Part] = match part {
                Part::ToolResult(result) => &result.content,
                _ => &[],
            };
            std::iter::once(part).chain(inner)
        })
    }

    /// Whether any message contains an image.
    #[must_use]
    pub fn has_images(&self) -> bool {
        self.parts().any(|part| matches!(part, Part::Image(_)))
    }

    /// Whether any message contains a document.
    #[must_use]
    pub fn has_documents(&self) -> bool {
        self.parts().any(|part| matches!(part, Part::Document(_)))
    }

    /// Whether any message contains an image or a document that is not in the request but at a URL.
    #[must_use]
    pub fn has_media_urls(&self) -> bool {
        self.parts().any(|part| matches!(part, Part::Image(Media::Url(_)) | Part::Document(Media::Url(_))))
    }

    /// The system and developer messages at the start of the conversation, joined by an empty line.
    #[must_use]
    pub fn instructions(&self) -> Option<String> {
        let texts: Vec<String> = self
            .messages
            .iter()
            .take_while(|message| matches!(message.role, Role::System | Role::Developer))
            .map(Message::joined_text)
            .collect();
        (!texts.is_empty()).then(|| texts.join("\n\n"))
    }
}

/// The output format.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OutputFormat {
    /// Any JSON object.
    JsonObject,
    /// JSON that fits a schema.
    JsonSchema {
        /// A name for the schema (letters, digits, `_`, `-`).
        name: String,
        /// The schema.
        schema: Json,
        /// Whether the provider must enforce it.
        strict: bool,
    },
    /// Text.
    #[default]
    Text,
}

/// Sampling parameters; `None` leaves the provider's default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Sampling {
    /// 0 is nearly deterministic; the maximum is 1 or 2, depending on the provider.
    pub temperature: Option<f64>,
    /// Nucleus sampling, 0 to 1.
    pub top_p: Option<f64>,
    /// Number of most likely tokens considered.
    pub top_k: Option<u64>,
    /// Seed for answers as repeatable as the provider can make them.
    pub seed: Option<i64>,
    /// Penalty on repeated tokens by frequency, -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// Penalty on repeated tokens by presence, -2 to 2.
    pub presence_penalty: Option<f64>,
}

/// Failover options of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default, deny_unknown_fields)]
pub struct CallOptions {
    /// Time within which the answer must be complete; a shorter limit of the route still applies.
    pub deadline: Option<Duration>,
    /// Time within which the answer must begin: its first content if it is streamed, else all of it. A shorter limit of
    /// the route still applies.
    pub first_content_deadline: Option<Duration>,
    /// Only these targets of the route; empty means all.
    pub only: Vec<TargetId>,
    /// Excluded targets of the route.
    pub without: Vec<TargetId>,
    /// Try one target only.
    pub no_failover: bool,
    /// Start no hedge and no race: a further attempt starts only once the one before it has failed or is late.
    pub no_hedge: bool,
    /// The most that the call may cost, at list price; see [`ChatRequest::max_cost`].
    pub max_cost: Option<Cost>,
    /// How many gateways have passed the request on. Providers in the local network are told, so that gateways that are
    /// each other's targets are detected.
    pub hops: u8,
    /// The wire that the request arrived on (such as `openai-chat`); `None` if the application built it. Answers of that
    /// wire keep their raw text. If a target of another wire calls the request malformed, the translation may be at
    /// fault, so another target is tried.
    #[serde(skip)]
    pub native_wire: Option<&'static str>,
}

impl CallOptions {
    /// Whether the request may use this target.
    #[must_use]
    pub fn allows(&self, target: &TargetId) -> bool {
        (self.only.is_empty() || self.only.contains(target)) && !self.without.contains(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_numbers_are_rejected_by_field_name() {
        type Break = fn(&mut ChatRequest);
        let broken: [(&str, Break); 5] = [
            ("temperature", |request| request.sampling.temperature = Some(f64::NAN)),
            ("top_p", |request| request.sampling.top_p = Some(f64::INFINITY)),
            ("frequency_penalty", |request| request.sampling.frequency_penalty = Some(f64::NEG_INFINITY)),
            ("presence_penalty", |request| request.sampling.presence_penalty = Some(f64::NAN)),
            ("max_output", |request| request.max_output = Some(0)),
        ];
        for (name, break_it) in broken {
            let mut request = ChatRequest::to("chat").user("hi");
            assert!(request.check_numbers().is_ok());
            break_it(&mut request);
            let error = request.check_numbers().unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidRequest);
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
