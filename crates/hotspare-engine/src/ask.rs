//! What the machine needs to know of a request, and no more: it never reads the prompt.
//!
//! Invariant: what cannot be told from the request is decided for the safe side, so that an answer is carried on only where
//! nothing ties it to the one who began it.

use std::time::Duration;

use hotspare_core::{ChatRequest, Cost, EmbedRequest, OutputFormat, Request};
use hotspare_normalize::OutputCheck;

/// What the machine needs to know of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ask {
    /// Whether the caller takes the answer piece by piece.
    pub stream: bool,
    /// Time that the caller gives for the whole answer.
    pub deadline: Option<Duration>,
    /// The wire over which the request came in; `None` if it was not spelled in any before.
    pub native_wire: Option<&'static str>,
    /// For vectors: of how many inputs. `None` for an answer in words.
    pub vectors: Option<usize>,
    /// What the answer is validated against.
    pub output_check: Option<OutputCheck>,
    /// What tool arguments are validated against, by tool name, if at all.
    pub tool_checks: Vec<(String, OutputCheck)>,
    /// Nothing is started that would bring the call's cost over this.
    pub max_cost: Option<Cost>,
    /// Whether the request has stop sequences, which may end an answer before its first word.
    pub stops: bool,
    /// Whether an answer that was cut can be carried on: plain text, and nothing in the request that ties an answer to
    /// the one who began it.
    pub continuable: bool,
    /// Seed of the call's draws.
    pub seed: u64,
}

impl Ask {
    /// A request for a whole answer.
    #[must_use]
    pub fn new(stream: bool, seed: u64) -> Self {
        Self {
            stream,
            deadline: None,
            native_wire: None,
            vectors: None,
            output_check: None,
            tool_checks: Vec::new(),
            max_cost: None,
            stops: false,
            continuable: false,
            seed,
        }
    }

    /// What the machine needs to know of `request`.
    #[must_use]
    pub fn of(request: &Request, stream: bool, seed: u64) -> Self {
        match request {
            Request::Embed(embed) => Self::embed(embed, seed),
            Request::Chat(chat) => Self::chat(chat, stream, seed),
        }
    }

    /// Vectors come whole: there is nothing to stream, to carry on or to give a form.
    fn embed(request: &EmbedRequest, seed: u64) -> Self {
        let options = &request.options;
        Self {
            deadline: options.deadline,
            max_cost: options.max_cost,
            vectors: Some(request.inputs.len()),
            ..Self::new(false, seed)
        }
    }

    fn chat(request: &ChatRequest, stream: bool, seed: u64) -> Self {
        // What ties an answer to the one who began it: tools and schemas have a form that text cannot be joined to, stop
        // words and probabilities count from the beginning.
        let tied = ["logprobs", "top_logprobs", "n"];
        let free =
            request.tools.is_empty() && request.stop.is_empty() && request.output == OutputFormat::Text;
        let extras = request.extras.values().flat_map(|fields| fields.keys());
        let continuable = free && !extras.into_iter().any(|field| tied.contains(&field.as_str()));
        let output_check = (request.output != OutputFormat::Text).then(OutputCheck::json_object);
        let options = &request.options;
        Self {
            deadline: options.deadline,
            max_cost: options.max_cost,
            output_check,
            stops: !request.stop.is_empty(),
            continuable,
            ..Self::new(stream, seed)
        }
    }
}
