//! Encoded requests, field by field.

use hotspare_core::{Json, Media, Native, Origin, Reasoning, Signature, Tool, ToolCall, ToolResult};

use super::*;

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-6";

fn encoded(request: &ChatRequest, model: &str) -> Value {
    serde_json::from_str(&body(request, model).unwrap()).unwrap()
}

#[test]
fn merges_consecutive_turns_and_hoists_instructions() {
    let request = ChatRequest::to("r")
        .system("one")
        .message(Message::text(Role::Developer, "two"))
        .user("a")
        .user("b")
        .assistant("c")
        .user(" ")
        .message(Message::system("later"))
        .max_output(9)
        .temperature(0.5);
    let value = encoded(&request, CLAUDE);
    assert_eq!(
        value,
        json!({
            "system": [{"text": "one"}, {"text": "two"}],
            "inferenceConfig": {"maxTokens": 9, "temperature": 0.5},
            "messages": [
                {"role": "user", "content": [{"text": "a"}, {"text": "b"}]},
                {"role": "assistant", "content": [{"text": "c"}]},
                {"role": "user", "content": [{"text": "later"}]},
            ],
        })
    );
}

#[test]
fn encodes_tools_results_and_media() {
    let foreign = "call:1/ä";
    let image = Media::from_url("data:image/png;base64,AAAA");
    let mut request = ChatRequest::to("r")
        .user("hi")
        .message(Message::new(
            Role::Assistant,
            vec![Part::ToolCall(ToolCall::new(foreign, "f", "{\"x\":1}"))],
        ))
        .message(Message::tool(
            ToolResult::from_parts(foreign, vec![Part::Text("done".into()), Part::Image(image)])
                .with_error(true),
        ))
        .message(Message::new(
            Role::User,
            vec![
                Part::Document(Media::from_url("data:application/pdf;base64,BBBB")),
                Part::Image(Media::Url("s3://bucket/a.JPG".into())),
                Part::Native(Native::new(WIRE, Json::parse(r#"{"cachePoint":{"type":"default"}}"#).unwrap())),
                Part::Native(Native::new("other", Json::parse("{}").unwrap())),
            ],
        ))
        .tool(Tool::new("f", Json::parse(r#"{"z":1,"a":2}"#).unwrap()).with_description("d"));
    request.tool_choice = Some(ToolChoice::Named("f".into()));
    let raw = body(&request, CLAUDE).unwrap();
    assert!(raw.contains(r#"{"json":{"z":1,"a":2}}"#), "the order of a schema's keys is kept: {raw}");
    let value: Value = serde_json::from_str(&raw).unwrap();
    let id = &value["messages"][1]["content"][0]["toolUse"]["toolUseId"];
    let turn = &value["messages"][2]["content"];
    assert_eq!(
        turn[0],
        json!({"toolResult": {"toolUseId": id, "status": "error",
            "content": [{"text": "done"}, {"image": {"format": "png", "source": {"bytes": "AAAA"}}}]}})
    );
    assert_eq!(
        turn[1]["document"],
        json!({"format": "pdf", "name": "document 1", "source": {"bytes": "BBBB"}})
    );
    assert_eq!(
        turn[2]["image"],
        json!({"format": "jpeg", "source": {"s3Location": {"uri": "s3://bucket/a.JPG"}}})
    );
    assert_eq!(turn[3], json!({"cachePoint": {"type": "default"}}));
    assert_eq!(turn.as_array().unwrap().len(), 4);
    assert_eq!(value["toolConfig"]["toolChoice"], json!({"tool": {"name": "f"}}));
    assert_eq!(value["toolConfig"]["tools"][0]["toolSpec"]["description"], "d");
}

#[test]
fn tools_are_inferred_from_calls_in_the_history() {
    let mut request = ChatRequest::to("r")
        .user("hi")
        .message(Message::new(Role::Assistant, vec![Part::ToolCall(ToolCall::new("t", "f", ""))]))
        .message(Message::tool(ToolResult::new("t", "")));
    let value = encoded(&request, CLAUDE);
    assert_eq!(value["toolConfig"]["tools"][0]["toolSpec"]["name"], "f");
    assert!(value["toolConfig"].get("toolChoice").is_none());
    assert_eq!(value["messages"][2]["content"][0]["toolResult"]["content"][0]["text"], "(no output)");
    request.tool_choice = Some(ToolChoice::None);
    assert_eq!(body(&request, CLAUDE).unwrap_err().kind(), Kind::Unsupported);
    let mut fresh = ChatRequest::to("r").user("hi").tool(Tool::new("f", Json::parse("{}").unwrap()));
    fresh.tool_choice = Some(ToolChoice::None);
    assert!(encoded(&fresh, CLAUDE).get("toolConfig").is_none(), "tools that may not be called are not sent");
}

#[test]
fn reasoning_is_replayed_only_to_its_origin() {
    let thought = |origin: &str, redacted| {
        let signature = Signature { origin: Origin(origin.into()), data: "S".into(), redacted };
        Part::Reasoning(Reasoning::new("hm").with_signature(signature))
    };
    let parts = vec![thought("bedrock", false), thought("anthropic", false), thought("anthropic", true)];
    let request = ChatRequest::to("r").user("hi").message(Message::new(Role::Assistant, parts)).user("on");
    let value = encoded(&request, CLAUDE);
    assert_eq!(
        value["messages"][1]["content"],
        json!([
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "S"}}},
            {"reasoningContent": {"redactedContent": "Uw=="}},
        ])
    );
    let value = encoded(&request, "zai.glm-4.7-flash");
    assert_eq!(value["messages"][1]["content"].as_array().unwrap().len(), 1);
}

#[test]
fn model_specific_fields_depend_on_the_family() {
    let mut request = ChatRequest::to("r").user("hi");
    request.sampling.top_k = Some(5);
    request.reasoning_effort = Some("high".into());
    let own = Json::parse(r#"{"thinking":{"type":"adaptive"}}"#).unwrap();
    let guard = Json::parse(r#"{"guardrailVersion":"1","guardrailIdentifier":"x"}"#).unwrap();
    let extras = [(MODEL_FIELDS.to_owned(), own), ("guardrailConfig".to_owned(), guard)];
    request.extras.insert(WIRE.into(), extras.into_iter().collect());
    let claude = encoded(&request, CLAUDE);
    assert_eq!(
        claude[MODEL_FIELDS],
        json!({"top_k": 5, "output_config": {"effort": "high"}, "thinking": {"type": "adaptive"}})
    );
    assert_eq!(claude["guardrailConfig"]["guardrailIdentifier"], "x");
    let nova = encoded(&request, "us.amazon.nova-2-lite-v1:0");
    assert_eq!(nova[MODEL_FIELDS]["inferenceConfig"], json!({"topK": 5}));
    assert_eq!(
        nova[MODEL_FIELDS]["reasoningConfig"],
        json!({"type": "enabled", "maxReasoningEffort": "high"})
    );
    assert_eq!(body(&request, "meta.llama3-8b-instruct-v1:0").unwrap_err().kind(), Kind::Unsupported);
    request.sampling.top_k = None;
    assert_eq!(encoded(&request, "zai.glm-4.7")["outputConfig"], json!({"effort": "high"}));
}

#[test]
fn output_schema_is_sent_as_a_string() {
    let schema = Json::parse(r#"{"type":"object","properties":{"z":{},"a":{}}}"#).unwrap();
    let output = OutputFormat::JsonSchema { name: "n".into(), schema: schema.clone(), strict: true };
    let value = encoded(&ChatRequest::to("r").user("x").output(output), CLAUDE);
    let structure = &value["outputConfig"]["textFormat"]["structure"]["jsonSchema"];
    assert_eq!(
        (structure["schema"].as_str(), structure["name"].as_str()),
        (Some(schema.as_str()), Some("n"))
    );
}

#[test]
fn nothing_is_dropped_silently() {
    let kind = |request: ChatRequest| body(&request, CLAUDE).unwrap_err().kind();
    let with = |part| ChatRequest::to("r").message(Message::new(Role::User, vec![part]));
    assert_eq!(kind(ChatRequest::to("r").system("only instructions")), Kind::InvalidRequest);
    assert_eq!(kind(with(Part::Image(Media::Url("https://example.com/a.png".into())))), Kind::Unsupported);
    assert_eq!(kind(with(Part::Image(Media::from_url("data:image/bmp;base64,AA")))), Kind::Unsupported);
    let mut hints = ChatRequest::to("r").user("x").tool(Tool::new("f", Json::parse("{}").unwrap()));
    assert!(notes(&hints, CLAUDE).is_empty());
    (hints.parallel_tools, hints.sampling.seed, hints.end_user) = (Some(false), Some(1), Some("u".into()));
    hints.sampling.temperature = Some(1.5);
    assert_eq!(encoded(&hints, CLAUDE)["inferenceConfig"]["temperature"], json!(1.0));
    let notes = notes(&hints, CLAUDE);
    assert_eq!((notes.len(), notes[0].as_str()), (4, "temperature 1.5 lowered to 1"));
}

#[test]
fn stop_sequences_of_white_space_are_left_out_if_others_remain() {
    let mut request = ChatRequest::to("r").user("x");
    request.stop = ["\n\n", "", "Human:"].map(str::to_owned).into();
    assert_eq!(encoded(&request, CLAUDE)["inferenceConfig"]["stopSequences"], json!(["Human:"]));
    assert_eq!(notes(&request, CLAUDE), ["dropped: stop sequences of white space"]);
    request.stop.pop();
    assert_eq!(body(&request, CLAUDE).unwrap_err().kind(), Kind::Unsupported);
    request.stop = vec![String::new()];
    assert!(encoded(&request, CLAUDE)["inferenceConfig"]["stopSequences"].is_null());
}

#[test]
fn json_mode_without_a_schema_is_rejected() {
    let request = ChatRequest::to("r").user("hi").output(OutputFormat::JsonObject);
    assert_eq!(body(&request, CLAUDE).unwrap_err().kind(), Kind::Unsupported);
}

#[test]
fn tool_loop_from_another_origin_continues_without_thinking() {
    let asked = |model: &str, origin: &str| {
        let signature = Signature { origin: Origin(origin.into()), data: "S".into(), redacted: false };
        let thought = Part::Reasoning(Reasoning::new("hm").with_signature(signature));
        let call = Part::ToolCall(ToolCall::new("1", "f", ""));
        let mut request = ChatRequest::to("r")
            .user("hi")
            .message(Message::new(Role::Assistant, vec![thought, call]))
            .message(Message::tool(ToolResult::new("1", "done")))
            .tool(Tool::new("f", Json::parse("{}").unwrap()));
        let own = json!({"thinking": {"type": "enabled", "budget_tokens": 1_024}, "top_k": 4});
        request.extras.entry(WIRE.into()).or_default().insert(MODEL_FIELDS.into(), own.into());
        let encoded = encoded(&request, model);
        assert_eq!(encoded[MODEL_FIELDS]["top_k"], 4);
        (encoded[MODEL_FIELDS][THINKING].is_object(), notes(&request, model).len())
    };
    assert_eq!(asked(CLAUDE, "anthropic"), (true, 0));
    assert_eq!(asked(CLAUDE, "openai"), (false, 1));
    assert_eq!(asked("us.amazon.nova-pro-v1:0", "openai"), (true, 0), "not known to require it");
}

#[test]
fn extra_fields_of_an_omitted_part_are_dropped() {
    let fields = Native::new(WIRE, Json::parse(r#"{"cited":true}"#).unwrap());
    let parts = vec![Part::Text("a".into()), Part::Text(" ".into()), Part::Fields(fields)];
    let value = encoded(&ChatRequest::to("r").message(Message::new(Role::User, parts)), CLAUDE);
    assert_eq!(value["messages"][0]["content"], json!([{"text": "a"}]));
}
