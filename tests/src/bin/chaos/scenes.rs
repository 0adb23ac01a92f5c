//! Outages with several steps, and marks of their own.
//!
//! Times are a tenth of real ones or less. Every scene uses the shipped engine on real sockets; it is judged by what
//! callers and providers see: answers lost, calls made, breakers opened, calls cancelled and costs recorded.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, join_all};
use hotspare::{
    BreakerConfig, BreakerState, ChatRequest, Client, Endpoint, Key, Limits, ModelProfile, Price, Race,
    ReasoningMode, RouteSpec, Scope, Secret, Sequential,
};
use hotspare_chaos::{ChaosServer, Fault, FaultPlan, Settings, WireFormat};
use hotspare_tests::{endpoint, short_limits};

mod blame;
mod connecting;
mod figures;

pub(crate) use figures::{Mark, Scene, show};
use figures::{at_most, exactly};

pub(crate) fn all() -> Vec<Scene> {
    fn scene(name: &'static str, what: &'static str, run: fn() -> BoxFuture<'static, Vec<Mark>>) -> Scene {
        Scene { name, what, run }
    }
    let mut scenes = blame::all();
    scenes.extend(connecting::all());
    scenes.extend([
        scene("unhinted-429", "429 without a time", || Box::pin(unhinted())),
        scene("odd-headers", "implausible rate-limit headers", || Box::pin(odd_headers())),
        scene("one-dead-key", "401 on one of two keys", || Box::pin(one_dead_key())),
        scene("retired", "the model is retired", || Box::pin(retired())),
        scene("invalid-requests", "a third of the requests are invalid", || Box::pin(invalid())),
        scene("caller-disconnects", "half of the callers disconnect early", || Box::pin(disconnects())),
        scene("hung-probes", "probes of a failing target hang", || Box::pin(hung_probes())),
        scene("long-streams", "long streams outlive an outage", || Box::pin(long_streams())),
        scene("low-traffic", "an outage at a request every 300 ms", || Box::pin(low_traffic())),
        scene("restart", "the process is new and the main target down", || Box::pin(restart())),
        scene("one-model", "one model of a host fails", || Box::pin(one_model())),
        scene("slow-reasoning", "a healthy model reasons for long", || Box::pin(slow_reasoning())),
        scene("slow-reader", "a caller that reads slowly", || Box::pin(slow_reader())),
        scene("five-limit-three", "five dead targets, at most three may be tried", || Box::pin(five())),
        scene("recovery", "the main target recovers", || Box::pin(recovery())),
        scene("race-losers", "a race: losers are cancelled and billed", || Box::pin(race_losers())),
    ]);
    scenes
}

/// A client, its servers, and how often a breaker opened.
struct Fixture {
    client: Client,
    servers: Vec<ChaosServer>,
    opened: Arc<AtomicU64>,
    /// Which breakers entered which states, in order.
    transitions: Arc<Mutex<Vec<(Scope, BreakerState)>>>,
}

impl Fixture {
    async fn new(
        settings: Vec<Settings>,
        limits: Limits,
        configure: impl Fn(usize, &ChaosServer, Endpoint) -> Endpoint,
    ) -> Self {
        let names: Vec<String> = (0..settings.len()).map(|index| format!("t{index}")).collect();
        let route = RouteSpec::new(Sequential::new(names.clone())).limits(limits);
        Self::with(settings, route, configure).await
    }

    async fn with(
        settings: Vec<Settings>,
        route: RouteSpec,
        configure: impl Fn(usize, &ChaosServer, Endpoint) -> Endpoint,
    ) -> Self {
        let mut builder = Client::builder().route("chat", route);
        let mut servers = Vec::new();
        for (index, settings) in settings.into_iter().enumerate() {
            let wire = settings.wire;
            let server = ChaosServer::start(settings).await.expect("a loopback port");
            let target = configure(index, &server, endpoint(&server, wire));
            builder = builder.target(format!("t{index}"), target);
            servers.push(server);
        }
        let client = builder.build().expect("a valid client");
        let (opened, transitions) = (Arc::<AtomicU64>::default(), Arc::<Mutex<Vec<_>>>::default());
        let listeners = (Arc::clone(&opened), Arc::clone(&transitions));
        client.on_transition(move |change| {
            listeners.1.lock().unwrap_or_else(PoisonError::into_inner).push((change.scope, change.to));
            if change.to == BreakerState::Open {
                listeners.0.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { client, servers, opened, transitions }
    }

    async fn plain(targets: usize) -> Self {
        let settings = vec![Settings::new(WireFormat::OpenAi); targets];
        Self::new(settings, short_limits(), |_, _, target| target).await
    }

    fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// The scopes whose breakers entered this state, in order.
    fn entered(&self, state: BreakerState) -> Vec<Scope> {
        let transitions = self.transitions.lock().unwrap_or_else(PoisonError::into_inner);
        transitions.iter().filter(|(_, entered)| *entered == state).map(|(scope, _)| *scope).collect()
    }

    fn served(&self, target: usize) -> u64 {
        self.client.targets()[target].counts.served
    }

    fn started(&self) -> u64 {
        self.client.targets().iter().map(|target| target.counts.started).sum()
    }

    /// Sends sequential requests; returns how many were lost.
    async fn send_requests(&self, requests: u64, pause: Duration) -> u64 {
        let mut lost = 0;
        for _ in 0..requests {
            lost += u64::from(self.client.chat(hello()).await.is_err());
            tokio::time::sleep(pause).await;
        }
        lost
    }
}

fn hello() -> ChatRequest {
    ChatRequest::to("chat").user("what happened?")
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A breaker with short times.
fn fast_breaker() -> BreakerConfig {
    let mut breaker = BreakerConfig::default();
    breaker.cooldown = ms(500);
    breaker.cooldown_cap = ms(1_500);
    breaker.lease = ms(500);
    breaker.window = Duration::from_secs(3);
    breaker.ramp = ms(1_000);
    breaker
}

async fn unhinted() -> Vec<Mark> {
    let rig = Fixture::plain(2).await;
    rig.servers[0].set_fault(Some(Fault::RateLimited(0))).await;
    let lost = rig.send_requests(100, ms(10)).await;
    vec![
        exactly("lost", lost, 0),
        at_most("calls to the limited key", rig.servers[0].stats().requests, 3),
        exactly("opened", rig.opened(), 0),
    ]
}

async fn odd_headers() -> Vec<Mark> {
    let odd = Settings::new(WireFormat::OpenAi)
        .header("x-ratelimit-limit-requests", "0")
        .header("x-ratelimit-remaining-requests", "-1")
        .header("x-ratelimit-limit-tokens", "100")
        .header("x-ratelimit-remaining-tokens", "100")
        .header("x-ratelimit-reset-tokens", "1000000000s")
        .header("retry-after", "Thu, 01 Jan 1970 00:00:00 GMT");
    let settings = vec![odd, Settings::new(WireFormat::OpenAi)];
    let rig = Fixture::new(settings, short_limits(), |_, _, target| target).await;
    let lost = rig.send_requests(50, ms(5)).await;
    vec![exactly("lost", lost, 0), Mark { what: "served by main", got: rig.served(0), least: 45, most: 50 }]
}

async fn one_dead_key() -> Vec<Mark> {
    let settings =
        vec![Settings::new(WireFormat::OpenAi).key("sk-good-key"), Settings::new(WireFormat::OpenAi)];
    let rig = Fixture::new(settings, short_limits(), |index, server, target| {
        let key = |text: &str| Key::from_secret(Secret::new(text));
        match index {
            0 => hotspare::openai::target("m")
                .base_url(server.base_url())
                .key(key("sk-dead-key"))
                .key(key("sk-good-key"))
                .into(),
            _ => target,
        }
    })
    .await;
    let calls = join_all((0..20).map(|_| rig.client.chat(hello()))).await;
    let lost = calls.iter().filter(|call| call.is_err()).count() as u64 + rig.send_requests(40, ms(5)).await;
    vec![
        exactly("lost", lost, 0),
        exactly("served by main", rig.served(0), 60),
        at_most("calls with the dead key", rig.started() - 60, 20),
        exactly("opened", rig.opened(), 0),
    ]
}

async fn retired() -> Vec<Mark> {
    let rig = Fixture::plain(2).await;
    rig.servers[0].set_fault(Some(Fault::Status(404))).await;
    let lost = rig.send_requests(60, ms(5)).await;
    vec![
        exactly("lost", lost, 0),
        exactly("calls to main", rig.servers[0].stats().requests, 1),
        exactly("served by the spare", rig.served(1), 60),
    ]
}

async fn invalid() -> Vec<Mark> {
    let rig = Fixture::plain(2).await;
    rig.servers[0].set_plan(FaultPlan::seeded(7).share(Fault::Status(400), 3_000));
    let refused = rig.send_requests(200, ms(1)).await;
    vec![
        Mark { what: "refused", got: refused, least: 30, most: 90 },
        exactly("attempts", rig.started(), 200),
        exactly("served by main", rig.served(0), 200 - refused),
        exactly("opened", rig.opened(), 0),
    ]
}

async fn disconnects() -> Vec<Mark> {
    let settings = vec![Settings::new(WireFormat::OpenAi).pace(ms(1_500), Duration::ZERO); 2];
    let rig = Fixture::new(settings, Limits::default(), |_, _, target| target).await;
    let calls = (0..60).map(|number| {
        let client = rig.client.clone();
        async move {
            let call = client.chat(hello());
            if number % 2 == 0 {
                return tokio::time::timeout(ms(500), call).await.is_err();
            }
            call.await.is_ok()
        }
    });
    let as_wished = join_all(calls).await.into_iter().filter(|done| *done).count() as u64;
    // Callers leave by dropping the call; the time until the provider notices is measured from the last one.
    let left = Instant::now();
    while rig.servers[0].stats().cancelled < 30 && left.elapsed() < ms(2_000) {
        tokio::time::sleep(ms(1)).await;
    }
    let in_flight: u32 = rig.client.targets().iter().map(|target| target.view.in_flight).sum();
    vec![
        exactly("served or left", as_wished, 60),
        exactly("cancelled upstream", rig.servers[0].stats().cancelled, 30),
        exactly("permits out", u64::from(in_flight), 0),
        exactly("opened", rig.opened(), 0),
    ]
}

async fn hung_probes() -> Vec<Mark> {
    let settings = vec![Settings::new(WireFormat::OpenAi); 2];
    let rig = Fixture::new(settings, short_limits(), |_, _, target| target.breaker(fast_breaker())).await;
    rig.servers[0].set_fault(Some(Fault::Status(503))).await;
    let mut lost = rig.send_requests(12, ms(5)).await;
    rig.servers[0].set_fault(Some(Fault::Silence)).await;
    lost += rig.send_requests(40, ms(50)).await;
    rig.servers[0].set_fault(None).await;
    let before = rig.served(0);
    lost += rig.send_requests(80, ms(50)).await;
    vec![
        exactly("lost", lost, 0),
        Mark { what: "opened", got: rig.opened(), least: 1, most: 6 },
        Mark {
            what: "served by main in 4 s after its return",
            got: rig.served(0) - before,
            least: 30,
            most: 80,
        },
    ]
}

async fn long_streams() -> Vec<Mark> {
    let long = Settings::new(WireFormat::OpenAi).tokens(40).pace(Duration::ZERO, ms(50));
    let settings = vec![long, Settings::new(WireFormat::OpenAi)];
    let rig = Fixture::new(settings, short_limits(), |_, _, target| {
        let mut breaker = fast_breaker();
        // No probe falls within the outage, so only earlier calls could close the breaker.
        breaker.cooldown = Duration::from_secs(8);
        breaker.cooldown_cap = Duration::from_secs(8);
        target.breaker(breaker)
    })
    .await;
    let streams = join_all((0..20).map(|_| rig.client.stream(hello()))).await;
    rig.servers[0].set_fault(Some(Fault::Status(503))).await;
    let mut lost = rig.send_requests(20, ms(5)).await;
    let whole = streams.into_iter().map(|stream| async {
        let Ok(mut stream) = stream else { return false };
        while let Some(event) = stream.next().await {
            if event.is_err() {
                return false;
            }
        }
        true
    });
    lost += join_all(whole).await.into_iter().filter(|whole| !whole).count() as u64;
    let closed = rig.entered(BreakerState::Closed).len() as u64;
    vec![
        exactly("lost", lost, 0),
        exactly("opened", rig.opened(), 1),
        exactly("closed by calls that began before", closed, 0),
    ]
}

async fn low_traffic() -> Vec<Mark> {
    let mut marks = Vec::new();
    for (what, fault, most) in [
        ("calls to main until it opens (500)", Fault::Status(500), 7),
        ("calls to main until it opens (503)", Fault::Status(503), 4),
        ("calls to main until it opens (silence)", Fault::Silence, 7),
    ] {
        let settings = vec![Settings::new(WireFormat::OpenAi); 2];
        let rig = Fixture::new(settings, short_limits(), |_, _, target| {
            let mut breaker = BreakerConfig::evidence();
            breaker.cooldown = Duration::from_secs(10);
            breaker.cooldown_cap = Duration::from_secs(10);
            target.breaker(breaker)
        })
        .await;
        rig.servers[0].set_fault(Some(fault)).await;
        let lost = rig.send_requests(12, ms(300)).await;
        marks.push(exactly("lost", lost, 0));
        marks.push(at_most(what, rig.servers[0].stats().requests, most));
        marks.push(exactly("opened", rig.opened(), 1));
    }
    marks
}

async fn restart() -> Vec<Mark> {
    let (mut lost, mut calls) = (0, 0);
    for _ in 0..3 {
        let rig = Fixture::plain(2).await;
        rig.servers[0].set_fault(Some(Fault::Status(500))).await;
        lost += rig.send_requests(20, ms(2)).await;
        calls = calls.max(rig.servers[0].stats().requests);
    }
    vec![exactly("lost", lost, 0), at_most("calls to main by each process", calls, 11)]
}

async fn one_model() -> Vec<Mark> {
    let settings = vec![Settings::new(WireFormat::OpenAi); 3];
    let rig = Fixture::new(settings, short_limits(), |index, _, target| match index {
        0 | 2 => target.health_group("https://one.host"),
        _ => target,
    })
    .await;
    // The third target is another model on the first one's host.
    rig.servers[0].set_fault(Some(Fault::StallAfter(0))).await;
    let lost = rig.send_requests(15, ms(5)).await;
    let mut other = 0;
    for _ in 0..50 {
        other += u64::from(rig.client.chat(ChatRequest::to("t2").user("hi")).await.is_ok());
    }
    let targets = rig.client.targets();
    let closed = u64::from(targets[2].view.breaker == BreakerState::Closed);
    vec![
        exactly("lost", lost, 0),
        exactly("served by the other model", other, 50),
        exactly("its breaker is closed", closed, 1),
    ]
}

async fn slow_reasoning() -> Vec<Mark> {
    let mut limits = short_limits();
    // A fiftieth of the shipped limit of 90 s.
    limits.first_content_reasoning = ms(1_800);
    limits.first_content_deadline = Duration::from_secs(10);
    let mut opened = 0;
    let mut lost = 0;
    for first in [400, 900, 1_500] {
        let thinks = Settings::new(WireFormat::OpenAi).pace(ms(first), Duration::ZERO);
        let rig = Fixture::new(vec![thinks.clone(), thinks], limits.clone(), |_, _, target| {
            let mut profile = ModelProfile::default();
            profile.capabilities.reasoning = Some(ReasoningMode::ByDefault);
            target.profile(profile)
        })
        .await;
        for _ in 0..3 {
            let calls = (0..20).map(|_| async {
                let Ok(mut stream) = rig.client.stream(hello()).await else { return false };
                while let Some(event) = stream.next().await {
                    if event.is_err() {
                        return false;
                    }
                }
                true
            });
            lost += join_all(calls).await.into_iter().filter(|whole| !whole).count() as u64;
        }
        opened += rig.opened();
    }
    vec![exactly("lost", lost, 0), exactly("opened", opened, 0)]
}

async fn slow_reader() -> Vec<Mark> {
    let rig = Fixture::new(
        vec![Settings::new(WireFormat::OpenAi).tokens(30).pace(Duration::ZERO, ms(20)); 2],
        short_limits(),
        |_, _, target| target,
    )
    .await;
    let mut stream = rig.client.stream(hello()).await.expect("a stream");
    let (mut text, mut pieces) = (String::new(), 0);
    while let Some(event) = stream.next().await {
        if let Ok(hotspare::Event::TextDelta(piece)) = event {
            text.push_str(&piece);
            pieces += 1;
            if pieces % 10 == 0 {
                tokio::time::sleep(ms(900)).await;
            }
        }
    }
    let whole = u64::from(text == rig.servers[0].settings().answer.concat());
    vec![
        exactly("whole", whole, 1),
        exactly("attempts", rig.started(), 1),
        exactly("opened", rig.opened(), 0),
    ]
}

async fn five() -> Vec<Mark> {
    let mut limits = short_limits();
    limits.max_targets = Some(3);
    let rig = Fixture::new(vec![Settings::new(WireFormat::OpenAi); 5], limits, |_, _, target| target).await;
    for server in &rig.servers {
        server.set_fault(Some(Fault::Status(503))).await;
    }
    let error = rig.client.chat(hello()).await.expect_err("all are down");
    let tried = error.trail().attempts.len() as u64;
    vec![exactly("targets tried", tried, 3)]
}

async fn recovery() -> Vec<Mark> {
    let settings = vec![Settings::new(WireFormat::OpenAi); 2];
    let rig = Fixture::new(settings, short_limits(), |_, _, target| target.breaker(fast_breaker())).await;
    rig.servers[0].kill().await;
    let mut lost = rig.send_requests(15, ms(400)).await;
    rig.servers[0].restore().await;
    let back = Instant::now();
    let before = rig.served(0);
    while rig.served(0) == before && back.elapsed() < Duration::from_secs(10) {
        lost += rig.send_requests(1, ms(400)).await;
    }
    let took = u64::try_from(back.elapsed().as_millis()).unwrap_or(u64::MAX);
    vec![
        exactly("lost", lost, 0),
        at_most("ms until main serves again, at a request every 400 ms", took, 3_000),
    ]
}

async fn race_losers() -> Vec<Mark> {
    let fast = Settings::new(WireFormat::OpenAi).pace(ms(20), Duration::ZERO);
    let slow = Settings::new(WireFormat::OpenAi).pace(Duration::ZERO, ms(400));
    let route = RouteSpec::new(Race::new(["t0", "t1"])).limits(Limits::default());
    let rig = Fixture::with(vec![fast, slow.pace(ms(5_000), Duration::ZERO)], route, |_, _, target| {
        let mut profile = ModelProfile::default();
        profile.price = Some(Price::micros_per_million(1_000_000, 2_000_000));
        target.profile(profile)
    })
    .await;
    let (mut times, mut lost) = (Vec::new(), 0);
    for number in 1..=20 {
        lost += u64::from(rig.client.chat(hello()).await.is_err());
        let over = Instant::now();
        while rig.servers[1].stats().cancelled < number && over.elapsed() < ms(1_000) {
            tokio::time::sleep(ms(1)).await;
        }
        times.push(over.elapsed());
    }
    times.sort_unstable();
    // The slowest of twenty measures the machine.
    let median = u64::try_from(times[times.len() / 2].as_millis()).unwrap_or(u64::MAX);
    let targets = rig.client.targets();
    vec![
        exactly("lost", lost, 0),
        exactly("losers cancelled", targets[1].counts.cancelled, 20),
        at_most("ms until the provider saw it, median", median, 50),
        exactly("opened", rig.opened(), 0),
    ]
}
