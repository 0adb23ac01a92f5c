//! A web handler that streams an answer to a browser as server-sent events, and reports how the call went.
//!
//! Runs without a key. Starts the server, asks it once, and prints what the browser would receive.
#![expect(clippy::print_stdout, reason = "examples print their results")]

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response, sse};
use axum::{Router, routing};
use futures::{Stream, StreamExt};
use hotspare::{ChatRequest, ChatStream, Client, Endpoint, Error, Event, Sequential};
use hotspare_chaos::Scripted;

async fn ask(State(client): State<Client>, question: String) -> Response {
    // Until the first content has arrived, a failure still has a status of its own.
    match client.stream(ChatRequest::to("chat").user(question)).await {
        Ok(stream) => Sse::new(events(stream)).keep_alive(KeepAlive::default()).into_response(),
        Err(error) => refusal(&error).into_response(),
    }
}

/// The error for the caller: not the provider's status, which is about our key, nor its text.
fn refusal(error: &Error) -> (StatusCode, String) {
    let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::BAD_GATEWAY);
    (status, error.public_message())
}

/// Each piece of text as an event, then `done` or `error`: a stream that ends without either of them was cut. Browsers
/// ignore events without data.
fn events(answer: ChatStream) -> impl Stream<Item = Result<sse::Event, Infallible>> {
    let texts = futures::stream::unfold(Some(answer), |answer| async {
        let mut answer = answer?;
        loop {
            match answer.next().await {
                Some(Ok(Event::TextDelta(text))) => {
                    return Some((sse::Event::default().data(text), Some(answer)));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    return Some((sse::Event::default().event("error").data(error.public_message()), None));
                }
                None => return Some((sse::Event::default().event("done").data("complete"), None)),
            }
        }
    });
    texts.map(Ok)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::builder()
        .target("main", Endpoint::custom(Arc::new(Scripted::new().status(503)), "model-a"))
        .target("spare", Endpoint::custom(Arc::new(Scripted::new().pieces(["still ", "here"])), "model-b"))
        .route("chat", Sequential::new(["main", "spare"]))
        .build()?;
    // Also called when the browser leaves early: the stream is then dropped, which cancels the request at the provider.
    client.on_call(|report| print!("{:?}\n{}", report.end, report.trail));
    let app = Router::new().route("/ask", routing::post(ask)).with_state(client);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/ask", listener.local_addr()?);
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let http = reqwest::Client::builder().no_proxy().build()?;
    let received = http.post(url).body("Are you there?").send().await?.text().await?;
    print!("{received}");
    assert_eq!(received, "data: still \n\ndata: here\n\nevent: done\ndata: complete\n\n");
    server.abort();
    Ok(())
}
