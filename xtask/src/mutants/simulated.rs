//! Mutations that the simulator must catch, each with the scenarios that should do so.
//!
//! A mutation is caught if a mark is missed or an invariant violated; without it, every mark is reached.

/// A mutation, and scenarios of which at least one must catch it.
pub(super) struct Simulated {
    pub(super) name: &'static str,
    pub(super) file: &'static str,
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    pub(super) scenario: &'static str,
}

const BREAKER: &str = "crates/hotspare-health/src/breaker.rs";
const GATE: &str = "crates/hotspare-health/src/gate.rs";
const KIND: &str = "crates/hotspare-core/src/kind.rs";
const SETTLE: &str = "crates/hotspare-engine/src/call/settle.rs";

pub(super) const SIMULATED: &[Simulated] = &[
    Simulated {
        name: "an open breaker admits",
        file: BREAKER,
        from: "State::Open => Err((self.cause(Cause::Open), self.until)),",
        to: "State::Open => Ok(()),",
        scenario: "refused",
    },
    Simulated {
        name: "a half-open breaker admits every call",
        file: BREAKER,
        from: "match taken(leases, self.probes(), now) {",
        to: "match taken(leases, 1_000, now) {",
        scenario: "silence",
    },
    Simulated {
        name: "answers are not reserved in a quota",
        file: "crates/hotspare-health/src/mirror.rs",
        from: "self.answers.learn(all.saturating_sub(prompt).min(most));",
        to: "",
        scenario: "quota-told",
    },
    Simulated {
        name: "a slow probe keeps its slot",
        file: BREAKER,
        from: "leases.push(Lease { id: self.next_lease, holds, expires });",
        to: "leases.push(Lease { id: self.next_lease, holds: Moment::MAX, expires });",
        scenario: "probes-drip",
    },
    Simulated {
        name: "an open breaker has no cooldown",
        file: BREAKER,
        from: "self.until = self.until.max(now + pause)",
        to: "self.until = self.until.max(now)",
        scenario: "refused",
    },
    Simulated {
        name: "any call closes a half-open breaker",
        file: BREAKER,
        from: "        let from = self.state();\n        self.state = State::Closed;",
        to: "        let from = BreakerState::Open;\n        self.state = State::Closed;",
        scenario: "refused",
    },
    Simulated {
        name: "a target that returns gets all traffic at once",
        file: BREAKER,
        from: "u32::try_from((passed * 10_000 / ramp).max(1_000)).unwrap_or(10_000)",
        to: "u32::try_from((passed * 0 / ramp).max(10_000)).unwrap_or(10_000)",
        scenario: "status-503",
    },
    Simulated {
        name: "a call is settled by its headers",
        file: SETTLE,
        from: "if hard && !self.blamed.insert(attempt.choice.target) { HealthOutcome::neutral() } else { outcome }",
        to: "if attempt.heard { HealthOutcome::success() } else { outcome }",
        scenario: "stall",
    },
    Simulated {
        name: "a freeze degrades no target",
        file: "crates/hotspare-health/src/lateness.rs",
        from: "self.degraded |= self.milli_nats >= DEGRADE;",
        to: "",
        scenario: "silence",
    },
    Simulated {
        name: "an older success re-enables a rejected key",
        file: GATE,
        from: "if began < self.closed_at {",
        to: "if false {",
        scenario: "no-money",
    },
    Simulated {
        name: "an outcome affects other scopes",
        file: "crates/hotspare-health/src/book.rs",
        from: "let concerned = outcome.at.is_none_or(|at| at == entry.scope);",
        to: "let concerned = true;",
        scenario: "one-model-alone",
    },
    Simulated {
        name: "a hinted pause is ignored",
        file: "crates/hotspare-engine/src/verdict.rs",
        from: "Some(until) => Verdict::Hold { until },",
        to: "Some(_) => Verdict::Neutral,",
        scenario: "rate-limited-hint",
    },
    Simulated {
        name: "a hedge needs no budget",
        file: "crates/hotspare-engine/src/world.rs",
        from: "!state.retries.is_low() && !state.hedges.is_low()",
        to: "true",
        scenario: "silence",
    },
    Simulated {
        name: "a loser is left running",
        file: SETTLE,
        from: "            self.aborts.push_back(id);\n        }\n    }",
        to: "        }\n    }",
        scenario: "refused",
    },
    Simulated {
        name: "losing a race counts as a failure",
        file: SETTLE,
        from: "(judged, _) if judged || outrun || unanswered => self.slow(id),\n                _ => HealthOutcome::neutral(),",
        to: "_ => self.evidence(now, id, &Error::new(Kind::Timeout, \"lost\")),",
        scenario: "half-errors",
    },
    Simulated {
        name: "a truncated answer passes",
        file: SETTLE,
        from: "if attempt.finished.is_none() {",
        to: "if false {",
        scenario: "clean-end",
    },
    Simulated {
        name: "a caller error counts as a target failure",
        file: KIND,
        from: "Self::InvalidRequest   => (Blame::Caller,   Same::Never,       Next::Confirm, Scope::None,            Evidence::None, Hold::None),",
        to: "Self::InvalidRequest   => (Blame::Caller,   Same::Never,       Next::Confirm, Scope::Host,            Evidence::Hard, Hold::None),",
        scenario: "bad-requests",
    },
    Simulated {
        name: "a caller error is tried at every target",
        file: KIND,
        from: "Self::InvalidRequest   => (Blame::Caller,   Same::Never,       Next::Confirm, Scope::None,            Evidence::None, Hold::None),",
        to: "Self::InvalidRequest   => (Blame::Caller,   Same::Never,       Next::Move,    Scope::None,            Evidence::None, Hold::None),",
        scenario: "bad-requests",
    },
    Simulated {
        name: "the generation of a call is not checked",
        file: BREAKER,
        from: "self.slow &= self.state == State::Closed;\n            return None;\n        }\n        self.window.failure(now, weight, pass.timed);",
        to: "}\n        self.window.failure(now, weight, pass.timed);",
        scenario: "cut-after-return",
    },
    Simulated {
        name: "a cooldown lasts for minutes",
        file: BREAKER,
        from: "self.until = self.until.max(now + pause)",
        to: "self.until = self.until.max(now + pause * 20)",
        scenario: "status-503",
    },
    Simulated {
        name: "a refusal names the time of the last target",
        file: "crates/hotspare-engine/src/call/final_error.rs",
        from: ".chain(hints).min()?;",
        to: ".chain(hints).max()?;",
        scenario: "all-down",
    },
    Simulated {
        name: "a loser without content costs nothing",
        file: "crates/hotspare-engine/src/attempt.rs",
        from: "if cancelled { self.estimated() } else { self.usage_or_estimate() }",
        to: "if cancelled { self.usage_or_estimate() } else { self.usage_or_estimate() }",
        scenario: "slow-start-5",
    },
    Simulated {
        name: "another target starts although it would not be sooner",
        file: "crates/hotspare-engine/src/call/lateness.rs",
        from: "if other.p50 <= left {",
        to: "if true {",
        scenario: "slow-everywhere",
    },
];
