//! Every flag as a user would give it, on a scenario of twenty seconds.

use std::path::{Path, PathBuf};

use clap::Parser;

use super::{Origin, SimulateArgs, cases, output, program, run_all, simulate, twice};
use crate::output::Output;

mod event_log;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: SimulateArgs,
}

const SCENARIO: &str = r#"
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
model = "claude-sonnet-4-6"
keys = [{ file = "/no/such/file" }]
[routes.chat]
targets = ["main", "spare"]
"#;

/// A separate folder for each test, with a scenario that has this mark, and two configurations.
fn folder(name: &str, mark: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("hotspare-simulate-{}-{name}", std::process::id()));
    // An earlier process with this number may have left one.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("scenario.toml"), format!("{SCENARIO}marks = [{mark}]\n")).unwrap();
    std::fs::write(folder.join("a.toml"), CONFIG).unwrap();
    std::fs::write(folder.join("b.toml"), format!("{CONFIG}strategy = \"health-aware\"\n")).unwrap();
    folder
}

/// `@` stands for the folder.
fn play(folder: &Path, words: &str) -> Result<(), String> {
    let words = words.replace('@', &folder.display().to_string());
    simulate(&parsed(&words)?, "hotspare simulate")
}

#[test]
fn a_failure_is_repeated_by_the_command_that_was_typed() {
    let folder = folder("called-as", r#"{ measure = "lost", at_least = 1 }"#);
    let args = parsed(&format!("--file {}/scenario.toml --seed 3", folder.display())).unwrap();
    for (called_as, command) in [
        (Some("cargo xtask chaos"), "cargo xtask chaos"),
        (Some(""), "hotspare simulate"),
        (None, "hotspare simulate"),
    ] {
        let error = simulate(&args, &program(called_as.map(str::to_owned))).unwrap_err();
        assert!(error.contains(&format!("repeat: {command} --file")), "{error}");
    }
}

fn parsed(words: &str) -> Result<SimulateArgs, String> {
    let cli = Cli::try_parse_from(std::iter::once("simulate").chain(words.split(' ')));
    cli.map(|cli| cli.args).map_err(|error| error.to_string())
}

/// The results of the scenarios, as for `--json`.
fn results(folder: &Path, words: &str) -> Vec<serde_json::Value> {
    let args = parsed(&words.replace('@', &folder.display().to_string())).unwrap();
    let cases = cases::cases(&args).unwrap();
    let runs = run_all(&args, &cases).unwrap();
    runs.iter().map(|run| serde_json::from_str(&output::json(run)).unwrap()).collect()
}

/// The built-in scenarios' marks are for the built-in routes only.
#[test]
fn built_in_marks_do_not_apply_to_a_custom_config() {
    let folder = folder("marks", KEPT);
    play(&folder, "--config @/a.toml --scenario dead-key --seeds 1 --hours 0.05").unwrap();
    let own = play(&folder, "--config @/a.toml --file @/scenario.toml --seeds 1");
    own.unwrap();
}

const KEPT: &str = r#"{ measure = "available", at_least = "100%" }"#;

#[test]
fn an_unknown_policy_is_told_the_strategies_and_the_rivals() {
    let folder = folder("policy", KEPT);
    let unknown = play(&folder, "--file @/scenario.toml --seeds 1 --policy nonsense").unwrap_err();
    assert!(unknown.contains("unknown strategy `nonsense`; valid values are sequential, "), "{unknown}");
    assert!(unknown.contains("most-reliable and sticky, and for comparison static, random, "), "{unknown}");
}

#[test]
fn configs_run_without_keys_and_can_be_compared() {
    let folder = folder("config", KEPT);
    play(&folder, "--config @/a.toml --file @/scenario.toml --seeds 2").unwrap();
    play(&folder, "--compare @/a.toml @/b.toml --file @/scenario.toml --seeds 2").unwrap();
    let unknown = play(&folder, "--config @/a.toml --route other --file @/scenario.toml").unwrap_err();
    assert!(unknown.contains("there is no route `other`"), "{unknown}");
}

#[test]
fn missed_mark_prints_the_repro_command_and_fails_in_junit() {
    let folder = folder("junit", r#"{ measure = "affected", at_most = 0 }"#);
    let missed = play(&folder, "--file @/scenario.toml --seeds 2 --from 7 --junit @/out.xml").unwrap_err();
    assert!(missed.contains("scenario.toml --seed 7 --hours 2"), "{missed}");
    let junit = std::fs::read_to_string(folder.join("out.xml")).unwrap();
    assert!(junit.contains("failures=\"1\"") && junit.contains("MISSED affected"), "{junit}");
}

#[test]
fn replay_is_deterministic_and_swarm_can_shrink() {
    let folder = folder("swarm", KEPT);
    play(&folder, "--twice --file @/scenario.toml").unwrap();
    // Whether this scenario meets its marks does not matter here.
    let outcome = play(&folder, "--swarm --seed 3 --shrink");
    assert!(outcome.is_ok() || outcome.unwrap_err().contains("--swarm --shrink --seed 3"));
}

/// Files of the same name, and files named like a rival, are told apart.
#[test]
fn results_belong_to_the_file_they_are_printed_for() {
    let folder = folder("names", r#"{ measure = "affected", at_most = 0 }"#);
    for (old, new) in [("a.toml", "old/x.toml"), ("b.toml", "new/x.toml"), ("a.toml", "oracle.toml")] {
        let new = folder.join(new);
        std::fs::create_dir_all(new.parent().unwrap()).unwrap();
        std::fs::copy(folder.join(old), new).unwrap();
    }
    // Without health, every request of the first five seconds tries the refusing target first.
    let never = CONFIG.replace("[targets.spare]", "breaker = \"never\"\n[targets.spare]");
    std::fs::write(folder.join("old/x.toml"), never).unwrap();
    let compared = results(&folder, "--compare @/old/x.toml @/new/x.toml --file @/scenario.toml --seeds 2");
    let players = compared[0]["players"].as_array().unwrap();
    let affected = |index: usize| players[index]["figures"]["affected"]["mean"].as_f64().unwrap();
    assert!(players[0]["player"].as_str().unwrap().ends_with("old/x.toml"), "{compared:?}");
    assert!(affected(0) > 2.0 * affected(1), "{compared:?}");
    let versus = results(&folder, "--config @/oracle.toml --versus --file @/scenario.toml --seeds 1");
    let players = versus[0]["players"].as_array().unwrap();
    let named = |name: &str| players.iter().find(|player| player["player"] == name).unwrap();
    assert_eq!(named("oracle")["figures"]["affected"]["mean"], 0.0);
    assert!(players[0]["player"].as_str().unwrap().ends_with("oracle.toml"));

    std::fs::copy(folder.join("scenario.toml"), folder.join("old/scenario.toml")).unwrap();
    let both = "--file @/scenario.toml --file @/old/scenario.toml --seeds 1 --junit @/names.xml";
    let missed = play(&folder, both).unwrap_err();
    for path in ["scenario.toml", "old/scenario.toml"] {
        let repeat = format!("repeat: hotspare simulate --file {}/{path} --seed 1", folder.display());
        assert_eq!(missed.matches(&repeat).count(), 1, "{missed}");
    }
    let junit = std::fs::read_to_string(folder.join("names.xml")).unwrap();
    assert!(junit.contains("old/scenario.toml\""), "{junit}");
    for twice in [
        "--compare @/a.toml @/a.toml",
        "--scenario silence --scenario silence",
        "--file @/a.toml --file @/a.toml",
    ] {
        assert!(play(&folder, twice).is_err(), "{twice}");
    }
}

/// In a scenario of one's own, an outage is that of the target of the same name.
#[test]
fn outage_affects_the_target_it_names() {
    let folder = folder("targets", KEPT);
    let scenario = "targets = [{ name = \"main\" }, { name = \"spare\" }]\nfaults = [{ on = [\"main\"], effect = \"refuse\" }]";
    let head = SCENARIO.lines().filter(|line| !line.starts_with("faults")).collect::<Vec<_>>().join("\n");
    std::fs::write(folder.join("scenario.toml"), format!("{head}\n{scenario}\n")).unwrap();
    let reversed = CONFIG.replace(r#"["main", "spare"]"#, r#"["spare", "main"]"#);
    std::fs::write(folder.join("b.toml"), reversed).unwrap();
    let affected = |config: &str| {
        let words = format!("--config @/{config}.toml --file @/scenario.toml --seeds 1");
        results(&folder, &words)[0]["players"][0]["figures"]["affected"]["mean"].as_f64().unwrap()
    };
    assert!(affected("a") > 0.0);
    assert_eq!(affected("b"), 0.0, "the first choice is healthy");
}

#[test]
fn both_compared_configs_are_judged() {
    let folder = folder("judged", r#"{ measure = "affected", at_most = 20 }"#);
    let never = CONFIG.replace("[targets.spare]", "breaker = \"never\"\n[targets.spare]");
    std::fs::write(folder.join("b.toml"), never).unwrap();
    let words = "--compare @/a.toml @/b.toml --file @/scenario.toml --seeds 2 --junit @/out.xml";
    let missed = play(&folder, words).unwrap_err();
    assert!(missed.starts_with("scenario, b: MISSED affected"), "{missed}");
    assert!(
        missed.contains(&format!("--compare {0}/a.toml {0}/b.toml --seed 1", folder.display())),
        "{missed}"
    );
    assert!(std::fs::read_to_string(folder.join("out.xml")).unwrap().contains("b: MISSED"));
    let marks = &results(&folder, words)[0]["players"];
    assert_eq!(
        (&marks[0]["marks"][0]["passed"], &marks[1]["marks"][0]["passed"]),
        (&true.into(), &false.into())
    );
}

/// The command that is printed parses to the arguments that matter to the results.
#[test]
fn command_repeats_every_argument_that_affects_results() {
    for words in [
        "--swarm --seed 3 --shrink --policy ewma",
        "--versus --seeds 3 --from 7 --hours 0.5 --scenario silence --scenario stall",
        "--config a.toml --route chat --file x.toml --file y.toml --seeds 10 --hours 2",
        "--compare a.toml b.toml --route chat --seeds 10 --hours 2",
        "--trace azure",
        "--trace openrouter --rate 0.05 --versus --policy random --seeds 1 --hours 300",
    ] {
        let args = parsed(words).unwrap();
        let command = args.command("simulate");
        let again = parsed(command.strip_prefix("simulate ").unwrap()).unwrap();
        assert_eq!(format!("{args:?}"), format!("{again:?}"), "{command}");
    }
    let args = parsed("--config my$file.toml --versus --seeds 3 --from 5").unwrap();
    assert_eq!(
        args.with_defaults().command("x"),
        "x --versus --config 'my$file.toml' --seeds 3 --from 5 --hours 2"
    );
    // A scenario that ran in full is not shortened in the repetition, where it is named.
    let full = std::time::Duration::from_secs(90 * 86_400);
    let repeat = args.for_run("three-companies-90-days", &Origin::Library, 6, full).command("x");
    assert_eq!(repeat, "x --scenario three-companies-90-days --config 'my$file.toml' --seed 6 --hours 2160");
}

#[test]
fn recording_in_which_there_is_nothing_is_an_error() {
    let folder = folder("empty", KEPT);
    let empty = folder.join("empty");
    std::fs::create_dir_all(&empty).unwrap();
    let replay = || play(&folder, "--trace @/empty").unwrap_err();
    assert!(replay().contains("there is no recording"), "{}", replay());
    for other in ["time,rate\n0,1\n", "t_s,prompt,output\n"] {
        std::fs::write(empty.join("rates.csv"), other).unwrap();
        assert!(replay().contains("there is no recording"), "{other}");
    }
    std::fs::write(empty.join("endpoints.csv"), "endpoint,model,provider\n").unwrap();
    assert!(replay().contains("there is no recording"), "{}", replay());
    std::fs::remove_file(empty.join("endpoints.csv")).unwrap();
    std::fs::write(empty.join("arrivals.csv"), "t_s,prompt,output\n0,10,10\n1,10,10\n").unwrap();
    play(&folder, "--trace @/empty").unwrap();
    for ignored in ["--policy random", "--versus", "--hours 1", "--rate 1", "--seeds 3", "--from 2"] {
        let error = play(&folder, &format!("--trace @/empty {ignored}")).unwrap_err();
        assert!(error.contains("has no effect"), "{ignored}: {error}");
    }
}

#[test]
fn a_replay_also_shows_the_route_that_ships() {
    let folder = folder("availability", KEPT);
    let record = folder.join("record");
    std::fs::create_dir_all(&record).unwrap();
    let write = |name: &str, text: &str| std::fs::write(record.join(name), text).unwrap();
    write("endpoints.csv", "endpoint,model,provider\n0,m,A\n1,m,B\n");
    write("15min_polls.csv", "poll,ts_utc\n0,2026-08-07T00:00:00Z\n1,2026-08-07T00:15:00Z\n");
    write(
        "15min_uptime.csv",
        "endpoint,poll,status,up5m,up30m\n0,0,0,50,50\n1,0,0,99,99\n0,1,0,50,50\n1,1,0,99,99\n",
    );
    write("page.md", "<!-- begin replay -->\n<!-- end replay -->\n");
    // Whether the route meets the marks does not matter here.
    let _ = play(&folder, "--trace @/record --versus --seeds 1 --docs @/record/page.md");
    let page = std::fs::read_to_string(record.join("page.md")).unwrap();
    let row = |name: &str| page.lines().find(|line| line.starts_with(&format!("{name} ")));
    for name in ["hotspare", "defaults", "static", "oracle"] {
        assert!(row(name).is_some(), "{name}: {page}");
    }
}

#[test]
fn twice_runs_every_seed() {
    let folder = folder("twice", KEPT);
    let args = |words: &str| parsed(&words.replace('@', &folder.display().to_string())).unwrap();
    let seeds = |words: &str| -> Vec<u64> {
        cases::cases(&args(words)).unwrap().into_iter().flat_map(|case| case.seeds).collect()
    };
    assert_eq!(seeds("--twice --file @/scenario.toml --seeds 3 --from 7"), [7, 8, 9]);
    assert_eq!(seeds("--twice --swarm --seeds 2 --from 7"), [7, 8]);
    assert_eq!(seeds("--twice --swarm --seed 9"), [9]);
    let mut out = Output::stdout();
    let words = "--twice --file @/scenario.toml --seeds 3 --from 7";
    twice(&cases::cases(&args(words)).unwrap(), &mut out).unwrap();
}

/// Built-in marks are for built-in routes, also next to a file whose own marks apply.
#[test]
fn marks_apply_by_the_origin_of_their_scenario() {
    let folder = folder("origin", KEPT);
    let words = "--config @/a.toml --file @/scenario.toml --scenario silence --seeds 1 --hours 0.01";
    let all = results(&folder, words);
    let marks = |index: usize| all[index]["players"][0]["marks"].as_array().unwrap().len();
    assert_eq!((marks(0), marks(1)), (1, 0));
}

/// A wrong path is reported before anything is run: the scenario would otherwise fail first.
#[test]
fn output_files_are_opened_before_the_work() {
    let folder = folder("outputs", r#"{ measure = "affected", at_most = 0 }"#);
    for flag in ["--report", "--junit", "--docs"] {
        let error =
            play(&folder, &format!("--file @/scenario.toml --seeds 1 {flag} @/no/such/folder")).unwrap_err();
        assert!(error.contains("no/such/folder") && !error.contains("MISSED"), "{flag}: {error}");
    }
    std::fs::write(folder.join("page.md"), "no tables\n").unwrap();
    let error = play(&folder, "--file @/scenario.toml --seeds 1 --docs @/page.md").unwrap_err();
    assert!(error.contains("begin scenarios") && !error.contains("MISSED"), "{error}");
    std::fs::write(folder.join("out.xml"), "a longer text than what replaces it ".repeat(100)).unwrap();
    play(&folder, "--file @/scenario.toml --seeds 1 --junit @/out.xml").unwrap_err();
    let junit = std::fs::read_to_string(folder.join("out.xml")).unwrap();
    assert!(junit.ends_with("</testsuite>\n"), "{junit}");
}

#[test]
fn docs_tables_replace_only_their_marked_sections() {
    let folder = folder("docs", KEPT);
    let page = folder.join("page.md");
    std::fs::write(&page, "# Mine\n<!-- begin scenarios -->\nSTALE\n<!-- end scenarios -->\n").unwrap();
    play(&folder, "--file @/scenario.toml --seeds 1 --docs @/page.md").unwrap();
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(
        text.starts_with("# Mine\n")
            && text.contains("| `scenario` | the first choice")
            && !text.contains("STALE")
    );
    let missing = play(&folder, "--file @/scenario.toml --seeds 1 --versus --docs @/page.md").unwrap_err();
    assert!(missing.contains("begin versus"), "{missing}");
    assert!(play(&folder, "--file @/scenario.toml --seeds 0").is_err(), "zero seeds prove nothing");
}

#[test]
fn ineffective_flags_are_rejected() {
    let folder = folder("flags", KEPT);
    for words in [
        "--config @/a.toml --policy ewma --file @/scenario.toml",
        "--compare @/a.toml @/b.toml --config @/a.toml --file @/scenario.toml",
        "--swarm --scenario silence",
        "--trace @ --config @/a.toml",
        "--trace @ --json",
        "--trace @ --report @/out.html",
        "--shrink --scenario silence",
        "--rate 1.0 --scenario silence",
        "--route chat --file @/scenario.toml",
        "--hours 0 --file @/scenario.toml",
        "--hours nan --file @/scenario.toml",
        "--trace @ --rate nan",
        "--trace @ --rate inf",
        "--trace @ --rate 0",
        "--seed 5 --seeds 7 --file @/scenario.toml",
        "--seed 5 --from 7 --file @/scenario.toml",
        "--swarm --hours 1",
        "--scenario silense",
        "--list --seeds 3",
        "--example --scenario silence",
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
    play(&folder, "--file @/scenario.toml --seeds 1 --hours 0.002 --junit @/out.xml").unwrap();
    play(&folder, "--file @/scenario.toml --seeds 1 --docs @/page.md").unwrap_err();
    std::fs::write(folder.join("page.md"), "<!-- begin scenarios -->\n<!-- end scenarios -->\n").unwrap();
    play(&folder, "--file @/scenario.toml --seeds 1 --hours 0.002 --docs @/page.md").unwrap();
    let text = std::fs::read_to_string(folder.join("page.md")).unwrap();
    assert!(text.contains("0 of 2, 2 not judged") && text.contains("(7.2 s of 20 s)"), "{text}");
}
