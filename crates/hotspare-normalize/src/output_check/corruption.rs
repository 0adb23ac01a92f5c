//! Answers corrupted the way models do it, for more than 200 schemas: if the meaning is unambiguous the original is
//! restored, by every kind of repair, and otherwise the answer is rejected.

use std::collections::BTreeMap;
use std::sync::Arc;

use hotspare_core::{FinishReason, Json};
use serde_json::{Map, Value};

use super::OutputCheck;
use crate::JsonSchema;
use crate::repair::Repair;
use crate::validate::Validator;

struct Case {
    from: String,
    source: Value,
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
            source: line["schema"].clone(),
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

/// The first text among the values, at any depth.
fn first_text(value: &mut Value) -> Option<&mut String> {
    match value {
        Value::String(text) => Some(text),
        Value::Array(items) => items.iter_mut().find_map(first_text),
        Value::Object(fields) => fields.values_mut().find_map(first_text),
        _ => None,
    }
}

/// An answer with something in its first text that models spell wrongly, as it should read and as it is written.
fn misspelled(case: &Case, instance: &Value) -> Vec<(&'static str, Value, String)> {
    let spellings = [("line break", "\n", "\\n", "\n"), ("apostrophe", "it's", "it's", "it\\'s")];
    let spelled = spellings.into_iter().filter_map(|(how, meant, json, written)| {
        let mut instance = instance.clone();
        first_text(&mut instance)?.push_str(meant);
        case.schema.validate(&instance).ok()?;
        let text = instance.to_string().replace(json, written);
        Some((how, instance, text))
    });
    spelled.collect()
}

/// An answer with null for a property that it lacks, where the schema does not allow null.
fn with_nulls(case: &Case, instance: &Value) -> Vec<Value> {
    let Some(properties) = case.source["properties"].as_object() else { return Vec::new() };
    let typed = properties.iter().filter(|(name, schema)| {
        schema["type"].is_string() && schema["type"] != "null" && instance.get(name.as_str()).is_none()
    });
    let with_null = typed.map(|(name, _)| {
        let mut instance = instance.clone();
        instance[name] = Value::Null;
        instance
    });
    with_null.filter(|instance| case.schema.validate(instance).is_err()).collect()
}

#[test]
fn repairable_corruption_is_undone() {
    let cases = cases();
    let mut exercised = 0;
    let mut made: BTreeMap<Repair, u32> = BTreeMap::new();
    let mut restored = |case: &Case, how: &str, finish: &FinishReason, text: &str, instance: &Value| {
        let repaired = check(case).check(text, finish);
        let repaired = repaired.unwrap_or_else(|why| panic!("{how}: {why:?} in {text} for {}", case.from));
        let repaired = repaired.unwrap_or_else(|| panic!("{how}: {text} is already right"));
        let value: Value = serde_json::from_str(&repaired.text).unwrap();
        assert_eq!(value, *instance, "{how}: {text} for {}", case.from);
        assert!(!repaired.repairs.is_empty(), "{how}");
        repaired.repairs.iter().for_each(|repair| *made.entry(*repair).or_default() += 1);
    };
    for case in &cases {
        exercised += usize::from(!case.valid.is_empty());
        for instance in &case.valid {
            let text = instance.to_string();
            assert_eq!(check(case).check(&text, &FinishReason::Stop), Ok(None), "{}", case.from);
            for (how, finish, text) in repairable(&text) {
                restored(case, how, &finish, &text, instance);
            }
            for (how, instance, text) in misspelled(case, instance) {
                restored(case, how, &FinishReason::Stop, &text, &instance);
            }
            for with_null in with_nulls(case, instance) {
                restored(case, "null", &FinishReason::Stop, &with_null.to_string(), instance);
            }
            let text = respell(instance, str::to_uppercase).to_string();
            let own = case.from.starts_with("\"own/");
            if own && check(case).check(&text, &FinishReason::Stop).is_ok_and(|repaired| repaired.is_some()) {
                restored(case, "key", &FinishReason::Stop, &text, instance);
            }
        }
    }
    assert!(exercised >= 200, "{exercised} schemas with a valid answer");
    let least = made.values().min();
    assert!(made.len() == 10 && least.is_some_and(|least| *least >= 10), "{made:?}");
}

/// A valid answer without one of its properties, or with a property of another type, as far as that is invalid.
fn spoiled(case: &Case, instance: &Value) -> Vec<Value> {
    let Some(fields) = instance.as_object() else { return Vec::new() };
    let mut spoiled = Vec::new();
    for (name, value) in fields {
        let mut without = fields.clone();
        without.remove(name);
        spoiled.push(Value::Object(without));
        for other in [Value::from(7), Value::from("seven"), Value::from(true), serde_json::json!([[]])] {
            if std::mem::discriminant(&other) != std::mem::discriminant(value) {
                let mut changed = fields.clone();
                changed.insert(name.clone(), other);
                spoiled.push(Value::Object(changed));
            }
        }
    }
    spoiled.retain(|instance| case.schema.validate(instance).is_err());
    spoiled
}

#[test]
fn answers_with_a_missing_property_or_one_of_another_type_are_rejected() {
    let (mut rejected, mut schemas) = (0, 0);
    for case in &cases() {
        let check = check(case);
        let spoiled: Vec<Value> = case.valid.iter().flat_map(|instance| spoiled(case, instance)).collect();
        schemas += usize::from(!spoiled.is_empty());
        for instance in spoiled {
            let text = instance.to_string();
            for text in [text.clone(), format!("```json\n{text}\n```")] {
                let read = check.check(&text, &FinishReason::Stop);
                assert!(read.is_err(), "{text} passes for {}: {read:?}", case.from);
                rejected += 1;
            }
        }
    }
    assert!(schemas >= 80 && rejected >= 1_000, "{rejected} answers for {schemas} schemas");
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
