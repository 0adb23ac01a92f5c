//! The demonstration: outages of one and of two out of three embedded providers, under live traffic.
//!
//! Real sockets and real wires, no key, no configuration: traffic goes over HTTP to a gateway, and from there to embedded
//! providers that speak three wires. A plain sequential loop gets the same traffic and the same faults for comparison.
//! Invariant: every figure is counted, not assumed; an answer counts only if its text is complete.

mod act;
mod event_log;
mod frame;
mod load;
mod recording;
mod screen;
mod terminal;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use hotspare::{
    AnswerLimit, BreakerConfig, Client, Endpoint, Key, Limits, ModelProfile, Price, RouteSpec, Secret,
    Sequential, anthropic, openai,
};
use hotspare_chaos::{ChaosServer, Settings, WireFormat};
use tokio::task::JoinSet;

use crate::output::{Output, OutputFile};
use crate::serve::{ServeOptions, listen_on, serve_on};
use act::ACTS;
use event_log::EventLog;
use frame::{Frame, Line, Style};
use load::{LoadGenerator, Score};
use recording::Recording;
use screen::Screen;
use terminal::{Input, Terminal};

/// The embedded providers: name, wire.
pub(crate) const PROVIDERS: [(&str, WireFormat); 3] =
    [("main", WireFormat::OpenAi), ("spare", WireFormat::Anthropic), ("third", WireFormat::DeepSeek)];

/// Outcome of a demonstration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Requests that Hotspare lost.
    pub lost: u64,
    /// Requests that it answered, samples included.
    pub answered: u64,
}

/// Options for a demonstration.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DemoOptions {
    /// Address the gateway listens on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Length of each act relative to its nominal length.
    pub pace: f64,
    /// Redraw a screen instead of printing lines.
    pub live: bool,
    /// Also record the screen to this file, as an animated SVG.
    pub record: Option<PathBuf>,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)), pace: 1.0, live: false, record: None }
    }
}

/// How far the demonstration has got.
#[derive(Clone, Copy, Debug)]
struct Progress {
    act: usize,
    passed: Duration,
    length: Duration,
}

/// The embedded providers.
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
        for (_, wire) in PROVIDERS {
            let settings =
                Settings::new(wire).pace(Duration::from_millis(40), Duration::from_millis(2)).tokens(24);
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
        // The providers are local and fast, so short limits suffice to detect lateness.
        limits.first_content = Duration::from_millis(400);
        limits.unstreamed = AnswerLimit::Fixed(Duration::from_millis(700));
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
        PROVIDERS.iter().zip(&self.servers).map(|((name, wire), server)| {
            let (model, url) = (wire.model(), server.base_url());
            let key = Key::from_secret(Secret::new("sk-embedded"));
            // Dollars per million tokens, as for real models of these hosts.
            let (endpoint, price) = match wire {
                WireFormat::Anthropic => (anthropic::target(model).base_url(url).into_any(), (3, 15)),
                WireFormat::DeepSeek => (openai::deepseek(model).base_url(url).key(key).into_any(), (1, 2)),
                _ => (openai::target(model).base_url(url).key(key).into_any(), (2, 10)),
            };
            let mut profile = ModelProfile::default();
            profile.price = Some(Price::micros_per_million(price.0 * 1_000_000, price.1 * 1_000_000));
            (*name, endpoint.profile(profile))
        })
    }
}

/// Runs the demonstration.
///
/// # Errors
/// If a port cannot be bound, the terminal cannot be switched, the output or the recording cannot be written, or the
/// embedded configuration is wrong.
pub async fn run(options: DemoOptions) -> Result<Report, Box<dyn std::error::Error + Send + Sync>> {
    let record = options.record.as_deref().map(|path| OutputFile::open(path, true)).transpose()?;
    let embedded = Embedded::start().await?;
    let client = embedded.client()?;
    let listener = listen_on(options.listen)?;
    let address = listener.local_addr()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = ServeOptions { drain_timeout: Duration::from_secs(2), ..ServeOptions::default() };
    let server = tokio::spawn(serve_on(
        listener,
        client.clone(),
        serving,
        futures::stream::once(async {
            let _ = stopped.await;
        }),
    ));
    let gateway_client = Client::builder()
        .target("gateway", openai::compatible(format!("http://{address}/v1"), "demo"))
        .build()?;
    let mut demo = Demo::new(embedded, client, gateway_client, address)?;
    let recording = demo.run_acts(&options).await?;
    let report = demo.finish(&options, record.zip(recording)).await?;
    let _ = stop.send(());
    server.await??;
    Ok(report)
}

/// All parts of the demonstration.
struct Demo {
    out: Output,
    embedded: Embedded,
    client: Client,
    plain_client: Client,
    expected: String,
    load: LoadGenerator,
    plain: LoadGenerator,
    event_log: EventLog,
    samples: JoinSet<()>,
    screen: Screen,
}

impl Demo {
    fn new(
        embedded: Embedded,
        client: Client,
        gateway_client: Client,
        address: SocketAddr,
    ) -> Result<Self, hotspare::Error> {
        let expected: String =
            embedded.servers.first().map(|server| server.settings().answer.concat()).unwrap_or_default();
        let plain_client = plain_client(&embedded)?;
        Ok(Self {
            out: Output::stdout(),
            load: LoadGenerator::through_gateway(gateway_client, expected.clone()),
            plain: LoadGenerator::plain_loop(plain_client.clone(), expected.clone()),
            event_log: EventLog::of(&client),
            samples: JoinSet::new(),
            screen: Screen::new(address),
            embedded,
            client,
            plain_client,
            expected,
        })
    }

    /// Plays all acts, or until the viewer quits.
    async fn run_acts(&mut self, options: &DemoOptions) -> io::Result<Option<Recording>> {
        let mut terminal = if options.live { Some(Terminal::open()?) } else { None };
        let mut recording = options.record.as_ref().map(|_| Recording::default());
        if terminal.is_none() {
            self.out.line(&format!(
                "hotspare demo: 3 embedded providers, real sockets\ntry it now:\n{}",
                self.screen.curl().join("\n")
            ));
        }
        let length: Duration = ACTS.iter().map(|act| act.length.mul_f64(options.pace)).sum();
        let started = tokio::time::Instant::now();
        let mut ends = started;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for (number, act) in ACTS.iter().enumerate() {
            act.apply(&self.embedded.servers).await;
            self.event_log.log(&format!("act {}/{}: {}", number + 1, ACTS.len(), act.title));
            ends += act.length.mul_f64(options.pace);
            let mut tick_count = 0u32;
            while started.elapsed() < ends - started {
                tick.tick().await;
                self.load.send_request();
                self.plain.send_request();
                if tick_count.is_multiple_of(SAMPLE) {
                    let sample = self.event_log.clone().sample(self.client.clone(), self.expected.clone());
                    self.samples.spawn(sample);
                }
                tick_count = tick_count.wrapping_add(1);
                let progress = Progress { act: number, passed: started.elapsed(), length };
                if !self.show(progress, tick_count, terminal.as_mut(), recording.as_mut()).await? {
                    return Ok(recording);
                }
            }
        }
        Ok(recording)
    }

    /// Draws the current state and handles keys. Returns false to quit.
    async fn show(
        &mut self,
        progress: Progress,
        tick_count: u32,
        terminal: Option<&mut Terminal>,
        recording: Option<&mut Recording>,
    ) -> io::Result<bool> {
        if (terminal.is_some() || recording.is_some()) && tick_count.is_multiple_of(4) {
            let [hotspare, plain] = self.scores();
            let targets = self.client.targets();
            let mut frame = self.screen.frame(progress, &targets, [&hotspare, &plain], &self.event_log);
            if let Some(recording) = recording {
                recording.keep(progress.passed, &frame);
            }
            if let Some(terminal) = &terminal {
                let inputs = terminal.poll_inputs();
                for input in inputs {
                    match input {
                        Input::Quit => return Ok(false),
                        Input::Key(key) => {
                            if let Some(message) = act::handle_key(key, &self.embedded.servers).await {
                                self.event_log.log(&message);
                            }
                        }
                    }
                }
            }
            if let Some(terminal) = terminal {
                screen::keys(&mut frame);
                terminal.draw(&frame)?;
                return Ok(true);
            }
        }
        if terminal.is_none() {
            self.event_log.unprinted().iter().for_each(|line| self.out.line(line));
        }
        Ok(true)
    }

    /// Both kinds of callers send the same requests. Samples are extra calls of Hotspare's client, so they count apart,
    /// except in what calls cost and which were wasted.
    fn scores(&self) -> [Score; 2] {
        let mut hotspare = self.load.score();
        let (cost, wasted) = spent(&self.client);
        hotspare.cost = cost;
        hotspare.wasted = wasted;
        let mut plain = self.plain.score();
        plain.cost = spent(&self.plain_client).0;
        [hotspare, plain]
    }

    /// Waits for all in-flight requests, and sums up.
    async fn finish(
        mut self,
        options: &DemoOptions,
        recording: Option<(OutputFile, Recording)>,
    ) -> Result<Report, Box<dyn std::error::Error + Send + Sync>> {
        for server in &self.embedded.servers {
            server.set_fault(None).await;
        }
        self.load.finish().await;
        self.plain.finish().await;
        while self.samples.join_next().await.is_some() {}
        let [hotspare, plain] = self.scores();
        let mut frame = Frame::default();
        frame.space();
        if let Some(splice) = self.event_log.splice() {
            screen::splice_lines(&mut frame, &splice);
            frame.space();
        }
        screen::scores(&mut frame, &hotspare, &plain);
        let samples = self.event_log.sample_score();
        screen::samples(&mut frame, &samples);
        for (name, score) in [("hotspare", &hotspare), ("plain loop", &plain), ("a sample was", &samples)] {
            for (reason, count) in &score.reasons {
                frame.push(Line::default().put(Style::Faint, format!("{name} lost {count}: {reason}")));
            }
        }
        frame.space();
        let (lost, asked) = (hotspare.lost + samples.lost, hotspare.asked + samples.asked);
        let verdict = match lost {
            0 => (Style::Good, format!("hotspare answered all {} requests.", hotspare.answered)),
            lost => (Style::Bad, format!("hotspare LOST {lost} of {asked} requests.")),
        };
        frame.push(Line::default().put(verdict.0, verdict.1));
        self.event_log.unprinted().iter().filter(|_| !options.live).for_each(|line| self.out.line(line));
        frame.0.iter().for_each(|line| self.out.line(&line.text()));
        if let Some((file, mut recording)) = recording {
            recording.close(frame);
            file.write(&recording.to_svg())?;
        }
        self.out.finish()?;
        Ok(Report { lost, answered: hotspare.answered + samples.answered })
    }
}

/// One in this many requests is also read word by word.
const SAMPLE: u32 = 5;

/// Interval between two requests of each kind.
const TICK: Duration = Duration::from_millis(50);

/// The cost of all calls as a multiple of those that served, and the number that did not serve.
fn spent(client: &Client) -> (Option<f64>, u64) {
    let (mut cost, mut wasted, mut calls) = (0, 0, 0);
    for target in client.targets() {
        cost += target.counts.cost.micros();
        wasted += target.counts.wasted().micros();
        calls += target.counts.cancelled + target.counts.failed.values().sum::<u64>();
    }
    let useful = cost - wasted;
    ((useful > 0).then(|| cost as f64 / useful as f64), calls)
}

/// The plain loop's client: targets in turn, one timeout for the whole answer, and no memory of failures.
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

#[cfg(test)]
mod tests;
