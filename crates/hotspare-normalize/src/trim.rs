//! Drops the oldest turns of a conversation that does not fit the context window.
//!
//! Off by default, and not a summary. Invariant: instructions and everything from the user's last turn on are kept, a
//! tool result is never kept without its call, and what remains is a contiguous part of the conversation.

use hotspare_core::{ChatRequest, Message, Part, Role};

use crate::tokens::{chat_size, message_size};

/// Drops the oldest turns of `request` until it is estimated at no more than `most` tokens. Returns the request and the
/// number of messages dropped; `None` if the last turn alone is too long.
#[must_use]
pub fn trim(request: &ChatRequest, most: u64) -> Option<(ChatRequest, usize)> {
    let mut left = chat_size(request);
    // The start of each user turn: everything up to the next one belongs together.
    let turns: Vec<usize> = request
        .messages
        .iter()
        .enumerate()
        .filter(|(_, message)| starts_turn(message))
        .map(|(at, _)| at)
        .collect();
    let last = turns.last().copied().unwrap_or(0);
    let first = request.messages.iter().take_while(|message| is_instruction(message)).count();
    let mut keep_from = first;
    for next in turns.into_iter().filter(|at| *at > first) {
        if left.tokens() <= most {
            break;
        }
        for message in request.messages[keep_from..next].iter().filter(|message| !is_instruction(message)) {
            left = left.without(&message_size(message));
        }
        keep_from = next;
    }
    if left.tokens() > most || (keep_from > last && last > first) {
        return None;
    }
    let mut trimmed = request.clone();
    let before = trimmed.messages.len();
    let mut at = 0;
    trimmed.messages.retain(|message| {
        at += 1;
        at > keep_from || is_instruction(message)
    });
    let missing = before - trimmed.messages.len();
    Some((trimmed, missing))
}

fn is_instruction(message: &Message) -> bool {
    matches!(message.role, Role::System | Role::Developer)
}

/// Whether this is the user's own turn, rather than tool results sent in the user's role.
fn starts_turn(message: &Message) -> bool {
    message.role == Role::User && !message.parts.iter().any(|part| matches!(part, Part::ToolResult(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hotspare_core::{ToolCall, ToolResult};
    use proptest::prelude::*;

    fn conversation(turns: &[(usize, bool)]) -> ChatRequest {
        let mut request = ChatRequest::to("r").system("Be brief.");
        for (at, (length, tool)) in turns.iter().enumerate() {
            request = request.user(format!("{at} {}", "word ".repeat(*length)));
            if *tool {
                let call = Part::ToolCall(ToolCall::new(format!("c{at}"), "f", "{}"));
                request = request.message(Message::new(Role::Assistant, vec![call]));
                request = request.message(Message::tool(ToolResult::new(format!("c{at}"), "ok")));
            }
            request = request.assistant("done");
        }
        request.user("and now?")
    }

    #[test]
    fn trims_oldest_turns_and_keeps_the_last() {
        let request = conversation(&[(100, true), (100, false), (5, false)]);
        let (trimmed, missing) = trim(&request, 150).unwrap();
        assert_eq!(missing, 4);
        let texts: Vec<String> = trimmed.messages.iter().map(Message::joined_text).collect();
        assert_eq!(texts[0], "Be brief.");
        assert!(texts[1].starts_with("1 word"), "{texts:?}");
        assert_eq!(trim(&request, 100_000).map(|(_, missing)| missing), Some(0));
        assert_eq!(trim(&request, 5), None);
    }

    proptest! {
        #[test]
        fn trimmed_conversation_fits_and_is_well_formed(
            turns in proptest::collection::vec((0..60_usize, any::<bool>()), 0..12),
            most in 0..900_u64,
        ) {
            let request = conversation(&turns);
            let Some((trimmed, missing)) = trim(&request, most) else {
                // Nothing is shorter than the instructions and the last turn.
                let least = ChatRequest::to("r").system("Be brief.").user("and now?");
                prop_assert!(chat_size(&least).tokens() > most);
                return Ok(());
            };
            prop_assert!(chat_size(&trimmed).tokens() <= most);
            prop_assert_eq!(trimmed.messages.len() + missing, request.messages.len());
            prop_assert_eq!(&trimmed.messages[0], &request.messages[0]);
            prop_assert_eq!(&trimmed.messages[1..], &request.messages[1 + missing..]);
            prop_assert!(crate::portable(&trimmed, "w", None).is_ok(), "a result without its call");
            // No more is dropped than necessary.
            if missing > 0 {
                prop_assert!(chat_size(&request).tokens() > most);
            }
        }
    }
}
