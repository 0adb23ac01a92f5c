//! What documents promise: tests and mutations that they name must be there.
//!
//! Not whether those tests pass. Invariant: a test that is renamed or removed is missed here, so that a table of promises
//! cannot rot.

use std::collections::BTreeSet;
use std::path::Path;

/// Names of tests that documents have and the tree has not: `` `file.rs::name` ``.
pub(crate) fn tests(document: &str, text: &str, files: &[(String, String)]) -> Vec<String> {
    let named = text.split('`').skip(1).step_by(2).filter_map(|code| code.split_once(".rs::"));
    named
        .filter(|(file, name)| {
            let file = format!("{file}.rs");
            let is = |path: &str| Path::new(path).file_name().is_some_and(|last| last == file.as_str());
            let wanted = format!("fn {name}(");
            !files.iter().any(|(path, text)| is(path) && text.contains(&wanted))
        })
        .map(|(file, name)| format!("{document}: there is no test `{name}` in a {file}.rs"))
        .collect()
}

/// Mutations that the last column of a table names and the list has not.
pub(crate) fn mutations(document: &str, text: &str, known: &BTreeSet<&str>) -> Vec<String> {
    let rows = text.lines().skip_while(|line| !line.trim_end().ends_with("| mutation |")).skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .filter_map(|row| row.trim_end().trim_end_matches('|').rsplit('|').next())
        .flat_map(|cell| cell.split("; ").map(str::trim))
        .filter(|name| !name.is_empty() && *name != "–" && !known.contains(name))
        .map(|name| format!("{document}: there is no mutation `{name}`"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_missed() {
        let files = [("tests/behavior/a.rs".to_owned(), "async fn one() {}".to_owned())];
        let said = tests("d", "| x | `a.rs::one`, `a.rs::two`, `b.rs::one` |", &files);
        assert_eq!(said, ["d: there is no test `two` in a a.rs", "d: there is no test `one` in a b.rs"]);
        let table = "| | what | mutation |\n|---|---|---|\n| I1 | x | a; b |\n| I2 | y | – |\n\nafter | c |";
        assert_eq!(mutations("d", table, &BTreeSet::from(["a"])), ["d: there is no mutation `b`"]);
    }
}
