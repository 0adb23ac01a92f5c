//! Which requests belong together, for strategies that keep them at one target.
//!
//! Not a strategy. Invariant: the same beginning gives the same affinity in every process and in every release.

use hotspare_core::{Part, Request, Role, stable_hash};

/// What should stay together: the requests of one end user, or of one conversation. Conversations are told apart by their
/// beginning up to the first user turn, because the instructions before it are often the same for all.
pub(crate) fn affinity(request: &Request) -> Option<u64> {
    if let Some(user) = request.end_user() {
        return Some(stable_hash([user]));
    }
    let Request::Chat(chat) = request else { return None };
    let asked = chat.messages.iter().position(|message| message.role == Role::User);
    let beginning = chat.messages.get(..=asked.unwrap_or(0))?;
    Some(stable_hash(beginning.iter().flat_map(|message| &message.parts).filter_map(Part::as_text)))
}

#[cfg(test)]
mod tests {
    use hotspare_core::{ChatRequest, EmbedRequest};

    use super::*;

    fn of(chat: ChatRequest) -> Option<u64> {
        affinity(&Request::from(chat))
    }

    /// Gateways of two releases behind one load balancer must agree, so this number never changes.
    #[test]
    fn affinity_hash_is_stable_across_releases() {
        let chat = ChatRequest::to("r").system("Be brief.").user("What is a hot spare?");
        assert_eq!(of(chat.clone()), Some(0x3277_708C_DDAF_7AFA));
        assert_eq!(of(chat.end_user("u-1")), Some(0x884C_6FE5_BC25_5F27));
    }

    #[test]
    fn affinity_follows_the_opening_or_the_end_user() {
        let opening = ChatRequest::to("r").system("Be brief.").user("one");
        let further = opening.clone().assistant("1").user("two");
        assert_eq!(of(further.clone()), of(opening.clone()));
        assert_ne!(of(ChatRequest::to("r").system("Be brief.").user("two")), of(opening.clone()));
        assert_ne!(of(opening.clone().end_user("a")), of(opening.clone()));
        assert_eq!(of(opening.end_user("a")), of(further.end_user("a")));
        assert_eq!(of(ChatRequest::to("r")), None);
        assert_eq!(affinity(&EmbedRequest::to("r").text("text").into()), None);
    }
}
