//! CPU time per request of the gateway, compared with a proxy that only copies bytes.

use futures::StreamExt;

use crate::child::{Child, hotspare, until_closed};

/// The gateway, until the parent closes the pipe.
pub(crate) async fn serve(url: &str) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    println!("http://{}/v1", listener.local_addr().expect("an address"));
    let options = hotspare_gateway::ServeOptions::default();
    let _ =
        hotspare_gateway::serve_on(listener, hotspare(url), options, futures::stream::once(until_closed()))
            .await;
}

/// The baseline: bytes in, bytes out.
pub(crate) async fn copy(url: &str) {
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

/// Runs the bench.
pub(crate) async fn run() {
    const COUNT: usize = 8_000;
    let server = Child::start(&["server", "20"]);
    println!("CPU per request beside a proxy that only copies bytes; 16 callers, 20 tokens an answer\n");
    println!("{:<10}{:>16}{:>16}{:>8}{:>16}", "", "copying proxy", "gateway", "ratio", "instructions");
    for (kind, stream) in [("json", false), ("stream", true)] {
        let mut micros = Vec::new();
        for role in ["proxy-child", "gateway-child"] {
            let child = Child::start(&[role, &server.url]);
            let http = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build().expect("a client");
            let mut used = 0;
            for round in 0..2 {
                let before = child.ticks();
                futures::stream::iter(0..COUNT)
                    .for_each_concurrent(16, |_| send_request(&http, &child.url, stream))
                    .await;
                // The first round warms up.
                if round == 1 {
                    used = child.ticks() - before;
                }
            }
            micros.push(used as f64 * 10_000.0 / COUNT as f64);
        }
        let instructions = instructions(&server.url, stream).await;
        let instructions = instructions.map_or("no valgrind".to_owned(), |count| count.to_string());
        let (copied, served) = (micros[0], micros[1]);
        println!("{kind:<10}{copied:>13.1} µs{served:>13.1} µs{:>8.2}{instructions:>16}", served / copied);
    }
}

/// One request, read to its end.
async fn send_request(http: &reqwest::Client, base: &str, stream: bool) {
    let body =
        format!(r#"{{"model":"chat","stream":{stream},"messages":[{{"role":"user","content":"x"}}]}}"#);
    let reply = http.post(format!("{base}/chat/completions")).bearer_auth("sk-bench").body(body).send();
    let bytes = reply.await.expect("a reply").bytes().await.expect("a body");
    assert!(bytes.len() > 100);
}

/// The gateway's instructions per request: the difference between many requests and few, one after the other.
async fn instructions(url: &str, stream: bool) -> Option<u64> {
    let mut counts = Vec::new();
    for requests in [10, 60] {
        let child = Child::counted(&["gateway-child", url])?;
        let http = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build().expect("a client");
        for _ in 0..requests {
            send_request(&http, &child.url, stream).await;
        }
        drop(http);
        counts.push(child.instructions()?);
    }
    Some(counts[1].saturating_sub(counts[0]) / 50)
}
