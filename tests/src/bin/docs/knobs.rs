//! docs/knobs.md: every setting, with its default from the code, the reason for it, and the effect of its extremes.
//!
//! The text is written here, the figures are read from the defaults. Invariant: a field that exists only in the code or
//! only in this table is an error.

mod server;
mod values;

use std::collections::BTreeSet;
use std::fmt::Debug;

use hotspare::{Adaptive, BreakerConfig, Hedge, Limits, Rules};
use hotspare_gateway::ServeOptions;
use hotspare_health::Evidence;

use server::SERVER;
use values::{config_value, fields};

/// A field, its name in a configuration, the reason for its default, and the effect of its extremes.
type Row = (&'static str, &'static str, &'static str, &'static str);

const LIMITS: &[Row] = &[
    (
        "first_content",
        "limits.first_content",
        "above the p99 of recorded chat endpoints (1 to 5 s), short enough for an interactive user",
        "short: healthy calls start the spare, and both are billed until one is dropped, unless the target usually needs longer and no spare would be sooner (decision [42](decisions/0042-a-spare-starts-if-it-may-be-sooner.md)); long: a silent target delays its callers by this until its breaker opens",
    ),
    (
        "first_content_reasoning",
        "limits.first_content_reasoning",
        "healthy reasoning models need 20 to 90 s; being late only starts the spare",
        "as above, for a model that reasons before it answers: by default, or because the request asks for it; the catalogue or the profile (`reasoning = true`, `\"on_request\"`) says which",
    ),
    (
        "adaptive",
        "limits.adaptive = { multiplier, min }",
        "off: a fixed limit is easier to explain",
        "on: the limit for streams is this multiple of the target's live p95, at least `min` and at most the fixed limit; applies once 20 calls are known",
    ),
    (
        "headers",
        "limits.headers",
        "off: many servers hold headers back until the first token",
        "short: only for hosts known to send headers at once; it applies to streams, and never ends an attempt, only starts the spare",
    ),
    (
        "attempt",
        "limits.attempt",
        "off: the other limits detect silence",
        "short: an answer held until complete is dropped although it is arriving; a serving attempt is never cut by it",
    ),
    (
        "unstreamed",
        "limits.unstreamed",
        "several hundred tokens at 30 per second; from twenty answers on twice the target's own p95 for prompts of similar size, at least 2 s (decision [24](decisions/0024-unstreamed-answers-are-judged-by-what-a-target-needs.md))",
        "written, it is fixed. Short: long answers start the spare; long: silence is detected late, because an unstreamed call shows no progress",
    ),
    (
        "gap",
        "limits.gap",
        "a healthy text stream pauses for tens of milliseconds, a busy one for a second or two",
        "short: a busy provider's pauses move callers; long: a stall is detected late. Runs only while the caller reads",
    ),
    (
        "quiet_gap",
        "limits.quiet_gap",
        "some providers buffer whole tool arguments and reasoning, and send nothing meanwhile",
        "short: a long tool call is cut, and it cannot be continued",
    ),
    (
        "first_content_deadline",
        "limits.first_content_deadline",
        "time for several hops, reasoning models included",
        "short: each attempt gets a share of the time left: all of it if it is the last target, half if one more waits, a third if several do. A target whose median time to first content exceeds the time left is not started. When a stream is cut, the time starts anew for the target that continues it; for unstreamed answers `limits.total` applies instead. If it is not set, `limits.total` shortens it",
    ),
    (
        "total",
        "limits.total",
        "the official clients use 600 s",
        "short: a healthy long answer is cut; the caller's own deadline applies where it is shorter; the time that the caller takes to read does not count, except towards its own deadline",
    ),
    ("max_targets", "limits.max_targets", "off: an answer is worth more than a cap", "1: no failover"),
    (
        "max_extra_starts",
        "limits.max_extra_starts",
        "one retry in place and one hedge",
        "0: each target is started once; many: the retry budget still applies",
    ),
    (
        "wait_for_rate_limit",
        "limits.wait_for_rate_limit",
        "0: another target is faster than waiting",
        "long: a hinted pause of up to this is waited out on the same target, without cost to the retry budget; where no other target is left, a pause that a server error names is waited out up to `first_content`",
    ),
    (
        "max_reasks",
        "limits.max_reasks",
        "a model given the violations corrects them the first time or not at all",
        "0: the next target is asked instead; many: each costs a whole answer",
    ),
    (
        "max_reask_cost",
        "limits.max_reask_cost",
        "off: `max_reasks` already bounds it",
        "small: for a costly answer in the wrong form the next target is asked instead; counted at list price",
    ),
    (
        "spend",
        "spend_limit",
        "off: there is no sensible default budget",
        "small: once the period's budget is spent, or reserved for calls in flight (prompt and output limit, or 1,024 tokens without one), requests are refused until more is available; one that may cost more than the whole limit starts when nothing else is spent or reserved, unless its prompt alone does; exceeded at most by what such answers, and those without an output limit, cost beyond that; counted per process at list price",
    ),
    (
        "max_buffered_bytes",
        "limits.max_buffered_bytes",
        "a stream of 128k tokens, with a frame for each",
        "small: long answers that are held back fail as protocol errors, and longer streams are not continued after a cut; \
         at least 16 KiB; large: bounds the memory of one call",
    ),
];

const RULES: &[Row] = &[
    (
        "on_cut",
        "on_cut",
        "a truncated answer is continued where it joins exactly",
        "`terminate`: one typed error in the stream. There is no `restart`: an answer of which the caller has nothing starts anew elsewhere under either; `commit` holds back more of it",
    ),
    (
        "commit",
        "commit",
        "the first token reaches the caller at once",
        "a time, `8 events` or `whole`: later failures stay invisible too, and the caller waits that much longer (for a time or events at most until its own `first_content_deadline`)",
    ),
    (
        "on",
        "on = { KIND = … }",
        "the policy table of the README",
        "`next`, `same` (a hinted pause is waited out; beside an available target, only up to `limits.first_content`; not after a reply with `x-should-retry: false`), `stop`, or a list of targets; the effect on health stays the same",
    ),
    (
        "validate_output",
        "validate_output",
        "an invalid answer can be repaired, asked for again or requested elsewhere only before delivery",
        "`at_end`: streams pass, and end in an error if the answer is invalid; `never`: no validation",
    ),
    (
        "validate_tool_calls",
        "validate_tool_calls",
        "`never`: arguments need only be JSON objects; agents report violations to the model in the tool's result",
        "`at_end`: validated against the tool's schema, a stream ends in an error; `before_delivery`: the stream is held until complete, and the next target is asked",
    ),
    (
        "on_refusal",
        "on_refusal",
        "`deliver`: a refusal is an answer",
        "`next`: the next target is asked, and a stream is held until something other than a refusal arrives",
    ),
    (
        "trim",
        "trim",
        "`never`: a target whose window is too small is skipped",
        "`oldest_turns`: it gets the conversation without its oldest turns, and the trail has their number",
    ),
    (
        "stream_upstream",
        "stream_upstream",
        "off: the request is sent as the caller made it",
        "on: silence and stalls of unstreamed calls are detected early; a host that rejects streaming is asked without it and remembered",
    ),
];

const BREAKER: &[Row] = &[
    (
        "failures",
        "breaker.failures",
        "off: evidence opens instead; a count of failures means little where most calls succeed. In a configuration, setting this or `failure_rate` turns evidence off unless it is set too; in code set `evidence` to `None` or start from `BreakerConfig::window()`",
        "1: every failure opens; many: a dead target costs that many callers a hop",
    ),
    (
        "failure_rate_bp",
        "breaker.failure_rate",
        "off: evidence opens instead; a rate needs many calls before it means anything. Affects evidence as `failures` does",
        "low: opens where ranking would handle it better; 100 %: only a dead target opens",
    ),
    (
        "slow_rate_bp",
        "breaker.slow_rate",
        "nearly all calls are late: the target is of no use",
        "low: a slow model is taken out although it answers",
    ),
    (
        "evidence",
        "breaker.evidence",
        "on: opens at four failures in a row at any rate of traffic, or three refused connections, rarely falsely (decisions [10](decisions/0010-evidence-opens-breakers.md) and [39](decisions/0039-three-refused-connections-open-a-host.md))",
        "a sum in nats, or `breaker = \"evidence\"` for the default: 9.2 opens at three failures in a row, 11.5 at four, 13.8 at five; of refused connections, at three, three and four",
    ),
    (
        "degrade",
        "breaker.degrade",
        "a frozen target is detected after five calls, without a failure, once fifty are known",
        "off: slowness takes effect only through the limits",
    ),
    (
        "min_calls",
        "breaker.min_calls",
        "fewer calls make no rate",
        "1: the first failure is 100 %; many: never met at low traffic, where `failures`, evidence or late calls in a row decide",
    ),
    (
        "window",
        "breaker.window",
        "longer than a burst, shorter than an incident",
        "short: rates lose memory at low traffic; long: old failures outlive their cause",
    ),
    (
        "cooldown",
        "breaker.cooldown",
        "an outage of seconds costs seconds; half of it is random",
        "short: a dead target is probed often; long: a recovered target stays idle",
    ),
    (
        "cooldown_cap",
        "breaker.cooldown_cap",
        "a recovered target carries traffic within 30 s even at one request every 4 s",
        "long: as `cooldown`, after several openings",
    ),
    (
        "probes",
        "breaker.probes",
        "one call at a time finds out for all",
        "many: a target that is still down costs that many callers a hop",
    ),
    (
        "probes_to_close",
        "breaker.probes_to_close",
        "one success is enough; the ramp limits the risk",
        "many: slow recovery at low traffic",
    ),
    (
        "lease",
        "breaker.lease",
        "longer than a reasoning model's time to first content",
        "short: slow successful probes count as lost; long: a hung probe blocks the next one for this time; a probe whose answer has begun or is unstreamed gets ten times as long, but blocks the next one no longer",
    ),
    (
        "ramp",
        "breaker.ramp",
        "long enough for caches and autoscalers, short compared with an outage",
        "0: all traffic at once; long: the spare serves longer",
    ),
];

const EVIDENCE: &[Row] = &[
    (
        "trip",
        "breaker.evidence",
        "ln 10⁵: four failures in a row, and one false opening in more than 10,000 calls at 5 % failures",
        "small: opens for noise; large: later",
    ),
    (
        "failure",
        "–",
        "ln 0.5/0.02: likelihood from a target that fails half of its calls, compared with one in fifty",
        "–",
    ),
    (
        "unreachable",
        "–",
        "ln 0.5/0.008: healthy hosts refuse connections more rarely than they fail (decision [39](decisions/0039-three-refused-connections-open-a-host.md))",
        "–",
    ),
    ("success", "–", "ln 0.98/0.5", "–"),
    ("half_life", "–", "observations of an hour ago mean little", "–"),
];

const ADAPTIVE: &[Row] = &[
    (
        "multiplier_percent",
        "limits.adaptive.multiplier",
        "three times the p95",
        "1: one call in twenty starts the spare; many: no effect",
    ),
    (
        "min",
        "limits.adaptive.min",
        "below it network jitter dominates",
        "small: network jitter starts spares",
    ),
];

const HEDGE: &[Row] = &[
    (
        "delay",
        "hedge.at",
        "`\"p95\"`, the live quantile of the target and prompt size; a duration is fixed",
        "short: nearly every call is billed twice, up to the budget; long: no gain",
    ),
    ("floor", "–", "below it network jitter is hedged", "–"),
    (
        "budget_bp",
        "hedge.budget",
        "a p95 delay hedges 5 % of starts when all is healthy",
        "large: up to double the load when providers are slow; none is started while the retry budget is low or every target is slow",
    ),
];

/// The whole document, or an error with the fields that it lacks.
pub(crate) fn document() -> Result<String, String> {
    let mut out = String::from(
        "# Settings\n\nEvery setting of routes, breakers, hedges, targets and the gateway: its name in a configuration (and the library's field where\n\
         it is called differently; `_bp` is in hundredths of a per cent) and its default; below each table, the reasons for the defaults and\n\
         what the extremes do. Written by `cargo xtask docs` from the defaults in the code, which fails if a field is missing here.\n\
         [hotspare.toml](hotspare.toml) shows them in use.\n",
    );
    let presets = [Limits::default(), Limits::interactive(), Limits::batch(), Limits::critical()];
    section(
        &mut out,
        "Limits of a route",
        &["default", "interactive", "batch", "critical"],
        LIMITS,
        &presets,
    )?;
    out.push_str(
        "\nThe limits for first content, and `unstreamed` until it is learned, grow with the prompt: by themselves once more for every 32k\n\
         tokens. For a model that reasons, `unstreamed` begins at `first_content_reasoning` if that is longer. The retry budget and the budget\n\
         of last resorts are not settings; [concepts.md](concepts.md) has their sizes.\n",
    );
    section(&mut out, "Adaptive limits", &["default"], ADAPTIVE, &[Adaptive::default()])?;
    section(&mut out, "Rules of a route", &["default"], RULES, &[Rules::default()])?;
    let breakers = [BreakerConfig::evidence(), BreakerConfig::window(), BreakerConfig::textbook()];
    section(
        &mut out,
        "Breaker of a target",
        &["evidence (default)", "window", "textbook"],
        BREAKER,
        &breakers,
    )?;
    section(&mut out, "Evidence", &["default"], EVIDENCE, &[Evidence::default()])?;
    section(&mut out, "Hedge", &["default"], HEDGE, &[Hedge::at_p95()])?;
    out.push_str(
        "\n## Strategy of a route\n\n| name | default | meaning |\n|---|---|---|\n\
         | `preset` | none | `interactive`, `batch` or `critical`: the limits in the table above; `limits` override them |\n\
         | `width` | 2 | `race`: how many targets start at once, each of them billed |\n\
         | `weights` | 1 each | `weighted`: share of the traffic; 0 uses a target only when no other is left |\n\
         \n## Target\n\n| name | default | extremes |\n|---|---|---|\n\
         | `max_in_flight` | none | small: up to 1,000 more calls wait in line, in order; needed for servers that queue silently |\n\
         | `requests_per_minute`, `tokens_per_minute` | none; reported quotas always apply | small: calls go to the next target, or wait if there is none |\n\
         | `proxy`, `proxy_from_env` | none | the address of an HTTP proxy, or those in `HTTPS_PROXY` and related variables |\n\
         | `ca` | the system's | a PEM file of additional authorities, its path relative to the configuration |\n\
         | `provider.api_version` | that of the provider's row | the version of the API that URLs name, for `azure-deployments`: an older one lacks newer fields |\n\
         | `health_group` | scheme, host and path of `base_url` | targets with the same name share their health |\n\
         | `connect` (in code `connect_timeout`) | 1 s | short: a distant host is never reached; long: an unresponsive address costs this time |\n\
         | `probe` | false | true: while it is down the client probes it in the background, with 16 tokens at most once a second and key |\n\
         | `deadline_header` | none | the header in which the target gets the time left; `x-hotspare-deadline` also says that the target is a gateway, so that requests which go in circles are noticed |\n",
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
    out.push_str(&format!("\n## {title}\n\n| name | {} |\n|---|", columns.join(" | ")));
    out.push_str(&"---|".repeat(columns.len()));
    out.push('\n');
    let mut reasons = String::from("\n");
    for (field, name, why, extremes) in rows {
        let value = |read: &Vec<(String, String)>| {
            read.iter()
                .find(|(known, _)| known == field)
                .map(|(_, value)| config_value(field, value))
                .unwrap_or_default()
        };
        let values: Vec<String> = read.iter().map(value).collect();
        for value in &values {
            check_accepted(name, value)?;
        }
        let last = name.split([' ', '=']).next().and_then(|path| path.rsplit('.').next());
        let (title, note) = match last {
            Some("–") => (*field, " (library)".to_owned()),
            Some(last) if last != *field => (*name, format!(" (in code `{field}`)")),
            _ => (*name, String::new()),
        };
        out.push_str(&format!("| `{title}`{note} | {} |\n", values.join(" | ")));
        let extremes = if *extremes == "–" { String::new() } else { format!(" *Extremes:* {extremes}.") };
        reasons.push_str(&wrapped(&format!("- `{title}`: {why}.{extremes}")));
    }
    out.push_str(&reasons);
    Ok(())
}

/// An entry of a list, in lines of at most 130 characters.
fn wrapped(entry: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for word in entry.split(' ') {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > 130 {
            out.push_str("\n ");
            width = 1;
        }
        if width > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += length;
    }
    out.push('\n');
    out
}

/// Whether a configuration accepts the printed default.
fn check_accepted(name: &str, value: &str) -> Result<(), String> {
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
