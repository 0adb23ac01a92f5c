//! Parts of a turn to content blocks.
//!
//! Invariant: media are sent as bytes or by a URL that the host itself reads (`s3:`), never as text about them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hotspare_core::{Error, Kind, Media, Part, Reasoning, ToolCall, ToolResult};
use hotspare_provider::safe_tool_id;
use serde_json::{Value, json};

use super::unsupported;
use crate::WIRE;
use crate::family::Family;

/// The wire's names for image formats.
const IMAGES: [(&str, &str); 4] =
    [("image/png", "png"), ("image/jpeg", "jpeg"), ("image/gif", "gif"), ("image/webp", "webp")];

/// The wire's names for document formats.
const DOCUMENTS: [(&str, &str); 9] = [
    ("application/pdf", "pdf"),
    ("text/csv", "csv"),
    ("application/msword", "doc"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ("application/vnd.ms-excel", "xls"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    ("text/html", "html"),
    ("text/plain", "txt"),
    ("text/markdown", "md"),
];

/// Encodes the parts of one conversation.
#[derive(Debug)]
pub(super) struct BlockEncoder {
    family: Family,
    /// The number of documents so far: each needs a name of its own.
    documents: u32,
    /// Whether the last part was written: fields of one that was not are dropped with it.
    written: bool,
}

impl BlockEncoder {
    pub(super) fn new(family: Family) -> Self {
        Self { family, documents: 0, written: false }
    }

    /// Appends a part to those before it in its turn.
    pub(super) fn part(&mut self, part: &Part, out: &mut Vec<Value>) -> Result<(), Error> {
        let before = out.len();
        match part {
            // The wire refuses blank texts.
            Part::Text(text) | Part::Refusal(text) if text.trim().is_empty() => {}
            Part::Text(text) | Part::Refusal(text) => out.push(json!({"text": text})),
            Part::Image(media) => out.push(image(media)?),
            Part::Document(media) => out.push(self.document(media)?),
            Part::Reasoning(reasoning) => out.extend(self.reasoning(reasoning)),
            Part::ToolCall(call) => out.push(tool_use(call)?),
            Part::ToolResult(result) => out.push(self.tool_result(result)?),
            Part::Native(native) if native.wire == WIRE => out.push(native.raw.to_value()),
            Part::Fields(native) if native.wire == WIRE => {
                if let (Some(Value::Object(block)), Value::Object(fields)) =
                    (out.last_mut().filter(|_| self.written), native.raw.to_value())
                {
                    block.extend(fields);
                }
            }
            _ => {}
        }
        self.written = out.len() > before || (self.written && matches!(part, Part::Fields(_)));
        Ok(())
    }

    fn document(&mut self, media: &Media) -> Result<Value, Error> {
        self.documents = self.documents.saturating_add(1);
        let (format, source) = source(media, &DOCUMENTS)?;
        let name = format!("document {}", self.documents);
        Ok(json!({"document": {"format": format, "name": name, "source": source}}))
    }

    fn reasoning(&self, reasoning: &Reasoning) -> Option<Value> {
        let signature = reasoning.signature.as_ref()?;
        if signature.origin.0 != self.family.origin {
            return None;
        }
        let data = &signature.data;
        Some(match (signature.redacted, self.family.redacts_text) {
            (true, true) => json!({"reasoningContent": {"redactedContent": STANDARD.encode(data)}}),
            (true, false) => json!({"reasoningContent": {"redactedContent": data}}),
            (false, _) => {
                json!({"reasoningContent": {"reasoningText": {"text": reasoning.text, "signature": data}}})
            }
        })
    }

    fn tool_result(&mut self, result: &ToolResult) -> Result<Value, Error> {
        let mut content = Vec::new();
        for part in &result.content {
            self.part(part, &mut content)?;
        }
        if content.is_empty() {
            // A result without content is refused, although a tool may have no output.
            content.push(json!({"text": "(no output)"}));
        }
        let mut out = json!({"toolUseId": safe_tool_id(&result.id), "content": content});
        if result.is_error {
            out["status"] = "error".into();
        }
        Ok(json!({"toolResult": out}))
    }
}

fn image(media: &Media) -> Result<Value, Error> {
    let (format, source) = source(media, &IMAGES)?;
    Ok(json!({"image": {"format": format, "source": source}}))
}

fn source(media: &Media, formats: &[(&str, &'static str)]) -> Result<(&'static str, Value), Error> {
    let known = |what: &str, given: &str| {
        let found = formats.iter().find(|(kind, format)| given == *kind || given == *format);
        found
            .map(|(_, format)| *format)
            .ok_or_else(|| unsupported(format!("this wire does not support {what} in the format {given}")))
    };
    match media {
        Media::Base64 { media_type, data } => {
            let bare = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            let bare = if bare == "image/jpg" { "image/jpeg" } else { &bare };
            Ok((known("data", bare)?, json!({"bytes": data})))
        }
        Media::Url(url) if url.starts_with("s3://") => {
            let ending = url.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
            let ending = if ending == "jpg" { "jpeg" } else { &ending };
            Ok((known("object", ending)?, json!({"s3Location": {"uri": url}})))
        }
        _ => Err(unsupported("this wire accepts images and documents as bytes, not by URL")),
    }
}

fn tool_use(call: &ToolCall) -> Result<Value, Error> {
    let text = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
    let input: Value = serde_json::from_str(text).ok().filter(Value::is_object).ok_or_else(|| {
        let what = format!("the arguments of the earlier call to `{}` are not a JSON object", call.name);
        Error::new(Kind::Unsupported, what)
    })?;
    Ok(json!({"toolUse": {"toolUseId": safe_tool_id(&call.id), "name": call.name, "input": input}}))
}
