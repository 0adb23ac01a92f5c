//! The messages of callers' requests.
//!
//! Invariant: a part of an unknown type is kept whole, and a known object's unknown fields are kept beside it.

use std::fmt;

use hotspare_core::{Error, Media, Message, Native, Part, Reasoning, Role, Signature, ToolCall, ToolResult};
use hotspare_provider::fields::{StrictObject, invalid, read, read_object};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::rest::{native, object, rest};
use crate::WIRE;
use crate::dialect::Dialect;
use crate::dto::ReasoningDetail;

/// The fields of a message with a meaning here. Annotations of an earlier answer are for people and are dropped.
const MESSAGE_FIELDS: [&str; 11] = [
    "role",
    "content",
    "name",
    "refusal",
    "tool_calls",
    "tool_call_id",
    "function_call",
    "reasoning_content",
    "reasoning",
    "reasoning_details",
    "annotations",
];

#[derive(Deserialize)]
struct MessageDto<'a> {
    role: Option<String>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    name: Option<String>,
    refusal: Option<String>,
    #[serde(borrow)]
    tool_calls: Option<Vec<&'a RawValue>>,
    tool_call_id: Option<String>,
    /// A call in the older format, which has no id: its result names the function.
    function_call: Option<StrictObject<FunctionCallDto>>,
    reasoning_content: Option<String>,
    /// Another name for the above.
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_details: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ToolCallDto {
    id: String,
    function: StrictObject<FunctionCallDto>,
}

#[derive(Deserialize)]
struct FunctionCallDto {
    name: String,
    arguments: Option<String>,
}

#[derive(Deserialize)]
struct PartDto<'a> {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    refusal: Option<String>,
    #[serde(borrow)]
    image_url: Option<&'a RawValue>,
    #[serde(borrow)]
    file: Option<&'a RawValue>,
}

/// An address, in an object or, at some hosts, by itself.
#[derive(Deserialize)]
#[serde(untagged)]
enum UrlDto {
    Bare(String),
    Object(StrictObject<UrlObjectDto>),
}

#[derive(Deserialize)]
struct UrlObjectDto {
    url: String,
}

#[derive(Deserialize)]
struct FileDto {
    file_data: Option<String>,
    file_id: Option<String>,
}

/// Parses one message.
pub(super) fn message(at: fmt::Arguments<'_>, raw: &RawValue) -> Result<Message, Error> {
    let dto: MessageDto<'_> = read_object(at, raw, "an object with role and content")?;
    let role = match dto.role.as_deref() {
        Some("system") => Role::System,
        Some("developer") => Role::Developer,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("tool" | "function") => Role::Tool,
        Some(other) => {
            return Err(invalid(format!(
                "`{at}.role` is `{other}`; valid values are system, developer, user, assistant and tool"
            )));
        }
        None => return Err(invalid(format!("`{at}.role` is missing"))),
    };
    let content = match dto.content {
        Some(content) => content_parts(format_args!("{at}.content"), content)?,
        None => Vec::new(),
    };
    let mut message = if role == Role::Tool {
        // A tool's name is known by its call.
        let id = dto.tool_call_id.or(dto.name);
        let id = id.ok_or_else(|| invalid(format!("`{at}.tool_call_id` is missing")))?;
        Message::tool(ToolResult::from_parts(id, content))
    } else {
        let mut parts = Vec::new();
        if let Some(raw) = dto.reasoning_details.filter(|raw| raw.get() != "null") {
            parts = reasoning_details(format_args!("{at}.reasoning_details"), raw)?;
        }
        let repeated =
            parts.iter().any(|part| matches!(part, Part::Reasoning(known) if !known.text.is_empty()));
        let plain = dto.reasoning_content.or_else(|| serde_json::from_str(dto.reasoning?.get()).ok());
        if let Some(text) = plain.filter(|text| !text.is_empty() && !repeated) {
            parts.insert(0, Part::Reasoning(Reasoning::new(text)));
        }
        parts.extend(content);
        parts.extend(dto.refusal.map(Part::Refusal));
        for (index, raw) in dto.tool_calls.unwrap_or_default().into_iter().enumerate() {
            tool_call(&format!("{at}.tool_calls[{index}]"), raw, &mut parts)?;
        }
        if let Some(StrictObject(call)) = dto.function_call {
            parts.push(Part::ToolCall(ToolCall::new(
                call.name.clone(),
                call.name,
                call.arguments.unwrap_or_default(),
            )));
        }
        if parts.is_empty() && role != Role::Assistant {
            return Err(invalid(format!("`{at}.content` is missing")));
        }
        let mut message = Message::new(role, parts);
        message.name = dto.name;
        message
    };
    let own = rest(raw, &MESSAGE_FIELDS);
    if !own.is_empty() {
        message.extras.insert(WIRE.into(), own);
    }
    Ok(message)
}

fn tool_call(at: &str, raw: &RawValue, parts: &mut Vec<Part>) -> Result<(), Error> {
    let ToolCallDto { id, function: StrictObject(call) } = read_object(at, raw, "{id, type, function}")?;
    parts.push(Part::ToolCall(ToolCall::new(id, call.name, call.arguments.unwrap_or_default())));
    // Its index is a leftover of a stream.
    push_fields(object(&rest(raw, &["id", "type", "index", "function"])), parts);
    Ok(())
}

/// Appends a part that only this wire has.
fn push_native(at: &str, raw: &RawValue, parts: &mut Vec<Part>) -> Result<(), Error> {
    parts.push(Part::Native(native(at, raw)?));
    Ok(())
}

/// Appends the own fields of the last part.
fn push_fields(own: Option<hotspare_core::Json>, parts: &mut Vec<Part>) {
    parts.extend(own.map(|own| Part::Fields(Native::new(WIRE, own))));
}

/// Reasoning in the form in which the host that signs it sends it. Each entry is kept as it is: the host expects the
/// whole list back.
fn reasoning_details(at: fmt::Arguments<'_>, raw: &RawValue) -> Result<Vec<Part>, Error> {
    let list: Vec<&RawValue> = read(at, raw, "a list of objects")?;
    let Some(origin) = Dialect::ALL.iter().find_map(Dialect::signature_origin) else { return Ok(Vec::new()) };
    list.into_iter()
        .enumerate()
        .map(|(index, raw)| {
            read_object::<IgnoredAny>(format_args!("{at}[{index}]"), raw, "an object with a type")?;
            let detail: ReasoningDetail<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
            let text = detail.text.or(detail.summary).map(|text| text.0.into_owned()).unwrap_or_default();
            let redacted = text.is_empty();
            let signature = Signature { origin: origin.clone(), data: raw.get().to_owned(), redacted };
            Ok(Part::Reasoning(Reasoning::new(text).with_signature(signature)))
        })
        .collect()
}

fn content_parts(at: fmt::Arguments<'_>, raw: &RawValue) -> Result<Vec<Part>, Error> {
    if raw.get().starts_with('"') {
        return Ok(vec![Part::Text(read(at, raw, "a text")?)]);
    }
    if raw.get() == "null" {
        return Ok(Vec::new());
    }
    let list: Vec<&RawValue> = read(at, raw, "a text or a list of parts")?;
    let mut parts = Vec::with_capacity(list.len());
    for (index, raw) in list.into_iter().enumerate() {
        part(&format!("{at}[{index}]"), raw, &mut parts)?;
    }
    Ok(parts)
}

fn part(at: &str, raw: &RawValue, parts: &mut Vec<Part>) -> Result<(), Error> {
    let dto: PartDto<'_> = read_object(at, raw, "an object with a type")?;
    let missing = |what: &str| invalid(format!("`{at}.{what}` is missing"));
    // The field that holds the content of a part, and the fields inside it that are no longer needed.
    let (part, field, inner, known): (_, _, _, &[&str]) = match dto.kind.as_str() {
        "text" | "input_text" | "output_text" => {
            (Part::Text(dto.text.ok_or_else(|| missing("text"))?), "text", None, &[])
        }
        "refusal" => (Part::Refusal(dto.refusal.ok_or_else(|| missing("refusal"))?), "refusal", None, &[]),
        "image_url" => {
            let raw = dto.image_url.ok_or_else(|| missing("image_url"))?;
            let image: UrlDto = read(format_args!("{at}.image_url"), raw, "an object with a url")?;
            let (UrlDto::Bare(url) | UrlDto::Object(StrictObject(UrlObjectDto { url }))) = image;
            (Part::Image(Media::from_url(&url)), "image_url", Some(raw), &["url"])
        }
        "file" => {
            let inner = dto.file.ok_or_else(|| missing("file"))?;
            let file: FileDto = read_object(format_args!("{at}.file"), inner, "an object")?;
            match (file.file_data, file.file_id) {
                (Some(data), _) => {
                    let document = Part::Document(Media::from_url(&data));
                    (document, "file", Some(inner), &["file_data", "file_id"])
                }
                // A file that was uploaded to one provider.
                (None, Some(_)) => return push_native(at, raw, parts),
                (None, None) => return Err(missing("file.file_data")),
            }
        }
        // Audio, video, and what else only some hosts of this wire accept.
        _ => return push_native(at, raw, parts),
    };
    parts.push(part);
    let mut own = rest(raw, &["type", field]);
    own.extend(inner.map(|inner| rest(inner, known)).unwrap_or_default());
    push_fields(object(&own), parts);
    Ok(())
}
