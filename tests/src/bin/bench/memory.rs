//! Memory per stream and per target: resident bytes of this process, which runs only the client.

use std::time::Duration;

use hotspare::{ChatRequest, ChatStream, Client, Key, Limits, RouteSpec, Secret, Sequential};
use hotspare_chaos::{ChaosServer, Fault, Settings, WireFormat};

use crate::child::{Child, until_closed};

/// Number of open streams.
const STREAMS: usize = 10_000;
/// Number of targets, compared with one.
const TARGETS: usize = 2_000;

/// Runs the bench.
pub(crate) async fn run() {
    let one = resident();
    let few = client(1, "http://127.0.0.1:9/v1");
    let base = resident();
    let many = client(TARGETS, "http://127.0.0.1:9/v1");
    let grown = resident().saturating_sub(base);
    println!("a client of one target: {} KiB", base.saturating_sub(one) / 1_024);
    println!("each further target, with its scopes and its own route: {} B", grown / (TARGETS - 1));
    drop((few, many));

    let server = Child::start(&["silent-server"]);
    let client = client(1, &server.url);
    let mut held: Vec<ChatStream> = vec![open(&client).await];
    let before = resident();
    while held.len() <= STREAMS {
        let batch = (0..100).map(|_| open(&client));
        held.extend(futures::future::join_all(batch).await);
        if held.len().is_multiple_of(1_000) || held.len() > STREAMS {
            let bytes = resident().saturating_sub(before) / (held.len() - 1);
            println!(
                "{:>6} idle streams: {bytes} B each, connection and its buffers included",
                held.len() - 1
            );
        }
    }
    let in_flight: u32 = client.targets().iter().map(|target| target.view.in_flight).sum();
    println!("{in_flight} are in flight in one process, {} MiB in total", resident() / 1_024 / 1_024);
    drop(held);
    let in_flight: u32 = client.targets().iter().map(|target| target.view.in_flight).sum();
    println!("after they were dropped: {in_flight} in flight, {} MiB", resident() / 1_024 / 1_024);
}

/// A server that sends one word and then stalls; it ends with its parent's pipe.
pub(crate) async fn serve() {
    let server = ChaosServer::start(Settings::new(WireFormat::OpenAi)).await.expect("a loopback port");
    server.set_fault(Some(Fault::StallAfter(1))).await;
    println!("{}", server.base_url());
    until_closed().await;
    drop(server);
}

async fn open(client: &Client) -> ChatStream {
    let mut stream = client.stream(ChatRequest::to("t0").user("hi")).await.expect("a stream");
    stream.next().await.expect("an event").expect("no error");
    stream
}

fn client(targets: usize, url: &str) -> Client {
    let mut limits = Limits::default();
    limits.first_content = Duration::from_secs(60);
    limits.gap = Duration::from_secs(600);
    let mut builder =
        Client::builder().route("t0", RouteSpec::new(Sequential::new(["main0"])).limits(limits));
    for number in 0..targets {
        let target = hotspare::openai::target(format!("model-{number}"))
            .base_url(url)
            .key(Key::from_secret(Secret::new(format!("sk-bench-{number}"))));
        builder = builder.target(format!("main{number}"), target);
    }
    builder.build().expect("a valid client")
}

/// Resident bytes of this process.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = statm.split(' ').nth(1).and_then(|field| field.parse().ok()).unwrap_or(0);
    pages * 4_096
}
