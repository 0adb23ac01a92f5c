//! Answers as values of a Rust type.
//!
//! Not a parser: the schema is derived from the type, and an answer that the type does not accept is treated like one
//! that does not match the schema: repaired, requested again, or requested from another target. Invariant: a returned
//! value was in the answer.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use hotspare_core::{ChatRequest, ChatResponse, Error, Json, Kind, OutputFormat, Tool, describe_json_error};
use hotspare_normalize::{OutputCheck, Validator, Violation};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::client::Client;
use crate::validators::BothValidators;

/// An answer and its value. It dereferences to the answer (`served_by`, `trail`, `usage`, `cost()`).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Typed<T> {
    /// The answer's value.
    pub value: T,
    /// The answer.
    pub response: ChatResponse,
}

impl<T> Deref for Typed<T> {
    type Target = ChatResponse;

    fn deref(&self) -> &ChatResponse {
        &self.response
    }
}

impl Client {
    /// Requests a value of `T`. The schema is derived from the type, unless the request already has one.
    ///
    /// `T` must implement `serde::Deserialize` and `JsonSchema` of [`schemars`](crate::schemars) 1, which is
    /// re-exported.
    ///
    /// ```no_run
    /// use hotspare::{ChatRequest, Client, schemars};
    ///
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// struct Triage {
    ///     severity: u8,
    ///     #[serde(default)]
    ///     tags: Vec<String>,
    /// }
    ///
    /// # async fn run(client: Client) -> Result<(), hotspare::Error> {
    /// let request = ChatRequest::to("chat").user("Checkout has answered 502 since 09:12.");
    /// let answer = client.chat_as::<Triage>(request).await?;
    /// println!("severity {} from {:?}", answer.value.severity, answer.served_by);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Client::chat`]; [`Kind::BadOutput`] if no target gave such a value, with the violations in the trail, or if
    /// the model refused or called a tool instead.
    pub async fn chat_as<T>(&self, mut request: ChatRequest) -> Result<Typed<T>, Error>
    where
        T: DeserializeOwned + JsonSchema + 'static,
    {
        if !matches!(request.output, OutputFormat::JsonSchema { .. }) {
            request.output =
                OutputFormat::JsonSchema { name: name::<T>(), schema: schema::<T>(), strict: true };
        }
        self.compile(&request).await?;
        let OutputFormat::JsonSchema { schema, .. } = &request.output else {
            return Err(Error::new(Kind::InvalidRequest, "the request has no schema"));
        };
        let check = BothValidators(self.validator(schema)?, DeserializesAs::<T>(PhantomData));
        let response = self.chat_checked(request, OutputCheck::validated(Arc::new(check))).await?;
        match serde_json::from_str(&response.text()) {
            Ok(value) => Ok(Typed { value, response }),
            Err(_) => {
                let finish =
                    format!("the answer contains no value of this type; it ended with {}", response.finish);
                Err(Error::new(Kind::BadOutput, finish).with_trail(Arc::new(response.trail)))
            }
        }
    }
}

/// A tool whose arguments are a value of `T`, with the schema derived from the type. [`ToolCall::parse`] reads them.
///
/// ```
/// use hotspare::{ChatRequest, schemars, tool};
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Place {
///     /// A city, in English.
///     city: String,
/// }
///
/// let weather = tool::<Place>("weather", "The weather in a city today");
/// let request = ChatRequest::to("chat").tool(weather).user("Do I need an umbrella in Oslo?");
/// ```
///
/// [`ToolCall::parse`]: hotspare_core::ToolCall::parse
pub fn tool<T: JsonSchema>(name: impl Into<String>, description: impl Into<String>) -> Tool {
    Tool::new(name, schema::<T>()).with_description(description)
}

fn schema<T: JsonSchema>() -> Json {
    Json::from(schemars::schema_for!(T).as_value())
}

/// The schema's name in characters that every provider accepts.
fn name<T: JsonSchema>() -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    T::schema_name()
        .chars()
        .map(|character| if plain(character) { character } else { '_' })
        .take(64)
        .collect()
}

/// Accepts what deserializes as `T`.
struct DeserializesAs<T>(PhantomData<fn() -> T>);

impl<T: DeserializeOwned> Validator for DeserializesAs<T> {
    fn validate(&self, answer: &Value) -> Result<(), Vec<Violation>> {
        T::deserialize(answer)
            .map(drop)
            .map_err(|error| vec![Violation::new("", describe_json_error(&error))])
    }

    /// Deserializing takes about as long as parsing.
    fn is_heavy(&self, _: usize) -> bool {
        false
    }
}
