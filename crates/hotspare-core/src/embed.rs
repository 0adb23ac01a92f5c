//! Embeddings: texts in, vectors out.
//!
//! Not chat: nothing is streamed or continued. Invariant: vectors are comparable only within one embedding space, so a
//! request for them never moves to another family or another number of dimensions.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cost::Cost;
use crate::json::Json;
use crate::request::CallOptions;
use crate::target::TargetId;
use crate::trail::Trail;
use crate::usage::Usage;

/// An embedding request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct EmbedRequest {
    /// Name of a route or target.
    pub model: String,
    /// The inputs; each yields one vector.
    pub inputs: Vec<EmbedInput>,
    /// Dimensions of each vector; `None` uses the model's default.
    pub dimensions: Option<u32>,
    /// Opaque id of the end user, for the provider's abuse detection.
    pub end_user: Option<String>,
    /// Fields that only one wire has, keyed by wire name, then by field name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extras: BTreeMap<String, BTreeMap<String, Json>>,
    /// Failover options of this request.
    pub options: CallOptions,
}

impl EmbedRequest {
    /// A request to a route or target, without inputs.
    pub fn to(model: impl Into<String>) -> Self {
        Self { model: model.into(), ..Self::default() }
    }

    /// Appends a text.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.inputs.push(EmbedInput::Text(text.into()));
        self
    }

    /// Appends texts.
    #[must_use]
    pub fn texts(mut self, texts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.inputs.extend(texts.into_iter().map(|text| EmbedInput::Text(text.into())));
        self
    }

    /// The inputs, if all of them are texts.
    #[must_use]
    pub fn as_texts(&self) -> Option<Vec<&str>> {
        let texts = self.inputs.iter().map(|input| match input {
            EmbedInput::Text(text) => Some(text.as_str()),
            EmbedInput::Tokens(_) => None,
        });
        texts.collect()
    }

    /// Appends a text that is already tokenized for the model.
    #[must_use]
    pub fn tokens(mut self, tokens: impl Into<Vec<u32>>) -> Self {
        self.inputs.push(EmbedInput::Tokens(tokens.into()));
        self
    }

    /// Sets the dimensions of each vector.
    #[must_use]
    pub fn dimensions(mut self, dimensions: u32) -> Self {
        self.dimensions = Some(dimensions);
        self
    }

    /// Sets the time within which the answer must be complete.
    #[must_use]
    pub fn deadline(mut self, within: Duration) -> Self {
        self.options.deadline = Some(within);
        self
    }

    /// Sets the time within which all vectors must be there; other targets get their turn within it.
    #[must_use]
    pub fn first_content_deadline(mut self, within: Duration) -> Self {
        self.options.first_content_deadline = Some(within);
        self
    }

    /// Starts no attempt that would raise the call's expected cost above this, at list price; targets without a known
    /// price are skipped.
    #[must_use]
    pub fn max_cost(mut self, cost: Cost) -> Self {
        self.options.max_cost = Some(cost);
        self
    }

    /// Names the end user, for providers' abuse detection and for session affinity.
    #[must_use]
    pub fn end_user(mut self, id: impl Into<String>) -> Self {
        self.end_user = Some(id.into());
        self
    }

    /// Adds a field that only one wire has. It is sent verbatim, to that wire only.
    #[must_use]
    pub fn extra(mut self, wire: impl Into<String>, name: impl Into<String>, value: impl Into<Json>) -> Self {
        self.extras.entry(wire.into()).or_default().insert(name.into(), value.into());
        self
    }

    /// Tries only these targets of the route.
    #[must_use]
    pub fn only(mut self, targets: impl IntoIterator<Item = impl Into<TargetId>>) -> Self {
        self.options.only = targets.into_iter().map(Into::into).collect();
        self
    }

    /// Excludes these targets of the route.
    #[must_use]
    pub fn without(mut self, targets: impl IntoIterator<Item = impl Into<TargetId>>) -> Self {
        self.options.without = targets.into_iter().map(Into::into).collect();
        self
    }

    /// States the wire that the request arrived on: see [`CallOptions::native_wire`].
    #[must_use]
    pub fn native_wire(mut self, wire: &'static str) -> Self {
        self.options.native_wire = Some(wire);
        self
    }

    /// Tries one target only.
    #[must_use]
    pub fn no_failover(mut self) -> Self {
        self.options.no_failover = true;
        self
    }

    /// Never starts a second target while the first may still answer.
    #[must_use]
    pub fn no_hedge(mut self) -> Self {
        self.options.no_hedge = true;
        self
    }
}

/// An input to embed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EmbedInput {
    /// A text.
    Text(String),
    /// A text as tokens of the model's own vocabulary.
    Tokens(Vec<u32>),
}

/// The vector of one input, as it arrives.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Vector {
    /// Index of the input, counted from 0.
    pub index: u32,
    /// The components.
    pub values: Vec<f32>,
}

/// The answer to an embedding request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EmbedResponse {
    /// The provider's id of the answer.
    pub id: Option<String>,
    /// The model that actually answered.
    pub model: Option<String>,
    /// One vector per input, in input order; all of the same length.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens of the inputs.
    pub usage: Usage,
    /// The target that served it.
    pub served_by: Option<TargetId>,
    /// The record of all attempts.
    pub trail: Trail,
}

impl EmbedResponse {
    /// An answer with these vectors.
    #[must_use]
    pub fn new(vectors: Vec<Vec<f32>>) -> Self {
        Self { id: None, model: None, vectors, usage: Usage::default(), served_by: None, trail: Trail::EMPTY }
    }

    /// Dimensions of the vectors; 0 if there are none.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.vectors.first().map_or(0, Vec::len)
    }

    /// What the call cost at list price: [`Trail::cost`](crate::Trail::cost).
    #[must_use]
    pub fn cost(&self) -> Option<Cost> {
        self.trail.cost()
    }
}
