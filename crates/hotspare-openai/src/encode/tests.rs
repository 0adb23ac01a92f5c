//! Encoded requests, field by field.

use hotspare_core::{Media, Message, Native, Origin, Part, Reasoning, Role, Signature, ToolCall, ToolResult};
use serde_json::{Value, json};

use super::*;

fn encoded(request: &ChatRequest, stream: bool, dialect: &Dialect) -> Value {
    serde_json::from_slice(&body(request, "m-1", stream, dialect).unwrap()).unwrap()
}

#[test]
fn encodes_a_plain_request() {
    let request = ChatRequest::to("r").system("be brief").user("hi").max_output(5).temperature(0.5);
    assert_eq!(
        encoded(&request, true, &Dialect::OPENAI),
        json!({
            "model": "m-1",
            "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}],
            "stream": true, "stream_options": {"include_usage": true},
            "temperature": 0.5, "max_completion_tokens": 5,
        })
    );
    let elsewhere = encoded(&request, false, &Dialect::DEEPSEEK);
    assert_eq!((&elsewhere["max_tokens"], &elsewhere["stream"]), (&json!(5), &Value::Null));
}

#[test]
fn several_system_messages_are_joined_where_only_one_is_accepted() {
    let minimax = Dialect::find("minimax").unwrap();
    let one = ChatRequest::to("r").system("be brief").user("hi");
    assert_eq!(joined_instructions(&one, minimax), None);
    let several = one.message(Message::text(Role::Developer, "in French"));
    assert_eq!(
        encoded(&several, false, minimax)["messages"],
        json!([{"role": "system", "content": "be brief\n\nin French"}, {"role": "user", "content": "hi"}])
    );
    let note = "joined the system messages, of which this host accepts one";
    assert_eq!(joined_instructions(&several, minimax).unwrap(), note);
    assert_eq!(encoded(&several, false, &Dialect::COMPATIBLE)["messages"].as_array().unwrap().len(), 3);
    assert_eq!(joined_instructions(&several, &Dialect::COMPATIBLE), None);
}

#[test]
fn temperature_is_moved_into_the_range_of_the_host_or_left_out() {
    let sent = |host: &str, temperature: f64| {
        let request = ChatRequest::to("r").user("hi").temperature(temperature);
        encoded(&request, false, Dialect::find(host).unwrap())["temperature"].as_f64()
    };
    assert_eq!(
        [0.0, 0.5, 1.5].map(|requested| sent("minimax", requested)),
        [Some(0.01), Some(0.5), Some(1.0)]
    );
    assert_eq!([0.0, 1.5].map(|requested| sent("zai", requested)), [Some(0.0), Some(1.0)]);
    assert_eq!(sent("moonshot", 0.5), None);
}

#[test]
fn encodes_tools_and_their_results() {
    let schema = Json::parse(r#"{"type":"object","properties":{"z":{},"a":{}}}"#).unwrap();
    let request = ChatRequest::to("r")
        .user("hi")
        .message(Message::new(
            Role::Assistant,
            vec![
                Part::ToolCall(ToolCall::new("1", "f", "")),
                Part::ToolCall(ToolCall::new("2", "g", "{\"x\":1}")),
            ],
        ))
        .message(Message::new(
            Role::Tool,
            vec![
                Part::ToolResult(ToolResult::new("1", "one")),
                Part::ToolResult(ToolResult::new("2", "two")),
            ],
        ))
        .tool(Tool::new("f", schema));
    let raw = body(&request, "m", false, &Dialect::OPENAI).unwrap();
    let text = String::from_utf8(raw.clone()).unwrap();
    assert!(text.contains(r#"{"z":{},"a":{}}"#), "the order of a schema's keys is kept: {text}");
    let value: Value = serde_json::from_slice(&raw).unwrap();
    assert_eq!(value["messages"][1]["content"], Value::Null);
    assert_eq!(value["messages"][1]["tool_calls"][0]["function"]["arguments"], "{}");
    assert_eq!(value["messages"][3], json!({"role": "tool", "tool_call_id": "2", "content": "two"}));
}

#[test]
fn images_are_rejected_by_hosts_without_vision() {
    let image = Part::Image(Media::from_url("https://example.com/a.png"));
    let request =
        ChatRequest::to("r").message(Message::new(Role::User, vec![Part::Text("see".into()), image]));
    let value = encoded(&request, false, &Dialect::OPENAI);
    assert_eq!(value["messages"][0]["content"][1]["image_url"]["url"], "https://example.com/a.png");
    let refused = body(&request, "m", false, &Dialect::DEEPSEEK).unwrap_err();
    assert_eq!(refused.kind(), Kind::Unsupported);
}

#[test]
fn extra_fields_override_and_nan_is_rejected() {
    let mut request = ChatRequest::to("r").user("hi").temperature(1.0);
    let extras = BTreeMap::from([
        ("temperature".to_owned(), Json::parse("0").unwrap()),
        ("logit_bias".to_owned(), Json::parse("{}").unwrap()),
    ]);
    request.extras.insert(WIRE.into(), extras);
    let value = encoded(&request, false, &Dialect::OPENAI);
    assert_eq!((&value["temperature"], &value["logit_bias"]), (&json!(0), &json!({})));
    let request = ChatRequest::to("r").user("hi").temperature(f64::NAN);
    assert_eq!(body(&request, "m", false, &Dialect::OPENAI).unwrap_err().kind(), Kind::InvalidRequest);
}

/// What `host` gets of a turn with these parts, in a conversation that ends with the result of a call.
fn encoded_turn(host: &str, parts: Vec<Part>) -> Value {
    let request = ChatRequest::to("r")
        .user("hi")
        .message(Message::new(Role::Assistant, parts))
        .message(Message::tool(ToolResult::new("1", "ok")));
    encoded(&request, false, Dialect::find(host).unwrap())["messages"][1].clone()
}

#[test]
fn plain_reasoning_is_sent_back_where_the_host_takes_it() {
    let thought = || Part::Reasoning(Reasoning::new("hm"));
    let call = || Part::ToolCall(ToolCall::new("1", "f", "{}"));
    let fields = ["reasoning_content", "reasoning"];
    let sent = |host: &str, parts: Vec<Part>| {
        let turn = encoded_turn(host, parts);
        fields.map(|field| turn[field].as_str().map(str::to_owned))
    };
    let hm = || Some("hm".to_owned());
    for (host, expected) in [
        ("deepseek", [hm(), None]),
        ("compatible", [hm(), None]),
        ("alibaba", [hm(), None]),
        ("fireworks", [hm(), None]),
        ("moonshot", [hm(), None]),
        ("zai", [hm(), None]),
        ("llamacpp", [hm(), None]),
        ("vllm", [hm(), hm()]),
        ("openrouter", [None, hm()]),
        ("vercel", [None, hm()]),
        ("cerebras", [None, hm()]),
        ("openai", [None, None]),
        ("azure", [None, None]),
        ("groq", [None, None]),
        ("mistral", [None, None]),
        ("github", [None, None]),
    ] {
        assert_eq!(sent(host, vec![thought(), call()]), expected, "{host}");
        assert_eq!(sent(host, vec![thought(), Part::Text("a".into())]), expected, "{host}, without a call");
    }
    // A call without reasoning gets a stand-in where the host insists, or where other turns have reasoning.
    assert_eq!(encoded_turn("deepseek", vec![call()])["reasoning_content"], " ");
    assert_eq!(encoded_turn("moonshot", vec![call()])["reasoning_content"], " ");
    assert!(encoded_turn("deepseek", vec![Part::Text("a".into())])["reasoning_content"].is_null());
    assert!(encoded_turn("compatible", vec![call()])["reasoning_content"].is_null());
    let mixed = ChatRequest::to("r")
        .user("hi")
        .message(Message::new(Role::Assistant, vec![thought(), call()]))
        .message(Message::tool(ToolResult::new("1", "ok")))
        .message(Message::new(Role::Assistant, vec![Part::ToolCall(ToolCall::new("2", "f", "{}"))]))
        .message(Message::tool(ToolResult::new("2", "ok")));
    let value = encoded(&mixed, false, &Dialect::COMPATIBLE);
    assert_eq!(value["messages"][3]["reasoning_content"], " ");
    assert_eq!(dropped_reasoning(&mixed, &Dialect::COMPATIBLE), None);
    let note = "dropped the reasoning of earlier turns, which is not taken back there (1)";
    assert_eq!(dropped_reasoning(&mixed, &Dialect::OPENAI).unwrap(), note);
}

#[test]
fn reasoning_details_are_replayed_to_their_origin() {
    let signed = |text: &str, data: &str, redacted| {
        let origin = Origin("openrouter-chat".into());
        Part::Reasoning(Reasoning::new(text).with_signature(Signature {
            origin,
            data: data.into(),
            redacted,
        }))
    };
    let turn = vec![
        signed("hm", r#"{"type":"reasoning.text","signature":"s","index":0}"#, false),
        signed("", r#"{"type":"reasoning.encrypted","data":"d","index":1}"#, true),
        Part::Text("hi".into()),
    ];
    let request = ChatRequest::to("r").user("a").message(Message::new(Role::Assistant, turn)).user("b");
    let relay = encoded(&request, false, Dialect::find("openrouter").unwrap());
    assert_eq!(
        relay["messages"][1],
        json!({"role": "assistant", "content": "hi", "reasoning_details": [
            {"type": "reasoning.text", "signature": "s", "index": 0, "text": "hm"},
            {"type": "reasoning.encrypted", "data": "d", "index": 1},
        ]})
    );
    assert!(encoded(&request, false, &Dialect::OPENAI)["messages"][1]["reasoning_details"].is_null());
}

#[test]
fn images_in_tool_results_follow_the_last_result() {
    let shown = |id: &str, text: Option<&str>| {
        let mut parts = vec![Part::Image(Media::from_url(&format!("https://x/{id}.png")))];
        parts.extend(text.map(|text| Part::Text(text.into())));
        Message::tool(ToolResult::from_parts(id, parts))
    };
    let call = |id: &str| Part::ToolCall(ToolCall::new(id, "f", ""));
    let request = ChatRequest::to("r")
        .user("hi")
        .message(Message::new(Role::Assistant, vec![call("1"), call("2"), call("3")]))
        .message(shown("1", Some("a map")))
        .message(shown("2", None))
        .message(Message::tool(ToolResult::new("3", "three")))
        .message(Message::new(Role::Assistant, vec![Part::Reasoning(Reasoning::new("hm"))]))
        .user("go on");
    let value = encoded(&request, false, &Dialect::OPENAI);
    let image = |id: &str| json!({"type": "image_url", "image_url": {"url": format!("https://x/{id}.png")}});
    assert_eq!(
        value["messages"].as_array().unwrap()[2..],
        [
            json!({"role": "tool", "tool_call_id": "1", "content": "a map"}),
            json!({"role": "tool", "tool_call_id": "2", "content": "(shown below)"}),
            json!({"role": "tool", "tool_call_id": "3", "content": "three"}),
            json!({"role": "user", "content": [
                {"type": "text", "text": "Media from the tool results:"}, image("1"), image("2"),
            ]}),
            json!({"role": "user", "content": "go on"}),
        ]
    );
    assert_eq!(
        moved_media(&request).as_deref(),
        Some("media of tool results moved to a user turn after them")
    );
}

#[test]
fn texts_beside_an_image_of_a_tool_result_are_one_string() {
    let content = |texts: &[&str]| {
        let image = Part::Image(Media::from_url("https://x/a.png"));
        let parts = texts.iter().map(|text| Part::from(*text)).chain([image]).collect();
        let request = ChatRequest::to("r")
            .user("hi")
            .message(Message::new(Role::Assistant, vec![Part::ToolCall(ToolCall::new("1", "f", ""))]))
            .message(Message::tool(ToolResult::from_parts("1", parts)));
        encoded(&request, false, &Dialect::COMPATIBLE)["messages"][2]["content"].clone()
    };
    assert_eq!(content(&[""]), "(shown below)");
    assert_eq!(content(&["a ", "map"]), "a map");
}

#[test]
fn fields_of_media_go_with_media_only() {
    let fields = || Part::Fields(Native::new(WIRE, json!({"detail": "low", "filename": "f"}).into()));
    let image = Part::Image(Media::from_url("https://x/a.png"));
    let parts = vec!["see".into(), fields(), image, fields()];
    let request = ChatRequest::to("r").message(Message::new(Role::User, parts));
    let strict = Dialect::find("groq").unwrap();
    let content = &encoded(&request, false, strict)["messages"][0]["content"];
    assert_eq!(content[0], json!({"type": "text", "text": "see"}));
    assert_eq!(content[1]["image_url"]["detail"], "low");
    let note = "dropped fields that this host does not accept (detail, filename)";
    assert_eq!(crate::accepts::changes(&request, strict), [note]);
}

#[test]
fn effort_is_written_in_the_words_of_the_host() {
    let body = |host: &str, effort: &str, own: Option<Value>| {
        let mut request = ChatRequest::to("r").user("hi");
        request.reasoning_effort = Some(effort.into());
        if let Some(thinking) = own {
            request = request.extra(WIRE, "thinking", thinking);
        }
        encoded(&request, false, Dialect::find(host).unwrap())
    };
    let off = body("deepseek", "none", None);
    assert_eq!((&off["thinking"], off.get("reasoning_effort")), (&json!({"type": "disabled"}), None));
    let own = body("deepseek", "none", Some(json!({"type": "enabled"})));
    assert_eq!(own["thinking"], json!({"type": "enabled"}));
    assert_eq!(body("deepseek", "minimal", None)["reasoning_effort"], "low");
    assert_eq!(body("openai", "none", None)["reasoning_effort"], "none");
    assert_eq!(body("openai", "minimal", None)["reasoning_effort"], "minimal");
}

#[test]
fn tools_of_the_type_custom_go_to_hosts_that_know_the_type() {
    let mut request = ChatRequest::to("r").user("hi");
    request.native_tools.push(Native::new(WIRE, json!({"type": "custom", "custom": {"name": "sql"}}).into()));
    assert_eq!(encoded(&request, false, &Dialect::OPENAI)["tools"][0]["type"], "custom");
    let error = body(&request, "m", false, &Dialect::DEEPSEEK).unwrap_err();
    let message = "this host does not support tools of the type custom";
    assert_eq!((error.kind(), error.message()), (Kind::Unsupported, message));
}

#[test]
fn mistral_is_sent_the_name_of_a_tool_but_not_of_a_speaker() {
    let mut request = ChatRequest::to("r")
        .user("hi")
        .message(Message::new(Role::Assistant, vec![Part::ToolCall(ToolCall::new("1", "f", ""))]))
        .message(Message::tool(ToolResult::new("1", "ok")));
    request.messages.iter_mut().for_each(|message| message.name = Some("f".into()));
    let names = |dialect: &Dialect| {
        let body = encoded(&request, false, dialect);
        [0, 1, 2].map(|at| body["messages"][at].get("name").is_some())
    };
    assert_eq!(names(&Dialect::OPENAI), [true, true, true]);
    assert_eq!(names(&Dialect::MISTRAL), [false, false, true]);
}

#[test]
fn a_developer_message_is_one_only_where_every_model_behind_the_host_takes_it() {
    let mut request = ChatRequest::to("r").user("hi");
    request.messages.insert(0, Message::new(Role::Developer, vec![Part::Text("be brief".into())]));
    for row in Dialect::ALL {
        let role = if matches!(&*row.id, "azure" | "openai") { "developer" } else { "system" };
        assert_eq!(encoded(&request, false, row)["messages"][0]["role"], role, "{}", row.id);
    }
}
