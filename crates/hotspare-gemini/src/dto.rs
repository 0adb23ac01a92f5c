//! The wire's JSON, borrowed from a frame.
//!
//! Only the fields in use are read. Invariant: lenient where hosts differ (null, missing, numbers instead of words),
//! strict only in that it must be JSON.

use hotspare_provider::Text;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A frame, or a whole answer: they have the same shape.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Reply<'a> {
    #[serde(borrow)]
    pub(crate) candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow)]
    pub(crate) prompt_feedback: Option<PromptFeedback<'a>>,
    #[serde(borrow)]
    pub(crate) usage_metadata: Option<UsageDto<'a>>,
    #[serde(borrow)]
    pub(crate) model_version: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) response_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) error: Option<&'a RawValue>,
}

/// One of several alternative answers.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Candidate<'a> {
    #[serde(borrow)]
    pub(crate) content: Option<Content<'a>>,
    #[serde(borrow)]
    pub(crate) finish_reason: Option<Text<'a>>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    pub(crate) index: Option<u64>,
    #[serde(borrow)]
    pub(crate) citation_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) grounding_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) url_context_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) logprobs_result: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Content<'a> {
    #[serde(borrow)]
    pub(crate) parts: Option<Vec<&'a RawValue>>,
}

/// A part of an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Part<'a> {
    #[serde(borrow)]
    pub(crate) text: Option<Text<'a>>,
    pub(crate) thought: Option<bool>,
    #[serde(borrow)]
    pub(crate) thought_signature: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) function_call: Option<FunctionCall<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FunctionCall<'a> {
    #[serde(borrow)]
    pub(crate) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) args: Option<&'a RawValue>,
}

/// The host's verdict on the prompt.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct PromptFeedback<'a> {
    #[serde(borrow)]
    pub(crate) block_reason: Option<Text<'a>>,
}

/// Token counts, cumulative over a stream. Prompts made by tools, and thoughts, are counted separately; a count of zero
/// is omitted.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct UsageDto<'a> {
    #[serde(borrow)]
    pub(crate) service_tier: Option<&'a RawValue>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    pub(crate) prompt_token_count: Option<u64>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    pub(crate) tool_use_prompt_token_count: Option<u64>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    pub(crate) candidates_token_count: Option<u64>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    pub(crate) thoughts_token_count: Option<u64>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    pub(crate) cached_content_token_count: Option<u64>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    pub(crate) total_token_count: Option<u64>,
}
