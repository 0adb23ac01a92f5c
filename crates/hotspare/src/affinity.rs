//! Which requests belong together, for strategies that keep them at one target.
//!
//! Not a strategy. Invariant: the same beginning gives the same affinity in every process of one build.

use std::hash::{DefaultHasher, Hash, Hasher};

use hotspare_core::{Part, Request, Role};

/// What should stay together: the requests of one end user, or of one conversation. Conversations are told apart by their
/// beginning up to the first user turn, because the instructions before it are often the same for all.
pub(crate) fn affinity(request: &Request) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    match (request.user(), request) {
        (Some(user), _) => user.hash(&mut hasher),
        (None, Request::Chat(chat)) => {
            let asked = chat.messages.iter().position(|message| message.role == Role::User);
            let beginning = chat.messages.get(..=asked.unwrap_or(0))?;
            for text in beginning.iter().flat_map(|message| &message.parts).filter_map(Part::as_text) {
                text.hash(&mut hasher);
            }
        }
        (None, Request::Embed(_)) => return None,
    }
    Some(hasher.finish())
}
