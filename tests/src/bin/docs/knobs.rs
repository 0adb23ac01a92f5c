//! docs/knobs.md: every knob, with its default from the code, where it comes from, and what its extremes do.
//!
//! The words are written here, the figures are read off the defaults. Invariant: a field that the code has and this table
//! has not, or the other way round, is an error.

use std::collections::BTreeSet;
use std::fmt::Debug;

use hotspare::{Adaptive, BreakerConfig, Hedge, Limits, Rules};
use hotspare_gateway::ServeOptions;
use hotspare_health::Evidence;

/// A field, its name in a configuration, where its default comes from, and what its extremes do.
type Row = (&'static str, &'static str, &'static str, &'static str);

const LIMITS: &[Row] = &[
    (
        "first_content",
        "limits.first_content",
        "beyond the p99 of recorded chat endpoints (1 to 5 s), short enough for a person who waits",
        "short: healthy calls start the spare, and both are paid for until one is dropped; long: a silent target costs its callers that time until its breaker opens",
    ),
    (
        "first_content_reasoning",
        "limits.first_content_reasoning",
        "healthy models that think need 20 to 90 s; being late only starts the spare",
        "as above, for models that the catalogue or the profile says think",
    ),
    (
        "adaptive",
        "limits.adaptive = { multiplier, min }",
        "off: a fixed limit can be explained",
        "on: the limit is so many times the live p95 of the target, never below `min`, never above the fixed one; needs 20 calls in the breaker's window",
    ),
    (
        "headers",
        "limits.headers",
        "off: many servers hold their headers back until the first token",
        "short: only for hosts that are known to answer at once; it never cuts, it only starts the spare",
    ),
    (
        "attempt",
        "limits.attempt",
        "off: the other limits find what is silent",
        "short: an answer that is held until it is whole is dropped although it is coming; an attempt that serves is never cut by it",
    ),
    (
        "unstreamed",
        "limits.unstreamed",
        "some hundred tokens at 30 a second",
        "short: long answers start the spare; long: silence is found late, for an unstreamed call shows no sign of life",
    ),
    (
        "gap",
        "limits.gap",
        "a healthy text stream pauses for tens of milliseconds, a busy one for a second or two",
        "short: a busy provider's stutter moves callers; long: a stall is found late. Runs only while the caller listens",
    ),
    (
        "quiet_gap",
        "limits.quiet_gap",
        "some providers buffer whole arguments and thoughts, and say nothing meanwhile",
        "short: a long tool call is cut, and it cannot be carried on",
    ),
    (
        "first_content_deadline",
        "limits.deadline",
        "time for several hops, reasoning models included",
        "short: an attempt has half of what is left, or a third if several others wait; a hop whose p50 does not fit into what is left is not started; a cut sets it anew, and answers that come whole have `limits.total`",
    ),
    (
        "total",
        "limits.total",
        "the providers' own clients have 600 s",
        "short: a healthy long answer is cut; the caller's own deadline applies where it is shorter",
    ),
    ("max_targets", "limits.max_targets", "none: an answer is worth more than a count", "1: no failover"),
    (
        "max_extra_starts",
        "limits.max_extra_starts",
        "one retry in place and one hedge",
        "0: every start is the first of its target; many: the retry budget still applies",
    ),
    (
        "wait_for_rate_limit",
        "limits.wait_for_rate_limit",
        "0: another target is faster than waiting",
        "long: a hinted pause up to it is waited out on the same target",
    ),
    (
        "max_reasks",
        "limits.max_reasks",
        "a model that is told what was wrong mends it the first time or not at all",
        "0: straight to the next target; many: each costs a whole answer",
    ),
    (
        "max_reask_cost",
        "limits.max_reask_cost",
        "off: the number of times bounds it already",
        "small: a costly answer of the wrong form is not asked again, and the next target is; counted at list price",
    ),
    (
        "spend",
        "spend_limit",
        "off: nobody's budget can be guessed",
        "small: once the period's money is spent the route refuses until there is some again; counted by this process at list price",
    ),
    (
        "max_buffered_bytes",
        "limits.max_buffered_bytes",
        "a stream of 128k tokens, with a frame for each",
        "small: long answers that are held fail as protocol errors, and longer streams are not continued after a cut; \
         at least 16 KiB; large: bounds the memory of one call",
    ),
];

const RULES: &[Row] = &[
    (
        "on_cut",
        "on_cut",
        "a cut answer is carried on where it joins exactly",
        "`terminate`: one typed error in the stream",
    ),
    (
        "commit",
        "commit",
        "the first token reaches the caller at once",
        "a time, `8 events` or `whole`: later troubles are invisible too, and the caller waits that much longer",
    ),
    (
        "on",
        "on = { KIND = … }",
        "the policy table of the README",
        "`next`, `same`, `stop`, or a list of targets; health is told the same as ever",
    ),
    (
        "validate_output",
        "validate_output",
        "what is wrong can be repaired, asked again or had elsewhere only before it is delivered",
        "`at_end`: streams pass, and end in an error if the whole does not fit; `never`: no check",
    ),
    (
        "validate_tool_calls",
        "validate_tool_calls",
        "`never`: arguments need only be JSON objects; agents tell a model what is wrong in the tool's result",
        "`at_end`: against the tool's schema, and a stream ends in an error if they do not fit; `before_delivery`: such a stream is held until it is whole, and the next target is asked",
    ),
    (
        "on_refusal",
        "on_refusal",
        "`deliver`: a refusal is an answer",
        "`next`: the next target is asked, and a stream is held back until something else than a refusal has come",
    ),
    (
        "trim",
        "trim",
        "`never`: a target whose window is too small is passed over",
        "`oldest_turns`: it gets the conversation without its oldest turns, and the trail says how many are missing",
    ),
    (
        "stream_upstream",
        "stream_upstream",
        "off: the caller's request is sent as it is",
        "on: silence and stalls of unstreamed calls are seen early; a host that refuses is asked plainly and remembered",
    ),
];

const BREAKER: &[Row] = &[
    (
        "failures",
        "breaker.failures",
        "off: the sum of evidence opens; a number of failures without one in between means little where most calls succeed",
        "1: every accident opens; many: a dead target costs that many callers a hop",
    ),
    (
        "failure_rate_bp",
        "breaker.failure_rate",
        "off: the sum of evidence opens; a share needs many calls before it says anything",
        "low: opens for what the order of targets handles better; 100 %: only a dead target opens",
    ),
    (
        "slow_rate_bp",
        "breaker.slow_rate",
        "nearly all calls are late: nobody is served there",
        "low: a slow model is taken out although its answers are wanted",
    ),
    (
        "evidence",
        "breaker = \"evidence\", or breaker.evidence in nats",
        "on: it opens at four failures in a row at any rate of traffic, and seldom for nothing (docs/decisions/0010)",
        "a sum: 9.2 opens at three failures in a row, 11.5 at four, 13.8 at five, each at any rate of traffic",
    ),
    (
        "degrade",
        "breaker.degrade",
        "a frozen target is known after five calls, without one failure",
        "off: slowness shows only in the limits",
    ),
    (
        "min_calls",
        "breaker.min_calls",
        "fewer make no share",
        "1: the first failure is 100 %; many: never met at low traffic, where `failures` or evidence decide",
    ),
    (
        "window",
        "breaker.window",
        "longer than a burst, shorter than an incident",
        "short: rates forget between calls at low traffic; long: old failures outlive their cause",
    ),
    (
        "cooldown",
        "breaker.cooldown",
        "an outage of seconds costs seconds; half of it is chance",
        "short: callers probe a dead target often; long: a target that is back stands idle",
    ),
    (
        "cooldown_cap",
        "breaker.cooldown_cap",
        "a target that is back carries traffic within 30 s also at one request every 4 s",
        "long: as `cooldown`, after several openings",
    ),
    (
        "probes",
        "breaker.probes",
        "one caller in a while finds out for all",
        "many: a target that is still down costs that many callers a hop",
    ),
    (
        "probes_to_close",
        "breaker.probes_to_close",
        "one good answer is an answer; the ramp is careful",
        "many: slow to return at low traffic",
    ),
    (
        "lease",
        "breaker.lease",
        "longer than the first content of a thinking model",
        "short: slow good probes are counted as lost; long: a hung probe blocks the next for that time; one whose answer has begun has ten times as long",
    ),
    (
        "ramp",
        "breaker.ramp",
        "long enough for caches and autoscalers, short beside an outage",
        "0: all traffic at once; long: the spare is paid for longer",
    ),
];

const EVIDENCE: &[Row] = &[
    (
        "trip",
        "breaker.evidence",
        "ln 10⁵: four failures in a row, and one false opening in more than 10,000 calls at 5 % failures",
        "small: opens for noise; large: later",
    ),
    ("failure", "–", "ln 0.5/0.02: from a target that fails every second call rather than one in fifty", "–"),
    ("success", "–", "ln 0.98/0.5", "–"),
    ("half_life", "–", "what was seen an hour ago says little", "–"),
];

const ADAPTIVE: &[Row] = &[
    (
        "multiplier_percent",
        "limits.adaptive.multiplier",
        "three times what 95 % keep",
        "1: one call in twenty starts the spare; many: as if it were off",
    ),
    (
        "min",
        "limits.adaptive.min",
        "below it the network's own jitter is a part of the figure",
        "small: a jitter of the network starts spares",
    ),
    ("min_samples", "–", "fewer make no quantile", "–"),
];

const HEDGE: &[Row] = &[
    (
        "delay",
        "hedge.at",
        "`\"p95\"`, the live quantile of the target and prompt size; a duration is fixed",
        "short: nearly every call is paid twice, up to the budget; long: no gain",
    ),
    ("floor", "–", "below it the network's own jitter is hedged", "–"),
    (
        "budget_bp",
        "hedge.budget",
        "5 % of starts is what the quantile costs in health",
        "large: doubles the load on a slow day; none is started while the retry budget is low or every target is slow",
    ),
];

const SERVER: &[Row] = &[
    (
        "keys",
        "server.client_keys",
        "the default address is reached from this machine only; any other needs keys, or `--insecure`",
        "–",
    ),
    (
        "max_body_bytes",
        "server.max_body_bytes",
        "a long conversation with some pictures",
        "small: such requests get 413; large: that much memory for each request under way",
    ),
    ("body_timeout", "–", "a slow uplink sends some MiB in it", "–"),
    (
        "max_connections",
        "server.max_connections",
        "below the usual limit of open files, two to a call",
        "small: further callers get 503, while operators still get in; large: as many files as the system gives",
    ),
    (
        "drain_timeout",
        "server.drain_timeout",
        "what stops programs often ends them by force after 30 s",
        "short: long answers are cut off with an error in their stream; long: a stop takes as long as the longest answer",
    ),
];

/// The whole document, or which fields are missing in it.
pub(crate) fn document() -> Result<String, String> {
    let mut out = String::from(
        "# Knobs\n\nEvery knob of a route, a target's breaker, a hedge and the gateway: its name in a configuration (in the library the field of \
         the same meaning), its default, where that comes from, and what its extremes do. Written by `cargo xtask docs` from the \
         defaults in the code; a field that is not described here fails the build.\n",
    );
    let presets = [Limits::default(), Limits::interactive(), Limits::batch(), Limits::critical()];
    section(
        &mut out,
        "Limits of a route",
        &["default", "interactive", "batch", "critical"],
        LIMITS,
        &presets,
    )?;
    section(&mut out, "Limits that follow the target", &["default"], ADAPTIVE, &[Adaptive::default()])?;
    section(&mut out, "Rules of a route", &["default"], RULES, &[Rules::default()])?;
    let breakers = [BreakerConfig::default(), BreakerConfig::evidence(), BreakerConfig::textbook()];
    section(&mut out, "Breaker of a target", &["default", "evidence", "textbook"], BREAKER, &breakers)?;
    section(&mut out, "Evidence", &["default"], EVIDENCE, &[Evidence::default()])?;
    section(&mut out, "Hedge", &["default"], HEDGE, &[Hedge::at_p95()])?;
    out.push_str(
        "\n## Of a target\n\n| name | default | extremes |\n|---|---|---|\n\
         | `max_in_flight` | none | small: more calls wait in line, first come first served, at most 1,000; a server that queues silently needs it |\n\
         | `requests_per_minute`, `tokens_per_minute` | none; what providers report is mirrored | small: callers go to the next target, or wait where there is none |\n\
         | `proxy`, `proxy_from_env` | none | the address of an HTTP proxy, or those of `HTTPS_PROXY` and its siblings |\n\
         | `ca` | the system's | a PEM file of further authorities to trust, its path relative to the configuration |\n\
         | `health_group` | scheme, host and path of `base_url` | targets of one group share the health of their host |\n\
         | `connect` | 1 s | short: a far host is never reached; long: a black hole costs that time |\n\
         | `probe` | false | true: while it is ill the client asks it in the background, 16 tokens a time, at most once a second and key |\n\
         | `deadline_header` | none | names the header in which the target is told how much time is left |\n",
    );
    section(&mut out, "Gateway", &["default"], SERVER, &[ServeOptions::default()])?;
    Ok(out)
}

fn section<T: Debug>(
    out: &mut String,
    title: &str,
    columns: &[&str],
    rows: &[Row],
    values: &[T],
) -> Result<(), String> {
    let read: Vec<Vec<(String, String)>> = values.iter().map(fields).collect();
    let known: BTreeSet<&str> = rows.iter().map(|row| row.0).collect();
    let there: BTreeSet<&str> = read[0].iter().map(|(name, _)| name.as_str()).collect();
    if known != there {
        let differ: Vec<_> = known.symmetric_difference(&there).collect();
        return Err(format!("{title}: the code and the table differ in {differ:?}"));
    }
    out.push_str(&format!("\n## {title}\n\n| name | {} | source | extremes |\n|---|", columns.join(" | ")));
    out.push_str(&"---|".repeat(columns.len() + 2));
    out.push('\n');
    for (field, name, source, extremes) in rows {
        let value = |read: &Vec<(String, String)>| {
            read.iter()
                .find(|(known, _)| known == field)
                .map(|(_, value)| spelled(field, value))
                .unwrap_or_default()
        };
        let values: Vec<String> = read.iter().map(value).collect();
        for value in &values {
            accepted(name, value)?;
        }
        let name = if *name == "–" { format!("`{field}` (library)") } else { format!("`{name}`") };
        out.push_str(&format!("| {name} | {} | {source} | {extremes} |\n", values.join(" | ")));
    }
    Ok(())
}

/// The fields of a struct and their values, read off its pretty `Debug`.
fn fields(value: &impl Debug) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in format!("{value:#?}").lines() {
        let inner = line.strip_prefix("    ").unwrap_or_default();
        match inner.split_once(": ") {
            Some((name, value)) if !inner.starts_with(' ') => fields.push((name.into(), value.trim().into())),
            _ if !inner.is_empty() && inner != "}," => {
                if let Some((_, value)) = fields.last_mut() {
                    value.push_str(inner.trim());
                }
            }
            _ => {}
        }
    }
    fields
}

/// A variant's name in a configuration.
fn snake(variant: &str) -> String {
    let mut word = String::new();
    for (index, letter) in variant.char_indices() {
        if letter.is_ascii_uppercase() && index > 0 {
            word.push('_');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

/// Whether a configuration takes what the page says is the default.
fn accepted(name: &str, value: &str) -> Result<(), String> {
    let path: Vec<&str> = name.split('.').collect();
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte == b'.');
    if !plain || matches!(value, "off" | "on" | "–") {
        return Ok(());
    }
    let value = value.split_once(" (").map_or(value, |(value, _)| value);
    let literal = if value.parse::<f64>().is_ok() || value.parse::<bool>().is_ok() {
        value.to_owned()
    } else {
        format!("{value:?}")
    };
    let nested = path.iter().skip(1).rev().fold(literal, |inner, key| match *key {
        "budget" => format!("{{ at = \"p95\", budget = {inner} }}"),
        "min" => format!("{{ multiplier = 3, min = {inner} }}"),
        key => format!("{{ {key} = {inner} }}"),
    });
    let (server, target, route) = match path[0] {
        "server" => (path[0], "", ""),
        "breaker" => ("", path[0], ""),
        of_route => ("", "", of_route),
    };
    let line = |key: &str| if key.is_empty() { String::new() } else { format!("{key} = {nested}\n") };
    let host = |name: &str| format!("[targets.{name}]\nprovider = \"ollama\"\nmodel = \"m\"\n");
    let text = format!(
        "{}{}{}{}[routes.r]\ntargets = [\"a\", \"b\"]\n{}",
        line(server),
        host("b"),
        host("a"),
        line(target),
        line(route)
    );
    hotspare::Client::from_toml(&text).map(drop).map_err(|error| format!("{name} = {value}: {error}"))
}

/// As a person would write it.
fn spelled(field: &str, value: &str) -> String {
    let value =
        value.trim_end_matches(',').trim_end_matches(')').trim_end_matches(',').trim_start_matches("Some(");
    match (field, value) {
        ("multiplier_percent", value) => {
            value.parse::<f64>().map_or(value.into(), |percent| (percent / 100.0).to_string())
        }
        ("trip", value) => value.parse::<f64>().map_or(value.into(), |milli| (milli / 1_000.0).to_string()),
        (_, "0ns") => "0s".into(),
        ("on_cut" | "commit" | "form" | "tools" | "on_refusal" | "trim", value) => snake(value),
        ("evidence", "None") => "off".into(),
        ("evidence", _) => "on".into(),
        ("on", _) => "–".into(),
        ("delay", "None") => "p95".into(),
        (_, "None") => "off".into(),
        (_, value) if field.ends_with("_bp") => {
            value.parse::<f64>().map_or(value.into(), |bp| format!("{} %", bp / 100.0))
        }
        ("keys", _) => "off".into(),
        ("max_buffered_bytes" | "max_body_bytes", value) => {
            value.parse::<u64>().map_or(value.into(), |bytes| format!("{bytes} ({} MiB)", bytes >> 20))
        }
        (_, value) => value.into(),
    }
}
