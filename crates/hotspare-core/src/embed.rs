//! Embeddings: texts in, vectors out.
//!
//! Not a chat: nothing is streamed or carried on. Invariant: vectors are comparable only within one model's space, so a
//! request for them never moves to another family or another number of dimensions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cost::Cost;
use crate::json::Json;
use crate::request::CallOptions;
use crate::target::TargetId;
use crate::trail::Trail;
use crate::usage::Usage;

/// One request for vectors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct EmbedRequest {
    /// Name of a route or target.
    pub model: String,
    /// What to embed; one vector comes back for each.
    pub inputs: Vec<EmbedInput>,
    /// How many numbers each vector has; `None` leaves the model's own.
    pub dimensions: Option<u32>,
    /// The end user's opaque id, for the provider's abuse detection.
    pub end_user: Option<String>,
    /// Fields that only one wire knows, keyed by wire name, then by field name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extras: BTreeMap<String, BTreeMap<String, Json>>,
    /// The caller's wishes about failover, for this request alone.
    pub options: CallOptions,
}

impl EmbedRequest {
    /// A request to a route or target, with nothing to embed yet.
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

    /// The inputs, where all of them are texts.
    #[must_use]
    pub fn as_texts(&self) -> Option<Vec<&str>> {
        let texts = self.inputs.iter().map(|input| match input {
            EmbedInput::Text(text) => Some(text.as_str()),
            EmbedInput::Tokens(_) => None,
        });
        texts.collect()
    }

    /// Appends a text that is already cut into the model's tokens.
    #[must_use]
    pub fn tokens(mut self, tokens: impl Into<Vec<u32>>) -> Self {
        self.inputs.push(EmbedInput::Tokens(tokens.into()));
        self
    }

    /// Sets how many numbers each vector has.
    #[must_use]
    pub fn dimensions(mut self, dimensions: u32) -> Self {
        self.dimensions = Some(dimensions);
        self
    }
}

/// Something to embed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum EmbedInput {
    /// A text.
    Text(String),
    /// A text as tokens of the model's own vocabulary.
    Tokens(Vec<u32>),
}

/// One input's vector, as it arrives.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Vector {
    /// Which input, counted from 0.
    pub index: u32,
    /// The numbers.
    pub values: Vec<f32>,
}

/// The vectors of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EmbedResponse {
    /// The provider's id of the answer.
    pub id: Option<String>,
    /// The model that truly answered.
    pub model: Option<String>,
    /// One vector for each input, in the inputs' order; all of one length.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens read.
    pub usage: Usage,
    /// Who gave it.
    pub served_by: Option<TargetId>,
    /// Who was tried.
    pub trail: Trail,
}

impl EmbedResponse {
    /// An answer of these vectors.
    #[must_use]
    pub fn new(vectors: Vec<Vec<f32>>) -> Self {
        Self { id: None, model: None, vectors, usage: Usage::default(), served_by: None, trail: Trail::EMPTY }
    }

    /// How many numbers each vector has; 0 if there is none.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.vectors.first().map_or(0, Vec::len)
    }

    /// What the call cost at list price, every attempt included; `None` if no price is known.
    #[must_use]
    pub fn cost(&self) -> Option<Cost> {
        self.trail.cost()
    }
}
