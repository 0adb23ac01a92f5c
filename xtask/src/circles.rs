//! Files of a crate that import each other in a circle.
//!
//! Reads paths that start with `crate::` or `super::`, outside comments and tests. Not counted: crate roots, which
//! re-export, and a file and the module it is part of. Invariant: a circle is reported once, with every file in it.

use std::collections::{BTreeMap, BTreeSet};

/// Files by the files that they import.
type Graph<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// One line for each circle.
pub(crate) fn find(sources: &BTreeMap<String, String>) -> Vec<String> {
    let graph = graph(sources);
    let mut reported = BTreeSet::new();
    let mut found = Vec::new();
    for &file in graph.keys() {
        let from_here = reachable(&graph, file);
        let circle: Vec<&str> =
            from_here.iter().copied().filter(|other| reachable(&graph, other).contains(file)).collect();
        if !circle.is_empty() && reported.insert(circle.clone()) {
            found.push(format!("{}: files import each other in a circle", circle.join(", ")));
        }
    }
    found
}

fn graph(sources: &BTreeMap<String, String>) -> Graph<'_> {
    let modules: BTreeMap<Vec<&str>, &str> =
        sources.keys().filter_map(|file| Some((module(file)?, file.as_str()))).collect();
    let mut graph = Graph::new();
    for (own, file) in &modules {
        let imports = graph.entry(file).or_default();
        for path in paths(&sources[*file]) {
            let Some(mut parts) = absolute(own, &path) else { continue };
            while parts.len() > 1 && !modules.contains_key(&parts) {
                parts.pop();
            }
            // A module and its parts are one room.
            let is_same_room = own.starts_with(&parts) || parts.starts_with(own);
            if let (Some(to), false) = (modules.get(&parts), is_same_room) {
                imports.insert(to);
            }
        }
    }
    graph
}

/// The crate and module path of a library's file; `None` for roots, tests, programs and examples.
fn module(file: &str) -> Option<Vec<&str>> {
    let (name, path) = file.strip_prefix("crates/")?.split_once("/src/")?;
    let path = path.strip_suffix(".rs")?;
    let path = path.strip_suffix("/mod").unwrap_or(path);
    let is_test = path.split('/').any(|part| matches!(part, "tests" | "explore"));
    let is_root = matches!(path, "lib" | "main");
    (!is_test && !is_root).then(|| std::iter::once(name).chain(path.split('/')).collect())
}

/// The paths that start with `crate::` or `super::`, braces expanded by one level.
fn paths(text: &str) -> Vec<Vec<&str>> {
    let code = text.split("\n#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut found = Vec::new();
    for line in lines {
        for start in ["crate::", "super::"] {
            for (at, _) in line.match_indices(start) {
                let before = line[..at].chars().next_back();
                if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | ':')) {
                    continue;
                }
                let rest = &line[at..];
                let end =
                    rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(rest.len());
                let stem: Vec<&str> = rest[..end].split("::").filter(|part| !part.is_empty()).collect();
                let listed = rest[end..].strip_prefix('{').and_then(|list| list.split('}').next());
                for one in listed.unwrap_or_default().split(',') {
                    let one = one.trim().split("::").next().unwrap_or_default();
                    found.push(stem.iter().copied().chain((!one.is_empty()).then_some(one)).collect());
                }
            }
        }
    }
    found
}

/// A path from the crate's root, led by the crate's name.
fn absolute<'a>(own: &[&'a str], path: &[&'a str]) -> Option<Vec<&'a str>> {
    let up = path.iter().take_while(|part| **part == "super").count();
    let base = if up == 0 { own.get(..1)? } else { own.get(..own.len().checked_sub(up)?)? };
    let rest = path.get(up.max(1)..)?;
    Some(base.iter().chain(rest).copied().collect())
}

/// The files that can be reached from this one, itself only through a circle.
fn reachable<'a>(graph: &Graph<'a>, from: &str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut queue = vec![from];
    while let Some(file) = queue.pop() {
        for &next in graph.get(file).into_iter().flatten() {
            if seen.insert(next) {
                queue.push(next);
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_are_found_and_ordinary_imports_are_not() {
        let files = [
            ("crates/a/src/lib.rs", "use crate::b::B;"),
            ("crates/a/src/b.rs", "use crate::c::{C, other};"),
            ("crates/a/src/c.rs", "mod d;\nuse crate::root_item;"),
            ("crates/a/src/c/d.rs", "use super::C;\nfn f(_: super::super::e::E) {}"),
            (
                "crates/a/src/e.rs",
                "// use crate::c::d;\nuse crate::b;\n#[cfg(test)]\nmod tests { use crate::c; }",
            ),
            ("crates/a/src/f.rs", "use crate::e::E;"),
            ("crates/b/src/b.rs", "use crate::e::E;"),
            ("crates/b/src/e.rs", "use other_crate::b::B;"),
        ];
        let mut sources: BTreeMap<String, String> =
            files.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        assert_eq!(find(&sources), [""; 0]);
        sources.insert("crates/a/src/b.rs".into(), "use crate::{c::d::D, g};".into());
        assert_eq!(find(&sources), [""; 0], "of a list only the first names are read");
        sources.insert("crates/a/src/b.rs".into(), "use crate::c::d::D;".into());
        let circle = "crates/a/src/b.rs, crates/a/src/c/d.rs, crates/a/src/e.rs";
        assert_eq!(find(&sources), [format!("{circle}: files import each other in a circle")]);
    }
}
