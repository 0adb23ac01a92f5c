//! Licences: every dependency may be used and shipped under permissive terms.
//!
//! Reads what packages state about themselves, not their texts. Invariant: an expression that is not understood is not
//! permissive.

use serde_json::Value;

/// Licences that ask for no more than a notice.
const PERMISSIVE: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// The packages in `cargo metadata` that may not be used under permissive terms.
pub(crate) fn other(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages
        .filter_map(|package| {
            let licence = package["license"].as_str().unwrap_or("no licence");
            let name = package["name"].as_str().unwrap_or_default();
            (!is_permissive(licence)).then(|| format!("{name}: its licence is not permissive: {licence}"))
        })
        .collect()
}

/// Evaluates an SPDX expression; a slash is an older spelling of `OR`.
fn is_permissive(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    parse_or(&mut rest) == Some(true) && rest.is_empty()
}

fn parse_or(rest: &mut &[&str]) -> Option<bool> {
    let mut any = parse_and(rest)?;
    while let ["OR", after @ ..] = rest {
        *rest = after;
        any |= parse_and(rest)?;
    }
    Some(any)
}

fn parse_and(rest: &mut &[&str]) -> Option<bool> {
    let mut all = parse_term(rest)?;
    while let ["AND", after @ ..] = rest {
        *rest = after;
        all &= parse_term(rest)?;
    }
    Some(all)
}

fn parse_term(rest: &mut &[&str]) -> Option<bool> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    if *first == "(" {
        let inner = parse_or(rest)?;
        let (")", after) = rest.split_first().map(|(close, after)| (*close, after))? else { return None };
        *rest = after;
        return Some(inner);
    }
    // An exception only adds to what is allowed.
    if let ["WITH", _, after @ ..] = rest {
        *rest = after;
    }
    Some(PERMISSIVE.contains(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_evaluated() {
        for (expression, permissive) in [
            ("MIT", true),
            ("MIT/Apache-2.0", true),
            ("GPL-3.0-only", false),
            ("MIT OR GPL-3.0-only", true),
            ("MIT AND GPL-3.0-only", false),
            ("ISC AND (Apache-2.0 OR GPL-3.0-only) AND (MIT OR MIT-0)", true),
            ("(MIT OR Apache-2.0) AND (GPL-3.0-only)", false),
            ("Apache-2.0 WITH LLVM-exception OR MIT", true),
            ("GPL-3.0-only OR MIT AND GPL-2.0-only", false),
            ("(MIT", false),
            ("MIT MIT", false),
            ("", false),
            ("no licence", false),
        ] {
            assert_eq!(is_permissive(expression), permissive, "{expression}");
        }
    }
}
