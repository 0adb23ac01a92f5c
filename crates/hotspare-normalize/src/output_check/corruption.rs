//! Answers corrupted the way models do it, for more than 200 schemas: if the meaning is unambiguous the original is
//! restored, and otherwise the answer is rejected.

use std::sync::Arc;

use hotspare_core::{FinishReason, Json};
use serde_json::{Map, Value};

use super::OutputCheck;
use crate::JsonSchema;
use crate::validate::Validator;

struct Case {
    from: String,
    schema: Arc<JsonSchema>,
    valid: Vec<Value>,
    invalid: Vec<Value>,
}

fn cases() -> Vec<Case> {
    let lines = include_str!("schemas.jsonl").lines();
    let cases = lines.filter_map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let list = |name: &str| line[name].as_array().cloned().unwrap_or_default();
        // Schemas with references that leave the schema or are not JSON pointers are refused on purpose.
        let schema = JsonSchema::compile(&Json::from(&line["schema"])).ok()?;
        Some(Case {
            from: format!("{} {}", line["from"], line["schema"]),
            schema: Arc::new(schema),
            valid: list("valid"),
            invalid: list("invalid"),
        })
    });
    cases.collect()
}

fn check(case: &Case) -> OutputCheck {
    OutputCheck::validated(Arc::clone(&case.schema) as Arc<dyn Validator>)
}

/// Whether a text without its last bracket could continue in more than one way: a number may have more digits, and an
/// object that has just been opened may hold anything.
fn is_ambiguous_prefix(text: &str) -> bool {
    text[..text.len() - 1].ends_with(|last: char| last.is_ascii_digit() || last == '{')
}

/// All corruptions that can be undone, as far as they apply to the text.
fn repairable(text: &str) -> Vec<(&'static str, FinishReason, String)> {
    let mut corruptions = vec![
        ("fence", FinishReason::Stop, format!("```json\n{text}\n```")),
        ("bare fence", FinishReason::Stop, format!("```\n{text}\n```")),
        ("prose before", FinishReason::Stop, format!("Here is the answer:\n\n{text}")),
        ("prose around", FinishReason::Stop, format!("Sure! {text}\nIs there anything else?")),
    ];
    if text != "{}" {
        corruptions.push(("trailing comma", FinishReason::Stop, format!("{},}}", &text[..text.len() - 1])));
    }
    if !is_ambiguous_prefix(text) {
        corruptions.push(("cut close", FinishReason::Length, text[..text.len() - 1].to_owned()));
    }
    if text.contains('"') && !text.contains(['\'', '\\']) {
        let single = text.replace('"', "'");
        corruptions.push(("single quotes", FinishReason::Stop, single.clone()));
        if !["true", "false", "null"].iter().any(|word| text.contains(&format!("{word}\""))) {
            let python =
                single.replace(":true", ": True").replace(":false", ": False").replace(":null", ": None");
            corruptions.push(("python", FinishReason::Stop, python));
        }
    }
    corruptions
}

/// Corruptions that cannot be undone without guessing.
fn irreparable(text: &str) -> Vec<(&'static str, FinishReason, String)> {
    let cut = text[..text.len() - 1].to_owned();
    let mut broken = vec![
        ("cut without a reason", FinishReason::Stop, cut.clone()),
        ("no opening", FinishReason::Stop, text[1..].to_owned()),
        ("twice", FinishReason::Stop, format!("{text}{text}")),
        ("words", FinishReason::Stop, "I would rather not.".to_owned()),
        ("nothing", FinishReason::Stop, String::new()),
    ];
    if is_ambiguous_prefix(text) {
        broken.push(("cut where it may continue", FinishReason::Length, cut));
    }
    broken
}

#[test]
fn repairable_corruption_is_undone() {
    let cases = cases();
    for case in &cases {
        let check = check(case);
        for instance in &case.valid {
            let text = instance.to_string();
            assert_eq!(check.check(&text, &FinishReason::Stop), Ok(None), "{}", case.from);
            for (how, finish, text) in repairable(&text) {
                let repaired = check.check(&text, &finish);
                let repaired =
                    repaired.unwrap_or_else(|why| panic!("{how}: {why:?} in {text} for {}", case.from));
                let repaired = repaired.unwrap_or_else(|| panic!("{how}: {text} is already JSON"));
                let value: Value = serde_json::from_str(&repaired.text).unwrap();
                assert_eq!(value, *instance, "{how}: {text}");
                assert!(!repaired.repairs.is_empty(), "{how}");
            }
        }
    }
    assert!(cases.len() >= 200, "{}", cases.len());
}

#[test]
fn irreparable_corruption_is_rejected() {
    for case in &cases() {
        let check = check(case);
        for instance in &case.valid {
            for (how, finish, text) in irreparable(&instance.to_string()) {
                assert!(check.check(&text, &finish).is_err(), "{how}: {text} for {}", case.from);
            }
        }
        for instance in &case.invalid {
            // A key in another spelling is repaired and noted; nothing else passes, and what passes conforms.
            match check.check(&instance.to_string(), &FinishReason::Stop) {
                Err(violations) => assert!(!violations.is_empty(), "{}", case.from),
                Ok(None) => panic!("{instance} passes unchanged for {}", case.from),
                Ok(Some(repaired)) => {
                    let value: Value = serde_json::from_str(&repaired.text).unwrap();
                    assert!(case.schema.validate(&value).is_ok(), "{value} for {}", case.from);
                }
            }
        }
    }
}

#[test]
fn respelled_keys_are_restored() {
    let mut seen = 0;
    for case in cases().iter().filter(|case| case.from.starts_with("\"own/")) {
        let check = check(case);
        let respelled: [fn(&str) -> String; 3] =
            [str::to_uppercase, |key| key.replace('_', "-"), |key| key.replace('_', "")];
        for (instance, spell) in
            case.valid.iter().flat_map(|instance| respelled.map(|spell| (instance, spell)))
        {
            let text = respell(instance, spell).to_string();
            if let Some(repaired) = check.check(&text, &FinishReason::Stop).unwrap() {
                let value: Value = serde_json::from_str(&repaired.text).unwrap();
                assert_eq!(value, *instance, "{text}");
                seen += 1;
            }
        }
    }
    assert!(seen > 100, "{seen}");
}

fn respell(value: &Value, spell: fn(&str) -> String) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: Map<String, Value> =
                fields.iter().map(|(key, value)| (spell(key), respell(value, spell))).collect();
            Value::Object(fields)
        }
        Value::Array(items) => items.iter().map(|item| respell(item, spell)).collect(),
        other => other.clone(),
    }
}
