//! What a broken main target adds to the time to first token.

use std::time::{Duration, Instant};

use hotspare::{ChatRequest, Client, Sequential};
use hotspare_chaos::{ChaosServer, Fault, Settings, WireFormat};

/// Runs the bench.
pub(crate) async fn run() {
    println!("time to first token in ms, added by a broken main target; 200 requests one after the other\n");
    println!(
        "{:<20}{:>10}{:>12}{:>12}{:>10}{:>12}",
        "main target", "first", "p50", "p99", "calls", "attempts"
    );
    let base = measure(None).await;
    for fault in [
        Fault::Refuse,
        Fault::Status(500),
        Fault::RateLimited(60),
        Fault::Silence,
        Fault::SlowFirstToken(Duration::from_secs(20)),
    ] {
        let case = measure(Some(fault)).await;
        let added = |at: usize| (case.times[at].as_secs_f64() - base.times[at].as_secs_f64()) * 1e3;
        println!(
            "{:<20}{:>10.1}{:>12.2}{:>12.2}{:>10}{:>12.3}",
            fault.to_string(),
            (case.first.as_secs_f64() - base.first.as_secs_f64()) * 1e3,
            added(100),
            added(198),
            case.calls,
            case.attempts,
        );
    }
}

struct Case {
    first: Duration,
    /// Sorted.
    times: Vec<Duration>,
    calls: u64,
    attempts: f64,
}

async fn measure(fault: Option<Fault>) -> Case {
    let servers = [
        ChaosServer::start(Settings::new(WireFormat::OpenAi)).await.expect("a loopback port"),
        ChaosServer::start(Settings::new(WireFormat::OpenAi)).await.expect("a loopback port"),
    ];
    let mut limits = hotspare::Limits::default();
    limits.first_content = Duration::from_millis(500);
    let route = hotspare::RouteSpec::new(Sequential::new(["main", "spare"])).limits(limits);
    let client = Client::builder()
        .target("main", hotspare_tests::endpoint(&servers[0], WireFormat::OpenAi))
        .target("spare", hotspare_tests::endpoint(&servers[1], WireFormat::OpenAi))
        .route("chat", route)
        .build()
        .expect("a valid client");
    let warm = if fault.is_some() { "spare" } else { "main" };
    client.chat(ChatRequest::to(warm).user("warm")).await.expect("an answer");
    servers[0].set_fault(fault).await;
    let before = servers[0].stats().requests;
    let mut times = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        let mut events = client.stream(ChatRequest::to("chat").user("x")).await.expect("a stream");
        times.push(begun.elapsed());
        while let Some(event) = events.next().await {
            event.expect("an event");
        }
    }
    let first = times[0];
    times.sort_unstable();
    let started: u64 = client.targets().iter().map(|target| target.counts.started).sum();
    Case { first, times, calls: servers[0].stats().requests - before, attempts: (started - 1) as f64 / 200.0 }
}
