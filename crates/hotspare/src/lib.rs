//! Multi-provider LLM failover: one request in, an answer out, whichever provider is up.
//!
//! A *hot spare* is a standby part that takes over the moment the main part fails. A [`Client`] holds targets (a model at a
//! provider, with its keys) and routes (a strategy over targets). It sends a request to the first target that its route
//! chooses; when that one is down, slow, out of quota or cut off, the next one answers, and the [`Trail`] says what happened.
//!
//! ```no_run
//! use hotspare::{ChatRequest, Client, Key, Sequential, anthropic, openai};
//!
//! # async fn run() -> Result<(), hotspare::Error> {
//! let client = Client::builder()
//!     .target("main", openai::target("gpt-4o").key(Key::env("OPENAI_API_KEY")))
//!     .target("spare", anthropic::target("claude-sonnet-4-5").key(Key::env("ANTHROPIC_API_KEY")))
//!     .route("chat", Sequential::new(["main", "spare"]))
//!     .build()?;
//! let answer = client.chat(ChatRequest::to("chat").user("Checkout has answered 502 since 09:12.")).await?;
//! println!("{} says {}", answer.served_by.as_ref().map_or("nobody", |target| target.as_str()), answer.text());
//! # Ok(())
//! # }
//! ```
//!
//! Tests of your own application need no network: the `hotspare-chaos` crate has a scripted provider.
//!
//! **Runtime.** Calls need a Tokio runtime with its timers. A call advances while it is polled and has no task behind it:
//! dropping the future of [`Client::chat`], or a [`ChatStream`], cancels the request upstream, and whoever stops polling a
//! stream stops its timers, too.
//!
//! **Features.** On by default: `openai` (and every host that is like it), `anthropic`, `cohere`, `gemini`, `ollama`, `config`
//! (`Client::from_toml`), `rustls`, `schema`, `templates`, `typed` (`Client::chat_as`). Off: `bedrock` (Converse and the
//! Messages wire at AWS, with signed requests), `tiktoken` (exact counts, which brings the vocabularies), `recorded`.
//!
//! **Tracing.** Spans `hotspare.call` and `hotspare.attempt`, all under the target `hotspare`: INFO for each failover, WARN for
//! each breaker that changes, with its reason; never a prompt, an answer or a key.

mod builder;
mod client;
mod clock;
#[cfg(feature = "config")]
pub mod config;
mod driver;
mod endpoint;
mod explain;
mod keeper_task;
mod key;
mod lint;
mod observe;
mod prepare;
mod shared;
mod status;
mod stream;
#[cfg(feature = "typed")]
mod typed;
mod validators;
mod wake;

#[cfg(feature = "anthropic")]
pub mod anthropic;
#[cfg(feature = "bedrock")]
pub mod bedrock;
#[cfg(feature = "cohere")]
pub mod cohere;
#[cfg(feature = "gemini")]
pub mod gemini;
#[cfg(feature = "ollama")]
pub mod ollama;
#[cfg(feature = "openai")]
pub mod openai;
#[cfg(feature = "recorded")]
pub mod recorded;

pub use builder::{ClientBuilder, Outline, RouteSpec};
pub use client::Client;
pub use endpoint::Endpoint;
pub use explain::{Explained, Explanation};
pub use hotspare_core::{
    Attempt, Blame, Bound, BreakerState, CallOptions, Capabilities, ChatRequest, ChatResponse, Chunk, Cost,
    EmbedInput, EmbedRequest, EmbedResponse, Encoding, Error, Event, FinishReason, Json, Kind, LongPrice,
    Media, Message, ModelProfile, Native, Outcome, OutputFormat, Part, Policy, Price, Raw, Reasoning,
    Request, Role, Sampling, SchemaSubset, Scope, Skipped, TargetId, TargetView, ThinkTags, Tool, ToolCall,
    ToolChoice, ToolResult, Trail, Usage, UsageSource, Vector,
};
pub use hotspare_engine::{
    Adaptive, Commit, CostKind, Counts, Histogram, KeyStatus, Limits, OnCut, OnKind, OnRefusal, Rules,
    SpendLimit, Trim, ValidateOutput, ValidateToolCalls,
};
pub use hotspare_health::Config as BreakerConfig;
#[cfg(feature = "schema")]
pub use hotspare_normalize::JsonSchema;
#[cfg(feature = "templates")]
pub use hotspare_normalize::{InstructionRole, Template};
pub use hotspare_normalize::{PromptTemplate, Validator, Violation};
pub use hotspare_provider::{Credentials, Provider, Secret, Signer, Transport, Wire};
pub use hotspare_routing::{
    Cheapest, Fastest, HealthAware, Hedge, Hedged, MostReliable, Race, RoundRobin, Sequential, Sticky,
    Strategy, Tiered, Weighted,
};
pub use key::Key;
pub use lint::Lint;
pub use observe::BreakerChange;
pub use status::TargetStatus;
pub use stream::ChatStream;
#[cfg(feature = "typed")]
pub use typed::Typed;

/// The code of the front page, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct FrontPage;
