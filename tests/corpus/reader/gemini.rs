//! `generateContent` and `streamGenerateContent`, at either host.

use hotspare::recorded::Exchange;
use serde_json::{Value, json};

use super::{Answer, Call, append, count, frames};

/// Finish reasons that mean there is no answer: an unusable call, or no explanation at all.
const FAILED: [&str; 7] = [
    "FINISH_REASON_UNSPECIFIED",
    "MALFORMED_FUNCTION_CALL",
    "MALFORMED_RESPONSE",
    "MISSING_THOUGHT_SIGNATURE",
    "OTHER",
    "TOO_MANY_TOOL_CALLS",
    "UNEXPECTED_TOOL_CALL",
];

pub(super) fn read(exchange: &Exchange) -> Answer {
    let mut answer = Answer { reasoning: Some(String::new()), ..Answer::default() };
    let mut others = false;
    // A stream may be an array of its frames.
    let frames = frames(exchange).into_iter().flat_map(|value| match value {
        Value::Array(frames) => frames,
        frame => vec![frame],
    });
    for frame in frames {
        answer.failed |= frame["error"].is_object() || frame["promptFeedback"]["blockReason"].is_string();
        let candidate = &frame["candidates"][0];
        for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
            if part["thought"] == true {
                append(answer.reasoning.get_or_insert_default(), &part["text"]);
            } else if let Some(call) = part["functionCall"].as_object() {
                let field =
                    |name: &str| call.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
                let arguments = call.get("args").unwrap_or(&json!({})).to_string();
                answer.tools.push(Call { id: field("id"), name: field("name"), arguments });
            } else if part["text"].is_string() {
                append(&mut answer.text, &part["text"]);
            } else {
                others |=
                    part.as_object().is_some_and(|part| part.keys().any(|name| name != "thoughtSignature"));
            }
        }
        match &candidate["finishReason"] {
            Value::String(word) => answer.finish = Some(word.clone()),
            // Enums sent as numbers; values beyond these differ between hosts.
            Value::Number(number) => {
                let words =
                    ["FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER"];
                let place = number.as_u64().and_then(|number| usize::try_from(number).ok());
                answer.finish = place.and_then(|place| words.get(place)).map(|word| (*word).to_owned());
            }
            _ => {}
        }
        let usage = &frame["usageMetadata"];
        if let Some(prompt) = usage["promptTokenCount"].as_u64() {
            let of = |name: &str| usage[name].as_u64().unwrap_or(0);
            answer.input = Some(prompt + of("toolUsePromptTokenCount"));
            answer.output = Some(of("candidatesTokenCount") + of("thoughtsTokenCount"));
        }
        count(&mut answer.cached, &usage["cachedContentTokenCount"]);
        count(&mut answer.reasoning_tokens, &usage["thoughtsTokenCount"]);
    }
    answer.failed |= match answer.finish.as_deref() {
        None => true,
        Some("STOP") => answer.is_empty() && !others,
        Some(word) => FAILED.contains(&word),
    };
    answer
}
