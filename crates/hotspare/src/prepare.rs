//! A request as one target gets it.
//!
//! Not an adapter: no wire is spelled here. Invariant: what is not changed is not copied.

use std::sync::Arc;

use hotspare_core::{ChatRequest, Message};
use hotspare_engine::Begin;

/// The request for one attempt.
pub(crate) fn prepare(request: &Arc<ChatRequest>, begin: &Begin) -> Arc<ChatRequest> {
    match &begin.resume {
        Some(resume) if resume.prefill => {
            let mut request = ChatRequest::clone(request);
            // The second part gets what the first has left of the answer's length; four bytes are about a token.
            let sent = resume.text.len() as u64 / 4;
            request.max_output = request.max_output.map(|most| most.saturating_sub(sent).max(1));
            request.messages.push(Message::assistant(resume.text.as_ref()));
            Arc::new(request)
        }
        _ => Arc::clone(request),
    }
}
