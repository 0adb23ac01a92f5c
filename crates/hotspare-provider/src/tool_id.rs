//! Ids of tool calls for wires that restrict their characters.
//!
//! Invariant: the same id is rewritten the same way wherever it occurs, and different ids stay different.

use hotspare_core::stable_hash;

/// The id, if it is 1 to 64 letters, digits, `_` and `-`. Another wire's id is rewritten; a hash keeps ids distinct that
/// differ only in the characters removed.
#[must_use]
pub fn safe_tool_id(id: &str) -> String {
    let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    if !id.is_empty() && id.len() <= 64 && id.chars().all(fits) {
        return id.to_owned();
    }
    let hash = stable_hash([id]);
    let kept: String = id.chars().filter(|character| fits(*character)).take(32).collect();
    format!("{kept}_{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safe_ids_are_kept_and_others_are_rewritten_to_distinct_ones() {
        for safe in ["toolu_01", "tooluse_01-x", "x".repeat(64).as_str()] {
            assert_eq!(safe_tool_id(safe), safe);
        }
        let unsafe_ids = ["", "a:1", "a/1", "é", &"x".repeat(65)];
        let rewritten: std::collections::BTreeSet<String> =
            unsafe_ids.iter().map(|id| safe_tool_id(id)).collect();
        assert_eq!(rewritten.len(), unsafe_ids.len());
        assert!(rewritten.iter().all(|id| safe_tool_id(id) == *id), "{rewritten:?}");
    }
}
