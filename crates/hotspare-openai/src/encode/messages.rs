//! A conversation as the wire's messages.
//!
//! Tool results are messages of their own and hold only text: their media follow the last of them, in a user turn.
//! Invariant: no assistant message is empty unless it came that way.

use hotspare_core::{ChatRequest, Message, Native, Part, Role, ToolResult};
use hotspare_provider::fields::Fields;
use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};

use super::reasoning::{ReasoningDetails, is_signed, plain_reasoning};
use crate::WIRE;
use crate::dialect::Dialect;

/// A conversation.
pub(super) struct Messages<'a>(pub(super) &'a [Message], pub(super) &'a Dialect);

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        let reasons = self.1.requires_reasoning
            || self.0.iter().any(|message| plain_reasoning(message, self.1).is_some());
        // Media of tool results, held until the last result in a row.
        let mut media: Vec<&Part> = Vec::new();
        let joined = self.1.one_system_message && has_several_instructions(self.0);
        if joined {
            let texts: Vec<String> =
                self.0.iter().filter(|message| is_instruction(message)).map(Message::joined_text).collect();
            let message = Message::system(texts.join("\n\n"));
            list.serialize_element(&MessageDto { message: &message, dialect: self.1, reasons })?;
        }
        for (at, message) in self.0.iter().enumerate() {
            if joined && is_instruction(message) {
                continue;
            }
            for part in &message.parts {
                if let Part::ToolResult(result) = part {
                    list.serialize_element(&ToolMessageDto::of(result))?;
                    media.extend(result.content.iter().filter(|part| is_media(part)));
                }
            }
            let more = self.0.get(at + 1).is_some_and(has_tool_results);
            if !more && !media.is_empty() {
                list.serialize_element(&MediaMessage {
                    role: "user",
                    content: Media(std::mem::take(&mut media)),
                })?;
            }
            let only_results =
                message.parts.iter().all(|part| matches!(part, Part::ToolResult(_) | Part::Fields(_)));
            if (!only_results || message.parts.is_empty()) && !is_unsendable(message, self.1) {
                list.serialize_element(&MessageDto { message, dialect: self.1, reasons })?;
            }
        }
        list.end()
    }
}

fn is_instruction(message: &Message) -> bool {
    matches!(message.role, Role::System | Role::Developer)
}

fn has_several_instructions(messages: &[Message]) -> bool {
    messages.iter().filter(|message| is_instruction(message)).nth(1).is_some()
}

/// Describes, for a person, the system messages that are joined.
pub(crate) fn joined_instructions(request: &ChatRequest, dialect: &Dialect) -> Option<String> {
    let joins = dialect.one_system_message && has_several_instructions(&request.messages);
    joins.then(|| "joined the system messages, of which this host accepts one".to_owned())
}

/// Precedes the media of tool results, which tool messages cannot hold.
const MEDIA_INTRO: &str = "Media from the tool results:";

fn has_tool_results(message: &Message) -> bool {
    message.parts.iter().any(|part| matches!(part, Part::ToolResult(_)))
}

fn is_media(part: &Part) -> bool {
    matches!(part, Part::Image(_) | Part::Document(_))
}

/// Describes, for a person, what is moved to another turn.
pub(crate) fn moved_media(request: &ChatRequest) -> Vec<String> {
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    let has_media = parts.into_iter().any(|part| match part {
        Part::ToolResult(result) => result.content.iter().any(is_media),
        _ => false,
    });
    let what = "media of tool results moved to a user turn after them";
    has_media.then(|| what.to_owned()).into_iter().collect()
}

/// Whether nothing of an assistant's turn can be sent on this wire, such as a turn of reasoning only.
fn is_unsendable(message: &Message, dialect: &Dialect) -> bool {
    let is_sendable = |part: &Part| match part {
        Part::Refusal(_) | Part::ToolCall(_) => true,
        Part::Reasoning(_) => dialect.signs_reasoning && is_signed(part),
        part => is_content(part),
    };
    // A turn that was empty from the start is the caller's, and is sent as it is.
    message.role == Role::Assistant && !message.parts.is_empty() && !message.parts.iter().any(is_sendable)
}

#[derive(Serialize)]
struct ToolMessageDto<'a> {
    role: &'static str,
    tool_call_id: &'a str,
    content: ToolResultContent<'a>,
}

impl<'a> ToolMessageDto<'a> {
    fn of(result: &'a ToolResult) -> Self {
        Self { role: "tool", tool_call_id: &result.id, content: ToolResultContent(&result.content) }
    }
}

/// The text of a tool result.
struct ToolResultContent<'a>(&'a [Part]);

impl Serialize for ToolResultContent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.0.iter().any(is_media) {
            return Content(self.0).serialize(serializer);
        }
        let content: String = self.0.iter().filter_map(Part::as_text).collect();
        serializer.serialize_str(if content.is_empty() { "(shown below)" } else { &content })
    }
}

#[derive(Serialize)]
struct MediaMessage<'a> {
    role: &'static str,
    content: Media<'a>,
}

/// Images and documents.
struct Media<'a>(Vec<&'a Part>);

impl Serialize for Media<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        list.serialize_element(&PartDto(&Part::Text(MEDIA_INTRO.into()), None))?;
        for part in &self.0 {
            list.serialize_element(&PartDto(part, None))?;
        }
        list.end()
    }
}

/// A message other than a tool result.
struct MessageDto<'a> {
    message: &'a Message,
    dialect: &'a Dialect,
    /// Whether the host may expect reasoning with each turn that calls tools.
    reasons: bool,
}

impl Serialize for MessageDto<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { message, dialect, reasons } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("role", role(message.role, dialect))?;
        if let Some(name) = &message.name {
            map.serialize_entry("name", name)?;
        }
        let has_content = message.parts.iter().any(is_content);
        if has_content || message.role != Role::Assistant {
            map.serialize_entry("content", &Content(&message.parts))?;
        } else {
            map.serialize_entry("content", &())?;
        }
        if let Some(Part::Refusal(text)) = message.parts.iter().find(|part| matches!(part, Part::Refusal(_)))
        {
            map.serialize_entry("refusal", text)?;
        }
        let signed = dialect.signs_reasoning && message.parts.iter().any(is_signed);
        if signed {
            map.serialize_entry("reasoning_details", &ReasoningDetails(&message.parts))?;
        }
        let calls = message.parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
        if let Some(reasoning) =
            plain_reasoning(message, dialect).or((*reasons && calls && !signed).then(|| " ".into()))
        {
            for field in dialect.reasoning_fields {
                map.serialize_entry(field, &reasoning)?;
            }
        }
        if calls {
            map.serialize_entry("tool_calls", &ToolCalls(&message.parts))?;
        }
        map.end()
    }
}

fn role(role: Role, dialect: &Dialect) -> &'static str {
    match role {
        Role::Assistant => "assistant",
        Role::Developer if dialect.developer_role => "developer",
        Role::Developer | Role::System => "system",
        Role::Tool => "tool",
        _ => "user",
    }
}

/// The content of a message: a single text as a string, anything else as a list.
struct Content<'a>(&'a [Part]);

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let content = || self.0.iter().filter(|part| is_content(part));
        match (content().next(), content().nth(1)) {
            (None, _) => serializer.serialize_str(""),
            (Some(Part::Text(text)), None) => serializer.serialize_str(text),
            _ => {
                let mut list = serializer.serialize_seq(None)?;
                for (at, part) in self.0.iter().enumerate().filter(|(_, part)| is_content(part)) {
                    let fields = match self.0.get(at + 1) {
                        Some(Part::Fields(fields)) if fields.wire == WIRE => Some(fields),
                        _ => None,
                    };
                    list.serialize_element(&PartDto(part, fields))?;
                }
                list.end()
            }
        }
    }
}

fn is_content(part: &Part) -> bool {
    match part {
        Part::Text(_) | Part::Image(_) | Part::Document(_) => true,
        Part::Native(native) => native.wire == WIRE,
        _ => false,
    }
}

/// A part, with the fields that only this wire has.
struct PartDto<'a>(&'a Part, Option<&'a Native>);

impl Serialize for PartDto<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Part::Native(native) = self.0 {
            return native.raw.serialize(serializer);
        }
        let mut map = serializer.serialize_map(Some(2))?;
        match self.0 {
            Part::Image(media) => {
                map.serialize_entry("type", "image_url")?;
                map.serialize_entry("image_url", &MediaDto("url", &media.to_url(), None, self.1))?;
            }
            Part::Document(media) => {
                map.serialize_entry("type", "file")?;
                let file = MediaDto("file_data", &media.to_url(), Some(("filename", "document")), self.1);
                map.serialize_entry("file", &file)?;
            }
            part => {
                map.serialize_entry("type", "text")?;
                map.serialize_entry("text", part.as_text().unwrap_or_default())?;
            }
        }
        map.end()
    }
}

/// A media object: its URL or data, a default that may be overridden, and the fields that only this wire has.
struct MediaDto<'a>(&'static str, &'a str, Option<(&'static str, &'static str)>, Option<&'a Native>);

impl Serialize for MediaDto<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(name, value, default, native) = self;
        let own = native.and_then(|native| serde_json::from_str::<Fields<'_>>(native.raw.as_str()).ok());
        let own = own.unwrap_or_default();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(name, value)?;
        if let Some((name, value)) = default.filter(|(name, _)| !own.contains_key(*name)) {
            map.serialize_entry(name, value)?;
        }
        for (name, value) in own {
            map.serialize_entry(&name, value)?;
        }
        map.end()
    }
}

struct ToolCalls<'a>(&'a [Part]);

impl Serialize for ToolCalls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for part in self.0 {
            if let Part::ToolCall(call) = part {
                let arguments = if call.arguments.is_empty() { "{}" } else { &call.arguments };
                let function = FunctionCallDto { name: &call.name, arguments };
                list.serialize_element(&ToolCallDto { id: &call.id, kind: "function", function })?;
            }
        }
        list.end()
    }
}

#[derive(Serialize)]
struct ToolCallDto<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: FunctionCallDto<'a>,
}

#[derive(Serialize)]
struct FunctionCallDto<'a> {
    name: &'a str,
    arguments: &'a str,
}
