//! Each wire's rules for conversations, as its provider documents them.
//!
//! Independent of the encoders: this reads finished bodies and shares no code with them. Invariant: a violated rule is
//! reported with its position.

use std::collections::BTreeSet;

use serde_json::Value;

/// The verdict on a body.
pub(super) type Verdict = Result<(), String>;

const NOTHING: &[Value] = &[];

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(NOTHING, Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn check(holds: bool, why: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(why()) }
}

/// Calls that wait for their results.
#[derive(Default)]
struct Calls {
    waiting: Vec<String>,
    seen: BTreeSet<String>,
    longest: usize,
}

impl Calls {
    fn with_ids_up_to(longest: usize) -> Self {
        Self { longest, ..Self::default() }
    }

    fn call(&mut self, at: usize, id: &str, name: &str) -> Verdict {
        let plain = |text: &str, most: usize| {
            (1..=most).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        };
        check(plain(id, self.longest), || format!("{at}: a call has the id {id:?}"))?;
        check(plain(name, 64), || format!("{at}: a call has the name {name:?}"))?;
        check(self.seen.insert(id.to_owned()), || format!("{at}: two calls have the id {id:?}"))?;
        self.waiting.push(id.to_owned());
        Ok(())
    }

    fn result(&mut self, at: usize, id: &str) -> Verdict {
        let place = self.waiting.iter().position(|waiting| waiting == id);
        self.waiting.remove(place.ok_or_else(|| format!("{at}: a result for {id:?} follows no call"))?);
        Ok(())
    }

    fn all_answered(&self, at: usize) -> Verdict {
        check(self.waiting.is_empty(), || format!("{at}: {:?} have no results yet", self.waiting))
    }
}

fn object(at: usize, arguments: &Value) -> Verdict {
    let is_object = match arguments {
        Value::String(text) => serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object()),
        value => value.is_object(),
    };
    check(is_object, || format!("{at}: the arguments are not an object: {arguments}"))
}

/// A text, or a list of parts of these kinds; it must not be empty.
fn content(at: usize, content: &Value, kinds: &[&str]) -> Verdict {
    if let Value::String(said) = content {
        return check(!said.is_empty(), || format!("{at}: an empty text"));
    }
    let parts = list(content);
    check(!parts.is_empty(), || format!("{at}: no content"))?;
    for part in parts {
        let kind = text(&part["type"]);
        check(kinds.contains(&kind), || format!("{at}: a part of the kind {kind:?}"))?;
        let empty = part["text"] == "";
        check(!empty, || format!("{at}: an empty text"))?;
    }
    Ok(())
}

/// Chat completions: results directly follow their calls, each answered once; only users send images; an assistant turn
/// has text or calls.
pub(super) fn chat(body: &Value) -> Verdict {
    let mut calls = Calls::with_ids_up_to(40);
    let messages = list(&body["messages"]);
    for (at, message) in messages.iter().enumerate() {
        let role = text(&message["role"]);
        if role == "tool" {
            calls.result(at, text(&message["tool_call_id"]))?;
            if message["content"] != "" {
                content(at, &message["content"], &["text"])?;
            }
            continue;
        }
        calls.all_answered(at)?;
        match role {
            "assistant" => {
                let made = list(&message["tool_calls"]);
                for call in made {
                    calls.call(at, text(&call["id"]), text(&call["function"]["name"]))?;
                    object(at, &call["function"]["arguments"])?;
                }
                let may_be_silent = !made.is_empty() || message["refusal"].is_string();
                if !(may_be_silent && (message["content"].is_null() || message["content"] == "")) {
                    content(at, &message["content"], &["text", "refusal"])?;
                }
            }
            "user" => content(at, &message["content"], &["text", "image_url", "file", "input_audio"])?,
            "system" | "developer" => content(at, &message["content"], &["text"])?,
            other => return Err(format!("{at}: the role {other:?}")),
        }
    }
    calls.all_answered(messages.len())?;
    let last = messages.last().map(|message| text(&message["role"]));
    check(matches!(last, Some("user" | "tool")), || format!("the last message is by {last:?}"))
}

/// Chat completions with ids of nine letters and digits.
pub(super) fn chat_with_short_ids(body: &Value) -> Verdict {
    let ids = list(&body["messages"]).iter().flat_map(|message| {
        list(&message["tool_calls"]).iter().map(|call| &call["id"]).chain(message.get("tool_call_id"))
    });
    for id in ids.map(text) {
        let short = id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        check(short, || format!("the id {id:?}"))?;
    }
    chat(body)
}

/// Responses: every call has its output and every output its call; reasoning is followed by output of the same model.
pub(super) fn responses(body: &Value) -> Verdict {
    let mut calls = Calls::with_ids_up_to(64);
    let items = list(&body["input"]);
    let mut thought = false;
    for (at, item) in items.iter().enumerate() {
        let kind = item["type"].as_str().unwrap_or("message");
        let assistant = kind == "function_call" || (kind == "message" && item["role"] == "assistant");
        check(!thought || assistant || kind == "reasoning", || format!("{at}: follows a lonely thought"))?;
        thought = kind == "reasoning";
        match (kind, text(&item["role"])) {
            ("message", "assistant") => content(at, &item["content"], &["output_text", "refusal"])?,
            ("message", "user" | "system" | "developer") => {
                content(at, &item["content"], &["input_text", "input_image", "input_file"])?;
            }
            ("function_call", _) => {
                calls.call(at, text(&item["call_id"]), text(&item["name"]))?;
                object(at, &item["arguments"])?;
            }
            ("function_call_output", _) => {
                calls.result(at, text(&item["call_id"]))?;
                if item["output"] != "" {
                    content(at, &item["output"], &["input_text", "input_image", "input_file"])?;
                }
            }
            ("reasoning", _) => {}
            (kind, role) => return Err(format!("{at}: an item {kind:?} by {role:?}")),
        }
    }
    calls.all_answered(items.len())?;
    let last = items.last().filter(|item| item["role"] == "user" || item["type"] == "function_call_output");
    check(last.is_some(), || "the last item is not the caller's".into())
}

/// Messages: roles alternate, starting and ending with the user; results open the turn after their calls, all of them;
/// no text is blank; thinking blocks are signed and do not end a turn; with thinking enabled, a tool loop starts with a
/// thinking block.
pub(super) fn messages(body: &Value) -> Verdict {
    let thinks = body["thinking"]["type"] == "enabled";
    let turns: Vec<Turn<'_>> = list(&body["messages"])
        .iter()
        .map(|turn| Turn {
            role: text(&turn["role"]),
            said: turn["content"].as_str(),
            blocks: list(&turn["content"]),
        })
        .collect();
    alternate(&turns, thinks, |block| match text(&block["type"]) {
        "text" => Block::Text(text(&block["text"])),
        "tool_use" => Block::Call(text(&block["id"]), text(&block["name"]), &block["input"]),
        "tool_result" => Block::Result(
            text(&block["tool_use_id"]),
            block["content"] != serde_json::json!([{"type": "text", "text": ""}]),
        ),
        "thinking" => Block::Thought(text(&block["signature"])),
        "redacted_thinking" => Block::Thought(text(&block["data"])),
        "image" | "document" => Block::Shown,
        _ => Block::Unknown,
    })
}

/// Converse: like Messages, in its own terms; a conversation with calls has tools, and a result has content.
/// `thought_leads` if the model, with thinking enabled, must start with a thinking block.
pub(super) fn converse(body: &Value, thought_leads: bool) -> Verdict {
    let turns: Vec<Turn<'_>> = list(&body["messages"])
        .iter()
        .map(|turn| Turn { role: text(&turn["role"]), said: None, blocks: list(&turn["content"]) })
        .collect();
    let calls = turns.iter().flat_map(|turn| turn.blocks).any(|block| block["toolUse"].is_object());
    check(!calls || !list(&body["toolConfig"]["tools"]).is_empty(), || "calls without tools".into())?;
    let thinks = thought_leads && body["additionalModelRequestFields"]["thinking"]["type"] == "enabled";
    alternate(&turns, thinks, |block| {
        let call = &block["toolUse"];
        let result = &block["toolResult"];
        let thought = &block["reasoningContent"];
        if let Some(said) = block["text"].as_str() {
            Block::Text(said)
        } else if call.is_object() {
            Block::Call(text(&call["toolUseId"]), text(&call["name"]), &call["input"])
        } else if result.is_object() {
            let full = list(&result["content"]).iter().all(|part| part["text"] != "");
            Block::Result(text(&result["toolUseId"]), full && !list(&result["content"]).is_empty())
        } else if thought.is_object() {
            let signature = thought["reasoningText"]["signature"].as_str();
            Block::Thought(signature.unwrap_or_else(|| text(&thought["redactedContent"])))
        } else if block["image"].is_object() || block["document"].is_object() {
            Block::Shown
        } else {
            Block::Unknown
        }
    })
}

struct Turn<'a> {
    role: &'a str,
    said: Option<&'a str>,
    blocks: &'a [Value],
}

enum Block<'a> {
    Call(&'a str, &'a str, &'a Value),
    /// A result: its id, and whether its content is valid.
    Result(&'a str, bool),
    Shown,
    Text(&'a str),
    Thought(&'a str),
    Unknown,
}

fn alternate<'a>(turns: &'a [Turn<'a>], thinks: bool, read: impl Fn(&'a Value) -> Block<'a>) -> Verdict {
    let mut calls = Calls::with_ids_up_to(64);
    for (at, turn) in turns.iter().enumerate() {
        let expected = if at % 2 == 0 { "user" } else { "assistant" };
        check(turn.role == expected, || format!("{at}: by the {}", turn.role))?;
        let users = turn.role == "user";
        if let Some(said) = turn.said {
            check(!said.trim().is_empty(), || format!("{at}: a blank text"))?;
            calls.all_answered(at)?;
            continue;
        }
        check(!turn.blocks.is_empty(), || format!("{at}: an empty turn"))?;
        let blocks: Vec<Block<'_>> = turn.blocks.iter().map(&read).collect();
        let mut results = true;
        for block in &blocks {
            if !matches!(block, Block::Result(..)) && std::mem::take(&mut results) {
                calls.all_answered(at)?;
            }
            match block {
                Block::Text(said) => check(!said.trim().is_empty(), || format!("{at}: a blank text"))?,
                Block::Call(id, name, input) => {
                    check(!users, || format!("{at}: the user calls"))?;
                    calls.call(at, id, name)?;
                    check(input.is_object(), || format!("{at}: the input is not an object"))?;
                }
                Block::Result(id, full) => {
                    check(users && results, || format!("{at}: a result at the wrong place"))?;
                    check(*full, || format!("{at}: a result without content"))?;
                    calls.result(at, id)?;
                }
                Block::Thought(proof) => {
                    check(!users && !proof.is_empty(), || format!("{at}: a thought without proof"))?;
                }
                Block::Shown => check(users, || format!("{at}: the assistant shows a picture"))?,
                Block::Unknown => return Err(format!("{at}: a block of an unknown kind")),
            }
        }
        if results {
            calls.all_answered(at)?;
        }
        let lonely = matches!(blocks.last(), Some(Block::Thought(_)));
        check(!lonely, || format!("{at}: ends with a thought"))?;
        if thinks && begins_loop(turns, at, &read) {
            check(matches!(blocks.first(), Some(Block::Thought(_))), || {
                format!("{at}: begins without a thought")
            })?;
        }
    }
    calls.all_answered(turns.len())?;
    check(turns.len() % 2 == 1, || "the last turn is not the user's".into())
}

/// Whether this is the assistant's first turn in the tool loop that ends the conversation.
fn begins_loop<'a>(turns: &'a [Turn<'a>], at: usize, read: &impl Fn(&'a Value) -> Block<'a>) -> bool {
    let speaks = |turn: &Turn<'a>| {
        let answers = turn.blocks.iter().any(|block| matches!(read(block), Block::Result(..)));
        turn.role == "user" && !answers
    };
    let spoken = turns.iter().rposition(speaks);
    turns[at].role == "assistant" && at == spoken.map_or(0, |spoken| spoken + 1)
}

/// generateContent: a turn with calls follows a user turn, and its responses follow at once, in one turn, with the same
/// number and names. `signed` models need a signature on the first call of each turn since the last user text.
pub(super) fn contents(body: &Value, signed: bool) -> Verdict {
    let turns = list(&body["contents"]);
    let names = |turn: &Value, key: &str| -> Vec<(String, String)> {
        list(&turn["parts"])
            .iter()
            .filter(|part| part[key].is_object())
            .map(|part| (text(&part[key]["name"]).to_owned(), text(&part[key]["id"]).to_owned()))
            .collect()
    };
    let mut waiting: Vec<(String, String)> = Vec::new();
    let spoken =
        turns.iter().rposition(|turn| turn["role"] == "user" && names(turn, "functionResponse").is_empty());
    for (at, turn) in turns.iter().enumerate() {
        let (role, parts) = (text(&turn["role"]), list(&turn["parts"]));
        check(matches!(role, "user" | "model"), || format!("{at}: by the {role}"))?;
        check(at > 0 || role == "user", || format!("{at}: the model speaks first"))?;
        check(!parts.is_empty(), || format!("{at}: an empty turn"))?;
        for part in parts {
            let empty = part["text"] == "" && part["thoughtSignature"].is_null();
            check(!empty, || format!("{at}: an empty text"))?;
        }
        let given = names(turn, "functionResponse");
        check(given == waiting, || format!("{at}: responses {given:?} to calls {waiting:?}"))?;
        let only = given.is_empty() || given.len() == parts.len();
        check(only, || format!("{at}: responses beside something else"))?;
        waiting = names(turn, "functionCall");
        let before = at.checked_sub(1).map(|before| text(&turns[before]["role"]));
        check(waiting.is_empty() || (role, before) == ("model", Some("user")), || {
            format!("{at}: calls do not follow the user's turn")
        })?;
        for part in parts.iter().filter(|part| part["functionCall"].is_object()) {
            object(at, &part["functionCall"]["args"])?;
        }
        let first = parts.iter().find(|part| part["functionCall"].is_object());
        let current = spoken.is_none_or(|spoken| at > spoken);
        let proven = first.is_none_or(|part| part["thoughtSignature"].is_string());
        check(!(signed && current) || proven, || format!("{at}: the first call has no proof"))?;
    }
    check(waiting.is_empty(), || format!("{waiting:?} have no responses"))?;
    check(turns.last().is_some_and(|turn| turn["role"] == "user"), || "the model speaks last".into())
}

/// Ollama: results follow their calls and name the tool; an assistant turn has text or calls.
pub(super) fn ollama(body: &Value) -> Verdict {
    let mut waiting: Vec<String> = Vec::new();
    let messages = list(&body["messages"]);
    for (at, message) in messages.iter().enumerate() {
        let role = text(&message["role"]);
        check(message["content"].is_string(), || format!("{at}: the content is not text"))?;
        if role == "tool" {
            let name = text(&message["tool_name"]);
            let place = waiting.iter().position(|waiting| waiting == name);
            waiting.remove(place.ok_or_else(|| format!("{at}: a result of {name:?}, which was not called"))?);
            continue;
        }
        check(matches!(role, "system" | "user" | "assistant"), || format!("{at}: the role {role:?}"))?;
        check(waiting.is_empty(), || format!("{at}: {waiting:?} have no results yet"))?;
        for call in list(&message["tool_calls"]) {
            check(call["function"]["arguments"].is_object(), || {
                format!("{at}: the arguments are not an object")
            })?;
            waiting.push(text(&call["function"]["name"]).to_owned());
        }
        let says = message["content"] != "" || message["images"].is_array();
        check(says || !waiting.is_empty(), || format!("{at}: an empty turn"))?;
    }
    check(waiting.is_empty(), || format!("{waiting:?} have no results"))?;
    let last = messages.last().map(|message| text(&message["role"]));
    check(matches!(last, Some("user" | "tool")), || format!("the last message is by {last:?}"))
}

/// Cohere: results directly follow their calls; an assistant turn has text or calls.
pub(super) fn cohere(body: &Value) -> Verdict {
    let mut calls = Calls::with_ids_up_to(64);
    let messages = list(&body["messages"]);
    for (at, message) in messages.iter().enumerate() {
        let role = text(&message["role"]);
        if role == "tool" {
            calls.result(at, text(&message["tool_call_id"]))?;
            continue;
        }
        calls.all_answered(at)?;
        let made = list(&message["tool_calls"]);
        for call in made {
            calls.call(at, text(&call["id"]), text(&call["function"]["name"]))?;
            object(at, &call["function"]["arguments"])?;
        }
        check(matches!(role, "system" | "user" | "assistant"), || format!("{at}: the role {role:?}"))?;
        check(role == "assistant" || made.is_empty(), || format!("{at}: the {role} calls"))?;
        if made.is_empty() || !message["content"].is_null() {
            let shown: &[&str] = if role == "user" { &["text", "image_url"] } else { &["text"] };
            content(at, &message["content"], shown)?;
        }
    }
    calls.all_answered(messages.len())?;
    let last = messages.last().map(|message| text(&message["role"]));
    check(matches!(last, Some("user" | "tool")), || format!("the last message is by {last:?}"))
}
