//! Shared by the tests: a client in front of servers that misbehave on request.
//!
//! Not a test. Invariant: real sockets, real wires, shipped code. The limits are the shipped ones too, except where the
//! fault under test is silence: a healthy server must be waited for, however slow the machine is.

mod log;
pub mod peer;
pub mod recorded;

pub use log::LogCapture;

use std::time::{Duration, Instant};

use hotspare::strategy::Strategy;
use hotspare::{
    AnswerLimit, BreakerConfig, Client, Endpoint, Limits, ModelProfile, RouteSpec, Rules, Sequential,
    anthropic, bedrock, gemini, openai,
};
use hotspare_chaos::{ChaosServer, Fault, Settings, WireFormat};

/// Lets real time pass where time itself is under test: how long a reader pauses, how long a connection is idle. Never
/// use it to wait for an event: wait for the event itself.
pub async fn pass_time(time: Duration) {
    let _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
}

/// Waits until this holds: a wait for an event has a bound, so that an event that never comes fails its test.
///
/// # Panics
/// If it does not hold within a minute.
pub async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(60), "within a minute, this did not happen: {what}");
        pass_time(Duration::from_millis(1)).await;
    }
}

/// A client and the servers behind it, in the order of its route.
#[derive(Debug)]
pub struct Rig {
    /// The client; its route is called `chat`, its targets `main`, `spare`, `third`.
    pub client: Client,
    /// The servers.
    pub servers: Vec<ChaosServer>,
}

/// Names of a rig's targets.
pub const NAMES: [&str; 3] = ["main", "spare", "third"];

/// Limits of a tenth of the shipped ones or less, to keep tests of silence short. A healthy server may exceed them if
/// the machine is slow, so a test with these limits may not depend on who serves.
#[must_use]
pub fn short_limits() -> Limits {
    let mut limits = Limits::default();
    limits.first_content = Duration::from_millis(300);
    limits.unstreamed = AnswerLimit::Fixed(Duration::from_millis(300));
    limits.gap = Duration::from_millis(300);
    limits.first_content_deadline = Duration::from_secs(10);
    limits.total = Duration::from_secs(20);
    limits
}

/// The limits for a test of this fault: short where only a limit reveals it, and else the shipped ones.
#[must_use]
pub fn limits_for(fault: Fault) -> Limits {
    match fault {
        Fault::OnlyPings
        | Fault::Silence
        | Fault::SlowDrip(_)
        | Fault::SlowFirstToken(_)
        | Fault::StallAfter(_) => short_limits(),
        _ => Limits::default(),
    }
}

impl Rig {
    /// A sequential route over servers of these wires.
    ///
    /// # Panics
    /// If a port cannot be bound.
    pub async fn sequential(wires: &[WireFormat]) -> Self {
        Self::limited(wires, Limits::default()).await
    }

    /// A sequential route with these limits over servers of these wires.
    ///
    /// # Panics
    /// If a port cannot be bound.
    pub async fn limited(wires: &[WireFormat], limits: Limits) -> Self {
        let names: Vec<&str> = NAMES[..wires.len()].to_vec();
        Self::with(wires, RouteSpec::new(Sequential::new(names)).limits(limits)).await
    }

    /// A route with this strategy over servers of these wires.
    ///
    /// # Panics
    /// If a port cannot be bound.
    pub async fn strategy(wires: &[WireFormat], strategy: impl Strategy + 'static) -> Self {
        Self::with(wires, RouteSpec::new(strategy)).await
    }

    /// A route over servers of these wires.
    ///
    /// # Panics
    /// If a port cannot be bound.
    #[expect(clippy::expect_used, reason = "tests panic on failure")]
    pub async fn with(wires: &[WireFormat], route: RouteSpec) -> Self {
        let mut servers = Vec::new();
        let mut builder = Client::builder().route("chat", route);
        for (name, wire) in NAMES.iter().zip(wires) {
            let server = ChaosServer::start(Settings::new(*wire)).await.expect("a loopback port");
            builder = builder.target(*name, endpoint(&server, *wire));
            servers.push(server);
        }
        let client = builder.build().expect("a valid client");
        Self { client, servers }
    }

    /// A sequential route over two servers with answers of 60 tokens, which continue an answer given as prefill or have
    /// to write all of it again. The main target stays in use however often it is cut.
    ///
    /// # Panics
    /// If a port cannot be bound.
    pub async fn continuing(wires: [WireFormat; 2], prefill: bool, rules: Rules) -> Self {
        Self::continuing_within(Limits::default(), wires, prefill, rules).await
    }

    /// The same with these limits.
    ///
    /// # Panics
    /// If a port cannot be bound.
    #[expect(clippy::expect_used, reason = "tests panic on failure")]
    pub async fn continuing_within(
        limits: Limits,
        wires: [WireFormat; 2],
        prefill: bool,
        rules: Rules,
    ) -> Self {
        let route = RouteSpec::new(Sequential::new(["main", "spare"])).limits(limits).rules(rules);
        let mut builder = Client::builder().route("chat", route);
        let mut servers = Vec::new();
        for (name, wire) in NAMES.iter().zip(wires) {
            let server = ChaosServer::start(Settings::new(wire).tokens(60)).await.expect("a loopback port");
            let mut profile = ModelProfile::default();
            profile.capabilities.assistant_prefill = Some(prefill);
            let target = endpoint(&server, wire).profile(profile).breaker(BreakerConfig::never());
            builder = builder.target(*name, target);
            servers.push(server);
        }
        let client = builder.build().expect("a valid client");
        Self { client, servers }
    }
}

/// A target for a server.
#[must_use]
pub fn endpoint(server: &ChaosServer, wire: WireFormat) -> Endpoint {
    let model = wire.model();
    match wire {
        WireFormat::Anthropic => anthropic::target(model).base_url(server.base_url()).into(),
        WireFormat::Gemini => gemini::target(model).base_url(server.base_url()).key(key()).into(),
        WireFormat::Responses => {
            openai::target(model).responses().base_url(server.base_url()).key(key()).into()
        }
        WireFormat::Bedrock => bedrock::target(model)
            .region("us-east-1")
            .base_url(server.base_url())
            .key(bedrock::access_key("AKIDEXAMPLE", "test-secret-key", None))
            .into(),
        WireFormat::DeepSeek => openai::deepseek(model).base_url(server.base_url()).key(key()).into(),
        _ => openai::target(model).base_url(server.base_url()).key(key()).into(),
    }
}

/// A key that looks real.
#[must_use]
pub fn key() -> hotspare::Key {
    hotspare::Key::from_secret(hotspare::Secret::new("sk-test-key"))
}
