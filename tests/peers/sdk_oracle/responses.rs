//! Responses.

use hotspare_core::{
    ChatRequest, Json, Media, Message, Native, OutputFormat, Part, Role, ToolCall, ToolChoice, ToolResult,
};
use serde_json::{Value, json};

use super::{Case, base_request, request_with, schema, weather};

const WIRE: &str = hotspare_openai::RESPONSES_WIRE;

fn weather_tools() -> Value {
    json!([{"type": "function", "name": "weather", "description": "Tells the weather.", "parameters": schema(), "strict": false}])
}

fn extras(fields: &[(&str, Value)]) -> ChatRequest {
    request_with(|request| {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), Json::from(value.clone())));
        request.extras.insert(WIRE.into(), fields.collect());
    })
}

pub(super) fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    let mut case = |name, request, args: Value| {
        let stream = args["stream"] == true;
        let mut args = args;
        args["model"] = "m".into();
        if args["input"].is_null() {
            args["input"] = json!([{"role": "user", "content": "hi"}]);
        }
        all.push(Case { name, sdk: "openai", call: "responses.create", args, request, stream });
    };
    case("responses: plain", base_request(), json!({}));
    case("responses: length", base_request().max_output(64), json!({"max_output_tokens": 64}));
    case("responses: stream", base_request(), json!({"stream": true}));
    case(
        "responses: instructions",
        ChatRequest::to("r").system("Be brief.").user("hi"),
        json!({"instructions": "Be brief."}),
    );
    case(
        "responses: developer",
        ChatRequest::to("r").message(Message::text(Role::Developer, "Be brief.")).user("hi"),
        json!({"input": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "hi"}]}),
    );
    case(
        "responses: turns",
        base_request().assistant("hello").user("and?"),
        json!({"input": [{"role": "user", "content": "hi"},
            {"role": "assistant", "content": [{"type": "output_text", "text": "hello"}]},
            {"role": "user", "content": "and?"}]}),
    );
    case(
        "responses: sampling",
        request_with(|request| {
            request.sampling.temperature = Some(0.5);
            request.sampling.top_p = Some(0.9);
        }),
        json!({"temperature": 0.5, "top_p": 0.9}),
    );
    case(
        "responses: image",
        request_with(|request| {
            request.messages[0].parts.push(Part::Image(Media::Url("https://h/a.png".into())))
        }),
        json!({"input": [{"role": "user", "content": [
            {"type": "input_text", "text": "hi"}, {"type": "input_image", "image_url": "https://h/a.png"}]}]}),
    );
    case(
        "responses: document",
        request_with(|request| {
            let native = Native::new(WIRE, Json::from(json!({"filename": "a.pdf"})));
            let file = Media::from_url("data:application/pdf;base64,AAAA");
            request.messages[0].parts.extend([Part::Document(file), Part::Fields(native)]);
        }),
        json!({"input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}]}]}),
    );
    case("responses: tool", base_request().tool(weather()), json!({"tools": weather_tools()}));
    case(
        "responses: strict tool",
        base_request().tool(weather().with_strict(true)),
        json!({"tools": [{"type": "function", "name": "weather", "description": "Tells the weather.", "parameters": schema(), "strict": true}]}),
    );
    for (name, choice, word) in [
        ("responses: any tool", ToolChoice::Required, json!("required")),
        ("responses: no tool", ToolChoice::None, json!("none")),
        ("responses: model decides", ToolChoice::Auto, json!("auto")),
        (
            "responses: this tool",
            ToolChoice::Named("weather".into()),
            json!({"type": "function", "name": "weather"}),
        ),
    ] {
        let request = request_with(|request| {
            request.tools.push(weather());
            request.tool_choice = Some(choice);
        });
        case(name, request, json!({"tools": weather_tools(), "tool_choice": word}));
    }
    case(
        "responses: one tool at a time",
        request_with(|request| {
            request.tools.push(weather());
            request.parallel_tools = Some(false);
        }),
        json!({"tools": weather_tools(), "parallel_tool_calls": false}),
    );
    let call = Part::ToolCall(ToolCall::new("a", "weather", r#"{"city":"Ulm"}"#));
    case(
        "responses: tool results",
        base_request()
            .tool(weather())
            .message(Message::new(Role::Assistant, vec![call]))
            .message(Message::tool(ToolResult::new("a", "rain"))),
        json!({"tools": weather_tools(), "input": [
            {"role": "user", "content": "hi"},
            {"type": "function_call", "call_id": "a", "name": "weather", "arguments": r#"{"city":"Ulm"}"#},
            {"type": "function_call_output", "call_id": "a", "output": "rain"}]}),
    );
    case(
        "responses: JSON",
        base_request().output(OutputFormat::JsonObject),
        json!({"text": {"format": {"type": "json_object"}}}),
    );
    case(
        "responses: schema",
        base_request().output(OutputFormat::JsonSchema {
            name: "place".into(),
            schema: Json::from(schema()),
            strict: true,
        }),
        json!({"text": {"format": {"type": "json_schema", "name": "place", "schema": schema(), "strict": true}}}),
    );
    case(
        "responses: effort and its own",
        {
            let mut request = extras(&[("reasoning", json!({"summary": "auto"}))]);
            request.reasoning_effort = Some("low".into());
            request
        },
        json!({"reasoning": {"effort": "low", "summary": "auto"}}),
    );
    case(
        "responses: user",
        request_with(|request| request.end_user = Some("u1".into())),
        json!({"user": "u1"}),
    );
    case(
        "responses: kept nowhere",
        extras(&[("store", json!(false)), ("include", json!(["reasoning.encrypted_content"]))]),
        json!({"store": false, "include": ["reasoning.encrypted_content"]}),
    );
    case(
        "responses: its own tools",
        request_with(|request| {
            let tool = json!({"type": "web_search"});
            request.native_tools.push(Native::new(WIRE, Json::from(tool)));
        }),
        json!({"tools": [{"type": "web_search"}]}),
    );
    all
}
