//! Whether a request asks for reasoning, in the terms of the wire's hosts.
//!
//! Not what a model does if the request says nothing about it: the catalogue knows that. Invariant: fields that no host
//! documents say nothing.

use hotspare_core::{ChatRequest, Json};
use serde_json::Value;

/// Whether `request` asks for reasoning or turns it off, by its own fields on `wire` or else by its effort.
pub(crate) fn asked(request: &ChatRequest, wire: &str) -> Option<bool> {
    let extras = request.extras.get(wire);
    let own = |name: &str| extras.and_then(|extras| extras.get(name)).map(Json::to_value);
    let switch = |value: Value, name: &str| value.get(name).and_then(Value::as_bool);
    own("reasoning")
        .and_then(|reasoning| by_object(&reasoning))
        .or_else(|| own("thinking").and_then(|thinking| Some(thinking.get("type")?.as_str()? != "disabled")))
        .or_else(|| own("enable_thinking")?.as_bool())
        .or_else(|| switch(own("chat_template_kwargs")?, "enable_thinking"))
        .or_else(|| switch(own("chat_template_kwargs")?, "thinking"))
        .or_else(|| request.asks_for_reasoning())
}

/// By an object with an effort, a number of tokens or a switch.
fn by_object(reasoning: &Value) -> Option<bool> {
    let effort = reasoning.get("effort").and_then(Value::as_str);
    let effort = effort.map(|effort| !matches!(effort, "none" | "minimal"));
    let tokens = || reasoning.get("max_tokens")?.as_u64().map(|tokens| tokens > 0);
    reasoning.get("enabled").and_then(Value::as_bool).or(effort).or_else(tokens)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn detects_every_way_to_request_reasoning() {
        let asked = |fields: Value, effort: Option<&str>| {
            let mut request = ChatRequest::to("r").user("hi");
            request.reasoning_effort = effort.map(str::to_owned);
            let extras = request.extras.entry("w".to_owned()).or_default();
            extras.extend(
                fields
                    .as_object()
                    .unwrap()
                    .iter()
                    .map(|(name, value)| (name.clone(), Json::from(value.clone()))),
            );
            super::asked(&request, "w")
        };
        for (fields, expected) in [
            (json!({}), None),
            (json!({"reasoning": {"summary": "auto"}}), None),
            (json!({"reasoning": {"effort": "low"}}), Some(true)),
            (json!({"reasoning": {"effort": "minimal"}}), Some(false)),
            (json!({"reasoning": {"enabled": false, "effort": "high"}}), Some(false)),
            (json!({"reasoning": {"max_tokens": 1024}}), Some(true)),
            (json!({"thinking": {"type": "enabled"}}), Some(true)),
            (json!({"thinking": {"type": "disabled"}}), Some(false)),
            (json!({"enable_thinking": false}), Some(false)),
            (json!({"chat_template_kwargs": {"enable_thinking": true}}), Some(true)),
            (json!({"chat_template_kwargs": {"thinking": false}}), Some(false)),
        ] {
            assert_eq!(asked(fields.clone(), None), expected, "{fields}");
        }
        assert_eq!(asked(json!({}), Some("high")), Some(true));
        assert_eq!(asked(json!({}), Some("minimal")), Some(false));
    }
}
