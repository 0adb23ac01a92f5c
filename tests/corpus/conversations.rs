//! Recorded conversations, told to wires that alternate turn by turn.
//!
//! What one provider's client wrote must be acceptable to the next: every request that is encoded keeps the rules of the
//! wire that it goes to, as its provider states them.

use std::sync::Arc;

use hotspare::{ChatRequest, OutputFormat, Part, Request, Role, Wire};
use hotspare_normalize::portable;
use hotspare_provider::Outbound;
use serde_json::Value;

use crate::recordings::all;
use crate::tokens::request;

/// The conversation up to each point where a model is to speak: after a user's turn, or after the last result that the turn
/// before waits for.
fn turns(whole: &ChatRequest) -> Vec<ChatRequest> {
    let mut open = 0_usize;
    let mut turns = Vec::new();
    for (at, message) in whole.messages.iter().enumerate() {
        for part in &message.parts {
            match part {
                Part::ToolCall(_) => open += 1,
                Part::ToolResult(_) => open = open.saturating_sub(1),
                _ => {}
            }
        }
        let next = whole.messages.get(at + 1).map(|message| message.role);
        let speaks = matches!(next, None | Some(Role::Assistant));
        if open == 0 && speaks && matches!(message.role, Role::User | Role::Tool) {
            let mut turn = whole.clone();
            turn.messages.truncate(at + 1);
            turns.push(turn);
        }
    }
    turns
}

fn encoded(wire: &dyn Wire, request: &ChatRequest) -> Result<Value, String> {
    let origin = wire.origin();
    let portable = portable(request, wire.name(), origin.as_ref()).map_err(|error| error.to_string())?;
    let mut plain = portable.request.into_owned();
    plain.max_output = Some(256);
    // The form of answers is no matter of the order of turns.
    plain.output = OutputFormat::Text;
    let outbound = Outbound::new(Request::Chat(Arc::new(plain)), "m", false);
    let request = wire.encode(&outbound).map_err(|error| error.to_string())?;
    serde_json::from_slice(&request.body).map_err(|error| error.to_string())
}

fn is_plain_id(id: &str) -> bool {
    (1..=40).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// Chat completions: every assistant's calls are answered by tool messages directly after it, each once.
fn chat_rules(body: &Value) -> Result<(), String> {
    let mut waiting: Vec<&str> = Vec::new();
    for (at, message) in body["messages"].as_array().ok_or("no messages")?.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        if role == "tool" {
            let id = message["tool_call_id"].as_str().unwrap_or_default();
            let known = waiting.iter().position(|known| *known == id);
            waiting.remove(known.ok_or_else(|| format!("message {at} answers no call before it"))?);
            continue;
        }
        if !waiting.is_empty() {
            return Err(format!("message {at} comes before all calls have their results"));
        }
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            let id = call["id"].as_str().unwrap_or_default();
            if !is_plain_id(id) || waiting.contains(&id) {
                return Err(format!("message {at} has a call with the id {id:?}"));
            }
            let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
            if !serde_json::from_str::<Value>(arguments).is_ok_and(|value| value.is_object()) {
                return Err(format!("message {at} has arguments that are no object"));
            }
            waiting.push(id);
        }
    }
    if waiting.is_empty() { Ok(()) } else { Err("calls without results".into()) }
}

/// Messages: roles alternate from the user's first turn; results come first in the turn after their calls, all of them; thoughts carry
/// their author's own signature.
fn messages_rules(body: &Value) -> Result<(), String> {
    let mut waiting: Vec<String> = Vec::new();
    let mut role = "assistant".to_owned();
    for (at, message) in body["messages"].as_array().ok_or("no messages")?.iter().enumerate() {
        let now = message["role"].as_str().unwrap_or_default();
        if now == role {
            return Err(format!("message {at} is the second in a row by the {now}"));
        }
        role = now.to_owned();
        let blocks = message["content"].as_array().cloned().unwrap_or_default();
        if blocks.is_empty() && !message["content"].is_string() {
            return Err(format!("message {at} is empty"));
        }
        let of = |kind: &'static str| blocks.iter().filter(move |block| block["type"] == kind);
        let results: Vec<String> = of("tool_result")
            .map(|block| block["tool_use_id"].as_str().unwrap_or_default().to_owned())
            .collect();
        let (mut expected, mut given) = (std::mem::take(&mut waiting), results);
        expected.sort();
        given.sort();
        if expected != given {
            return Err(format!("message {at} gives results {given:?} for calls {expected:?}"));
        }
        waiting.extend(of("tool_use").map(|block| block["id"].as_str().unwrap_or_default().to_owned()));
        if waiting.iter().any(|id| !is_plain_id(id)) {
            return Err(format!("message {at} has a call with an id that is not plain"));
        }
        if of("thinking").any(|block| block["signature"].as_str().is_none_or(str::is_empty)) {
            return Err(format!("message {at} has thoughts without a signature"));
        }
    }
    if waiting.is_empty() { Ok(()) } else { Err("calls without results".into()) }
}

#[test]
fn what_one_wire_wrote_the_next_accepts() {
    let set = all();
    let chat = hotspare_openai::OpenAi::new(hotspare_openai::Dialect::OPENAI.clone());
    let messages = hotspare_anthropic::Anthropic::new();
    type Rules = fn(&Value) -> Result<(), String>;
    let wires: [(&dyn Wire, Rules); 2] = [(&chat, chat_rules), (&messages, messages_rules)];
    let (mut conversations, mut requests, mut broken) = (0, 0, Vec::new());
    for recording in &set.recordings {
        let exchange = &recording.exchange;
        if !exchange.head.status.is_success() {
            continue;
        }
        let Some(whole) = request(exchange) else { continue };
        let parts = || whole.messages.iter().flat_map(|message| &message.parts);
        let tools = parts().any(|part| matches!(part, Part::ToolResult(_)));
        // What only one wire can say is not told to another.
        let native = !whole.native_tools.is_empty() || parts().any(|part| matches!(part, Part::Native(_)));
        let turns = turns(&whole);
        // Recordings that break the rules of their own wire are sent as they are, for their provider to say so.
        let sound = portable(&whole, "", None).is_ok();
        let mut speakers = whole.messages.iter().map(|message| message.role);
        let begun = speakers.find(|role| matches!(role, Role::User | Role::Assistant)) == Some(Role::User);
        if !tools || native || !sound || !begun || turns.len() < 2 {
            continue;
        }
        conversations += 1;
        for first in 0..wires.len() {
            for (at, turn) in turns.iter().enumerate() {
                let (wire, rules) = wires[(first + at) % wires.len()];
                requests += 1;
                let judged = encoded(wire, turn).and_then(|body| rules(&body));
                if let Err(why) = judged {
                    broken.push(format!(
                        "{} {} turn {at} to {}: {why}",
                        exchange.provider,
                        exchange.id,
                        wire.name()
                    ));
                }
            }
        }
    }
    println!("{conversations} conversations with tools, {requests} requests to alternating wires");
    assert!(set.subset || conversations >= 30, "{conversations}");
    assert!(broken.is_empty(), "{} of {requests} break a rule:\n{}", broken.len(), broken.join("\n"));
}
