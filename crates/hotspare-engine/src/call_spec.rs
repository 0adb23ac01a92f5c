//! What the engine needs to know about a request, and no more: it never reads the prompt.
//!
//! Invariant: what the request leaves open is decided conservatively, so that an answer is continued only if nothing
//! ties it to the target that started it.

use std::sync::Arc;
use std::time::Duration;

use hotspare_core::{CallOptions, ChatRequest, Cost, EmbedRequest, OutputFormat, Request, ToolChoice};
use hotspare_normalize::OutputCheck;

/// What the engine needs to know about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallSpec {
    /// Whether the caller wants the answer as a stream.
    pub stream: bool,
    /// The caller's deadline for the whole answer.
    pub deadline: Option<Duration>,
    /// The caller's deadline for the first content of a streamed answer.
    pub first_content_deadline: Option<Duration>,
    /// The wire that the request arrived on; `None` if it was built in the application.
    pub native_wire: Option<&'static str>,
    /// For embeddings, the number of inputs; `None` for chat.
    pub vectors: Option<usize>,
    /// What the answer is validated against.
    pub output_check: Option<OutputCheck>,
    /// What tool arguments are validated against, by tool name.
    pub tool_checks: Arc<[(String, OutputCheck)]>,
    /// No attempt is started that would raise the call's cost above this, with the room reserved for its answer.
    pub max_cost: Option<Cost>,
    /// Whether the request has stop sequences, which may end an answer before its first token.
    pub stops: bool,
    /// Whether a cut answer can be continued: plain text, and nothing in the request ties the answer to the target that
    /// started it.
    pub continuable: bool,
    /// Seed of the call's random draws.
    pub seed: u64,
}

impl CallSpec {
    /// A request without further requirements.
    #[must_use]
    pub fn new(stream: bool, seed: u64) -> Self {
        Self {
            stream,
            deadline: None,
            first_content_deadline: None,
            native_wire: None,
            vectors: None,
            output_check: None,
            tool_checks: Arc::default(),
            max_cost: None,
            stops: false,
            continuable: false,
            seed,
        }
    }

    /// Extracts what the engine needs to know from `request`.
    #[must_use]
    pub fn of(request: &Request, stream: bool, seed: u64) -> Self {
        match request {
            Request::Embed(embed) => Self::embed(embed, seed),
            Request::Chat(chat) => Self::chat(chat, stream, seed),
        }
    }

    /// Embeddings arrive as a whole: there is nothing to stream, to continue or to validate.
    fn embed(request: &EmbedRequest, seed: u64) -> Self {
        let options = &request.options;
        Self {
            deadline: whole_answer(options),
            native_wire: options.native_wire,
            max_cost: options.max_cost,
            vectors: Some(request.inputs.len()),
            ..Self::new(false, seed)
        }
    }

    fn chat(request: &ChatRequest, stream: bool, seed: u64) -> Self {
        // What ties an answer to the target that started it: structured output cannot be joined as text, a call that the
        // request demands is no text, and stop sequences and log probabilities depend on the answer from its start.
        // Where the model may call a tool, its text can be continued until it does.
        let tied = ["logprobs", "top_logprobs", "n"];
        let called = matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)));
        let free = !called && request.stop.is_empty() && request.output == OutputFormat::Text;
        let extras = request.extras.values().flat_map(|fields| fields.keys());
        let continuable = free && !extras.into_iter().any(|field| tied.contains(&field.as_str()));
        let output_check = (request.output != OutputFormat::Text).then(OutputCheck::json_object);
        let options = &request.options;
        Self {
            deadline: if stream { options.deadline } else { whole_answer(options) },
            first_content_deadline: options.first_content_deadline,
            native_wire: options.native_wire,
            max_cost: options.max_cost,
            output_check,
            stops: !request.stop.is_empty(),
            continuable,
            ..Self::new(stream, seed)
        }
    }
}

/// The deadline of an answer that begins and ends at once.
fn whole_answer(options: &CallOptions) -> Option<Duration> {
    [options.deadline, options.first_content_deadline].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use hotspare_core::{Json, Tool};

    use super::*;

    #[test]
    fn unstreamed_answer_must_end_when_a_streamed_one_must_begin() {
        let seconds = Duration::from_secs;
        let request =
            ChatRequest::to("r").user("hi").first_content_deadline(seconds(5)).deadline(seconds(60));
        let spec = |stream| CallSpec::of(&request.clone().into(), stream, 1);
        assert_eq!(
            (spec(true).deadline, spec(true).first_content_deadline),
            (Some(seconds(60)), Some(seconds(5)))
        );
        assert_eq!(spec(false).deadline, Some(seconds(5)));
    }

    #[test]
    fn text_may_be_continued_unless_the_request_demands_a_call() {
        let asks = |choice: Option<ToolChoice>| {
            let mut request =
                ChatRequest::to("r").user("hi").tool(Tool::new("f", Json::parse("{}").unwrap()));
            request.tool_choice = choice;
            CallSpec::of(&request.into(), true, 0).continuable
        };
        assert!(asks(None) && asks(Some(ToolChoice::Auto)) && asks(Some(ToolChoice::None)));
        assert!(!asks(Some(ToolChoice::Required)) && !asks(Some(ToolChoice::Named("f".into()))));
    }
}
