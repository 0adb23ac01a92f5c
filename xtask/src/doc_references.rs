//! Tests and mutations named by documents must exist.
//!
//! Does not check that the tests pass. Invariant: a reference names exactly one file and a `#[test]` in it, so that a
//! renamed, moved or removed test is noticed.

use std::collections::BTreeSet;
use std::path::Path;

/// Broken references of the form `` `path/to/file.rs::name` `` in a document. The path may omit leading directories as
/// long as it stays unique.
pub(crate) fn tests(document: &str, text: &str, files: &[(String, String)]) -> Vec<String> {
    let references = text.split('`').skip(1).step_by(2).filter_map(|code| code.split_once(".rs::"));
    references
        .filter_map(|(file, name)| {
            let file = format!("{file}.rs");
            let candidates: Vec<&(String, String)> =
                files.iter().filter(|(path, _)| Path::new(path).ends_with(&file)).collect();
            let wrong = match candidates.as_slice() {
                [] => format!("there is no file `{file}`"),
                [(_, text)] if is_test(text, name) => return None,
                [_] => format!("there is no test `{name}` in {file}"),
                several => format!("`{file}` may be {} files: add directories", several.len()),
            };
            Some(format!("{document}: {wrong}"))
        })
        .collect()
}

/// Whether the source has a function of this name under a test attribute or in a `proptest!` block.
fn is_test(source: &str, name: &str) -> bool {
    let wanted = format!("fn {name}(");
    source.match_indices(&wanted).any(|(at, _)| {
        let above = source[..at].rfind('\n').map_or("", |end| &source[..end]);
        let mut attributes = above
            .lines()
            .rev()
            .map(str::trim)
            .take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        attributes.any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
    })
}

/// Mutations named in the last column of a table that do not exist.
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
    fn missing_tests_are_reported() {
        let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
        let files = [
            file("tests/behavior/a.rs", "#[tokio::test]\nasync fn one() {}\nfn helper() {}"),
            file("crates/x/src/tests.rs", "#[test]\n// why\n#[ignore]\nfn one() {}"),
            file("crates/y/src/tests.rs", "#[test]\nfn one() {}"),
        ];
        let text =
            "| `behavior/a.rs::one`, `x/src/tests.rs::one` | `a.rs::helper`, `b.rs::one`, `tests.rs::one` |";
        let said = tests("d", text, &files);
        let wanted = [
            "d: there is no test `helper` in a.rs",
            "d: there is no file `b.rs`",
            "d: `tests.rs` may be 2 files: add directories",
        ];
        assert_eq!(said, wanted);
        let table = "| | what | mutation |\n|---|---|---|\n| I1 | x | a; b |\n| I2 | y | – |\n\nafter | c |";
        assert_eq!(mutations("d", table, &BTreeSet::from(["a"])), ["d: there is no mutation `b`"]);
    }
}
