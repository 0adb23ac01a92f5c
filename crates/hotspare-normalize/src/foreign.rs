//! What of a request belongs to other wires than its target's.
//!
//! Removes nothing. Invariant: every field, part and tool that names a wire is looked at, wherever it is in a request. A
//! field that is null is none: it stands for one that the caller did not send.

use std::collections::{BTreeMap, BTreeSet};

use hotspare_core::{ChatRequest, Json, Native, Part, Role};
use serde_json::Value;

/// The names of fields of other wires, which a target of `wire` does not get: fields of the request, of its messages and
/// their parts, and of its tools.
#[must_use]
pub fn foreign_fields(request: &ChatRequest, wire: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let extras = request.messages.iter().map(|message| &message.extras).chain([&request.extras]);
    names.extend(extras.flat_map(|extras| foreign(extras, wire)).map(|(name, _)| name.clone()));
    for (name, value) in request.tools.iter().flat_map(|tool| foreign(&tool.extras, wire)) {
        match value.to_value() {
            Value::Object(inside) if name == FUNCTION => {
                names.extend(inside.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name));
            }
            _ => {
                names.insert(name.clone());
            }
        }
    }
    for part in request.messages.iter().flat_map(|message| &message.parts).flat_map(with_content) {
        if let Part::Fields(fields) = part
            && fields.wire != wire
        {
            let fields = fields.raw.to_value();
            let fields = fields.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
            names.extend(fields.map(|(name, _)| name.clone()));
        }
    }
    names
}

/// Among a tool's own fields, the one that holds its function's own fields: see [`Tool::extras`](hotspare_core::Tool::extras).
const FUNCTION: &str = "function";

/// The fields that are set for other wires.
fn foreign<'a>(
    extras: &'a BTreeMap<String, BTreeMap<String, Json>>,
    wire: &str,
) -> impl Iterator<Item = (&'a String, &'a Json)> {
    let foreign = extras.iter().filter(move |(own, _)| *own != wire);
    foreign.flat_map(|(_, fields)| fields).filter(|(_, value)| value.as_str() != "null")
}

/// A part of another wire that is the caller's own, or a tool's result: without it, the request means something else.
#[must_use]
pub fn foreign_content<'a>(request: &'a ChatRequest, wire: &str) -> Option<&'a Native> {
    let messages = request.messages.iter();
    let own = messages.flat_map(|message| {
        let is_the_models = message.role == Role::Assistant;
        message.parts.iter().filter(move |part| !is_the_models || matches!(part, Part::ToolResult(_)))
    });
    own.flat_map(with_content).find_map(|part| match part {
        Part::Native(native) if native.wire != wire => Some(native),
        _ => None,
    })
}

/// A part, and the parts inside it.
fn with_content(part: &Part) -> impl Iterator<Item = &Part> {
    let inner: &[Part] = match part {
        Part::ToolResult(result) => &result.content,
        _ => &[],
    };
    std::iter::once(part).chain(inner)
}

#[cfg(test)]
mod tests {
    use hotspare_core::{Message, Tool, ToolResult};
    use serde_json::json;

    use super::*;

    fn native(wire: &str, name: &str) -> Native {
        Native::new(wire, json!({ name: 1 }).into())
    }

    #[test]
    fn fields_of_other_wires_are_found_everywhere() {
        let field = |name: &str| {
            BTreeMap::from([("x".to_owned(), BTreeMap::from([(name.to_owned(), json!(1).into())]))])
        };
        let inside = vec![Part::from("t"), Part::Fields(native("x", "inside a result"))];
        let mut request = ChatRequest::to("r")
            .message(Message::new(Role::User, vec!["t".into(), Part::Fields(native("x", "of a part"))]))
            .message(Message::tool(ToolResult::from_parts("c", inside)))
            .message(Message::new(Role::User, vec!["t".into(), Part::Fields(native("w", "own"))]))
            .tool(Tool::new("f", json!({})));
        request.messages[0].extras = field("of a message");
        request.tools[0].extras = field("of a tool");
        request.extras = field("of the request");
        let names: Vec<String> = foreign_fields(&request, "w").into_iter().collect();
        assert_eq!(names, ["inside a result", "of a message", "of a part", "of a tool", "of the request"]);
        assert_eq!(foreign_fields(&request, "x").into_iter().collect::<Vec<_>>(), ["own"]);
    }

    #[test]
    fn only_fields_that_the_caller_sent_are_named() {
        let own = |name: &str, value: serde_json::Value| {
            BTreeMap::from([("x".to_owned(), BTreeMap::from([(name.to_owned(), value.into())]))])
        };
        let mut request =
            ChatRequest::to("r").tool(Tool::new("f", json!({}))).tool(Tool::new("g", json!({})));
        request.tools[0].extras = own("strict", json!(null));
        assert_eq!(foreign_fields(&request, "w").len(), 0, "null stands for a field that is not there");
        request.tools[1].extras = own("function", json!({"defer_loading": true, "unset": null}));
        assert_eq!(foreign_fields(&request, "w").into_iter().collect::<Vec<_>>(), ["defer_loading"]);
    }

    #[test]
    fn only_the_models_own_parts_may_be_left_out() {
        let part = || Part::Native(native("x", "p"));
        let found = |message: Message| foreign_content(&ChatRequest::to("r").message(message), "w").is_some();
        assert!(!found(Message::new(Role::Assistant, vec![part()])));
        for role in [Role::User, Role::System, Role::Developer, Role::Tool] {
            assert!(found(Message::new(role, vec![part()])), "{role:?}");
        }
        let result = Part::ToolResult(ToolResult::from_parts("c", vec![part()]));
        assert!(found(Message::new(Role::Assistant, vec![result])));
        assert!(!found(Message::new(Role::User, vec![Part::Native(native("w", "p"))])));
    }
}
