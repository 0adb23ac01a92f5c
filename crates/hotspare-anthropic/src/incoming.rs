//! The wire's request JSON to a core request, for a server that offers this wire to its callers.
//!
//! Does not validate models' rules: that is up to the providers. What only this wire has is kept in place, as
//! [`Native`] parts, fields and tools, and sent back to targets of this wire. Invariant: every error names the field it
//! is about; nothing is guessed.

mod blocks;

use hotspare_core::{
    ChatRequest, Error, Json, Kind, Message, Native, OutputFormat, Part, Role, Tool, ToolChoice,
};
use hotspare_provider::fields::{self, Fields, invalid, read, read_object, whole, within};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{BETA, WIRE, binding};
use blocks::{object, parts};

/// A caller's request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MessagesRequest {
    /// The request.
    pub request: ChatRequest,
    /// Whether the caller wants a stream.
    pub stream: bool,
}

impl MessagesRequest {
    /// Parses a body.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`] naming the field and what is wrong with it.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let mut incoming = Self { request: ChatRequest::default(), stream: false };
        let mut turns = Vec::new();
        for (name, value) in fields::body(body)? {
            match &*name {
                "messages" => {
                    let list: Vec<&RawValue> = read(&name, value, "a list")?;
                    for (index, raw) in list.iter().enumerate() {
                        message(&format!("messages[{index}]"), raw, &mut turns)?;
                    }
                }
                "system" => {
                    let parts = parts("system", value)?;
                    incoming.request.messages.push(Message::new(Role::System, parts));
                }
                _ => incoming.field(&name, value)?,
            }
        }
        if incoming.request.model.is_empty() {
            return Err(invalid("`model` is missing: name a route or a target"));
        }
        if turns.is_empty() {
            return Err(invalid("`messages` is missing or empty"));
        }
        incoming.request.messages.append(&mut turns);
        // Checked here, and not only by targets of this wire, because a route may have none.
        if let Some(what) = binding::binds(&incoming.request) {
            incoming.request = incoming.request.bound_to(WIRE, what);
        }
        Ok(incoming)
    }

    fn field(&mut self, name: &str, value: &RawValue) -> Result<(), Error> {
        let request = &mut self.request;
        match name {
            "model" => request.model = read(name, value, "a name")?,
            "max_tokens" => {
                let tokens: u64 = whole(name, value, "a whole number of at least 1")?;
                if tokens == 0 {
                    return Err(invalid("`max_tokens` must be at least 1"));
                }
                request.max_output = Some(tokens);
            }
            "stream" => self.stream = read(name, value, "true or false")?,
            "temperature" => request.sampling.temperature = Some(within(name, value, 0.0, 1.0)?),
            "top_p" => request.sampling.top_p = Some(within(name, value, 0.0, 1.0)?),
            "top_k" => request.sampling.top_k = Some(whole(name, value, "a whole number")?),
            "stop_sequences" => request.stop = fields::stops(name, value, "a list of texts")?,
            "tools" => {
                let list: Vec<&RawValue> = read(name, value, "a list of tools")?;
                for (index, tool) in list.iter().enumerate() {
                    self.tool(&format!("tools[{index}]"), tool)?;
                }
            }
            "tool_choice" => tool_choice(request, value)?,
            "metadata" => {
                #[derive(Deserialize)]
                struct MetadataDto {
                    user_id: Option<String>,
                }
                let metadata: MetadataDto = read_object(name, value, "an object with a user_id")?;
                request.end_user = metadata.user_id;
            }
            "output_config" => self.output_config(value)?,
            // The older name of `output_config.format`.
            "output_format" => request.output = format(name, value)?,
            "hotspare" => request.options = fields::options(value)?,
            // In a request, this name means the header.
            BETA => return Err(invalid(format!("`{BETA}` is a header, not a field: send it as one"))),
            _ => self.extra(name, json(name, value)?),
        }
        Ok(())
    }

    fn extra(&mut self, name: &str, value: Json) {
        self.request.extras.entry(WIRE.into()).or_default().insert(name.into(), value);
    }

    fn output_config(&mut self, value: &RawValue) -> Result<(), Error> {
        let mut fields: Fields<'_> = read("output_config", value, "an object")?;
        fields.retain(|_, value| value.get() != "null");
        if let Some(effort) = fields.remove("effort") {
            self.request.reasoning_effort = Some(read("output_config.effort", effort, "a word")?);
        }
        if let Some(wanted) = fields.remove("format") {
            self.request.output = format("output_config.format", wanted)?;
        }
        if !fields.is_empty() {
            self.extra("output_config", object(&fields));
        }
        Ok(())
    }

    fn tool(&mut self, at: &str, raw: &RawValue) -> Result<(), Error> {
        let mut fields: Fields<'_> = read(at, raw, "an object with a name")?;
        fields.retain(|_, value| value.get() != "null");
        let kind: Option<String> =
            fields.remove("type").map(|kind| read(format_args!("{at}.type"), kind, "a word")).transpose()?;
        if kind.is_some_and(|kind| kind != "custom") {
            self.request.native_tools.push(Native::new(WIRE, json(at, raw)?));
            return Ok(());
        }
        let field = |name: &str| format!("{at}.{name}");
        let name = fields.remove("name").ok_or_else(|| invalid(format!("`{at}.name` is missing")))?;
        let schema = fields.remove("input_schema");
        let schema = schema.ok_or_else(|| invalid(format!("`{at}.input_schema` is missing")))?;
        if !schema.get().starts_with('{') {
            return Err(invalid(format!("`{at}.input_schema` must be an object")));
        }
        let mut tool = Tool::new(read::<String>(&field("name"), name, "a name")?, json(at, schema)?);
        if let Some(text) = fields.remove("description") {
            tool.description = Some(read(field("description"), text, "a text")?);
        }
        if let Some(strict) = fields.remove("strict") {
            tool.strict = Some(read(field("strict"), strict, "true or false")?);
        }
        for (name, value) in fields {
            let value = json(&field(&name), value)?;
            tool.extras.entry(WIRE.into()).or_default().insert(name.into_owned(), value);
        }
        self.request.tools.push(tool);
        Ok(())
    }
}

/// Parses one turn. Tool results are turns of their own in core, as on most wires.
fn message(at: &str, raw: &RawValue, turns: &mut Vec<Message>) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct MessageDto<'a> {
        role: Option<String>,
        #[serde(borrow)]
        content: Option<&'a RawValue>,
    }
    let dto: MessageDto<'_> = read_object(at, raw, "an object with role and content")?;
    let role = match dto.role.as_deref() {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system") => Role::System,
        Some(other) => {
            return Err(invalid(format!(
                "`{at}.role` is `{other}`; valid values are user, assistant and system"
            )));
        }
        None => return Err(invalid(format!("`{at}.role` is missing"))),
    };
    let content = dto.content.ok_or_else(|| invalid(format!("`{at}.content` is missing")))?;
    let mut own_parts = Vec::new();
    let mut after_result = false;
    for part in parts(&format!("{at}.content"), content)? {
        match part {
            Part::ToolResult(result) => {
                turns.push(Message::tool(result));
                after_result = true;
            }
            Part::Fields(fields) if after_result => {
                if let Some(result) = turns.last_mut() {
                    result.parts.push(Part::Fields(fields));
                }
            }
            part => {
                after_result = false;
                own_parts.push(part);
            }
        }
    }
    if !own_parts.is_empty() || content.get() == "[]" {
        turns.push(Message::new(role, own_parts));
    }
    Ok(())
}

fn tool_choice(request: &mut ChatRequest, raw: &RawValue) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct ToolChoiceDto {
        #[serde(rename = "type")]
        kind: String,
        name: Option<String>,
        disable_parallel_tool_use: Option<bool>,
    }
    let choice: ToolChoiceDto = read_object("tool_choice", raw, "an object with a type")?;
    request.parallel_tools = choice.disable_parallel_tool_use.map(|disabled| !disabled);
    request.tool_choice = Some(match (choice.kind.as_str(), choice.name) {
        ("auto", _) => ToolChoice::Auto,
        ("any", _) => ToolChoice::Required,
        ("none", _) => ToolChoice::None,
        ("tool", Some(name)) => ToolChoice::Named(name),
        ("tool", None) => return Err(invalid("`tool_choice.name` is missing")),
        (other, _) => {
            return Err(invalid(format!(
                "`tool_choice.type` is `{other}`; valid values are auto, any, tool and none"
            )));
        }
    });
    Ok(())
}

fn format(at: &str, raw: &RawValue) -> Result<OutputFormat, Error> {
    #[derive(Deserialize)]
    struct FormatDto {
        #[serde(rename = "type")]
        kind: String,
        schema: Option<Json>,
    }
    let format: FormatDto = read_object(at, raw, "an object with a type")?;
    match (format.kind.as_str(), format.schema) {
        ("json_schema", Some(schema)) => {
            Ok(OutputFormat::JsonSchema { name: "answer".into(), schema, strict: true })
        }
        ("json_schema", None) => Err(invalid(format!("`{at}.schema` is missing"))),
        (other, _) => Err(invalid(format!("`{at}.type` is `{other}`; the valid value is json_schema"))),
    }
}

fn json(at: &str, raw: &RawValue) -> Result<Json, Error> {
    Json::parse(raw.get())
        .map_err(|_| Error::new(Kind::InvalidRequest, format!("`{at}` is not valid JSON")).with_status(400))
}

#[cfg(test)]
mod tests;
