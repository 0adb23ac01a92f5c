//! What is asked.
//!
//! Not how it is spelled on a wire. Invariant: everything here has a meaning that more than one provider knows, or sits
//! in `extras` under the name of the wire it is meant for.

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

/// One request for an answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct ChatRequest {
    /// Name of a route or target; which model answers is the route's business.
    pub model: String,
    /// The conversation.
    pub messages: Vec<Message>,
    /// Tools that the model may call.
    pub tools: Vec<Tool>,
    /// Tools that a provider runs itself, each in its wire's own words: only a target of that wire can serve.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub native_tools: Vec<Native>,
    /// Which tools it may or must call; `None` leaves the provider's default.
    pub tool_choice: Option<ToolChoice>,
    /// Whether several tools may be called in one turn; `None` leaves the provider's default.
    pub parallel_tools: Option<bool>,
    /// The form of the answer.
    pub output: OutputFormat,
    /// Randomness.
    pub sampling: Sampling,
    /// Most tokens the answer may have, reasoning included.
    pub max_output: Option<u64>,
    /// Texts at which the answer stops.
    pub stop: Vec<String>,
    /// How hard a reasoning model should think, in the provider's word (`low`, `medium`, `high`).
    pub reasoning_effort: Option<String>,
    /// The end user's opaque id, for the provider's abuse detection.
    pub end_user: Option<String>,
    /// Fields that only one wire knows, keyed by wire name, then by field name. Sent as they are, to that wire only.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extras: BTreeMap<String, BTreeMap<String, Json>>,
    /// What ties the request to one provider; such a request is never moved to another, nor hedged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<Bound>,
    /// The caller's wishes about failover, for this request alone.
    pub options: CallOptions,
}

/// What not every target can serve: state that one provider keeps and no other knows, which is looked for at the first target
/// of the route that speaks `wire`; or something that only that wire has words for, which any target of it may serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// The wire on which it is spoken of.
    pub wire: String,
    /// What it is, for people.
    pub what: String,
    /// Whether one provider keeps it.
    pub kept: bool,
}

impl ChatRequest {
    /// A request to a route or target, with nothing asked yet.
    pub fn to(model: impl Into<String>) -> Self {
        Self { model: model.into(), ..Self::default() }
    }

    /// Refuses numbers that no wire can say; what only one wire refuses is its adapter's to check.
    ///
    /// # Errors
    ///
    /// `InvalidRequest`, naming the field: a sampling value that is not finite, or an answer of at most no tokens.
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

    /// Appends a message.
    #[must_use]
    pub fn message(mut self, message: Message) -> Self {
        self.messages.push(message);
        self
    }

    /// Appends a user's turn.
    #[must_use]
    pub fn user(self, text: impl Into<String>) -> Self {
        self.message(Message::user(text))
    }

    /// Appends instructions.
    #[must_use]
    pub fn system(self, text: impl Into<String>) -> Self {
        self.message(Message::system(text))
    }

    /// Appends an assistant's turn.
    #[must_use]
    pub fn assistant(self, text: impl Into<String>) -> Self {
        self.message(Message::assistant(text))
    }

    /// Offers a tool.
    #[must_use]
    pub fn tool(mut self, tool: Tool) -> Self {
        self.tools.push(tool);
        self
    }

    /// Limits the answer's length in tokens.
    #[must_use]
    pub fn max_output(mut self, tokens: u64) -> Self {
        self.max_output = Some(tokens);
        self
    }

    /// Sets the sampling temperature.
    #[must_use]
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.sampling.temperature = Some(temperature);
        self
    }

    /// Sets nucleus sampling, 0 to 1.
    #[must_use]
    pub fn top_p(mut self, share: f64) -> Self {
        self.sampling.top_p = Some(share);
        self
    }

    /// Sets the seed, for repeatable answers as far as the provider can.
    #[must_use]
    pub fn seed(mut self, seed: i64) -> Self {
        self.sampling.seed = Some(seed);
        self
    }

    /// Adds a text at which the answer ends.
    #[must_use]
    pub fn stop(mut self, text: impl Into<String>) -> Self {
        self.stop.push(text.into());
        self
    }

    /// Says whether and which tool is to be called.
    #[must_use]
    pub fn tool_choice(mut self, choice: ToolChoice) -> Self {
        self.tool_choice = Some(choice);
        self
    }

    /// Says how much to think, in the providers' words: `none`, `minimal`, `low`, `medium`, `high`.
    #[must_use]
    pub fn reasoning_effort(mut self, effort: impl Into<String>) -> Self {
        self.reasoning_effort = Some(effort.into());
        self
    }

    /// Names the end user, for providers' abuse checks and for what should stay together.
    #[must_use]
    pub fn end_user(mut self, id: impl Into<String>) -> Self {
        self.end_user = Some(id.into());
        self
    }

    /// No second start while the first still lives.
    #[must_use]
    pub fn no_hedge(mut self) -> Self {
        self.options.no_hedge = true;
        self
    }

    /// Sets the form of the answer.
    #[must_use]
    pub fn output(mut self, output: OutputFormat) -> Self {
        self.output = output;
        self
    }

    /// Time within which the whole answer must be there.
    #[must_use]
    pub fn deadline(mut self, within: Duration) -> Self {
        self.options.deadline = Some(within);
        self
    }

    /// Tries only these targets of the route.
    #[must_use]
    pub fn only(mut self, targets: impl IntoIterator<Item = impl Into<TargetId>>) -> Self {
        self.options.only = targets.into_iter().map(Into::into).collect();
        self
    }

    /// Leaves these targets of the route out.
    #[must_use]
    pub fn without(mut self, targets: impl IntoIterator<Item = impl Into<TargetId>>) -> Self {
        self.options.without = targets.into_iter().map(Into::into).collect();
        self
    }

    /// Tries one target only.
    #[must_use]
    pub fn no_failover(mut self) -> Self {
        self.options.no_failover = true;
        self
    }

    /// Starts nothing that would bring the call's cost over this, at list price; targets without a known price are not
    /// judged.
    #[must_use]
    pub fn max_cost(mut self, cost: Cost) -> Self {
        self.options.max_cost = Some(cost);
        self
    }

    /// Whether an effort of reasoning is asked for.
    #[must_use]
    pub fn asks_for_reasoning(&self) -> bool {
        self.reasoning_effort.as_deref().is_some_and(|effort| effort != "none")
    }

    /// Marks the request as one that speaks of `what`, which one provider of `wire` keeps.
    #[must_use]
    pub fn bound(mut self, wire: impl Into<String>, what: impl Into<String>) -> Self {
        self.bound = Some(Bound { wire: wire.into(), what: what.into(), kept: true });
        self
    }

    /// Marks the request as one that any target of `wire` can serve and no other, because of `what`.
    #[must_use]
    pub fn only_on(mut self, wire: impl Into<String>, what: impl Into<String>) -> Self {
        self.bound = Some(Bound { wire: wire.into(), what: what.into(), kept: false });
        self
    }

    /// All parts of the conversation in `wire`'s own words, results of tools included.
    pub fn natives<'a>(&'a self, wire: &'a str) -> impl Iterator<Item = &'a Native> {
        self.parts().filter_map(move |part| match part {
            Part::Native(native) if native.wire == wire => Some(native),
            _ => None,
        })
    }

    /// All images and documents of the conversation, results of tools included.
    pub fn media(&self) -> impl Iterator<Item = &Media> {
        self.parts().filter_map(|part| match part {
            Part::Image(media) | Part::Document(media) => Some(media),
            _ => None,
        })
    }

    /// All parts of the conversation, each result of a tool before its own.
    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.messages.iter().flat_map(|message| &message.parts).flat_map(|part| {
            let inner: &[Part] = match part {
                Part::ToolResult(result) => &result.content,
                _ => &[],
            };
            std::iter::once(part).chain(inner)
        })
    }

    /// Whether any message shows an image.
    #[must_use]
    pub fn has_images(&self) -> bool {
        self.parts().any(|part| matches!(part, Part::Image(_)))
    }

    /// The instructions at the head of the conversation, joined by an empty line.
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

/// The form that the answer must have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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

/// Randomness of the answer; `None` leaves the provider's default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Sampling {
    /// 0 is nearly deterministic; the upper end is 1 or 2 by provider.
    pub temperature: Option<f64>,
    /// Nucleus sampling, 0 to 1.
    pub top_p: Option<f64>,
    /// Number of tokens considered.
    pub top_k: Option<u64>,
    /// Seed for repeatable answers, as far as the provider can.
    pub seed: Option<i64>,
    /// Penalty on repeated tokens by frequency, -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// Penalty on repeated tokens by presence, -2 to 2.
    pub presence_penalty: Option<f64>,
}

/// The caller's wishes about failover, for one request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default, deny_unknown_fields)]
pub struct CallOptions {
    /// Time within which the whole answer must be there; the route's limit applies where it is shorter.
    pub deadline: Option<Duration>,
    /// Only these targets of the route; empty means all.
    pub only: Vec<TargetId>,
    /// Not these targets of the route.
    pub without: Vec<TargetId>,
    /// One target only.
    pub no_failover: bool,
    /// No second start while the first still lives.
    pub no_hedge: bool,
    /// Nothing more is started once the call is expected to cost more than this, at list price.
    pub max_cost: Option<Cost>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_no_wire_can_say_are_refused_by_name() {
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
