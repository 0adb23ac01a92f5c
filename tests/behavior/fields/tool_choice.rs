//! Choices among tools where there may be none, on every wire.
//!
//! Invariant: a demanded call is sent or refused, and never dropped.

use hotspare::{ChatRequest, Json, Kind, Native, ToolChoice};
use serde_json::{Value, json};

use super::{Case, cases, send};

/// A request without tools.
fn bare(choice: ToolChoice) -> ChatRequest {
    ChatRequest::to("chat").user("x").tool_choice(choice)
}

fn demands() -> [ToolChoice; 2] {
    [ToolChoice::Required, ToolChoice::Named("f".into())]
}

#[tokio::test]
async fn a_demanded_call_without_tools_is_the_mistake_of_the_caller_on_every_wire() {
    for case in cases() {
        for choice in demands() {
            let sent = send(&case, bare(choice.clone())).await;
            assert_eq!((sent.kind, sent.body), (Kind::InvalidRequest, None), "{} {choice:?}", case.label);
        }
        for choice in [ToolChoice::Auto, ToolChoice::None] {
            let sent = send(&case, bare(choice.clone())).await;
            assert!(sent.body.is_some(), "{} {choice:?}", case.label);
        }
    }
}

/// A field of the wire's own that brings the tool `f`, unless it has none.
fn own_tools(case: &Case) -> Option<(&'static str, Value)> {
    let schema = json!({"type": "object"});
    Some(match case.wire {
        hotspare_openai::WIRE => {
            ("tools", json!([{"type": "function", "function": {"name": "f", "parameters": schema}}]))
        }
        hotspare_openai::RESPONSES_WIRE => {
            ("tools", json!([{"type": "function", "name": "f", "parameters": schema}]))
        }
        hotspare_anthropic::WIRE => ("tools", json!([{"name": "f", "input_schema": schema}])),
        hotspare_gemini::WIRE => ("tools", json!([{"functionDeclarations": [{"name": "f"}]}])),
        hotspare_cohere::WIRE => ("tools", json!([{"type": "function", "function": {"name": "f"}}])),
        // Its own field holds the choice too.
        _ => return None,
    })
}

#[tokio::test]
async fn a_demanded_call_of_tools_in_the_wires_own_field_is_sent_or_refused() {
    for case in cases() {
        let Some((field, tools)) = own_tools(&case) else { continue };
        let plain = bare(ToolChoice::Auto).required_extra(case.wire, field, tools.clone());
        let plain = send(&case, plain).await.body;
        for choice in demands().into_iter().chain([ToolChoice::None]) {
            let request = bare(choice.clone()).required_extra(case.wire, field, tools.clone());
            let sent = send(&case, request).await;
            let refused = sent.kind == Kind::Unsupported;
            assert!(refused || (sent.body.is_some() && sent.body != plain), "{} {choice:?}", case.label);
        }
    }
}

#[tokio::test]
async fn a_choice_among_native_tools_is_sent_or_refused() {
    for case in cases() {
        let with = |choice| {
            let mut request = bare(choice);
            let raw = Json::parse(r#"{"type":"MARK"}"#).unwrap();
            request.native_tools.push(Native::new(case.wire, raw));
            request
        };
        let plain = send(&case, with(ToolChoice::Auto)).await.body;
        for choice in demands().into_iter().chain([ToolChoice::None]) {
            let sent = send(&case, with(choice.clone())).await;
            let refused = sent.body.is_none() && sent.kind != Kind::InvalidRequest;
            assert!(refused || (sent.body.is_some() && sent.body != plain), "{} {choice:?}", case.label);
        }
    }
}

/// A field that brings no tool, on the wires that have one beside `tools`.
#[tokio::test]
async fn fields_without_tools_offer_none() {
    for case in cases() {
        for field in ["tools", "mcp_servers", "prompt", "toolConfig"] {
            for empty in [json!(null), json!([])] {
                let request = bare(ToolChoice::Required).extra(case.wire, field, empty.clone());
                let sent = send(&case, request).await;
                assert_eq!(sent.kind, Kind::InvalidRequest, "{} {field} {empty}", case.label);
            }
        }
    }
}

#[tokio::test]
async fn tools_in_another_wires_field_leave_a_demanded_call_to_that_wire() {
    for case in cases() {
        for other in cases().iter().filter(|other| other.wire != case.wire) {
            let Some((field, tools)) = own_tools(other) else { continue };
            for choice in demands() {
                let request = bare(choice).extra(other.wire, field, tools.clone());
                let sent = send(&case, request).await;
                assert_eq!(
                    (sent.kind, sent.body),
                    (Kind::Unsupported, None),
                    "{} {}",
                    case.label,
                    other.wire
                );
            }
        }
    }
}
