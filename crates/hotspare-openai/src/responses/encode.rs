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
use hotspare_provider::{check_tool_choice, result_text};
use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};

use super::own_fields::{call_fields, is_message_field, own_fields, result_fields};
use super::{RESPONSES_WIRE as WIRE, STRICT};
use crate::dialect::Dialect;

/// The wire's own fields that bring tools: a stored prompt may have some.
const TOOL_FIELDS: &[&str] = &["tools", "prompt"];

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
    check_tool_choice(request, WIRE, TOOL_FIELDS)?;
    let sampling = &request.sampling;
    let missing = [
        ("stop", !request.stop.is_empty()),
        ("top_k", sampling.top_k.is_some()),
        ("frequency_penalty", sampling.frequency_penalty.is_some_and(|penalty| penalty != 0.0)),
        ("presence_penalty", sampling.presence_penalty.is_some_and(|penalty| penalty != 0.0)),
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
const MERGED_FIELDS: [&str; 2] = ["reasoning", "text"];

impl Body<'_> {
    fn own(&self, name: &str) -> Option<&Json> {
        self.extras.and_then(|extras| extras.get(name))
    }

    fn optional<M: SerializeMap, T: Serialize>(
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

    fn merged<M: SerializeMap, T: Serialize>(
        &self,
        map: &mut M,
        name: &str,
        field: &'static str,
        value: Option<T>,
    ) -> Result<(), M::Error> {
        let own = self.own(name);
        match (value, own) {
            (None, None) => Ok(()),
            (value, own) => map.serialize_entry(name, &MergedObject { field, value, own }),
        }
    }
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let request = self.request;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("model", self.model)?;
        let (instructions, messages) = split(&request.messages);
        self.optional(&mut map, "instructions", instructions)?;
        self.optional(
            &mut map,
            "input",
            Some(Input(messages, self.dialect)).filter(|_| !messages.is_empty()),
        )?;
        if self.stream {
            map.serialize_entry("stream", &true)?;
        }
        let native = || request.native_tools.iter().filter(|tool| tool.wire == WIRE);
        if !request.tools.is_empty() || native().next().is_some() {
            self.optional(&mut map, "tools", Some(Tools(request)))?;
            self.optional(
                &mut map,
                "parallel_tool_calls",
                request.parallel_tools.filter(|parallel| !parallel),
            )?;
        }
        self.optional(&mut map, "tool_choice", request.tool_choice.as_ref().map(ToolChoiceDto))?;
        self.merged(&mut map, "text", "format", FormatDto::of(&request.output))?;
        // Other hosts' word for what the model does by itself.
        let effort = request.reasoning_effort.as_ref().filter(|word| *word != "default");
        self.merged(&mut map, "reasoning", "effort", effort)?;
        self.optional(&mut map, "temperature", request.sampling.temperature)?;
        self.optional(&mut map, "top_p", request.sampling.top_p)?;
        self.optional(&mut map, "max_output_tokens", request.max_output)?;
        self.optional(&mut map, "user", request.end_user.as_ref())?;
        for (name, value) in self.extras.into_iter().flatten() {
            if !MERGED_FIELDS.contains(&name.as_str()) {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

/// A field that Hotspare writes, merged with the caller's own object.
struct MergedObject<'a, T> {
    field: &'static str,
    value: Option<T>,
    own: Option<&'a Json>,
}

impl<T: Serialize> Serialize for MergedObject<'_, T> {
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
struct FormatDto<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

impl<'a> FormatDto<'a> {
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
        [Message { role: Role::System, parts, extras, .. }, rest @ ..] if extras.is_empty() => {
            match parts.as_slice() {
                [Part::Text(text)] => (Some(text), rest),
                _ => (None, messages),
            }
        }
        _ => (None, messages),
    }
}

struct Input<'a>(&'a [Message], &'a Dialect);

impl Serialize for Input<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for message in self.0 {
            push_items(message, self.1, &mut list)?;
        }
        list.end()
    }
}

/// The items of one turn: its content as one or more messages, and everything else in its place between them.
fn push_items<L: SerializeSeq>(message: &Message, dialect: &Dialect, list: &mut L) -> Result<(), L::Error> {
    let role = role(message.role, dialect);
    let mut sent = 0;
    for (at, part) in message.parts.iter().enumerate() {
        let own = match part {
            Part::Text(_) | Part::Image(_) | Part::Document(_) | Part::Refusal(_) => continue,
            // In an assistant's turn, fields mark the end of a message; in other turns they go with their part.
            Part::Fields(fields) if message.role != Role::Assistant || fields.wire != WIRE => continue,
            Part::Fields(_) if at > 0 && matches!(message.parts[at - 1], Part::ToolCall(_)) => continue,
            Part::Native(native) if native.wire != WIRE || is_native_content(native) => continue,
            part => part,
        };
        let fields = match own {
            Part::Fields(fields) => Some(fields),
            _ => None,
        };
        push_message(message, role, &message.parts[sent..at], fields, list)?;
        sent = at + 1;
        match own {
            Part::Native(native) => list.serialize_element(&native.raw)?,
            Part::ToolCall(call) => list.serialize_element(&FunctionCallDto {
                kind: "function_call",
                call_id: &call.id,
                name: &call.name,
                arguments: if call.arguments.is_empty() { "{}" } else { &call.arguments },
                own: call_fields(&message.parts, at),
            })?,
            Part::ToolResult(result) => list.serialize_element(&FunctionOutputDto {
                kind: "function_call_output",
                call_id: &result.id,
                output: Content { parts: &result_text(result), assistant: false },
                own: result_fields(message, at),
            })?,
            Part::Reasoning(reasoning) => {
                // Unsigned reasoning is from another model and has no place on this wire; the wire's notes say so.
                if let Some(item) = reasoning
                    .signature
                    .as_ref()
                    .and_then(|signature| Json::parse(signature.data.as_str()).ok())
                {
                    list.serialize_element(&item)?;
                }
            }
            _ => {}
        }
    }
    push_message(message, role, &message.parts[sent..], None, list)
}

fn push_message<L: SerializeSeq>(
    message: &Message,
    role: &'static str,
    parts: &[Part],
    fields: Option<&Native>,
    list: &mut L,
) -> Result<(), L::Error> {
    if !parts.iter().any(is_message_content) {
        return Ok(());
    }
    let content = Content { parts, assistant: role == "assistant" };
    let own = fields.and_then(|fields| serde_json::from_str::<Fields<'_>>(fields.raw.as_str()).ok());
    let extras = message.extras.get(WIRE);
    list.serialize_element(&MessageDto { role, content, own: own.unwrap_or_default(), extras })
}

struct MessageDto<'a> {
    role: &'static str,
    content: Content<'a>,
    own: Fields<'a>,
    extras: Option<&'a BTreeMap<String, Json>>,
}

impl Serialize for MessageDto<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        // A message of the model's own, which has an id and a status, must say what it is.
        if !self.own.is_empty() {
            map.serialize_entry("type", "message")?;
        }
        map.serialize_entry("role", self.role)?;
        map.serialize_entry("content", &self.content)?;
        for (name, value) in &self.own {
            map.serialize_entry(name, value)?;
        }
        for (name, value) in self.extras.into_iter().flatten().filter(|(name, _)| is_message_field(name)) {
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

fn is_message_content(part: &Part) -> bool {
    match part {
        Part::Text(_) | Part::Image(_) | Part::Document(_) | Part::Refusal(_) => true,
        Part::Native(native) => native.wire == WIRE && is_native_content(native),
        _ => false,
    }
}

/// Whether a native part belongs inside a message.
fn is_native_content(native: &Native) -> bool {
    let kind: Option<TypeOnly> = serde_json::from_str(native.raw.as_str()).ok();
    kind.is_some_and(|kind| kind.kind.starts_with("input_") || kind.kind.starts_with("output_"))
}

#[derive(serde::Deserialize)]
struct TypeOnly {
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
        let content = || self.parts.iter().enumerate().filter(|(_, part)| is_message_content(part));
        match (content().next(), content().nth(1)) {
            (None, _) => return serializer.serialize_str(""),
            (Some((at, Part::Text(text))), None)
                if !self.assistant && own_fields(self.parts, at).is_empty() =>
            {
                return serializer.serialize_str(text);
            }
            _ => {}
        }
        let mut list = serializer.serialize_seq(None)?;
        for (at, part) in content() {
            // In the model's own content, fields mark the end of a message.
            let is_own = self.assistant && matches!(part, Part::Text(_) | Part::Refusal(_));
            let own = if is_own { Fields::new() } else { own_fields(self.parts, at) };
            list.serialize_element(&PartDto { part, assistant: self.assistant, own })?;
        }
        list.end()
    }
}

struct PartDto<'a> {
    part: &'a Part,
    assistant: bool,
    own: Fields<'a>,
}

impl Serialize for PartDto<'_> {
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
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", kind)?;
        map.serialize_entry(name, &value)?;
        if name == "file_data" && !self.own.contains_key("filename") {
            map.serialize_entry("filename", "document")?;
        }
        for (name, value) in &self.own {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct FunctionCallDto<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    call_id: &'a str,
    name: &'a str,
    arguments: &'a str,
    #[serde(flatten)]
    own: Fields<'a>,
}

#[derive(Serialize)]
struct FunctionOutputDto<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    call_id: &'a str,
    output: Content<'a>,
    #[serde(flatten)]
    own: Fields<'a>,
}

struct Tools<'a>(&'a ChatRequest);

impl Serialize for Tools<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for tool in &self.0.tools {
            list.serialize_element(&ToolDto(tool))?;
        }
        for tool in self.0.native_tools.iter().filter(|tool| tool.wire == WIRE) {
            list.serialize_element(&tool.raw)?;
        }
        list.end()
    }
}

struct ToolDto<'a>(&'a hotspare_core::Tool);

impl Serialize for ToolDto<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tool = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", "function")?;
        map.serialize_entry("name", &tool.name)?;
        if let Some(description) = &tool.description {
            map.serialize_entry("description", description)?;
        }
        map.serialize_entry("parameters", &tool.parameters)?;
        let own = tool.extras.get(WIRE);
        if !own.is_some_and(|own| own.contains_key(STRICT)) {
            map.serialize_entry(STRICT, &tool.strict.unwrap_or(false))?;
        }
        for (name, value) in own.into_iter().flatten() {
            if name != STRICT || value.as_str() != "null" {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

struct ToolChoiceDto<'a>(&'a ToolChoice);

impl Serialize for ToolChoiceDto<'_> {
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
