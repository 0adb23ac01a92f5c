//! What the derived fields tell apart.

use serde_json::{Value, json};

use super::AcceptedFields;

fn body() -> Value {
    json!({
        "model": "m",
        "temperature": 0.5,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Look here."}, {"type": "image", "url": "https://x"}]},
            {"role": "assistant", "content": "Yes, it is."},
        ],
        "tools": [{"type": "function", "parameters": {"properties": {"city": {"type": "string"}}}}],
        "tool_choice": {"type": "auto"},
        "verbosity": "low",
    })
}

/// What is found in the body after a change, given that it was accepted unchanged.
fn found(change: impl Fn(&mut Value)) -> Vec<String> {
    let accepted = AcceptedFields::of(std::iter::repeat_n(body(), 40));
    let mut changed = body();
    change(&mut changed);
    accepted.violations(&changed)
}

#[test]
fn what_was_accepted_is_found_right_whatever_its_texts_and_schemas_hold() {
    let change = |body: &mut Value| {
        body["model"] = "another".into();
        body["temperature"] = 1.into();
        body["messages"][0]["content"][0]["text"] = "Another text.".into();
        body["tools"][0]["parameters"] = json!({"properties": {}, "required": []});
    };
    assert_eq!(found(change), [""; 0]);
}

#[test]
fn an_invented_field_is_found_at_every_depth() {
    assert_eq!(found(|body| body["top_q"] = 1.into()), ["top_q: unknown"]);
    let deep = |body: &mut Value| body["messages"][0]["content"][0]["mood"] = "good".into();
    assert_eq!(found(deep), ["messages[user].content[text].mood: unknown"]);
}

#[test]
fn a_wrong_type_is_found() {
    assert_eq!(found(|body| body["temperature"] = "0.5".into()), ["temperature: text"]);
    let null = |body: &mut Value| body["messages"][1]["content"] = Value::Null;
    assert_eq!(found(null), ["messages[assistant].content: null"]);
}

#[test]
fn a_field_of_one_kind_is_no_field_of_another() {
    let moved = |body: &mut Value| body["messages"][0]["content"][0]["url"] = "https://x".into();
    assert_eq!(found(moved), ["messages[user].content[text].url: unknown"]);
}

#[test]
fn an_invented_kind_and_an_invented_word_are_found() {
    let kind = |body: &mut Value| body["messages"][0]["content"][1]["type"] = "film".into();
    assert_eq!(found(kind), ["messages[user].content[film]: unknown"]);
    assert_eq!(
        found(|body| body["tool_choice"]["type"] = "any".into()),
        ["tool_choice{any}: unknown", "tool_choice: missing"][..1]
    );
    assert_eq!(found(|body| body["verbosity"] = "huge".into()), ["verbosity: \"huge\""]);
}

#[test]
fn a_field_that_all_accepted_requests_had_is_missed() {
    let remove = |body: &mut Value| {
        body["messages"][1].as_object_mut().unwrap().remove("content");
    };
    assert_eq!(found(remove), ["messages[assistant].content: missing"]);
}
