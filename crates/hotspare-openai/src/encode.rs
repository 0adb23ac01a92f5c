//! Requests to the wire's JSON.
//!
//! Borrows everything: no tree is built. What a dialect cannot say and what would change the answer's meaning (images, a
//! schema, `top_k`) is refused as unsupported, so that another target serves; what is only a hint (the user's id, an
//! allowance of parallel calls) is left out. Invariant: a body that leaves here is valid JSON, and fields named in `extras`
//! win over those that Hotspare writes.

use std::collections::BTreeMap;

use hotspare_core::{
    ChatRequest, Error, Json, Kind, Message, Native, OutputFormat, Part, Role, Tool, ToolChoice,
};
use hotspare_provider::fields::Fields;
use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};

use crate::dialect::Dialect;
use crate::{WIRE, accepts};

mod details;

use details::{Details, is_signed};

/// Spells a request's body.
pub(crate) fn body(
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
    accepts::check(request, dialect)?;
    if !dialect.images && request.has_images() {
        return Err(Error::new(Kind::Unsupported, "this host reads no images"));
    }
    if request.sampling.top_k.is_some() {
        return Err(Error::new(Kind::Unsupported, "this wire has no word for top_k"));
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

impl Body<'_> {
    fn field<M: SerializeMap, T: Serialize + ?Sized>(
        &self,
        map: &mut M,
        name: &str,
        value: &T,
    ) -> Result<(), M::Error> {
        match self.extras {
            Some(extras) if extras.contains_key(name) => Ok(()),
            _ => map.serialize_entry(name, value),
        }
    }

    fn some<M: SerializeMap, T: Serialize>(
        &self,
        map: &mut M,
        name: &str,
        value: &Option<T>,
    ) -> Result<(), M::Error> {
        value.as_ref().map_or(Ok(()), |value| self.field(map, name, value))
    }

    /// A field that the host may not take; [`accepts`] has said what becomes of it then.
    fn hint<M: SerializeMap, T: Serialize>(
        &self,
        map: &mut M,
        name: &str,
        value: &Option<T>,
    ) -> Result<(), M::Error> {
        if self.dialect.takes(name) { self.some(map, name, value) } else { Ok(()) }
    }
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let request = self.request;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("model", self.model)?;
        self.field(&mut map, "messages", &Messages(&request.messages, self.dialect))?;
        if self.stream {
            map.serialize_entry("stream", &true)?;
            if self.dialect.ask_stream_usage {
                self.field(&mut map, "stream_options", &StreamOptions { include_usage: true })?;
            }
        }
        if !request.tools.is_empty() || request.native_tools.iter().any(|tool| tool.wire == WIRE) {
            self.field(&mut map, "tools", &Tools(request))?;
            self.hint(&mut map, "tool_choice", &request.tool_choice.as_ref().map(Choice))?;
            self.hint(&mut map, "parallel_tool_calls", &request.parallel_tools.filter(|parallel| !parallel))?;
        }
        match &request.output {
            OutputFormat::JsonObject => {
                self.field(&mut map, "response_format", &TypeOnly { kind: "json_object" })?
            }
            OutputFormat::JsonSchema { .. } if !self.dialect.json_schema => {
                self.field(&mut map, "response_format", &TypeOnly { kind: "json_object" })?;
            }
            OutputFormat::JsonSchema { name, schema, strict } => {
                let json_schema = NamedSchema { name, schema, strict: *strict };
                self.field(&mut map, "response_format", &SchemaFormat { kind: "json_schema", json_schema })?;
            }
            _ => {}
        }
        let sampling = &request.sampling;
        let hottest = self.dialect.hottest();
        self.hint(&mut map, "temperature", &sampling.temperature.map(|wanted| wanted.min(hottest)))?;
        self.hint(&mut map, "top_p", &sampling.top_p)?;
        self.hint(&mut map, "frequency_penalty", &sampling.frequency_penalty)?;
        self.hint(&mut map, "presence_penalty", &sampling.presence_penalty)?;
        self.hint(&mut map, &self.dialect.seed_field, &sampling.seed)?;
        self.some(&mut map, self.dialect.max_tokens.field(), &request.max_output)?;
        if !request.stop.is_empty() {
            self.field(&mut map, "stop", &request.stop)?;
        }
        self.hint(&mut map, "reasoning_effort", &request.reasoning_effort)?;
        self.hint(&mut map, "user", &request.user)?;
        for (name, value) in self.extras.into_iter().flatten().filter(|(name, _)| self.dialect.takes(name)) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct TypeOnly {
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct SchemaFormat<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    json_schema: NamedSchema<'a>,
}

#[derive(Serialize)]
struct NamedSchema<'a> {
    name: &'a str,
    schema: &'a Json,
    strict: bool,
}

struct Messages<'a>(&'a [Message], &'a Dialect);

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for message in self.0 {
            let results = message.parts.iter().filter_map(|part| match part {
                Part::ToolResult(result) => Some(result),
                _ => None,
            });
            let mut only_results = true;
            for result in results {
                let content = Parts(&result.content);
                list.serialize_element(&ToolMessage { role: "tool", tool_call_id: &result.id, content })?;
            }
            only_results &=
                message.parts.iter().all(|part| matches!(part, Part::ToolResult(_) | Part::Fields(_)));
            if !only_results || message.parts.is_empty() {
                list.serialize_element(&Plain(message, self.1))?;
            }
        }
        list.end()
    }
}

#[derive(Serialize)]
struct ToolMessage<'a> {
    role: &'static str,
    tool_call_id: &'a str,
    content: Parts<'a>,
}

/// A message other than a tool's result.
struct Plain<'a>(&'a Message, &'a Dialect);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(message, dialect) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("role", role(message.role, dialect))?;
        if let Some(name) = &message.name {
            map.serialize_entry("name", name)?;
        }
        let says = message.parts.iter().any(is_said);
        if says || message.role != Role::Assistant {
            map.serialize_entry("content", &Parts(&message.parts))?;
        } else {
            map.serialize_entry("content", &())?;
        }
        if let Some(Part::Refusal(text)) = message.parts.iter().find(|part| matches!(part, Part::Refusal(_)))
        {
            map.serialize_entry("refusal", text)?;
        }
        if dialect.signs_reasoning && message.parts.iter().any(is_signed) {
            map.serialize_entry("reasoning_details", &Details(&message.parts))?;
        }
        if message.parts.iter().any(|part| matches!(part, Part::ToolCall(_))) {
            map.serialize_entry("tool_calls", &Calls(&message.parts))?;
        }
        map.end()
    }
}

fn role(role: Role, dialect: &Dialect) -> &'static str {
    match role {
        Role::Assistant => "assistant",
        Role::Developer if dialect.developer_role => "developer",
        Role::Developer | Role::System => "system",
        Role::Tool => "tool",
        _ => "user",
    }
}

/// What a message says: one text as text, anything else as a list.
struct Parts<'a>(&'a [Part]);

impl Serialize for Parts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let said = || self.0.iter().filter(|part| is_said(part));
        match (said().next(), said().nth(1)) {
            (None, _) => serializer.serialize_str(""),
            (Some(Part::Text(text)), None) => serializer.serialize_str(text),
            _ => {
                let mut list = serializer.serialize_seq(None)?;
                for (at, part) in self.0.iter().enumerate().filter(|(_, part)| is_said(part)) {
                    let fields = match self.0.get(at + 1) {
                        Some(Part::Fields(fields)) if fields.wire == WIRE => Some(fields),
                        _ => None,
                    };
                    list.serialize_element(&Piece(part, fields))?;
                }
                list.end()
            }
        }
    }
}

fn is_said(part: &Part) -> bool {
    match part {
        Part::Text(_) | Part::Image(_) | Part::Document(_) => true,
        Part::Native(native) => native.wire == WIRE,
        _ => false,
    }
}

/// A part and the fields that only this wire knows.
struct Piece<'a>(&'a Part, Option<&'a Native>);

impl Serialize for Piece<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Part::Native(native) = self.0 {
            return native.raw.serialize(serializer);
        }
        let mut map = serializer.serialize_map(Some(2))?;
        match self.0 {
            Part::Image(media) => {
                map.serialize_entry("type", "image_url")?;
                map.serialize_entry("image_url", &With("url", &media.to_url(), None, self.1))?;
            }
            Part::Document(media) => {
                map.serialize_entry("type", "file")?;
                let file = With("file_data", &media.to_url(), Some(("filename", "document")), self.1);
                map.serialize_entry("file", &file)?;
            }
            part => {
                map.serialize_entry("type", "text")?;
                map.serialize_entry("text", part.as_text().unwrap_or_default())?;
            }
        }
        map.end()
    }
}

/// A field, another that may be replaced, and the fields that only this wire knows.
struct With<'a>(&'static str, &'a str, Option<(&'static str, &'static str)>, Option<&'a Native>);

impl Serialize for With<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(name, value, default, native) = self;
        let own = native.and_then(|native| serde_json::from_str::<Fields<'_>>(native.raw.as_str()).ok());
        let own = own.unwrap_or_default();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(name, value)?;
        if let Some((name, value)) = default.filter(|(name, _)| !own.contains_key(*name)) {
            map.serialize_entry(name, value)?;
        }
        for (name, value) in own {
            map.serialize_entry(&name, value)?;
        }
        map.end()
    }
}

struct Calls<'a>(&'a [Part]);

impl Serialize for Calls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for part in self.0 {
            if let Part::ToolCall(call) = part {
                let arguments = if call.arguments.is_empty() { "{}" } else { &call.arguments };
                let function = CalledFunction { name: &call.name, arguments };
                list.serialize_element(&Called { id: &call.id, kind: "function", function })?;
            }
        }
        list.end()
    }
}

#[derive(Serialize)]
struct Called<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: CalledFunction<'a>,
}

#[derive(Serialize)]
struct CalledFunction<'a> {
    name: &'a str,
    arguments: &'a str,
}

struct Tools<'a>(&'a ChatRequest);

impl Serialize for Tools<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for tool in &self.0.tools {
            list.serialize_element(&OfferedTool { kind: "function", function: Offered(tool) })?;
        }
        for tool in self.0.native_tools.iter().filter(|tool| tool.wire == WIRE) {
            list.serialize_element(&tool.raw)?;
        }
        list.end()
    }
}

#[derive(Serialize)]
struct OfferedTool<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: Offered<'a>,
}

struct Offered<'a>(&'a Tool);

impl Serialize for Offered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tool = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &tool.name)?;
        if let Some(description) = &tool.description {
            map.serialize_entry("description", description)?;
        }
        map.serialize_entry("parameters", &tool.parameters)?;
        if let Some(strict) = tool.strict {
            map.serialize_entry("strict", &strict)?;
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
                map.serialize_entry("function", &BTreeMap::from([("name", name)]))?;
                map.end()
            }
            _ => serializer.serialize_str("auto"),
        }
    }
}

#[cfg(test)]
mod tests;
