//! Tools: what a model may call, what it called, what came back.
//!
//! Not an executor. Invariant: arguments are kept as the text that the model wrote; normalization checks whether they
//! are valid JSON.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::json::{Json, describe_json_error};
use crate::kind::Kind;

/// A function that the model may call.
///
/// A model that wants a tool ends its answer with [`FinishReason::ToolCalls`](crate::FinishReason::ToolCalls). Run the calls,
/// append the answer and the results to the request, and ask again:
///
/// ```
/// use hotspare_core::{ChatRequest, ChatResponse, Json, Message, Tool, ToolResult};
///
/// let parameters = r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#;
/// let weather = Tool::new("weather", Json::parse(parameters)?).with_description("The weather in a city");
/// let request = ChatRequest::to("chat").tool(weather).user("Do I need an umbrella in Oslo?");
///
/// fn next(mut request: ChatRequest, answer: &ChatResponse) -> ChatRequest {
///     request = request.message(answer.to_message());
///     for call in answer.tool_calls() {
///         // Here the application runs the tool with `call.parse()`: the arguments as a type of its own.
///         request = request.message(Message::tool(ToolResult::new(&call.id, "rain all day")));
///     }
///     request
/// }
/// # let _ = (request, next);
/// # Ok::<(), hotspare_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Tool {
    /// Name, as the model writes it.
    pub name: String,
    /// What it does, for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JSON Schema of the arguments object.
    pub parameters: Json,
    /// Whether the provider must enforce the schema; `None` leaves its default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// Fields that only one wire has (a cache marker), keyed by wire name, then by field name. They go into the object that
    /// holds the tool's name. On the wire `openai-chat` they go beside that object, and the fields of an object under the key
    /// `function` go into it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extras: BTreeMap<String, BTreeMap<String, Json>>,
}

impl Tool {
    /// A tool without description.
    pub fn new(name: impl Into<String>, parameters: impl Into<Json>) -> Self {
        Self {
            name: name.into(),
            description: None,
            parameters: parameters.into(),
            strict: None,
            extras: BTreeMap::new(),
        }
    }

    /// Sets the description.
    #[must_use]
    pub fn with_description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// Asks the provider to enforce the schema.
    #[must_use]
    pub fn with_strict(mut self, strict: bool) -> Self {
        self.strict = Some(strict);
        self
    }
}

/// Which tools the model may or must call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// The model must not call a tool.
    None,
    /// The model must call some tool.
    Required,
    /// The model must call the tool of this name.
    Named(String),
}

/// A tool call made by the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ToolCall {
    /// Identifies the call within the conversation.
    pub id: String,
    /// Name of the tool.
    pub name: String,
    /// Arguments as the model wrote them; normally a JSON object.
    pub arguments: String,
}

impl ToolCall {
    /// A call.
    pub fn new(id: impl Into<String>, name: impl Into<String>, arguments: impl Into<String>) -> Self {
        Self { id: id.into(), name: name.into(), arguments: arguments.into() }
    }

    /// The arguments as a value of `T`.
    ///
    /// # Errors
    /// [`Kind::BadOutput`] if they are not JSON or do not fit the type. Its message names what is wrong without quoting the
    /// arguments, and can be returned to the model as the tool's result.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(&self.arguments).map_err(|error| {
            let what =
                format!("the arguments of `{}` do not fit: {}", self.name, describe_json_error(&error));
            Error::new(Kind::BadOutput, what)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misfitting_arguments_are_described_without_their_values() {
        let parse =
            |arguments: &str| ToolCall::new("1", "weather", arguments).parse::<BTreeMap<String, u8>>();
        assert_eq!(parse(r#"{"days": 3}"#).unwrap()["days"], 3);
        for wrong in [r#"{"days": 31415}"#, r#"{"days": "31415"}"#, "31415 {"] {
            let error = parse(wrong).unwrap_err();
            assert_eq!(error.kind(), Kind::BadOutput);
            assert!(error.message().starts_with("the arguments of `weather` do not fit: "), "{error}");
            assert!(!error.message().contains("31415"), "{error}");
        }
    }
}
