//! Encoded requests, field by field.

use hotspare_core::{Media, Message, Native, Origin, Part, Reasoning, Role, Signature, ToolCall, ToolResult};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::contents::FOREIGN_CALL;

fn encoded(request: &ChatRequest, model: &str) -> Value {
    serde_json::from_slice(&body(request, model, "gemini").unwrap()).unwrap()
}

fn proof(origin: &str, data: &str, text: &str) -> Part {
    let signature = Signature { origin: Origin(origin.into()), data: data.into(), redacted: text.is_empty() };
    Part::Reasoning(Reasoning::new(text).with_signature(signature))
}

fn call(id: &str, name: &str) -> Part {
    Part::ToolCall(ToolCall::new(id, name, r#"{"z":1,"a":2}"#))
}

#[test]
fn encodes_instructions_turns_and_settings() {
    let mut request = ChatRequest::to("r")
        .system("one")
        .message(Message::text(Role::Developer, "two"))
        .user("a")
        .assistant("b")
        .message(Message::system("later"))
        .temperature(0.5)
        .max_output(9);
    request.sampling.top_k = Some(3);
    request.sampling.seed = Some(7);
    request.stop = vec!["END".into(), String::new()];
    let expected = json!({
        "systemInstruction": {"parts": [{"text": "one\n\ntwo"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "a"}]},
            {"role": "model", "parts": [{"text": "b"}]},
            {"role": "user", "parts": [{"text": "later"}]},
        ],
        "generationConfig": {"maxOutputTokens": 9, "seed": 7, "stopSequences": ["END"], "temperature": 0.5, "topK": 3},
    });
    assert_eq!(encoded(&request, "gemini-2.5-flash"), expected);
    assert_eq!(notes(&request, "gemini-2.5-flash"), ["sent later instructions as the user's (1)"]);
}

#[test]
fn tool_results_are_grouped_and_named_after_their_calls() {
    let image = Part::Image(Media::from_url("data:image/png;base64,AAAA"));
    let request = ChatRequest::to("r")
        .user("hi")
        .message(Message::new(Role::Assistant, vec![call("1", "f"), call("2", "g")]))
        .message(Message::tool(ToolResult::new("2", r#"{"y":1,"b":2}"#)))
        .message(Message::tool(ToolResult::from_parts("1", vec![Part::Text("seen".into()), image])))
        .user("and?");
    let raw = String::from_utf8(body(&request, "gemini-2.5-flash", "gemini").unwrap()).unwrap();
    assert!(raw.contains(r#""args":{"z":1,"a":2}"#) && raw.contains(r#""response":{"y":1,"b":2}"#), "{raw}");
    let contents = encoded(&request, "gemini-2.5-flash")["contents"].clone();
    let expected = json!([
        {"functionResponse": {"id": "1", "name": "f", "response": {"output": "seen"}}},
        {"functionResponse": {"id": "2", "name": "g", "response": {"y": 1, "b": 2}}},
    ]);
    assert_eq!(contents[2]["parts"], expected);
    assert_eq!(contents[3]["parts"], json!([{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]));
    assert_eq!(contents[4]["parts"], json!([{"text": "and?"}]));
    let newer = encoded(&request, "gemini-3-pro")["contents"].clone();
    assert_eq!(newer.as_array().unwrap().len(), 4);
    assert_eq!(newer[2]["parts"][0]["functionResponse"]["parts"][0]["inlineData"]["data"], "AAAA");
    let failed = ToolResult::new("1", r#"{"a":1}"#).with_error(true);
    let request = ChatRequest::to("r")
        .message(Message::new(Role::Assistant, vec![call("1", "f")]))
        .message(Message::tool(failed));
    let response = &encoded(&request, "m")["contents"][1]["parts"][0]["functionResponse"]["response"];
    assert_eq!(*response, json!({"error": "{\"a\":1}"}));
}

#[test]
fn signatures_keep_their_position_and_return_only_to_their_origin() {
    let parts = vec![
        proof("gemini", "T", "hm"),
        proof("someone else", "X", ""),
        proof("gemini", "S", ""),
        Part::Text("text".into()),
        proof("gemini", "C", ""),
        call("1", "f"),
        call("2", "f"),
        proof("gemini", "E", ""),
    ];
    let request = ChatRequest::to("r").user("hi").message(Message::new(Role::Assistant, parts));
    let parts = encoded(&request, "gemini-3-pro")["contents"][1]["parts"].clone();
    let proofs: Vec<Option<&str>> =
        parts.as_array().unwrap().iter().map(|part| part["thoughtSignature"].as_str()).collect();
    assert_eq!(proofs, [Some("T"), Some("S"), Some("C"), None, Some("E")]);
    assert_eq!(parts[0]["thought"], true);
    assert_eq!(parts[4]["text"], "");
}

#[test]
fn foreign_calls_get_a_placeholder_signature_where_required() {
    let turn = Message::new(Role::Assistant, vec![proof("other", "X", ""), call("1", "f"), call("2", "f")]);
    let request = ChatRequest::to("r").user("hi").message(turn);
    let parts = encoded(&request, "gemini-3-flash")["contents"][1]["parts"].clone();
    assert_eq!(parts[0]["thoughtSignature"], FOREIGN_CALL);
    assert!(parts[1].get("thoughtSignature").is_none());
    assert!(!encoded(&request, "gemini-2.5-pro").to_string().contains("thoughtSignature"));
}

#[test]
fn encodes_tools_and_tool_choices() {
    let tool = Tool::new("f", Json::parse(r#"{"type":"object","properties":{"z":{},"a":{}}}"#).unwrap())
        .with_description("does");
    let mut request = ChatRequest::to("r").user("x").tool(tool);
    let raw = String::from_utf8(body(&request, "m", "gemini").unwrap()).unwrap();
    assert!(raw.contains(
        r#""tools":[{"functionDeclarations":[{"name":"f","description":"does","parametersJsonSchema":{"type":"object","properties":{"z":{},"a":{}}}}]}]"#
    ), "{raw}");
    for (choice, expected) in [
        (ToolChoice::Auto, json!({"mode": "AUTO"})),
        (ToolChoice::None, json!({"mode": "NONE"})),
        (ToolChoice::Required, json!({"mode": "ANY"})),
        (ToolChoice::Named("f".into()), json!({"mode": "ANY", "allowedFunctionNames": ["f"]})),
    ] {
        request.tool_choice = Some(choice);
        assert_eq!(encoded(&request, "m")["toolConfig"]["functionCallingConfig"], expected);
    }
    request.tools.clear();
    request.tool_choice = Some(ToolChoice::Auto);
    assert!(encoded(&request, "m").get("toolConfig").is_none());
}

#[test]
fn a_choice_is_sent_only_with_functions_which_alone_it_is_about() {
    let search = || json!({"googleSearch": {}});
    let native = |choice| {
        let mut request = ChatRequest::to("r").user("x").tool_choice(choice);
        request.native_tools.push(hotspare_core::Native::new(WIRE, Json::from(search())));
        request
    };
    let own = |choice, tools| ChatRequest::to("r").user("x").tool_choice(choice).extra(WIRE, "tools", tools);
    for request in [native(ToolChoice::None), own(ToolChoice::None, json!([search()]))] {
        let sent = encoded(&request, "m");
        assert!(sent.get("toolConfig").is_none() && sent.get("tools").is_none(), "{sent}");
    }
    let sent = encoded(&native(ToolChoice::Auto), "m");
    assert!(sent.get("toolConfig").is_none() && sent["tools"] == json!([search()]), "{sent}");
    for choice in [ToolChoice::Required, ToolChoice::Named("f".into())] {
        for tools in [json!([search()]), json!([search(), {"functionDeclarations": []}])] {
            let refused = body(&own(choice.clone(), tools), "m", "gemini").unwrap_err();
            assert_eq!(refused.kind(), Kind::Unsupported, "{choice:?}");
        }
        let refused = body(&native(choice.clone()), "m", "gemini").unwrap_err();
        assert_eq!(refused.kind(), Kind::Unsupported, "{choice:?}");
        let config = json!({"functionCallingConfig": {"mode": "VALIDATED"}});
        let sent = encoded(&own(choice, json!([search()])).extra(WIRE, "toolConfig", config.clone()), "m");
        assert_eq!(sent["toolConfig"], config, "a choice of the caller's own replaces it");
    }
    for name in ["functionDeclarations", "function_declarations"] {
        let functions = json!({name: [{"name": "f"}]});
        let sent = encoded(&own(ToolChoice::Required, json!([search(), functions])), "m");
        assert_eq!(sent["toolConfig"]["functionCallingConfig"]["mode"], "ANY");
        let sent = encoded(&own(ToolChoice::None, json!([search(), functions])), "m");
        assert_eq!(sent["toolConfig"]["functionCallingConfig"]["mode"], "NONE");
        assert_eq!(sent["tools"], json!([functions]), "a mode forbids only functions");
    }
}

#[test]
fn encodes_inline_media_and_urls() {
    let parts = vec![
        Part::Image(Media::from_url("data:image/png;base64,AAAA")),
        Part::Document(Media::Url("https://example.com/a.PDF?x=.png".into())),
        Part::Image(Media::Url("https://example.com/picture".into())),
    ];
    let request = ChatRequest::to("r").message(Message::new(Role::User, parts));
    let expected = json!([
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "https://example.com/a.PDF?x=.png"}},
        {"fileData": {"fileUri": "https://example.com/picture"}},
    ]);
    assert_eq!(encoded(&request, "m")["contents"][0]["parts"], expected);
}

#[test]
fn thinking_config_depends_on_the_model_generation() {
    let config = |effort: &str, model: &str| {
        let mut request = ChatRequest::to("r").user("x");
        request.reasoning_effort = Some(effort.into());
        (encoded(&request, model)["generationConfig"]["thinkingConfig"].clone(), notes(&request, model).len())
    };
    let budget = |tokens: u32, thoughts| json!({"thinkingBudget": tokens, "includeThoughts": thoughts});
    let level = |word: &str, thoughts| json!({"thinkingLevel": word, "includeThoughts": thoughts});
    assert_eq!(config("low", "gemini-2.5-flash"), (budget(1_024, true), 0));
    assert_eq!(config("none", "gemini-2.5-flash"), (budget(0, false), 0));
    assert_eq!(config("none", "gemini-2.5-pro"), (budget(128, false), 1));
    assert_eq!(config("max", "gemini-2.5-flash-lite"), (budget(24_576, true), 1));
    assert_eq!(config("high", "gemini-3-pro-preview"), (level("HIGH", true), 0));
    assert_eq!(config("none", "gemini-3.8-flash"), (level("LOW", false), 1));
    assert_eq!(config("high", "gemini-2.0-flash"), (Value::Null, 1));
    let mut request = ChatRequest::to("r").user("x");
    request.reasoning_effort = Some("very".into());
    assert_eq!(body(&request, "gemini-3", "gemini").unwrap_err().kind(), Kind::Unsupported);
}

#[test]
fn encodes_json_mode_and_schemas() {
    let mut request = ChatRequest::to("r").user("x").output(OutputFormat::JsonObject);
    assert_eq!(encoded(&request, "m")["generationConfig"], json!({"responseMimeType": "application/json"}));
    let schema =
        Json::parse(r#"{"type":"object","properties":{"z":{"type":"string","pattern":"^a"}}}"#).unwrap();
    request.output = OutputFormat::JsonSchema { name: "n".into(), schema, strict: true };
    let expected = json!({"type": "object", "properties": {"z": {"type": "string"}}});
    assert_eq!(encoded(&request, "m")["generationConfig"]["responseJsonSchema"], expected);
    assert_eq!(notes(&request, "m"), ["output: removed from the schema: pattern"]);
}

#[test]
fn extra_fields_override_and_are_merged() {
    let mut request = ChatRequest::to("r").system("s").user("x").temperature(1.0).max_output(5);
    request = request.tool(Tool::new("f", Json::parse("{}").unwrap()));
    let extras = [
        ("generationConfig", r#"{"temperature":0,"candidateCount":1}"#),
        ("systemInstruction", r#"{"parts":[]}"#),
        ("tools", r#"[{"googleSearch":{}}]"#),
        ("cachedContent", "\"c\""),
    ];
    let extras = extras.map(|(name, text)| (name.to_owned(), Json::parse(text).unwrap()));
    request.extras.insert(WIRE.into(), extras.into());
    let raw = String::from_utf8(body(&request, "m", "gemini").unwrap()).unwrap();
    assert_eq!(raw.matches("systemInstruction").count(), 1);
    let value = encoded(&request, "m");
    let expected = json!({"temperature": 0, "candidateCount": 1, "maxOutputTokens": 5});
    assert_eq!(value["generationConfig"], expected);
    assert_eq!(value["tools"][1], json!({"googleSearch": {}}));
    assert_eq!(value["cachedContent"], "c");
}

#[test]
fn native_parts_fields_and_tools_round_trip() {
    let native = |wire: &str, text: &str| Native::new(wire, Json::parse(text).unwrap());
    let code = r#"{"executableCode":{"code":"1"},"thoughtSignature":"S"}"#;
    let asked = vec![
        Part::Image(Media::from_url("data:image/png;base64,AAAA")),
        Part::Fields(native(WIRE, r#"{"mediaResolution":{"level":"HIGH"}}"#)),
        Part::Fields(native("another", r#"{"cache":1}"#)),
    ];
    let parts = vec![Part::Native(native(WIRE, code)), Part::Native(native("another", "{}"))];
    let mut request = ChatRequest::to("r")
        .message(Message::new(Role::User, asked))
        .message(Message::new(Role::Assistant, parts));
    request.native_tools = vec![native(WIRE, r#"{"codeExecution":{}}"#)];
    let value = encoded(&request, "m");
    let image = json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "mediaResolution": {"level": "HIGH"}});
    assert_eq!(value["contents"][0]["parts"], json!([image]));
    assert_eq!(value["contents"][1]["parts"].to_string(), format!("[{code}]"));
    assert_eq!(value["tools"], json!([{"codeExecution": {}}]));
}

#[test]
fn extra_fields_of_an_omitted_part_are_dropped() {
    let fields = Native::new(WIRE, Json::parse(r#"{"thoughtSignature":"S"}"#).unwrap());
    let parts = || vec![Part::Text("a".into()), Part::Text(String::new()), Part::Fields(fields.clone())];
    for role in [Role::User, Role::Assistant] {
        let value = encoded(&ChatRequest::to("r").message(Message::new(role, parts())), "m");
        assert_eq!(value["contents"][0]["parts"], json!([{"text": "a"}]));
    }
}

#[test]
fn nothing_is_dropped_silently() {
    let kind = |request: ChatRequest| body(&request, "m", "gemini").unwrap_err().kind();
    assert_eq!(kind(ChatRequest::to("r").user("x").temperature(f64::NAN)), Kind::InvalidRequest);
    assert_eq!(kind(ChatRequest::to("r").system("only instructions")), Kind::InvalidRequest);
    assert_eq!(
        kind(ChatRequest::to("r").message(Message::tool(ToolResult::new("1", "x")))),
        Kind::InvalidRequest
    );
    let broken = Part::ToolCall(ToolCall::new("1", "f", "[1]"));
    let turn = Message::new(Role::Assistant, vec![broken]);
    assert_eq!(kind(ChatRequest::to("r").user("x").message(turn)), Kind::Unsupported);
    let mut request = ChatRequest::to("r").user("x");
    request.stop = vec!["x".into(); 6];
    assert_eq!(kind(request), Kind::Unsupported);
    let mut request =
        ChatRequest::to("r").user("x").tool(Tool::new("f", Json::parse("{}").unwrap()).with_strict(true));
    request.parallel_tools = Some(false);
    request.end_user = Some("u".into());
    request.sampling.seed = Some(i64::MAX);
    request.sampling.temperature = Some(2.5);
    let sent = encoded(&ChatRequest::to("r").user("x").temperature(2.5), "m");
    assert_eq!(sent["generationConfig"]["temperature"], json!(2.0));
    let notes = notes(&request, "m");
    assert!(notes.len() == 5 && notes.contains(&"temperature 2.5 lowered to 2".to_owned()), "{notes:?}");
}

proptest! {
    #[test]
    fn any_conversation_encodes_to_json_or_a_typed_error(
        roles in prop::collection::vec(0usize..4, 0..6),
        text in "\\PC{0,20}",
        arguments in "[{}\\[\\]:,\"a-z0-9 ]{0,20}",
    ) {
        let roles = roles.into_iter().map(|role| [Role::System, Role::User, Role::Assistant, Role::Tool][role]);
        let mut request = ChatRequest::to("r");
        for role in roles {
            let parts = vec![
                Part::Text(text.clone()),
                Part::ToolCall(ToolCall::new("1", text.clone(), arguments.clone())),
                Part::ToolResult(ToolResult::new("1", arguments.clone())),
            ];
            request = request.message(Message::new(role, parts));
        }
        match body(&request, "gemini-3", "gemini") {
            Ok(bytes) => prop_assert!(serde_json::from_slice::<Value>(&bytes).is_ok()),
            Err(error) => prop_assert!(matches!(error.kind(), Kind::InvalidRequest | Kind::Unsupported)),
        }
    }
}
