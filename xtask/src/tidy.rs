//! `cargo xtask tidy`: checks the project's structural rules.
//!
//! Layers: a crate depends only on lower ones; no crate depends on those outside the layers; the pure ones depend on no
//! runtime, socket, clock or randomness. Files: each starts with a description, none is too long or has a meaningless
//! name, and shared crates name no provider; each is compiled, and none import each other in a circle. Lists: each mutant still applies to the code. Dependencies: all have
//! permissive licences.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use crate::run::{cargo, root};
use crate::{circles, licences, mutants};

/// Maximum length of a file before its tests, in lines.
const MAX_FILE_LINES: usize = 500;
/// Dependencies that no crate below floor 3 may have.
const IMPURE: [&str; 10] =
    ["tokio", "reqwest", "hyper", "rand", "fastrand", "getrandom", "mio", "axum", "chrono", "tracing"];
/// Crates that must not name a provider.
const PROVIDER_NEUTRAL_CRATES: [&str; 6] = ["core", "health", "routing", "normalize", "engine", "provider"];
const PROVIDERS: [&str; 14] = [
    "openai",
    "anthropic",
    "claude",
    "deepseek",
    "gemini",
    "mistral",
    "groq",
    "bedrock",
    "azure",
    "ollama",
    "cohere",
    "xai",
    "openrouter",
    "vllm",
];
/// The only file through which tests may let real time pass.
const REAL_TIME_FILE: &str = "tests/src/lib.rs";
/// Meaningless file names.
const VAGUE_NAMES: [&str; 5] = ["util", "utils", "common", "helpers", "misc"];
/// Text that must not appear in a pure crate.
const IMPURE_WORDS: [&str; 7] =
    ["Instant::now", "SystemTime::now", "std::env::", "std::thread", "println!", "tracing::", "tokio::"];

/// The files that carry out the engine's decisions, and so must not ask what kind a failure is.
const DRIVERS: [&str; 1] = ["crates/hotspare/src/driver.rs"];

/// Runs every check.
pub(crate) fn run() -> Result<(), String> {
    let metadata = metadata()?;
    let mut violations = floors(&metadata);
    violations.extend(licences::other(&metadata));
    let mut sources = BTreeMap::new();
    for file in files(&root())? {
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let name = file.strip_prefix(root()).unwrap_or(&file).to_string_lossy().into_owned();
        violations.extend(check_file(&name, &text));
        sources.insert(name, text);
    }
    violations.extend(orphans(&sources));
    violations.extend(circles::find(&sources));
    violations.extend(links(&root())?);
    violations.extend(doc_references(&root())?);
    violations.extend(mutants::stale(&root()));
    if violations.is_empty() {
        println!("tidy: no problems");
        return Ok(());
    }
    Err(format!("{} problems:\n{}", violations.len(), violations.join("\n")))
}

/// The output of `cargo metadata`.
pub(crate) fn metadata() -> Result<Value, String> {
    let out = cargo(&["metadata", "--format-version", "1", "--all-features"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| error.to_string())?;
    serde_json::from_slice(&out.stdout).map_err(|error| format!("cargo metadata: {error}"))
}

/// Dependencies that go up or sideways, and impure dependencies below floor 3.
fn floors(metadata: &Value) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut floor: BTreeMap<String, Option<u64>> = BTreeMap::new();
    let mut direct: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let members: BTreeSet<String> = list(&metadata["workspace_members"]).iter().map(&text).collect();
    let mut violations = Vec::new();
    for package in list(&metadata["packages"]) {
        let name = text(&package["name"]);
        let normal = list(&package["dependencies"]);
        let normal =
            normal.iter().filter(|dependency| dependency["kind"].is_null() || dependency["kind"] == "build");
        direct.insert(
            name.clone(),
            normal
                .filter(|edge| edge["optional"] != true || edge["path"].is_string())
                .map(|edge| text(&edge["name"]))
                .collect(),
        );
        if members.contains(&text(&package["id"])) {
            let stated = &package["metadata"]["hotspare"]["floor"];
            if stated.is_null() {
                violations.push(format!("{name}/Cargo.toml: state its floor in [package.metadata.hotspare]"));
            }
            floor.insert(name, stated.as_u64());
        }
    }
    for (name, own) in &floor {
        for dependency in direct.get(name).into_iter().flatten() {
            match (own, floor.get(dependency)) {
                (_, None) => {}
                (_, Some(None)) => {
                    violations.push(format!("{name}: depends on {dependency}, which is outside the floors"))
                }
                (Some(own), Some(Some(theirs))) if theirs >= own => {
                    violations.push(format!(
                        "{name} (floor {own}): depends on {dependency} (floor {theirs}); only downwards"
                    ));
                }
                _ => {}
            }
        }
        if own.is_some_and(|own| own < 3) {
            for found in reached(name, &direct).intersection(&IMPURE.map(str::to_owned).into()) {
                // The provider interface uses async traits; the runtime belongs to the driver.
                violations.push(format!(
                    "{name}: pulls in {found}; below floor 3 time, chance and IO are arguments"
                ));
            }
        }
    }
    violations
}

fn reached(from: &str, direct: &BTreeMap<String, Vec<String>>) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut queue = vec![from.to_owned()];
    while let Some(name) = queue.pop() {
        for next in direct.get(&name).into_iter().flatten() {
            if seen.insert(next.clone()) {
                queue.push(next.clone());
            }
        }
    }
    seen
}

fn files(root: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = ["crates", "tests", "xtask"].iter().map(|name| root.join(name)).collect();
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// All violations in one file.
fn check_file(name: &str, text: &str) -> Vec<String> {
    let mut violations = Vec::new();
    let mut say = |line: usize, what: String| violations.push(format!("{name}:{line}: {what}"));
    if !text.starts_with("//!") {
        say(1, "open the file with `//!`: what it is, what it is not, its invariant".into());
    }
    let runner = name.starts_with("tests/src/bin/") || name.starts_with("tests/examples/");
    let is_test = !runner
        && (name.contains("/tests/")
            || name.ends_with("tests.rs")
            || name.ends_with("explore.rs")
            || name.starts_with("tests/"));
    let code: Vec<&str> = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).collect();
    if !is_test && code.len() > MAX_FILE_LINES {
        say(code.len(), format!("{} lines before its tests; split it at {MAX_FILE_LINES}", code.len()));
    }
    let stem =
        Path::new(name).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    if VAGUE_NAMES.contains(&stem.as_str()) {
        say(1, format!("`{stem}` is not descriptive; name what it is"));
    }
    let room =
        PROVIDER_NEUTRAL_CRATES.iter().find(|room| name.starts_with(&format!("crates/hotspare-{room}/src/")));
    for (at, line) in code.iter().enumerate() {
        let lower = line.to_ascii_lowercase();
        let words: BTreeSet<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        if let (Some(room), false) = (room, is_test) {
            if let Some(provider) = PROVIDERS.iter().find(|provider| words.contains(**provider)) {
                // Provider and model names are allowed as examples in doc comments.
                if !lower.contains("such as") && !lower.contains("`") {
                    say(
                        at + 1,
                        format!("`{provider}` must not be named in {room}: only adapters know providers"),
                    );
                }
            }
            if *room != "provider"
                && !line.trim_start().starts_with("//")
                && let Some(word) = IMPURE_WORDS.iter().find(|word| line.contains(**word))
            {
                say(at + 1, format!("`{word}` in a pure crate: make it an argument"));
            }
        }
        let names_kind = |line: &str| line.split(|c: char| !c.is_alphanumeric()).any(|word| word == "Kind");
        if DRIVERS.contains(&name) && names_kind(line) {
            say(at + 1, "no kind of error in a driver: what follows from it is in the policy table".into());
        }
        if name.starts_with("crates/hotspare-openai/src/")
            && (line.contains("dialect.id ==") || line.contains("match dialect.id"))
        {
            say(at + 1, "do not match on the dialect: make the difference a field".into());
        }
    }
    if is_test {
        for (at, line) in text.lines().enumerate() {
            let sleeps = ["time::sleep(", "thread::sleep(", "pending::<()>()"];
            if sleeps.iter().any(|sleep| line.contains(sleep)) && name != REAL_TIME_FILE {
                say(at + 1, "no sleep in a test: wait for the event".into());
            }
        }
    }
    violations
}

/// Files that no module declares: the compiler does not see them.
fn orphans(sources: &BTreeMap<String, String>) -> Vec<String> {
    let declares = |parent: &str, module: &str| {
        let text = sources.get(parent).map_or("", String::as_str);
        text.lines().any(|line| {
            line.trim_start_matches("pub ").trim_start_matches("pub(crate) ") == format!("mod {module};")
        })
    };
    let is_root = |path: &Path| {
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
        let stem = path.file_stem().unwrap_or_default();
        ["lib", "main", "build"].iter().any(|name| stem == *name)
            || ["bin", "examples"].iter().any(|name| folder == *name)
    };
    let orphan = |name: &&String| {
        let path = Path::new(name);
        let stem = path.file_stem().unwrap_or_default();
        let (module, folder) = match path.parent() {
            Some(own) if stem == "mod" => (own.file_name().unwrap_or_default(), own.parent().unwrap_or(own)),
            folder => (stem, folder.unwrap_or(path)),
        };
        let parents = [
            folder.join("mod.rs"),
            folder.join("lib.rs"),
            folder.join("main.rs"),
            folder.with_extension("rs"),
        ];
        !is_root(path)
            && !parents.iter().any(|parent| declares(&parent.to_string_lossy(), &module.to_string_lossy()))
    };
    let lost = sources.keys().filter(orphan);
    lost.map(|name| format!("{name}: no module declares it, so it is not compiled: declare it or delete it"))
        .collect()
}

/// Tests and mutations that documents name but that do not exist.
fn doc_references(root: &Path) -> Result<Vec<String>, String> {
    let read =
        |path: &Path| std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let mut sources = Vec::new();
    for file in files(root)? {
        sources.push((file.to_string_lossy().into_owned(), read(&file)?));
    }
    let (faults, health) = (read(&root.join("docs/faults.md"))?, read(&root.join("docs/health.md"))?);
    let mut violations = crate::doc_references::tests("docs/faults.md", &faults, &sources);
    violations.extend(crate::doc_references::tests("docs/health.md", &health, &sources));
    violations.extend(crate::doc_references::mutations("docs/health.md", &health, &crate::mutants::names()));
    Ok(violations)
}

/// Relative links in documents that lead nowhere.
fn links(root: &Path) -> Result<Vec<String>, String> {
    let mut documents = vec![root.join("README.md")];
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in
            std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?.flatten()
        {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                documents.push(path);
            }
        }
    }
    let mut violations = Vec::new();
    for document in documents {
        let text =
            std::fs::read_to_string(&document).map_err(|error| format!("{}: {error}", document.display()))?;
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            let outside = path.is_empty() || path.contains("://") || path.starts_with("mailto:");
            if !outside && !document.parent().unwrap_or(root).join(path).exists() {
                violations.push(format!("{}: the link to {path} is broken", document.display()));
            }
        }
    }
    Ok(violations)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn package(name: &str, floor: Value, dependencies: &[&str]) -> Value {
        let edges: Vec<Value> = dependencies.iter().map(|name| json!({"name": name, "kind": null})).collect();
        json!({"name": name, "id": name, "metadata": {"hotspare": {"floor": floor}}, "dependencies": edges})
    }

    #[test]
    fn dependencies_go_down_and_pure_crates_stay_pure() {
        let found = floors(&json!({
            "workspace_members": ["a", "b", "c", "t"],
            "packages": [
                package("a", json!(0), &["tokio"]), package("b", json!(1), &["a", "c"]), package("c", json!(1), &["t"]),
                package("t", json!("outside"), &["a"]), package("tokio", Value::Null, &[]),
            ],
        }));
        let all = found.join("\n");
        assert!(all.contains("b (floor 1): depends on c (floor 1)"), "{all}");
        assert!(all.contains("c: depends on t, which is outside the floors"), "{all}");
        assert!(all.contains("a: pulls in tokio"), "{all}");
    }

    #[test]
    fn undeclared_files_are_found() {
        let files = [
            ("crates/a/src/lib.rs", "mod b;\npub(crate) mod c;"),
            ("crates/a/src/b.rs", "    mod tests;\nmod d;"),
            ("crates/a/src/b/d.rs", ""),
            ("crates/a/src/c/mod.rs", "mod e;"),
            ("crates/a/src/c/e.rs", ""),
            ("crates/a/src/c/lost.rs", ""),
            ("crates/a/src/lost.rs", "mod lost;"),
            ("crates/a/examples/x.rs", ""),
            ("tests/src/bin/y/main.rs", "mod z;"),
            ("tests/src/bin/y/z.rs", ""),
        ];
        let sources = files.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        let found = orphans(&sources).join("\n");
        assert_eq!(found.lines().count(), 2, "{found}");
        assert!(found.contains("a/src/c/lost.rs") && found.contains("a/src/lost.rs"), "{found}");
    }

    #[test]
    fn check_file_detects_violations() {
        let wrong = |name: &str, text: &str| check_file(name, text).join("\n");
        assert!(wrong("crates/x/src/a.rs", "fn a() {}").contains("open the file with"));
        assert!(wrong("crates/x/src/util.rs", "//! x").contains("not descriptive"));
        assert!(wrong("crates/x/src/a.rs", &format!("//! x\n{}", "x\n".repeat(600))).contains("split it"));
        let room = "crates/hotspare-engine/src/a.rs";
        assert!(wrong(room, "//! x\n// for Anthropic").contains("must not be named in engine"));
        assert!(wrong(room, "//! x\nlet now = Instant::now();").contains("pure crate"));
        assert!(wrong("tests/behavior/a.rs", "//! x\ntokio::time::sleep(x)").contains("no sleep"));
        assert!(wrong(DRIVERS[0], "//! x\nif error.kind() == Kind::Auth {}").contains("no kind of error"));
        assert_eq!(wrong(DRIVERS[0], "//! x\nif begin.kind == StartKind::Hedge {}"), "");
        let pending = "//! x\ntokio::time::timeout(x, pending::<()>())";
        assert!(wrong("tests/behavior/a.rs", pending).contains("no sleep"));
        assert_eq!(wrong(REAL_TIME_FILE, pending), "");
        assert_eq!(wrong(room, "//! x\nfn a() {}"), "");
    }

    /// Also a test, so that `cargo test` catches violations.
    #[test]
    fn repository_is_tidy() {
        run().unwrap();
    }
}
