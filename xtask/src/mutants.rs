//! `cargo xtask mutants`: breaks the code on purpose and expects tests to fail.
//!
//! Works on a copy. Most mutations must fail a test of their own crate, others a scenario of the simulator. Invariant:
//! a mutation whose text is no longer in the code is an error, so that the list stays current.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::run::root;

mod simulated;

use simulated::SIMULATED;

struct Mutant {
    name: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
    package: &'static str,
}

const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a late reply moves the breaker",
        file: "crates/hotspare-health/src/breaker.rs",
        from: "if pass.generation != self.generation {\n            return None;\n        }\n        self.window.failure(now, weight, pass.timed);",
        to: "self.window.failure(now, weight, pass.timed);",
        package: "hotspare-health",
    },
    Mutant {
        name: "lateness of an older generation counts",
        file: "crates/hotspare-health/src/breaker.rs",
        from: "if pass.generation == self.generation && !std::mem::replace(&mut pass.timed, true) {",
        to: "if !std::mem::replace(&mut pass.timed, true) {",
        package: "hotspare-health",
    },
    Mutant {
        name: "a probe that speaks is given up",
        file: "crates/hotspare-health/src/breaker.rs",
        from: "lease.expires.max(now + self.config.lease.saturating_mul(SPEAKING));",
        to: "lease.expires;",
        package: "hotspare-health",
    },
    Mutant {
        name: "a promise of days is believed",
        file: "crates/hotspare-health/src/breaker.rs",
        from: "not_before.map_or(Moment::ZERO, |at| at.min(now + LONGEST_HOLD))",
        to: "not_before.unwrap_or(Moment::ZERO)",
        package: "hotspare-health",
    },
    Mutant {
        name: "a spare that was refused is forgotten",
        file: "crates/hotspare-engine/src/call/start.rs",
        from: "if self.queue(now, world) || self.attempts.iter().any(Attempt::is_live) {",
        to: "if self.attempts.iter().any(Attempt::is_live) || self.queue(now, world) {",
        package: "hotspare-engine",
    },
    Mutant {
        name: "a lost probe is never freed",
        file: "crates/hotspare-health/src/breaker.rs",
        from: "leases.retain(|lease| lease.expires > now);",
        to: "",
        package: "hotspare-health",
    },
    Mutant {
        name: "another failure shortens a promise",
        file: "crates/hotspare-health/src/breaker.rs",
        from: "self.until = self.until.max(now + pause)",
        to: "self.until = (now + pause)",
        package: "hotspare-health",
    },
    Mutant {
        name: "a hinted pause is shortened",
        file: "crates/hotspare-health/src/gate.rs",
        from: "self.held_until.max(until.min(now + LONGEST_HOLD))",
        to: "until.min(now + LONGEST_HOLD)",
        package: "hotspare-health",
    },
    Mutant {
        name: "losing a race counts as a failure",
        file: "crates/hotspare-engine/src/call/settle.rs",
        from: "(false, _) => Outcome::neutral(),",
        to: "(false, _) => self.evidence(now, id, &Error::new(Kind::Timeout, \"lost\")),",
        package: "hotspare-engine",
    },
    Mutant {
        name: "a block of an answer is never closed",
        file: "crates/hotspare-anthropic/src/outgoing.rs",
        from: "if std::mem::replace(&mut self.open, Open::None) != Open::None {",
        to: "if false {",
        package: "hotspare-anthropic",
    },
    Mutant {
        name: "another author's proof is passed on as this wire's",
        file: "crates/hotspare-anthropic/src/outgoing.rs",
        from: "if signature.origin.0 != ORIGIN {\n            return;\n        }\n",
        to: "",
        package: "hotspare-anthropic",
    },
    Mutant {
        name: "a truncated answer passes",
        file: "crates/hotspare-engine/src/call/settle.rs",
        from: "if attempt.finished.is_none() {",
        to: "if false {",
        package: "hotspare-engine",
    },
    Mutant {
        name: "a continuation need not match",
        file: "crates/hotspare-engine/src/splice.rs",
        from: "if text.as_bytes()[..common] != known[..common] {",
        to: "if false {",
        package: "hotspare-engine",
    },
    Mutant {
        name: "a success takes no evidence away",
        file: "crates/hotspare-health/src/evidence.rs",
        from: "self.milli_nats = self.milli_nats.saturating_sub(u64::from(rule.success));",
        to: "",
        package: "hotspare-health",
    },
    Mutant {
        name: "of two obstacles the shorter is told",
        file: "crates/hotspare-health/src/gate.rs",
        from: "if disabled >= self.held_until {",
        to: "if disabled < self.held_until {",
        package: "hotspare-health",
    },
    Mutant {
        name: "long prompts are measured with short ones",
        file: "crates/hotspare-health/src/latency.rs",
        from: "SIZES.iter().filter(|most| tokens > **most).count()",
        to: "usize::from(tokens == u64::MAX)",
        package: "hotspare-health",
    },
    Mutant {
        name: "whole answers are timed like streams",
        file: "crates/hotspare-health/src/scope.rs",
        from: "if like.unstreamed { &mut pace.unstreamed } else { &mut pace.streamed };",
        to: "&mut pace.streamed;",
        package: "hotspare-engine",
    },
    Mutant {
        name: "a fast failure looks fast",
        file: "crates/hotspare-health/src/latency.rs",
        from: "let slow = self.average.unwrap_or(0).max(micros(PENALTY));",
        to: "let slow = 1_000;",
        package: "hotspare-health",
    },
    Mutant {
        name: "a freeze degrades nobody",
        file: "crates/hotspare-health/src/lateness.rs",
        from: "self.degraded |= self.milli_nats >= DEGRADE;",
        to: "",
        package: "hotspare-health",
    },
    Mutant {
        name: "refused growth changes nothing",
        file: "crates/hotspare-health/src/growth.rs",
        from: "Some(eased) if eased.milli(now) < eased.goal => {",
        to: "Some(eased) if eased.milli(now) == u64::MAX => {",
        package: "hotspare-health",
    },
    Mutant {
        name: "a scope that is due is forgotten",
        file: "crates/hotspare-health/src/schedule.rs",
        from: "self.due.insert((to, scope));",
        to: "",
        package: "hotspare-health",
    },
    Mutant {
        name: "an outcome touches other scopes",
        file: "crates/hotspare-health/src/book.rs",
        from: "let concerned = outcome.at.is_none_or(|at| at == entry.scope);",
        to: "let concerned = true;",
        package: "hotspare-health",
    },
    Mutant {
        name: "a budget is never used up",
        file: "crates/hotspare-engine/src/budget.rs",
        from: "self.saved -= START;",
        to: "",
        package: "hotspare-engine",
    },
    Mutant {
        name: "a hop without a chance is started",
        file: "crates/hotspare-engine/src/call/start.rs",
        from: "&& now + usual.p50 > end",
        to: "&& now > end",
        package: "hotspare-engine",
    },
    Mutant {
        name: "a hung probe is never given up",
        file: "crates/hotspare-engine/src/keeper.rs",
        from: ".position(|probe| now >= probe.until)",
        to: ".position(|probe| probe.until == Moment::ZERO)",
        package: "hotspare-engine",
    },
    Mutant {
        name: "a failed hedge ends the call",
        file: "crates/hotspare-engine/src/call.rs",
        from: "!self.retries.is_empty() || self.queue_at.is_some() || self.attempts.iter().any(Attempt::is_live)",
        to: "!self.retries.is_empty() || self.queue_at.is_some()",
        package: "hotspare-engine",
    },
    Mutant {
        name: "hedges go on while everybody is slow",
        file: "crates/hotspare-routing/src/hedged.rs",
        from: "if scene.is_slow_throughout() {",
        to: "if false {",
        package: "hotspare-routing",
    },
    Mutant {
        name: "what began before brings a dead key back",
        file: "crates/hotspare-health/src/gate.rs",
        from: "if began < self.closed_at {",
        to: "if false {",
        package: "hotspare-health",
    },
    Mutant {
        name: "a call is given up although somebody recovered",
        file: "crates/hotspare-engine/src/call/start.rs",
        from: "if !self.is_alone() || self.refused.is_empty() || self.refused_at >= now {",
        to: "if true {",
        package: "hotspare-sim",
    },
    Mutant {
        name: "a hedge needs no budget",
        file: "crates/hotspare-engine/src/world.rs",
        from: "!state.retries.is_low() && !state.hedges.is_low()",
        to: "true",
        package: "hotspare-engine",
    },
    Mutant {
        name: "a loser is left running",
        file: "crates/hotspare-engine/src/call/settle.rs",
        from: "            self.aborts.push_back(id);\n        }\n    }",
        to: "        }\n    }",
        package: "hotspare-engine",
    },
    Mutant {
        name: "a busy target counts as gone",
        file: "crates/hotspare-health/src/shedding.rs",
        from: "Some((0, _)) if !lately => WHOLE,",
        to: "Some(_) if !lately => WHOLE,",
        package: "hotspare-health",
    },
    Mutant {
        name: "one that is gone counts as busy",
        file: "crates/hotspare-health/src/shedding.rs",
        from: "before.saturating_sub(run.ended)",
        to: "before.saturating_sub(run.ended).max(1)",
        package: "hotspare-health",
    },
    Mutant {
        name: "who is let in does not count",
        file: "crates/hotspare-health/src/shedding.rs",
        from: "const FORGIVEN: u64 = 2;",
        to: "const FORGIVEN: u64 = 0;",
        package: "hotspare-health",
    },
    Mutant {
        name: "a refusal is felt by a quarter",
        file: "crates/hotspare-health/src/shedding.rs",
        from: "Weight { felt: WHOLE, evidence }",
        to: "Weight { felt: LIGHT, evidence }",
        package: "hotspare-health",
    },
    Mutant {
        name: "a lost network opens every breaker",
        file: "crates/hotspare-health/src/book.rs",
        from: "if state.is_host && self.network.lost(now, entry.scope) =>",
        to: "if state.is_host && self.network.lost(now, entry.scope) && false =>",
        package: "hotspare-health",
    },
    Mutant {
        name: "one lost host is a lost network",
        file: "crates/hotspare-health/src/network.rs",
        from: "self.failing(now).count() >= HOSTS",
        to: "self.failing(now).count() >= 1",
        package: "hotspare-health",
    },
    Mutant {
        name: "a model's illness is its host's",
        file: "crates/hotspare-health/src/book.rs",
        from: "if ill.len() < PARTS ||",
        to: "if ill.is_empty() ||",
        package: "hotspare-health",
    },
    Mutant {
        name: "tokens of answers are free",
        file: "crates/hotspare-health/src/quota.rs",
        from: "let need = owed.saturating_add(used);",
        to: "let need = owed;",
        package: "hotspare-health",
    },
    Mutant {
        name: "nobody is asked once all are blocked",
        file: "crates/hotspare-engine/src/call/start.rs",
        from: "if !world.take_last_resort(now) {",
        to: "if now > Moment::ZERO {",
        package: "hotspare-engine",
    },
    Mutant {
        name: "an end is not counted",
        file: "crates/hotspare-engine/src/world.rs",
        from: "Ending::Cancelled => counts.cancelled += 1,",
        to: "Ending::Cancelled => {}",
        package: "hotspare-engine",
    },
    Mutant {
        name: "one that comes back gets everything at once",
        file: "crates/hotspare-health/src/breaker.rs",
        from: "(passed * 10_000 / ramp).max(1_000)",
        to: "(passed * 0 / ramp).max(10_000)",
        package: "hotspare-health",
    },
    Mutant {
        name: "who leaves keeps a place in line",
        file: "crates/hotspare-engine/src/call/settle.rs",
        from: "if let Some(ticket) = self.ticket {\n            world.leave(ticket);",
        to: "if let Some(ticket) = self.ticket.filter(|_| false) {\n            world.leave(ticket);",
        package: "hotspare-engine",
    },
    Mutant {
        name: "a refusal carries no time",
        file: "crates/hotspare-health/src/breaker.rs",
        from: "Some(until) => Err((Cause::HalfOpenBusy, until)),",
        to: "Some(_) => Err((Cause::HalfOpenBusy, Moment::MAX)),",
        package: "hotspare-health",
    },
    Mutant {
        name: "evidence fades while it gathers",
        file: "crates/hotspare-health/src/evidence.rs",
        from: "passed / rule.half_life.as_nanos().max(1)",
        to: "passed / (rule.half_life.as_nanos() / 600).max(1)",
        package: "hotspare-health",
    },
    Mutant {
        name: "nobody's first content is too late",
        file: "crates/hotspare-engine/src/call/timers.rs",
        from: "&& now >= self.first_content_at",
        to: "&& now >= self.total_at",
        package: "hotspare-engine",
    },
    Mutant {
        name: "the same target is tried again and again",
        file: "crates/hotspare-engine/src/call/failover.rs",
        from: "Same::Once | Same::OnceIfClean if starts > 1 => return false,",
        to: "Same::Once | Same::OnceIfClean if starts > 9 => return false,",
        package: "hotspare-engine",
    },
    Mutant {
        name: "one call blames a target twice",
        file: "crates/hotspare-engine/src/call/settle.rs",
        from: "if hard && !self.blamed.insert(attempt.target)",
        to: "if hard && !self.blamed.insert(attempt.target) && false",
        package: "hotspare-engine",
    },
    Mutant {
        name: "a stranger carries on",
        file: "crates/hotspare-engine/src/call/continuation.rs",
        from: "(choice.trim_to.is_some(), Reverse(kin))",
        to: "(choice.trim_to.is_some(), Reverse(kin * 0))",
        package: "hotspare-engine",
    },
    Mutant {
        name: "the unwell keep their place",
        file: "crates/hotspare-routing/src/health_aware.rs",
        from: "(Reverse(view.usable), ill(view, scene.draw))",
        to: "(Reverse(true | view.usable), 0 * ill(view, scene.draw))",
        package: "hotspare-routing",
    },
    Mutant {
        name: "the unusable take part in a race",
        file: "crates/hotspare-routing/src/race.rs",
        from: "!scene.candidates[choice.index].view.usable);",
        to: "scene.candidates[choice.index].view.usable);",
        package: "hotspare-routing",
    },
    Mutant {
        name: "what cannot fit is sent all the same",
        file: "crates/hotspare-routing/src/eligible.rs",
        from: "(certain > window).then_some",
        to: "(certain > window && window == 0).then_some",
        package: "hotspare-routing",
    },
    Mutant {
        name: "hints of nothing are always believed",
        file: "crates/hotspare-health/src/gate.rs",
        from: "self.held_until = now + LEAST_AGAIN;",
        to: "",
        package: "hotspare-health",
    },
    Mutant {
        name: "a record never forgets",
        file: "crates/hotspare-health/src/record.rs",
        from: "self.slow + (self.fast - self.slow) / (1i64 << halvings.min(40))",
        to: "self.fast + 0 * halvings as i64",
        package: "hotspare-health",
    },
];

/// The names of all mutations.
pub(crate) fn names() -> BTreeSet<&'static str> {
    MUTANTS.iter().map(|mutant| mutant.name).collect()
}

/// Applies each mutation to a copy and runs its package's tests or its scenario, which must fail. `only` selects
/// mutations by name or package; those of the simulator belong to the package `simulated`.
pub(crate) fn run(only: &[String]) -> Result<(), String> {
    let copy = root().join("target/mutants/tree");
    let mut survivors = Vec::new();
    let chosen = |name: &str, package: &str| {
        only.is_empty() || only.iter().any(|word| name.contains(word) || package.contains(word))
    };
    let mut told = |name: &'static str, survived: bool| {
        println!("{name:<48} {}", if survived { "SURVIVED" } else { "caught" });
        survivors.extend(survived.then_some(name));
    };
    refresh(&copy)?;
    for mutant in MUTANTS.iter().filter(|mutant| chosen(mutant.name, mutant.package)) {
        let whole = mutate(&copy, mutant.name, mutant.file, (mutant.from, mutant.to))?;
        // A mutation that does not compile would look caught without any test.
        if !cargo_passes(&copy, mutant.package, &["--no-run"])? {
            return Err(format!("`{}` does not compile", mutant.name));
        }
        // Most are caught by an example; explorations take minutes, so they run last.
        let survived = cargo_passes(&copy, mutant.package, &["--", "--skip", "explore"])?
            && cargo_passes(&copy, mutant.package, &["explore"])?;
        write(&copy, mutant.file, &whole)?;
        told(mutant.name, survived);
    }
    let simulated: Vec<_> = SIMULATED.iter().filter(|mutant| chosen(mutant.name, "simulated")).collect();
    if !simulated.is_empty() {
        let scenarios: BTreeSet<&str> = simulated.iter().map(|mutant| mutant.scenario).collect();
        if !scenarios_pass(&copy, &scenarios.into_iter().collect::<Vec<_>>())? {
            return Err("a scenario fails although nothing was broken: it would catch everything".into());
        }
    }
    for mutant in simulated {
        let whole = mutate(&copy, mutant.name, mutant.file, (mutant.from, mutant.to))?;
        if !cargo(&copy, &["build", "--quiet", "-p", "hotspare-sim", "--example", "scenario"])? {
            return Err(format!("`{}` does not compile", mutant.name));
        }
        let survived = scenarios_pass(&copy, &[mutant.scenario])?;
        write(&copy, mutant.file, &whole)?;
        told(mutant.name, survived);
    }
    if survivors.is_empty() { Ok(()) } else { Err(format!("survived: {}", survivors.join(", "))) }
}

/// Replaces one text in the copy and returns the original file. Restoring that file keeps everything else built.
fn mutate(copy: &Path, name: &str, file: &str, (from, to): (&str, &str)) -> Result<String, String> {
    let whole = std::fs::read_to_string(copy.join(file)).map_err(|error| format!("{file}: {error}"))?;
    if whole.matches(from).count() != 1 {
        return Err(format!("`{name}`: its text is not (or not only once) in {file}"));
    }
    write(copy, file, &whole.replacen(from, to, 1))?;
    Ok(whole)
}

fn write(copy: &Path, file: &str, text: &str) -> Result<(), String> {
    std::fs::write(copy.join(file), text).map_err(|error| format!("{file}: {error}"))
}

/// Whether the tests of a package pass in the copy.
fn cargo_passes(copy: &Path, package: &str, rest: &[&str]) -> Result<bool, String> {
    cargo(copy, &[&["test", "--quiet", "-p", package, "--lib"], rest].concat())
}

/// Whether these scenarios reach their marks in the copy.
fn scenarios_pass(copy: &Path, names: &[&str]) -> Result<bool, String> {
    cargo(copy, &[&["run", "--quiet", "-p", "hotspare-sim", "--example", "scenario", "--"], names].concat())
}

fn cargo(copy: &Path, args: &[&str]) -> Result<bool, String> {
    let status = Command::new("cargo")
        .current_dir(copy)
        .args(args)
        .env("CARGO_TARGET_DIR", root().join("target/mutants/target"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| error.to_string())?;
    Ok(status.success())
}

fn refresh(copy: &Path) -> Result<(), String> {
    let script =
        format!("mkdir -p '{0}' && git ls-files -z | xargs -0 cp --parents -t '{0}'", copy.display());
    let status = Command::new("sh").current_dir(root()).args(["-c", &script]).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        _ => Err("the work tree could not be copied".into()),
    }
}
