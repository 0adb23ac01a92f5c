//! `cargo xtask bench`: what Hotspare costs, as ratios within one run.
//!
//! `overhead` sends the same requests to the same loopback server through bare reqwest with typed serde, and through
//! `Client::chat` and `Client::stream` with a spare standing by: instructions per request (callgrind, where valgrind is
//! installed) and time. `gateway` compares CPU per request of the gateway with a proxy that only copies bytes. `failover`
//! measures what a broken main target adds. Absolute times are this machine's; the ratios
//! are what to look at.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    reason = "a bench that cannot go on says so"
)]

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use futures::StreamExt;
use hotspare::{ChatRequest, Client, Event, Sequential};
use hotspare_chaos::{ChaosServer, Fault, Settings, Speaks};
use serde::{Deserialize, Serialize};

const TOKENS: usize = 200;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["server", tokens] => serve(tokens.parse().unwrap_or(TOKENS)).await,
        ["client", mode, count, url] => client(mode, count.parse().unwrap_or(1), url).await,
        ["overhead"] => overhead().await,
        ["failover"] => failover().await,
        ["gateway"] => gateway().await,
        ["gateway-child", url] => gateway_child(url).await,
        ["proxy-child", url] => proxy_child(url).await,
        _ => {
            eprintln!("cargo xtask bench overhead|failover|gateway");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// The server that all clients of a run talk to; it ends with its parent's pipe.
async fn serve(tokens: usize) {
    let server =
        ChaosServer::start(Settings::new(Speaks::OpenAi).tokens(tokens)).await.expect("a loopback port");
    println!("{}", server.base_url());
    until_closed().await;
    drop(server);
}

async fn client(mode: &str, count: u32, url: &str) {
    match mode {
        "bare-json" | "bare-stream" => {
            let http = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build().expect("a client");
            for _ in 0..count {
                let length = if mode == "bare-json" {
                    bare_json(&http, url).await
                } else {
                    bare_stream(&http, url).await
                };
                assert!(length > 0);
            }
        }
        _ => {
            let client = hotspare(url);
            for _ in 0..count {
                let request = ChatRequest::to("chat").user("what happened?");
                let length = if mode == "hotspare-json" {
                    client.chat(request).await.expect("an answer").text().len()
                } else {
                    stream(&client, request).await
                };
                assert!(length > 0);
            }
        }
    }
}

fn hotspare(url: &str) -> Client {
    let key = || hotspare::Key::given(hotspare::Secret::new("sk-bench"));
    Client::builder()
        .target("main", hotspare::openai::target("gpt-demo").base_url(url).key(key()))
        .target("spare", hotspare::openai::target("gpt-spare").base_url("http://127.0.0.1:9/v1").key(key()))
        .route("chat", Sequential::new(["main", "spare"]))
        .build()
        .expect("a valid client")
}

async fn stream(client: &Client, request: ChatRequest) -> usize {
    let mut events = client.stream(request).await.expect("a stream");
    let mut length = 0;
    while let Some(event) = events.next().await {
        if let Event::TextDelta(text) = event.expect("an event") {
            length += text.len();
        }
    }
    length
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: [Turn<'a>; 1],
    stream: bool,
}

#[derive(Serialize)]
struct Turn<'a> {
    role: &'a str,
    content: &'a str,
}

#[derive(Deserialize)]
struct Reply {
    #[expect(dead_code, reason = "a typed client parses what it may need")]
    id: String,
    #[expect(dead_code, reason = "a typed client parses what it may need")]
    model: String,
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(alias = "message")]
    delta: Delta,
    #[expect(dead_code, reason = "a typed client parses what it may need")]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
}

fn bare(http: &reqwest::Client, url: &str, stream: bool) -> reqwest::RequestBuilder {
    let body =
        Body { model: "gpt-demo", messages: [Turn { role: "user", content: "what happened?" }], stream };
    http.post(format!("{url}/chat/completions"))
        .header("content-type", "application/json")
        .header("authorization", "Bearer sk-bench")
        .body(serde_json::to_vec(&body).expect("JSON"))
}

async fn bare_json(http: &reqwest::Client, url: &str) -> usize {
    let bytes = bare(http, url, false).send().await.expect("a reply").bytes().await.expect("a body");
    let reply: Reply = serde_json::from_slice(&bytes).expect("JSON");
    reply.choices[0].delta.content.as_ref().map_or(0, String::len)
}

async fn bare_stream(http: &reqwest::Client, url: &str) -> usize {
    let mut body = bare(http, url, true).send().await.expect("a reply").bytes_stream();
    let (mut buffer, mut length) = (Vec::new(), 0);
    while let Some(piece) = body.next().await {
        buffer.extend_from_slice(&piece.expect("a piece"));
        let mut from = 0;
        while let Some(end) = buffer[from..].windows(2).position(|window| window == b"\n\n") {
            let frame = &buffer[from..from + end];
            from += end + 2;
            if let Some(data) = frame.strip_prefix(b"data: ").filter(|data| *data != b"[DONE]") {
                let reply: Reply = serde_json::from_slice(data).expect("JSON");
                length += reply
                    .choices
                    .first()
                    .and_then(|choice| choice.delta.content.as_ref())
                    .map_or(0, String::len);
            }
        }
        buffer.drain(..from);
    }
    length
}

/// This program in another role, until it is dropped.
struct Child {
    process: std::process::Child,
    url: String,
}

impl Child {
    fn start(args: &[&str]) -> Self {
        let me = std::env::current_exe().expect("this program");
        let mut process = Command::new(me)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut url = String::new();
        let mut out = std::io::BufReader::new(process.stdout.take().expect("a pipe"));
        std::io::BufRead::read_line(&mut out, &mut url).expect("an address");
        Self { process, url: url.trim().to_owned() }
    }

    /// CPU time so far, in hundredths of a second.
    fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        number(11) + number(12)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Runs until the parent closes the pipe.
async fn until_closed() {
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await;
}

async fn gateway_child(url: &str) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    println!("http://{}/v1", listener.local_addr().expect("an address"));
    let options = hotspare_gateway::ServeOptions::default();
    let _ = hotspare_gateway::serve_on(listener, hotspare(url), options, until_closed()).await;
}

/// The floor: bytes in, bytes out.
async fn proxy_child(url: &str) {
    let upstream = url.trim_start_matches("http://").trim_end_matches("/v1").to_owned();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    println!("http://{}/v1", listener.local_addr().expect("an address"));
    let copying = async {
        loop {
            let (mut near, _) = listener.accept().await.expect("a connection");
            let upstream = upstream.clone();
            tokio::spawn(async move {
                let mut far = tokio::net::TcpStream::connect(upstream).await.expect("the server");
                let _ = (near.set_nodelay(true), far.set_nodelay(true));
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    };
    tokio::select! {
        () = copying => {}
        () = until_closed() => {}
    }
}

async fn gateway() {
    const COUNT: usize = 8_000;
    let server = Child::start(&["server", "20"]);
    println!("CPU per request beside a proxy that only copies bytes; 16 callers, 20 tokens an answer\n");
    println!("{:<10}{:>16}{:>16}{:>8}", "", "copying proxy", "gateway", "ratio");
    for (kind, stream) in [("json", false), ("stream", true)] {
        let mut micros = Vec::new();
        for role in ["proxy-child", "gateway-child"] {
            let child = Child::start(&[role, &server.url]);
            let http = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build().expect("a client");
            let mut used = 0;
            for round in 0..2 {
                let before = child.ticks();
                let calls = futures::stream::iter(0..COUNT).for_each_concurrent(16, |_| async {
                    let body = format!(
                        r#"{{"model":"chat","stream":{stream},"messages":[{{"role":"user","content":"x"}}]}}"#
                    );
                    let url = format!("{}/chat/completions", child.url);
                    let reply = http.post(url).bearer_auth("sk-bench").body(body).send();
                    let bytes = reply.await.expect("a reply").bytes().await.expect("a body");
                    assert!(bytes.len() > 100);
                });
                calls.await;
                // The first round warms up.
                if round == 1 {
                    used = child.ticks() - before;
                }
            }
            micros.push(used as f64 * 10_000.0 / COUNT as f64);
        }
        println!("{kind:<10}{:>13.1} µs{:>13.1} µs{:>8.2}", micros[0], micros[1], micros[1] / micros[0]);
    }
}

async fn overhead() {
    let me = std::env::current_exe().expect("this program");
    let server = Child::start(&["server", &TOKENS.to_string()]);
    let url = server.url.as_str();
    println!(
        "per request, Hotspare (a spare standing by) beside bare reqwest with typed serde; {TOKENS} tokens an answer\n"
    );
    println!(
        "{:<10}{:>16}{:>16}{:>8}{:>14}{:>14}{:>8}",
        "", "instr. bare", "hotspare", "ratio", "time bare", "hotspare", "ratio"
    );
    for kind in ["json", "stream"] {
        let counted = |name: &str| instructions(&me, &format!("{name}-{kind}"), url);
        let (bare, ours) = (counted("bare"), counted("hotspare"));
        // In turn, so that the machine's mood hits both.
        let (mut slow, mut fast) = (Vec::new(), Vec::new());
        for _ in 0..7 {
            fast.push(time(&format!("bare-{kind}"), url).await);
            slow.push(time(&format!("hotspare-{kind}"), url).await);
        }
        fast.sort_unstable();
        slow.sort_unstable();
        let (fast, slow) = (fast[3], slow[3]);
        let ratio = slow.as_secs_f64() / fast.as_secs_f64();
        match (bare, ours) {
            (Some(bare), Some(ours)) => println!(
                "{kind:<10}{bare:>16}{ours:>16}{:>8.2}{:>11.1} µs{:>11.1} µs{ratio:>8.2}",
                ours as f64 / bare as f64,
                fast.as_secs_f64() * 1e6,
                slow.as_secs_f64() * 1e6
            ),
            _ => println!(
                "{kind:<10}{:>16}{:>16}{:>8}{:>11.1} µs{:>11.1} µs{ratio:>8.2}   (valgrind is not installed)",
                "–",
                "–",
                "–",
                fast.as_secs_f64() * 1e6,
                slow.as_secs_f64() * 1e6
            ),
        }
    }
}

async fn time(mode: &str, url: &str) -> Duration {
    const COUNT: u32 = 200;
    client(mode, 5, url).await;
    let begun = Instant::now();
    client(mode, COUNT, url).await;
    begun.elapsed() / COUNT
}

/// Instructions of one request: those of many less those of few.
fn instructions(me: &std::path::Path, mode: &str, url: &str) -> Option<u64> {
    let count = |requests: &str| -> Option<u64> {
        let out = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(me)
            .args(["client", mode, requests, url])
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&out.stderr);
        text.lines().find_map(|line| line.split("Collected : ").nth(1))?.trim().parse().ok()
    };
    Some(count("40")?.saturating_sub(count("10")?) / 30)
}

async fn failover() {
    println!("time to first token in ms, added by a broken main target; 200 requests one after the other\n");
    println!(
        "{:<20}{:>10}{:>12}{:>12}{:>10}{:>12}",
        "main target", "first", "p50", "p99", "calls", "attempts"
    );
    let base = failover_case(None).await;
    for fault in [
        Fault::Refuse,
        Fault::Status(500),
        Fault::RateLimited(60),
        Fault::Silence,
        Fault::SlowFirstToken(Duration::from_secs(20)),
    ] {
        let case = failover_case(Some(fault)).await;
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

async fn failover_case(fault: Option<Fault>) -> Case {
    let servers = [
        ChaosServer::start(Settings::new(Speaks::OpenAi)).await.expect("a loopback port"),
        ChaosServer::start(Settings::new(Speaks::OpenAi)).await.expect("a loopback port"),
    ];
    let mut limits = hotspare::Limits::default();
    limits.first_content = Duration::from_millis(500);
    let route = hotspare::RouteSpec::new(Sequential::new(["main", "spare"])).limits(limits);
    let client = Client::builder()
        .target("main", hotspare_tests::endpoint(&servers[0], Speaks::OpenAi))
        .target("spare", hotspare_tests::endpoint(&servers[1], Speaks::OpenAi))
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
