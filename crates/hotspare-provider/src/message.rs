//! The message of a failed reply in a shape that its wire does not have.
//!
//! Gateways and frameworks in front of a host answer in shapes of their own. Says nothing about what a message means.
//! Invariant: total; deep or long bodies are read only in part.

use serde_json::Value;

/// Fields that hold a message, or an object or list with one. The more specific first.
const NAMES: [&str; 12] = [
    "message",
    "Message",
    "msg",
    "error_message",
    "errorMessage",
    "error_description",
    "detail",
    "error",
    "errors",
    "reason",
    "description",
    "title",
];

/// How deep a message is looked for.
const DEPTH: usize = 5;
/// How many items of a list are looked at.
const ITEMS: usize = 4;

/// The first message in a body of any usual shape.
#[must_use]
pub fn message_anywhere(body: &Value) -> Option<&str> {
    search(body, DEPTH)
}

/// The message that a wire's own fields hold, or else the first in any other field, and whether it is such a foreign one:
/// see [`ErrorFields::with_foreign_text`](crate::ErrorFields::with_foreign_text).
#[must_use]
pub fn own_or_foreign<'a>(own: Option<&'a str>, body: &'a Value) -> (&'a str, bool) {
    match own.filter(|message| !message.trim().is_empty()) {
        Some(message) => (message, false),
        None => (message_anywhere(body).unwrap_or_default(), true),
    }
}

/// Whether a piece of a stream has fields of an error at its top level, as hosts in front of a provider send them.
#[must_use]
pub fn has_error_fields(piece: &Value) -> bool {
    ["code", "detail", "errors", "message", "msg"]
        .iter()
        .any(|name| piece.get(name).is_some_and(|field| !field.is_null()))
}

fn search(value: &Value, depth: usize) -> Option<&str> {
    let depth = depth.checked_sub(1)?;
    match value {
        Value::String(text) => Some(text.trim()).filter(|text| !text.is_empty()),
        Value::Array(list) => list.iter().take(ITEMS).find_map(|item| search(item, depth)),
        Value::Object(fields) => NAMES.iter().find_map(|name| search(fields.get(*name)?, depth)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn message_is_found_in_any_shape() {
        for body in [
            json!("m"),
            json!(["m"]),
            json!({"error": "m"}),
            json!({"error": {"error": {"message": "m"}}}),
            json!({"error": true, "message": null, "detail": [{"loc": ["a"], "msg": " m "}]}),
            json!({"errors": [{"code": 1}, {"message": "m"}]}),
            json!({"title": "t", "detail": "m"}),
        ] {
            assert_eq!(message_anywhere(&body), Some("m"), "{body}");
        }
        for body in [
            json!(null),
            json!(7),
            json!({}),
            json!({"error": {}}),
            json!({"message": ""}),
            json!({"a": "m"}),
        ] {
            assert_eq!(message_anywhere(&body), None, "{body}");
        }
        assert_eq!(message_anywhere(&json!([[[[["m"]]]]])), None, "too deep");
    }

    #[test]
    fn a_foreign_message_is_taken_only_where_there_is_none_of_the_wires_own() {
        let body = json!({"detail": "m"});
        assert_eq!(own_or_foreign(Some("own"), &body), ("own", false));
        for own in [None, Some(""), Some(" ")] {
            assert_eq!(own_or_foreign(own, &body), ("m", true));
        }
        assert_eq!(own_or_foreign(None, &json!({})), ("", true));
        assert!(has_error_fields(&body));
        assert!(!has_error_fields(&json!({"status": "queued", "message": null})));
    }
}
