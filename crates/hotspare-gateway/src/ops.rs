//! What operators see: targets as JSON, and metrics.
//!
//! Invariant: names, states and counts; never a prompt or a key.

use std::fmt::Write;

use hotspare::{BreakerState, Client, Cost, TargetStatus};
use serde_json::{Value, json};

/// All targets with their health.
pub(crate) fn targets(client: &Client) -> Value {
    let targets: Vec<Value> = client.targets().iter().map(target).collect();
    json!({ "targets": targets })
}

fn target(status: &TargetStatus) -> Value {
    let TargetStatus { id, wire, model, view, counts, .. } = status;
    let failed: serde_json::Map<String, Value> =
        counts.failed.iter().map(|(kind, count)| (kind.to_string(), (*count).into())).collect();
    let costs: serde_json::Map<String, Value> =
        counts.costs.iter().map(|(kind, cost)| (kind.as_str().into(), dollars(*cost).into())).collect();
    json!({
        "target": id, "wire": wire, "model": model, "usable": view.usable,
        "usable_in_ms": view.usable_in.map(|pause| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)),
        "breaker": view.breaker, "failure_rate": f64::from(view.failure_rate_bp) / 10_000.0,
        "weight": f64::from(view.weight_bp) / 10_000.0,
        "first_content_ms": view.latency.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        "in_flight": view.in_flight, "degraded": view.degraded, "disabled": view.disabled, "cordoned": view.cordoned,
        "started": counts.started, "served": counts.served, "cancelled": counts.cancelled, "failed": failed,
        "tokens": {"input": counts.usage.input, "output": counts.usage.output},
        "refused": counts.refused, "cost_usd": dollars(counts.cost), "cost_by_kind_usd": costs,
        "spent_usd": status.spent.map(dollars),
    })
}

fn dollars(cost: Cost) -> f64 {
    cost.micros() as f64 / 1e6
}

/// Counts in the text format that Prometheus reads.
pub(crate) fn metrics(client: &Client) -> String {
    let statuses = client.targets();
    let mut out = String::new();
    let mut family = |name: &str, kind: &str, help: &str, sample: &dyn Fn(&TargetStatus, &mut String)| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for status in &statuses {
            sample(status, &mut out);
        }
    };
    family("hotspare_attempts_total", "counter", "Attempts by outcome.", &|status, out| {
        let target = label(status.id.as_str());
        let counts = &status.counts;
        for (outcome, count) in [("served", counts.served), ("cancelled", counts.cancelled)] {
            let _ =
                writeln!(out, "hotspare_attempts_total{{target=\"{target}\",outcome=\"{outcome}\"}} {count}");
        }
        for (kind, count) in &counts.failed {
            let _ =
                writeln!(out, "hotspare_attempts_total{{target=\"{target}\",outcome=\"{kind}\"}} {count}");
        }
    });
    family("hotspare_in_flight", "gauge", "Attempts under way.", &|status, out| {
        let _ = writeln!(
            out,
            "hotspare_in_flight{{target=\"{}\"}} {}",
            label(status.id.as_str()),
            status.view.in_flight
        );
    });
    family("hotspare_breaker_state", "gauge", "0 closed, 1 half-open, 2 open.", &|status, out| {
        let state = match status.view.breaker {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        };
        let _ = writeln!(out, "hotspare_breaker_state{{target=\"{}\"}} {state}", label(status.id.as_str()));
    });
    family("hotspare_usable", "gauge", "Whether a request would be admitted.", &|status, out| {
        let usable = u8::from(status.view.usable);
        let _ = writeln!(out, "hotspare_usable{{target=\"{}\"}} {usable}", label(status.id.as_str()));
    });
    family("hotspare_tokens_total", "counter", "Tokens, losers and failures included.", &|status, out| {
        let target = label(status.id.as_str());
        for (direction, count) in
            [("input", status.counts.usage.input), ("output", status.counts.usage.output)]
        {
            let _ = writeln!(
                out,
                "hotspare_tokens_total{{target=\"{target}\",direction=\"{direction}\"}} {}",
                count.unwrap_or(0)
            );
        }
    });
    family(
        "hotspare_refusals_total",
        "counter",
        "Answers that were refusals or filtered.",
        &|status, out| {
            let target = label(status.id.as_str());
            let _ = writeln!(out, "hotspare_refusals_total{{target=\"{target}\"}} {}", status.counts.refused);
        },
    );
    family(
        "hotspare_cost_usd_total",
        "counter",
        "Cost at list price by what it was spent on.",
        &|status, out| {
            let target = label(status.id.as_str());
            for (kind, cost) in &status.counts.costs {
                let (kind, cost) = (kind.as_str(), dollars(*cost));
                let _ =
                    writeln!(out, "hotspare_cost_usd_total{{target=\"{target}\",kind=\"{kind}\"}} {cost:.6}");
            }
        },
    );
    family(
        "hotspare_first_content_seconds_sum",
        "counter",
        "Time to first content, summed.",
        &|status, out| {
            let target = label(status.id.as_str());
            let seconds = status.counts.first_content_total.as_secs_f64();
            let _ = writeln!(out, "hotspare_first_content_seconds_sum{{target=\"{target}\"}} {seconds:.6}");
        },
    );
    out
}

fn label(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
