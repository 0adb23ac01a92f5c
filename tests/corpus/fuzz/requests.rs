//! Recorded requests, mutated at random: whatever a caller sends, the readers of requests accept it or give an error
//! that names what is wrong, and what they accept can be encoded.

use std::sync::Arc;

use hotspare_anthropic::{Anthropic, MessagesRequest};
use hotspare_core::{Error, Kind, Request};
use hotspare_openai::{
    ChatCompletionsRequest, Dialect, EmbeddingsRequest, OpenAi, Responses, ResponsesRequest,
};
use hotspare_provider::{Outbound, Wire};
use proptest::prelude::*;

use super::{LARGEST, corruption, target};
use crate::recordings::all;

/// A reader of requests, and the wire that it reads.
struct Case {
    endpoint: &'static str,
    read: fn(&[u8]) -> Result<Request, Error>,
    wire: Box<dyn Wire>,
}

fn cases() -> Vec<Case> {
    let case = |endpoint, read, wire| Case { endpoint, read, wire };
    vec![
        case(
            "chat_completions",
            |body| ChatCompletionsRequest::parse(body).map(|read| Request::Chat(Arc::new(read.request))),
            Box::new(OpenAi::new(&Dialect::OPENAI)),
        ),
        case(
            "messages",
            |body| MessagesRequest::parse(body).map(|read| Request::Chat(Arc::new(read.request))),
            Box::new(Anthropic::new()),
        ),
        case(
            "responses",
            |body| ResponsesRequest::parse(body).map(|read| Request::Chat(Arc::new(read.request))),
            Box::new(Responses::new(&Dialect::OPENAI)),
        ),
        case(
            "embeddings",
            |body| EmbeddingsRequest::parse(body).map(|read| Request::Embed(Arc::new(read.request))),
            Box::new(OpenAi::new(&Dialect::OPENAI)),
        ),
    ]
}

#[test]
fn corrupted_requests_are_read_or_give_errors_of_the_caller() {
    for Case { endpoint, read, wire } in cases() {
        let exchanges = all().recordings.iter().map(|recording| &recording.exchange);
        let seeds: Vec<_> = exchanges
            .filter(|exchange| exchange.endpoint == endpoint && exchange.request.len() <= LARGEST)
            .collect();
        let strategy = (0..seeds.len(), prop::collection::vec(corruption(), 0..5), any::<bool>());
        target(&format!("request {endpoint}"), &strategy, |(seed, corruptions, stream)| {
            let mut body = seeds[seed].request.to_vec();
            corruptions.iter().for_each(|corruption| corruption.apply(&mut body));
            let error = match read(&body) {
                Ok(request) => match wire.encode(&Outbound::new(request, "m", stream)) {
                    Ok(encoded) => {
                        let sent = serde_json::from_slice::<serde::de::IgnoredAny>(&encoded.body);
                        prop_assert!(sent.is_ok(), "{}: no JSON is sent", seeds[seed].id);
                        return Ok(());
                    }
                    Err(error) => error,
                },
                Err(error) => error,
            };
            let kinds = [Kind::InvalidRequest, Kind::Unsupported];
            prop_assert!(kinds.contains(&error.kind()), "{}: {}", seeds[seed].id, error);
            prop_assert!(!error.message().is_empty() && error.message().len() < 1_000, "{}", error);
            prop_assert!(!error.message().contains('\n'), "{}", error);
            Ok(())
        });
    }
}
