//! The wire's JSON, of both versions, borrowed from a frame.
//!
//! Only the fields in use are read. Invariant: lenient where the versions differ (null, missing, one value or a list),
//! strict only in that it must be JSON.

use hotspare_provider::Count;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A frame of a stream, or a whole answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Reply<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    /// The type of a frame in version 1.
    pub(crate) event_type: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) generation_id: Option<String>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    pub(crate) index: Option<u64>,
    #[serde(borrow)]
    pub(crate) delta: Option<Delta<'a>>,
    #[serde(borrow)]
    pub(crate) message: Option<&'a RawValue>,
    pub(crate) finish_reason: Option<String>,
    pub(crate) usage: Option<UsageDto>,
    pub(crate) meta: Option<UsageDto>,
    /// Present in every frame of the oldest streams, which may contain several answers.
    pub(crate) is_finished: Option<bool>,
    /// The text in version 1.
    pub(crate) text: Option<String>,
    #[serde(borrow)]
    pub(crate) tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) citations: Option<&'a RawValue>,
    /// The whole answer at the end of a version 1 stream.
    #[serde(borrow)]
    pub(crate) response: Option<&'a RawValue>,
    pub(crate) generations: Option<Vec<Generation>>,
    #[serde(borrow)]
    pub(crate) logprobs: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Delta<'a> {
    #[serde(borrow)]
    pub(crate) message: Option<Message<'a>>,
    pub(crate) finish_reason: Option<String>,
    pub(crate) usage: Option<UsageDto>,
    pub(crate) error: Option<String>,
    pub(crate) error_type: Option<String>,
}

/// A message: in a stream its fields hold single pieces, in a whole answer lists.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Message<'a> {
    #[serde(borrow)]
    pub(crate) content: Option<&'a RawValue>,
    pub(crate) tool_plan: Option<String>,
    #[serde(borrow)]
    pub(crate) tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) citations: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Content {
    pub(crate) text: Option<String>,
    pub(crate) thinking: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ToolCall<'a> {
    pub(crate) id: Option<String>,
    #[serde(borrow)]
    pub(crate) function: Option<Function<'a>>,
    /// Name and arguments in version 1.
    pub(crate) name: Option<String>,
    #[serde(borrow)]
    pub(crate) parameters: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Function<'a> {
    pub(crate) name: Option<String>,
    #[serde(borrow)]
    pub(crate) arguments: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Generation {
    pub(crate) text: Option<String>,
    pub(crate) finish_reason: Option<String>,
}

/// Token counts, as processed and as billed.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct UsageDto {
    pub(crate) tokens: Option<Tokens>,
    pub(crate) billed_units: Option<Tokens>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    pub(crate) cached_tokens: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Tokens {
    pub(crate) input_tokens: Count,
    pub(crate) output_tokens: Count,
    pub(crate) reasoning_tokens: Count,
}

/// One value or a list of them.
pub(crate) fn one_or_many<'a, T: Deserialize<'a>>(
    raw: Option<&'a RawValue>,
) -> Result<Vec<T>, serde_json::Error> {
    match raw.map(RawValue::get) {
        None | Some("null") => Ok(Vec::new()),
        Some(list) if list.starts_with('[') => serde_json::from_str(list),
        Some(one) => serde_json::from_str(one).map(|one| vec![one]),
    }
}
