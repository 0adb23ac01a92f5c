//! The messages of a conversation: roles and parts.
//!
//! Not a wire format: every adapter encodes these in its own way. Invariant: a history written by one provider can be
//! read by another; data that only its author understands (a signature) carries the author's [`Origin`].

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::json::Json;
use crate::tool::ToolCall;

/// The author of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// The model.
    Assistant,
    /// Instructions from the application, under the newer name of that role; adapters fall back to system.
    Developer,
    /// Instructions from the application.
    System,
    /// Results of tool calls.
    Tool,
    /// The person or program that asks.
    User,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Message {
    /// Its author.
    pub role: Role,
    /// Its content, in order.
    pub parts: Vec<Part>,
    /// A participant's name, where the wire has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Fields that only one wire has, such as a mark that the answer continues this turn, keyed by wire name, then by
    /// field name. Other wires omit them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extras: BTreeMap<String, BTreeMap<String, Json>>,
}

impl Message {
    /// A message with several parts.
    #[must_use]
    pub fn new(role: Role, parts: Vec<Part>) -> Self {
        Self { role, parts, name: None, extras: BTreeMap::new() }
    }

    /// A message with one text part.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self::new(role, vec![Part::Text(text.into())])
    }

    /// A user message.
    pub fn user(text: impl Into<String>) -> Self {
        Self::text(Role::User, text)
    }

    /// An assistant message.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::text(Role::Assistant, text)
    }

    /// A system message.
    pub fn system(text: impl Into<String>) -> Self {
        Self::text(Role::System, text)
    }

    /// A message with a tool's result.
    #[must_use]
    pub fn tool(result: ToolResult) -> Self {
        Self::new(Role::Tool, vec![Part::ToolResult(result)])
    }

    /// All text parts, joined without a separator.
    #[must_use]
    pub fn joined_text(&self) -> String {
        self.parts.iter().filter_map(Part::as_text).collect()
    }
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Part {
    /// A document, such as a PDF.
    Document(Media),
    /// Fields of the part before it that only one wire has, such as a cache marker, as a JSON object. Other wires omit
    /// them.
    Fields(Native),
    /// An image.
    Image(Media),
    /// A part that only one wire has, such as the result of a tool that its provider ran. Other wires omit it.
    Native(Native),
    /// The model's reasoning.
    Reasoning(Reasoning),
    /// The model's refusal, in place of an answer.
    Refusal(String),
    /// Plain text.
    Text(String),
    /// A tool call by the model.
    ToolCall(ToolCall),
    /// A tool's result.
    ToolResult(ToolResult),
}

impl Part {
    /// The text, if this part is plain text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// An image by its `https:` or `data:` URL.
    ///
    /// ```
    /// use hotspare_core::{ChatRequest, Message, Part, Role};
    ///
    /// let question = vec![Part::from("What is this?"), Part::image("https://example.com/pump.jpg")];
    /// let request = ChatRequest::to("chat").message(Message::new(Role::User, question));
    /// ```
    #[must_use]
    pub fn image(url: impl AsRef<str>) -> Self {
        Self::Image(Media::from_url(url.as_ref()))
    }

    /// An image as bytes, with its media type, such as `image/png`.
    #[must_use]
    pub fn image_bytes(media_type: impl Into<String>, bytes: impl AsRef<[u8]>) -> Self {
        Self::Image(Media::from_bytes(media_type, bytes))
    }
}

impl From<String> for Part {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Part {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// An image or document, by URL or inline.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Media {
    /// Bytes in base64 with their media type (`image/png`).
    Base64 {
        /// Media type, such as `image/png`.
        media_type: String,
        /// Standard base64 with padding, no line breaks.
        data: String,
    },
    /// A URL that the provider fetches.
    Url(String),
}

impl Media {
    /// Parses an `https:` or `data:` URL.
    #[must_use]
    pub fn from_url(url: &str) -> Self {
        let embedded = url
            .strip_prefix("data:")
            .and_then(|rest| rest.split_once(";base64,"))
            .map(|(media_type, data)| Self::Base64 { media_type: media_type.into(), data: data.into() });
        embedded.unwrap_or_else(|| Self::Url(url.into()))
    }

    /// Encodes bytes, with their media type, such as `application/pdf`.
    #[must_use]
    pub fn from_bytes(media_type: impl Into<String>, bytes: impl AsRef<[u8]>) -> Self {
        Self::Base64 { media_type: media_type.into(), data: STANDARD.encode(bytes) }
    }

    /// The URL, or the bytes as a `data:` URL.
    #[must_use]
    pub fn to_url(&self) -> String {
        match self {
            Self::Base64 { media_type, data } => format!("data:{media_type};base64,{data}"),
            Self::Url(url) => url.clone(),
        }
    }
}

/// Shows the size, not megabytes of base64.
impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base64 { media_type, data } => write!(f, "Base64({media_type}, {} characters)", data.len()),
            Self::Url(_) => f.write_str("Url(..)"),
        }
    }
}

/// Data in the format of one wire, which other wires cannot interpret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Native {
    /// The wire's name, such as `openai-chat`.
    pub wire: String,
    /// The data as that wire encodes it.
    pub raw: Json,
}

impl Native {
    /// Wraps `raw` as data of `wire`.
    pub fn new(wire: impl Into<String>, raw: Json) -> Self {
        Self { wire: wire.into(), raw }
    }
}

/// The author of data that only its author can read back. Opaque: compared, never interpreted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin(pub String);

/// A model's reasoning, shown or hidden.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Reasoning {
    /// The text as far as the provider reveals it; empty if it is redacted.
    pub text: String,
    /// Signature that the provider wants back with the next turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
}

impl Reasoning {
    /// Reasoning without a signature.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), signature: None }
    }

    /// Adds the provider's signature.
    #[must_use]
    pub fn with_signature(mut self, signature: Signature) -> Self {
        self.signature = Some(signature);
        self
    }
}

/// A signature or ciphertext that only its provider can use. Dropped when the conversation moves to another origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// The provider that can read it.
    pub origin: Origin,
    /// The data, in the provider's own encoding.
    pub data: String,
    /// Whether the reasoning itself is hidden inside `data`.
    #[serde(default)]
    pub redacted: bool,
}

/// The result of a tool call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ToolResult {
    /// Id of the call that this answers.
    pub id: String,
    /// Text and images.
    pub content: Vec<Part>,
    /// Whether the tool failed.
    #[serde(default)]
    pub is_error: bool,
}

impl ToolResult {
    /// A result of text.
    pub fn new(id: impl Into<String>, text: impl Into<String>) -> Self {
        Self { id: id.into(), content: vec![Part::Text(text.into())], is_error: false }
    }

    /// A result with several parts.
    #[must_use]
    pub fn from_parts(id: impl Into<String>, content: Vec<Part>) -> Self {
        Self { id: id.into(), content, is_error: false }
    }

    /// Marks whether the tool failed.
    #[must_use]
    pub fn with_error(mut self, is_error: bool) -> Self {
        self.is_error = is_error;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_round_trips_through_urls() {
        for url in ["https://example.com/a.png", "data:image/png;base64,AAAA", "data:,plain"] {
            assert_eq!(Media::from_url(url).to_url(), url);
        }
    }

    #[test]
    fn messages_round_trip_through_json() {
        let message = Message::new(
            Role::Assistant,
            vec![
                Part::Reasoning(Reasoning::new("hm")),
                Part::ToolCall(ToolCall::new("1", "f", "{}")),
                Part::ToolResult(ToolResult::new("1", "ok")),
            ],
        );
        let text = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<Message>(&text).unwrap(), message);
    }

    /// Applications store conversations: this spelling is part of the interface.
    #[test]
    fn stored_spelling_is_snake_case() {
        let parts = vec![Part::from("see"), Part::image_bytes("image/png", [0, 0, 0])];
        let text = serde_json::to_string(&Message::new(Role::User, parts)).unwrap();
        let expected = r#"{"role":"user","parts":[{"text":"see"},{"image":{"base64":{"media_type":"image/png","data":"AAAA"}}}]}"#;
        assert_eq!(text, expected);
    }
}
