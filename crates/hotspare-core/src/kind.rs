//! Kinds of failure and, for each, what follows from it: the one policy table.
//!
//! Not a classifier: adapters decide which kind a reply is. Invariant: every question that the engine asks about a
//! failure (who is to blame, whether to try the same target again or another one, which scope is affected, how much and
//! for how long) is answered here, for every kind, or the crate does not compile.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What went wrong, in one vocabulary for all providers. The table is [`Kind::policy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// The provider rejects the key. Hotspare disables the key and moves on. Replace the key.
    Auth,
    /// The model's output was unusable (a broken tool call, an answer that does not fit the schema). Hotspare asks the
    /// model again or another target. Simplify the schema or the tools if it recurs.
    BadOutput,
    /// The caller disconnected. Hotspare cancels the upstream request.
    Cancelled,
    /// The client is configured or used wrongly: mistakes in its configuration, an unknown target, no runtime. Nothing
    /// was sent. Correct what the message names.
    Config,
    /// No connection: refused, name not found, TLS failed, connecting took too long. Hotspare moves on at once and
    /// blames the host. Check the address and the network if every target fails this way.
    Connect,
    /// The provider's content policy rejects the prompt. Returned at once unless the route opts in. Change the prompt.
    ContentPolicy,
    /// The prompt does not fit the model's context window. Hotspare moves only to larger windows. Shorten the prompt or
    /// add a target with a larger window.
    ContextOverflow,
    /// The deadline of the caller or the route has passed. Hotspare stops. Allow more time, or use faster targets.
    Deadline,
    /// The connection was closed or reset before the first byte of a reply. Hotspare tries the same target once more, if
    /// that happened within a second or no other target is left, then moves on.
    Disconnected,
    /// The key may not use this model or region. Hotspare disables the key for that model and moves on. Request access.
    Forbidden,
    /// The provider limits how fast traffic may grow. Hotspare sends it less and moves on.
    GrowthLimited,
    /// The request is invalid: the caller's mistake. Returned at once, unless Hotspare had to translate it or the target
    /// stood in for one that failed: then a target on another wire is asked first. Correct the request.
    InvalidRequest,
    /// The model is unknown or retired at this target. Hotspare disables it there and moves on. Correct the model's
    /// name.
    ModelUnavailable,
    /// No target could be tried: none fits the request, or all are blocked. The message gives the reason for each.
    NoTarget,
    /// The provider is overloaded. Hotspare moves on at once, and honours the hinted pause once the breaker is open.
    Overloaded,
    /// The reply violates the wire format: malformed chunk, empty body, wrong content type. Hotspare moves on.
    Protocol,
    /// The account is out of money or quota. Hotspare disables the key, or only the key for this model if the quota is
    /// the model's, and moves on. Add funds, or raise the quota.
    QuotaExhausted,
    /// Too many requests or tokens for now. Does not affect health: Hotspare sends nothing with this key until the
    /// hinted time and moves on.
    RateLimited,
    /// The provider failed (500, 502 and the like). After a 500, a 502 or an error without a status Hotspare tries the same
    /// target once more if it was healthy, then moves on.
    Server,
    /// A stream went silent between tokens. Hotspare moves on, or continues the answer at another target.
    Stalled,
    /// No content within the limit. Hotspare moves on.
    Timeout,
    /// The reply ended before its end marker: cut, not complete. Hotspare moves on, or continues the answer at another
    /// target.
    Truncated,
    /// This model or endpoint cannot do what the request asks; another may. Hotspare moves on; health is unaffected.
    Unsupported,
}

impl Kind {
    /// Every kind, in order.
    pub const ALL: &'static [Self] = &[
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
        // Columns: blame, the same target again, another target, affected scope, evidence against health, hold.
        #[rustfmt::skip]
        let (blame, same, next, scope, evidence, hold) = match self {
            Self::Auth             => (Blame::Operator, Same::Never,       Next::Move,    Scope::Credential,      Evidence::None, Hold::Disable),
            Self::BadOutput        => (Blame::Target,   Same::Never,       Next::Move,    Scope::None,            Evidence::None, Hold::None),
            Self::Cancelled        => (Blame::Nobody,   Same::Never,       Next::Stop,    Scope::None,            Evidence::None, Hold::None),
            Self::Config           => (Blame::Operator, Same::Never,       Next::Stop,    Scope::None,            Evidence::None, Hold::None),
            Self::Connect          => (Blame::Target,   Same::Never,       Next::Move,    Scope::Host,            Evidence::Path, Hold::None),
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

    /// Whether the provider did not accept the key itself, so that a newer one from its source may help.
    #[must_use]
    pub const fn rejects_key(self) -> bool {
        match self {
            Self::Auth => true,
            Self::BadOutput
            | Self::Cancelled
            | Self::Config
            | Self::Connect
            | Self::ContentPolicy
            | Self::ContextOverflow
            | Self::Deadline
            | Self::Disconnected
            | Self::Forbidden
            | Self::GrowthLimited
            | Self::InvalidRequest
            | Self::ModelUnavailable
            | Self::NoTarget
            | Self::Overloaded
            | Self::Protocol
            | Self::QuotaExhausted
            | Self::RateLimited
            | Self::Server
            | Self::Stalled
            | Self::Timeout
            | Self::Truncated
            | Self::Unsupported => false,
        }
    }

    /// Whether the same request may succeed later although nobody changes anything.
    pub(crate) const fn passes_with_time(self) -> bool {
        match self {
            Self::BadOutput
            | Self::Connect
            | Self::Deadline
            | Self::Disconnected
            | Self::GrowthLimited
            | Self::NoTarget
            | Self::Overloaded
            | Self::Protocol
            | Self::RateLimited
            | Self::Server
            | Self::Stalled
            | Self::Timeout
            | Self::Truncated => true,
            Self::Auth
            | Self::Cancelled
            | Self::Config
            | Self::ContentPolicy
            | Self::ContextOverflow
            | Self::Forbidden
            | Self::InvalidRequest
            | Self::ModelUnavailable
            | Self::QuotaExhausted
            | Self::Unsupported => false,
        }
    }

    /// The kind in snake case, a stable name for logs, metrics and wires.
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

    /// What happened, as a fragment for humans.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        match self {
            Self::Auth => "the provider rejected the key",
            Self::BadOutput => "the model's output was unusable",
            Self::Cancelled => "the caller disconnected",
            Self::Config => "the client is configured or used wrongly",
            Self::Connect => "cannot connect to the provider",
            Self::ContentPolicy => "the provider's content policy rejected the prompt",
            Self::ContextOverflow => "the prompt does not fit the model's context window",
            Self::Deadline => "the deadline has passed",
            Self::Disconnected => "the connection was closed before a reply",
            Self::Forbidden => "the key may not use this model",
            Self::GrowthLimited => "the provider limits how fast traffic may grow",
            Self::InvalidRequest => "the request is invalid",
            Self::ModelUnavailable => "the model is unknown or retired",
            Self::NoTarget => "no target could be tried",
            Self::Overloaded => "the provider is overloaded",
            Self::Protocol => "the reply violates the wire protocol",
            Self::QuotaExhausted => "the account's credit or quota is exhausted",
            Self::RateLimited => "the rate limit is exceeded",
            Self::Server => "the provider failed",
            Self::Stalled => "the stream stalled",
            Self::Timeout => "no content within the time limit",
            Self::Truncated => "the reply was truncated",
            Self::Unsupported => "the target does not support the request",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What follows from a failure: one row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// Who is to blame.
    pub blame: Blame,
    /// Whether the same target is tried again.
    pub same: Same,
    /// Whether another target is tried.
    pub next: Next,
    /// What is affected, held or disabled.
    pub scope: Scope,
    /// How much it counts against health.
    pub evidence: Evidence,
    /// How long traffic to the scope is held back.
    pub hold: Hold,
}

/// Who is to blame for a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The caller, who made the request.
    Caller,
    /// Nobody: a limit, a deadline or other circumstances.
    Nobody,
    /// The operator, who configures keys and models.
    Operator,
    /// The provider.
    Target,
}

/// Whether the same target is tried again within the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Same {
    /// After the hinted pause, if the route accepts a wait of that length.
    AfterHint,
    /// No.
    Never,
    /// Once, immediately, if the attempt failed within a second or no other target is left.
    Once,
    /// Once, if the target was healthy before this call and the status is 500, 502 or unknown.
    OnceIfClean,
}

/// Whether another target is tried within the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// One on another wire, to confirm, if the request had to be translated for the target that rejected it or that
    /// target stood in for another; otherwise the call ends.
    Confirm,
    /// Only those whose context window is larger.
    Larger,
    /// Yes.
    Move,
    /// Only if the route opts in.
    OptIn,
    /// No: the call ends.
    Stop,
}

/// What a failure affects. Exhaustive on purpose: the engine must know what to record for every scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The key at this address.
    Credential,
    /// The key for this model, the unit to which rate limits apply.
    CredentialModel,
    /// The host.
    Host,
    /// The model at this address.
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
            Self::Host => "host",
            Self::Model => "model",
            Self::None => "none",
        }
    }
}

/// How much a failure counts against health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A failure of the service.
    Hard,
    /// Nothing.
    None,
    /// A failure of the service or of the network path to it: no evidence while no other host can be reached either.
    Path,
    /// The provider is up but sheds load. While it answers other calls this is at most a quarter of a failure, since
    /// opening the breaker would lose the share that it does serve, and no evidence once it lets a third of them in.
    /// While it answers none, it is a whole failure.
    Soft,
}

/// How long traffic to the scope is held back, whatever the state of its breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Until an operator, a re-check or the hinted time brings it back.
    Disable,
    /// For the hinted time, if there is one; then half of its traffic, rising slowly.
    Ease,
    /// If the breaker opens, at least for the hinted time.
    Floor,
    /// Not at all.
    None,
    /// For the hinted time; without a hint, for a short time that grows with each repetition.
    Until,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lists_every_kind_in_order() {
        for (index, kind) in Kind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, index, "{kind}");
            assert_eq!(serde_json::to_string(kind).unwrap(), format!("{:?}", kind.as_str()));
        }
    }

    #[test]
    fn a_rejected_key_is_disabled_as_a_whole() {
        for kind in Kind::ALL.iter().copied().filter(|kind| kind.rejects_key()) {
            let policy = kind.policy();
            assert_eq!((policy.scope, policy.hold), (Scope::Credential, Hold::Disable), "{kind}");
        }
        assert!(Kind::Auth.rejects_key() && !Kind::QuotaExhausted.rejects_key());
    }

    #[test]
    fn only_kinds_that_blame_the_target_are_evidence() {
        for kind in Kind::ALL.iter().copied() {
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
