//! Generated content.

use hotspare_core::{
    ChatRequest, Json, Media, Message, Native, OutputFormat, Part, Role, Tool, ToolCall, ToolChoice,
    ToolResult,
};
use serde_json::{Value, json};

use super::{Case, base_request, request_with};

fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}})
}

fn weather() -> Tool {
    Tool::new("weather", schema()).with_description("Tells the weather.")
}

fn weather_tools() -> Value {
    json!([{"function_declarations": [{"name": "weather", "description": "Tells the weather.", "parameters_json_schema": schema()}]}])
}

pub(super) fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    let mut case = |name, request, config: Value, contents: Value| {
        let contents = if contents.is_null() { json!("hi") } else { contents };
        let args = json!({"model": "m", "contents": contents, "config": config});
        all.push(Case { name, sdk: "google", call: "models.generate_content", args, request, stream: false });
    };
    let nothing = || Value::Null;
    case("content: plain", base_request(), json!({}), nothing());
    case(
        "content: instructions and settings",
        {
            let mut request = ChatRequest::to("r").system("Be brief.").user("hi").max_output(64);
            let sampling = &mut request.sampling;
            (sampling.temperature, sampling.top_p, sampling.top_k) = (Some(0.5), Some(0.9), Some(5));
            (sampling.presence_penalty, sampling.frequency_penalty) = (Some(0.5), Some(0.25));
            sampling.seed = Some(7);
            request.stop = vec!["a".into()];
            request
        },
        json!({"system_instruction": "Be brief.", "max_output_tokens": 64, "temperature": 0.5, "top_p": 0.9, "top_k": 5,
            "presence_penalty": 0.5, "frequency_penalty": 0.25, "seed": 7, "stop_sequences": ["a"]}),
        nothing(),
    );
    case(
        "content: turns",
        base_request().assistant("hello").user("and?"),
        json!({}),
        json!([{"role": "user", "parts": [{"text": "hi"}]}, {"role": "model", "parts": [{"text": "hello"}]},
            {"role": "user", "parts": [{"text": "and?"}]}]),
    );
    case(
        "content: image as bytes",
        request_with(|request| {
            request.messages[0].parts.push(Part::Image(Media::from_url("data:image/png;base64,AAAA")));
        }),
        json!({}),
        json!([{"role": "user", "parts": [{"text": "hi"}, {"inline_data": {"mime_type": "image/png", "data": "AAAA"}}]}]),
    );
    case("content: tool", base_request().tool(weather()), json!({"tools": weather_tools()}), nothing());
    for (name, choice, config) in [
        ("content: any tool", ToolChoice::Required, json!({"mode": "ANY"})),
        ("content: no tool", ToolChoice::None, json!({"mode": "NONE"})),
        ("content: model decides", ToolChoice::Auto, json!({"mode": "AUTO"})),
        (
            "content: this tool",
            ToolChoice::Named("weather".into()),
            json!({"mode": "ANY", "allowed_function_names": ["weather"]}),
        ),
    ] {
        let request = request_with(|request| {
            request.tools.push(weather());
            request.tool_choice = Some(choice);
        });
        let config = json!({"tools": weather_tools(), "tool_config": {"function_calling_config": config}});
        case(name, request, config, nothing());
    }
    case(
        "content: tool result",
        base_request()
            .message(Message::new(
                Role::Assistant,
                vec![Part::ToolCall(ToolCall::new("a", "weather", r#"{"city":"Ulm"}"#))],
            ))
            .message(Message::tool(ToolResult::new("a", "rain"))),
        json!({}),
        json!([{"role": "user", "parts": [{"text": "hi"}]},
            {"role": "model", "parts": [{"function_call": {"id": "a", "name": "weather", "args": {"city": "Ulm"}}}]},
            {"role": "user", "parts": [{"function_response": {"id": "a", "name": "weather", "response": {"output": "rain"}}}]}]),
    );
    case(
        "content: schema",
        base_request().output(OutputFormat::JsonSchema {
            name: "place".into(),
            schema: Json::from(schema()),
            strict: true,
        }),
        json!({"response_mime_type": "application/json", "response_json_schema": schema()}),
        nothing(),
    );
    case(
        "content: JSON",
        base_request().output(OutputFormat::JsonObject),
        json!({"response_mime_type": "application/json"}),
        nothing(),
    );
    case(
        "content: tools that the provider runs",
        request_with(|request| {
            request
                .native_tools
                .push(Native::new(hotspare_gemini::WIRE, Json::from(json!({"googleSearch": {}}))));
        }),
        json!({"tools": [{"google_search": {}}]}),
        nothing(),
    );
    all
}
