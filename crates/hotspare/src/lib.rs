//! Multi-provider failover for LLM applications.
//!
//! A [`Client`] holds targets (a model at a provider, with its keys) and routes (a strategy over targets). A request
//! goes to the first target that the strategy chooses; if it is down, slow, out of quota or truncates its answer, the
//! next one answers, and the [`Trail`] lists every attempt.
//!
//! ```no_run
//! use hotspare::{ChatRequest, Client, Key, Sequential, anthropic, openai};
//!
//! # async fn run() -> Result<(), hotspare::Error> {
//! let client = Client::builder()
//!     .target("main", openai::target("gpt-4o").key(Key::env("OPENAI_API_KEY")))
//!     .target("spare", anthropic::target("claude-sonnet-4-6").key(Key::env("ANTHROPIC_API_KEY")))
//!     .route("chat", Sequential::new(["main", "spare"]))
//!     .build()?;
//! let answer = client.chat(ChatRequest::to("chat").user("Checkout has answered 502 since 09:12.")).await?;
//! println!("{}\n{}", answer.text(), answer.trail);
//! # Ok(())
//! # }
//! ```
//!
//! To test an application without a network, use the scripted provider of the `hotspare-chaos` crate.
//!
//! | to | see |
//! |---|---|
//! | describe targets | [`openai`], [`anthropic`], [`gemini`], [`cohere`], [`ollama`], `bedrock` (a feature), [`Endpoint`], [`Key`], [`ModelProfile`] |
//! | order them | [`Sequential`], [`HealthAware`], [`MostReliable`], [`Fastest`], [`Cheapest`], [`Weighted`], [`RoundRobin`], [`Sticky`], [`Race`], [`Hedged`], [`Tiered`] |
//! | set limits and rules | [`RouteSpec`], [`Limits`], [`Rules`], [`BreakerConfig`], [`SpendLimit`] |
//! | send requests | [`Client`], [`ChatRequest`], [`Message`], [`tool()`], [`EmbedRequest`] |
//! | read answers | [`ChatResponse`], [`ChatStream`], [`Event`], [`Typed`], [`Trail`] |
//! | handle failures | [`Error`], [`Kind`], [`policy`] |
//! | watch | [`Client::on_call`], [`Client::on_transition`], [`Client::on_service_change`], [`Client::targets`], [`Client::explain`] |
//! | extend | [`provider`], [`strategy`], [`Validator`], [`PromptTemplate`] |
//!
//! **Runtime.** Calls need a Tokio runtime with time enabled. A call has no task of its own: it advances while it is polled,
//! and its timers with it. Outside of a runtime, calls fail as [`Kind::Config`]. A [`ChatStream`] must not
//! be read after its runtime was shut down: its timers and connections are gone, and Tokio may panic. Dropping the future
//! of [`Client::chat`], or a [`ChatStream`], cancels the request upstream.
//!
//! **Features.** On by default: `openai` (and all compatible hosts), `anthropic`, `cohere`, `gemini`, `ollama`, `config`
//! (`Client::from_toml`), `rustls`, `schema`, `templates`, `typed` (`Client::chat_as`). Off: `bedrock` (Converse and the
//! Messages wire at AWS, with signed requests), `tiktoken` (exact token counts; adds the vocabularies), `recorded`.
//!
//! **Tracing.** Spans `hotspare.call` and `hotspare.attempt` under the target `hotspare`: INFO for each failover, WARN
//! for each breaker that opens and INFO for its recovery, each with its reason. Keys are never logged. TRACE includes
//! providers' error texts, which may repeat parts of the prompt; other levels never do.

mod background;
mod blocking;
mod builder;
mod client;
mod clock;
#[cfg(feature = "config")]
pub mod config;
mod display;
mod driver;
mod endpoint;
mod explain;
#[cfg(any(feature = "openai", feature = "anthropic"))]
mod from_wire_json;
mod key;
mod lint;
mod listen;
mod nearest;
mod observe;
mod observer;
mod prepare;
mod prober_task;
mod report;
mod reports;
mod requests;
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
#[cfg(feature = "_http")]
pub use endpoint::WireSettings;
pub use endpoint::{AnyWire, Endpoint};
pub use explain::{ExplainedTarget, Explanation};
#[cfg(any(feature = "openai", feature = "anthropic"))]
pub use from_wire_json::FromWireJson;
pub use hotspare_core::{
    Attempt, Bound, BreakerState, CallOptions, Capabilities, ChatRequest, ChatResponse, Chunk, Cost,
    EmbedInput, EmbedRequest, EmbedResponse, Encoding, Error, Event, FinishReason, Json, Kind, LongPrice,
    Media, Message, ModelProfile, Native, Origin, Outcome, OutputFormat, Overflow, Part, Price, PromptPart,
    PromptSize, Raw, Reasoning, ReasoningMode, Request, Role, Sampling, SchemaSubset, Scope, Signature,
    Skipped, StartKind, TargetId, TargetView, ThinkTags, TokenScale, Tool, ToolCall, ToolChoice, ToolResult,
    Trail, Turn, Usage, UsageSource, Vector,
};
pub use hotspare_engine::{
    Adaptive, AnswerLimit, Commit, CostKind, Counts, Histogram, KeyStatus, Limits, OnCut, OnKind, OnRefusal,
    Route, Rules, SpendLimit, TargetSpec, Trim, ValidateOutput, ValidateToolCalls,
};
pub use hotspare_health::{
    Config as BreakerConfig, ConfigError as BreakerConfigError, Evidence as BreakerEvidence,
    UnknownRule as UnknownBreaker,
};
#[cfg(feature = "schema")]
pub use hotspare_normalize::JsonSchema;
#[cfg(feature = "templates")]
pub use hotspare_normalize::{InstructionRole, Template};
pub use hotspare_normalize::{PromptTemplate, Validator, Violation};
pub use hotspare_provider::Secret;
pub use hotspare_routing::{
    Cheapest, Fastest, HealthAware, Hedge, Hedged, MostReliable, Race, RoundRobin, Sequential, Sticky,
    Tiered, Weighted,
};
pub use key::{Key, KeyReader};
pub use lint::Lint;
pub use observer::{BreakerChange, ServiceChange};
pub use report::{CallEnd, CallReport};
#[cfg(feature = "_http")]
pub use reqwest;
#[cfg(feature = "typed")]
pub use schemars;
pub use status::{RouteStatus, TargetStatus};
pub use stream::ChatStream;
#[cfg(feature = "typed")]
pub use typed::{Typed, tool};

/// What follows from a failure: the answers of [`Error::policy`] and [`Kind::policy`].
pub mod policy {
    pub use hotspare_core::{Blame, Evidence, Hold, Next, Policy, Same};
}

/// For providers, wires, signers and transports of your own: a target is made of one by [`Endpoint::custom`] or
/// [`Endpoint::wire`]. Implement [`Wire`](provider::Wire) for a protocol over HTTP, [`Provider`](provider::Provider) for
/// anything else, and for both [`Describe`](provider::Describe).
pub mod provider {
    pub use hotspare_provider::{
        Credentials, Decoder, Decoding, Describe, EmbedDecoder, ErrorFields, EventStream, Frame, Framer,
        HOPS_HEADER, Head, HttpRequest, HttpResponse, JsonArray, Lacks, Ndjson, Opened, Outbound, Provider,
        Rule, Rules, Signal, Signer, Sse, Transport, Whole, Wire, Wrapper, apply_rules, count_values,
        retry_after,
    };
}

/// For strategies of your own: implement [`Strategy`](strategy::Strategy) and pass it to [`ClientBuilder::route`].
///
/// ```
/// use hotspare::TargetId;
/// use hotspare::strategy::{Choice, Ranking, Reason, Scene, Strategy};
///
/// /// The target with the fewest calls under way.
/// #[derive(Debug)]
/// struct LeastBusy(Vec<TargetId>);
///
/// impl Strategy for LeastBusy {
///     fn name(&self) -> &'static str {
///         "least-busy"
///     }
///
///     fn members(&self) -> Vec<TargetId> {
///         self.0.clone()
///     }
///
///     fn rank(&self, scene: &Scene<'_>) -> Ranking {
///         let mut order: Vec<usize> = (0..scene.candidates.len()).collect();
///         order.sort_by_key(|&index| scene.candidates[index].view.in_flight);
///         let choice = |index| Choice::new(index, Reason::Own("fewest calls under way".into()));
///         order.into_iter().map(choice).collect()
///     }
/// }
/// ```
pub mod strategy {
    pub use hotspare_routing::{Candidate, Choice, Ranking, Reason, Scene, Start, Strategy};
}

/// Compiles the README's examples.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct FrontPage;
