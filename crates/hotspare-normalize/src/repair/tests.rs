//! What is repaired and what is not.

use super::*;
use proptest::prelude::*;
use serde_json::json;

const STOP: FinishReason = FinishReason::Stop;
const LENGTH: FinishReason = FinishReason::Length;

fn parse(text: &str) -> Result<(Value, Vec<Repair>), BadJson> {
    parse_json(text, &STOP)
}

#[test]
fn each_repair_is_reported_by_name() {
    use Repair::*;
    for (text, value, repairs) in [
        ("```json\n{\"a\": 1}\n```", json!({"a": 1}), vec![CodeFence]),
        ("~~~\n[1]\n~~~\n", json!([1]), vec![CodeFence]),
        ("`{\"a\": 1}`", json!({"a": 1}), vec![CodeFence]),
        ("```json\n{\"a\": 1}", json!({"a": 1}), vec![CodeFence]),
        ("Sure:\n```\n{\"a\": \"```\"}\n```\nDone.", json!({"a": "```"}), vec![CodeFence, Prose]),
        ("Here it is [1], see [below]: {\"a\": [2]} Enjoy!", json!({"a": [2]}), vec![Prose]),
        ("\u{feff}{\"a\": 1}", json!({"a": 1}), vec![Prose]),
        ("The list: [1, 2].", json!([1, 2]), vec![Prose]),
        ("{\"a\": [1, 2,], }", json!({"a": [1, 2]}), vec![TrailingComma, TrailingComma]),
        ("{'a': 'it\\'s \"b\"'}", json!({"a": "it's \"b\""}), vec![SingleQuotes, SingleQuotes]),
        ("{\"a\": \"it\\'s\"}", json!({"a": "it's"}), vec![EscapedApostrophe]),
        ("{\"a\": \"1\n2\t\"}", json!({"a": "1\n2\t"}), vec![ControlCharacter, ControlCharacter]),
        ("[True, False, None]", json!([true, false, null]), vec![PythonLiteral; 3]),
    ] {
        assert_eq!(parse(text).unwrap(), (value, repairs), "{text:?}");
    }
}

/// A schema may ask for one word or a number.
#[test]
fn a_scalar_is_taken_out_of_a_fence_but_not_out_of_prose() {
    for (text, value) in [
        ("```json\n\"low\"\n```", json!("low")),
        (" ```\r\n42\r\n```\n", json!(42)),
        ("~~~\ntrue\n~~~", json!(true)),
    ] {
        assert_eq!(parse(text).unwrap(), (value, vec![Repair::CodeFence]), "{text:?}");
        assert_eq!(repair_json(text, &STOP).unwrap().0, text.trim().lines().nth(1).unwrap());
    }
    for text in [
        "The answer is 42",
        "```json\nlow\n```",
        "```json\n4",
        "```\n4\n~~~",
        "So: ```\n4\n```",
        "```\n4\n5\n```",
    ] {
        assert!(parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn missing_brackets_are_closed_only_after_a_length_limit() {
    for (text, value) in [
        ("{\"a\": [true", json!({"a": [true]})),
        ("{\"a\": \"b\"", json!({"a": "b"})),
        ("{\"a\": 1 ", json!({"a": 1})),
        ("```json\n{\"a\": [[]", json!({"a": [[]]})),
    ] {
        let (read, repairs) = parse_json(text, &LENGTH).unwrap();
        assert_eq!((read, repairs.last()), (value, Some(&Repair::MissingClose)), "{text:?}");
        assert!(parse(text).is_err(), "{text:?}");
    }
    // In these the cut may have changed a value, or removed one.
    for text in
        ["{\"a\": 1", "{\"a\": \"b", "{\"a\": tru", "{\"a\"", "{\"a\":", "{\"a\": 1,", "{", "[[1], [", "[1.5"]
    {
        assert!(parse_json(text, &LENGTH).is_err(), "{text:?}");
    }
}

#[test]
fn ambiguous_text_is_rejected() {
    for text in [
        "",
        "no JSON at all",
        "\"text\" and more",
        "{\"a\": 1} {\"a\": 2}",
        "[{\"id\": 1}, {\"id\": 2}]\n{\"id\": 3}",
        "{\"id\": 3} and [[{'id': 1}]]",
        "[1] or [2]",
        "{\"a\": {\"b\": 1}",
        "\"a\": {\"b\": 1}}",
        "\"a\": {\"b\": 1}",
        "{\"a\": 1}, \"b\": 2}",
        "{\"a\": 1}]",
        "{\"a\": 1}, \"b\"",
        "{a: 1}",
        "{a: {\"b\": 1}",
        "[{a: {\"b\": 1}",
        "{\"a\": 1 \"b\": 2}",
        "{\"a\" 1}",
        "{\"a\": }",
        "{,}",
        "[1,,2]",
        "{\"a\": 'it's'}",
        "{\"a\": 01}",
        "{\"a\": 1.2.3}",
        "{\"a\": \"\\x\"}",
        "{\"a\": \"\\",
        "{\"a\": \"b}",
        "use {name} as in {\"a\": 1}",
        "{\"a\": [1, 2}",
        "{\"a\": yes}",
        "{\"a\": '\\\u{e9}'}",
    ] {
        let bad = parse(text).unwrap_err();
        assert!(bad.offset <= text.len(), "{text:?}: {bad}");
        assert_eq!(Error::from(bad).kind(), Kind::BadOutput);
    }
}

#[test]
fn repairs_keep_order_and_spacing() {
    let (json, _) = repair_json("So: {\"z\" : 1.50, 'a':[ ],}", &STOP).unwrap();
    assert_eq!(json, "{\"z\" : 1.50, \"a\":[ ]}");
    assert!(matches!(repair_json(" {\"z\":1} ", &STOP), Ok((Cow::Borrowed(" {\"z\":1} "), _))));
}

#[test]
fn hostile_text_takes_linear_time() {
    // Quadratic time on any of these would take minutes.
    for unit in
        ["[", "{", "[x", "[[x] ", "\"", "'", "[]", "[\"a\"]", "\\", "`", "{\"a\":", "[1,", "[ ", "[[[[[[[[x]"]
    {
        let text = unit.repeat(1_000_000 / unit.len());
        for finish in [STOP, LENGTH] {
            assert!(parse_json(&text, &finish).is_err(), "{unit:?}");
        }
    }
}

/// Any object or array, with strings that could confuse the scanner.
fn documents() -> impl Strategy<Value = Value> {
    let text = "[a'\"`\\\\{}\\[\\],:\n\té😀 ]{0,8}|True|None";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        // Few digits: the parser does not promise the last bit of a long fraction.
        any::<i16>().prop_map(|n| json!(f64::from(n) / 8.0)),
        text.prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(text, inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    value.prop_filter("objects and arrays", |value| value.is_object() || value.is_array())
}

/// Common mistakes in writing JSON.
#[derive(Clone, Copy, Debug)]
struct Habits {
    commas: bool,
    single: bool,
    python: bool,
    raw: bool,
}

fn habits() -> impl Strategy<Value = Habits> {
    any::<[bool; 4]>().prop_map(|[commas, single, python, raw]| Habits { commas, single, python, raw })
}

fn write(value: &Value, habits: Habits, out: &mut String) {
    let comma = if habits.commas { ", " } else { "" };
    match value {
        Value::String(text) => write_text(text, habits, out),
        Value::Array(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                out.push_str(if n > 0 { ",\n" } else { "" });
                write(item, habits, out);
            }
            out.push_str(if items.is_empty() { "" } else { comma });
            out.push(']');
        }
        Value::Object(items) => {
            out.push('{');
            for (n, (key, item)) in items.iter().enumerate() {
                out.push_str(if n > 0 { "," } else { "" });
                write_text(key, habits, out);
                out.push_str(" : ");
                write(item, habits, out);
            }
            out.push_str(if items.is_empty() { "" } else { comma });
            out.push('}');
        }
        Value::Bool(true) if habits.python => out.push_str("True"),
        Value::Bool(false) if habits.python => out.push_str("False"),
        Value::Null if habits.python => out.push_str("None"),
        other => out.push_str(&other.to_string()),
    }
}

fn write_text(text: &str, habits: Habits, out: &mut String) {
    let strict = Value::from(text).to_string();
    let mut body = strict[1..strict.len() - 1].to_owned();
    if habits.raw {
        body = body
            .split("\\\\")
            .map(|piece| piece.replace("\\n", "\n").replace("\\t", "\t"))
            .collect::<Vec<_>>()
            .join("\\\\");
    }
    if habits.single {
        body = body.replace('\'', "\\'");
        body = body.split("\\\\").map(|piece| piece.replace("\\\"", "\"")).collect::<Vec<_>>().join("\\\\");
        out.push_str(&format!("'{body}'"));
    } else {
        out.push_str(&format!("\"{body}\""));
    }
}

fn spell(value: &Value, habits: Habits) -> String {
    let mut out = String::new();
    write(value, habits, &mut out);
    out
}

proptest! {
    #[test]
    fn valid_json_is_unchanged(value in documents(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
        prop_assert_eq!(parse(&text).unwrap(), (value, vec![]));
        prop_assert_eq!(repair_json(&text, &LENGTH).unwrap(), (Cow::from(text.as_str()), vec![]));
    }

    #[test]
    fn repairs_restore_the_same_value(
        value in documents(),
        habits in habits(),
        around in prop_oneof![
            Just(("", "")),
            Just(("```json\n", "\n```")),
            Just(("Here you are:\n\n```\n", "\n```\nAnything else?")),
            Just(("The answer, it's simple: ", "\n\nI hope that helps!")),
            Just(("`", "`")),
        ],
    ) {
        let text = format!("{}{}{}", around.0, spell(&value, habits), around.1);
        let (read, repairs) = parse(&text).map_err(|bad| TestCaseError::fail(format!("{bad}: {text}")))?;
        prop_assert_eq!(read, value, "{}", text);
        prop_assert_eq!(repairs.contains(&Repair::CodeFence), around.0.contains('`'));
        prop_assert_eq!(repairs.contains(&Repair::Prose), around.0.contains(' '));
    }

    #[test]
    fn closing_brackets_restores_the_same_value(
        value in documents(),
        last in prop_oneof![Just(json!("]")), Just(json!(true)), Just(Value::Null)],
        keep in 0..4_usize,
    ) {
        let value = json!([value, { "last": [last] }]);
        let text = value.to_string();
        let closed = text.trim_end_matches([']', '}']);
        let cut = &text[..(closed.len() + keep).min(text.len())];
        prop_assert_eq!(parse_json(cut, &LENGTH).unwrap().0, value);
        prop_assert_eq!(parse(cut).is_ok(), cut == text);
    }

    #[test]
    fn truncated_json_is_only_completed_by_closing_brackets(value in documents(), at in any::<prop::sample::Index>()) {
        let text = value.to_string();
        let cut: String = text.chars().take(at.index(text.chars().count()) + 1).collect();
        if let Ok((json, repairs)) = repair_json(&cut, &LENGTH) {
            prop_assert!(json.starts_with(&cut), "{} became {}", cut, json);
            let added = json[cut.len()..].trim_end_matches([']', '}']);
            prop_assert_eq!(added, "");
            prop_assert_eq!(repairs.is_empty(), cut == text);
        }
    }

    #[test]
    fn lost_character_is_not_hidden_by_a_repair(value in documents(), at in any::<prop::sample::Index>()) {
        let whole = value.to_string();
        let mut characters: Vec<char> = whole.chars().collect();
        characters.remove(at.index(characters.len()));
        let text: String = characters.into_iter().collect();
        if let Ok((read, repairs)) = parse(&text) {
            // A backslash that lost its character and precedes `'` has only one reading.
            let plain = repairs.iter().all(|&repair| repair == Repair::EscapedApostrophe);
            prop_assert!(plain || read == value, "{} became {} by {:?}", text, read, repairs);
        }
    }

    #[test]
    fn any_text_yields_a_value_or_an_error(text in "([\\[\\]{}:,\"'`\\\\ntrue1]|```|\n|é){0,40}", cut in any::<bool>()) {
        let finish = if cut { LENGTH } else { STOP };
        if let Err(bad) = parse_json(&text, &finish) {
            prop_assert!(bad.offset <= text.len());
        }
    }
}
