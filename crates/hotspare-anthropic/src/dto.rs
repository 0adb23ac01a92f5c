//! The wire's JSON, borrowed from a frame.
//!
//! Only the fields in use are read. Invariant: lenient where servers differ (null, missing), strict only in that it
//! must be JSON.

use hotspare_provider::Text;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The types of frames, which are also the names of their events.
pub(crate) const EVENTS: [&str; 8] = [
    "content_block_delta",
    "content_block_start",
    "content_block_stop",
    "message_delta",
    "message_start",
    "message_stop",
    "ping",
    "error",
];

/// A frame of a stream, of any type.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Frame<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) message: Option<Message<'a>>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    pub(crate) index: Option<u64>,
    #[serde(borrow)]
    pub(crate) content_block: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) delta: Option<Delta<'a>>,
    #[serde(borrow)]
    pub(crate) usage: Option<UsageDto<'a>>,
    #[serde(borrow)]
    pub(crate) error: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) completion: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) stop_reason: Option<Text<'a>>,
}

/// A whole answer, or the head of a streamed one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Message<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) model: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) content: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    pub(crate) stop_reason: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) usage: Option<UsageDto<'a>>,
    #[serde(borrow)]
    pub(crate) error: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) completion: Option<Text<'a>>,
}

/// A block of content.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Block<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) text: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) thinking: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) signature: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) data: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) input: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) citations: Option<&'a RawValue>,
    /// The model that continues, in a block that reports the provider's own failover.
    #[serde(borrow)]
    pub(crate) to: Option<FallbackModel<'a>>,
}

/// A model that continues an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FallbackModel<'a> {
    #[serde(borrow)]
    pub(crate) model: Option<Text<'a>>,
}

/// What a frame adds to a block or to the message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Delta<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) text: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) thinking: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) signature: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) partial_json: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) citation: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) stop_reason: Option<Text<'a>>,
}

/// Token counts; the prompt's is in three parts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct UsageDto<'a> {
    /// The usage of each turn at the provider. The counts are sums over the turns of the requested model.
    #[serde(borrow)]
    pub(crate) iterations: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    pub(crate) service_tier: Option<&'a RawValue>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    pub(crate) input_tokens: Option<u64>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    pub(crate) output_tokens: Option<u64>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    pub(crate) cache_creation_input_tokens: Option<u64>,
    #[serde(deserialize_with = "hotspare_provider::count")]
    pub(crate) cache_read_input_tokens: Option<u64>,
    pub(crate) output_tokens_details: Option<OutputDetails>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OutputDetails {
    #[serde(deserialize_with = "hotspare_provider::count")]
    pub(crate) thinking_tokens: Option<u64>,
}

/// A turn at the provider, beside its token counts. It names its model where that may not be the requested one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Iteration<'a> {
    #[serde(borrow)]
    pub(crate) model: Option<Text<'a>>,
}
