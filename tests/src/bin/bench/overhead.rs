//! The client compared with bare reqwest and typed serde: the same requests to the same loopback server, with a spare
//! on standby.
//!
//! Instructions are counted by callgrind if valgrind is installed.

use std::time::{Duration, Instant};

use futures::StreamExt;
use hotspare::{ChatRequest, Client, Event};
use serde::{Deserialize, Serialize};

use crate::child::{Child, callgrind, collected, hotspare};

/// Tokens of an answer.
const TOKENS: usize = 200;

/// Runs the bench.
pub(crate) async fn run() {
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
        // Alternating, so that changes in machine load affect both.
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

/// Instructions per request: the difference between many requests and few.
fn instructions(me: &std::path::Path, mode: &str, url: &str) -> Option<u64> {
    let count = |requests: &str| -> Option<u64> {
        let out = callgrind().arg(me).args(["client", mode, requests, url]).output().ok()?;
        collected(&String::from_utf8_lossy(&out.stderr))
    };
    Some(count("40")?.saturating_sub(count("10")?) / 30)
}

/// Sends this many requests of one kind.
pub(crate) async fn client(mode: &str, count: u32, url: &str) {
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
    #[expect(dead_code, reason = "typical clients deserialize unused fields")]
    id: String,
    #[expect(dead_code, reason = "typical clients deserialize unused fields")]
    model: String,
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(alias = "message")]
    delta: Delta,
    #[expect(dead_code, reason = "typical clients deserialize unused fields")]
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
