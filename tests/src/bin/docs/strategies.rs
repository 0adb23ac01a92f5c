//! `docs/strategies.md`: what each strategy is for, from the comments on their types.
//!
//! Invariant: every strategy in `hotspare-routing` is listed, and every name is one that a configuration accepts.

use std::collections::BTreeSet;
use std::path::Path;

use hotspare::Client;

/// The file, the type, how a configuration writes it, and what it costs.
const STRATEGIES: [[&str; 4]; 11] = [
    ["sequential", "Sequential", "strategy = \"sequential\"", "one attempt per call, unless it fails"],
    [
        "health_aware",
        "HealthAware",
        "strategy = \"health-aware\"",
        "as `sequential`; one call in fifty takes the written order, to find out whether a target has recovered",
    ],
    [
        "most_reliable",
        "MostReliable",
        "strategy = \"most-reliable\"",
        "as `sequential`; one call in 500 goes to the second choice, one in fifty to a degraded target",
    ],
    [
        "fastest",
        "Fastest",
        "strategy = \"fastest\"",
        "as `sequential`; one call in fifty goes to another target than the best",
    ],
    ["cheapest", "Cheapest", "strategy = \"cheapest\"", "as `sequential`, at the lowest list price"],
    ["weighted", "Weighted", "strategy = \"weighted\"\nweights = { a = 9, b = 1 }", "as `sequential`"],
    ["round_robin", "RoundRobin", "strategy = \"round-robin\"", "as `sequential`"],
    ["sticky", "Sticky", "strategy = \"sticky\"", "as `sequential`, less what the providers' caches save"],
    [
        "race",
        "Race",
        "strategy = \"race\"\nwidth = 2",
        "every racer is billed: twice the prompt with `width = 2`, and the losers' tokens until they are cancelled",
    ],
    [
        "hedged",
        "Hedged",
        "hedge = { at = \"p95\", budget = \"5%\" }",
        "up to `budget` more attempts; off by default",
    ],
    ["tiered", "Tiered", "targets = [[\"a\", \"b\"], \"c\"]", "that of the strategy inside each tier"],
];

/// The whole document, or an error with what is missing.
pub(crate) fn document(root: &Path) -> Result<String, String> {
    let sources = root.join("crates/hotspare-routing/src");
    complete(&sources)?;
    let mut out = String::from(
        "# Strategies\n\n\
         Written by `cargo xtask docs` from the comments on the types in `hotspare-routing`.\n\n\
         A route's strategy puts its targets in order. Health decides which of them may be called: whatever the strategy, a target is\n\
         skipped while its breaker is open, a pause or quota holds it back, or an operator has cordoned it, and if the first target\n\
         fails, the next one in the order is tried. So every strategy fails over; they differ in which target comes first while several\n\
         are usable. Start with `sequential` if you prefer one target and with `most-reliable` if you prefer none.\n\n\
         | strategy | in code | in a configuration | cost |\n|---|---|---|---|\n",
    );
    let mut texts = String::new();
    for [file, name, written, cost] in STRATEGIES {
        check_accepted(written)?;
        let anchor = name.to_lowercase();
        let lines: Vec<String> = written.lines().map(|line| format!("`{line}`")).collect();
        let shown = lines.join(", ");
        out.push_str(&format!("| [{}](#{anchor}) | `{name}` | {shown} | {cost} |\n", file.replace('_', "-")));
        texts.push_str(&format!("\n## {name}\n\n{}", comment(&sources, file, name)?));
    }
    Ok(out + &texts)
}

/// Every file with a strategy is in the table.
fn complete(sources: &Path) -> Result<(), String> {
    let mut there = BTreeSet::new();
    for entry in std::fs::read_dir(sources).map_err(|error| error.to_string())?.flatten() {
        let path = entry.path();
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if text.contains(" Strategy for ") && !matches!(&*name, "strategy" | "tests") {
            there.insert(name);
        }
    }
    let known: BTreeSet<String> = STRATEGIES.iter().map(|[file, ..]| (*file).to_owned()).collect();
    let differ: Vec<_> = there.symmetric_difference(&known).collect();
    if differ.is_empty() {
        Ok(())
    } else {
        Err(format!("the table and hotspare-routing differ in {differ:?}"))
    }
}

/// The comment on a type, without its example.
fn comment(sources: &Path, file: &str, name: &str) -> Result<String, String> {
    let path = sources.join(file).with_extension("rs");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let found = [" {", "<"].iter().find_map(|after| text.find(&format!("\npub struct {name}{after}")));
    let above = &text[..found.ok_or_else(|| format!("{file}.rs has no {name}"))?];
    let mut lines: Vec<&str> = above
        .lines()
        .rev()
        .skip_while(|line| line.starts_with("#["))
        .map_while(|line| line.strip_prefix("///"))
        .map(str::trim)
        .collect();
    lines.reverse();
    let prose: Vec<&str> = lines.into_iter().take_while(|line| !line.starts_with("```")).collect();
    let prose = prose.join("\n").trim().to_owned();
    if prose.contains("Use it w") {
        Ok(prose + "\n")
    } else {
        Err(format!("{name} does not say when to use it"))
    }
}

/// Whether a configuration accepts these lines in a route.
fn check_accepted(lines: &str) -> Result<(), String> {
    let targets = if lines.starts_with("targets") { "" } else { "targets = [\"a\", \"b\"]\n" };
    let hosts: String = ["a", "b", "c"]
        .map(|name| format!("[targets.{name}]\nprovider = \"ollama\"\nmodel = \"m\"\n"))
        .concat();
    let text = format!("{hosts}[routes.r]\n{targets}{lines}\n");
    Client::from_toml(&text).map(drop).map_err(|error| format!("{lines}: {error}"))
}
