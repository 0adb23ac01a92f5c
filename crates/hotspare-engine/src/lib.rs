//! The failover engine: one state machine per call, and the world that calls share.
//!
//! Pure: time, randomness and events are arguments, so that the same code runs in production, in the simulator and in an
//! exhaustive exploration. A driver owns the clock and the sockets: it polls a [`Call`], carries out the [`Step`], and reports
//! what happened. Applications use the `hotspare` crate instead.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod attempt;
mod budget;
mod call;
mod call_spec;
mod counts;
mod draw;
mod ending;
mod fleet;
mod histogram;
mod index;
mod judgement;
mod measure;
mod plan;
mod prober;
mod queue;
mod rules;
mod spend;
mod splice;
mod step;
mod verdict;
mod world;

pub use budget::Budget;
pub use call::Call;
pub use call_spec::CallSpec;
pub use counts::{CostKind, Counts};
pub use draw::Draws;
pub use fleet::{Fleet, Route, Target, TargetScopes, TargetSpec};
pub use histogram::Histogram;
pub use index::{KeyIndex, PerTarget, RouteIndex, TargetIndex};
pub use judgement::{Judged, Judgement, Reask};
pub use measure::Measure;
pub use plan::{Plan, PlanSeed, PlannedTarget, TypicalLatency};
pub use prober::{ProbeId, Prober, ProberStep};
pub use queue::Ticket;
pub use rules::{
    Adaptive, AnswerLimit, Commit, Limits, OnCut, OnKind, OnRefusal, Rules, Trim, ValidateOutput,
    ValidateToolCalls,
};
pub use spend::SpendLimit;
pub use step::{AttemptId, AttemptStart, Input, Resume, Sent, Step, Summary};
pub use world::{KeyStatus, ServiceChange, SlownessChange, World};
