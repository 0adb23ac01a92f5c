//! Requests to the wire's JSON.
//!
//! What the wire lacks and would change the answer (more than five stop sequences) is refused as unsupported; what is only
//! a hint, or is checked in the answer anyway, is dropped and listed by [`notes`], as is a lowered temperature. Invariant:
//! fields named in `extras` win over those that Hotspare writes; a `generationConfig` there is merged field by field,
//! and `tools` there are added to the functions. A choice among tools is about functions only, and is sent only with some.

use std::collections::BTreeMap;

use hotspare_core::{ChatRequest, Error, Json, Kind, Message, OutputFormat, Part, Tool, ToolChoice};
use hotspare_provider::{Lacks, check_tool_choice, unwritten_fields};
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::WIRE;
use crate::contents::{MessageDto, WirePart, is_instruction, turns};
use crate::generation::{self, Thinking};
use crate::schema::Rewritten;

/// The most stop sequences: `GenerationConfig.stopSequences` of the API reference.
const MAX_STOP_SEQUENCES: usize = 5;

/// The hints that the wire has no place for.
const LACKS: Lacks = Lacks {
    end_user: true,
    parallel_tools: true,
    strict_tools: true,
    names: true,
    later_instructions: true,
    message_fields: true,
    takes_reasoning: |_| false,
    ..Lacks::NOTHING
};

/// The wire's own fields that bring tools.
const TOOL_FIELDS: &[&str] = &["tools"];

/// The highest temperature.
const MAX_TEMPERATURE: f64 = 2.0;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<MessageDto<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contents: Option<Vec<MessageDto<'a>>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolDto<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<Json>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    generation_config: BTreeMap<String, Json>,
    #[serde(flatten)]
    extras: BTreeMap<&'a str, &'a Json>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ToolDto<'a> {
    Functions {
        #[serde(rename = "functionDeclarations")]
        declarations: Vec<FunctionDto<'a>>,
    },
    /// A tool that the provider runs.
    Native(Json),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FunctionDto<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    parameters_json_schema: Box<RawValue>,
    #[serde(flatten)]
    extras: Option<&'a BTreeMap<String, Json>>,
}

/// Encodes the body of a request.
pub(crate) fn body(request: &ChatRequest, model: &str, origin: &str) -> Result<Vec<u8>, Error> {
    check(request)?;
    let generation = generation::of(model);
    let mut extras: BTreeMap<&str, &Json> =
        request.extras.get(WIRE).into_iter().flatten().map(|(name, value)| (name.as_str(), value)).collect();
    let contents = turns(&request.messages, origin, generation)?;
    let instructions = request.instructions().filter(|text| !text.is_empty());
    // The wire can forbid only calls of functions, but a tool that is not offered is not used.
    let forbidden = request.tool_choice == Some(ToolChoice::None);
    let mut tools: Vec<ToolDto<'_>> = function_tools(&request.tools)?.into_iter().collect();
    let native = request.native_tools.iter().filter(|tool| tool.wire == WIRE && !forbidden);
    tools.extend(native.map(|tool| ToolDto::Native(tool.raw.clone())));
    extras.remove("tools");
    let own = own_tools(request)?.into_iter();
    tools.extend(own.filter(|tool| !forbidden || has_functions(tool)).map(ToolDto::Native));
    let mut config = config(request, &generation.thinking)?;
    if let Some(own) = extras.remove("generationConfig") {
        let own: BTreeMap<String, Json> = serde_json::from_str(own.as_str()).map_err(|_| {
            Error::new(Kind::InvalidRequest, "the extra field `generationConfig` is not an object")
        })?;
        config.extend(own);
    }
    let is_unset = |name: &str| !extras.contains_key(name);
    let body = Body {
        system_instruction: instructions
            .filter(|_| is_unset("systemInstruction"))
            .map(|text| MessageDto { role: None, parts: vec![WirePart::text(text).into()] }),
        contents: Some(contents).filter(|_| is_unset("contents")),
        tools,
        tool_config: if is_unset("toolConfig") { tool_config(request)? } else { None },
        generation_config: config,
        extras,
    };
    serde_json::to_vec(&body)
        .map_err(|_| Error::new(Kind::InvalidRequest, "the request cannot be written as JSON"))
}

/// The parts of a request that are changed or dropped.
pub(crate) fn notes(request: &ChatRequest, model: &str) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note = |what: String| notes.push(what);
    for tool in &request.tools {
        if let Some(what) = Rewritten::of(&tool.parameters).note() {
            note(format!("tool {}: {what}", tool.name));
        }
    }
    if let OutputFormat::JsonSchema { schema, .. } = &request.output
        && let Some(what) = Rewritten::of(schema).note()
    {
        note(format!("output: {what}"));
    }
    let config = request.extras.get(WIRE).and_then(|own| own.get("generationConfig")).map(Json::to_value);
    let own = config.is_some_and(|config| config.get("temperature").is_some());
    if let Some(wanted) = request.sampling.temperature.filter(|wanted| *wanted > MAX_TEMPERATURE && !own) {
        note(format!("temperature {wanted} lowered to {MAX_TEMPERATURE}"));
    }
    if request.sampling.seed.is_some_and(|seed| i32::try_from(seed).is_err()) {
        note("dropped: a seed of more than 32 bits".into());
    }
    if let Some(effort) = &request.reasoning_effort
        && let Ok(thinking) = thinking(effort, &generation::of(model).thinking)
        && thinking.changed
    {
        note(format!("reasoning effort {effort} mapped to {}", thinking.label));
    }
    notes.extend(LACKS.notes(request, WIRE));
    // Leading instructions become one text, and so does a result's.
    let head = request.messages.iter().take_while(|message| is_instruction(message)).count();
    notes.extend(unwritten_fields(request, WIRE, |at, inside| !inside && at >= head));
    notes
}

fn check(request: &ChatRequest) -> Result<(), Error> {
    request.check_numbers()?;
    check_tool_choice(request, WIRE, TOOL_FIELDS)?;
    let unsupported = |what: &str| Err(Error::new(Kind::Unsupported, what));
    if request.stop.iter().filter(|text| !text.is_empty()).count() > MAX_STOP_SEQUENCES {
        return unsupported("this wire allows at most 5 stop sequences");
    }
    let has_more_than_text = |message: &Message| {
        message.parts.iter().any(|part| !matches!(part, Part::Text(_) | Part::Fields(_) | Part::Reasoning(_)))
    };
    let mut instructions = request.messages.iter().take_while(|message| is_instruction(message));
    if instructions.any(has_more_than_text) {
        return unsupported("this wire allows only text in instructions");
    }
    let is_native = |part: &Part| matches!(part, Part::Native(_));
    let mut parts = request.messages.iter().flat_map(|message| &message.parts);
    if parts.any(|part| matches!(part, Part::ToolResult(result) if result.content.iter().any(is_native))) {
        return unsupported("this wire allows only text and media in tool results");
    }
    Ok(())
}

fn config(request: &ChatRequest, mode: &Thinking) -> Result<BTreeMap<String, Json>, Error> {
    let mut config = BTreeMap::new();
    let mut put = |name: &str, value: Option<serde_json::Value>| {
        config.extend(value.map(|value| (name.to_owned(), Json::from(value))));
    };
    let sampling = &request.sampling;
    put("maxOutputTokens", request.max_output.map(Into::into));
    put("temperature", sampling.temperature.map(|wanted| wanted.min(MAX_TEMPERATURE).into()));
    put("topP", sampling.top_p.map(Into::into));
    put("topK", sampling.top_k.map(Into::into));
    put("seed", sampling.seed.and_then(|seed| i32::try_from(seed).ok()).map(Into::into));
    put("frequencyPenalty", sampling.frequency_penalty.map(Into::into));
    put("presencePenalty", sampling.presence_penalty.map(Into::into));
    let stop: Vec<&String> = request.stop.iter().filter(|text| !text.is_empty()).collect();
    put("stopSequences", (!stop.is_empty()).then(|| json!(stop)));
    put("responseMimeType", (request.output != OutputFormat::Text).then(|| "application/json".into()));
    if let Some(effort) = &request.reasoning_effort {
        put("thinkingConfig", thinking(effort, mode)?.config);
    }
    if let OutputFormat::JsonSchema { schema, .. } = &request.output {
        let text = Rewritten::of(schema).text(schema);
        let schema = Json::parse(text).unwrap_or_else(|_| schema.clone());
        config.insert("responseJsonSchema".into(), schema);
    }
    Ok(config)
}

/// Whether the request asks for thinking or turns it off, by its own budget or level or else by its effort.
pub(crate) fn asks_for_reasoning(request: &ChatRequest) -> Option<bool> {
    let own = request.extras.get(WIRE).and_then(|extras| extras.get("generationConfig")).map(Json::to_value);
    let own = own.as_ref().and_then(|config| config.get("thinkingConfig"));
    let budget = || own?.get("thinkingBudget")?.as_i64().map(|tokens| tokens != 0);
    let level = || Some(!own?.get("thinkingLevel")?.as_str()?.eq_ignore_ascii_case("minimal"));
    budget().or_else(level).or_else(|| request.asks_for_reasoning())
}

/// A reasoning effort as a generation expresses it.
struct Effort {
    config: Option<serde_json::Value>,
    /// A description for the notes.
    label: String,
    /// Whether it differs from what was requested.
    changed: bool,
}

/// Encodes a reasoning effort. It also requests the thoughts: they are part of the answer, and show that a model that
/// thinks for long is alive.
fn thinking(effort: &str, mode: &Thinking) -> Result<Effort, Error> {
    // The token budget for each effort is that of the provider's own OpenAI-compatible endpoint.
    let (tokens, level) = match effort {
        "none" => (0, "low"),
        "minimal" => (512, "minimal"),
        "low" => (1_024, "low"),
        "medium" => (8_192, "medium"),
        "high" => (24_576, "high"),
        "xhigh" | "max" => (32_768, "xhigh"),
        _ => return Err(Error::new(Kind::Unsupported, "this wire does not support this reasoning effort")),
    };
    Ok(match mode {
        Thinking::None => Effort { config: None, label: "nothing".into(), changed: effort != "none" },
        Thinking::Level => Effort {
            config: Some(json!({"thinkingLevel": level.to_uppercase(), "includeThoughts": effort != "none"})),
            label: level.to_owned(),
            changed: effort != level,
        },
        Thinking::Budget { off, range } => {
            let clamped = match tokens {
                0 if *off => 0,
                tokens => tokens.clamp(*range.start(), *range.end()),
            };
            Effort {
                config: Some(json!({"thinkingBudget": clamped, "includeThoughts": effort != "none"})),
                label: format!("{clamped} tokens"),
                changed: clamped != tokens,
            }
        }
    })
}

fn function_tools(tools: &[Tool]) -> Result<Option<ToolDto<'_>>, Error> {
    if tools.is_empty() {
        return Ok(None);
    }
    let mut declarations = Vec::with_capacity(tools.len());
    for Tool { name, description, parameters, extras, .. } in tools {
        let parameters_json_schema = RawValue::from_string(Rewritten::of(parameters).text(parameters))
            .map_err(|_| Error::new(Kind::InvalidRequest, "a tool's schema cannot be written as JSON"))?;
        declarations.push(FunctionDto {
            name,
            description: description.as_deref(),
            parameters_json_schema,
            extras: extras.get(WIRE),
        });
    }
    Ok(Some(ToolDto::Functions { declarations }))
}

/// The tools in the wire's own field.
fn own_tools(request: &ChatRequest) -> Result<Vec<Json>, Error> {
    let Some(own) = request.extras.get(WIRE).and_then(|own| own.get("tools")) else { return Ok(Vec::new()) };
    serde_json::from_str(own.as_str())
        .map_err(|_| Error::new(Kind::InvalidRequest, "the extra field `tools` is not a list"))
}

/// Whether an entry of `tools` declares functions, in either spelling.
fn has_functions(tool: &Json) -> bool {
    let tool = tool.to_value();
    let declared = |name: &str| tool.get(name)?.as_array();
    let mut lists = ["functionDeclarations", "function_declarations"].into_iter().filter_map(declared);
    lists.any(|functions| !functions.is_empty())
}

/// The choice as the wire has it. Without functions, even the default mode is refused.
fn tool_config(request: &ChatRequest) -> Result<Option<Json>, Error> {
    let Some(choice) = &request.tool_choice else { return Ok(None) };
    let own = || Ok::<_, Error>(*choice != ToolChoice::Auto && own_tools(request)?.iter().any(has_functions));
    let has_any = !request.tools.is_empty() || own()?;
    let config = match choice {
        ToolChoice::Required | ToolChoice::Named(_) if !has_any => {
            return Err(Error::new(Kind::Unsupported, "this wire can demand only calls of functions"));
        }
        _ if !has_any => return Ok(None),
        ToolChoice::None => json!({"mode": "NONE"}),
        ToolChoice::Required => json!({"mode": "ANY"}),
        ToolChoice::Named(name) => json!({"mode": "ANY", "allowedFunctionNames": [name]}),
        _ => json!({"mode": "AUTO"}),
    };
    Ok(Some(Json::from(json!({"functionCallingConfig": config}))))
}

#[cfg(test)]
mod tests;
