//! A schema is requested in a form that each provider accepts, and a spare accepts it as well as the main target.

use hotspare::{ChatRequest, Client, Json, OutputFormat, Tool, ToolChoice};
use hotspare_chaos::{ChaosServer, Settings, WireFormat};

/// Wires whose providers refuse schemas that break their rules.
const WIRES: [WireFormat; 4] =
    [WireFormat::Anthropic, WireFormat::Bedrock, WireFormat::OpenAi, WireFormat::Responses];

const GOOD: &str = r#"{"severity": 2, "owner": "ops"}"#;

#[derive(Debug, PartialEq, serde::Deserialize, schemars::JsonSchema)]
struct Triage {
    severity: u8,
    owner: String,
    ticket: Option<String>,
}

/// A client with one target at a server that answers in these words, and forced calls with the same arguments.
async fn client(wire: WireFormat) -> (ChaosServer, Client) {
    let server = ChaosServer::start(Settings::new(wire).answer([GOOD]).arguments([GOOD])).await.unwrap();
    let endpoint = hotspare_tests::endpoint(&server, wire);
    let client = Client::builder().target("chat", endpoint).build().unwrap();
    (server, client)
}

#[tokio::test]
async fn typed_answers_are_requested_with_a_schema_that_each_wire_accepts() {
    for wire in WIRES {
        let (_server, client) = client(wire).await;
        let answer = client.chat_as::<Triage>(ChatRequest::to("chat").user("x")).await;
        let answer = answer.unwrap_or_else(|error| panic!("{wire:?}: {error}"));
        assert_eq!(answer.value, Triage { severity: 2, owner: "ops".into(), ticket: None }, "{wire:?}");
        let notes = &answer.trail.attempts[0].notes;
        assert!(notes.iter().any(|note| note.contains("minimum ×1")), "{wire:?}: {notes:?}");
    }
}

#[tokio::test]
async fn a_schema_that_need_not_be_enforced_is_accepted_by_each_wire() {
    let text = r#"{"type":"object","properties":{"severity":{"type":"integer","minimum":1},"owner":{"type":"string"}}}"#;
    let output =
        OutputFormat::JsonSchema { name: "n".into(), schema: Json::parse(text).unwrap(), strict: false };
    for wire in WIRES {
        let (_server, client) = client(wire).await;
        let answer = client.chat(ChatRequest::to("chat").user("x").output(output.clone())).await;
        let answer = answer.unwrap_or_else(|error| panic!("{wire:?}: {error}"));
        assert_eq!((answer.text().as_str(), answer.trail.attempts.len()), (GOOD, 1), "{wire:?}");
    }
}

#[tokio::test]
async fn a_schema_that_a_wire_cannot_express_is_requested_without_enforcement() {
    let map = r#"{"type":"object","additionalProperties":{"type":["integer","string"]}}"#;
    let merged = r#"{"type":"object","allOf":[{"properties":{"owner":{"type":"string","maxLength":3}}}]}"#;
    let any = r#"{"anyOf":[{"type":"object","properties":{"owner":{"type":"string"}}},{"type":"null"}]}"#;
    let tree = r##"{"type":"object","properties":{"owner":{"type":"string"},"teams":{"type":"array","items":{"$ref":"#"}},
                 "severity":{"type":"integer"}},"required":["owner"],"additionalProperties":false}"##;
    let (tool, prompt) = ("the schema is requested as a tool call", "the schema is requested in the prompt");
    for (text, how) in [(map, tool), (merged, prompt), (any, prompt), (tree, tool)] {
        for (wire, strict) in WIRES.into_iter().flat_map(|wire| [(wire, true), (wire, false)]) {
            let schema = Json::parse(text).unwrap();
            let output = OutputFormat::JsonSchema { name: "n".into(), schema, strict };
            let (_server, client) = client(wire).await;
            let answer = client.chat(ChatRequest::to("chat").user("x").output(output)).await;
            let answer = answer.unwrap_or_else(|error| panic!("{wire:?}, {text}: {error}"));
            let value: serde_json::Value = serde_json::from_str(&answer.text()).unwrap();
            assert_eq!(value, serde_json::json!({"severity": 2, "owner": "ops"}), "{wire:?}");
            assert_eq!(answer.trail.attempts.len(), 1, "{wire:?}");
            let notes = &answer.trail.attempts[0].notes;
            let enforced = matches!(wire, WireFormat::Anthropic | WireFormat::Bedrock);
            assert_eq!(notes.iter().any(|note| note == how), enforced, "{wire:?}, {text}: {notes:?}");
            let why = notes.iter().any(|note| note.starts_with("the schema cannot be enforced there ("));
            let refused = enforced || (strict && text != tree);
            assert_eq!(why, refused, "{wire:?}, {text}: {notes:?}");
        }
    }
}

#[tokio::test]
async fn strict_tools_are_sent_with_a_schema_that_each_wire_accepts() {
    let open = r#"{"type":"object","properties":{"severity":{"type":"integer"}},"required":["severity"]}"#;
    let bounded = open.replace(r#""integer""#, r#""integer","minimum":1"#);
    let optional = open.replace(r#","required":["severity"]"#, "");
    let map = r#"{"type":"object","additionalProperties":{"type":["integer","string"]}}"#;
    let nowhere = "tool f: its schema cannot be enforced there (an object with names that are not fixed)";
    let closed = "tool f, schema: closed objects (1)";
    let removed = "tool f, schema: removed what the provider does not enforce (minimum ×1)";
    let unfit = "tool f: its schema cannot be enforced there (optional arguments)";
    for wire in WIRES {
        let all_required = matches!(wire, WireFormat::OpenAi | WireFormat::Responses);
        for (schema, note) in [
            (open, closed),
            (&bounded, removed),
            (&optional, if all_required { unfit } else { closed }),
            (map, nowhere),
        ] {
            let (_server, client) = client(wire).await;
            let tool = Tool::new("f", Json::parse(schema).unwrap()).with_strict(true);
            let request = ChatRequest::to("chat").user("x").tool(tool).tool_choice(ToolChoice::Required);
            let answer = client.chat(request).await;
            let answer = answer.unwrap_or_else(|error| panic!("{wire:?}, {schema}: {error}"));
            assert_eq!((answer.tool_calls().count(), answer.trail.attempts.len()), (1, 1), "{wire:?}");
            let notes = &answer.trail.attempts[0].notes;
            assert!(notes.iter().any(|one| one == note), "{wire:?}, {schema}: {notes:?}");
        }
    }
}
