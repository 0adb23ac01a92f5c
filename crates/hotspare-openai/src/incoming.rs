//! The wire's request JSON to a core request, for a server that offers this wire to its callers.
//!
//! Does not validate models' rules: that is up to the providers. Fields without a shared equivalent are kept and
//! forwarded to targets of this wire. Invariant: every error names the field it is about; nothing is guessed.

mod messages;
mod rest;

use hotspare_core::{ChatRequest, Error, Json, OutputFormat, Tool, ToolChoice};
use hotspare_provider::fields::{self, StrictObject, invalid, read, read_object, whole, within};
use serde::Deserialize;
use serde_json::value::RawValue;

use self::rest::{native, object, rest};
use crate::accepts::FUNCTION;
use crate::{WIRE, accepts};

/// A caller's request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChatCompletionsRequest {
    /// The request.
    pub request: ChatRequest,
    /// Whether the caller wants a stream.
    pub stream: bool,
    /// Whether the stream should end with usage.
    pub include_usage: bool,
}

impl ChatCompletionsRequest {
    /// Parses a body.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`](hotspare_core::Kind::InvalidRequest) naming the field and what is wrong with it.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let mut incoming = Self { request: ChatRequest::default(), stream: false, include_usage: false };
        for (name, value) in fields::body(body)? {
            incoming.field(&name, value)?;
        }
        if incoming.request.model.is_empty() {
            return Err(invalid("`model` is missing: name a route or a target"));
        }
        if incoming.request.messages.is_empty() {
            return Err(invalid("`messages` is missing or empty"));
        }
        let request = &incoming.request;
        if let Some(what) = accepts::binds(request, WIRE, &accepts::STATEFUL_FIELDS) {
            incoming.request = incoming.request.bound_to(WIRE, what);
        } else if let Some(what) = accepts::wire_specific_field(request) {
            incoming.request = incoming.request.only_on_wire(WIRE, what);
        }
        Ok(incoming)
    }

    fn field(&mut self, name: &str, value: &RawValue) -> Result<(), Error> {
        let request = &mut self.request;
        let sampling = &mut request.sampling;
        match name {
            "model" => request.model = read(name, value, "a name")?,
            "messages" => {
                let list: Vec<&RawValue> = read(name, value, "a list")?;
                for (index, message) in list.iter().enumerate() {
                    request.messages.push(messages::message(format_args!("messages[{index}]"), message)?);
                }
            }
            "stream" => self.stream = read(name, value, "true or false")?,
            "stream_options" => {
                let options: StreamOptionsDto = read_object(name, value, "an object")?;
                self.include_usage = options.include_usage;
            }
            "tools" => {
                let list: Vec<&RawValue> = read(name, value, "a list of {type, function}")?;
                for (index, raw) in list.into_iter().enumerate() {
                    let at = format!("tools[{index}]");
                    let dto: TypeDto = read_object(&at, raw, "{type, function}")?;
                    // Tools of other types run at the provider, or have a format of its own.
                    match dto.kind.as_deref() {
                        None | Some("function") => request.tools.push(tool(&at, raw)?),
                        Some(_) => request.native_tools.push(native(&at, raw)?),
                    }
                }
            }
            "tool_choice" => request.tool_choice = Some(tool_choice(value)?),
            "parallel_tool_calls" => request.parallel_tools = Some(read(name, value, "true or false")?),
            "response_format" => request.output = output(value)?,
            "temperature" => sampling.temperature = Some(within(name, value, 0.0, 2.0)?),
            "top_p" => sampling.top_p = Some(within(name, value, 0.0, 1.0)?),
            "frequency_penalty" => sampling.frequency_penalty = Some(within(name, value, -2.0, 2.0)?),
            "presence_penalty" => sampling.presence_penalty = Some(within(name, value, -2.0, 2.0)?),
            "seed" => sampling.seed = Some(whole(name, value, "a whole number")?),
            "max_tokens" | "max_completion_tokens" => {
                let tokens: u64 = whole(name, value, "a whole number of at least 1")?;
                if tokens == 0 {
                    return Err(invalid(format!("`{name}` must be at least 1")));
                }
                if request.max_output.is_some_and(|other| other != tokens) {
                    return Err(invalid("`max_tokens` and `max_completion_tokens` differ: give one of them"));
                }
                request.max_output = Some(tokens);
            }
            "stop" => {
                let is_list = value.get().starts_with('[');
                request.stop = if is_list {
                    fields::stops(name, value, "a text or a list of texts")?
                } else {
                    vec![read(name, value, "a text or a list of texts")?]
                };
            }
            "reasoning_effort" => request.reasoning_effort = Some(read(name, value, "a word")?),
            "user" => request.end_user = Some(read(name, value, "a text")?),
            "n" => {
                let n: u64 = whole(name, value, "a whole number")?;
                if n != 1 {
                    return Err(invalid("`n` must be 1: one answer per request"));
                }
            }
            "hotspare" => request.options = fields::options(value)?,
            _ => {
                let json =
                    Json::parse(value.get()).map_err(|_| invalid(format!("`{name}` is not valid JSON")))?;
                request.extras.entry(WIRE.into()).or_default().insert(name.into(), json);
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct StreamOptionsDto {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Deserialize)]
struct TypeDto {
    #[serde(rename = "type", default)]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct ToolDto<'a> {
    #[serde(borrow)]
    function: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct FunctionDto {
    name: String,
    description: Option<String>,
    parameters: Option<Json>,
    strict: Option<bool>,
}

#[derive(Deserialize)]
struct FormatDto {
    #[serde(rename = "type")]
    kind: String,
    json_schema: Option<StrictObject<SchemaDto>>,
}

#[derive(Deserialize)]
struct SchemaDto {
    name: Option<String>,
    schema: Option<Json>,
    #[serde(default)]
    strict: Option<bool>,
}

fn tool(at: &str, raw: &RawValue) -> Result<Tool, Error> {
    let expected = "{type, function}";
    let tool: ToolDto<'_> = read_object(at, raw, expected)?;
    let function = tool.function.ok_or_else(|| invalid(format!("`{at}.function` is missing")))?;
    let dto: FunctionDto = read_object(format_args!("{at}.function"), function, "an object with a name")?;
    let empty = || Json::parse(r#"{"type":"object","properties":{}}"#).map_err(|_| invalid("no parameters"));
    let mut tool = Tool::new(dto.name, dto.parameters.map_or_else(empty, Ok)?);
    tool.description = dto.description;
    tool.strict = dto.strict;
    let mut own = rest(raw, &["type", FUNCTION]);
    let functions = rest(function, &["name", "description", "parameters", "strict"]);
    if let Some(functions) = object(&functions) {
        own.insert(FUNCTION.to_owned(), functions);
    }
    if !own.is_empty() {
        tool.extras.insert(WIRE.into(), own);
    }
    Ok(tool)
}

fn tool_choice(raw: &RawValue) -> Result<ToolChoice, Error> {
    #[derive(Deserialize)]
    struct NamedChoiceDto {
        function: StrictObject<FunctionNameDto>,
    }
    #[derive(Deserialize)]
    struct FunctionNameDto {
        name: String,
    }
    if !raw.get().starts_with('"') {
        let named: NamedChoiceDto = read_object("tool_choice", raw, "a word or {type, function: {name}}")?;
        return Ok(ToolChoice::Named(named.function.0.name));
    }
    match read::<String>("tool_choice", raw, "a word")?.as_str() {
        "auto" => Ok(ToolChoice::Auto),
        "none" => Ok(ToolChoice::None),
        "required" | "any" => Ok(ToolChoice::Required),
        other => {
            Err(invalid(format!("`tool_choice` is `{other}`; valid values are auto, none and required")))
        }
    }
}

fn output(raw: &RawValue) -> Result<OutputFormat, Error> {
    let dto: FormatDto = read_object("response_format", raw, "an object with a type")?;
    match dto.kind.as_str() {
        "text" => Ok(OutputFormat::Text),
        "json_object" => Ok(OutputFormat::JsonObject),
        "json_schema" => {
            let missing = || invalid("`response_format.json_schema.schema` is missing");
            let StrictObject(dto) = dto.json_schema.ok_or_else(missing)?;
            Ok(OutputFormat::JsonSchema {
                name: dto.name.unwrap_or_else(|| "answer".into()),
                schema: dto.schema.ok_or_else(missing)?,
                strict: dto.strict.unwrap_or(false),
            })
        }
        other => {
            let known = "text, json_object and json_schema";
            Err(invalid(format!("`response_format.type` is `{other}`; valid values are {known}")))
        }
    }
}

#[cfg(test)]
mod tests;
