//! A conversation as the wire's turns.
//!
//! Leading instructions are not among them; later ones become part of the user's turns. All responses to the calls of
//! one turn form one turn, and what the caller adds to them the next. Responses must name their function, so the name
//! is taken from the call. Invariant: a thought signature stays on the part where its origin put it, and goes back to
//! its origin only.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hotspare_core::{Error, Json, Kind, Media, Message, Native, Part, Role, ToolCall, ToolResult};
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::WIRE;
use crate::generation::Generation;

/// Replaces the signature of a call that another model made; ai.google.dev/gemini-api/docs/thought-signatures.
pub(crate) const FOREIGN_CALL: &str = "skip_thought_signature_validator";

/// A turn.
#[derive(Debug, Serialize)]
pub(crate) struct MessageDto<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<&'static str>,
    pub(crate) parts: Vec<PartDto<'a>>,
}

/// A part of a turn, or one that came in this wire's own format.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum PartDto<'a> {
    Native(&'a Json),
    Encoded(Box<WirePart<'a>>),
}

impl<'a> From<WirePart<'a>> for PartDto<'a> {
    fn from(part: WirePart<'a>) -> Self {
        Self::Encoded(Box::new(part))
    }
}

/// A part of a turn in the wire's format.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WirePart<'a> {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    thought: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inline_data: Option<BlobDto<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_data: Option<FileDto<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<FunctionCallDto<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_response: Option<FunctionResponseDto<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<&'a str>,
    /// Other fields, which only this wire has.
    #[serde(flatten)]
    fields: BTreeMap<String, Json>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BlobDto<'a> {
    mime_type: &'a str,
    data: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FileDto<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<&'static str>,
    file_uri: Cow<'a, str>,
}

#[derive(Debug, Serialize)]
struct FunctionCallDto<'a> {
    id: &'a str,
    name: &'a str,
    args: Cow<'a, RawValue>,
}

#[derive(Debug, Serialize)]
struct FunctionResponseDto<'a> {
    id: &'a str,
    name: &'a str,
    response: Cow<'a, RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<WirePart<'a>>,
}

impl<'a> WirePart<'a> {
    pub(crate) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }

    fn media(media: &'a Media) -> Self {
        match media {
            Media::Base64 { media_type, data } => {
                Self { inline_data: Some(BlobDto { mime_type: media_type, data }), ..Self::default() }
            }
            other => {
                let file_uri = match other {
                    Media::Url(url) => Cow::Borrowed(url.as_str()),
                    other => Cow::Owned(other.to_url()),
                };
                let file = FileDto { mime_type: media_type(&file_uri), file_uri };
                Self { file_data: Some(file), ..Self::default() }
            }
        }
    }
}

/// Whether a message is an instruction.
pub(crate) fn is_instruction(message: &Message) -> bool {
    matches!(message.role, Role::System | Role::Developer)
}

/// Encodes the turns that follow a conversation's leading instructions.
///
/// # Errors
/// [`Kind::InvalidRequest`] if there are none, or a tool result answers no call before it; [`Kind::Unsupported`] if an
/// earlier call's arguments are not a JSON object.
pub(crate) fn turns<'a>(
    messages: &'a [Message],
    origin: &str,
    generation: &Generation,
) -> Result<Vec<MessageDto<'a>>, Error> {
    let head = messages.iter().take_while(|message| is_instruction(message)).count();
    let mut writer =
        Writer { turns: Vec::new(), calls: BTreeMap::new(), responses: Vec::new(), follow_up: Vec::new() };
    for message in &messages[head..] {
        if message.role == Role::Assistant {
            writer.flush();
            let parts = writer.model(&message.parts, origin, generation)?;
            writer.turn("model", parts);
        } else {
            writer.user(message, generation)?;
        }
    }
    writer.flush();
    if writer.turns.is_empty() {
        return Err(Error::new(Kind::InvalidRequest, "the request has instructions but no turn to answer"));
    }
    Ok(writer.turns)
}

struct Writer<'a> {
    turns: Vec<MessageDto<'a>>,
    /// The calls so far by id: each call's position among them, and the tool's name.
    calls: BTreeMap<&'a str, (usize, &'a str)>,
    /// The open turn of responses, each with the position of the call that it answers.
    responses: Vec<(usize, PartDto<'a>)>,
    /// What the caller added to the responses: the next turn.
    follow_up: Vec<PartDto<'a>>,
}

impl<'a> Writer<'a> {
    fn turn(&mut self, role: &'static str, parts: Vec<PartDto<'a>>) {
        if !parts.is_empty() {
            self.turns.push(MessageDto { role: Some(role), parts });
        }
    }

    /// Ends the turn of responses.
    fn flush(&mut self) {
        let (mut responses, follow_up) =
            (std::mem::take(&mut self.responses), std::mem::take(&mut self.follow_up));
        // Older models tell calls of the same function apart only by their order.
        responses.sort_by_key(|(position, _)| *position);
        self.turn("user", responses.into_iter().map(|(_, part)| part).collect());
        self.turn("user", follow_up);
    }

    fn user(&mut self, message: &'a Message, generation: &Generation) -> Result<(), Error> {
        let has_tool_results = message.parts.iter().any(|part| matches!(part, Part::ToolResult(_)));
        if !has_tool_results {
            self.flush();
        }
        let (mut written, mut after_result) = (false, false);
        for part in &message.parts {
            let before = self.follow_up.len();
            match part {
                Part::ToolResult(result) => self.response(result, generation)?,
                Part::Fields(fields) if after_result => {
                    add_fields(fields, self.responses.last_mut().map(|(_, part)| part));
                }
                Part::Text(text) | Part::Refusal(text) if !text.is_empty() => {
                    self.follow_up.push(WirePart::text(text).into());
                }
                Part::Image(media) | Part::Document(media) => {
                    self.follow_up.push(WirePart::media(media).into())
                }
                Part::Native(native) if native.wire == WIRE => {
                    self.follow_up.push(PartDto::Native(&native.raw))
                }
                Part::Fields(fields) => {
                    add_fields(fields, self.follow_up.last_mut().filter(|_| written));
                }
                _ => {}
            }
            written = self.follow_up.len() > before || (written && matches!(part, Part::Fields(_)));
            after_result =
                matches!(part, Part::ToolResult(_)) || (after_result && matches!(part, Part::Fields(_)));
        }
        if !has_tool_results {
            self.flush();
        }
        Ok(())
    }

    fn response(&mut self, result: &'a ToolResult, generation: &Generation) -> Result<(), Error> {
        let (position, name) = self.calls.get(result.id.as_str()).copied().ok_or_else(|| {
            Error::new(Kind::InvalidRequest, "a tool result matches no call in this conversation")
        })?;
        let media = result.content.iter().filter_map(|part| match part {
            Part::Image(media) | Part::Document(media) => Some(WirePart::media(media)),
            _ => None,
        });
        let parts = if generation.media_in_responses {
            media.collect()
        } else {
            self.follow_up.extend(media.map(PartDto::from));
            Vec::new()
        };
        let response = FunctionResponseDto { id: &result.id, name, response: response(result)?, parts };
        let part = WirePart { function_response: Some(response), ..WirePart::default() }.into();
        self.responses.push((position, part));
        Ok(())
    }

    fn model(
        &mut self,
        parts: &'a [Part],
        origin: &str,
        generation: &Generation,
    ) -> Result<Vec<PartDto<'a>>, Error> {
        let mut out: Vec<PartDto<'a>> = Vec::with_capacity(parts.len());
        // The signature of a part that is still to come.
        let mut pending_signature: Option<&'a str> = None;
        let mut first_call = true;
        // Fields of a part that is not written are dropped with it.
        let mut written = false;
        for part in parts {
            let before = out.len();
            match part {
                Part::Reasoning(reasoning) => {
                    let Some(signature) =
                        reasoning.signature.as_ref().filter(|signature| signature.origin.0 == origin)
                    else {
                        written = false;
                        continue;
                    };
                    if reasoning.text.is_empty() {
                        out.extend(pending_signature.take().map(signature_only));
                        pending_signature = Some(&signature.data);
                    } else {
                        let thought = WirePart {
                            thought: true,
                            thought_signature: Some(&signature.data),
                            ..WirePart::text(&reasoning.text)
                        };
                        out.push(thought.into());
                    }
                }
                Part::Text(text) | Part::Refusal(text) if !text.is_empty() => {
                    out.push(
                        WirePart { thought_signature: pending_signature.take(), ..WirePart::text(text) }
                            .into(),
                    );
                }
                Part::Image(media) | Part::Document(media) => {
                    out.push(
                        WirePart { thought_signature: pending_signature.take(), ..WirePart::media(media) }
                            .into(),
                    );
                }
                Part::ToolCall(call) => {
                    let position = self.calls.len();
                    self.calls.insert(&call.id, (position, &call.name));
                    // Only a turn's first call needs a signature.
                    let foreign = (first_call && generation.requires_signatures).then_some(FOREIGN_CALL);
                    first_call = false;
                    let call_part = WirePart {
                        function_call: Some(FunctionCallDto {
                            id: &call.id,
                            name: &call.name,
                            args: arguments(call)?,
                        }),
                        thought_signature: pending_signature.take().or(foreign),
                        ..WirePart::default()
                    };
                    out.push(call_part.into());
                }
                Part::Native(native) if native.wire == WIRE => out.push(PartDto::Native(&native.raw)),
                Part::Fields(fields) => add_fields(fields, out.last_mut().filter(|_| written)),
                _ => {}
            }
            written = out.len() > before || (written && matches!(part, Part::Fields(_)));
        }
        out.extend(pending_signature.take().map(signature_only));
        Ok(out)
    }
}

/// A signature that came without a part, as at the end of a stream.
fn signature_only(pending_signature: &str) -> PartDto<'_> {
    WirePart { thought_signature: Some(pending_signature), ..WirePart::text("") }.into()
}

/// Adds this wire's own fields to the part before them.
fn add_fields(fields: &Native, part: Option<&mut PartDto<'_>>) {
    if let (true, Some(PartDto::Encoded(part))) = (fields.wire == WIRE, part)
        && let Ok(fields) = serde_json::from_str::<BTreeMap<String, Json>>(fields.raw.as_str())
    {
        part.fields.extend(fields);
    }
}

fn arguments(call: &ToolCall) -> Result<Cow<'_, RawValue>, Error> {
    let text = if call.arguments.trim().is_empty() { "{}" } else { call.arguments.trim() };
    object(text).ok_or_else(|| {
        let what = format!("the arguments of the earlier call to `{}` are not a JSON object", call.name);
        Error::new(Kind::Unsupported, what)
    })
}

/// A function's response must be an object: the result itself if it is one, else its text under the documented key.
fn response(result: &ToolResult) -> Result<Cow<'_, RawValue>, Error> {
    let key = if result.is_error { "error" } else { "output" };
    let texts: Vec<&str> = result.content.iter().filter_map(Part::as_text).collect();
    if let ([text], false) = (texts.as_slice(), result.is_error)
        && let Some(object) = object(text.trim())
    {
        return Ok(object);
    }
    let wrapped = json!({ key: texts.concat() }).to_string();
    RawValue::from_string(wrapped)
        .map(Cow::Owned)
        .map_err(|_| Error::new(Kind::InvalidRequest, "a tool's result cannot be written as JSON"))
}

/// The text itself, if it is a JSON object.
fn object(text: &str) -> Option<Cow<'_, RawValue>> {
    let raw: &RawValue = serde_json::from_str(text).ok()?;
    raw.get().starts_with('{').then_some(Cow::Borrowed(raw))
}

/// The media type suggested by a URL's extension. Vertex AI requires one; the Gemini API detects it.
fn media_type(url: &str) -> Option<&'static str> {
    const TYPES: [(&str, &str); 17] = [
        ("csv", "text/csv"),
        ("gif", "image/gif"),
        ("heic", "image/heic"),
        ("heif", "image/heif"),
        ("htm", "text/html"),
        ("html", "text/html"),
        ("jpeg", "image/jpeg"),
        ("jpg", "image/jpeg"),
        ("json", "application/json"),
        ("md", "text/markdown"),
        ("mp3", "audio/mpeg"),
        ("mp4", "video/mp4"),
        ("pdf", "application/pdf"),
        ("png", "image/png"),
        ("txt", "text/plain"),
        ("wav", "audio/wav"),
        ("webp", "image/webp"),
    ];
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let ending = path.rsplit('/').next()?.rsplit_once('.')?.1.to_ascii_lowercase();
    TYPES.iter().find(|(known, _)| *known == ending).map(|(_, media_type)| *media_type)
}
