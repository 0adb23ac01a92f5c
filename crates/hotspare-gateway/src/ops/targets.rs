//! Targets as JSON.
//!
//! Invariant: names, states and counts only; never a prompt or any part of a key.

use std::time::Duration;

use hotspare::{Client, KeyStatus, TargetStatus};
use serde_json::{Map, Value, json};

use super::metrics::dollars;

/// All targets with their health.
pub(super) fn all(client: &Client) -> Value {
    let targets: Vec<Value> = client.targets().iter().map(target).collect();
    json!({ "targets": targets })
}

/// One target, if it exists.
pub(super) fn one(client: &Client, name: &str) -> Option<Value> {
    client.targets().iter().find(|status| status.id.as_str() == name).map(target)
}

fn target(status: &TargetStatus) -> Value {
    let TargetStatus { id, wire, model, view, counts, .. } = status;
    let failed: Map<String, Value> =
        counts.failed.iter().map(|(kind, count)| (kind.to_string(), (*count).into())).collect();
    let costs: Map<String, Value> =
        counts.costs.iter().map(|(kind, cost)| (kind.as_str().into(), dollars(*cost).into())).collect();
    let keys: Vec<Value> = status.keys.iter().enumerate().map(|(index, status)| key(index, status)).collect();
    json!({
        "target": id, "wire": wire, "model": model, "usable": view.usable, "usable_in_ms": view.usable_in.map(millis),
        "breaker": view.breaker, "samples": view.samples,
        "failure_rate": (view.samples > 0).then(|| f64::from(view.failure_rate_bp) / 10_000.0),
        "weight": f64::from(view.weight_bp) / 10_000.0, "ranking_latency_ms": view.latency.map(millis),
        "first_content_p50_ms": view.latency_p50.map(millis), "first_content_p95_ms": view.latency_p95.map(millis),
        "in_flight": view.in_flight, "queued": status.queued, "degraded": view.degraded,
        "disabled": view.disabled, "disabled_by": status.disabled_by, "cordoned": view.cordoned, "keys": keys,
        "started": counts.started, "served": counts.served, "cancelled": counts.cancelled, "failed": failed,
        "probes": counts.probes,
        "tokens": {"input": counts.usage.input, "output": counts.usage.output},
        "refused": counts.refused, "cost_usd": dollars(counts.cost), "cost_by_kind_usd": costs,
        "spent_usd": status.spent.map(dollars),
    })
}

/// Keys are identified by their position in the configuration, counted from 1, as in logs.
fn key(index: usize, status: &KeyStatus) -> Value {
    json!({
        "key": index + 1, "usable": status.usable, "usable_in_ms": status.usable_in.map(millis),
        "breaker": status.breaker, "disabled_by": status.disabled_by,
    })
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
