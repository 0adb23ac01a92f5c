//! Texts of a request that a body lacks.
//!
//! What only its own model can read back, and what only one wire supports, may be missing: the trail says so.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hotspare_core::{ChatRequest, Media, Part, ToolChoice};
use serde_json::Value;

/// Texts of a request that are missing in a body.
pub(super) fn missing(request: &ChatRequest, body: &Value) -> Vec<String> {
    let mut held = Vec::new();
    collect(body, &mut held);
    let held = held.join("\n");
    let mut texts = Vec::new();
    for message in &request.messages {
        collect_texts(&message.parts, &held, &mut texts);
    }
    // A wire that cannot forbid calls leaves the tools out.
    if request.tool_choice != Some(ToolChoice::None) {
        let tools = request.tools.iter();
        texts.extend(tools.flat_map(|tool| [Some(tool.name.clone()), tool.description.clone()]).flatten());
    }
    texts.retain(|text| !text.trim().is_empty() && !held.contains(text.trim()));
    texts.iter().map(|text| text.chars().take(80).collect()).collect()
}

fn collect_texts(parts: &[Part], held: &str, out: &mut Vec<String>) {
    for part in parts {
        match part {
            Part::Text(text) | Part::Refusal(text) => out.push(text.clone()),
            // A text may be embedded as one.
            Part::Document(Media::Base64 { media_type, data }) if media_type.starts_with("text/") => {
                let text = String::from_utf8(STANDARD.decode(data).unwrap()).unwrap();
                out.push(if held.contains(data) { data.clone() } else { text });
            }
            Part::Image(Media::Base64 { data, .. }) | Part::Document(Media::Base64 { data, .. }) => {
                out.push(data.clone());
            }
            Part::Image(Media::Url(url)) | Part::Document(Media::Url(url)) => out.push(url.clone()),
            Part::ToolCall(call) => {
                out.push(call.name.clone());
                json_texts(&call.arguments, held, out);
            }
            Part::ToolResult(result) => {
                let text: String = result.content.iter().filter_map(Part::as_text).collect();
                match serde_json::from_str::<Value>(&text) {
                    Ok(_) => json_texts(&text, held, out),
                    Err(_) => collect_texts(&result.content, held, out),
                }
            }
            _ => {}
        }
    }
}

/// JSON may be embedded as text or as JSON: without the text, each of its texts must be there.
fn json_texts(json: &str, held: &str, out: &mut Vec<String>) {
    if let (false, Ok(value)) = (held.contains(json), serde_json::from_str::<Value>(json)) {
        collect(&value, out);
    }
}

/// All texts in a body.
fn collect(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, out)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, out)),
        _ => {}
    }
}
