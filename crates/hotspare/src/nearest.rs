//! Suggestions for mistyped names.
//!
//! For error texts only: a name is never resolved to anything but itself.

/// The three of `names` most likely meant by `name`. A shared prefix outweighs the edit distance: `gpt-9` is closer to
/// `gpt-4o-mini` than to `o`.
pub(crate) fn nearest(name: &str, mut names: Vec<String>) -> String {
    let shares_prefix =
        |known: &str| known.chars().zip(name.chars()).take_while(|(a, b)| a == b).count() >= 3;
    names.sort_by_key(|known| (!shares_prefix(known), distance(known, name)));
    names.truncate(3);
    names.join("`, `")
}

/// The Levenshtein distance between two names.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_prefix_beats_edit_distance() {
        let names = || ["o", "chat", "claude", "gpt-4o-mini"].map(str::to_owned).to_vec();
        assert!(nearest("gpt-9", names()).starts_with("gpt-4o-mini`, `"));
        assert!(nearest("caht", names()).starts_with("chat`, `"));
    }
}
