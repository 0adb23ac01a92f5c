//! The wire's JSON, borrowed from a frame.
//!
//! Only the fields in use are read. Invariant: lenient where models differ (null, missing), strict only in that it must
//! be JSON.

use hotspare_provider::Text;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A whole answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Answer<'a> {
    #[serde(borrow)]
    pub(crate) output: Option<Output<'a>>,
    #[serde(borrow)]
    pub(crate) stop_reason: Option<Text<'a>>,
    pub(crate) usage: Option<UsageDto>,
    #[serde(borrow)]
    pub(crate) service_tier: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) trace: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Output<'a> {
    #[serde(borrow)]
    pub(crate) message: Option<Message<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Message<'a> {
    #[serde(borrow)]
    pub(crate) content: Option<Vec<&'a RawValue>>,
}

/// The class of service of the answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ServiceTier<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<&'a RawValue>,
}

/// An event of a stream, of any type.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Event<'a> {
    #[serde(deserialize_with = "hotspare_provider::count")]
    pub(crate) content_block_index: Option<u64>,
    #[serde(borrow)]
    pub(crate) start: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) delta: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) stop_reason: Option<Text<'a>>,
    pub(crate) usage: Option<UsageDto>,
    #[serde(borrow)]
    pub(crate) service_tier: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) trace: Option<&'a RawValue>,
}

/// A block of content, the start of one, or a delta to one.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Block<'a> {
    #[serde(borrow)]
    pub(crate) text: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) tool_use: Option<ToolUse<'a>>,
    #[serde(borrow)]
    pub(crate) reasoning_content: Option<ReasoningContent<'a>>,
    /// Text with its citations, in a whole answer.
    #[serde(borrow)]
    pub(crate) citations_content: Option<CitationsContent<'a>>,
    /// One citation, in a stream.
    #[serde(borrow)]
    pub(crate) citation: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ToolUse<'a> {
    #[serde(borrow)]
    pub(crate) tool_use_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) name: Option<Text<'a>>,
    /// An object in a whole answer, a piece of its text in a stream.
    #[serde(borrow)]
    pub(crate) input: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Text<'a>>,
}

/// The fields are at the top level in a stream, one level down in a whole answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ReasoningContent<'a> {
    #[serde(borrow)]
    pub(crate) reasoning_text: Option<ReasoningText<'a>>,
    #[serde(borrow)]
    pub(crate) text: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) signature: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) redacted_content: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ReasoningText<'a> {
    #[serde(borrow)]
    pub(crate) text: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) signature: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CitationsContent<'a> {
    #[serde(borrow)]
    pub(crate) content: Option<Vec<CitedText<'a>>>,
    #[serde(borrow)]
    pub(crate) citations: Option<Vec<&'a RawValue>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CitedText<'a> {
    #[serde(borrow)]
    pub(crate) text: Option<Text<'a>>,
}

/// Token counts; the prompt's is in three parts, two of which have had two names.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct UsageDto {
    #[serde(deserialize_with = "hotspare_provider::count")]
    pub(crate) input_tokens: Option<u64>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    pub(crate) output_tokens: Option<u64>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    pub(crate) cache_read_input_tokens: Option<u64>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    pub(crate) cache_read_input_token_count: Option<u64>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    pub(crate) cache_write_input_tokens: Option<u64>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    pub(crate) cache_write_input_token_count: Option<u64>,
}
