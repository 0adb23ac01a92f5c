//! Turns and their blocks of content.
//!
//! Invariant: a part keeps its own fields, tool results lead their turn, and parts that only other providers can read
//! are not written.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hotspare_core::{Error, Kind, Media, Message, Native, Part, Role, ToolCall, ToolResult};
use hotspare_provider::fields::Fields;
use hotspare_provider::safe_tool_id;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::{ORIGIN, WIRE};

/// One turn.
pub(super) struct MessageDto<'a> {
    role: &'static str,
    blocks: Vec<Block<'a>>,
}

/// Merges consecutive messages of one role; empty turns are dropped.
pub(super) fn turns(messages: &[Message]) -> Result<Vec<MessageDto<'_>>, Error> {
    let mut turns: Vec<MessageDto<'_>> = Vec::new();
    for message in messages {
        let role = if message.role == Role::Assistant { "assistant" } else { "user" };
        let mut blocks = blocks(&message.parts);
        for block in &blocks {
            block.check()?;
        }
        match turns.last_mut() {
            _ if blocks.is_empty() => {}
            Some(last) if last.role == role => last.blocks.append(&mut blocks),
            _ => turns.push(MessageDto { role, blocks }),
        }
    }
    for turn in &mut turns {
        // The wire requires tool results first in a turn, wherever the caller put them.
        turn.blocks.sort_by_key(|block| !matches!(block.part, Part::ToolResult(_)));
    }
    Ok(turns)
}

/// Whether the current loop of tool calls began without reasoning that can be sent back: a model that is forced to
/// think refuses to continue it.
pub(super) fn starts_without_reasoning(turns: &[MessageDto<'_>]) -> bool {
    let has_tool_results =
        |turn: &MessageDto<'_>| turn.blocks.iter().any(|block| matches!(block.part, Part::ToolResult(_)));
    let last_prompt = turns.iter().rposition(|turn| turn.role == "user" && !has_tool_results(turn));
    let mut later_turns = turns.iter().skip(last_prompt.map_or(0, |at| at + 1));
    let first = later_turns.find(|turn| turn.role == "assistant");
    first.is_some_and(|turn| !matches!(turn.blocks.first(), Some(Block { part: Part::Reasoning(_), .. })))
}

/// The blocks to write for these parts.
pub(super) fn blocks(parts: &[Part]) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::with_capacity(parts.len());
    // Fields of a part that is not written are dropped with it.
    let mut written = false;
    for part in parts {
        match part {
            Part::Fields(fields) => {
                if let Some(block) = blocks.last_mut().filter(|_| written && fields.wire == WIRE) {
                    block.fields = Some(fields);
                }
            }
            part => {
                written = is_encodable(part);
                if written {
                    blocks.push(Block { part, fields: None });
                }
            }
        }
    }
    blocks
}

fn is_encodable(part: &Part) -> bool {
    match part {
        // The wire refuses blank texts.
        Part::Text(text) | Part::Refusal(text) => !text.trim().is_empty(),
        Part::Reasoning(reasoning) => {
            reasoning.signature.as_ref().is_some_and(|signature| signature.origin.0 == ORIGIN)
        }
        Part::Native(native) => native.wire == WIRE,
        Part::Document(_) | Part::Image(_) | Part::ToolCall(_) | Part::ToolResult(_) => true,
        _ => false,
    }
}

impl Serialize for MessageDto<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("role", self.role)?;
        map.serialize_entry("content", &Content(&self.blocks))?;
        map.end()
    }
}

/// A single text as a string, anything else as a list.
struct Content<'a>(&'a [Block<'a>]);

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            [Block { part: Part::Text(text) | Part::Refusal(text), fields: None }] => {
                serializer.serialize_str(text)
            }
            blocks => blocks.serialize(serializer),
        }
    }
}

/// A part, with the fields that only this wire has.
pub(super) struct Block<'a> {
    part: &'a Part,
    fields: Option<&'a Native>,
}

impl Block<'_> {
    /// Checks that the part can be written.
    fn check(&self) -> Result<(), Error> {
        match self.part {
            Part::ToolCall(call) if input(call).is_none() => {
                let what =
                    format!("the arguments of the earlier call to `{}` are not a JSON object", call.name);
                Err(Error::new(Kind::Unsupported, what))
            }
            _ => Ok(()),
        }
    }
}

impl Serialize for Block<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Part::Native(native) = self.part {
            return native.raw.serialize(serializer);
        }
        let mut map = serializer.serialize_map(None)?;
        match self.part {
            Part::Image(media) => {
                map.serialize_entry("type", "image")?;
                map.serialize_entry("source", &Source::of(media))?;
            }
            Part::Document(media) => {
                map.serialize_entry("type", "document")?;
                map.serialize_entry("source", &Source::of(media))?;
            }
            Part::Reasoning(reasoning) => match &reasoning.signature {
                Some(signature) if signature.redacted => {
                    map.serialize_entry("type", "redacted_thinking")?;
                    map.serialize_entry("data", &signature.data)?;
                }
                signature => {
                    map.serialize_entry("type", "thinking")?;
                    map.serialize_entry("thinking", &reasoning.text)?;
                    let data = signature.as_ref().map_or("", |signature| signature.data.as_str());
                    map.serialize_entry("signature", data)?;
                }
            },
            Part::ToolCall(call) => {
                map.serialize_entry("type", "tool_use")?;
                map.serialize_entry("id", &safe_tool_id(&call.id))?;
                map.serialize_entry("name", &call.name)?;
                map.serialize_entry("input", &input(call))?;
            }
            Part::ToolResult(result) => {
                let ToolResult { id, content, is_error, .. } = result;
                map.serialize_entry("type", "tool_result")?;
                map.serialize_entry("tool_use_id", &safe_tool_id(id))?;
                map.serialize_entry("content", &Content(&blocks(content)))?;
                if *is_error {
                    map.serialize_entry("is_error", &true)?;
                }
            }
            part => {
                let text = match part {
                    Part::Text(text) | Part::Refusal(text) => text.as_str(),
                    _ => "",
                };
                map.serialize_entry("type", "text")?;
                map.serialize_entry("text", text)?;
            }
        }
        let fields = self.fields.map(|fields| serde_json::from_str::<Fields<'_>>(fields.raw.as_str()));
        for (name, value) in fields.and_then(Result::ok).into_iter().flatten() {
            map.serialize_entry(&name, value)?;
        }
        map.end()
    }
}

/// A call's arguments exactly as the model wrote them, if they are an object.
fn input(call: &ToolCall) -> Option<&RawValue> {
    let text = call.arguments.trim();
    let text = if text.is_empty() { "{}" } else { text };
    serde_json::from_str(text).ok().filter(|raw: &&RawValue| raw.get().starts_with('{'))
}

/// The source of an image or a document.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Source<'a> {
    Base64 { media_type: &'a str, data: &'a str },
    Text { media_type: &'static str, data: String },
    Url { url: String },
}

impl<'a> Source<'a> {
    fn of(media: &'a Media) -> Self {
        match media {
            Media::Base64 { media_type, data } if media_type.starts_with("text/") => {
                let text = BASE64_STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                match text {
                    Some(data) => Self::Text { media_type: "text/plain", data },
                    None => Self::Base64 { media_type, data },
                }
            }
            Media::Base64 { media_type, data } => Self::Base64 { media_type, data },
            other => Self::Url { url: other.to_url() },
        }
    }
}
