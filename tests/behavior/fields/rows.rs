//! The fields of a request, each set in a conversation that all wires can express.
//!
//! Not the judgement: see the module above. Invariant: a row sets one field.

use hotspare::{
    ChatRequest, Media, Message, Native, Origin, OutputFormat, Part, Reasoning, Role, Signature, Tool,
    ToolCall, ToolChoice, ToolResult,
};
use serde_json::{Value, json};

/// A conversation with one of everything that all wires have.
pub(super) fn plain_request() -> ChatRequest {
    let call = Part::ToolCall(ToolCall::new("callone11", "look_up", r#"{"city":"Oslo"}"#));
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    ChatRequest::to("chat")
        .system("Be brief.")
        .user("Rain in Oslo?")
        .message(Message::new(Role::Assistant, vec![Part::from("I look."), call]))
        .message(Message::tool(ToolResult::new("callone11", "rain all day")))
        .user("And tomorrow?")
        .tool(Tool::new("look_up", schema).with_description("The weather"))
        .max_output(500)
}

const SYSTEM: usize = 0;
const USER: usize = 1;
const ASSISTANT: usize = 2;
const RESULT: usize = 3;
const ANOTHER_WIRE: &str = "another-wire";

/// Shown as it is in a body that honours the field.
pub(super) enum Shown {
    /// This text.
    Text(&'static str),
    /// By any difference from the body without it.
    Difference,
    /// By a role of its own for a later instruction.
    Role(&'static str),
}

pub(super) struct Row {
    /// The fields and variants that it covers.
    pub(super) covers: &'static [&'static str],
    pub(super) what: &'static str,
    pub(super) shown: Shown,
    /// Sets the field, for a target of this wire.
    pub(super) set: fn(&mut ChatRequest, &str),
}

fn part(request: &mut ChatRequest, message: usize, part: Part) {
    request.messages[message].parts.push(part);
}

fn result_parts(request: &mut ChatRequest) -> &mut ToolResult {
    match &mut request.messages[RESULT].parts[0] {
        Part::ToolResult(result) => result,
        other => panic!("{other:?}"),
    }
}

fn marked(wire: &str, value: Value) -> Native {
    Native::new(wire, value.into())
}

fn signed(origin: &str, text: &str) -> Part {
    let data = "c2lnbmF0dXJl".to_owned();
    let signature = Signature { origin: Origin(origin.into()), data, redacted: text.is_empty() };
    Part::Reasoning(Reasoning::new(text).with_signature(signature))
}

pub(super) fn rows() -> Vec<Row> {
    use Shown::{Difference, Text};
    let row = |covers, what, shown, set| Row { covers, what, shown, set };
    vec![
        row(
            &["ChatRequest.messages", "Message.parts", "Part.text", "Role.user"],
            "a turn",
            Text("MARK"),
            |r, _| {
                r.messages.push(Message::user("MARK"));
            },
        ),
        row(&["Role.assistant"], "a beginning of the answer", Text("MARK"), |r, _| {
            r.messages.push(Message::assistant("MARK"));
        }),
        row(&["ChatRequest.tools", "Tool.name"], "a tool", Text("MARK"), |r, _| {
            r.tools.push(Tool::new("MARK", json!({"type": "object", "properties": {}})));
        }),
        row(&["Tool.description"], "a tool's description", Text("MARK"), |r, _| {
            r.tools[0].description = Some("MARK".into());
        }),
        row(&["Tool.parameters"], "a tool's parameters", Text("MARK"), |r, _| {
            r.tools[0].parameters =
                json!({"type": "object", "properties": {"MARK": {"type": "string"}}}).into();
        }),
        row(&["Tool.strict"], "an enforced tool schema", Difference, |r, _| r.tools[0].strict = Some(true)),
        row(&["Tool.extras"], "a tool's field of this wire", Text("MARK"), |r, wire| {
            r.tools[0].extras.entry(wire.into()).or_default().insert("MARK".into(), json!(1).into());
        }),
        row(&["Tool.extras"], "a tool's field of another wire", Text("MARK"), |r, _| {
            r.tools[0].extras.entry(ANOTHER_WIRE.into()).or_default().insert("MARK".into(), json!(1).into());
        }),
        row(&["ChatRequest.native_tools"], "a tool of this wire", Text("MARK"), |r, wire| {
            r.native_tools.push(marked(wire, json!({"MARK": {}})));
        }),
        row(&["ChatRequest.native_tools"], "a tool of another wire", Text("MARK"), |r, _| {
            r.native_tools.push(marked(ANOTHER_WIRE, json!({"MARK": {}})));
        }),
        row(&["ChatRequest.tool_choice", "ToolChoice.none"], "no tool", Difference, |r, _| {
            r.tool_choice = Some(ToolChoice::None);
        }),
        row(&["ToolChoice.required"], "some tool", Difference, |r, _| {
            r.tool_choice = Some(ToolChoice::Required);
        }),
        row(&["ToolChoice.named"], "one tool", Difference, |r, _| {
            r.tool_choice = Some(ToolChoice::Named("look_up".into()));
        }),
        row(&["ChatRequest.parallel_tools"], "one call at a time", Difference, |r, _| {
            r.parallel_tools = Some(false);
        }),
        row(&["ChatRequest.output", "OutputFormat.json_object"], "JSON", Difference, |r, _| {
            r.output = OutputFormat::JsonObject;
        }),
        row(&["OutputFormat.json_schema"], "a schema", Text("MARK"), |r, _| {
            let schema = json!({
                "type": "object", "properties": {"MARK": {"type": "string"}}, "required": ["MARK"],
                "additionalProperties": false,
            });
            r.output =
                OutputFormat::JsonSchema { name: "answer".into(), schema: schema.into(), strict: true };
        }),
        row(&["ChatRequest.sampling", "Sampling.temperature"], "temperature", Text("0.3125"), |r, _| {
            r.sampling.temperature = Some(0.3125);
        }),
        row(&["Sampling.temperature"], "a high temperature", Text("1.9375"), |r, _| {
            r.sampling.temperature = Some(1.9375);
        }),
        row(&["Sampling.top_p"], "top_p", Text("0.8125"), |r, _| r.sampling.top_p = Some(0.8125)),
        row(&["Sampling.top_k"], "top_k", Text("1717"), |r, _| r.sampling.top_k = Some(1717)),
        row(&["Sampling.seed"], "a seed", Text("4211"), |r, _| r.sampling.seed = Some(4211)),
        row(&["Sampling.seed"], "a long seed", Text("9007199254740993"), |r, _| {
            r.sampling.seed = Some(9_007_199_254_740_993);
        }),
        row(&["Sampling.frequency_penalty"], "a penalty by frequency", Text("0.4375"), |r, _| {
            r.sampling.frequency_penalty = Some(0.4375);
        }),
        row(&["Sampling.presence_penalty"], "a penalty by presence", Text("0.4375"), |r, _| {
            r.sampling.presence_penalty = Some(0.4375);
        }),
        row(&["ChatRequest.max_output"], "a limit of the answer", Text("4321"), |r, _| {
            r.max_output = Some(4321)
        }),
        row(&["ChatRequest.stop"], "a stop sequence", Text("MARK"), |r, _| r.stop.push("MARK".into())),
        row(&["ChatRequest.stop"], "a stop sequence of white space", Text("\"\\n\\n\""), |r, _| {
            r.stop.push("\n\n".into());
        }),
        row(&["ChatRequest.reasoning_effort"], "an effort", Difference, |r, _| {
            r.reasoning_effort = Some("high".into());
        }),
        row(&["ChatRequest.reasoning_effort"], "a minimal effort", Difference, |r, _| {
            r.reasoning_effort = Some("minimal".into());
        }),
        row(&["ChatRequest.end_user"], "the end user", Text("MARK"), |r, _| r.end_user = Some("MARK".into())),
        row(&["ChatRequest.extras"], "a field of this wire", Text("MARK"), |r, wire| {
            r.extras.entry(wire.into()).or_default().insert("MARK".into(), json!(1).into());
        }),
        row(&["ChatRequest.extras"], "a field of another wire", Text("MARK"), |r, _| {
            r.extras.entry(ANOTHER_WIRE.into()).or_default().insert("MARK".into(), json!(1).into());
        }),
        row(&["Message.extras"], "a message's field of this wire", Text("MARK"), |r, wire| {
            r.messages[USER].extras.entry(wire.into()).or_default().insert("MARK".into(), json!(1).into());
        }),
        row(&["Message.extras"], "a result's message's field of this wire", Text("MARK"), |r, wire| {
            r.messages[RESULT].extras.entry(wire.into()).or_default().insert("MARK".into(), json!(1).into());
        }),
        row(&["Message.extras"], "a message's field of another wire", Text("MARK"), |r, _| {
            r.messages[USER]
                .extras
                .entry(ANOTHER_WIRE.into())
                .or_default()
                .insert("MARK".into(), json!(1).into());
        }),
        row(&["Message.name"], "a participant's name", Text("MARK"), |r, _| {
            r.messages[USER].name = Some("MARK".into());
        }),
        row(&["Message.role", "Role.system"], "a later system message", Shown::Role("MARK"), |r, _| {
            r.messages.push(Message::system("MARK"));
            r.messages.push(Message::user("And then?"));
        }),
        row(&["Role.developer"], "a later developer message", Shown::Role("MARK"), |r, _| {
            r.messages.push(Message::text(Role::Developer, "MARK"));
            r.messages.push(Message::user("And then?"));
        }),
        row(&["Role.developer"], "a leading developer message", Text("MARK"), |r, _| {
            r.messages.insert(0, Message::text(Role::Developer, "MARK"));
        }),
        row(&["Part.image", "Media.base64"], "an image", Text("TUFSSw=="), |r, _| {
            part(r, USER, Part::image_bytes("image/png", "MARK"));
        }),
        row(&["Part.image", "Media.url"], "an image by URL", Text("example.com/MARK"), |r, _| {
            part(r, USER, Part::image("https://example.com/MARK.png"));
        }),
        row(&["Part.document"], "a document", Text("TUFSSw=="), |r, _| {
            part(r, USER, Part::Document(Media::from_bytes("application/pdf", "MARK")));
        }),
        row(&["Part.document"], "a document by URL", Text("example.com/MARK"), |r, _| {
            part(r, USER, Part::Document(Media::Url("https://example.com/MARK.pdf".into())));
        }),
        row(&["Part.image"], "an image among the instructions", Text("TUFSSw=="), |r, _| {
            part(r, SYSTEM, Part::image_bytes("image/png", "MARK"));
        }),
        row(&["Part.image"], "an image by the assistant", Text("TUFSSw=="), |r, _| {
            r.messages[ASSISTANT].parts.insert(0, Part::image_bytes("image/png", "MARK"));
        }),
        row(&["Part.fields"], "a field of a text, of this wire", Text("MARK"), |r, wire| {
            part(r, USER, Part::Fields(marked(wire, json!({"own": "MARK"}))));
        }),
        row(&["Part.fields"], "a field of an instruction, of this wire", Text("MARK"), |r, wire| {
            part(r, SYSTEM, Part::Fields(marked(wire, json!({"own": "MARK"}))));
        }),
        row(&["Part.fields"], "a field of a call, of this wire", Text("MARK"), |r, wire| {
            part(r, ASSISTANT, Part::Fields(marked(wire, json!({"own": "MARK"}))));
        }),
        row(&["Part.fields"], "a field of a result, of this wire", Text("MARK"), |r, wire| {
            part(r, RESULT, Part::Fields(marked(wire, json!({"own": "MARK"}))));
        }),
        row(&["Part.fields"], "a field inside a result, of this wire", Text("MARK"), |r, wire| {
            result_parts(r).content.push(Part::Fields(marked(wire, json!({"own": "MARK"}))));
        }),
        row(&["Part.fields"], "a field of an image, of this wire", Text("MARK"), |r, wire| {
            part(r, USER, Part::image_bytes("image/png", "MARK"));
            part(r, USER, Part::Fields(marked(wire, json!({"own": "MARK"}))));
        }),
        row(&["Part.fields"], "a field of a text, of another wire", Text("MARK"), |r, _| {
            part(r, USER, Part::Fields(marked(ANOTHER_WIRE, json!({"MARK": 1}))));
        }),
        row(&["Part.fields"], "a field inside a result, of another wire", Text("MARK"), |r, _| {
            result_parts(r).content.push(Part::Fields(marked(ANOTHER_WIRE, json!({"MARK": 1}))));
        }),
        row(&["Part.native"], "a part of this wire", Text("MARK"), |r, wire| {
            part(r, USER, Part::Native(marked(wire, json!({"type": "input_MARK"}))));
        }),
        row(&["Part.native"], "a part of this wire, by the assistant", Text("MARK"), |r, wire| {
            r.messages[ASSISTANT].parts.insert(0, Part::Native(marked(wire, json!({"type": "MARK"}))));
        }),
        row(&["Part.native"], "a part of this wire, among the instructions", Text("MARK"), |r, wire| {
            part(r, SYSTEM, Part::Native(marked(wire, json!({"type": "input_MARK"}))));
        }),
        row(&["Part.native"], "a part of this wire, inside a result", Text("MARK"), |r, wire| {
            result_parts(r).content.push(Part::Native(marked(wire, json!({"type": "input_MARK"}))));
        }),
        row(&["Part.native"], "a part of another wire", Text("MARK"), |r, _| {
            part(r, USER, Part::Native(marked(ANOTHER_WIRE, json!({"type": "MARK"}))));
        }),
        row(&["Part.native"], "a part of another wire, by the assistant", Text("MARK"), |r, _| {
            r.messages[ASSISTANT]
                .parts
                .insert(0, Part::Native(marked(ANOTHER_WIRE, json!({"type": "MARK"}))));
        }),
        row(&["Part.native"], "a part of another wire, among the instructions", Text("MARK"), |r, _| {
            part(r, SYSTEM, Part::Native(marked(ANOTHER_WIRE, json!({"type": "MARK"}))));
        }),
        row(&["Part.native"], "a part of another wire, inside a result", Text("MARK"), |r, _| {
            result_parts(r).content.push(Part::Native(marked(ANOTHER_WIRE, json!({"type": "MARK"}))));
        }),
        row(&["Part.reasoning", "Reasoning.text"], "reasoning without a signature", Text("MARK"), |r, _| {
            r.messages[ASSISTANT].parts.insert(0, Part::Reasoning(Reasoning::new("MARK")));
        }),
        row(
            &["Reasoning.signature", "Signature.origin"],
            "reasoning signed elsewhere",
            Text("c2lnbmF0dXJl"),
            |r, _| {
                r.messages[ASSISTANT].parts.insert(0, signed("another", "MARK"));
            },
        ),
        row(
            &["Signature.data", "Signature.redacted"],
            "hidden reasoning from elsewhere",
            Text("c2lnbmF0dXJl"),
            |r, _| {
                r.messages[ASSISTANT].parts.insert(0, signed("another", ""));
            },
        ),
        row(&["Part.reasoning"], "reasoning in a turn of its own", Text("MARK"), |r, _| {
            r.messages.insert(
                USER + 1,
                Message::new(Role::Assistant, vec![Part::Reasoning(Reasoning::new("MARK"))]),
            );
        }),
        row(&["Part.refusal"], "a refusal", Text("MARK"), |r, _| {
            r.messages.push(Message::new(Role::Assistant, vec![Part::Refusal("MARK".into())]));
            r.messages.push(Message::user("Why?"));
        }),
        row(
            &[
                "Part.tool_call",
                "ToolCall.name",
                "ToolCall.id",
                "ToolCall.arguments",
                "Part.tool_result",
                "ToolResult.id",
                "ToolResult.content",
                "Role.tool",
            ],
            "a call",
            Text("MARK"),
            |r, _| {
                let call = Part::ToolCall(ToolCall::new("calltwo22", "look_up", r#"{"city":"MARK"}"#));
                r.messages.push(Message::new(Role::Assistant, vec![call]));
                r.messages.push(Message::tool(ToolResult::new("calltwo22", "sun")));
            },
        ),
        row(&["ToolResult.content"], "an image in a result", Text("TUFSSw=="), |r, _| {
            result_parts(r).content.push(Part::image_bytes("image/png", "MARK"));
        }),
        row(&["ToolResult.content"], "a document in a result", Text("TUFSSw=="), |r, _| {
            result_parts(r).content.push(Part::Document(Media::from_bytes("application/pdf", "MARK")));
        }),
        row(&["ToolResult.content"], "several texts in a result", Text("MARK"), |r, _| {
            result_parts(r).content.push("MARK".into());
        }),
        row(&["ToolResult.content"], "a text beside a result", Text("MARK"), |r, _| {
            part(r, RESULT, "MARK".into());
        }),
        row(&["ToolResult.is_error"], "a failed call", Difference, |r, _| result_parts(r).is_error = true),
    ]
}

/// Fields that no wire transmits, each with the reason.
pub(super) const NOT_TRANSMITTED: [&str; 7] = [
    // They tell the router what to do.
    "ChatRequest.model",
    "ChatRequest.options",
    "ChatRequest.bound",
    // Defaults: setting them asks for nothing.
    "OutputFormat.text",
    "ToolChoice.auto",
    // What a native part is, not what it says.
    "Native.wire",
    "Native.raw",
];
