//! Requests to the wire's JSON.
//!
//! Borrows everything: no tree is built. What a dialect lacks and would change the answer's meaning (images, documents, a schema,
//! `top_k`) is refused as unsupported, so that another target serves the request; a mere hint (the user's id,
//! permission for parallel calls) is dropped. Invariant: the body is valid JSON, and fields named in `extras` win over
//! those that Hotspare writes.

use std::collections::BTreeMap;

use hotspare_core::{ChatRequest, Error, Json, Kind, OutputFormat, Tool, ToolChoice};
use hotspare_provider::fields::Fields;
use hotspare_provider::{check_tool_choice, offers_tools};
use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};

use crate::accepts::{FUNCTION, TOOL_FIELDS};
use crate::dialect::Dialect;
use crate::{WIRE, accepts};

mod messages;
mod reasoning;

use messages::Messages;
pub(crate) use messages::{dropped_reasoning, joined_instructions, moved_media};

/// Encodes the body of a request.
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
    check_tool_choice(request, WIRE, TOOL_FIELDS)?;
    accepts::check(request, dialect)?;
    if !dialect.images && request.has_images() {
        return Err(Error::new(Kind::Unsupported, "this host does not support images"));
    }
    if !dialect.documents && request.has_documents() {
        return Err(Error::new(Kind::Unsupported, "this host does not support documents"));
    }
    if !dialect.custom_tools && accepts::has_custom_tools(request) {
        return Err(Error::new(Kind::Unsupported, "this host does not support tools of the type custom"));
    }
    if request.sampling.top_k.is_some() {
        return Err(Error::new(Kind::Unsupported, "this wire does not support top_k"));
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

    fn optional<M: SerializeMap, T: Serialize>(
        &self,
        map: &mut M,
        name: &str,
        value: &Option<T>,
    ) -> Result<(), M::Error> {
        value.as_ref().map_or(Ok(()), |value| self.field(map, name, value))
    }

    /// Writes a field unless the host does not accept it; [`accepts`] has refused or noted that case.
    fn hint<M: SerializeMap, T: Serialize>(
        &self,
        map: &mut M,
        name: &str,
        value: &Option<T>,
    ) -> Result<(), M::Error> {
        if self.dialect.takes(name) { self.optional(map, name, value) } else { Ok(()) }
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
                self.field(&mut map, "stream_options", &StreamOptionsDto { include_usage: true })?;
            }
        }
        if !request.tools.is_empty() || request.native_tools.iter().any(|tool| tool.wire == WIRE) {
            self.field(&mut map, "tools", &Tools(request, self.dialect))?;
        }
        if offers_tools(request, WIRE, TOOL_FIELDS) {
            self.hint(&mut map, "tool_choice", &request.tool_choice.as_ref().map(ToolChoiceDto))?;
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
        let temperature = sampling.temperature.map(|requested| self.dialect.temperature(requested));
        self.hint(&mut map, "temperature", &temperature)?;
        self.hint(&mut map, "top_p", &sampling.top_p)?;
        self.hint(&mut map, "frequency_penalty", &sampling.frequency_penalty)?;
        self.hint(&mut map, "presence_penalty", &sampling.presence_penalty)?;
        self.hint(&mut map, &self.dialect.seed_field, &sampling.seed)?;
        self.optional(&mut map, self.dialect.max_tokens.field(), &request.max_output)?;
        if !request.stop.is_empty() {
            self.field(&mut map, "stop", &request.stop)?;
        }
        let own_thinking = self.extras.is_some_and(|extras| extras.contains_key("thinking"));
        match request.reasoning_effort.as_deref().map(|word| self.dialect.effort(word)) {
            Some("none") if self.dialect.thinking_switch => {
                if !own_thinking {
                    map.serialize_entry("thinking", &ThinkingDto { kind: "disabled" })?;
                }
            }
            effort => self.hint(&mut map, "reasoning_effort", &effort)?,
        }
        self.hint(&mut map, "user", &request.end_user)?;
        for (name, value) in self.extras.into_iter().flatten().filter(|(name, _)| self.dialect.takes(name)) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Whether the model reasons, on hosts that have no effort for "not at all".
#[derive(Serialize)]
struct ThinkingDto {
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct StreamOptionsDto {
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

struct Tools<'a>(&'a ChatRequest, &'a Dialect);

impl Serialize for Tools<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for tool in &self.0.tools {
            list.serialize_element(&ToolDto(tool, self.1))?;
        }
        for tool in self.0.native_tools.iter().filter(|tool| tool.wire == WIRE) {
            list.serialize_element(&tool.raw)?;
        }
        list.end()
    }
}

/// A tool, with the fields that only this wire has: its own, and those of its function.
struct ToolDto<'a>(&'a Tool, &'a Dialect);

impl ToolDto<'_> {
    fn own(&self) -> impl Iterator<Item = (&String, &Json)> {
        self.0.extras.get(WIRE).into_iter().flatten()
    }
}

impl Serialize for ToolDto<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(tool, dialect) = self;
        let own = self.own().find(|(name, _)| *name == FUNCTION);
        let own = own.and_then(|(_, own)| serde_json::from_str(own.as_str()).ok()).unwrap_or_default();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", "function")?;
        map.serialize_entry(FUNCTION, &FunctionDto { tool, dialect, own })?;
        for (name, value) in self.own().filter(|(name, _)| *name != FUNCTION && dialect.takes_inside(name)) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

struct FunctionDto<'a> {
    tool: &'a Tool,
    dialect: &'a Dialect,
    own: Fields<'a>,
}

impl Serialize for FunctionDto<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { tool, dialect, own } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &tool.name)?;
        if let Some(description) = &tool.description {
            map.serialize_entry("description", description)?;
        }
        map.serialize_entry("parameters", &tool.parameters)?;
        if let Some(strict) = tool.strict {
            map.serialize_entry("strict", &strict)?;
        }
        for (name, value) in own.iter().filter(|(name, _)| dialect.takes_inside(name)) {
            map.serialize_entry(name, value)?;
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
                map.serialize_entry("function", &BTreeMap::from([("name", name)]))?;
                map.end()
            }
            _ => serializer.serialize_str("auto"),
        }
    }
}

#[cfg(test)]
mod tests;
