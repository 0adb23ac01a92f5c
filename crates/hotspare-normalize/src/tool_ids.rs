//! Ids of tool calls: never empty, and unique within an answer.
//!
//! Not random: a generated id is derived from the answer's id, the call's position and the tool's name, so the streamed
//! and the whole answer agree, and a replay gives the same. Invariant: a generated id has nine ASCII letters and
//! digits, which every known server accepts.

use std::collections::BTreeSet;

use hotspare_core::{Event, stable_hash};

/// The length of a generated id: one server family requires nine letters and digits, which the others accept, too.
const LENGTH: usize = 9;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Gives every tool call of one answer a unique id.
#[derive(Clone, Debug, Default)]
pub struct ToolIds {
    answer: Option<String>,
    used: BTreeSet<String>,
}

impl ToolIds {
    /// Replaces the id of a `ToolStarted` if it is empty or was used before, and remembers the answer's id from
    /// `Started`. All other events are left alone. Returns whether the event was changed.
    pub fn fix(&mut self, event: &mut Event) -> bool {
        match event {
            Event::Started { id: Some(id), .. } if self.answer.is_none() && !id.is_empty() => {
                self.answer = Some(id.clone());
                false
            }
            Event::ToolStarted { index, id, name } => {
                if !id.is_empty() && self.used.insert(id.clone()) {
                    return false;
                }
                *id = self.make(*index, name);
                true
            }
            _ => false,
        }
    }

    fn make(&mut self, index: u32, name: &str) -> String {
        let answer = self.answer.as_deref().unwrap_or_default();
        let mut attempt = 0_u32;
        loop {
            let id = derived_id(&[answer, &index.to_string(), name, &attempt.to_string()]);
            if self.used.insert(id.clone()) {
                return id;
            }
            attempt = attempt.wrapping_add(1);
        }
    }
}

/// Whether an id has the form of a generated one.
pub(crate) fn is_short(id: &str) -> bool {
    id.len() == LENGTH && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Nine letters and digits derived from `parts` alone.
pub(crate) fn derived_id(parts: &[&str]) -> String {
    let mut hash = stable_hash(parts.iter().copied());
    // FNV's low bits depend little on the last bytes; fold the high half in before taking digits.
    hash ^= hash >> 32;
    (0..LENGTH)
        .map(|_| {
            let digit = ALPHABET[(hash % 62) as usize];
            hash /= 62;
            char::from(digit)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fix(ids: &mut ToolIds, index: u32, id: &str, name: &str) -> String {
        let mut event = Event::ToolStarted { index, id: id.into(), name: name.into() };
        ids.fix(&mut event);
        match event {
            Event::ToolStarted { id, .. } => id,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn valid_ids_are_kept_and_others_replaced() {
        let mut ids = ToolIds::default();
        assert_eq!(fix(&mut ids, 0, "a", "f"), "a");
        let second = fix(&mut ids, 1, "a", "f");
        let third = fix(&mut ids, 2, "", "f");
        assert!(second != "a" && third != second);
        for id in [&second, &third] {
            assert!(is_short(id), "{id}");
        }
    }

    #[test]
    fn generated_ids_differ_by_answer_and_are_deterministic() {
        let of = |answer: Option<&str>| {
            let mut ids = ToolIds::default();
            ids.fix(&mut Event::Started { id: answer.map(Into::into), model: None });
            fix(&mut ids, 0, "", "f")
        };
        assert_eq!(of(Some("x")), of(Some("x")));
        assert_ne!(of(Some("x")), of(Some("y")));
        assert_ne!(of(None), of(Some("y")));
    }

    #[test]
    fn generated_id_never_collides_with_a_real_one() {
        let would_be = fix(&mut ToolIds::default(), 1, "", "f");
        let mut ids = ToolIds::default();
        assert_eq!(fix(&mut ids, 0, &would_be, "f"), would_be);
        assert_ne!(fix(&mut ids, 1, "", "f"), would_be);
    }
}
