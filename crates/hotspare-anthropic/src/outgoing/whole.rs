//! The bodies of whole answers, token counts and lists of models.
//!
//! Not frames of streams. Invariant: a body has only blocks of this wire; a part that it has no block for is left out, and
//! a signature of another origin with it.

use hotspare_core::{ChatResponse, Part, Usage};
use serde_json::{Value, json};

use super::{MessagesEncoder, finish_reason_name};
use crate::{ORIGIN, WIRE};

impl MessagesEncoder {
    /// The body of a whole answer.
    #[must_use]
    pub fn body(&self, answer: &ChatResponse) -> Vec<u8> {
        let content: Vec<Value> = answer.content.iter().filter_map(block).collect();
        json!({
            "id": answer.id.as_deref().unwrap_or(&self.id),
            "type": "message",
            "role": "assistant",
            "model": answer.model.as_deref().unwrap_or(&self.model),
            "content": content,
            "stop_reason": finish_reason_name(&answer.finish),
            "stop_sequence": null,
            "usage": usage_json(&answer.usage, answer.service_tier.as_deref().and_then(service_tier_name)),
        })
        .to_string()
        .into_bytes()
    }

    /// The body of a token count, marked as an estimate.
    #[must_use]
    pub fn token_count(tokens: u64) -> Vec<u8> {
        json!({"input_tokens": tokens, "hotspare": {"estimated": true}}).to_string().into_bytes()
    }

    /// The body of the list of available models.
    #[must_use]
    pub fn models(names: &[String]) -> Vec<u8> {
        let data: Vec<Value> = names.iter().map(|name| described(name)).collect();
        let (first, last) = (names.first(), names.last());
        json!({"data": data, "has_more": false, "first_id": first, "last_id": last}).to_string().into_bytes()
    }

    /// The body that describes one model.
    #[must_use]
    pub fn model(name: &str) -> Vec<u8> {
        described(name).to_string().into_bytes()
    }
}

fn described(name: &str) -> Value {
    json!({"type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z"})
}

fn block(part: &Part) -> Option<Value> {
    Some(match part {
        Part::Text(text) | Part::Refusal(text) if text.is_empty() => return None,
        Part::Text(text) | Part::Refusal(text) => json!({"type": "text", "text": text}),
        Part::Reasoning(reasoning) => {
            // If it came back, a signature of another origin would be taken for this wire's own.
            let own = reasoning.signature.as_ref().filter(|signature| signature.origin.0 == ORIGIN);
            match own {
                Some(signature) if signature.redacted => {
                    json!({"type": "redacted_thinking", "data": signature.data})
                }
                _ if reasoning.text.is_empty() && own.is_none() => return None,
                own => {
                    let data = own.map_or("", |signature| signature.data.as_str());
                    json!({"type": "thinking", "thinking": reasoning.text, "signature": data})
                }
            }
        }
        Part::ToolCall(call) => {
            // Arguments that are not JSON were cut off with the answer.
            let input: Value = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
            json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input})
        }
        Part::Native(native) if native.wire == WIRE => native.raw.to_value(),
        _ => return None,
    })
}

/// This wire counts the cached part of a prompt separately.
pub(super) fn usage_json(usage: &Usage, service_tier: Option<&'static str>) -> Value {
    let (cached, written) = (usage.cached.unwrap_or(0), usage.cache_write.unwrap_or(0));
    let mut out = json!({
        "input_tokens": usage.input.unwrap_or(0).saturating_sub(cached).saturating_sub(written),
        "output_tokens": usage.output.unwrap_or(0),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
    });
    if let Some(reasoning) = usage.reasoning {
        out["output_tokens_details"] = json!({"thinking_tokens": reasoning});
    }
    if let Some(name) = service_tier {
        out["service_tier"] = name.into();
    }
    out
}

/// The wire's word for a service tier; `None` for one that the wire does not have, which strict clients would refuse.
pub(super) fn service_tier_name(word: &str) -> Option<&'static str> {
    Some(match word {
        "default" | "on_demand" | "standard" => "standard",
        "batch" => "batch",
        "priority" => "priority",
        _ => return None,
    })
}
