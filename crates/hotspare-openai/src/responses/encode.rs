//! Requests to the wire's JSON.
//!
//! Borrows everything: no tree is built. What the wire lacks and would change the answer's meaning is refused as
//! unsupported, so that another target serves the request. Invariant: the body is valid JSON, fields named in `extras`
//! win over those that Hotspare writes, and the wire's own items go back unchanged.

use std::collections::BTreeMap;

use hotspare_core::{
    ChatRequest, Error, Json, Kind, Media, Message, Native, OutputFormat, Part, Role, ToolChoice,
};
use hotspare_provider::fields::Fields;
use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};

use super::RESPONSES_WIRE as WIRE;
use crate::dialect::Dialect;

/// Encodes the body of a request.
pub(super) fn body(
    request: &ChatRequest,
    model: &str,
    stream: bool,
    dialect: &Dialect,
) -> Result<Vec<u8>, Error> {
    check(request, dialect)?;
    let mut out = Vec::with_capacity(1_024);
    Body { request, model, stream, dialect, extras: request.extras.get(WIRE) }
        .serialize(&mut serde_json::Serializer::new(&mut out))
        .map_err(|_| Error::new(Kind::InvalidRequest, "the request cannot be written as JSON"))?;
    Ok(out)
}

fn check(request: &ChatRequest, dialect: &Dialect) -> Result<(), Error> {
    request.check_numbers()?;
    let sampling = &request.sampling;
    let missing = [
        ("stop", !request.stop.is_empty()),
        ("top_k", sampling.top_k.is_some()),
        ("frequency_penalty", sampling.frequency_penalty.is_some()),
        ("presence_penalty", sampling.presence_penalty.is_some()),
    ];
    if let Some((name, _)) = missing.iter().find(|(_, wanted)| *wanted) {
        return Err(Error::new(Kind::Unsupported, format!("this wire does not support {name}")));
    }
    if !dialect.images && request.has_images() {
        return Err(Error::new(Kind::Unsupported, "this host does not support images"));
    }
    Ok(())
}

struct Body<'a> {
    request: &'a ChatRequest,
    model: &'a str,
    stream: bool,
    dialect: &'a Dialect,
    extras: Option<&'a BTreeMap<String, Json>>,
}

/// Fields that Hotspare writes in part; the caller's own parts are merged into them.
const SHARED: [&str; 2] = ["reasoning", "text"];

impl Body<'_> {
    fn own(&self, name: &str) -> Option<&Json> {
        self.extras.and_then(|extras| extras.get(name))
    }

    fn some<M: SerializeMap, T: Serialize>(
        &self,
        map: &mut M,
        name: &str,
        value: Option<T>,
    ) -> Result<(), M::Error> {
        match value.filter(|_| self.own(name).is_none()) {
            Some(value) => map.serialize_entry(name, &value),
            None => Ok(()),
        }
    }

    fn joined<M: SerializeMap, T: Serialize>(
        &self,
        map: &mut M,
        name: &str,
        field: &'static str,
        value: Option<T>,
    ) -> Result<(), M::Error> {
        let own = self.own(name);
        match (value, own) {
            (None, None) => Ok(()),
            (value, own) => map.serialize_entry(name, &Joined { field, value, own }),
        }
    }
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let request = self.request;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("model", self.model)?;
        let (instructions, messages) = split(&request.messages);
        self.some(&mut map, "instructions", instructions)?;
        self.some(&mut map, "input", Some(Input(messages, self.dialect)).filter(|_| !messages.is_empty()))?;
        if self.stream {
            map.serialize_entry("stream", &true)?;
        }
        let native = || request.native_tools.iter().filter(|tool| tool.wire == WIRE);
        if !request.tools.is_empty() || native().next().is_some() {
            self.some(&mut map, "tools", Some(Tools(request)))?;
            self.some(&mut map, "parallel_tool_calls", request.parallel_tools.filter(|parallel| !parallel))?;
        }
        self.some(&mut map, "tool_choice", request.tool_choice.as_ref().map(Choice))?;
        self.joined(&mut map, "text", "format", Format::of(&request.output))?;
        self.joined(&mut map, "reasoning", "effort", request.reasoning_effort.as_ref())?;
        self.some(&mut map, "temperature", request.sampling.temperature)?;
        self.some(&mut map, "top_p", request.sampling.top_p)?;
        self.some(&mut map, "max_output_tokens", request.max_output)?;
        self.some(&mut map, "user", request.end_user.as_ref())?;
        for (name, value) in self.extras.into_iter().flatten() {
            if !SHARED.contains(&name.as_str()) {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

/// A field that Hotspare writes, merged with the caller's own object.
struct Joined<'a, T> {
    field: &'static str,
    value: Option<T>,
    own: Option<&'a Json>,
}

impl<T: Serialize> Serialize for Joined<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let own = match self.own.map(|own| serde_json::from_str::<Fields<'_>>(own.as_str())) {
            None => Fields::default(),
            Some(Ok(own)) => own,
            // Not an object: the provider will report the error.
            Some(Err(_)) => return self.own.serialize(serializer),
        };
        let mut map = serializer.serialize_map(None)?;
        if let Some(value) = self.value.as_ref().filter(|_| !own.contains_key(self.field)) {
            map.serialize_entry(self.field, value)?;
        }
        for (name, value) in own {
            map.serialize_entry(&name, value)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Format<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

impl<'a> Format<'a> {
    fn of(output: &'a OutputFormat) -> Option<Self> {
        match output {
            OutputFormat::JsonObject => {
                Some(Self { kind: "json_object", name: None, schema: None, strict: None })
            }
            OutputFormat::JsonSchema { name, schema, strict } => Some(Self {
                kind: "json_schema",
                name: Some(name),
                schema: Some(schema),
                strict: Some(*strict),
            }),
            _ => None,
        }
    }
}

/// Splits off the leading instructions, which have a field of their own.
fn split(messages: &[Message]) -> (Option<&str>, &[Message]) {
    match messages {
        [Message { role: Role::System, parts, .. }, rest @ ..] => match parts.as_slice() {
            [Part::Text(text)] => (Some(text), rest),
            _ => (None, messages),
        },
        _ => (None, messages),
    }
}

struct Input<'a>(&'a [Message], &'a Dialect);

impl Serialize for Input<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for message in self.0 {
            items(message, self.1, &mut list)?;
        }
        list.end()
    }
}

/// The items of one turn: its content as one or more messages, and everything else in its place between them.
fn items<L: SerializeSeq>(message: &Message, dialect: &Dialect, list: &mut L) -> Result<(), L::Error> {
    let role = role(message.role, dialect);
    let mut said = 0;
    for (at, part) in message.parts.iter().enumerate() {
        let own = match part {
            Part::Text(_) | Part::Image(_) | Part::Document(_) | Part::Refusal(_) => continue,
            // In an assistant's turn, fields mark the end of a message; in other turns they go with their part.
            Part::Fields(fields) if message.role != Role::Assistant || fields.wire != WIRE => continue,
            Part::Native(native) if native.wire != WIRE || is_content(native) => continue,
            part => part,
        };
        let fields = match own {
            Part::Fields(fields) => Some(fields),
            _ => None,
        };
        say(role, &message.parts[said..at], fields, list)?;
        said = at + 1;
        match own {
            Part::Native(native) => list.serialize_element(&native.raw)?,
            Part::ToolCall(call) => list.serialize_element(&Call {
                kind: "function_call",
                call_id: &call.id,
                name: &call.name,
                arguments: if call.arguments.is_empty() { "{}" } else { &call.arguments },
            })?,
            Part::ToolResult(result) => list.serialize_element(&Output {
                kind: "function_call_output",
                call_id: &result.id,
                output: Content { parts: &result.content, assistant: false },
            })?,
            Part::Reasoning(reasoning) => {
                // Unsigned reasoning is from another model and has no place on this wire; the history's notes say so.
                if let Some(item) =
                    reasoning.signature.as_ref().and_then(|proof| Json::parse(proof.data.as_str()).ok())
                {
                    list.serialize_element(&item)?;
                }
            }
            _ => {}
        }
    }
    say(role, &message.parts[said..], None, list)
}

fn say<L: SerializeSeq>(
    role: &'static str,
    parts: &[Part],
    fields: Option<&Native>,
    list: &mut L,
) -> Result<(), L::Error> {
    if !parts.iter().any(is_said) {
        return Ok(());
    }
    let content = Content { parts, assistant: role == "assistant" };
    let own = fields.and_then(|fields| serde_json::from_str::<Fields<'_>>(fields.raw.as_str()).ok());
    list.serialize_element(&Turn { role, content, own: own.unwrap_or_default() })
}

struct Turn<'a> {
    role: &'static str,
    content: Content<'a>,
    own: Fields<'a>,
}

impl Serialize for Turn<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("role", self.role)?;
        map.serialize_entry("content", &self.content)?;
        for (name, value) in &self.own {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

fn role(role: Role, dialect: &Dialect) -> &'static str {
    match role {
        Role::Assistant => "assistant",
        Role::Developer if dialect.developer_role => "developer",
        Role::Developer | Role::System => "system",
        _ => "user",
    }
}

fn is_said(part: &Part) -> bool {
    match part {
        Part::Text(_) | Part::Image(_) | Part::Document(_) | Part::Refusal(_) => true,
        Part::Native(native) => native.wire == WIRE && is_content(native),
        _ => false,
    }
}

/// Whether a native part belongs inside a message.
fn is_content(native: &Native) -> bool {
    let kind: Option<Kinded> = serde_json::from_str(native.raw.as_str()).ok();
    kind.is_some_and(|kind| kind.kind.starts_with("input_") || kind.kind.starts_with("output_"))
}

#[derive(serde::Deserialize)]
struct Kinded {
    #[serde(rename = "type", default)]
    kind: String,
}

/// The content of a message or a result: a single text as a string, anything else as a list. The model's own content is
/// always a list.
struct Content<'a> {
    parts: &'a [Part],
    assistant: bool,
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let said = || self.parts.iter().enumerate().filter(|(_, part)| is_said(part));
        match (said().next(), said().nth(1)) {
            (None, _) => return serializer.serialize_str(""),
            (Some((_, Part::Text(text))), None) if !self.assistant => return serializer.serialize_str(text),
            _ => {}
        }
        let mut list = serializer.serialize_seq(None)?;
        for (at, part) in said() {
            let fields = match self.parts.get(at + 1) {
                Some(Part::Fields(fields)) if fields.wire == WIRE => Some(fields),
                _ => None,
            };
            list.serialize_element(&Piece { part, assistant: self.assistant, fields })?;
        }
        list.end()
    }
}

struct Piece<'a> {
    part: &'a Part,
    assistant: bool,
    fields: Option<&'a Native>,
}

impl Serialize for Piece<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (kind, name, value) = match self.part {
            Part::Native(native) => return native.raw.serialize(serializer),
            Part::Image(media) => ("input_image", "image_url", media.to_url()),
            Part::Document(Media::Url(url)) => ("input_file", "file_url", url.clone()),
            Part::Document(media) => ("input_file", "file_data", media.to_url()),
            Part::Refusal(text) => ("refusal", "refusal", text.clone()),
            part => {
                let kind = if self.assistant { "output_text" } else { "input_text" };
                (kind, "text", part.as_text().unwrap_or_default().to_owned())
            }
        };
        let own = self.fields.and_then(|fields| serde_json::from_str::<Fields<'_>>(fields.raw.as_str()).ok());
        let own = own.unwrap_or_default();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", kind)?;
        map.serialize_entry(name, &value)?;
        if name == "file_data" && !own.contains_key("filename") {
            map.serialize_entry("filename", "document")?;
        }
        for (name, value) in own {
            map.serialize_entry(&name, value)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Call<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    call_id: &'a str,
    name: &'a str,
    arguments: &'a str,
}

#[derive(Serialize)]
struct Output<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    call_id: &'a str,
    output: Content<'a>,
}

struct Tools<'a>(&'a ChatRequest);

impl Serialize for Tools<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for tool in &self.0.tools {
            list.serialize_element(&Tool(tool))?;
        }
        for tool in self.0.native_tools.iter().filter(|tool| tool.wire == WIRE) {
            list.serialize_element(&tool.raw)?;
        }
        list.end()
    }
}

struct Tool<'a>(&'a hotspare_core::Tool);

impl Serialize for Tool<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tool = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", "function")?;
        map.serialize_entry("name", &tool.name)?;
        if let Some(description) = &tool.description {
            map.serialize_entry("description", description)?;
        }
        map.serialize_entry("parameters", &tool.parameters)?;
        if let Some(strict) = tool.strict {
            map.serialize_entry("strict", &strict)?;
        }
        for (name, value) in tool.extras.get(WIRE).into_iter().flatten() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

struct Choice<'a>(&'a ToolChoice);

impl Serialize for Choice<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            ToolChoice::None => serializer.serialize_str("none"),
            ToolChoice::Required => serializer.serialize_str("required"),
            ToolChoice::Named(name) => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("type", "function")?;
                map.serialize_entry("name", name)?;
                map.end()
            }
            _ => serializer.serialize_str("auto"),
        }
    }
}

#[cfg(test)]
mod tests;
