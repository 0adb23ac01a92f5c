//! A conversation as the wire's messages.
//!
//! Tool results are messages of their own and hold only text: their media follow the last of them, in a user turn. Fields
//! that only this wire has are written where the host accepts them.
//! Invariant: no assistant message is empty unless it came that way.

use std::borrow::Cow;

use hotspare_core::{ChatRequest, Message, Part, Role};
use hotspare_provider::fields::Fields;
use hotspare_provider::{DROPPED_REASONING, result_text};
use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};

use super::reasoning::{ReasoningDetails, is_signed, plain_reasoning, texts};
use crate::WIRE;
use crate::accepts::{is_media, is_media_field};
use crate::dialect::Dialect;

/// A conversation.
pub(super) struct Messages<'a>(pub(super) &'a [Message], pub(super) &'a Dialect);

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        let reasons = self.1.requires_reasoning
            || self.0.iter().any(|message| plain_reasoning(message, self.1).is_some());
        // Media of tool results, each with what follows it, held until the last result in a row.
        let mut media: Vec<&[Part]> = Vec::new();
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
            let only_results =
                message.parts.iter().all(|part| matches!(part, Part::ToolResult(_) | Part::Fields(_)));
            for (at, part) in message.parts.iter().enumerate() {
                if let Part::ToolResult(result) = part {
                    let own = own_fields(&message.parts, at, self.1);
                    let content = ToolResultContent(result_text(result), self.1);
                    let message = Some(message).filter(|_| only_results);
                    list.serialize_element(&ToolMessageDto {
                        id: &result.id,
                        content,
                        own,
                        message,
                        dialect: self.1,
                    })?;
                    let is_media = |at: &usize| is_media(&result.content[*at]);
                    media.extend((0..result.content.len()).filter(is_media).map(|at| &result.content[at..]));
                }
            }
            let more = self.0.get(at + 1).is_some_and(has_tool_results);
            if !more && !media.is_empty() {
                list.serialize_element(&MediaMessage {
                    role: "user",
                    content: Media(std::mem::take(&mut media), self.1),
                })?;
            }
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

/// Describes, for a person, what is moved to another turn.
pub(crate) fn moved_media(request: &ChatRequest) -> Option<String> {
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    let has_media = parts.into_iter().any(|part| match part {
        Part::ToolResult(result) => result.content.iter().any(is_media),
        _ => false,
    });
    let what = "media of tool results moved to a user turn after them";
    has_media.then(|| what.to_owned())
}

/// Whether nothing of an assistant's turn can be sent on this wire, such as a turn of reasoning only.
fn is_unsendable(message: &Message, dialect: &Dialect) -> bool {
    let is_sendable = |part: &Part| match part {
        Part::Refusal(_) | Part::ToolCall(_) => true,
        Part::Reasoning(_) => dialect.signs_reasoning && is_signed(part),
        part => is_content(part),
    };
    // A turn that was empty from the start is the caller's, and is sent as it is, unless it consists of fields that this
    // host does not take.
    let own = message.extras.get(WIRE).filter(|own| !own.is_empty());
    let is_empty = match message.parts.is_empty() {
        true => own.is_some_and(|own| !own.keys().any(|name| dialect.takes_inside(name))),
        false => !message.parts.iter().any(is_sendable),
    };
    message.role == Role::Assistant && is_empty
}

struct ToolMessageDto<'a> {
    id: &'a str,
    content: ToolResultContent<'a>,
    own: Fields<'a>,
    /// The message, if the result is all that it has.
    message: Option<&'a Message>,
    dialect: &'a Dialect,
}

impl Serialize for ToolMessageDto<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("role", "tool")?;
        if let Some(name) = self.message.and_then(|message| message.name.as_ref()) {
            map.serialize_entry("name", name)?;
        }
        map.serialize_entry("tool_call_id", self.id)?;
        map.serialize_entry("content", &self.content)?;
        for (name, value) in &self.own {
            map.serialize_entry(name, value)?;
        }
        if let Some(message) = self.message {
            write_own(message, self.dialect, &mut map)?;
        }
        map.end()
    }
}

/// Writes a message's own fields.
fn write_own<M: SerializeMap>(message: &Message, dialect: &Dialect, map: &mut M) -> Result<(), M::Error> {
    let own = message.extras.get(WIRE).into_iter().flatten();
    own.filter(|(name, _)| dialect.takes_inside(name))
        .try_for_each(|(name, value)| map.serialize_entry(name, value))
}

/// The text of a tool result.
struct ToolResultContent<'a>(Cow<'a, [Part]>, &'a Dialect);

impl Serialize for ToolResultContent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(parts, dialect) = self;
        let needs_list = |(at, part): (usize, &Part)| match part {
            Part::Text(text) => !text.is_empty() && !own_fields(parts, at, dialect).is_empty(),
            part => is_content(part) && !is_media(part),
        };
        if !parts.iter().any(is_media) || parts.iter().enumerate().any(needs_list) {
            return Content { parts, dialect, media: false }.serialize(serializer);
        }
        let text: String = parts.iter().filter_map(Part::as_text).collect();
        serializer.serialize_str(if text.is_empty() { "(shown below)" } else { &text })
    }
}

/// Describes, for a person, the reasoning that the host does not take back.
pub(crate) fn dropped_reasoning(request: &ChatRequest, dialect: &Dialect) -> Option<String> {
    let is_dropped =
        |message: &&Message| dialect.reasoning_fields.is_empty() || is_unsendable(message, dialect);
    let dropped = request.messages.iter().filter(is_dropped);
    let blocks: usize = dropped.map(|message| texts(message, dialect).len()).sum();
    (blocks > 0).then(|| format!("{DROPPED_REASONING} ({blocks})"))
}

#[derive(Serialize)]
struct MediaMessage<'a> {
    role: &'static str,
    content: Media<'a>,
}

/// Images and documents, each with what follows it.
struct Media<'a>(Vec<&'a [Part]>, &'a Dialect);

impl Serialize for Media<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        list.serialize_element(&PartDto(&Part::Text(MEDIA_INTRO.into()), Fields::new()))?;
        for parts in &self.0 {
            list.serialize_element(&PartDto(&parts[0], own_fields(parts, 0, self.1)))?;
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
        if let Some(name) = message.name.as_ref().filter(|_| dialect.speaker_names) {
            map.serialize_entry("name", name)?;
        }
        let has_content = message.parts.iter().any(is_content);
        if has_content || message.role != Role::Assistant {
            map.serialize_entry("content", &Content { parts: &message.parts, dialect, media: true })?;
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
            map.serialize_entry("tool_calls", &ToolCalls(&message.parts, dialect))?;
        }
        write_own(message, dialect, &mut map)?;
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
struct Content<'a> {
    parts: &'a [Part],
    dialect: &'a Dialect,
    /// Whether images and documents are written.
    media: bool,
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { parts, dialect, media } = self;
        let is_written = |(_, part): &(usize, &Part)| is_content(part) && (*media || !is_media(part));
        let content = || parts.iter().enumerate().filter(is_written);
        match (content().next(), content().nth(1)) {
            (None, _) => return serializer.serialize_str(""),
            (Some((at, Part::Text(text))), None) if own_fields(parts, at, dialect).is_empty() => {
                return serializer.serialize_str(text);
            }
            _ => {}
        }
        let mut list = serializer.serialize_seq(None)?;
        for (at, part) in content() {
            list.serialize_element(&PartDto(part, own_fields(parts, at, dialect)))?;
        }
        list.end()
    }
}

/// The fields of the part at `at` that only this wire has and the host accepts.
fn own_fields<'a>(parts: &'a [Part], at: usize, dialect: &Dialect) -> Fields<'a> {
    let mut own: Fields<'a> = match parts.get(at + 1) {
        Some(Part::Fields(fields)) if fields.wire == WIRE => {
            serde_json::from_str(fields.raw.as_str()).unwrap_or_default()
        }
        _ => return Fields::new(),
    };
    let describes = |name: &str| is_media(&parts[at]) && is_media_field(name);
    own.retain(|name, _| describes(name) || dialect.takes_inside(name));
    own
}

fn is_content(part: &Part) -> bool {
    match part {
        Part::Text(_) | Part::Image(_) | Part::Document(_) => true,
        Part::Native(native) => native.wire == WIRE,
        _ => false,
    }
}

/// Whether a field of an image or a document goes with its address.
fn is_inside(name: &str) -> bool {
    is_media_field(name) || name == "format"
}

/// A part, with the fields that only this wire has.
struct PartDto<'a>(&'a Part, Fields<'a>);

impl Serialize for PartDto<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(part, own) = self;
        if let Part::Native(native) = part {
            return native.raw.serialize(serializer);
        }
        let mut map = serializer.serialize_map(None)?;
        // A medium's description goes with its address, and other fields go beside them.
        let mut is_outside: fn(&str) -> bool = |_| true;
        match part {
            Part::Image(media) => {
                is_outside = |name| !is_inside(name);
                map.serialize_entry("type", "image_url")?;
                map.serialize_entry("image_url", &MediaDto("url", &media.to_url(), None, own))?;
            }
            Part::Document(media) => {
                is_outside = |name| !is_inside(name);
                map.serialize_entry("type", "file")?;
                let file = MediaDto("file_data", &media.to_url(), Some(("filename", "document")), own);
                map.serialize_entry("file", &file)?;
            }
            part => {
                map.serialize_entry("type", "text")?;
                map.serialize_entry("text", part.as_text().unwrap_or_default())?;
            }
        }
        for (name, value) in own.iter().filter(|(name, _)| is_outside(name)) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// A media object: its URL or data, a default that may be overridden, and the fields that describe it.
struct MediaDto<'a>(&'static str, &'a str, Option<(&'static str, &'static str)>, &'a Fields<'a>);

impl Serialize for MediaDto<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(name, value, default, own) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(name, value)?;
        if let Some((name, value)) = default.filter(|(name, _)| !own.contains_key(*name)) {
            map.serialize_entry(name, value)?;
        }
        for (name, value) in own.iter().filter(|(name, _)| is_inside(name)) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

struct ToolCalls<'a>(&'a [Part], &'a Dialect);

impl Serialize for ToolCalls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for (at, part) in self.0.iter().enumerate() {
            if let Part::ToolCall(call) = part {
                let arguments = if call.arguments.is_empty() { "{}" } else { &call.arguments };
                let function = FunctionCallDto { name: &call.name, arguments };
                let own = own_fields(self.0, at, self.1);
                list.serialize_element(&ToolCallDto { id: &call.id, kind: "function", function, own })?;
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
    #[serde(flatten)]
    own: Fields<'a>,
}

#[derive(Serialize)]
struct FunctionCallDto<'a> {
    name: &'a str,
    arguments: &'a str,
}
