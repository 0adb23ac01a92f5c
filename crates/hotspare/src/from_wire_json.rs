//! Requests from the JSON bodies that existing code builds, as constructors of the request itself.
//!
//! Not part of `hotspare-core`, which knows no wire: the trait adds the constructors here. Invariant: each reads exactly
//! what the function of the same wire's module reads.

use hotspare_core::{ChatRequest, Error};

/// Constructors of a [`ChatRequest`] from the body of another API's request. The body's `stream` is ignored: call
/// [`Client::chat`](crate::Client::chat) or [`Client::stream`](crate::Client::stream). Sealed, because each wire that is
/// compiled in adds a constructor.
///
/// ```
/// use hotspare::{ChatRequest, FromWireJson};
///
/// # #[cfg(feature = "openai")]
/// let asked = ChatRequest::from_openai(r#"{"model":"chat","messages":[{"role":"user","content":"Hi"}]}"#)?;
/// # #[cfg(feature = "anthropic")]
/// let same = ChatRequest::from_anthropic(
///     r#"{"model":"chat","max_tokens":99,"messages":[{"role":"user","content":"Hi"}]}"#,
/// )?;
/// # #[cfg(all(feature = "openai", feature = "anthropic"))]
/// assert_eq!(asked.messages, same.messages);
/// # Ok::<(), hotspare::Error>(())
/// ```
pub trait FromWireJson: Sized + sealed::Sealed {
    /// Parses the body of a Chat Completions request, as [`openai::request`](crate::openai::request) does.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`](crate::Kind::InvalidRequest) naming the field and what is wrong with it.
    #[cfg(feature = "openai")]
    fn from_openai(json: &str) -> Result<Self, Error>;

    /// Parses the body of a Messages request, as [`anthropic::request`](crate::anthropic::request) does.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`](crate::Kind::InvalidRequest) naming the field and what is wrong with it.
    #[cfg(feature = "anthropic")]
    fn from_anthropic(json: &str) -> Result<Self, Error>;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for hotspare_core::ChatRequest {}
}

impl FromWireJson for ChatRequest {
    #[cfg(feature = "openai")]
    fn from_openai(json: &str) -> Result<Self, Error> {
        crate::openai::request(json)
    }

    #[cfg(feature = "anthropic")]
    fn from_anthropic(json: &str) -> Result<Self, Error> {
        crate::anthropic::request(json)
    }
}
