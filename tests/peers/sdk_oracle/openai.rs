//! Chat completions.

use hotspare_core::{
    ChatRequest, Json, Media, Message, Native, OutputFormat, Part, Role, ToolCall, ToolChoice, ToolResult,
};
use serde_json::{Value, json};

use super::{Case, base_request, request_with, schema, weather};

fn weather_tools() -> Value {
    json!([{"type": "function", "function": {"name": "weather", "description": "Tells the weather.", "parameters": schema()}}])
}

fn tool_call(calls: &[(&str, &str)]) -> Message {
    let parts = calls.iter().map(|(id, arguments)| Part::ToolCall(ToolCall::new(*id, "weather", *arguments)));
    Message::new(Role::Assistant, parts.collect())
}

fn wire_call(id: &str, arguments: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": "weather", "arguments": arguments}})
}

pub(super) fn cases() -> Vec<Case> {
    let hi = || json!([{"role": "user", "content": "hi"}]);
    let mut all = Vec::new();
    let mut case = |name, request, args: Value| {
        let stream = args["stream"] == true;
        let mut args = args;
        args["model"] = "m".into();
        if args["messages"].is_null() {
            args["messages"] = hi();
        }
        all.push(Case { name, sdk: "openai", call: "chat.completions.create", args, request, stream });
    };
    case("chat: plain", base_request(), json!({}));
    case("chat: length", base_request().max_output(64), json!({"max_completion_tokens": 64}));
    case(
        "chat: instructions",
        ChatRequest::to("r").system("Be brief.").user("hi"),
        json!({"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]}),
    );
    case(
        "chat: developer",
        ChatRequest::to("r").message(Message::text(Role::Developer, "Be brief.")).user("hi"),
        json!({"messages": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "hi"}]}),
    );
    case(
        "chat: turns",
        base_request().assistant("hello").user("and?"),
        json!({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}, {"role": "user", "content": "and?"}]}),
    );
    case(
        "chat: named participant",
        request_with(|request| request.messages[0].name = Some("ann".into())),
        json!({"messages": [{"role": "user", "name": "ann", "content": "hi"}]}),
    );
    case(
        "chat: sampling",
        request_with(|request| {
            request.sampling.temperature = Some(0.5);
            request.sampling.top_p = Some(0.9);
            request.sampling.seed = Some(7);
            request.sampling.frequency_penalty = Some(0.25);
            request.sampling.presence_penalty = Some(-0.5);
        }),
        json!({"temperature": 0.5, "top_p": 0.9, "seed": 7, "frequency_penalty": 0.25, "presence_penalty": -0.5}),
    );
    case(
        "chat: stop",
        request_with(|request| request.stop = vec!["a".into(), "b".into()]),
        json!({"stop": ["a", "b"]}),
    );
    case("chat: stream", base_request(), json!({"stream": true}));
    case(
        "chat: stream with counts",
        base_request(),
        json!({"stream": true, "stream_options": {"include_usage": true}}),
    );
    case(
        "chat: image by address",
        request_with(|request| {
            request.messages[0].parts.push(Part::Image(Media::Url("https://h/a.png".into())))
        }),
        json!({"messages": [{"role": "user", "content": [
            {"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "https://h/a.png"}}]}]}),
    );
    case(
        "chat: image as bytes",
        request_with(|request| {
            request.messages[0].parts.push(Part::Image(Media::from_url("data:image/png;base64,AAAA")));
        }),
        json!({"messages": [{"role": "user", "content": [
            {"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]}),
    );
    case(
        "chat: document",
        request_with(|request| {
            let native = Native::new("openai-chat", Json::from(json!({"filename": "a.pdf"})));
            let file = Media::from_url("data:application/pdf;base64,AAAA");
            request.messages[0].parts.extend([Part::Document(file), Part::Fields(native)]);
        }),
        json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}}]}]}),
    );
    case("chat: tool", base_request().tool(weather()), json!({"tools": weather_tools()}));
    case(
        "chat: strict tool",
        base_request().tool(weather().with_strict(true)),
        json!({"tools": [{"type": "function", "function": {
            "name": "weather", "description": "Tells the weather.", "parameters": schema(), "strict": true}}]}),
    );
    for (name, choice, word) in [
        ("chat: any tool", ToolChoice::Required, json!("required")),
        ("chat: no tool", ToolChoice::None, json!("none")),
        ("chat: model decides", ToolChoice::Auto, json!("auto")),
        (
            "chat: this tool",
            ToolChoice::Named("weather".into()),
            json!({"type": "function", "function": {"name": "weather"}}),
        ),
    ] {
        let request = request_with(|request| {
            request.tools.push(weather());
            request.tool_choice = Some(choice);
        });
        case(name, request, json!({"tools": weather_tools(), "tool_choice": word}));
    }
    case(
        "chat: one tool at a time",
        request_with(|request| {
            request.tools.push(weather());
            request.parallel_tools = Some(false);
        }),
        json!({"tools": weather_tools(), "parallel_tool_calls": false}),
    );
    case(
        "chat: tool results",
        base_request()
            .tool(weather())
            .message(tool_call(&[("a", r#"{"city":"Ulm"}"#), ("b", r#"{"city":"Bern"}"#)]))
            .message(Message::tool(ToolResult::new("a", "rain")))
            .message(Message::tool(ToolResult::new("b", "sun"))),
        json!({"tools": weather_tools(), "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": null, "tool_calls": [wire_call("a", r#"{"city":"Ulm"}"#), wire_call("b", r#"{"city":"Bern"}"#)]},
            {"role": "tool", "tool_call_id": "a", "content": "rain"},
            {"role": "tool", "tool_call_id": "b", "content": "sun"}]}),
    );
    case(
        "chat: JSON",
        base_request().output(OutputFormat::JsonObject),
        json!({"response_format": {"type": "json_object"}}),
    );
    case(
        "chat: schema",
        base_request().output(OutputFormat::JsonSchema {
            name: "place".into(),
            schema: Json::from(schema()),
            strict: true,
        }),
        json!({"response_format": {"type": "json_schema", "json_schema": {"name": "place", "schema": schema(), "strict": true}}}),
    );
    case(
        "chat: effort",
        request_with(|request| request.reasoning_effort = Some("low".into())),
        json!({"reasoning_effort": "low"}),
    );
    case("chat: user", request_with(|request| request.end_user = Some("u1".into())), json!({"user": "u1"}));
    case(
        "chat: refusal before",
        base_request().message(Message::new(Role::Assistant, vec![Part::Refusal("no".into())])).user("why?"),
        json!({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": null, "refusal": "no"},
            {"role": "user", "content": "why?"}]}),
    );
    case(
        "chat: its own fields",
        request_with(|request| {
            let extras =
                [("logprobs", json!(true)), ("top_logprobs", json!(2)), ("service_tier", json!("flex"))];
            let extras = extras.map(|(name, value)| (name.to_owned(), Json::from(value)));
            request.extras.insert("openai-chat".into(), extras.into());
        }),
        json!({"logprobs": true, "top_logprobs": 2, "service_tier": "flex"}),
    );
    case(
        "chat: its own tools",
        request_with(|request| {
            let tool = json!({"type": "custom", "custom": {"name": "c"}});
            request.native_tools.push(Native::new("openai-chat", Json::from(tool)));
        }),
        json!({"tools": [{"type": "custom", "custom": {"name": "c"}}]}),
    );
    all
}
