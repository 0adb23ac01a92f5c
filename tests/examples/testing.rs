//! Testing an application that uses Hotspare: its client gets scripted providers, and the clock is paused.
//!
//! Runs without a key or a network. In your own crate, these functions are tests.
#![expect(clippy::print_stdout, reason = "examples print their results")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hotspare::{ChatRequest, Client, Endpoint, Error, Event, FinishReason, Kind, Sequential};
use hotspare_chaos::Scripted;

/// The code under test: it receives a client and does not know what its targets are.
async fn summary(client: &Client, text: &str) -> Result<String, Error> {
    let request = ChatRequest::to("chat").system("Summarize.").user(text);
    Ok(client.chat(request).await?.text())
}

/// The application's route, over the given providers. A clone of a provider shares its log of requests.
fn client(main: &Scripted, spare: &Scripted) -> Result<Client, Error> {
    Client::builder()
        .target("main", Endpoint::custom(Arc::new(main.clone()), "model-a"))
        .target("spare", Endpoint::custom(Arc::new(spare.clone()), "model-b"))
        .route("chat", Sequential::new(["main", "spare"]))
        .build()
}

/// As `#[tokio::test(start_paused = true)]`: time passes at once when everything waits for it, so a stalled provider costs the
/// test no time.
async fn stalled_provider_is_replaced() -> Result<(), Error> {
    let (main, spare) = (Scripted::new().stall(), Scripted::new().text("The pump failed."));
    let client = client(&main, &spare)?;
    assert_eq!(summary(&client, "At 09:12 the pump …").await?, "The pump failed.");
    // What the providers were sent.
    assert_eq!(spare.requests()[0].chat().messages[0].joined_text(), "Summarize.");
    Ok(())
}

/// Concurrent calls take ordered replies in any order, so these answers depend on the request.
async fn concurrent_calls_get_their_own_answers() -> Result<(), Error> {
    let echo = Scripted::new().respond(|request| {
        let question = request.chat().messages.last().map(|message| message.joined_text());
        Ok(vec![Event::TextDelta(question.unwrap_or_default()), Event::Finished(FinishReason::Stop)])
    });
    let client = client(&echo, &Scripted::new())?;
    let (one, two) = tokio::join!(summary(&client, "one"), summary(&client, "two"));
    assert_eq!((one?, two?), ("one".into(), "two".into()));
    Ok(())
}

/// An outage that ends. A target whose breaker is open uses up no replies, so the script asks a flag instead.
async fn recovered_provider_serves_again() -> Result<(), Error> {
    let down = Arc::new(AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    let main = Scripted::new().respond(move |_| match is_down.load(Ordering::Relaxed) {
        true => Err(Error::new(Kind::Server, "an outage")),
        false => Ok(vec![Event::TextDelta("main".into()), Event::Finished(FinishReason::Stop)]),
    });
    let client = client(&main, &Scripted::new().text("spare"))?;
    for _ in 0..8 {
        assert_eq!(summary(&client, "At 09:12 the pump …").await?, "spare");
    }
    assert!(main.requests().len() < 8, "its breaker is open");
    down.store(false, Ordering::Relaxed);
    // Longer than the breaker's cooldown.
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(summary(&client, "At 09:12 the pump …").await?, "main");
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let paused = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    paused.block_on(stalled_provider_is_replaced())?;
    paused.block_on(concurrent_calls_get_their_own_answers())?;
    paused.block_on(recovered_provider_serves_again())?;
    println!("ok");
    Ok(())
}
