//! The commented example is complete: it names every setting, effect, measure and value.

use super::*;

/// The words of the example, including those in comments.
fn words() -> std::collections::BTreeSet<&'static str> {
    Scenario::example().split(|c: char| !(c.is_ascii_alphanumeric() || "_-".contains(c))).collect()
}

/// The names that an error lists as valid, after the invalid one.
fn listed(error: &str) -> Vec<String> {
    error.split('`').skip(3).step_by(2).map(str::to_owned).collect()
}

#[test]
fn example_is_accepted_as_written_and_with_each_setting_switched_on() {
    let text = Scenario::example();
    assert!(Scenario::parse("example", text).unwrap().setup().is_ok());
    let setting = |line: &&str| {
        let rest = line.strip_prefix("# ").unwrap_or_default();
        rest.split_once(" = ").is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
    };
    let off: Vec<&str> = text.lines().filter(setting).collect();
    assert!(off.len() > 30, "{off:?}");
    for line in off {
        let on = text.replacen(line, line.strip_prefix("# ").unwrap(), 1);
        if let Err(what) = Scenario::parse("example", &on) {
            panic!("{line}: {what}");
        }
    }
}

#[test]
fn example_names_every_setting_and_value() {
    let words = words();
    let mut seen = 0;
    let target = "what = \"x\"\n[[targets]]\nname = \"a\"\n";
    let mut check = |error: String| {
        let names = listed(&error);
        assert!(!names.is_empty(), "{error}");
        for name in names {
            assert!(words.contains(name.as_str()), "the example lacks `{name}`: {error}");
            seen += 1;
        }
    };
    for wrong in [
        "x = 1".to_owned(),
        "what = \"x\"\nload = { x = 1 }".into(),
        "what = \"x\"\nload = { long_prompts = { x = 1 } }".into(),
        "what = \"x\"\nload = { leave = { x = 1 } }".into(),
        "what = \"x\"\nload = { bursts = [{ x = 1 }] }".into(),
        format!("{target}x = 1"),
        format!("{target}ttft = {{ x = 1 }}"),
        format!("{target}price = {{ x = 1 }}"),
        format!("{target}capacity = {{ x = 1 }}"),
        format!("{target}quota = {{ x = 1 }}"),
        format!("{target}quota = {{ says = \"x\" }}"),
        format!("{target}growth = {{ x = 1 }}"),
        "what = \"x\"\nfaults = [{ x = 1 }]".into(),
        "what = \"x\"\nfaults = [{ on = [], effect = \"silence\", flap = { x = 1 } }]".into(),
        "what = \"x\"\nincidents = { x = 1 }".into(),
        "what = \"x\"\nswizzle = { x = 1 }".into(),
        "what = \"x\"\nroute = { x = 1 }".into(),
        "what = \"x\"\nmarks = [{ x = 1 }]".into(),
        "what = \"x\"\nmarks = [{ measure = \"x\" }]".into(),
    ] {
        check(Scenario::parse("x", &wrong).unwrap_err());
    }
    check(toml::from_str::<breaker::BreakerTableDto>("x = 1").unwrap_err().message().to_owned());
    let effects = ["at-most:5", "gap-times:2", "rate-limited-garbage", "ttft-times:2", "unreachable"];
    let faults = hotspare_chaos::Fault::examples().into_iter().map(|fault| fault.to_string());
    let names = |text: String| text.split(':').next().unwrap_or_default().to_owned();
    for effect in effects.map(str::to_owned).into_iter().chain(faults).map(names) {
        assert!(words.contains(effect.as_str()), "the example lacks the effect {effect}");
    }
    let lists = [
        crate::strategy("x", &[]).unwrap_err(),
        hotspare_health::Config::named("x").unwrap_err().to_string(),
        Scenario::parse("x", "what = \"x\"\nroute = { preset = \"x\" }").unwrap_err(),
        Scenario::parse("x", "what = \"x\"\nroute = { on_cut = \"x\" }").unwrap_err(),
    ];
    for list in lists {
        let (_, names) = list.split_once("valid values are ").unwrap();
        for name in names.replace(" and ", ", ").split(", ") {
            assert!(words.contains(name), "the example lacks {name}");
        }
    }
    assert!(seen > 100, "{seen} names");
}

#[test]
fn targets_beyond_the_routes_limit_are_not_well() {
    let targets = |limit: &str| {
        let text = format!(
            "what = \"x\"\nroute = {{ first_content = \"{limit}\" }}\ntargets = [{{ name = \"a\", ttft = {{ p50 = \"5s\" }} }}]"
        );
        Scenario::parse("x", &text).unwrap().healthy_targets()
    };
    assert_eq!((targets("6s"), targets("4s")), (1, 0));
}
