//! What a broken main target adds to the time to first token, and how many calls it takes to avoid it.
//!
//! Calls are counted by the client: a server that refuses connections cannot count them. Each case is judged by the
//! goals below; a verdict is printed, not enforced, because times depend on the machine.

use std::time::{Duration, Instant};

use hotspare::{BreakerState, ChatRequest, Client, Sequential};
use hotspare_chaos::{ChaosServer, Fault, Settings, WireFormat};

/// First requests of a new client, each beside a healthy one.
const FIRST: usize = 50;

/// Requests after the main target is avoided, each beside one sent to the spare directly.
const STEADY: usize = 200;

/// Requests within which the main target has to be avoided.
const MOST: usize = 200;

/// The goal: calls that the main target gets before it is avoided.
const GOAL_CALLS: u64 = 3;

/// The goal: what the route adds, in ms at the median, to calling the spare directly once the main target is avoided.
const GOAL_STEADY: f64 = 1.0;

/// Runs the bench.
pub(crate) async fn run() {
    println!(
        "time to first token in ms, added by a broken main target: to the first request of a new client ({FIRST} of them),\n\
         and once the target is avoided ({STEADY} requests beside as many to the spare itself)\n\
         goal: at most {GOAL_CALLS} calls until it is avoided; then within {GOAL_STEADY} ms of the spare at the median\n"
    );
    println!(
        "{:<24}{:>10}{:>10}{:>8}{:>8}{:>12}{:>12}  verdict",
        "main target", "first p50", "first p99", "calls", "later", "steady p50", "steady p99"
    );
    for fault in [
        Fault::Refuse,
        Fault::Status(500),
        Fault::RateLimited(60),
        Fault::Silence,
        Fault::SlowFirstToken(Duration::from_secs(20)),
    ] {
        let case = measure(fault).await;
        println!(
            "{:<24}{:>10.1}{:>10.1}{:>8}{:>8}{:>12.2}{:>12.2}  {}",
            fault.to_string(),
            percentile(&case.first, 50),
            percentile(&case.first, 99),
            case.calls,
            case.later,
            percentile(&case.steady, 50),
            percentile(&case.steady, 99),
            case.verdict(),
        );
    }
}

/// What a fault does. Times are in ms, each the difference of two requests, sorted.
struct Case {
    /// First requests of new clients.
    first: Vec<f64>,
    /// Calls to the main target until it was avoided.
    calls: u64,
    /// Calls and probes that it got later.
    later: u64,
    /// Requests once it was avoided; empty if it never was.
    steady: Vec<f64>,
}

impl Case {
    fn verdict(&self) -> String {
        let mut missed = Vec::new();
        if self.steady.is_empty() {
            missed.push("never avoided".to_owned());
        }
        if self.calls > GOAL_CALLS {
            missed.push(format!("{} calls", self.calls));
        }
        if percentile(&self.steady, 50) > GOAL_STEADY {
            missed.push("steady p50".to_owned());
        }
        if missed.is_empty() { "met".to_owned() } else { format!("MISSED: {}", missed.join(", ")) }
    }
}

fn percentile(sorted: &[f64], percent: usize) -> f64 {
    sorted.get(sorted.len() * percent / 100).copied().unwrap_or(0.0)
}

async fn measure(fault: Fault) -> Case {
    let mut first = Vec::new();
    for _ in 0..FIRST {
        let (broken, _broken_servers) = start(Some(fault)).await;
        let (healthy, _healthy_servers) = start(None).await;
        first.push(first_token(&broken, "chat").await - first_token(&healthy, "chat").await);
    }
    let (client, _servers) = start(Some(fault)).await;
    let main = || client.targets().swap_remove(0);
    let is_avoided = || main().view.breaker == BreakerState::Open || !main().view.usable;
    let mut requests = 0;
    while !is_avoided() && requests < MOST {
        first_token(&client, "chat").await;
        requests += 1;
    }
    let calls = main().counts.started;
    let mut steady = Vec::new();
    if is_avoided() {
        for _ in 0..STEADY {
            steady.push(first_token(&client, "chat").await - first_token(&client, "spare").await);
        }
    }
    let counts = main().counts;
    first.sort_unstable_by(f64::total_cmp);
    steady.sort_unstable_by(f64::total_cmp);
    Case { first, calls, later: counts.started - calls + counts.probes, steady }
}

/// A client with a warm connection to the target that will serve.
async fn start(fault: Option<Fault>) -> (Client, [ChaosServer; 2]) {
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
    (client, servers)
}

/// Sends a streamed request, reads all of it, and returns the time to its first token in ms.
async fn first_token(client: &Client, model: &str) -> f64 {
    let begun = Instant::now();
    let mut events = client.stream(ChatRequest::to(model).user("x")).await.expect("a stream");
    let first = begun.elapsed().as_secs_f64() * 1e3;
    while let Some(event) = events.next().await {
        event.expect("an event");
    }
    first
}
