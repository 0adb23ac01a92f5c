//! A chat of several turns: each answer is streamed to the user and kept, complete, for the next turn. The turns may be
//! served by different targets. The last one sends an image.
//!
//! Runs without a key.
#![expect(clippy::print_stdout, reason = "examples print their results")]

use std::sync::Arc;
use std::time::Duration;

use hotspare::{
    ChatRequest, ChatResponse, Client, Endpoint, Error, Limits, Message, Part, Role, RouteSpec, Sequential,
};
use hotspare_chaos::Scripted;

/// Prints the answer piece by piece.
async fn show(client: &Client, request: ChatRequest) -> Result<ChatResponse, Error> {
    let mut stream = client.stream(request).await?.assembled();
    while let Some(event) = stream.next().await {
        if let Some(text) = event?.as_text() {
            print!("{text}");
        }
    }
    println!();
    stream.into_response().await
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let main = Scripted::new().pieces(["It is ", "a pump."]).status(503);
    let spare = Scripted::new().pieces(["Its seal ", "leaks."]);
    // Someone is waiting: shorter limits than the defaults, and a deadline for each request.
    let route = RouteSpec::new(Sequential::new(["main", "spare"])).limits(Limits::interactive());
    let client = Client::builder()
        .target("main", Endpoint::custom(Arc::new(main), "model-a"))
        .target("spare", Endpoint::custom(Arc::new(spare.clone()), "model-b"))
        .route("chat", route)
        .build()?;
    let mut chat = ChatRequest::to("chat").deadline(Duration::from_secs(20)).user("What is in hall 2?");
    let answer = show(&client, chat.clone()).await?;
    let question = vec![Part::from("What is wrong with it?"), Part::image("https://example.com/pump.jpg")];
    chat = chat.message(answer.into_message()).message(Message::new(Role::User, question));
    let answer = show(&client, chat).await?;
    print!("{}", answer.trail);
    assert_eq!(answer.text(), "Its seal leaks.");
    assert_eq!(spare.requests()[0].chat().messages[1].joined_text(), "It is a pump.");
    Ok(())
}
