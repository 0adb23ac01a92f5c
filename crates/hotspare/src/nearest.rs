//! Suggestions for mistyped names.
//!
//! For error texts only: a name is never resolved to anything but itself.

/// The three of `names` most likely meant by `name`, as in "`a`, `b` or `c`". A shared prefix outweighs the edit distance: `gpt-9` is closer to
/// `gpt-4o-mini` than to `o`.
pub(crate) fn nearest(name: &str, mut names: Vec<String>) -> String {
    let shares_prefix =
        |known: &str| known.chars().zip(name.chars()).take_while(|(a, b)| a == b).count() >= 3;
    names.sort_by_key(|known| (!shares_prefix(known), distance(known, name)));
    names.truncate(3);
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// The one of `names` that `name` is probably a misspelling of.
#[cfg(feature = "config")]
pub(crate) fn similar<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let nearest = names.iter().copied().min_by_key(|known| distance(known, name))?;
    // About one mistake in three letters.
    (distance(nearest, name) <= (name.chars().count() / 3).max(1)).then_some(nearest)
}

/// The number of letters to insert, delete, replace or swap with their neighbour. Long names are cut.
fn distance(a: &str, b: &str) -> usize {
    let [a, b] = [a, b].map(|name| name.chars().take(64).collect::<String>());
    strsim::osa_distance(&a, &b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_prefix_beats_edit_distance() {
        let names = || ["o", "chat", "claude", "gpt-4o-mini"].map(str::to_owned).to_vec();
        assert!(nearest("gpt-9", names()).starts_with("`gpt-4o-mini`, `"));
        assert!(nearest("caht", names()).starts_with("`chat`, `"));
    }

    #[cfg(feature = "config")]
    #[test]
    fn only_a_misspelling_is_similar() {
        for (name, near) in [
            ("fastets", Some("fastest")),
            ("kyes", Some("keys")),
            ("key", Some("keys")),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(similar(name, &["fastest", "keys", "sticky"]), near, "{name}");
        }
    }
}
