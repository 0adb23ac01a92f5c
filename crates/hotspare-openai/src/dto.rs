//! The wire's JSON, borrowed from a frame.
//!
//! Not core's vocabulary. Only the fields in use are read; everything else is skipped without building a tree.
//! Invariant: lenient where hosts differ (null, missing, another type), strict only in that it must be JSON.

use std::borrow::Cow;
use std::fmt;

use hotspare_core::Json;
use hotspare_provider::{Count, Text};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

mod in_place;

/// Content: text, nothing, or a list of parts.
#[derive(Debug, Default)]
pub(crate) enum Content<'a> {
    #[default]
    None,
    Text(Text<'a>),
    Parts(Vec<ContentPart<'a>>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ContentVisitor;

        impl<'de> Visitor<'de> for ContentVisitor {
            type Value = Content<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, a list of parts, or null")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Content::Text(Text(Cow::Borrowed(text))))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Content::Text(Text(Cow::Owned(text.to_owned()))))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Content::None)
            }

            /// From a host that has already parsed the model's JSON: serialized again as the text.
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let value = serde_json::Value::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Content::Text(Text(Cow::Owned(value.to_string()))))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut parts = Vec::new();
                while let Some(part) = list.next_element()? {
                    parts.push(part);
                }
                Ok(Content::Parts(parts))
            }
        }

        deserializer.deserialize_any(ContentVisitor)
    }
}

/// A part of a content list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ContentPart<'a> {
    #[serde(borrow)]
    pub(crate) text: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) refusal: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) thinking: Option<Box<Content<'a>>>,
    /// Reasoning, as a list of pieces.
    #[serde(borrow)]
    pub(crate) summary: Option<Vec<Summary<'a>>>,
}

/// A piece of reasoning.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Summary<'a> {
    #[serde(borrow)]
    pub(crate) text: Option<Text<'a>>,
}

/// A chunk of a stream, or a whole answer: they differ in one field's name, and some hosts send both.
#[derive(Debug, Default)]
pub(crate) struct Reply<'a> {
    pub(crate) id: Option<Text<'a>>,
    pub(crate) model: Option<Text<'a>>,
    pub(crate) choices: Choices<'a>,
    pub(crate) usage: Option<Box<UsageDto>>,
    pub(crate) error: Option<&'a RawValue>,
    pub(crate) citations: Option<&'a RawValue>,
    pub(crate) service_tier: Option<&'a RawValue>,
    pub(crate) x_groq: Option<Box<Groq<'a>>>,
    /// Read to recognize errors that hosts send without an `error` field.
    pub(crate) object: Option<Text<'a>>,
    pub(crate) base_resp: Option<BaseResp>,
}

/// Where one host reports errors sent with status 200; the code is 0 if there is none.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct BaseResp {
    pub(crate) status_code: Count,
}

/// Where one host puts the usage of a stream, and the error that interrupted it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Groq<'a> {
    pub(crate) usage: Option<Box<UsageDto>>,
    #[serde(borrow)]
    pub(crate) error: Option<&'a RawValue>,
}

/// The answers in a frame: usually one, which is then stored without a list.
#[derive(Debug, Default)]
pub(crate) struct Choices<'a> {
    pub(crate) first: Option<Choice<'a>>,
    pub(crate) more: Vec<Choice<'a>>,
}

impl<'a> Choices<'a> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Choice<'a>> {
        self.first.iter().chain(&self.more)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Choice<'a>> {
        self.first.iter_mut().chain(&mut self.more)
    }

    /// Moves the tool calls into the first choice of a whole answer that ends with calls and has none: one host puts the
    /// text into a choice of its own.
    pub(crate) fn merge(&mut self) {
        let calls =
            |choice: &mut Choice<'a>| choice.message.as_mut().and_then(|message| message.tool_calls.take());
        let Some(first) = &mut self.first else { return };
        let word = first.finish_reason.as_ref().map_or("", |word| &*word.0);
        let Some(message) = first.message.as_mut().filter(|_| word == "tool_calls" && !self.more.is_empty())
        else {
            return;
        };
        if message.tool_calls.as_ref().is_none_or(Vec::is_empty) {
            message.tool_calls = self.more.iter_mut().find_map(calls);
            self.more.clear();
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Choice<'a> {
    pub(crate) index: Count,
    pub(crate) delta: Option<Delta<'a>>,
    pub(crate) message: Option<Box<Delta<'a>>>,
    /// The text in the older completions format.
    pub(crate) text: Option<Text<'a>>,
    pub(crate) finish_reason: Option<Text<'a>>,
    /// The word of the host behind a relay, which reports a failure as `stop`.
    pub(crate) native_finish_reason: Option<Text<'a>>,
    pub(crate) logprobs: Option<&'a RawValue>,
    /// Where relays report what interrupted this answer.
    pub(crate) error: Option<&'a RawValue>,
    /// Where one host puts the usage of a stream.
    pub(crate) usage: Option<Box<UsageDto>>,
}

#[derive(Debug, Default)]
pub(crate) struct Delta<'a> {
    pub(crate) content: Content<'a>,
    pub(crate) reasoning_content: Option<Text<'a>>,
    pub(crate) reasoning: Content<'a>,
    pub(crate) reasoning_text: Option<Text<'a>>,
    pub(crate) refusal: Option<Text<'a>>,
    pub(crate) tool_calls: Option<Vec<ToolCall<'a>>>,
    pub(crate) function_call: Option<Box<Function<'a>>>,
    pub(crate) images: Option<Vec<&'a RawValue>>,
    /// Speech, with its transcript.
    pub(crate) audio: Option<Box<Audio<'a>>>,
    pub(crate) annotations: Option<Vec<&'a RawValue>>,
    /// The reasoning again, with its signature or in encrypted form.
    pub(crate) reasoning_details: Option<&'a RawValue>,
}

/// A piece of signed or encrypted reasoning.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ReasoningDetail<'a> {
    #[serde(borrow)]
    pub(crate) data: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) signature: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) text: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) summary: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Audio<'a> {
    #[serde(borrow)]
    pub(crate) transcript: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ToolCall<'a> {
    pub(crate) index: Count,
    #[serde(borrow)]
    pub(crate) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) function: Option<Function<'a>>,
    /// What the host wants back with the call, such as the signature of the thoughts before it.
    #[serde(borrow)]
    pub(crate) extra_content: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Function<'a> {
    #[serde(borrow)]
    pub(crate) name: Option<Text<'a>>,
    /// A string, or at some hosts an object.
    #[serde(borrow)]
    pub(crate) arguments: Option<&'a RawValue>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct UsageDto {
    pub(crate) prompt_tokens: Count,
    pub(crate) completion_tokens: Count,
    /// Other wires' names for the two above; some relays send both.
    pub(crate) input_tokens: Count,
    pub(crate) output_tokens: Count,
    pub(crate) total_tokens: Count,
    pub(crate) prompt_tokens_details: Option<PromptDetails>,
    pub(crate) completion_tokens_details: Option<CompletionDetails>,
    pub(crate) prompt_cache_hit_tokens: Count,
    pub(crate) num_cached_tokens: Count,
    pub(crate) cached_tokens: Count,
    pub(crate) cache_read_input_tokens: Count,
    pub(crate) cache_creation_input_tokens: Count,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PromptDetails {
    pub(crate) cached_tokens: Count,
    pub(crate) cache_write_tokens: Count,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CompletionDetails {
    pub(crate) reasoning_tokens: Count,
}

/// Whether bytes are valid JSON.
pub(crate) fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

/// The raw value, or `None` for `null`.
pub(crate) fn json(raw: &RawValue) -> Option<Json> {
    (raw.get() != "null").then(|| Json::parse(raw.get()).ok()).flatten()
}
