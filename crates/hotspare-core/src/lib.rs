//! The vocabulary of Hotspare: requests, events, errors and the policy that follows from each kind of error.
//!
//! No IO, clock, async or provider names. All other crates use these types, so a crate that adds a provider, a strategy
//! or a validator needs little more than this one.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod capability;
mod cost;
mod duration;
mod embed;
mod error;
mod event;
mod exchange;
mod finish;
mod json;
mod kind;
mod message;
mod moment;
mod overflow;
mod prompt_size;
mod rate_limits;
mod request;
mod response;
mod stable_hash;
mod target;
mod tool;
mod trail;
mod usage;
mod view;

pub use capability::{
    Capabilities, Encoding, LongPrice, ModelProfile, Price, ReasoningMode, SchemaSubset, ThinkTags,
};
pub use cost::Cost;
pub use duration::parse_duration;
pub use embed::{EmbedInput, EmbedRequest, EmbedResponse, Vector};
pub use error::{Error, Reading};
pub use event::{Chunk, Event, Raw};
pub use exchange::{Request, Response};
pub use finish::FinishReason;
pub use json::{Json, JsonTree, describe_json_error};
pub use kind::{Blame, Evidence, Hold, Kind, Next, Policy, Same, Scope};
pub use message::{Media, Message, Native, Origin, Part, Reasoning, Role, Signature, ToolResult};
pub use moment::Moment;
pub use overflow::Overflow;
pub use prompt_size::{PromptPart, PromptSize, TokenScale};
pub use rate_limits::{Allowance, RateLimits};
pub use request::{Bound, CallOptions, ChatRequest, OutputFormat, Sampling};
pub use response::ChatResponse;
pub use stable_hash::stable_hash;
pub use target::TargetId;
pub use tool::{Tool, ToolCall, ToolChoice};
pub use trail::{Attempt, Outcome, Skipped, StartKind, Trail};
pub use usage::{Turn, Usage, UsageSource};
pub use view::{BreakerState, TargetView};
