//! Every flag as a user would give it, on a scenario of twenty seconds.

use std::path::{Path, PathBuf};

use clap::Parser;

use super::{SimulateArgs, simulate};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: SimulateArgs,
}

const WORLD: &str = r#"
what = "the first choice is refused for five seconds"
length = "20s"
window = ["5s", "10s"]
faults = [{ on = ["a"], effect = "refuse" }]
"#;

const CONFIG: &str = r#"
[targets.main]
provider = "openai"
model = "gpt-4o"
keys = [{ env = "NO_SUCH_VARIABLE" }]
[targets.spare]
provider = "anthropic"
model = "claude-sonnet-4-5"
keys = [{ file = "/no/such/file" }]
[routes.chat]
targets = ["main", "spare"]
"#;

/// A separate folder for each test, with a scenario that has this mark, and two configurations.
fn folder(name: &str, mark: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("hotspare-simulate-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("world.toml"), format!("{WORLD}marks = [{mark}]\n")).unwrap();
    std::fs::write(folder.join("a.toml"), CONFIG).unwrap();
    std::fs::write(folder.join("b.toml"), format!("{CONFIG}strategy = \"health-aware\"\n")).unwrap();
    folder
}

/// `@` stands for the folder.
fn play(folder: &Path, words: &str) -> Result<(), String> {
    let words = words.replace('@', &folder.display().to_string());
    let cli = Cli::try_parse_from(std::iter::once("simulate").chain(words.split(' ')))
        .map_err(|error| error.to_string())?;
    simulate(&cli.args, "hotspare simulate")
}

/// The built-in scenarios' marks are for the built-in routes only.
#[test]
fn built_in_marks_do_not_apply_to_a_custom_config() {
    let folder = folder("marks", KEPT);
    play(&folder, "--config @/a.toml --scenario dead-key --seeds 1 --hours 0.05").unwrap();
    let own = play(&folder, "--config @/a.toml --file @/world.toml --seeds 1");
    own.unwrap();
}

const KEPT: &str = r#"{ measure = "available", at_least = "100%" }"#;

#[test]
fn configs_run_without_keys_and_can_be_compared() {
    let folder = folder("config", KEPT);
    play(&folder, "--config @/a.toml --file @/world.toml --seeds 2").unwrap();
    play(&folder, "--compare @/a.toml @/b.toml --file @/world.toml --seeds 2").unwrap();
    let unknown = play(&folder, "--config @/a.toml --route other --file @/world.toml").unwrap_err();
    assert!(unknown.contains("there is no route `other`"), "{unknown}");
}

#[test]
fn missed_mark_prints_the_repro_command_and_fails_in_junit() {
    let folder = folder("junit", r#"{ measure = "affected", at_most = 0 }"#);
    let missed = play(&folder, "--file @/world.toml --seeds 2 --from 7 --junit @/out.xml").unwrap_err();
    assert!(missed.contains("world.toml --seed 7 --hours 2"), "{missed}");
    let junit = std::fs::read_to_string(folder.join("out.xml")).unwrap();
    assert!(junit.contains("failures=\"1\"") && junit.contains("MISSED affected"), "{junit}");
}

#[test]
fn replay_is_deterministic_and_swarm_can_shrink() {
    let folder = folder("swarm", KEPT);
    play(&folder, "--twice --file @/world.toml").unwrap();
    // Whether this scenario meets its marks does not matter here.
    let outcome = play(&folder, "--swarm --seed 3 --shrink");
    assert!(outcome.is_ok() || outcome.unwrap_err().contains("--swarm --shrink --seed 3"));
}

#[test]
fn docs_tables_replace_only_their_marked_sections() {
    let folder = folder("docs", KEPT);
    let page = folder.join("page.md");
    std::fs::write(&page, "# Mine\n<!-- begin scenarios -->\nSTALE\n<!-- end scenarios -->\n").unwrap();
    play(&folder, "--file @/world.toml --seeds 1 --docs @/page.md").unwrap();
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(
        text.starts_with("# Mine\n")
            && text.contains("| `world` | the first choice")
            && !text.contains("STALE")
    );
    let missing = play(&folder, "--file @/world.toml --seeds 1 --versus --docs @/page.md").unwrap_err();
    assert!(missing.contains("begin versus"), "{missing}");
    assert!(play(&folder, "--file @/world.toml --seeds 0").is_err(), "zero seeds prove nothing");
}

#[test]
fn ineffective_flags_are_rejected() {
    let folder = folder("flags", KEPT);
    for words in [
        "--config @/a.toml --policy ewma --file @/world.toml",
        "--compare @/a.toml @/b.toml --config @/a.toml --file @/world.toml",
        "--swarm --scenario silence",
        "--trace @ --config @/a.toml",
        "--trace @ --json",
        "--trace @ --report @/out.html",
        "--shrink --scenario silence",
        "--rate 1.0 --scenario silence",
        "--route chat --file @/world.toml",
        "--hours 0 --file @/world.toml",
        "--hours nan --file @/world.toml",
    ] {
        assert!(play(&folder, words).is_err(), "{words}");
    }
}

/// Marks of a run that was cut short are neither met nor missed.
#[test]
fn run_too_short_for_a_mark_is_not_judged() {
    let folder = folder(
        "short",
        r#"{ measure = "available", at_least = "100%" }, { measure = "attempts", at_most = 1.0 }"#,
    );
    play(&folder, "--file @/world.toml --seeds 1 --hours 0.002 --junit @/out.xml").unwrap();
    play(&folder, "--file @/world.toml --seeds 1 --docs @/page.md").unwrap_err();
    std::fs::write(folder.join("page.md"), "<!-- begin scenarios -->\n<!-- end scenarios -->\n").unwrap();
    play(&folder, "--file @/world.toml --seeds 1 --hours 0.002 --docs @/page.md").unwrap();
    let text = std::fs::read_to_string(folder.join("page.md")).unwrap();
    assert!(text.contains("0 of 2, 2 not judged") && text.contains("(7.2 s of 20 s)"), "{text}");
}
