//! The data is plausible, and every name is found.

use hotspare_core::ReasoningMode;

use super::*;

#[test]
fn every_entry_has_plausible_values() {
    let catalog = Catalog::parse(DATA).unwrap();
    let mut count = 0;
    for entry in catalog.iter() {
        count += 1;
        let name = format!("{} {}", entry.provider, entry.id);
        let profile = entry.profile();
        assert!(profile.context_window.is_none_or(|tokens| (512..=20_000_000).contains(&tokens)), "{name}");
        if let Some(price) = profile.price {
            assert!(price.input <= 10_000_000_000 && price.output <= 10_000_000_000, "{name}: {price:?}");
            assert!(price.long.is_none_or(|long| long.above >= 32_000), "{name}: {price:?}");
        }
        let is_date = |day: &str| day.len() == 10 && day.starts_with("20");
        assert!(profile.retires.as_deref().is_none_or(is_date), "{name}");
        // Each listed name is found as itself, not as an alias.
        let found =
            catalog.lookup(&entry.provider, &entry.id).unwrap_or_else(|| panic!("{name} is not found"));
        assert_eq!((&found.entry, found.alias), (&entry, None), "{name}");
    }
    assert!(count > 1_000, "{count}");
}

#[test]
fn reasoning_mode_is_known_for_models_that_reason() {
    let mode = |provider: &str, id: &str| {
        Catalog::vendored().lookup(provider, id).unwrap().profile().capabilities.reasoning
    };
    for (provider, id) in [
        ("anthropic", "claude-sonnet-4-5"),
        ("bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("openrouter", "anthropic/claude-sonnet-4.5"),
        ("openai", "gpt-5.1"),
        ("gemini", "gemini-2.5-flash-lite"),
    ] {
        assert_eq!(mode(provider, id), Some(ReasoningMode::OnRequest), "{provider}/{id}");
    }
    for (provider, id) in [
        ("anthropic", "claude-opus-5"),
        ("openai", "gpt-5"),
        ("openai", "o3"),
        ("gemini", "gemini-2.5-pro"),
        ("deepseek", "deepseek-reasoner"),
    ] {
        assert_eq!(mode(provider, id), Some(ReasoningMode::ByDefault), "{provider}/{id}");
    }
    assert_eq!(mode("openai", "gpt-4o"), None);
}

#[test]
fn vendored_lookup_finds_only_exact_names() {
    let model = Catalog::vendored().lookup("anthropic", "claude-haiku-4-5").unwrap();
    let profile = model.profile();
    assert_eq!((model.alias, profile.context_window), (None, Some(200_000)));
    assert_eq!(profile.price.map(|price| (price.input, price.output)), Some((1_000_000, 5_000_000)));
    assert_eq!(profile.price.and_then(|price| price.cache_write), Some(1_250_000));
    assert!(Catalog::vendored().lookup("anthropic", "claude-haiku").is_none());
    assert!(Catalog::vendored().lookup("openai", "claude-haiku-4-5").is_none());
    assert!(Catalog::vendored().lookup("", "").is_none());
}

#[test]
fn resolves_dated_and_regional_aliases() {
    let text = "bedrock/a.m-v1:0\t{\"window\":1000,\"regions\":\"eu us\"}\nopenai/m\t{\"window\":2000}\n";
    let catalog = Catalog::parse(text).unwrap();
    let found = |provider: &str, name: &str| {
        catalog.lookup(provider, name).map(|found| (found.entry.profile().context_window, found.alias))
    };
    assert_eq!(found("bedrock", "us.a.m-v1:0"), Some((Some(1_000), Some(Alias::Regional))));
    assert_eq!(found("bedrock", "a.m-20250929-v1:0"), Some((Some(1_000), Some(Alias::Dated))));
    for name in ["m-2025-08-07", "m-20250807", "m@20250807"] {
        assert_eq!(found("openai", name), Some((Some(2_000), Some(Alias::Dated))), "{name}");
    }
    for name in ["apac.a.m-v1:0", "m-mini", "m-2025", "m-2025-8-07", "-20250807", "mm-20250807", "m-é0250807"]
    {
        assert_eq!(found("openai", name).or_else(|| found("bedrock", name)), None, "{name}");
    }
}

#[test]
fn a_date_that_only_one_name_has_does_not_tell_models_apart() {
    for (one, other) in [
        ("m", "m"),
        ("m", "m-20250807"),
        ("m-2025-08-07", "m"),
        ("m@20250807", "m-2025-08-07"),
        ("a.m-v1:0", "a.m-20250807-v1:0"),
        ("m-é", "m-é"),
    ] {
        assert!(is_same_model(one, other), "{one} {other}");
    }
    for (one, other) in
        [("m", "n"), ("m-20250807", "m-20250808"), ("m", "m-mini"), ("m-v1", "m-v2"), ("m", "")]
    {
        assert!(!is_same_model(one, other), "{one} {other}");
    }
}

#[test]
fn unsorted_or_malformed_text_is_rejected() {
    for (text, says) in [
        ("b/b\t{}\na/a\t{}\n", "out of order"),
        ("a/a\t{}\na/a\t{}\n", "duplicated"),
        ("a/a {}\n", "no `provider/id`"),
        ("a/a\t{\"colour\":1}\n", "colour"),
    ] {
        let why = Catalog::parse(text).unwrap_err().to_string();
        assert!(why.contains(says), "{says}: {why}");
    }
}

#[test]
fn old_models_are_listed_without_schema_enforcement() {
    let schema = |list: &str, model: &str| {
        let found = Catalog::vendored().lookup(list, model).unwrap_or_else(|| panic!("{list}/{model}"));
        found.profile().capabilities.json_schema
    };
    for (list, model, enforced) in [
        ("bedrock", "us.anthropic.claude-opus-4-1-20250805-v1:0", Some(false)),
        ("bedrock", "us.amazon.nova-pro-v1:0", Some(false)),
        ("bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", Some(true)),
        ("vertex", "claude-3-5-haiku@20241022", Some(false)),
        ("anthropic", "claude-sonnet-4-5", Some(true)),
        ("openai", "gpt-4-turbo", Some(false)),
        ("openai", "gpt-4o", Some(true)),
    ] {
        assert_eq!(schema(list, model), enforced, "{list}/{model}");
    }
}
