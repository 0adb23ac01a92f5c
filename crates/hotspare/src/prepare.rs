//! Adapts a request to one target.
//!
//! Not an adapter: no wire format is known here. Steps, in order: drop what the target cannot read of turns by other
//! models; drop the oldest turns if the prompt is too long; apply the target's template; add a user turn if the
//! assistant must not speak first; fit the output format to what the target enforces, or express it as a tool or in
//! words; add what this attempt needs (what was wrong with an answer, the beginning of an answer). Invariant: what is
//! unchanged is not copied, and every change is noted.

use std::borrow::Cow;
use std::sync::Arc;

use hotspare_core::{ChatRequest, Error, Kind, Message, ModelProfile, OutputFormat, Request, Role, Sampling};
use hotspare_engine::AttemptStart;
use hotspare_normalize::{
    by_tool, foreign_content, foreign_fields, portable, rewrite_schema, short_tool_ids, trim, user_first,
};

use crate::shared::{ConnectedTarget, NamedTemplate};

/// With less room than this, in tokens, setting a limit is no better than the wire's default.
const MIN_OUTPUT_LIMIT: u64 = 4_096;

/// A request prepared for one attempt.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) request: Request,
    /// What was changed, for the trail.
    pub(crate) notes: Vec<String>,
    /// Whether the answer arrives as the arguments of a tool call.
    pub(crate) by_tool: bool,
}

/// Prepares `request` for one attempt at `target`.
///
/// # Errors
/// [`Kind::Unsupported`] if the target's template does not work for this request; another target may have none.
pub(crate) fn prepare(
    request: &Request,
    start: &AttemptStart,
    target: &ConnectedTarget,
    prompt: Option<&NamedTemplate>,
    profile: &ModelProfile,
) -> Result<Prepared, Error> {
    let mut notes = Vec::new();
    let request = match request {
        Request::Chat(request) => request,
        Request::Embed(_) => return Ok(Prepared { request: request.clone(), notes, by_tool: false }),
    };
    let mut prepared = Cow::Borrowed(&**request);
    let wire = target.provider.wire();
    if let Some(tool) = request.native_tools.iter().find(|tool| tool.wire != wire) {
        let what = format!("the request has a tool that only a provider of the wire {} runs", tool.wire);
        return Err(Error::new(Kind::Unsupported, what));
    }
    if let Some(native) = foreign_content(request, wire) {
        let what =
            format!("the request has a part that only a provider of the wire {} can read", native.wire);
        return Err(Error::new(Kind::Unsupported, what));
    }
    let foreign = foreign_fields(request, wire);
    if !foreign.is_empty() {
        let names = foreign.into_iter().collect::<Vec<_>>().join(", ");
        notes.push(format!("dropped fields specific to another wire ({names})"));
    }
    // An inconsistent history is sent unchanged; the provider reports what is wrong with it.
    if let Ok(portable) = portable(request, wire, target.provider.origin().as_ref()) {
        notes.extend(portable.notes.iter().map(ToString::to_string));
        prepared = portable.request;
    }
    if let Some(most) = start.trim_to {
        let (trimmed, missing) = trim(&prepared, most).ok_or_else(|| {
            Error::new(Kind::ContextOverflow, "the last turn alone is longer than its window")
        })?;
        if missing > 0 {
            notes.push(format!(
                "dropped the {missing} oldest messages: the conversation is too long for its window"
            ));
            prepared = Cow::Owned(trimmed);
        }
    }
    if let Some(prompt) = prompt {
        let applied = prompt.template.apply(&prepared, &target.model);
        let applied = applied.map_err(|error| Error::new(Kind::Unsupported, error.message().to_owned()))?;
        notes.push(format!("prompt {}", prompt.name));
        prepared = Cow::Owned(applied);
    }
    if profile.capabilities.assistant_first == Some(false)
        && let Some((changed, note)) = user_first(&prepared)
    {
        notes.push(note.to_string());
        prepared = Cow::Owned(changed);
    }
    if profile.capabilities.free_tool_ids == Some(false)
        && let Some((changed, note)) = short_tool_ids(&prepared)
    {
        notes.push(note.to_string());
        prepared = Cow::Owned(changed);
    }
    fit_tools(&mut prepared, &mut notes, target);
    let by_tool = apply_output_format(&mut prepared, &mut notes, target, profile);
    if profile.capabilities.sampling == Some(false) && prepared.sampling != Sampling::default() {
        prepared.to_mut().sampling = Sampling::default();
        notes.push("dropped the sampling parameters: the model accepts none".into());
    }
    let prefill = start.resume.as_ref().filter(|resume| resume.prefill);
    if let (Some(resume), Some(most)) = (prefill, prepared.max_output) {
        // The continuation gets what is left of the caller's output limit, at about four bytes per token.
        let sent = resume.text.len() as u64 / 4;
        prepared.to_mut().max_output = Some(most.saturating_sub(sent).max(1));
    }
    limit_output(&mut prepared, &mut notes, start, profile);
    limit_cost(&mut prepared, &mut notes, start, profile);
    if let Some(reask) = &start.reask {
        let request = prepared.to_mut();
        request.messages.push(Message::assistant(reask.answer.as_ref()));
        request.messages.push(Message::user(reask.feedback.as_ref()));
    }
    if let Some(resume) = prefill {
        prepared.to_mut().messages.push(Message::assistant(resume.text.as_ref()));
    }
    notes.extend(target.provider.notes(&prepared, &target.model));
    let request = match prepared {
        Cow::Borrowed(_) => Arc::clone(request),
        Cow::Owned(changed) => Arc::new(changed),
    };
    Ok(Prepared { request: Request::Chat(request), notes, by_tool })
}

/// Limits the answer to the model's maximum, if the request asks for more or gives no limit where the wire needs one.
fn limit_output(
    request: &mut Cow<'_, ChatRequest>,
    notes: &mut Vec<String>,
    start: &AttemptStart,
    profile: &ModelProfile,
) {
    let Some(most) = profile.max_output else { return };
    match request.max_output {
        Some(wanted) if wanted > most => {
            request.to_mut().max_output = Some(most);
            notes.push(format!("max_tokens {wanted} lowered to {most}, the model's longest answer"));
        }
        None if profile.capabilities.unlimited_output == Some(false) => {
            let prompt = start.most_prompt_tokens;
            let room = start.window.map_or(most, |window| window.saturating_sub(prompt));
            // With less room, the wire's own default is as good a guess.
            if room >= most.min(MIN_OUTPUT_LIMIT) {
                request.to_mut().max_output = Some(most.min(room));
            }
        }
        _ => {}
    }
}

/// An output limit that every model accepts, for those whose own is not known.
const ANY_MODELS_OUTPUT: u64 = 4_096;

/// Limits the answer to what the request's maximum cost pays for, unless no answer can be that long.
fn limit_cost(
    request: &mut Cow<'_, ChatRequest>,
    notes: &mut Vec<String>,
    start: &AttemptStart,
    profile: &ModelProfile,
) {
    let Some(affordable) = start.most_output else { return };
    let beside_prompt = start.window.map(|window| window.saturating_sub(start.most_prompt_tokens));
    // A host refuses a limit above what its model can write.
    let longest = request.max_output.or(profile.max_output).unwrap_or(ANY_MODELS_OUTPUT);
    if affordable < beside_prompt.map_or(longest, |room| room.min(longest)) {
        request.to_mut().max_output = Some(affordable.max(1));
        notes.push(format!("the answer is limited to {affordable} tokens by the request's maximum cost"));
    }
}

/// Requests the output format in the way the target supports: an enforced format, a tool it must call, or words in the
/// prompt. The answer is always checked against the format that the caller asked for. Returns whether the answer
/// arrives as a tool call.
fn apply_output_format(
    request: &mut Cow<'_, ChatRequest>,
    notes: &mut Vec<String>,
    target: &ConnectedTarget,
    profile: &ModelProfile,
) -> bool {
    let can = &profile.capabilities;
    let has_tools = !request.tools.is_empty() || !request.native_tools.is_empty();
    let takes_format = !has_tools || can.format_with_tools != Some(false);
    let as_format = takes_format && can.json_schema != Some(false) && fit_schema(request, notes, target);
    let as_tool_call = !as_format
        && can.forced_tool == Some(true)
        && can.tools != Some(false)
        && target.provider.asks_for_reasoning(request) != Some(true);
    if as_tool_call && let Some(tool_request) = by_tool(request) {
        notes.push("the schema is requested as a tool call".into());
        *request = Cow::Owned(tool_request);
        return true;
    }
    let json_mode = takes_format && can.json_mode != Some(false);
    let answer = if has_tools { "Unless you call a tool, answer" } else { "Answer" };
    let instruction = match &request.output {
        OutputFormat::JsonSchema { schema, .. } if !as_format => {
            notes.push("the schema is requested in the prompt".into());
            format!(
                "{answer} with one JSON value and nothing else: no words around it, no code fence. It must be valid \
                 against this JSON Schema:\n{}",
                schema.as_str()
            )
        }
        OutputFormat::JsonObject if !json_mode => {
            notes.push("JSON is requested in the prompt".into());
            format!("{answer} with one JSON object and nothing else: no words around it, no code fence.")
        }
        _ => return false,
    };
    let request = request.to_mut();
    request.output = if json_mode { OutputFormat::JsonObject } else { OutputFormat::Text };
    let head = request.messages.iter().take_while(|message| is_instruction(message)).count();
    request.messages.insert(head, Message::system(instruction));
    false
}

/// Rewrites a schema that would be enforced into the subset that the target supports. Returns whether the request may be
/// sent with its schema; it may not if the target enforces every schema and cannot enforce this one.
fn fit_schema(request: &mut Cow<'_, ChatRequest>, notes: &mut Vec<String>, target: &ConnectedTarget) -> bool {
    let OutputFormat::JsonSchema { name, schema, strict } = &request.output else { return true };
    let subset = target.provider.schema_subset(&target.model);
    let Some(subset) = subset.filter(|subset| *strict || subset.always_enforced) else { return true };
    let (name, strict) = (name.clone(), *strict);
    let output = match rewrite_schema(schema, subset) {
        Ok(rewritten) if rewritten.notes.is_empty() => return true,
        Ok(rewritten) => {
            notes.extend(rewritten.notes);
            OutputFormat::JsonSchema { name, schema: rewritten.schema, strict }
        }
        Err(what) => {
            notes
                .push(format!("the schema cannot be enforced there ({what}); the answer is still validated"));
            if subset.always_enforced {
                return false;
            }
            OutputFormat::JsonSchema { name, schema: schema.clone(), strict: false }
        }
    };
    request.to_mut().output = output;
    true
}

/// Rewrites the schemas of strict tools into the subset that the target supports. A tool that does not fit is sent
/// without enforcement, and so is one whose missing arguments would arrive as nulls: nothing between the model and the
/// application removes them.
fn fit_tools(request: &mut Cow<'_, ChatRequest>, notes: &mut Vec<String>, target: &ConnectedTarget) {
    let Some(subset) = target.provider.schema_subset(&target.model) else { return };
    for place in 0..request.tools.len() {
        let tool = &request.tools[place];
        if tool.strict != Some(true) {
            continue;
        }
        let name = tool.name.clone();
        let unfit = match rewrite_schema(&tool.parameters, subset) {
            Ok(rewritten) if rewritten.notes.is_empty() => continue,
            Ok(rewritten) if !rewritten.nullable => {
                notes.extend(rewritten.notes.iter().map(|note| format!("tool {name}, {note}")));
                request.to_mut().tools[place].parameters = rewritten.schema;
                continue;
            }
            Ok(_) => "optional arguments",
            Err(what) => what,
        };
        notes.push(format!("tool {name}: its schema cannot be enforced there ({unfit})"));
        request.to_mut().tools[place].strict = None;
    }
}

fn is_instruction(message: &Message) -> bool {
    matches!(message.role, Role::System | Role::Developer)
}
