//! Content blocks in callers' requests.
//!
//! Invariant: a block whose type or source has no shared equivalent is kept whole; a known block's unknown fields are
//! kept beside it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hotspare_core::{Error, Json, Media, Native, Origin, Part, Reasoning, Signature, ToolCall, ToolResult};
use hotspare_provider::fields::{Fields, invalid, read};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::{ORIGIN, WIRE};

/// Parses a string or a list of blocks.
pub(super) fn parts(at: &str, raw: &RawValue) -> Result<Vec<Part>, Error> {
    if raw.get().starts_with('"') {
        return Ok(vec![Part::Text(read(at, raw, "a text")?)]);
    }
    let list: Vec<&RawValue> = read(at, raw, "a text or a list of blocks")?;
    let mut parts = Vec::with_capacity(list.len());
    for (index, block) in list.into_iter().enumerate() {
        self::block(&format!("{at}[{index}]"), block, &mut parts)?;
    }
    Ok(parts)
}

fn block(at: &str, raw: &RawValue, out: &mut Vec<Part>) -> Result<(), Error> {
    let mut fields: Fields<'_> = read(at, raw, "an object with a type")?;
    fields.retain(|_, value| value.get() != "null");
    let kind: String = take(at, &mut fields, "type", "a word")?;
    let part = match kind.as_str() {
        "text" => Part::Text(take(at, &mut fields, "text", "a text")?),
        "image" | "document" => match media(at, &mut fields)? {
            Some(media) if kind == "image" => Part::Image(media),
            Some(media) => Part::Document(media),
            None => return native(raw, out),
        },
        "thinking" => {
            let text: String = take(at, &mut fields, "thinking", "a text")?;
            let data: String = optional(at, &mut fields, "signature")?.unwrap_or_default();
            Part::Reasoning(signed(text, data, false))
        }
        "redacted_thinking" => {
            Part::Reasoning(signed(String::new(), take(at, &mut fields, "data", "a text")?, true))
        }
        "tool_use" => {
            let id: String = take(at, &mut fields, "id", "a text")?;
            let name: String = take(at, &mut fields, "name", "a name")?;
            let input = fields.remove("input").map_or("{}", RawValue::get);
            if !input.starts_with('{') {
                return Err(invalid(format!("`{at}.input` must be an object")));
            }
            Part::ToolCall(ToolCall::new(id, name, input))
        }
        "tool_result" => {
            let id: String = take(at, &mut fields, "tool_use_id", "a text")?;
            let content = fields.remove("content");
            let content = content.map_or(Ok(Vec::new()), |raw| parts(&format!("{at}.content"), raw))?;
            let failed: Option<bool> = optional(at, &mut fields, "is_error")?;
            Part::ToolResult(ToolResult::from_parts(id, content).with_error(failed.unwrap_or(false)))
        }
        _ => return native(raw, out),
    };
    out.push(part);
    if !fields.is_empty() {
        out.push(Part::Fields(Native::new(WIRE, object(&fields))));
    }
    Ok(())
}

/// The media of a block, if other providers can read it; not so for a file uploaded to one provider.
fn media(at: &str, fields: &mut Fields<'_>) -> Result<Option<Media>, Error> {
    let at = format!("{at}.source");
    let raw = fields.get("source").ok_or_else(|| invalid(format!("`{at}` is missing")))?;
    let mut source: Fields<'_> = read(&at, raw, "an object with a type")?;
    let kind: String = take(&at, &mut source, "type", "a word")?;
    let media = match kind.as_str() {
        "base64" => Media::Base64 {
            media_type: take(&at, &mut source, "media_type", "a media type")?,
            data: take(&at, &mut source, "data", "a text")?,
        },
        "text" => {
            let text: String = take(&at, &mut source, "data", "a text")?;
            let media_type = optional(&at, &mut source, "media_type")?;
            Media::Base64 {
                media_type: media_type.unwrap_or_else(|| "text/plain".into()),
                data: BASE64_STANDARD.encode(text),
            }
        }
        "url" => Media::Url(take(&at, &mut source, "url", "an address")?),
        _ => return Ok(None),
    };
    fields.remove("source");
    Ok(Some(media))
}

/// An empty signature is dropped: callers send it back with the reasoning of models that do not sign.
fn signed(text: String, data: String, redacted: bool) -> Reasoning {
    let reasoning = Reasoning::new(text);
    if data.is_empty() {
        return reasoning;
    }
    reasoning.with_signature(Signature { origin: Origin(ORIGIN.to_owned()), data, redacted })
}

fn native(raw: &RawValue, out: &mut Vec<Part>) -> Result<(), Error> {
    let raw = Json::parse(raw.get()).map_err(|_| invalid("a block is not valid JSON"))?;
    out.push(Part::Native(Native::new(WIRE, raw)));
    Ok(())
}

fn take<T: DeserializeOwned>(
    at: &str,
    fields: &mut Fields<'_>,
    name: &str,
    wanted: &str,
) -> Result<T, Error> {
    let raw = fields.remove(name).ok_or_else(|| invalid(format!("`{at}.{name}` is missing")))?;
    read(format_args!("{at}.{name}"), raw, wanted)
}

fn optional<T: DeserializeOwned>(at: &str, fields: &mut Fields<'_>, name: &str) -> Result<Option<T>, Error> {
    fields.remove(name).map(|raw| read(format_args!("{at}.{name}"), raw, "of its type")).transpose()
}

/// The fields as an object, each with its original JSON.
pub(crate) fn object(fields: &Fields<'_>) -> Json {
    // Names and raw values can always be serialized; `null` is unreachable and only keeps this function total.
    let text = serde_json::to_string(fields).unwrap_or_else(|_| "null".into());
    Json::parse(text).unwrap_or_else(|_| Json::from(serde_json::Value::Null))
}
