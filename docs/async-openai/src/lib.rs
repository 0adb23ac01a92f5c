//! async-openai behind the gateway, which runs in the same process. The functions are printed in `docs/recipes.md`.

use std::io;
use std::net::SocketAddr;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::types::chat::{
    ChatCompletionRequestUserMessage, CreateChatCompletionRequest, CreateChatCompletionRequestArgs,
};
use futures::StreamExt;
use hotspare_gateway::{ServeOptions, serve_on};

/// With the gateway in between, only the address changes.
pub fn client(url: &str) -> Client<OpenAIConfig> {
    Client::with_config(OpenAIConfig::new().with_api_base(url).with_api_key("sk-none"))
}

/// A prompt for the route `chat`.
pub fn request(prompt: &str) -> Result<CreateChatCompletionRequest, OpenAIError> {
    let message = ChatCompletionRequestUserMessage::from(prompt);
    CreateChatCompletionRequestArgs::default().model("chat").messages([message.into()]).build()
}

/// Asks for a whole answer.
pub async fn ask(client: &Client<OpenAIConfig>, prompt: &str) -> Result<String, OpenAIError> {
    let answer = client.chat().create(request(prompt)?).await?;
    Ok(answer.choices.into_iter().filter_map(|choice| choice.message.content).collect())
}

/// Asks for a stream.
pub async fn stream(client: &Client<OpenAIConfig>, prompt: &str) -> Result<String, OpenAIError> {
    let mut stream = client.chat().create_stream(request(prompt)?).await?;
    let mut text = String::new();
    while let Some(chunk) = stream.next().await {
        text.extend(chunk?.choices.into_iter().filter_map(|choice| choice.delta.content));
    }
    Ok(text)
}

/// Runs the gateway in this process; it shuts down at the first item of the stream passed last.
pub async fn start(client: hotspare::Client) -> io::Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve_on(listener, client, ServeOptions::default(), futures::stream::pending()));
    Ok(address)
}
