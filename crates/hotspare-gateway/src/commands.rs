//! The commands of the `hotspare` program: what each does with its arguments.
//!
//! Not the server, the simulator or the demo, which it starts. Invariant: a command's results go to standard output and
//! everything else to standard error, and a failure is one message and exit code 1.

mod decode;
mod serve;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use hotspare::{ChatRequest, Client, Error, Event, Kind};
use hotspare_gateway::{Output, Setup};

use serve::exposed;

/// How long `check --live` waits for each reply.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run outages against embedded providers and watch failover; takes 30 s and needs no key or configuration.
    #[cfg(feature = "demo")]
    Demo {
        /// Address the gateway listens on.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: std::net::SocketAddr,
        /// Speed factor: 0.5 halves the length of each act.
        #[arg(long, default_value_t = 1.0, value_parser = pace)]
        pace: f64,
        /// Also record the screen to this file, as an animated SVG.
        #[arg(long)]
        record: Option<PathBuf>,
    },
    /// Serve routes over the OpenAI and Anthropic APIs.
    Serve {
        /// Configuration file [default: one route over the hosts whose `…_API_KEY` is set].
        #[arg(long)]
        config: Option<PathBuf>,
        /// Address to listen on, such as localhost:8080 [default: 127.0.0.1:8080, or as configured].
        #[arg(long)]
        listen: Option<String>,
        /// Allow an address that other machines can reach without client keys.
        #[arg(long)]
        insecure: bool,
        /// Serve the demo's embedded providers instead.
        #[cfg(feature = "demo")]
        #[arg(long, conflicts_with = "config")]
        embedded: bool,
    },
    /// Send one prompt and stream the answer; the attempts are listed on standard error.
    Chat {
        /// The prompt; `-` reads standard input.
        prompt: String,
        /// Configuration file.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Route or target.
        #[arg(long)]
        model: Option<String>,
    },
    /// Check a configuration and report every problem.
    Check {
        /// Configuration file.
        config: PathBuf,
        /// Also send one small request to every target with each of its keys.
        #[arg(long)]
        live: bool,
    },
    /// Simulate outages in virtual time, with a configuration or each scenario's own route.
    #[cfg(feature = "simulate")]
    Simulate(Box<hotspare_gateway::simulate::SimulateArgs>),
    /// Show which targets a request would try, in which order and why; sends nothing.
    Explain {
        /// Configuration file.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Route or target.
        #[arg(long)]
        model: Option<String>,
        /// The prompt.
        #[arg(default_value = "hello")]
        prompt: String,
    },
    /// Decode recorded replies to JSON Lines, one line per exchange, in order.
    #[command(after_help = decode::INPUT)]
    Decode {
        /// JSON Lines files with one recorded exchange per line; `-` reads standard input.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

impl Command {
    pub(crate) fn log_level(&self) -> &'static str {
        match self {
            Self::Serve { .. } => "hotspare=info,warn",
            _ => "error",
        }
    }

    pub(crate) async fn run(self) -> ExitCode {
        let result = match self {
            #[cfg(feature = "demo")]
            Self::Demo { listen, pace, record } => return demo(listen, pace, record).await,
            Self::Serve {
                config,
                listen,
                insecure,
                #[cfg(feature = "demo")]
                embedded,
            } => {
                #[cfg(feature = "demo")]
                if embedded {
                    return report(serve::serve_embedded(listen.as_deref(), insecure).await);
                }
                serve::serve(config.as_deref(), listen.as_deref(), insecure).await
            }
            Self::Chat { prompt, config, model } => chat(&prompt, config.as_deref(), model).await,
            Self::Check { config, live } => check(&config, live).await,
            #[cfg(feature = "simulate")]
            Self::Simulate(args) => {
                use hotspare_gateway::simulate::{PROGRAM_VARIABLE, program, simulate};
                simulate(&args, &program(std::env::var(PROGRAM_VARIABLE).ok()))
            }
            Self::Explain { config, model, prompt } => explain(config.as_deref(), model, &prompt),
            Self::Decode { files } => decode::decode(&files),
        };
        report(result)
    }
}

fn report(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => fail(&message),
    }
}

/// Reports an error.
pub(crate) fn fail(message: &str) -> ExitCode {
    note(&format!("hotspare: {message}"));
    ExitCode::FAILURE
}

/// Parses a speed factor within the supported range.
#[cfg(feature = "demo")]
fn pace(text: &str) -> Result<f64, String> {
    let pace = text.parse::<f64>().map_err(|error| error.to_string())?;
    if (0.05..=20.0).contains(&pace) { Ok(pace) } else { Err("it must be from 0.05 to 20".into()) }
}

#[cfg(feature = "demo")]
async fn demo(listen: std::net::SocketAddr, pace: f64, record: Option<PathBuf>) -> ExitCode {
    use std::io::IsTerminal;

    use hotspare_gateway::demo::{DemoOptions, run};
    let mut options = DemoOptions::default();
    options.listen = listen;
    options.pace = pace;
    options.live = std::io::stdout().is_terminal();
    options.record = record;
    match run(options).await {
        Ok(report) if report.lost == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => fail(&error.to_string()),
    }
}

fn setup(config: Option<&Path>) -> Result<Setup, String> {
    let setup = match config {
        Some(path) => Setup::from_file(path),
        None => Setup::from_env(),
    };
    setup.map_err(|error| error.to_string())
}

async fn chat(prompt: &str, config: Option<&Path>, model: Option<String>) -> Result<(), String> {
    let prompt = match prompt {
        "-" => {
            std::io::read_to_string(std::io::stdin()).map_err(|error| format!("standard input: {error}"))?
        }
        text => text.to_owned(),
    };
    if prompt.trim().is_empty() {
        return Err("the prompt is empty".into());
    }
    let client = setup(config)?.client;
    let model = model.or_else(|| client.names().into_iter().next()).unwrap_or_default();
    let failed = |error: &hotspare::Error| format!("{error}\n{}", error.trail());
    let mut stream =
        client.stream(ChatRequest::to(model).user(prompt)).await.map_err(|error| failed(&error))?;
    let mut out = Output::stdout();
    while let Some(event) = stream.next().await {
        match event.map_err(|error| failed(&error))? {
            Event::TextDelta(text) => out.print(&text),
            Event::Handover { from, to } => note(&format!("\n[{from} was cut off; {to} continues]")),
            _ => {}
        }
    }
    out.line("");
    note(&stream.trail().to_string());
    out.finish()
}

async fn check(path: &Path, live: bool) -> Result<(), String> {
    let setup = Setup::to_serve(path).map_err(|error| error.to_string())?;
    if let Some(why) = setup.listen.and_then(|listen| exposed(listen, &setup.options)) {
        note(&format!("note: {why}"));
    }
    match (setup.listen, setup.check_targets(setup.listen.unwrap_or(Setup::DEFAULT_LISTEN))) {
        (Some(_), Err(what)) => return Err(what),
        // It may be served with `--listen`.
        (None, Err(what)) => note(&format!("note: {what}")),
        (_, Ok(())) => {}
    }
    let client = setup.client;
    for name in routes(&client) {
        let explanation =
            client.explain(&ChatRequest::to(name).user("hello")).map_err(|error| error.to_string())?;
        if explanation.width > 1 {
            note(&format!(
                "route {} starts up to {} targets at once; each one is billed",
                explanation.route, explanation.width
            ));
        }
    }
    if let Err(wrong) = client.check_prompts() {
        return Err(wrong.join("\n"));
    }
    for lint in client.lint(Some(&today())) {
        note(&format!("note: {lint}"));
    }
    let mut out = Output::stdout();
    out.line(&format!("{}: no mistakes", path.display()));
    let answered = if live { check_keys(&client, &mut out).await } else { Ok(()) };
    answered.and(out.finish())
}

/// Sends one small request to every target with each of its keys, all at the same time.
async fn check_keys(client: &Client, out: &mut Output) -> Result<(), String> {
    let targets = client.targets();
    let checks = targets.iter().flat_map(|target| {
        (1..=target.keys.len().max(1)).map(move |key| async move {
            let name = match target.keys.len() {
                0 | 1 => target.id.to_string(),
                keys => format!("{} (key {key} of {keys})", target.id),
            };
            let failure = match tokio::time::timeout(CHECK_TIMEOUT, client.check_key(&target.id, key)).await {
                Ok(Ok(())) => None,
                Ok(Err(error)) if may_be_elsewhere(&error) => Some(format!("{error}; or base_url is wrong")),
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("no answer within {} s", CHECK_TIMEOUT.as_secs())),
            };
            (name, failure)
        })
    });
    let checked = futures::future::join_all(checks).await;
    for (name, failure) in &checked {
        out.line(&format!("{name}: {}", failure.as_deref().unwrap_or("answers")));
    }
    let failed = checked.iter().filter(|(_, failure)| failure.is_some()).count();
    verdict(failed, checked.len())
}

/// Whether a wrong `base_url` answers so: with a plain 404, with a 405 where a web server has only pages, or as for an
/// unknown model.
fn may_be_elsewhere(error: &Error) -> bool {
    error.kind() == Kind::ModelUnavailable || matches!(error.status(), Some(404 | 405))
}

/// The result of `check --live`. A check also fails if the provider replies with an error, and a target without keys is checked
/// once.
fn verdict(failed: usize, checks: usize) -> Result<(), String> {
    match (failed, checks) {
        (0, _) => Ok(()),
        (1, 1) => Err("the live check failed".into()),
        (failed, checks) => Err(format!("{failed} of {checks} live checks failed")),
    }
}

/// Today's date, such as `2026-11-25` (UTC).
fn today() -> String {
    let seconds =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    // Converts days to a date of the proleptic Gregorian calendar, in 400-year eras that begin on 1 March.
    let days = seconds / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    format!("{:04}-{month:02}-{date:02}", era * 400 + year + u64::from(month <= 2))
}

fn explain(config: Option<&Path>, model: Option<String>, prompt: &str) -> Result<(), String> {
    let client = setup(config)?.client;
    let mut out = Output::stdout();
    for model in model.map_or_else(|| routes(&client), |model| vec![model]) {
        let explanation =
            client.explain(&ChatRequest::to(model).user(prompt)).map_err(|error| error.to_string())?;
        out.line(&explanation.to_string());
    }
    out.finish()
}

/// All routes, without their further names.
fn routes(client: &Client) -> Vec<String> {
    client.names().into_iter().filter(|name| client.route_for(name) == Some(name)).collect()
}

fn note(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "{text}");
}

#[cfg(test)]
mod tests;
