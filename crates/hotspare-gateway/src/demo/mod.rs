//! The demonstration: three providers that fail in turn, and traffic that does not notice.
//!
//! Real sockets and real wires, no key, no configuration: traffic goes over HTTP to a gateway, and from there to embedded
//! providers that speak three wires. Beside it, the sequential loop of the textbook meets the same traffic and the same
//! faults. Invariant: what is shown was counted, not assumed: an answer counts only if its text is whole.

mod act;
mod crowd;
mod screen;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hotspare::{
    BreakerConfig, Client, Endpoint, Key, Limits, RouteSpec, Secret, Sequential, anthropic, openai,
};
use hotspare_chaos::{ChaosServer, Settings, Speaks};
use tokio::net::TcpListener;

use crate::serve::{ServeOptions, serve_on};
use act::ACTS;
use crowd::Crowd;
use screen::Screen;

/// The embedded providers: name, wire.
pub(crate) const PROVIDERS: [(&str, Speaks); 3] =
    [("main", Speaks::OpenAi), ("spare", Speaks::Anthropic), ("third", Speaks::DeepSeek)];

/// How the demonstration went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Requests that Hotspare lost.
    pub lost: u64,
    /// Requests that it answered.
    pub answered: u64,
}

/// Options of a demonstration.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DemoOptions {
    /// Where the gateway listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Length of each act, as a share of its written length.
    pub pace: f64,
    /// Redraw a screen instead of printing lines.
    pub live: bool,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)), pace: 1.0, live: false }
    }
}

/// Providers that are part of the program.
#[derive(Debug)]
pub struct Embedded {
    /// The servers, in the order of [`Embedded::client`]'s route.
    pub servers: Vec<ChaosServer>,
}

impl Embedded {
    /// Starts three providers on free loopback ports.
    ///
    /// # Errors
    /// If a port cannot be bound.
    pub async fn start() -> io::Result<Self> {
        let mut servers = Vec::new();
        for (_, speaks) in PROVIDERS {
            let settings =
                Settings::new(speaks).pace(Duration::from_millis(40), Duration::from_millis(2)).tokens(24);
            servers.push(ChaosServer::start(settings).await?);
        }
        Ok(Self { servers })
    }

    /// A client with one route, `demo`, over the three.
    ///
    /// # Errors
    /// Never in practice: the configuration is fixed.
    pub fn client(&self) -> Result<Client, hotspare::Error> {
        let mut limits = Limits::default();
        // The providers are near and fast, so what is late here is late at once.
        limits.first_content = Duration::from_millis(400);
        limits.unstreamed = Duration::from_millis(700);
        limits.gap = Duration::from_millis(400);
        let route =
            RouteSpec::new(Sequential::new(["main", "spare", "third"])).limits(limits).answers_to(["*"]);
        let mut breaker = BreakerConfig::default();
        breaker.cooldown = Duration::from_secs(1);
        breaker.cooldown_cap = Duration::from_secs(2);
        self.endpoints()
            .fold(Client::builder(), |builder, (name, endpoint)| {
                builder.target(name, endpoint.breaker(breaker.clone()))
            })
            .route("demo", route)
            .build()
    }

    fn endpoints(&self) -> impl Iterator<Item = (&'static str, Endpoint)> {
        PROVIDERS.iter().zip(&self.servers).map(|((name, speaks), server)| {
            let (model, url) = (speaks.model(), server.base_url());
            let key = Key::given(Secret::new("sk-embedded"));
            let endpoint = match speaks {
                Speaks::Anthropic => anthropic::target(model).base_url(url).endpoint(),
                Speaks::DeepSeek => openai::deepseek(model).base_url(url).key(key),
                _ => openai::target(model).base_url(url).key(key),
            };
            (*name, endpoint)
        })
    }
}

/// Runs the demonstration.
///
/// # Errors
/// If a port cannot be bound, or the embedded configuration is wrong.
pub async fn run(options: DemoOptions) -> Result<Report, Box<dyn std::error::Error + Send + Sync>> {
    let embedded = Embedded::start().await?;
    let client = embedded.client()?;
    let listener = TcpListener::bind(options.listen).await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = ServeOptions { drain: Duration::from_secs(2), ..ServeOptions::default() };
    let server = tokio::spawn(serve_on(listener, client.clone(), serving, async {
        let _ = stopped.await;
    }));
    let expected: String = embedded.servers[0].settings().answer.concat();
    let front = Client::builder()
        .target("gateway", openai::compatible(format!("http://{address}/v1"), "demo"))
        .build()?;
    let crowd = Crowd::through_gateway(front, expected.clone());
    let plain = Crowd::plain_loop(plain_client(&embedded)?, expected);
    let mut screen = Screen::new(options.live, address);
    let length: Duration = ACTS.iter().map(|act| act.length.mul_f64(options.pace)).sum();
    let mut passed = Duration::ZERO;
    for (number, act) in ACTS.iter().enumerate() {
        act.apply(&embedded.servers).await;
        screen.act(number, act.title);
        let ends = tokio::time::Instant::now() + act.length.mul_f64(options.pace);
        while tokio::time::Instant::now() < ends {
            crowd.ask();
            plain.ask();
            let tick = Duration::from_millis(50);
            tokio::time::sleep(tick).await;
            passed += tick;
            screen.draw(passed, length, &client, &crowd.score(), &plain.score());
            for key in screen.keys() {
                act::press(key, &embedded.servers).await;
            }
        }
    }
    for server in &embedded.servers {
        server.set_fault(None).await;
    }
    // Everybody who asked is waited for.
    let mine = crowd.finish().await;
    let theirs = plain.finish().await;
    screen.summary(&client, &mine, &theirs);
    let _ = stop.send(());
    server.await??;
    Ok(Report { lost: mine.lost, answered: mine.answered })
}

/// The loop of the textbook: each target in turn, with a limit for the whole answer, and no memory.
fn plain_client(embedded: &Embedded) -> Result<Client, hotspare::Error> {
    let mut limits = Limits::default();
    limits.max_extra_starts = 0;
    let mut builder = Client::builder();
    for (name, endpoint) in embedded.endpoints() {
        let mut rules = hotspare::Rules::default();
        rules.on_cut = hotspare::OnCut::Terminate;
        let route = RouteSpec::new(Sequential::new([name])).limits(limits.clone()).rules(rules);
        builder = builder
            .target(name, endpoint.breaker(BreakerConfig::never()))
            .route(format!("only-{name}"), route);
    }
    builder.build()
}
