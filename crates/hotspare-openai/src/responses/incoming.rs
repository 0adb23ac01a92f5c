//! The wire's request JSON to a core request, for a server that offers this wire to its callers.
//!
//! Does not validate models' rules: that is up to the providers. What has no shared equivalent is kept as fields, parts
//! and tools of this wire. Invariant: every error names the field it is about; nothing is guessed.

use hotspare_core::{
    ChatRequest, Error, Json, Media, Message, Native, Origin, OutputFormat, Part, Reasoning, Role, Signature,
    Tool, ToolCall, ToolChoice, ToolResult,
};
use hotspare_provider::fields::{self, Fields, StrictObject, invalid, read, read_object, whole, within};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{RESPONSES_WIRE as WIRE, STATEFUL_FIELDS, STRICT};
use crate::accepts;
use crate::dialect::Dialect;

/// A caller's request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ResponsesRequest {
    /// The request.
    pub request: ChatRequest,
    /// Whether the caller wants a stream.
    pub stream: bool,
}

impl ResponsesRequest {
    /// Parses a body.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`](hotspare_core::Kind::InvalidRequest) naming the field and what is wrong with it.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let mut incoming = Self { request: ChatRequest::default(), stream: false };
        let mut fields = fields::body(body)?;
        if let Some(text) = fields.remove("instructions") {
            incoming.request.messages.push(Message::system(read::<String>("instructions", text, "a text")?));
        }
        let asked = ["input", "previous_response_id", "prompt"].iter().any(|name| fields.contains_key(*name));
        for (name, value) in fields {
            incoming.field(&name, value)?;
        }
        if incoming.request.model.is_empty() {
            return Err(invalid("`model` is missing: name a route or a target"));
        }
        if !asked {
            return Err(invalid("`input` is missing or empty"));
        }
        // Checked here, and not only by targets of this wire, because a route may have none.
        if let Some(what) = accepts::binds(&incoming.request, WIRE, &STATEFUL_FIELDS) {
            incoming.request = incoming.request.bound_to(WIRE, what);
        }
        Ok(incoming)
    }

    fn field(&mut self, name: &str, value: &RawValue) -> Result<(), Error> {
        let request = &mut self.request;
        match name {
            "model" => request.model = read(name, value, "a name")?,
            "input" if value.get().starts_with('"') => {
                request.messages.push(Message::user(read::<String>(name, value, "a text")?));
            }
            "input" => {
                let list: Vec<&RawValue> = read(name, value, "a text or a list of items")?;
                for (index, raw) in list.into_iter().enumerate() {
                    item(&format!("input[{index}]"), raw, &mut request.messages)?;
                }
            }
            "stream" => self.stream = read(name, value, "true or false")?,
            "tools" => {
                let list: Vec<&RawValue> = read(name, value, "a list of tools")?;
                for (index, raw) in list.into_iter().enumerate() {
                    tool(&format!("tools[{index}]"), raw, request)?;
                }
            }
            "tool_choice" => match choice(value) {
                Some(choice) => request.tool_choice = Some(choice),
                None => self.extra(name, value)?,
            },
            "parallel_tool_calls" => request.parallel_tools = Some(read(name, value, "true or false")?),
            "text" => self.text(value)?,
            "reasoning" => {
                let mut fields: Fields<'_> = read(name, value, "an object")?;
                fields.retain(|_, value| value.get() != "null");
                if let Some(effort) = fields.remove("effort") {
                    request.reasoning_effort = Some(read("reasoning.effort", effort, "a word")?);
                }
                self.keep_fields(name, &fields);
            }
            "temperature" => request.sampling.temperature = Some(within(name, value, 0.0, 2.0)?),
            "top_p" => request.sampling.top_p = Some(within(name, value, 0.0, 1.0)?),
            "max_output_tokens" => {
                let tokens: u64 = whole(name, value, "a whole number of at least 1")?;
                if tokens == 0 {
                    return Err(invalid(format!("`{name}` must be at least 1")));
                }
                request.max_output = Some(tokens);
            }
            "user" => request.end_user = Some(read(name, value, "a text")?),
            "hotspare" => request.options = fields::options(value)?,
            _ => self.extra(name, value)?,
        }
        Ok(())
    }

    fn text(&mut self, value: &RawValue) -> Result<(), Error> {
        let mut fields: Fields<'_> = read("text", value, "an object")?;
        fields.retain(|_, value| value.get() != "null");
        if let Some(format) = fields.remove("format") {
            let dto: FormatDto = read_object("text.format", format, "an object with a type")?;
            self.request.output = match dto.kind.as_str() {
                "text" => OutputFormat::Text,
                "json_object" => OutputFormat::JsonObject,
                "json_schema" => OutputFormat::JsonSchema {
                    name: dto.name.unwrap_or_else(|| "answer".into()),
                    schema: dto.schema.ok_or_else(|| invalid("`text.format.schema` is missing"))?,
                    strict: dto.strict.unwrap_or(false),
                },
                // A format that only this wire has.
                _ => {
                    fields.insert("format".into(), format);
                    OutputFormat::Text
                }
            };
        }
        self.keep_fields("text", &fields);
        Ok(())
    }

    fn keep_fields(&mut self, name: &str, fields: &Fields<'_>) {
        if !fields.is_empty() {
            self.request.extras.entry(WIRE.into()).or_default().insert(name.into(), object(fields));
        }
    }

    fn extra(&mut self, name: &str, value: &RawValue) -> Result<(), Error> {
        let json = json(name, value)?;
        self.request.extras.entry(WIRE.into()).or_default().insert(name.into(), json);
        Ok(())
    }
}

#[derive(Deserialize)]
struct FormatDto {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    schema: Option<Json>,
    strict: Option<bool>,
}

/// Appends one item to the conversation: consecutive items of the model form one turn.
fn item(at: &str, raw: &RawValue, messages: &mut Vec<Message>) -> Result<(), Error> {
    let mut fields: Fields<'_> = read(at, raw, "an object")?;
    fields.retain(|_, value| value.get() != "null");
    let kind: Option<String> =
        fields.remove("type").map(|kind| read(format_args!("{at}.type"), kind, "a word")).transpose()?;
    let mut required = |name: &str| {
        let value = fields.remove(name).ok_or_else(|| invalid(format!("`{at}.{name}` is missing")))?;
        Ok::<_, Error>((format!("{at}.{name}"), value))
    };
    let text = |(name, value): (String, &RawValue)| read::<String>(&name, value, "a text");
    let part = match kind.as_deref() {
        None | Some("message") => return message(at, fields, messages),
        Some("function_call") => {
            let (id, name) = (text(required("call_id")?)?, text(required("name")?)?);
            if fields.contains_key("namespace") {
                // The name alone would not identify the tool.
                native(at, raw)?
            } else {
                let arguments = fields.remove("arguments").map(|value| (format!("{at}.arguments"), value));
                let call = ToolCall::new(id, name, arguments.map_or(Ok(String::new()), text)?);
                push_model_part(Part::ToolCall(call), messages);
                if let Some(own) = own_fields(fields) {
                    push_model_part(own, messages);
                }
                return Ok(());
            }
        }
        Some("function_call_output") => {
            let id = text(required("call_id")?)?;
            let (name, output) = required("output")?;
            let content = parts(&name, output, Role::User)?;
            let mut message = Message::tool(ToolResult::from_parts(id, content));
            message.parts.extend(own_fields(fields));
            messages.push(message);
            return Ok(());
        }
        Some("reasoning") => {
            let texts_of = |name: &str| {
                let list: Vec<StrictObject<TextDto>> = match fields.get(name) {
                    Some(value) => read(format_args!("{at}.{name}"), value, "a list of texts")?,
                    None => Vec::new(),
                };
                Ok::<_, Error>(
                    list.into_iter()
                        .filter_map(|StrictObject(part)| part.text)
                        .filter(|text| !text.is_empty()),
                )
            };
            let texts: Vec<String> = texts_of("summary")?.chain(texts_of("content")?).collect();
            let (data, redacted) = (raw.get().to_owned(), texts.is_empty());
            let signature = Signature { origin: Origin(Dialect::OPENAI.id.to_string()), data, redacted };
            Part::Reasoning(Reasoning::new(texts.join("\n\n")).with_signature(signature))
        }
        Some(_) => native(at, raw)?,
    };
    push_model_part(part, messages);
    Ok(())
}

/// Appends a part to the model's turn, which it begins if there is none.
fn push_model_part(part: Part, messages: &mut Vec<Message>) {
    match messages.last_mut().filter(|last| last.role == Role::Assistant) {
        Some(turn) => turn.parts.push(part),
        None => messages.push(Message::new(Role::Assistant, vec![part])),
    }
}

/// The remaining fields of a call or its result, which are known by the call's id.
fn own_fields(mut fields: Fields<'_>) -> Option<Part> {
    fields.retain(|name, _| !matches!(name.as_ref(), "id" | "status"));
    (!fields.is_empty()).then(|| Part::Fields(Native::new(WIRE, object(&fields))))
}

#[derive(Deserialize)]
struct TextDto {
    text: Option<String>,
}

fn message(at: &str, mut fields: Fields<'_>, messages: &mut Vec<Message>) -> Result<(), Error> {
    let role = fields.remove("role").ok_or_else(|| invalid(format!("`{at}.role` is missing")))?;
    let role = match read::<String>(format_args!("{at}.role"), role, "a word")?.as_str() {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        other => {
            let known = "system, developer, user and assistant";
            return Err(invalid(format!("`{at}.role` is `{other}`; valid values are {known}")));
        }
    };
    let content = fields.remove("content").ok_or_else(|| invalid(format!("`{at}.content` is missing")))?;
    let mut parts = parts(&format!("{at}.content"), content, role)?;
    if role != Role::Assistant {
        let mut message = Message::new(role, parts);
        // A status is set by the provider, and nothing reads it.
        fields.retain(|name, _| !matches!(name.as_ref(), "id" | "status"));
        for (name, value) in fields {
            let value = json(&format!("{at}.{name}"), value)?;
            message.extras.entry(WIRE.into()).or_default().insert(name.into_owned(), value);
        }
        messages.push(message);
        return Ok(());
    }
    // The message's id and phase, which also mark its end: what follows belongs to another message. Without content there
    // is no message, and they would belong to the part before.
    if !parts.is_empty() {
        parts.push(Part::Fields(Native::new(WIRE, object(&fields))));
    }
    match messages.last_mut().filter(|last| last.role == Role::Assistant) {
        Some(turn) => turn.parts.extend(parts),
        None => messages.push(Message::new(role, parts)),
    }
    Ok(())
}

fn parts(at: &str, raw: &RawValue, role: Role) -> Result<Vec<Part>, Error> {
    if raw.get().starts_with('"') {
        return Ok(vec![Part::Text(read(at, raw, "a text")?)]);
    }
    let list: Vec<&RawValue> = read(at, raw, "a text or a list of parts")?;
    let mut parts = Vec::with_capacity(list.len());
    for (index, raw) in list.into_iter().enumerate() {
        let at = format!("{at}[{index}]");
        let mut fields: Fields<'_> = read(&at, raw, "an object with a type")?;
        fields.retain(|_, value| value.get() != "null");
        let kind = fields.remove("type").ok_or_else(|| invalid(format!("`{at}.type` is missing")))?;
        let kind: String = read(format_args!("{at}.type"), kind, "a word")?;
        let mut text = |name: &str| {
            let value = fields.remove(name)?;
            Some(read::<String>(format_args!("{at}.{name}"), value, "a text"))
        };
        let part = match kind.as_str() {
            "input_text" | "output_text" | "text" | "summary_text" => {
                text("text").transpose()?.map(Part::Text)
            }
            "refusal" => text("refusal").transpose()?.map(Part::Refusal),
            "input_image" => text("image_url").transpose()?.map(|url| Part::Image(Media::from_url(&url))),
            "input_file" => match text("file_data").transpose()? {
                Some(data) => Some(Part::Document(Media::from_url(&data))),
                None => text("file_url").transpose()?.map(|url| Part::Document(Media::Url(url))),
            },
            _ => None,
        };
        // Something stored at the provider (a file id), or of a type that only this wire has.
        let Some(part) = part else {
            parts.push(native(&at, raw)?);
            continue;
        };
        // Annotations of the model's own text are for people and are dropped: only the message's own fields follow its
        // parts.
        let own = role == Role::Assistant && matches!(part, Part::Text(_) | Part::Refusal(_));
        parts.push(part);
        if !own && !fields.is_empty() {
            parts.push(Part::Fields(Native::new(WIRE, object(&fields))));
        }
    }
    Ok(parts)
}

fn tool(at: &str, raw: &RawValue, request: &mut ChatRequest) -> Result<(), Error> {
    let mut fields: Fields<'_> = read(at, raw, "an object with a type")?;
    fields.retain(|_, value| value.get() != "null");
    let kind: Option<String> =
        fields.remove("type").map(|kind| read(format_args!("{at}.type"), kind, "a word")).transpose()?;
    if kind.as_deref() != Some("function") {
        request.native_tools.push(Native::new(WIRE, json(at, raw)?));
        return Ok(());
    }
    let name = fields.remove("name").ok_or_else(|| invalid(format!("`{at}.name` is missing")))?;
    let name: String = read(format_args!("{at}.name"), name, "a name")?;
    let parameters = match fields.remove("parameters") {
        Some(schema) => json(&format!("{at}.parameters"), schema)?,
        None => Json::from(serde_json::json!({"type": "object", "properties": {}})),
    };
    let mut tool = Tool::new(name, parameters);
    if let Some(text) = fields.remove("description") {
        tool.description = Some(read(format_args!("{at}.description"), text, "a text")?);
    }
    match fields.remove(STRICT) {
        Some(strict) => tool.strict = Some(read(format_args!("{at}.{STRICT}"), strict, "true or false")?),
        None => {
            tool.extras.entry(WIRE.into()).or_default().insert(STRICT.into(), Json::from(Value::Null));
        }
    }
    for (name, value) in fields {
        let value = json(&format!("{at}.{name}"), value)?;
        tool.extras.entry(WIRE.into()).or_default().insert(name.into_owned(), value);
    }
    request.tools.push(tool);
    Ok(())
}

/// A choice in core's terms; `None` for one that only this wire has.
fn choice(raw: &RawValue) -> Option<ToolChoice> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum ToolChoiceDto {
        Word(String),
        Named(StrictObject<NamedChoiceDto>),
    }
    #[derive(Deserialize)]
    struct NamedChoiceDto {
        #[serde(rename = "type")]
        kind: String,
        name: String,
    }
    match serde_json::from_str(raw.get()).ok()? {
        ToolChoiceDto::Word(word) => match word.as_str() {
            "auto" => Some(ToolChoice::Auto),
            "none" => Some(ToolChoice::None),
            "required" => Some(ToolChoice::Required),
            _ => None,
        },
        ToolChoiceDto::Named(StrictObject(named)) => {
            (named.kind == "function").then_some(ToolChoice::Named(named.name))
        }
    }
}

fn native(at: &str, raw: &RawValue) -> Result<Part, Error> {
    Ok(Part::Native(Native::new(WIRE, json(at, raw)?)))
}

fn json(name: &str, raw: &RawValue) -> Result<Json, Error> {
    Json::parse(raw.get()).map_err(|_| invalid(format!("`{name}` is not valid JSON")))
}

/// The remaining fields, as an object.
fn object(fields: &Fields<'_>) -> Json {
    let fields: std::collections::BTreeMap<_, _> = fields.iter().collect();
    serde_json::to_string(&fields)
        .ok()
        .and_then(|text| Json::parse(text).ok())
        .unwrap_or_else(|| Json::from(serde_json::json!({})))
}

#[cfg(test)]
mod tests;
