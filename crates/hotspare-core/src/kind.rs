//! Kinds of failure and, for each, what follows from it: the one policy table.
//!
//! Not a classifier: adapters decide which kind a reply is. Invariant: every question that the engine asks about a
//! failure (who is to blame, again here, again elsewhere, which scope is ill, how much, for how long) is answered here,
//! for every kind, or the crate does not compile.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What went wrong, in one vocabulary for all providers. The table is [`Kind::policy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// The provider rejects the key. Hotspare takes that key out and moves on. Replace the key.
    Auth,
    /// The model's output was unusable (a broken tool call, an answer that does not fit the schema). Hotspare asks
    /// elsewhere. Simplify the schema or the tools if it recurs.
    BadOutput,
    /// The caller went away. Hotspare cancels upstream.
    Cancelled,
    /// The client's configuration is wrong. Nothing was sent. Correct what the message lists.
    Config,
    /// No connection: refused, name not found, TLS failed, connecting took too long. Hotspare moves on at once and
    /// blames the endpoint. Check address and network if every target says so.
    Connect,
    /// The provider's content policy rejects the prompt. Returned at once unless the route opts in. Change the prompt.
    ContentPolicy,
    /// The prompt does not fit the model's context window. Hotspare moves only to larger windows. Shorten the prompt or
    /// add a target with a larger window.
    ContextOverflow,
    /// The time that the caller or the route gave is over. Hotspare stops. Give more time, or faster targets.
    Deadline,
    /// The connection was closed or reset before any byte of a reply. Hotspare tries the same target once more, then
    /// moves on.
    Disconnected,
    /// The key may not use this model or region. Hotspare takes that pair out and moves on. Ask for permission.
    Forbidden,
    /// The provider refuses fast growth of traffic. Hotspare sends less there and moves on.
    GrowthLimited,
    /// The request is malformed: the caller's mistake, returned at once. Correct the request.
    InvalidRequest,
    /// The model is unknown or retired at this target. Hotspare takes it out and moves on. Correct the model's name.
    ModelUnavailable,
    /// No target could be tried: none fits the request, or all are blocked. The message says why for each.
    NoTarget,
    /// The provider is overloaded. Hotspare moves on at once and honours the hinted pause.
    Overloaded,
    /// The reply is not what the wire promises: malformed chunk, empty body, wrong content type. Hotspare moves on.
    Protocol,
    /// The account has no money or its quota is used up. Hotspare takes the key out, or only the key for this model where
    /// the quota is the model's, and moves on. Pay, or raise the quota.
    QuotaExhausted,
    /// Too many requests or tokens for now. Not ill health: Hotspare leaves the key alone until the hinted time and
    /// moves on.
    RateLimited,
    /// The provider failed (500, 502 and the like). Hotspare tries the same target once more if it was well, then
    /// moves on.
    Server,
    /// A stream went silent between tokens. Hotspare moves on, or continues elsewhere.
    Stalled,
    /// No content within the limit. Hotspare moves on.
    Timeout,
    /// The reply ended before its end mark: cut, not complete. Hotspare moves on, or continues elsewhere.
    Truncated,
    /// This model or endpoint cannot do what the request asks, another may. Hotspare moves on; health is untouched.
    Unsupported,
}

impl Kind {
    /// Every kind, in order.
    pub const ALL: [Self; 23] = [
        Self::Auth,
        Self::BadOutput,
        Self::Cancelled,
        Self::Config,
        Self::Connect,
        Self::ContentPolicy,
        Self::ContextOverflow,
        Self::Deadline,
        Self::Disconnected,
        Self::Forbidden,
        Self::GrowthLimited,
        Self::InvalidRequest,
        Self::ModelUnavailable,
        Self::NoTarget,
        Self::Overloaded,
        Self::Protocol,
        Self::QuotaExhausted,
        Self::RateLimited,
        Self::Server,
        Self::Stalled,
        Self::Timeout,
        Self::Truncated,
        Self::Unsupported,
    ];

    /// What follows from a failure of this kind.
    #[must_use]
    pub const fn policy(self) -> Policy {
        // Columns: who is to blame, the same target again, another target, ill scope, evidence, hold.
        #[rustfmt::skip]
        let (blame, same, next, scope, evidence, hold) = match self {
            Self::Auth             => (Blame::Operator, Same::Never,       Next::Move,    Scope::Credential,      Evidence::None, Hold::Disable),
            Self::BadOutput        => (Blame::Target,   Same::Never,       Next::Move,    Scope::None,            Evidence::None, Hold::None),
            Self::Cancelled        => (Blame::Nobody,   Same::Never,       Next::Stop,    Scope::None,            Evidence::None, Hold::None),
            Self::Config           => (Blame::Operator, Same::Never,       Next::Stop,    Scope::None,            Evidence::None, Hold::None),
            Self::Connect          => (Blame::Target,   Same::Never,       Next::Move,    Scope::Endpoint,        Evidence::Path, Hold::None),
            Self::ContentPolicy    => (Blame::Caller,   Same::Never,       Next::OptIn,   Scope::None,            Evidence::None, Hold::None),
            Self::ContextOverflow  => (Blame::Caller,   Same::Never,       Next::Larger,  Scope::None,            Evidence::None, Hold::None),
            Self::Deadline         => (Blame::Nobody,   Same::Never,       Next::Stop,    Scope::None,            Evidence::None, Hold::None),
            Self::Disconnected     => (Blame::Target,   Same::Once,        Next::Move,    Scope::Model,           Evidence::Hard, Hold::None),
            Self::Forbidden        => (Blame::Operator, Same::Never,       Next::Move,    Scope::CredentialModel, Evidence::None, Hold::Disable),
            Self::GrowthLimited    => (Blame::Nobody,   Same::Never,       Next::Move,    Scope::CredentialModel, Evidence::None, Hold::Ease),
            Self::InvalidRequest   => (Blame::Caller,   Same::Never,       Next::Confirm, Scope::None,            Evidence::None, Hold::None),
            Self::ModelUnavailable => (Blame::Operator, Same::Never,       Next::Move,    Scope::Model,           Evidence::None, Hold::Disable),
            Self::NoTarget         => (Blame::Nobody,   Same::Never,       Next::Stop,    Scope::None,            Evidence::None, Hold::None),
            Self::Overloaded       => (Blame::Target,   Same::Never,       Next::Move,    Scope::Model,           Evidence::Soft, Hold::Floor),
            Self::Protocol         => (Blame::Target,   Same::Never,       Next::Move,    Scope::Model,           Evidence::Hard, Hold::None),
            Self::QuotaExhausted   => (Blame::Operator, Same::Never,       Next::Move,    Scope::Credential,      Evidence::None, Hold::Disable),
            Self::RateLimited      => (Blame::Nobody,   Same::AfterHint,   Next::Move,    Scope::CredentialModel, Evidence::None, Hold::Until),
            Self::Server           => (Blame::Target,   Same::OnceIfClean, Next::Move,    Scope::Model,           Evidence::Hard, Hold::Floor),
            Self::Stalled          => (Blame::Target,   Same::Never,       Next::Move,    Scope::Model,           Evidence::Hard, Hold::None),
            Self::Timeout          => (Blame::Target,   Same::Never,       Next::Move,    Scope::Model,           Evidence::Hard, Hold::None),
            Self::Truncated        => (Blame::Target,   Same::Never,       Next::Move,    Scope::Model,           Evidence::Hard, Hold::None),
            Self::Unsupported      => (Blame::Nobody,   Same::Never,       Next::Move,    Scope::None,            Evidence::None, Hold::None),
        };
        Policy { blame, same, next, scope, evidence, hold }
    }

    /// The kind as a stable word in snake case, for logs, metrics and wires.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::BadOutput => "bad_output",
            Self::Cancelled => "cancelled",
            Self::Config => "config",
            Self::Connect => "connect",
            Self::ContentPolicy => "content_policy",
            Self::ContextOverflow => "context_overflow",
            Self::Deadline => "deadline",
            Self::Disconnected => "disconnected",
            Self::Forbidden => "forbidden",
            Self::GrowthLimited => "growth_limited",
            Self::InvalidRequest => "invalid_request",
            Self::ModelUnavailable => "model_unavailable",
            Self::NoTarget => "no_target",
            Self::Overloaded => "overloaded",
            Self::Protocol => "protocol",
            Self::QuotaExhausted => "quota_exhausted",
            Self::RateLimited => "rate_limited",
            Self::Server => "server",
            Self::Stalled => "stalled",
            Self::Timeout => "timeout",
            Self::Truncated => "truncated",
            Self::Unsupported => "unsupported",
        }
    }

    /// What happened, as a fragment for people.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        match self {
            Self::Auth => "the provider rejects the key",
            Self::BadOutput => "the model's output was unusable",
            Self::Cancelled => "the caller went away",
            Self::Config => "the configuration is wrong",
            Self::Connect => "no connection to the provider",
            Self::ContentPolicy => "the provider's content policy rejects the prompt",
            Self::ContextOverflow => "the prompt does not fit the model's context window",
            Self::Deadline => "the time given is over",
            Self::Disconnected => "the connection was closed before a reply",
            Self::Forbidden => "the key may not use this model",
            Self::GrowthLimited => "the provider refuses traffic that grows this fast",
            Self::InvalidRequest => "the request is malformed",
            Self::ModelUnavailable => "the model is unknown or retired",
            Self::NoTarget => "no target could be tried",
            Self::Overloaded => "the provider is overloaded",
            Self::Protocol => "the reply is not what the wire promises",
            Self::QuotaExhausted => "the account's money or quota is used up",
            Self::RateLimited => "too many requests or tokens for now",
            Self::Server => "the provider failed",
            Self::Stalled => "the stream went silent",
            Self::Timeout => "no content within the limit",
            Self::Truncated => "the reply was cut before its end",
            Self::Unsupported => "the target cannot do what is asked",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What follows from a failure: a row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Who is to blame.
    pub blame: Blame,
    /// Whether the same target is tried again.
    pub same: Same,
    /// Whether another target is tried.
    pub next: Next,
    /// What is ill, or held, or disabled.
    pub scope: Scope,
    /// How much it says about health.
    pub evidence: Evidence,
    /// How long the scope is left alone.
    pub hold: Hold,
}

/// Who is to blame for a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// Whoever made the request.
    Caller,
    /// Nobody: limits, time, circumstances.
    Nobody,
    /// Whoever configured keys and models.
    Operator,
    /// The provider.
    Target,
}

/// Whether the same target is tried again within the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Same {
    /// After the hinted pause, if the route is willing to wait that long.
    AfterHint,
    /// No.
    Never,
    /// Once, at once.
    Once,
    /// Once, if the target showed no ill health before this call.
    OnceIfClean,
}

/// Whether another target is tried within the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Once, to confirm, if the request had to be translated for the target that refused it; else the call ends.
    Confirm,
    /// Only targets whose context window is larger.
    Larger,
    /// Yes.
    Move,
    /// Only if the route opts in.
    OptIn,
    /// No: the call ends.
    Stop,
}

/// What a failure says something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The key at this endpoint.
    Credential,
    /// The key for this model: also the group that shares a quota.
    CredentialModel,
    /// The host.
    Endpoint,
    /// The model at this endpoint.
    Model,
    /// Nothing.
    None,
}

impl Scope {
    /// The scope as a stable word in snake case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::CredentialModel => "credential_model",
            Self::Endpoint => "endpoint",
            Self::Model => "model",
            Self::None => "none",
        }
    }
}

/// How much a failure says about health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A failure of service.
    Hard,
    /// Nothing.
    None,
    /// A failure of service, or of the way there: nothing while no other host can be reached from here either.
    Path,
    /// The provider is up but sheds load: at most a quarter of a failure while it answers others, since opening would lose
    /// the share that it does serve, and nothing once it lets a third of them in; a whole one while it answers nobody.
    Soft,
}

/// How long the scope is left alone, whatever its breaker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Until an operator, a re-check or the stated time brings it back.
    Disable,
    /// For a hinted time, if there is one; after it half of its traffic, and slowly more.
    Ease,
    /// If it opens, at least for the hinted time.
    Floor,
    /// Not at all.
    None,
    /// For the hinted time, or a short growing one without a hint.
    Until,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_complete_and_in_order() {
        for (index, kind) in Kind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, index, "{kind}");
            assert_eq!(serde_json::to_string(kind).unwrap(), format!("{:?}", kind.as_str()));
        }
    }

    #[test]
    fn whoever_is_not_the_target_never_gives_evidence() {
        for kind in Kind::ALL {
            let policy = kind.policy();
            assert!(
                policy.blame == Blame::Target || policy.evidence == Evidence::None,
                "{kind} would hurt health although the target is not to blame"
            );
            assert!(policy.evidence == Evidence::None || policy.scope != Scope::None, "{kind}");
            assert!(policy.hold == Hold::None || policy.scope != Scope::None, "{kind}");
        }
    }
}
