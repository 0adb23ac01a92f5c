//! What an application prints: one line for each change, call, target and route, without prompts or keys.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hotspare::{
    ChatRequest, Client, Cost, Endpoint, Error, Kind, ModelProfile, Price, RouteSpec, Sequential, StartKind,
    Trail,
};
use hotspare_chaos::Scripted;

fn priced(provider: Scripted) -> Endpoint {
    let mut profile = ModelProfile::default();
    profile.price = Some(Price::micros_per_million(1_000_000, 2_000_000));
    Endpoint::custom(Arc::new(provider), "m").profile(profile)
}

#[tokio::test(start_paused = true)]
async fn changes_calls_and_statuses_are_one_line_each() {
    let failing = Scripted::new().fail(Error::new(Kind::Connect, "no route to the prompt"));
    let route = RouteSpec::new(Sequential::new(["main", "spare"]))
        .spend_limit(Cost::from_micros(1_000_000), Duration::from_secs(3600));
    let client = Client::builder()
        .target("main", priced(failing))
        .target("spare", priced(Scripted::new().text("hi").fail(Error::new(Kind::Auth, "wrong"))))
        .route("chat", route)
        .build()
        .unwrap();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let note = |prefix: &'static str| {
        let lines = Arc::clone(&lines);
        move |line: String| lines.lock().unwrap().push(format!("{prefix} {line}"))
    };
    let (breaker, service, call) = (note("breaker"), note("service"), note("call"));
    client.on_transition(move |change| breaker(change.to_string()));
    client.on_service_change(move |change| service(change.to_string()));
    client.on_call(move |report| call(report.to_string()));
    client.chat(ChatRequest::to("chat").user("a secret prompt")).await.unwrap();
    for _ in 0..3 {
        client.chat(ChatRequest::to("chat").user("a secret prompt")).await.unwrap_err();
    }
    let mut lines = lines.lock().unwrap().clone();
    lines.extend(client.targets().iter().map(|target| format!("target {target}")));
    lines.extend(client.routes().iter().map(|route| format!("route {route}")));
    let all = lines.join("\n");
    for (count, part) in [
        (1, "call chat: served by spare, 0 ms, 2 attempts, "),
        (3, "call chat: failed, "),
        (1, "breaker the provider of main: closed -> open, its calls failed too often"),
        (1, "service "),
        (1, ": out of service, the provider rejected the key, checked again in 600 s"),
        (1, "target main (m, scripted): breaker open, 4 started, 0 served, 4 failed, 0 cancelled, "),
        (1, "target spare (m, scripted): breaker closed, 2 started, 1 served, 1 failed, 0 cancelled, "),
        (1, "route chat: 0 of 2 targets usable (main, spare), 0.0"),
    ] {
        assert_eq!(all.matches(part).count(), count, "{part}:\n{all}");
    }
    assert!(!all.contains("prompt"), "{all}");
    assert!(lines.iter().all(|line| !line.contains('\n')), "{all}");
}

/// For dashboards, which should not have to read prose.
#[tokio::test(start_paused = true)]
async fn trail_names_the_part_that_each_attempt_plays() {
    let client = Client::builder()
        .target("main", priced(Scripted::new().status(500)))
        .target("spare", priced(Scripted::new().text("hi")))
        .route("chat", Sequential::new(["main", "spare"]))
        .build()
        .unwrap();
    let answer = client.chat(ChatRequest::to("chat").user("x")).await.unwrap();
    let starts: Vec<StartKind> = answer.trail.attempts.iter().map(|attempt| attempt.start).collect();
    assert_eq!(starts, [StartKind::First, StartKind::Retry, StartKind::Failover], "{}", answer.trail);
    let mut record = serde_json::to_value(&answer.trail).unwrap();
    assert_eq!(record["attempts"][2]["start"], "failover");
    // A record that was written before parts were recorded.
    record["attempts"][2].as_object_mut().unwrap().remove("start");
    let trail: Trail = serde_json::from_value(record).unwrap();
    assert_eq!(trail.attempts[2].start.to_string(), "first");
}
