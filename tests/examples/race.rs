//! Racing: the same request to two targets at once; the first good answer serves, the loser is cancelled and counted.
//!
//! Runs without a key.
#![expect(clippy::print_stdout, reason = "examples print their results")]

use std::sync::Arc;
use std::time::Duration;

use hotspare::{ChatRequest, Client, Endpoint, Race};
use hotspare_chaos::Scripted;

#[tokio::main]
async fn main() -> Result<(), hotspare::Error> {
    let slow = Scripted::new().paced(Duration::from_secs(30), ["too late"]);
    let client = Client::builder()
        .target("main", Endpoint::custom(Arc::new(slow), "model-a"))
        .target("spare", Endpoint::custom(Arc::new(Scripted::new().text("first")), "model-b"))
        .route("chat", Race::new(["main", "spare"]))
        .build()?;
    let answer = client.chat(ChatRequest::to("chat").user("Who is faster?")).await?;
    println!("{}\n{}", answer.text(), answer.trail);
    assert_eq!(answer.text(), "first");
    Ok(())
}
