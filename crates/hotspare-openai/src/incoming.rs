//! The wire's request JSON to a core request, for a server that offers this wire to its callers.
//!
//! Does not validate models' rules: that is up to the providers. Fields without a shared equivalent are kept and
//! forwarded to targets of this wire. Invariant: every error names the field it is about; nothing is guessed.

use std::fmt;

use hotspare_core::{
    ChatRequest, Error, Json, Media, Message, Native, OutputFormat, Part, Reasoning, Role, Signature, Tool,
    ToolCall, ToolChoice, ToolResult,
};
use hotspare_provider::fields::{self, StrictObject, invalid, read, read_object, within};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::dialect::Dialect;
use crate::dto::ReasoningDetail;
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
                    request.messages.push(self::message(format_args!("messages[{index}]"), message)?);
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
                    let dto: ToolDto = read_object(&at, raw, "{type, function}")?;
                    // Tools of other types run at the provider, or have a format of its own.
                    match dto.kind.as_deref() {
                        None | Some("function") => request.tools.push(tool(&at, dto)?),
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
            "seed" => sampling.seed = Some(read(name, value, "a whole number")?),
            "max_tokens" | "max_completion_tokens" => {
                let tokens: u64 = read(name, value, "a whole number of at least 1")?;
                if tokens == 0 {
                    return Err(invalid(format!("`{name}` must be at least 1")));
                }
                if request.max_output.is_some_and(|other| other != tokens) {
                    return Err(invalid("`max_tokens` and `max_completion_tokens` differ: give one of them"));
                }
                request.max_output = Some(tokens);
            }
            "stop" => {
                request.stop = match read::<StopDto>(name, value, "a text or a list of texts")? {
                    StopDto::One(text) => vec![text],
                    StopDto::Many(list) => list,
                };
            }
            "reasoning_effort" => request.reasoning_effort = Some(read(name, value, "a word")?),
            "user" => request.end_user = Some(read(name, value, "a text")?),
            "n" => {
                let n: u64 = read(name, value, "a whole number")?;
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
#[serde(untagged)]
enum StopDto {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct ToolDto {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    function: Option<StrictObject<FunctionDto>>,
}

#[derive(Deserialize)]
struct FunctionDto {
    name: String,
    description: Option<String>,
    parameters: Option<Json>,
    strict: Option<bool>,
}

#[derive(Deserialize)]
struct MessageDto<'a> {
    role: Option<String>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    name: Option<String>,
    refusal: Option<String>,
    tool_calls: Option<Vec<StrictObject<ToolCallDto>>>,
    tool_call_id: Option<String>,
    reasoning_content: Option<String>,
    /// Another name for the above.
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_details: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ToolCallDto {
    id: String,
    function: StrictObject<FunctionCallDto>,
}

#[derive(Deserialize)]
struct FunctionCallDto {
    name: String,
    #[serde(default)]
    arguments: String,
}

#[derive(Deserialize)]
struct PartDto {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    refusal: Option<String>,
    image_url: Option<StrictObject<UrlDto>>,
    file: Option<StrictObject<FileDto>>,
}

#[derive(Deserialize)]
struct UrlDto {
    url: String,
    detail: Option<String>,
}

#[derive(Deserialize)]
struct FileDto {
    file_data: Option<String>,
    file_id: Option<String>,
    filename: Option<String>,
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

fn message(at: fmt::Arguments<'_>, raw: &RawValue) -> Result<Message, Error> {
    let dto: MessageDto<'_> = read_object(at, raw, "an object with role and content")?;
    let role = match dto.role.as_deref() {
        Some("system") => Role::System,
        Some("developer") => Role::Developer,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("tool" | "function") => Role::Tool,
        Some(other) => {
            return Err(invalid(format!(
                "`{at}.role` is `{other}`; valid values are system, developer, user, assistant and tool"
            )));
        }
        None => return Err(invalid(format!("`{at}.role` is missing"))),
    };
    let content = match dto.content {
        Some(content) => content_parts(format_args!("{at}.content"), content)?,
        None => Vec::new(),
    };
    if role == Role::Tool {
        let id = dto.tool_call_id.or(dto.name);
        let id = id.ok_or_else(|| invalid(format!("`{at}.tool_call_id` is missing")))?;
        return Ok(Message::tool(ToolResult::from_parts(id, content)));
    }
    let mut parts = Vec::new();
    if let Some(raw) = dto.reasoning_details.filter(|raw| raw.get() != "null") {
        parts = reasoning_details(format_args!("{at}.reasoning_details"), raw)?;
    }
    let repeated = parts.iter().any(|part| matches!(part, Part::Reasoning(known) if !known.text.is_empty()));
    let plain = dto.reasoning_content.or_else(|| serde_json::from_str(dto.reasoning?.get()).ok());
    if let Some(text) = plain.filter(|text| !text.is_empty() && !repeated) {
        parts.insert(0, Part::Reasoning(Reasoning::new(text)));
    }
    parts.extend(content);
    parts.extend(dto.refusal.map(Part::Refusal));
    for StrictObject(ToolCallDto { id, function: StrictObject(function) }) in
        dto.tool_calls.unwrap_or_default()
    {
        parts.push(Part::ToolCall(ToolCall::new(id, function.name, function.arguments)));
    }
    if parts.is_empty() && role != Role::Assistant {
        return Err(invalid(format!("`{at}.content` is missing")));
    }
    let mut message = Message::new(role, parts);
    message.name = dto.name;
    Ok(message)
}

/// Reasoning in the form in which the host that signs it sends it. Each entry is kept as it is: the host expects the
/// whole list back.
fn reasoning_details(at: fmt::Arguments<'_>, raw: &RawValue) -> Result<Vec<Part>, Error> {
    let list: Vec<&RawValue> = read(at, raw, "a list of objects")?;
    let Some(origin) = Dialect::ALL.iter().find_map(Dialect::signature_origin) else { return Ok(Vec::new()) };
    list.into_iter()
        .enumerate()
        .map(|(index, raw)| {
            read_object::<IgnoredAny>(format_args!("{at}[{index}]"), raw, "an object with a type")?;
            let detail: ReasoningDetail<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
            let text = detail.text.or(detail.summary).map(|text| text.0.into_owned()).unwrap_or_default();
            let redacted = text.is_empty();
            let signature = Signature { origin: origin.clone(), data: raw.get().to_owned(), redacted };
            Ok(Part::Reasoning(Reasoning::new(text).with_signature(signature)))
        })
        .collect()
}

fn content_parts(at: fmt::Arguments<'_>, raw: &RawValue) -> Result<Vec<Part>, Error> {
    if raw.get().starts_with('"') {
        return Ok(vec![Part::Text(read(at, raw, "a text")?)]);
    }
    if raw.get() == "null" {
        return Ok(Vec::new());
    }
    let list: Vec<&RawValue> = read(at, raw, "a text or a list of parts")?;
    let mut parts = Vec::with_capacity(list.len());
    for (index, raw) in list.into_iter().enumerate() {
        let at = format!("{at}[{index}]");
        let part: PartDto = read_object(&at, raw, "an object with a type")?;
        let missing = |what: &str| invalid(format!("`{at}.{what}` is missing"));
        let mut fields = None;
        parts.push(match part.kind.as_str() {
            "text" | "input_text" | "output_text" => Part::Text(part.text.ok_or_else(|| missing("text"))?),
            "refusal" => Part::Refusal(part.refusal.ok_or_else(|| missing("refusal"))?),
            "image_url" => {
                let StrictObject(image) = part.image_url.ok_or_else(|| missing("image_url"))?;
                fields = image.detail.map(|detail| serde_json::json!({"detail": detail}));
                Part::Image(Media::from_url(&image.url))
            }
            "file" => {
                let StrictObject(file) = part.file.ok_or_else(|| missing("file"))?;
                match (file.file_data, file.file_id) {
                    (Some(data), _) => {
                        fields = file.filename.map(|name| serde_json::json!({"filename": name}));
                        Part::Document(Media::from_url(&data))
                    }
                    // A file that was uploaded to one provider.
                    (None, Some(_)) => Part::Native(native(&at, raw)?),
                    (None, None) => return Err(missing("file.file_data")),
                }
            }
            // Audio can only be sent to targets of this wire.
            "input_audio" => Part::Native(native(&at, raw)?),
            other => {
                let known = "text, image_url, file, input_audio and refusal";
                return Err(invalid(format!("`{at}.type` is `{other}`; valid values are {known}")));
            }
        });
        parts.extend(fields.map(|fields| Part::Fields(Native::new(WIRE, Json::from(fields)))));
    }
    Ok(parts)
}

fn native(at: &str, raw: &RawValue) -> Result<Native, Error> {
    let raw = Json::parse(raw.get()).map_err(|_| invalid(format!("`{at}` is not valid JSON")))?;
    Ok(Native::new(WIRE, raw))
}

fn tool(at: &str, dto: ToolDto) -> Result<Tool, Error> {
    let StrictObject(function) =
        dto.function.ok_or_else(|| invalid(format!("`{at}.function` is missing")))?;
    let empty = || Json::parse(r#"{"type":"object","properties":{}}"#).map_err(|_| invalid("no parameters"));
    let parameters = function.parameters.map_or_else(empty, Ok)?;
    let mut tool = Tool::new(function.name, parameters);
    tool.description = function.description;
    tool.strict = function.strict;
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
