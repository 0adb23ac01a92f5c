//! Requests to the wire's JSON.
//!
//! Borrows everything: no tree is built, so JSON from a caller or a model keeps its order. Leading instructions become
//! `system`; later ones join the user's turn, because most models refuse the role. Consecutive turns of one role are
//! merged, because turns must alternate. `max_tokens` is required: if the request sets no limit, [`DEFAULT_MAX_TOKENS`]
//! is sent. What the wire lacks and would change the answer (penalties, plain JSON mode, stop sequences of nothing but white space) is
//! refused as unsupported; a hint, such as a seed, is dropped and listed by [`notes`]. Invariant: reasoning goes back only to its origin, and tool ids use only the characters
//! that the wire allows.

mod blocks;

use std::borrow::Cow;
use std::collections::BTreeMap;

use hotspare_core::{ChatRequest, Error, Json, Kind, Message, OutputFormat, Part, Role, Tool, ToolChoice};
use hotspare_provider::fields::Fields;
use hotspare_provider::{Lacks, check_tool_choice, offers_tools, written_stops};
use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};

use crate::{BETA, Host, WIRE};
use blocks::{Block, MessageDto, blocks, starts_without_reasoning, turns};

/// Sent as `max_tokens` if the request sets no limit: every model of this wire supports this many.
pub(crate) const DEFAULT_MAX_TOKENS: u64 = 4_096;

/// The highest temperature.
const MAX_TEMPERATURE: f64 = 1.0;

/// The hints that the wire has no place for.
const LACKS: Lacks = Lacks {
    seed: true,
    names: true,
    later_instructions: true,
    message_fields: true,
    blank_stops: true,
    takes_reasoning: |_| false,
    ..Lacks::NOTHING
};

/// The wire's own fields that bring tools.
const TOOL_FIELDS: &[&str] = &["tools", "mcp_servers"];

/// The field that asks for thinking.
const THINKING: &str = "thinking";

/// The destination of a request.
#[derive(Debug)]
pub(crate) struct Destination<'a> {
    pub(crate) host: Host,
    pub(crate) model: &'a str,
    pub(crate) stream: bool,
    /// Names of betas.
    pub(crate) betas: Vec<&'a str>,
}

/// Encodes the body of a request.
pub(crate) fn body(request: &ChatRequest, to: &Destination<'_>) -> Result<Vec<u8>, Error> {
    check(request, to.host)?;
    let stops = written_stops(request)?;
    let head = request.messages.iter().take_while(|message| is_instruction(message)).count();
    let (head, rest) = request.messages.split_at(head);
    let turns = turns(rest)?;
    if turns.is_empty() {
        return Err(Error::new(Kind::InvalidRequest, "the request has instructions but no turn to answer"));
    }
    let extras = request.extras.get(WIRE);
    // Anything but an object is sent unchanged, and the provider will report the error.
    let config: Option<Fields<'_>> = extras
        .and_then(|extras| extras.get("output_config"))
        .and_then(|config| serde_json::from_str(config.as_str()).ok());
    let config = config.as_ref();
    let think = !(requests_thinking(request) && starts_without_reasoning(&turns));
    let mut out = Vec::with_capacity(1_024);
    Body { request, to, system: System::of(head), turns, stops, extras, config, think }
        .serialize(&mut serde_json::Serializer::new(&mut out))
        .map_err(|_| Error::new(Kind::InvalidRequest, "the request cannot be written as JSON"))?;
    Ok(out)
}

/// The parts of a request that are changed or dropped.
pub(crate) fn notes(request: &ChatRequest) -> Vec<String> {
    let turns = || {
        request
            .messages
            .iter()
            .position(|message| !is_instruction(message))
            .map(|at| turns(&request.messages[at..]))
    };
    let thinking_disabled = requests_thinking(request)
        && turns().is_some_and(|turns| turns.is_ok_and(|turns| starts_without_reasoning(&turns)));
    let note = "thinking disabled: the tool calls being continued have no reasoning from this provider";
    let mut notes = if thinking_disabled { vec![note.to_owned()] } else { Vec::new() };
    let own = request.extras.get(WIRE);
    let is_set = |name: &str| own.is_some_and(|own| own.contains_key(name));
    if let Some(wanted) =
        request.sampling.temperature.filter(|wanted| *wanted > MAX_TEMPERATURE && !is_set("temperature"))
    {
        notes.push(format!("temperature {wanted} lowered to {MAX_TEMPERATURE}"));
    }
    if let Some(asked) = request.reasoning_effort.as_deref()
        && let Some(sent) = effort(request).filter(|sent| *sent != asked)
    {
        notes.push(format!("reasoning effort {asked} mapped to {sent}"));
    }
    if request.max_output.is_none() && !is_set("max_tokens") {
        notes.push(format!(
            "limited the answer to {DEFAULT_MAX_TOKENS} tokens: the wire needs a limit, and the request has none"
        ));
    }
    notes.extend(LACKS.notes(request, WIRE));
    notes
}

/// Whether the request forces the model to think. A model that decides for itself accepts any history.
fn requests_thinking(request: &ChatRequest) -> bool {
    let own = request.extras.get(WIRE).and_then(|extras| extras.get(THINKING));
    own.is_some_and(|thinking| thinking.to_value()["type"] == "enabled")
}

fn check(request: &ChatRequest, host: Host) -> Result<(), Error> {
    request.check_numbers()?;
    check_tool_choice(request, WIRE, TOOL_FIELDS)?;
    let sampling = &request.sampling;
    let unsupported = |what: &str| Err(Error::new(Kind::Unsupported, what));
    if !host.url_sources && request.has_media_urls() {
        return unsupported("this host accepts images and documents as bytes, not by URL");
    }
    if sampling.frequency_penalty.is_some_and(|penalty| penalty != 0.0)
        || sampling.presence_penalty.is_some_and(|penalty| penalty != 0.0)
    {
        return unsupported("this wire does not support penalties");
    }
    if request.output == OutputFormat::JsonObject {
        return unsupported("this wire does not support JSON mode without a schema");
    }
    Ok(())
}

fn is_instruction(message: &Message) -> bool {
    matches!(message.role, Role::System | Role::Developer)
}

struct Body<'a> {
    request: &'a ChatRequest,
    to: &'a Destination<'a>,
    system: Option<System<'a>>,
    turns: Vec<MessageDto<'a>>,
    stops: Vec<&'a str>,
    extras: Option<&'a BTreeMap<String, Json>>,
    /// Fields of `output_config` without a shared equivalent.
    config: Option<&'a Fields<'a>>,
    /// Whether to ask for thinking if the request does.
    think: bool,
}

impl Body<'_> {
    /// Writes a field unless the extras contain it: they take precedence.
    fn field<M: SerializeMap, T: Serialize>(
        &self,
        map: &mut M,
        name: &str,
        value: Option<T>,
    ) -> Result<(), M::Error> {
        match value {
            Some(value) if !self.extras.is_some_and(|extras| extras.contains_key(name)) => {
                map.serialize_entry(name, &value)
            }
            _ => Ok(()),
        }
    }
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let request = self.request;
        let mut map = serializer.serialize_map(None)?;
        match self.to.host.version {
            Some(version) => map.serialize_entry("anthropic_version", version)?,
            None => map.serialize_entry("model", self.to.model)?,
        }
        let betas = Some(&self.to.betas).filter(|betas| self.to.host.betas_in_body && !betas.is_empty());
        self.field(&mut map, "anthropic_beta", betas)?;
        self.field(&mut map, "max_tokens", Some(request.max_output.unwrap_or(DEFAULT_MAX_TOKENS)))?;
        self.field(&mut map, "system", self.system.as_ref())?;
        self.field(&mut map, "messages", Some(&self.turns))?;
        if self.to.stream && self.to.host.says_stream {
            map.serialize_entry("stream", &true)?;
        }
        if !request.tools.is_empty() || request.native_tools.iter().any(|tool| tool.wire == WIRE) {
            self.field(&mut map, "tools", Some(Tools(request)))?;
        }
        if offers_tools(request, WIRE, TOOL_FIELDS) {
            self.field(&mut map, "tool_choice", ToolChoiceDto::of(request))?;
        }
        self.field(
            &mut map,
            "temperature",
            request.sampling.temperature.map(|wanted| wanted.min(MAX_TEMPERATURE)),
        )?;
        self.field(&mut map, "top_p", request.sampling.top_p)?;
        self.field(&mut map, "top_k", request.sampling.top_k)?;
        self.field(&mut map, "stop_sequences", Some(&self.stops).filter(|stops| !stops.is_empty()))?;
        let user = request.end_user.as_deref().map(|user_id| MetadataDto { user_id });
        self.field(&mut map, "metadata", user)?;
        let config = OutputConfig { effort: effort(request), output: &request.output, rest: self.config };
        if !config.is_empty() {
            map.serialize_entry("output_config", &config)?;
        }
        for (name, value) in self.extras.into_iter().flatten() {
            let omitted = name == BETA || (name == THINKING && !self.think);
            if !omitted && (name != "output_config" || config.is_empty()) {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

/// Other wires have efforts below `low`; this one does not, and does not think unless it is asked to.
fn effort(request: &ChatRequest) -> Option<&str> {
    match request.reasoning_effort.as_deref()? {
        "none" => None,
        "minimal" => Some("low"),
        word => Some(word),
    }
}

#[derive(Serialize)]
struct MetadataDto<'a> {
    user_id: &'a str,
}

/// Instructions: a single text if they have nothing else.
enum System<'a> {
    Blocks(Vec<Block<'a>>),
    Text(Cow<'a, str>),
}

impl<'a> System<'a> {
    fn of(head: &'a [Message]) -> Option<Self> {
        let plain = |message: &&Message| matches!(message.parts.as_slice(), [Part::Text(_)] | []);
        if head.iter().all(|message| plain(&message)) {
            let texts: Vec<&str> =
                head.iter().flat_map(|message| &message.parts).filter_map(Part::as_text).collect();
            return match texts.as_slice() {
                [] => None,
                [text] => Some(Self::Text(Cow::Borrowed(text))),
                texts => Some(Self::Text(Cow::Owned(texts.join("\n\n")))),
            };
        }
        let all: Vec<Block<'a>> = head.iter().flat_map(|message| blocks(&message.parts)).collect();
        (!all.is_empty()).then_some(Self::Blocks(all))
    }
}

impl Serialize for System<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Blocks(blocks) => blocks.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
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

struct ToolDto<'a>(&'a Tool);

impl Serialize for ToolDto<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tool = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &tool.name)?;
        if let Some(description) = &tool.description {
            map.serialize_entry("description", description)?;
        }
        map.serialize_entry("input_schema", &tool.parameters)?;
        if let Some(strict) = tool.strict {
            map.serialize_entry("strict", &strict)?;
        }
        for (name, value) in tool.extras.get(WIRE).into_iter().flatten() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct ToolChoiceDto<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_parallel_tool_use: Option<bool>,
}

impl<'a> ToolChoiceDto<'a> {
    fn of(request: &'a ChatRequest) -> Option<Self> {
        let serial = request.parallel_tools.map(|parallel| !parallel);
        let (kind, name) = match &request.tool_choice {
            None if serial == Some(true) => ("auto", None),
            None => return None,
            Some(ToolChoice::None) => ("none", None),
            Some(ToolChoice::Required) => ("any", None),
            Some(ToolChoice::Named(name)) => ("tool", Some(name.as_str())),
            Some(_) => ("auto", None),
        };
        Some(Self { kind, name, disable_parallel_tool_use: serial.filter(|_| kind != "none") })
    }
}

struct OutputConfig<'a> {
    effort: Option<&'a str>,
    output: &'a OutputFormat,
    rest: Option<&'a Fields<'a>>,
}

impl OutputConfig<'_> {
    fn is_empty(&self) -> bool {
        let schema = matches!(self.output, OutputFormat::JsonSchema { .. });
        self.effort.is_none() && !schema && self.rest.is_none()
    }

    fn is_unset(&self, name: &str) -> bool {
        !self.rest.is_some_and(|rest| rest.contains_key(name))
    }
}

impl Serialize for OutputConfig<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct FormatDto<'a> {
            #[serde(rename = "type")]
            kind: &'static str,
            schema: &'a Json,
        }
        let mut map = serializer.serialize_map(None)?;
        if let Some(effort) = self.effort.filter(|_| self.is_unset("effort")) {
            map.serialize_entry("effort", effort)?;
        }
        if let OutputFormat::JsonSchema { schema, .. } = self.output
            && self.is_unset("format")
        {
            map.serialize_entry("format", &FormatDto { kind: "json_schema", schema })?;
        }
        for (name, value) in self.rest.into_iter().flatten() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests;
