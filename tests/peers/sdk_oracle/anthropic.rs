//! Messages. The SDK no longer has sampling arguments; such fields go through its `extra_body`.

use hotspare_core::{
    ChatRequest, Json, Media, Message, Native, Origin, OutputFormat, Part, Reasoning, Role, Signature,
    ToolCall, ToolChoice, ToolResult,
};
use serde_json::{Value, json};

use super::{Case, schema, weather};

fn base_request() -> ChatRequest {
    ChatRequest::to("r").user("hi").max_output(64)
}

fn weather_tools() -> Value {
    json!([{"name": "weather", "description": "Tells the weather.", "input_schema": schema()}])
}

fn native(value: Value) -> Native {
    Native::new(hotspare_anthropic::WIRE, Json::from(value))
}

fn request_with(change: impl FnOnce(&mut ChatRequest)) -> ChatRequest {
    let mut request = base_request();
    change(&mut request);
    request
}

fn extras(fields: &[(&str, Value)]) -> ChatRequest {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), Json::from(value)));
    request_with(|request| {
        request.extras.insert(hotspare_anthropic::WIRE.into(), fields.collect());
    })
}

fn thinking_part(text: &str, redacted: bool) -> Part {
    let signature = Signature { origin: Origin("anthropic".into()), data: "SIG".into(), redacted };
    Part::Reasoning(Reasoning::new(text).with_signature(signature))
}

fn tool_call(id: &str) -> Part {
    Part::ToolCall(ToolCall::new(id, "weather", r#"{"city":"Ulm"}"#))
}

pub(super) fn cases() -> Vec<Case> {
    let hi = || json!([{"role": "user", "content": "hi"}]);
    let user = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    let mut all = Vec::new();
    let mut case = |name, request, args: Value| {
        let stream = args["stream"] == true;
        let mut args = args;
        args["model"] = "m".into();
        args["max_tokens"] = 64.into();
        if args["messages"].is_null() {
            args["messages"] = hi();
        }
        all.push(Case { name, sdk: "anthropic", call: "messages.create", args, request, stream });
    };
    case("messages: plain", base_request(), json!({}));
    let instructed = |parts| {
        let mut request = ChatRequest::to("r").message(Message::new(Role::System, parts)).user("hi");
        request.max_output = Some(64);
        request
    };
    case(
        "messages: instructions",
        instructed(vec![Part::Text("Be brief.".into())]),
        json!({"system": "Be brief."}),
    );
    case(
        "messages: cached instructions",
        instructed(vec![
            Part::Text("Be brief.".into()),
            Part::Text("Be kind.".into()),
            Part::Fields(native(json!({"cache_control": {"type": "ephemeral"}}))),
        ]),
        json!({"system": [{"type": "text", "text": "Be brief."},
            {"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}]}),
    );
    case(
        "messages: turns",
        base_request().assistant("hello").user("and?"),
        json!({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}, {"role": "user", "content": "and?"}]}),
    );
    case("messages: stream", base_request(), json!({"stream": true}));
    case(
        "messages: sampling",
        request_with(|request| {
            request.sampling.temperature = Some(0.5);
            request.sampling.top_p = Some(0.9);
            request.sampling.top_k = Some(5);
        }),
        json!({"extra_body": {"temperature": 0.5, "top_p": 0.9, "top_k": 5}}),
    );
    case(
        "messages: stop",
        request_with(|request| request.stop = vec!["a".into(), "b".into()]),
        json!({"stop_sequences": ["a", "b"]}),
    );
    case(
        "messages: user",
        request_with(|request| request.end_user = Some("u1".into())),
        json!({"metadata": {"user_id": "u1"}}),
    );
    case(
        "messages: image by address",
        request_with(|request| {
            request.messages[0].parts.push(Part::Image(Media::Url("https://h/a.png".into())))
        }),
        user(
            json!([{"type": "text", "text": "hi"}, {"type": "image", "source": {"type": "url", "url": "https://h/a.png"}}]),
        ),
    );
    case(
        "messages: image as bytes",
        request_with(|request| {
            request.messages[0].parts.push(Part::Image(Media::from_url("data:image/png;base64,AAAA")));
        }),
        user(json!([{"type": "text", "text": "hi"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}])),
    );
    case(
        "messages: document",
        request_with(|request| {
            let file = Part::Document(Media::from_url("data:application/pdf;base64,AAAA"));
            let fields = Part::Fields(native(json!({"title": "a", "citations": {"enabled": true}})));
            request.messages[0].parts.extend([file, fields]);
        }),
        user(
            json!([{"type": "text", "text": "hi"}, {"type": "document", "title": "a", "citations": {"enabled": true},
            "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}}]),
        ),
    );
    case(
        "messages: document of text",
        request_with(|request| {
            request.messages[0]
                .parts
                .push(Part::Document(Media::from_url("data:text/plain;base64,aGVsbG8=")));
        }),
        user(json!([{"type": "text", "text": "hi"},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hello"}}])),
    );
    case("messages: tool", base_request().tool(weather()), json!({"tools": weather_tools()}));
    case(
        "messages: strict tool",
        base_request().tool(weather().with_strict(true)),
        json!({"tools": [{"name": "weather", "description": "Tells the weather.", "input_schema": schema(), "strict": true}]}),
    );
    case(
        "messages: cached tool",
        request_with(|request| {
            let mut tool = weather();
            let fields = [("cache_control".to_owned(), Json::from(json!({"type": "ephemeral"})))];
            tool.extras.insert(hotspare_anthropic::WIRE.into(), fields.into());
            request.tools.push(tool);
        }),
        json!({"tools": [{"name": "weather", "description": "Tells the weather.", "input_schema": schema(), "cache_control": {"type": "ephemeral"}}]}),
    );
    case(
        "messages: tools that the provider runs",
        request_with(|request| {
            request
                .native_tools
                .push(native(json!({"type": "web_search_20250305", "name": "web_search", "max_uses": 2})));
        }),
        json!({"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}]}),
    );
    for (name, choice, spelled) in [
        ("messages: any tool", ToolChoice::Required, json!({"type": "any"})),
        ("messages: no tool", ToolChoice::None, json!({"type": "none"})),
        ("messages: model decides", ToolChoice::Auto, json!({"type": "auto"})),
        (
            "messages: this tool",
            ToolChoice::Named("weather".into()),
            json!({"type": "tool", "name": "weather"}),
        ),
    ] {
        let request = request_with(|request| {
            request.tools.push(weather());
            request.tool_choice = Some(choice);
        });
        case(name, request, json!({"tools": weather_tools(), "tool_choice": spelled}));
    }
    case(
        "messages: one tool at a time",
        request_with(|request| {
            request.tools.push(weather());
            request.parallel_tools = Some(false);
        }),
        json!({"tools": weather_tools(), "tool_choice": {"type": "auto", "disable_parallel_tool_use": true}}),
    );
    case(
        "messages: tool results",
        base_request()
            .tool(weather())
            .message(Message::new(
                Role::Assistant,
                vec![Part::Text("Let me see.".into()), tool_call("a"), tool_call("b")],
            ))
            .message(Message::tool(ToolResult::new("a", "rain")))
            .message(Message::tool(ToolResult::new("b", "no such city").with_error(true)))
            .user("so?"),
        json!({"tools": weather_tools(), "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [{"type": "text", "text": "Let me see."},
                {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "Ulm"}},
                {"type": "tool_use", "id": "b", "name": "weather", "input": {"city": "Ulm"}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "rain"},
                {"type": "tool_result", "tool_use_id": "b", "content": "no such city", "is_error": true},
                {"type": "text", "text": "so?"}]}]}),
    );
    case(
        "messages: a result that shows",
        base_request().tool(weather()).message(Message::new(Role::Assistant, vec![tool_call("a")])).message(
            Message::tool(ToolResult::from_parts(
                "a",
                vec![Part::Text("look".into()), Part::Image(Media::Url("https://h/a.png".into()))],
            )),
        ),
        json!({"tools": weather_tools(), "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "Ulm"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [
                {"type": "text", "text": "look"}, {"type": "image", "source": {"type": "url", "url": "https://h/a.png"}}]}]}]}),
    );
    case(
        "messages: thoughts go back",
        base_request()
            .message(Message::new(
                Role::Assistant,
                vec![thinking_part("hm", false), thinking_part("", true), Part::Text("so".into())],
            ))
            .user("and?"),
        json!({"messages": [{"role": "user", "content": "hi"},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "SIG"},
                {"type": "redacted_thinking", "data": "SIG"}, {"type": "text", "text": "so"}]},
            {"role": "user", "content": "and?"}]}),
    );
    case(
        "messages: schema",
        base_request().output(OutputFormat::JsonSchema {
            name: "place".into(),
            schema: Json::from(schema()),
            strict: true,
        }),
        json!({"output_config": {"format": {"type": "json_schema", "schema": schema()}}}),
    );
    case(
        "messages: effort",
        request_with(|request| request.reasoning_effort = Some("low".into())),
        json!({"output_config": {"effort": "low"}}),
    );
    case(
        "messages: thinking",
        extras(&[("thinking", json!({"type": "enabled", "budget_tokens": 1024}))]),
        json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}),
    );
    case("messages: tier", extras(&[("service_tier", json!("auto"))]), json!({"service_tier": "auto"}));
    all
}
