//! Metrics: the requests of clients, the attempts at targets, and the targets' health.
//!
//! Invariant: names, states and counts only; labels are names of routes, targets and kinds, so that the configuration
//! bounds their number, regardless of what clients send.

use hotspare::{BreakerState, Cost, Kind, TargetStatus};

use super::exposition::Exposition;
use crate::gateway::Gateway;
use crate::logs;

/// All metrics.
pub(super) fn text(gateway: &Gateway) -> String {
    let mut page = Exposition::default();
    let version = env!("CARGO_PKG_VERSION");
    page.family("hotspare_build_info", "gauge", "The version that is running.")
        .sample(&[("version", version)], 1);
    callers(&mut page, gateway);
    let statuses = gateway.client.targets();
    attempts(&mut page, &statuses);
    health(&mut page, &statuses);
    let mut family = page.family(
        "hotspare_route_usable_targets",
        "gauge",
        "Targets of a route that would admit a request.",
    );
    for route in gateway.client.routes() {
        family.sample(&[("route", &route.name)], route.usable);
    }
    let suspected = u8::from(gateway.client.network_is_suspected());
    page.family(
        "hotspare_network_suspected",
        "gauge",
        "Whether no host is reachable, so that the local network is suspected.",
    )
    .sample(&[], suspected);
    page.family(
        "hotspare_log_lines_dropped_total",
        "counter",
        "Log lines dropped because standard error was blocked or failed.",
    )
    .sample(&[], logs::dropped());
    page.text()
}

/// Requests of clients.
fn callers(page: &mut Exposition, gateway: &Gateway) {
    let routes = gateway.traffic.routes();
    let mut family = page.family(
        "hotspare_requests_total",
        "counter",
        "Client requests by outcome: served, cancelled by the caller, caller_deadline, no_body_memory, shutting_down, too_many_connections, too_many_open_files, or the kind of the failure. The route is empty for requests rejected before routing.",
    );
    for (route, calls) in &routes {
        for (outcome, count) in &calls.outcomes {
            family.sample(&[("route", route), ("outcome", outcome)], count);
        }
    }
    let mut family = page.family(
        "hotspare_request_duration_seconds",
        "histogram",
        "Time from a request to the last byte of its answer, for served requests.",
    );
    for (route, calls) in routes.iter().filter(|(route, _)| !route.is_empty()) {
        family.histogram(&[("route", route)], &calls.duration);
    }
    let mut family = page.family(
        "hotspare_request_first_content_seconds",
        "histogram",
        "Time from a request to the first content of its stream, all attempts included.",
    );
    for (route, calls) in routes.iter().filter(|(route, _)| !route.is_empty()) {
        family.histogram(&[("route", route)], &calls.first_content);
    }
    page.family("hotspare_requests_in_flight", "gauge", "Client requests in flight.")
        .sample(&[], gateway.traffic.in_flight());
    page.family("hotspare_connections", "gauge", "Open client connections.")
        .sample(&[], gateway.traffic.connections());
    page.family("hotspare_max_connections", "gauge", "Maximum number of client connections.")
        .sample(&[], gateway.max_connections);
    page.family(
        "hotspare_body_memory_bytes",
        "gauge",
        "Memory reserved for request bodies in flight, at three times their size.",
    )
    .sample(&[], gateway.uploads.used());
    page.family("hotspare_max_body_memory_bytes", "gauge", "Maximum memory for request bodies.")
        .sample(&[], gateway.uploads.memory());
}

/// Attempts at targets.
fn attempts(page: &mut Exposition, statuses: &[TargetStatus]) {
    let mut family = page.family("hotspare_attempts_total", "counter", "Attempts by outcome.");
    for status in statuses {
        let (target, counts) = (status.id.as_str(), &status.counts);
        for (outcome, count) in [("served", counts.served), ("cancelled", counts.cancelled)] {
            family.sample(&[("target", target), ("outcome", outcome)], count);
        }
        for kind in Kind::ALL.iter().copied().filter(|kind| *kind != Kind::Cancelled) {
            let count = counts.failed.get(&kind).copied().unwrap_or(0);
            family.sample(&[("target", target), ("outcome", kind.as_str())], count);
        }
    }
    let mut family =
        page.family("hotspare_probes_total", "counter", "Background probes, which are not attempts.");
    for status in statuses {
        family.sample(&[("target", status.id.as_str())], status.counts.probes);
    }
    let mut family = page.family(
        "hotspare_attempt_first_content_seconds",
        "histogram",
        "Time from the start of an attempt to its first content.",
    );
    for status in statuses {
        family.histogram(&[("target", status.id.as_str())], &status.counts.first_content);
    }
    let mut family = page.family("hotspare_attempts_in_flight", "gauge", "Attempts and probes in flight.");
    for status in statuses {
        family.sample(&[("target", status.id.as_str())], status.view.in_flight);
    }
    let mut family = page.family("hotspare_target_queue_length", "gauge", "Calls queued for a target.");
    for status in statuses {
        family.sample(&[("target", status.id.as_str())], status.queued);
    }
    let mut family =
        page.family("hotspare_tokens_total", "counter", "Tokens, including losing and failed attempts.");
    for status in statuses {
        let usage = &status.counts.usage;
        for (direction, count) in [("input", usage.input), ("output", usage.output)] {
            family.sample(&[("target", status.id.as_str()), ("direction", direction)], count.unwrap_or(0));
        }
    }
    let mut family =
        page.family("hotspare_refusals_total", "counter", "Answers that were refused or filtered.");
    for status in statuses {
        family.sample(&[("target", status.id.as_str())], status.counts.refused);
    }
    let mut family = page.family("hotspare_cost_usd_total", "counter", "Cost at list price, by purpose.");
    for status in statuses {
        for (kind, cost) in &status.counts.costs {
            let labels = [("target", status.id.as_str()), ("kind", kind.as_str())];
            family.sample(&labels, format_args!("{:.6}", dollars(*cost)));
        }
    }
}

/// Health of the targets.
fn health(page: &mut Exposition, statuses: &[TargetStatus]) {
    let mut of_targets = |name, help, value: &dyn Fn(&TargetStatus) -> u8| {
        let mut family = page.family(name, "gauge", help);
        for status in statuses {
            family.sample(&[("target", status.id.as_str())], value(status));
        }
    };
    of_targets("hotspare_target_breaker_state", "0 closed, 1 half-open, 2 open.", &|status| match status
        .view
        .breaker
    {
        BreakerState::Closed => 0,
        BreakerState::HalfOpen => 1,
        BreakerState::Open => 2,
    });
    of_targets("hotspare_target_usable", "Whether a request would be admitted.", &|status| {
        status.view.usable.into()
    });
    of_targets(
        "hotspare_target_degraded",
        "Whether it is slower than usual and gets less traffic.",
        &|status| status.view.degraded.into(),
    );
    of_targets("hotspare_target_cordoned", "Whether an operator took it out of service.", &|status| {
        status.view.cordoned.into()
    });
    of_targets("hotspare_target_model_disabled", "Whether its model is unknown or retired.", &|status| {
        status.disabled_by.is_some().into()
    });
    let mut family = page.family(
        "hotspare_target_key_disabled",
        "gauge",
        "Whether a key, counted from 1, was rejected, may not use the model, or has no credit.",
    );
    for status in statuses {
        for (index, key) in status.keys.iter().enumerate() {
            let labels = [("target", status.id.as_str()), ("key", &(index + 1).to_string())];
            family.sample(&labels, u8::from(key.disabled_by.is_some()));
        }
    }
}

pub(super) fn dollars(cost: Cost) -> f64 {
    cost.micros() as f64 / 1e6
}
