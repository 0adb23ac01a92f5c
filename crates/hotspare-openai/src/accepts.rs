//! Which fields of a request a host accepts, from its dialect's list.
//!
//! Does not encode anything. Invariant: nothing requested is dropped silently. A field that changes the answer's
//! meaning is refused, so that another target serves the request, and a mere hint is dropped with a note.

use std::collections::{BTreeMap, BTreeSet};

use hotspare_core::{ChatRequest, Error, Json, Kind, Message, Part, Role, ToolChoice};
use hotspare_provider::offers_tools;

use crate::WIRE;
use crate::dialect::Dialect;

/// The wire's own fields that bring tools.
pub(crate) const TOOL_FIELDS: &[&str] = &["tools"];

/// Fields that cannot be dropped without changing the meaning of the answer.
const ESSENTIAL: [&str; 5] = ["logprobs", "n", "stop", "tool_choice", "top_logprobs"];

/// The optional fields that a request sets, by their names on the wire.
fn requested_fields<'a>(request: &'a ChatRequest, dialect: &'a Dialect) -> impl Iterator<Item = &'a str> {
    let sampling = &request.sampling;
    let forced = request.tool_choice.as_ref().is_some_and(|choice| *choice != ToolChoice::Auto);
    let own = [
        ("temperature", sampling.temperature.is_some()),
        ("top_p", sampling.top_p.is_some()),
        ("frequency_penalty", sampling.frequency_penalty.is_some()),
        ("presence_penalty", sampling.presence_penalty.is_some()),
        (&*dialect.seed_field, sampling.seed.is_some()),
        ("stop", !request.stop.is_empty()),
        ("tool_choice", forced && offers_tools(request, WIRE, TOOL_FIELDS)),
        ("parallel_tool_calls", request.parallel_tools == Some(false) && !request.tools.is_empty()),
        ("reasoning_effort", request.reasoning_effort.is_some()),
        ("user", request.end_user.is_some()),
    ];
    let extras = request.extras.get(WIRE).into_iter().flat_map(BTreeMap::keys).map(String::as_str);
    own.into_iter().filter(|(_, wanted)| *wanted).map(|(name, _)| name).chain(extras)
}

/// Refuses a request that sets an essential field the host does not accept.
pub(crate) fn check(request: &ChatRequest, dialect: &Dialect) -> Result<(), Error> {
    let is_required = |name: &str| {
        let bound = request.bound.as_ref().filter(|bound| bound.wire == WIRE);
        ESSENTIAL.contains(&name)
            || set_specific_fields(request).any(|set| set == name)
            || bound.is_some_and(|bound| bound.fields.iter().any(|field| field == name))
    };
    let missing = requested_fields(request, dialect).find(|name| is_required(name) && !dialect.takes(name));
    match missing {
        Some(name) => Err(Error::new(Kind::Unsupported, format!("this host does not accept {name}"))),
        None => Ok(()),
    }
}

/// The wire's own fields inside messages and tools, by name, that the host does not accept.
fn refused_inside(request: &ChatRequest, dialect: &Dialect) -> BTreeSet<String> {
    let own =
        |extras: &BTreeMap<String, BTreeMap<String, Json>>| extras.get(WIRE).cloned().unwrap_or_default();
    let mut fields: Vec<(String, Json)> = Vec::new();
    let names_speaker = |message: &Message| message.role != Role::Tool && message.name.is_some();
    let names = !dialect.speaker_names && request.messages.iter().any(names_speaker);
    for message in &request.messages {
        fields.extend(own(&message.extras));
        fields.extend(fields_of_parts(&message.parts));
        for part in &message.parts {
            if let Part::ToolResult(result) = part {
                fields.extend(fields_of_parts(&result.content));
            }
        }
    }
    for tool in &request.tools {
        let mut own = own(&tool.extras);
        if let Some(function) = own.remove(FUNCTION) {
            fields.extend(
                serde_json::from_str::<BTreeMap<String, Json>>(function.as_str()).unwrap_or_default(),
            );
        }
        fields.extend(own);
    }
    let fields = fields.into_iter().map(|(name, _)| name).filter(|name| !dialect.takes_inside(name));
    fields.chain(names.then(|| "name".to_owned())).collect()
}

/// The wire's own fields of parts, except those that every host takes.
fn fields_of_parts(parts: &[Part]) -> Vec<(String, Json)> {
    let mut fields = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let describes_media = at > 0 && is_media(&parts[at - 1]);
        if let Part::Fields(native) = part
            && native.wire == WIRE
            && let Ok(own) = serde_json::from_str::<BTreeMap<String, Json>>(native.raw.as_str())
        {
            fields.extend(own.into_iter().filter(|(name, _)| !(describes_media && is_media_field(name))));
        }
    }
    fields
}

pub(crate) fn is_media(part: &Part) -> bool {
    matches!(part, Part::Image(_) | Part::Document(_))
}

/// Whether every host takes this field, which describes an image or a document.
pub(crate) fn is_media_field(name: &str) -> bool {
    matches!(name, "detail" | "filename")
}

/// Among a tool's own fields, the one that holds its function's own fields.
pub(crate) const FUNCTION: &str = "function";

/// Describes, for a person, what will be dropped or changed.
pub(crate) fn changes(request: &ChatRequest, dialect: &Dialect) -> Vec<String> {
    let mut changes = Vec::new();
    let inside = refused_inside(request, dialect);
    let dropped: Vec<&str> = requested_fields(request, dialect)
        .filter(|name| !dialect.takes(name))
        .chain(inside.iter().map(String::as_str))
        .collect();
    if !dropped.is_empty() {
        changes.push(format!("dropped fields that this host does not accept ({})", dropped.join(", ")));
    }
    if let Some(requested) = request.sampling.temperature.filter(|_| dialect.takes("temperature")) {
        let sent = dialect.temperature(requested);
        if sent != requested {
            let how = if sent < requested { "lowered" } else { "raised" };
            changes.push(format!("temperature {requested} {how} to {sent}"));
        }
    }
    changes
}

/// Fields of the chat wire that refer to something the provider stores or runs.
pub(crate) const STATEFUL_FIELDS: [&str; 1] = ["web_search_options"];

/// Fields of the chat wire that change the answer and have no equivalent on other wires.
const WIRE_SPECIFIC: [&str; 5] = ["audio", "function_call", "functions", "logprobs", "modalities"];

/// What makes a request servable by this wire only, if anything does.
pub(crate) fn wire_specific_field(request: &ChatRequest) -> Option<String> {
    set_specific_fields(request).next().map(|name| format!("the field {name}"))
}

/// The fields of this wire only that are set to more than what holds without them.
fn set_specific_fields(request: &ChatRequest) -> impl Iterator<Item = &str> {
    let is_set = |json: &Json| !matches!(json.as_str(), "false" | "null" | "[]" | r#"["text"]"# | "\"none\"");
    let own = request.extras.get(WIRE).into_iter().flatten();
    let set = own.filter(move |(_, value)| is_set(value)).map(|(name, _)| name.as_str());
    set.filter(|name| WIRE_SPECIFIC.contains(name))
}

/// Whether a request has a tool of the type `custom`, whose input is free text.
pub(crate) fn has_custom_tools(request: &ChatRequest) -> bool {
    let mut own = request.native_tools.iter().filter(|tool| tool.wire == WIRE);
    own.any(|tool| tool.raw.to_value()["type"] == "custom")
}

/// What ties a request to the provider that holds its state: one of these fields, a tool that the provider runs, or a
/// reference to something it stores under an id.
pub(crate) fn binds(request: &ChatRequest, wire: &str, fields: &[&str]) -> Option<String> {
    /// Tools that run at the provider, by prefix of their type.
    const HOSTED_TOOLS: [&str; 5] =
        ["code_interpreter", "file_search", "image_generation", "mcp", "web_search"];
    let is_set = |json: &Json| !matches!(json.as_str(), "false" | "null");
    let own = request.extras.get(wire).into_iter().flatten();
    if let Some((name, _)) =
        own.into_iter().find(|(name, value)| fields.contains(&name.as_str()) && is_set(value))
    {
        return Some(format!("the field {name}"));
    }
    let kind = |raw: &Json| raw.to_value()["type"].as_str().unwrap_or_default().to_owned();
    let tools = request.native_tools.iter().filter(|tool| tool.wire == wire).map(|tool| kind(&tool.raw));
    for kind in tools {
        if HOSTED_TOOLS.iter().any(|hosted| kind.starts_with(hosted)) {
            return Some(format!("the tool {kind}, which the provider runs"));
        }
    }
    let is_stored = |raw: &Json| raw.as_str().contains("\"file_id\"") || kind(raw) == "item_reference";
    let stored = request.natives(wire).find(|native| is_stored(&native.raw));
    stored.map(|native| format!("a part that only its provider can resolve ({})", kind(&native.raw)))
}

#[cfg(test)]
mod tests {
    use hotspare_core::Native;
    use serde_json::json;

    use super::*;

    fn sample_request() -> ChatRequest {
        let mut request = ChatRequest::to("r").user("hi").temperature(1.8);
        request.end_user = Some("u".into());
        request.sampling.seed = Some(1);
        request.extras.entry(WIRE.into()).or_default().insert("store".into(), json!(true).into());
        request
    }

    #[test]
    fn unsupported_hints_are_dropped_and_noted_but_semantics_are_rejected() {
        let mistral = Dialect::find("mistral").unwrap();
        let mut request = sample_request();
        assert_eq!(
            changes(&request, mistral),
            ["dropped fields that this host does not accept (user, store)", "temperature 1.8 lowered to 1.5"]
        );
        assert_eq!(changes(&request, &Dialect::OPENAI), [""; 0]);
        let moonshot = Dialect::find("moonshot").unwrap();
        assert_eq!(
            changes(&request, moonshot),
            ["dropped fields that this host does not accept (temperature, seed, user, store)"]
        );
        let zero = ChatRequest::to("r").user("hi").temperature(0.0);
        assert_eq!(changes(&zero, Dialect::find("minimax").unwrap()), ["temperature 0 raised to 0.01"]);
        check(&request, mistral).unwrap();
        request.extras.entry(WIRE.into()).or_default().insert("logprobs".into(), json!(true).into());
        let required = ChatRequest::to("r").user("hi").required_extra(WIRE, "service_tier", json!("flex"));
        check(&required, &Dialect::OPENAI).unwrap();
        let error = check(&required, mistral).unwrap_err();
        assert_eq!(error.message(), "this host does not accept service_tier");
        let error = check(&request, mistral).unwrap_err();
        assert_eq!(
            (error.kind(), error.message()),
            (Kind::Unsupported, "this host does not accept logprobs")
        );
    }

    #[test]
    fn what_only_openai_answers_is_refused_by_hosts_that_would_ignore_it() {
        let with = |name: &str, value: serde_json::Value| {
            let mut request = ChatRequest::to("r").user("hi");
            request.extras.entry(WIRE.into()).or_default().insert(name.into(), value.into());
            request
        };
        let functions = with("functions", json!([{"name": "f"}]));
        let text = with("modalities", json!(["text"]));
        check(&functions, &Dialect::OPENAI).unwrap();
        for host in ["deepseek", "groq", "llamacpp", "mistral", "xai"].map(|id| Dialect::find(id).unwrap()) {
            let error = check(&functions, host).unwrap_err();
            let message = "this host does not accept functions";
            assert_eq!((error.kind(), error.message()), (Kind::Unsupported, message), "{}", host.id);
            check(&text, host).unwrap();
            assert_eq!(
                changes(&text, host),
                ["dropped fields that this host does not accept (modalities)"],
                "{}",
                host.id
            );
        }
    }

    #[test]
    fn a_speaker_is_named_only_where_the_host_accepts_names() {
        let mut request = ChatRequest::to("r").user("hi");
        request.messages[0].name = Some("Ann".into());
        let note = "dropped fields that this host does not accept (name)";
        assert_eq!(changes(&request, Dialect::find("mistral").unwrap()), [note]);
        assert_eq!(changes(&request, Dialect::find("groq").unwrap()), [""; 0]);
        request.messages[0].role = Role::Tool;
        assert_eq!(changes(&request, Dialect::find("mistral").unwrap()), [""; 0]);
    }

    #[test]
    fn provider_side_state_binds_the_request() {
        let native = |value: serde_json::Value| Native::new(WIRE, value.into());
        let mut request = ChatRequest::to("r").user("hi");
        assert_eq!(binds(&request, WIRE, &["conversation"]), None);
        request.native_tools.push(native(json!({"type": "custom", "name": "x"})));
        assert_eq!(binds(&request, WIRE, &["conversation"]), None, "its caller runs it");
        let mut file = request.clone();
        let part = native(json!({"type": "file", "file": {"file_id": "f"}}));
        file.messages.push(Message::new(Role::User, vec![Part::Native(part)]));
        assert!(binds(&file, WIRE, &[]).unwrap().starts_with("a part that only its provider"));
        assert_eq!(binds(&file, "another wire", &[]), None);
        request.native_tools.push(native(json!({"type": "web_search_preview"})));
        assert_eq!(
            binds(&request, WIRE, &[]).unwrap(),
            "the tool web_search_preview, which the provider runs"
        );
        request.extras.entry(WIRE.into()).or_default().insert("conversation".into(), json!("c").into());
        assert_eq!(binds(&request, WIRE, &["conversation"]).unwrap(), "the field conversation");
    }
}
