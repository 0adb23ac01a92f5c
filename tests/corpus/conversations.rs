//! Recorded conversations, continued on other wires.
//!
//! A conversation that one provider's client wrote, with answers as any of the others would give them, must be
//! acceptable to the next: every encoded request follows the rules of its wire.

mod rules;

use std::collections::BTreeSet;
use std::sync::Arc;

use hotspare::provider::{Describe, Wire};
use hotspare::{ChatRequest, OutputFormat, Part, Reasoning, Request, Role};
use hotspare_anthropic::Anthropic;
use hotspare_bedrock::Bedrock;
use hotspare_cohere::Cohere;
use hotspare_core::{Kind, Origin, Signature};
use hotspare_gemini::Gemini;
use hotspare_normalize::{portable, short_tool_ids, user_first};
use hotspare_ollama::Ollama;
use hotspare_openai::{Dialect, OpenAi, Responses};
use hotspare_provider::Outbound;
use serde_json::{Value, json};

use crate::recordings::all;
use crate::tokens::any_request;
use rules::Verdict;

/// The conversation up to each point at which a model has to answer: after a user turn, or after the last result that
/// the preceding turn waits for.
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

/// A model that takes turns in a conversation.
struct WireCase {
    wire: Box<dyn Wire>,
    model: &'static str,
    rules: fn(&Value) -> Verdict,
    /// How it spells the id of a call, given the call's number in the conversation and in its turn.
    id: fn(usize, usize) -> String,
}

fn wire_cases() -> Vec<WireCase> {
    let wire_case = |wire: Box<dyn Wire>, model, rules, id| WireCase { wire, model, rules, id };
    vec![
        wire_case(Box::new(OpenAi::new(Dialect::OPENAI.clone())), "gpt", rules::chat, |at, _| {
            format!("call_{at:024}")
        }),
        wire_case(
            Box::new(OpenAi::new(Dialect::find("mistral").unwrap())),
            "mistral-large",
            rules::chat_with_short_ids,
            |at, _| format!("{at:09}"),
        ),
        wire_case(Box::new(Anthropic::new()), "claude", rules::messages, |at, _| format!("toolu_{at:024}")),
        // Older models give no ids, so each turn counts from the start.
        wire_case(
            Box::new(Gemini::new()),
            "gemini-2.5-flash",
            |body| rules::contents(body, false),
            |_, n| format!("call_{n}"),
        ),
        wire_case(Box::new(Responses::new(Dialect::OPENAI.clone())), "gpt", rules::responses, |at, _| {
            format!("call_{at:056}")
        }),
        wire_case(
            Box::new(Bedrock::new("eu-west-1").for_model("anthropic.claude")),
            "anthropic.claude",
            |body| rules::converse(body, true),
            |at, _| format!("tooluse_{at:022}"),
        ),
        wire_case(Box::new(Ollama::new()), "qwen", rules::ollama, |_, n| format!("functions.look_up:{n}")),
        wire_case(
            Box::new(Gemini::new()),
            "gemini-3-pro-preview",
            |body| rules::contents(body, true),
            |_, n| format!("call_{n}"),
        ),
        wire_case(Box::new(Cohere::new()), "command", rules::cohere, |at, _| format!("look_up_{at:012}")),
        wire_case(
            Box::new(Bedrock::new("eu-west-1").for_model("amazon.nova")),
            "amazon.nova",
            |body| rules::converse(body, false),
            |at, _| format!("tooluse_{at:022}"),
        ),
    ]
}

impl WireCase {
    /// The body; `None` if the wire cannot express the request and reports so, in which case the next target would be
    /// tried.
    fn encode(&self, request: &ChatRequest) -> Result<Option<Value>, String> {
        let origin = self.wire.origin();
        let portable =
            portable(request, self.wire.wire(), origin.as_ref()).map_err(|error| error.to_string())?;
        let mut plain = portable.request.into_owned();
        if self.wire.capabilities(self.model).assistant_first == Some(false)
            && let Some((changed, _)) = user_first(&plain)
        {
            plain = changed;
        }
        if self.wire.capabilities(self.model).free_tool_ids == Some(false)
            && let Some((changed, _)) = short_tool_ids(&plain)
        {
            plain = changed;
        }
        plain.max_output = Some(256);
        // Output formats, and anything else that the wire cannot express, are not what this test is about.
        plain.output = OutputFormat::Text;
        plain.tool_choice = None;
        plain.stop.clear();
        plain.sampling = Default::default();
        let outbound = Outbound::new(Request::Chat(Arc::new(plain)), self.model, false);
        match self.wire.encode(&outbound) {
            Ok(request) => serde_json::from_slice(&request.body).map(Some).map_err(|error| error.to_string()),
            Err(error) if error.kind() == Kind::Unsupported => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whether the wire could express the request at all.
    fn check(&self, request: &ChatRequest) -> Result<bool, String> {
        let Some(body) = self.encode(request)? else { return Ok(false) };
        (self.rules)(&body)?;
        let own_prefix = signature_prefix(&self.wire.origin().unwrap_or(Origin("nobody".into())));
        let text = body.to_string();
        let foreign =
            text.match_indices(SIGNATURE_MARK).find(|(at, _)| !text[*at..].starts_with(&own_prefix));
        match foreign {
            Some((at, _)) => {
                Err(format!("a proof of another: {}", text[at..].chars().take(40).collect::<String>()))
            }
            None => Ok(true),
        }
    }

    /// Its own form of a reasoning part, with a signature if it gives one.
    fn reasoning_for(&self, reasoning: Option<&Reasoning>) -> Reasoning {
        let text = reasoning.map(|reasoning| reasoning.text.clone()).filter(|text| !text.is_empty());
        let mut reasoning = Reasoning::new(text.unwrap_or_else(|| "Let me see.".into()));
        if let Some(origin) = self.wire.origin() {
            let proof = signature_prefix(&origin);
            let item = json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": proof});
            let whole = self.wire.wire() == Responses::new(Dialect::OPENAI.clone()).wire();
            let data = if whole { item.to_string() } else { proof };
            reasoning.signature = Some(Signature { origin, data, redacted: whole });
        }
        reasoning
    }
}

const SIGNATURE_MARK: &str = "proof-of:";

fn signature_prefix(origin: &Origin) -> String {
    format!("{SIGNATURE_MARK}{};", origin.0)
}

/// The conversation as if each answer had been given by the speaker whose turn it was, with its call ids, reasoning and
/// signatures.
fn as_answered_by(whole: &ChatRequest, ends: &[usize], wire_cases: &[WireCase], first: usize) -> ChatRequest {
    let mut answered = whole.clone();
    let (mut calls, mut renamed) = (0, Vec::<(String, String)>::new());
    let mut turn = None;
    let mut in_turn = 0;
    for (at, message) in answered.messages.iter_mut().enumerate() {
        let now = ends.iter().rposition(|end| *end <= at);
        let begins = now != turn && message.role == Role::Assistant;
        if message.role == Role::Assistant && now != turn {
            (turn, in_turn) = (now, 0);
        }
        let wire_case = now.map(|now| &wire_cases[(first + now) % wire_cases.len()]);
        for part in &mut message.parts {
            match (part, wire_case) {
                (Part::ToolCall(call), Some(wire_case)) => {
                    let id = (wire_case.id)(calls, in_turn);
                    (calls, in_turn) = (calls + 1, in_turn + 1);
                    renamed.push((std::mem::replace(&mut call.id, id.clone()), id));
                }
                (Part::ToolResult(result), _) => {
                    if let Some(place) = renamed.iter().position(|(before, _)| *before == result.id) {
                        result.id = renamed.remove(place).1;
                    }
                }
                _ => {}
            }
        }
        if let Some(wire_case) = wire_case.filter(|_| begins) {
            let reasoning = message.parts.iter().find_map(|part| match part {
                Part::Reasoning(reasoning) => Some(reasoning),
                _ => None,
            });
            let reasoning = wire_case.reasoning_for(reasoning);
            message.parts.retain(|part| !matches!(part, Part::Reasoning(_)));
            message.parts.insert(0, Part::Reasoning(reasoning));
        }
    }
    answered
}

#[test]
fn conversations_are_accepted_by_every_other_wire() {
    let set = all();
    let wire_cases = wire_cases();
    let (mut conversations, mut with_reasoning, mut broken) = (0, 0, Vec::new());
    let mut counts = vec![(0_u32, 0_u32); wire_cases.len()];
    let mut known = BTreeSet::new();
    for recording in &set.recordings {
        let exchange = &recording.exchange;
        if !exchange.head.status.is_success() {
            continue;
        }
        let Some(whole) = any_request(exchange) else { continue };
        let parts = || whole.messages.iter().flat_map(|message| &message.parts);
        let tools = parts().any(|part| matches!(part, Part::ToolResult(_)));
        // What only one wire can express is not sent to another.
        let asked = whole.messages.iter().filter(|message| message.role == Role::User);
        let native = !whole.native_tools.is_empty()
            || asked.flat_map(|message| &message.parts).any(|part| matches!(part, Part::Native(_)));
        let turns = turns(&whole);
        // Recordings that violate the rules of their own wire are sent unchanged, so that the provider can report it.
        let is_consistent = portable(&whole, "", None).is_ok();
        if !tools
            || native
            || !is_consistent
            || turns.len() < 2
            || !known.insert(format!("{:?}", whole.messages))
        {
            continue;
        }
        conversations += 1;
        with_reasoning += usize::from(parts().any(|part| matches!(part, Part::Reasoning(_))));
        let ends: Vec<usize> = turns.iter().map(|turn| turn.messages.len()).collect();
        // A third of the starting speakers: over all conversations, every speaker takes every turn.
        for first in (conversations % 3..wire_cases.len()).step_by(3) {
            let answered = as_answered_by(&whole, &ends, &wire_cases, first);
            for (at, end) in ends.iter().enumerate() {
                let place = (first + at) % wire_cases.len();
                let wire_case = &wire_cases[place];
                for (how, whole) in [("recorded", &whole), ("spoken", &answered)] {
                    let mut request = whole.clone();
                    request.messages.truncate(*end);
                    match wire_case.check(&request) {
                        Ok(true) => counts[place].0 += 1,
                        Ok(false) => counts[place].1 += 1,
                        Err(why) => {
                            let (provider, id) = (&exchange.provider, &exchange.id);
                            let to = (wire_case.wire.wire(), wire_case.model);
                            broken.push(format!("{provider} {id} ({how}) turn {at} to {to:?}: {why}"));
                        }
                    }
                }
            }
        }
    }
    println!(
        "{conversations} conversations with tools ({with_reasoning} with reasoning) × {} wires",
        wire_cases.len()
    );
    println!("wire, model, requests accepted, requests it cannot express");
    for (wire_case, (kept, refused)) in wire_cases.iter().zip(&counts) {
        println!("{:24} {:22} {kept:6} {refused:4}", wire_case.wire.wire(), wire_case.model);
        assert!(!set.described || *kept > 100, "{} took {kept} turns", wire_case.model);
    }
    broken.sort();
    broken.dedup();
    assert!(
        !set.described || (conversations >= 30 && with_reasoning >= 30),
        "{conversations}, {with_reasoning}"
    );
    assert!(broken.is_empty(), "{} break a rule:\n{}", broken.len(), broken.join("\n"));
}
