//! A tool loop: the model calls a function, the application runs it, and the model answers with the result. The two
//! requests may be served by different targets.
//!
//! Runs without a key.
#![expect(clippy::print_stdout, reason = "examples print their results")]

use std::sync::Arc;

use hotspare::{
    ChatRequest, Client, Endpoint, Error, Message, Sequential, ToolCall, ToolResult, schemars, tool,
};
use hotspare_chaos::Scripted;

/// The tool's arguments: the schema is derived from the type.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Place {
    /// A city, in English.
    city: String,
}

fn weather(call: &ToolCall) -> ToolResult {
    match call.parse::<Place>() {
        Ok(place) => ToolResult::new(&call.id, format!("rain all day in {}", place.city)),
        // The model learns what was wrong and can try again.
        Err(error) => ToolResult::new(&call.id, error.message()).with_error(true),
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let main = Scripted::new().tool_call("weather", r#"{"city":"Oslo"}"#).status(503);
    let client = Client::builder()
        .target("main", Endpoint::custom(Arc::new(main), "model-a"))
        .target("spare", Endpoint::custom(Arc::new(Scripted::new().text("Take an umbrella.")), "model-b"))
        .route("chat", Sequential::new(["main", "spare"]))
        .build()?;
    let mut request = ChatRequest::to("chat")
        .tool(tool::<Place>("weather", "The weather in a city today"))
        .user("Do I need an umbrella in Oslo?");
    let answer = loop {
        let answer = client.chat(request.clone()).await?;
        print!("{}", answer.trail);
        let results: Vec<Message> = answer.tool_calls().map(|call| Message::tool(weather(call))).collect();
        if results.is_empty() {
            break answer;
        }
        request = results.into_iter().fold(request.message(answer.to_message()), ChatRequest::message);
    };
    println!("{}", answer.text());
    assert_eq!(answer.text(), "Take an umbrella.");
    Ok(())
}
