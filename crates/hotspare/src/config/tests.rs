//! Valid and invalid configurations.

use hotspare_core::Kind;

use super::*;

const GOOD: &str = r#"
server = { listen = "127.0.0.1:8080" }
[targets.main]
provider = { like = "openai", base_url = "http://127.0.0.1:1/v1" }
model = "m"
[targets.spare]
provider = { like = "anthropic", base_url = "http://127.0.0.1:2/v1" }
model = "c"
breaker = { failures = 3, window = "60s", cooldown = "1m" }
[targets.local]
provider = "ollama"
model = "qwen3:8b"
max_in_flight = 2
[routes.chat]
targets = ["main", ["spare", "local"]]
weights = { spare = 3 }
answers_to = ["gpt-4o", "*"]
limits = { first_content = "250ms", first_content_deadline = "20s" }
hedge = { at = "p95", budget = "2%" }
on_cut = "terminate"
on = { content_policy = "next" }
"#;

fn wrong(text: &str) -> String {
    match Config::parse(text).and_then(Config::client) {
        Ok(_) => panic!("accepted: {text}"),
        Err(error) => {
            assert_eq!(error.kind(), Kind::Config);
            error.message().to_owned()
        }
    }
}

#[test]
fn written_unstreamed_limit_is_fixed() {
    use hotspare_engine::AnswerLimit::{Fixed, Learned};
    let thirty = std::time::Duration::from_secs(30);
    for (written, expected) in [("", Learned(thirty)), ("unstreamed = \"30s\", ", Fixed(thirty))] {
        let text = GOOD.replace("limits = { ", &format!("limits = {{ {written}"));
        let outline = Config::parse(&text).unwrap().builder().outline().unwrap();
        assert_eq!(outline.routes[0].limits.unstreamed, expected);
    }
}

/// A limit for the whole shortens those for its parts, unless they were written too: then one of the two is a mistake.
#[test]
fn short_total_implies_the_limits_within_it() {
    use std::time::Duration;
    let with = |limits: &str| {
        let text = GOOD.replace("first_content = \"250ms\", first_content_deadline = \"20s\"", limits);
        Config::parse(&text).unwrap().builder().outline().map(|outline| outline.routes[0].limits.clone())
    };
    for (limits, first_content, deadline) in [
        ("total = \"60s\"", 8, 60),
        ("total = \"5s\"", 5, 5),
        ("first_content_deadline = \"4s\"", 4, 4),
        ("total = \"5s\", first_content = \"2s\"", 2, 5),
    ] {
        let limits = with(limits).unwrap();
        assert_eq!(limits.first_content, Duration::from_secs(first_content));
        assert_eq!(limits.first_content_deadline, Duration::from_secs(deadline));
    }
    for (limits, mistake) in [
        (
            "total = \"5s\", first_content_deadline = \"10s\"",
            "first_content_deadline must not be longer than total",
        ),
        ("total = \"5s\", first_content = \"6s\"", "first_content must not be longer than total"),
        (
            "first_content_deadline = \"5s\", first_content = \"6s\"",
            "first_content must not be longer than first_content_deadline",
        ),
        (
            "total = \"5s\", first_content_deadline = \"7s\", first_content = \"6s\"",
            "first_content_deadline must not be longer than total",
        ),
    ] {
        assert!(with(limits).unwrap_err().message().contains(mistake), "{limits}");
    }
}

#[test]
fn valid_config_is_accepted() {
    let client = Client::from_toml(GOOD).unwrap();
    assert_eq!(client.names(), ["chat", "main", "spare", "local", "gpt-4o"]);
}

#[test]
fn errors_name_the_field_and_line() {
    let with = |from: &str, to: &str| {
        assert!(GOOD.contains(from), "{from}");
        wrong(&GOOD.replace(from, to))
    };
    assert!(
        with("provider = \"ollama\"", "provider = \"olama\"")
            .contains("targets.local: unknown provider `olama`")
    );
    let cloud = |table: &str| with("provider = \"ollama\"", &format!("provider = {table}"));
    assert!(cloud("\"vertex\"").contains("targets.local: the provider `vertex` needs a project"));
    assert!(
        cloud("{ like = \"vertex\", project = \"a/b\", location = \"global\" }")
            .contains("`a/b` is not a valid project")
    );
    assert!(
        cloud("{ like = \"openai\", project = \"p\" }")
            .contains("are not supported by the provider `openai`")
    );
    assert!(cloud("\"gemini\"").contains("it needs a key"));
    assert!(with("model = \"c\"", "modle = \"c\"").contains("line 8: targets.spare: unknown field `modle`"));
    assert!(
        with("\"20s\"", "20").contains(
            "line 18: routes.chat.limits.first_content_deadline: a duration is a string with a unit"
        )
    );
    assert!(with("\"2%\"", "\"2\"").contains("a share is a string with a percent sign"));
    assert!(with("\"250ms\"", "\"0s\"").contains("first_content must be longer than 0s"));
    assert!(with("\"main\", [", "\"mian\", [").contains("names the target `mian`, which does not exist"));
    assert!(with("\"terminate\"", "\"stop\"").contains("unknown on_cut `stop`"));
    assert!(with("\"next\"", "\"nxt\"").contains("unknown on.content_policy `nxt`"));
    assert!(with("\"next\"", "[\"x\"]").contains("sends failures to `x`, which is not one of its targets"));
    assert!(with("content_policy", "content").contains("line 21: routes.chat.on: unknown variant `content`"));
    assert!(with("max_in_flight = 2", "max_in_flight = 0").contains("max_in_flight must be at least 1"));
    assert!(with("http://127.0.0.1:1/v1", "127.0.0.1:1/v1").contains("is not an address"));
    assert!(with("server = {", "sever = {").contains("line 2: unknown section `sever`"));
    assert!(with("[targets.main]", "[targets.main").contains("line 3"));
    assert!(with("failures = 3", "failures = 0").contains("failures must be more than 0"));
    assert!(wrong("").contains("there are no targets"));
}

#[test]
fn all_errors_are_reported_at_once() {
    let message = wrong(
        &GOOD
            .replace("model = \"c\"", "modle = \"c\"")
            .replace("\"20s\"", "20")
            .replace("server =", "sever ="),
    );
    assert_eq!(message.lines().count(), 3, "{message}");
}

/// Mistakes that only show when the client is built do not hide behind those in the text.
#[test]
fn errors_of_all_stages_are_reported_together() {
    let text = GOOD
        .replace("model = \"c\"", "modle = \"c\"")
        .replace("\"20s\"", "20")
        .replace("provider = \"ollama\"", "provider = \"openai\"\nkeys = [{ env = \"HOTSPARE_TEST_UNSET\" }]")
        .replace("server = {", "server = { max_connections = -1, idle_timeout = 5, ");
    let mut config = Config::parse(&text).unwrap();
    config.reject_server("idle_timeout", "is too short");
    let error = config.client().unwrap_err();
    let lines: Vec<&str> = error.message().lines().collect();
    let expected = [
        "line 2: server.idle_timeout: a duration is a string with a unit",
        "line 2: server.max_connections: invalid value: integer `-1`, expected a whole number of at least 0",
        "line 2: server.idle_timeout: is too short",
        "line 8: targets.spare: unknown field `modle`",
        "line 10: target `local`: the environment variable HOTSPARE_TEST_UNSET is not set",
        "line 19: routes.chat.limits.first_content_deadline: a duration is a string with a unit",
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{expected} is missing in {lines:#?}");
    }
}

#[test]
fn all_errors_of_a_nested_table_are_reported() {
    let message = wrong(
        &GOOD
            .replace("failures = 3, window = \"60s\"", "failures = -3, widnow = \"60s\"")
            .replace("{ like = \"anthropic\",", "{ lik = \"anthropic\",")
            .replace("max_in_flight = 2", "max_in_flight = 9999999999\nkeys = [{ fil = \"a\" }, 5]"),
    );
    let lines: Vec<&str> = message.lines().collect();
    let expected = [
        "line 7: targets.spare.provider: unknown field `lik`",
        "line 9: targets.spare.breaker.failures: invalid value: integer `-3`, expected a whole number from 0",
        "line 9: targets.spare.breaker: unknown field `widnow`",
        "line 13: targets.local.max_in_flight: invalid value: integer `9999999999`, expected a whole number from",
        "line 14: targets.local.keys: unknown field `fil`",
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for expected in expected {
        assert!(lines.iter().any(|line| line.starts_with(expected)), "{expected} is missing in {lines:#?}");
    }
}

#[test]
fn errors_in_nested_tables_name_their_path() {
    let local = |more: &str| wrong(&GOOD.replace("max_in_flight = 2", more));
    let route = |more: &str| wrong(&GOOD.replace("on = { content_policy = \"next\" }", more));
    for (message, expected) in [
        (
            wrong(&GOOD.replace("{ like = \"anthropic\",", "{ like = \"anthropic\", regon = \"eu\",")),
            "line 7: targets.spare.provider: unknown field `regon`, expected one of `like`",
        ),
        (
            wrong(&GOOD.replace("{ like = \"anthropic\",", "{")),
            "line 7: targets.spare.provider: missing field `like`",
        ),
        (
            wrong(&GOOD.replace("provider = \"ollama\"", "provider = 5")),
            "line 11: targets.local.provider: a provider is a name such as",
        ),
        (
            wrong(&GOOD.replace("window = \"60s\"", "widnow = \"60s\"")),
            "line 9: targets.spare.breaker: unknown field `widnow`",
        ),
        (
            wrong(&GOOD.replace("window = \"60s\"", "window = 60")),
            "line 9: targets.spare.breaker.window: a duration is a string with a unit",
        ),
        (
            local("[targets.local.profile]\ntools = true\nprice = { input = 1.0 }"),
            "line 15: targets.local.profile.price: missing field `output`",
        ),
        (local("connect = \"0s\""), "line 10: target `local`: connect must be longer than 0s"),
        (local("prompt = { txt = \"\" }"), "line 13: targets.local.prompt: unknown field `txt`"),
        (
            local("keys = [{ env = \"A\" }, { fil = \"b\" }]"),
            "line 13: targets.local.keys: unknown field `fil`",
        ),
        (
            wrong(
                &GOOD.replace("\"http://127.0.0.1:2/v1\" }", "\"http://h/v1\", headers = \"Bearer 12345\" }"),
            ),
            "line 7: targets.spare.provider.headers: invalid type: string, expected a table",
        ),
        (
            wrong(&GOOD.replace(
                "\"http://127.0.0.1:2/v1\" }",
                "\"http://h/v1\", headers = { X-Api-Key = \"12345\" } }",
            )),
            "line 7: targets.spare: headers: `x-api-key` carries the key: name the key's source instead, as in keys = [{ env =",
        ),
        (
            local("deadline_header = \"X-Api-Key\""),
            "line 10: target `local`: deadline_header: `x-api-key` carries the key",
        ),
        (
            local("deadline_header = \"host\""),
            "line 10: target `local`: deadline_header: `host` has a meaning of its own: use a name such as x-hotspare-deadline",
        ),
        (local("keys = [12345]"), "line 13: targets.local.keys: a key is { env"),
        (
            route("on = { server = \"next\", contnt = \"next\" }"),
            "line 21: routes.chat.on: unknown variant `contnt`",
        ),
        (
            route("on = { server = \"next\", auth = 5 }"),
            "line 21: routes.chat.on.auth: the action for a failure is",
        ),
    ] {
        assert!(
            message.lines().any(|line| line.starts_with(expected)),
            "{expected} is missing in\n{message}"
        );
        assert!(!message.contains("12345"), "{message}");
    }
}

#[test]
fn config_references_keys_but_never_contains_them() {
    let with = |keys: &str| {
        wrong(&GOOD.replace("provider = \"ollama\"", &format!("provider = \"openai\"\nkeys = {keys}")))
    };
    assert!(with("[\"sk-123\"]").contains("targets.local"));
    assert!(with("[{ env = \"HOTSPARE_TEST_UNSET\" }]").contains("HOTSPARE_TEST_UNSET is not set"));
    assert!(with("[{ file = \"/nonexistent/key\" }]").contains("/nonexistent/key cannot be read"));
    assert!(with("[{ env = \"A\", file = \"b\" }]").contains("either `env` or `file`"));
    assert!(with("[]").contains("it needs a key"));
}

#[test]
fn selects_the_wire_of_hosts_that_have_two() {
    let with = |provider: &str| {
        let text = GOOD.replace("provider = \"ollama\"", &format!("provider = {provider}"));
        let client =
            Config::parse(&text).and_then(Config::client).map_err(|error| error.message().to_owned())?;
        Ok::<_, String>(client.targets()[2].wire)
    };
    assert_eq!(with("\"ollama\""), Ok(crate::openai::WIRE));
    if cfg!(feature = "ollama") {
        assert_eq!(with(r#"{ like = "ollama-native", headers = { x = "y" } }"#).unwrap(), "ollama-chat");
    }
    let cases = [("ollama", cfg!(feature = "ollama"), 11434), ("cohere", cfg!(feature = "cohere"), 1)];
    for (host, built, port) in cases {
        let own = with(&format!(r#"{{ like = "{host}-native", base_url = "http://127.0.0.1:{port}" }}"#));
        if built {
            assert!(own.unwrap().starts_with(host));
        } else {
            assert!(own.unwrap_err().contains(&format!("build it with the feature `{host}`")));
        }
    }
    if cfg!(feature = "cohere") {
        assert!(with("\"cohere-native\"").unwrap_err().contains("it needs a key"));
    }
    let api = with("\"ollama-native\"\napi = \"chat\"").unwrap_err();
    assert!(api.contains("`api` is not supported by the provider `ollama-native`"), "{api}");
}

#[test]
fn configures_cloud_providers() {
    let with = |provider: &str| {
        let text = GOOD.replace(
            "provider = \"ollama\"",
            &format!("provider = {provider}\nkeys = [{{ env = \"CARGO_PKG_VERSION\" }}]"),
        );
        Config::parse(&text).and_then(Config::client).map(drop).map_err(|error| error.message().to_owned())
    };
    with(r#"{ like = "anthropic-vertex", project = "p", location = "us-east5" }"#).unwrap();
    let message = with(r#"{ like = "anthropic-vertex", project = "p" }"#).unwrap_err();
    assert!(message.contains("`anthropic-vertex` needs a project and a location"), "{message}");
    let bedrock = with(r#"{ like = "bedrock", region = "eu-central-1" }"#);
    let wrong = with(r#"{ like = "anthropic-bedrock", region = "eu/central" }"#).unwrap_err();
    if cfg!(feature = "bedrock") {
        bedrock.unwrap();
        assert!(wrong.contains("region `eu/central` is not a region's name"), "{wrong}");
    } else {
        assert!(bedrock.unwrap_err().contains("build it with the feature `bedrock`"));
        assert!(wrong.contains("no provider `anthropic-bedrock`"), "{wrong}");
    }
}

/// Anyone may own the host that a placeholder happens to name.
#[test]
fn placeholder_in_an_address_is_refused_and_cannot_be_sent_to() {
    for host in ["azure", "azure-deployments"] {
        let text = GOOD.replace("provider = \"ollama\"", &format!("provider = \"{host}\""));
        let message = wrong(&text);
        assert!(message.contains("target `local`: base_url must be set: `https://{resource}."), "{message}");
        let address = &crate::openai::Dialect::find(host).unwrap().base_url;
        assert!(address.parse::<http::Uri>().is_err(), "{address}");
    }
}

#[test]
fn api_version_is_accepted_only_where_urls_name_one() {
    let with = |provider: &str| {
        let provider = format!("provider = {{ like = \"{provider}, base_url = \"http://h/openai\" }}");
        let text = GOOD.replace("provider = \"ollama\"", &provider);
        Config::parse(&text).and_then(Config::client).map(drop).map_err(|error| error.message().to_owned())
    };
    with(r#"azure-deployments", api_version = "2025-04-01-preview""#).unwrap();
    let message = with(r#"openai", api_version = "2025-04-01""#).unwrap_err();
    assert!(message.contains("`api_version` is not supported by the provider `openai`"), "{message}");
    let message = with(r#"azure-deployments", api_version = "1&x=2""#).unwrap_err();
    assert!(
        message.contains("`api_version` is `1&x=2`; write a version such as \"2024-10-21\""),
        "{message}"
    );
}

#[test]
fn a_profile_can_state_that_its_target_runs_all_tools() {
    let absent = |line: &str| {
        let text = GOOD.replace("max_in_flight = 2", &format!("max_in_flight = 2\nprofile = {{ {line} }}"));
        let client = Config::parse(&text).and_then(Config::client).unwrap();
        let local = client.targets().into_iter().find(|target| target.id.as_str() == "local").unwrap();
        let mut of_host = hotspare_core::Capabilities::default();
        of_host.absent_tools = Some(&["t"]);
        local.profile.capabilities.or(&of_host).absent_tools
    };
    assert_eq!(absent("runs_all_tools = true"), Some(&[][..]));
    assert_eq!(absent("runs_all_tools = false"), Some(&["t"][..]));
}

#[test]
fn debug_output_contains_no_secret() {
    let text = GOOD.replace(
        "base_url = \"http://127.0.0.1:1/v1\"",
        "base_url = \"http://h/v1\", headers = { x = \"hunter2\" }",
    );
    let text = text.replace("max_in_flight = 2", "max_in_flight = 2\nproxy = \"http://u:hunter2@h:1\"");
    let shown = format!("{:?}", Config::parse(&text).unwrap());
    assert!(shown.contains("spare") && !shown.contains("hunter2"), "{shown}");
}

/// Each of these mistakes would hide others if the first one ended the conversion of its table.
#[test]
fn all_mistakes_of_a_table_are_reported_with_what_was_probably_meant() {
    let text = r#"
[targets.a]
provider = "opnai"
model = "m"
breaker = "txtbook"
think_tags = "odd"
[targets.b]
provider = "ollama"
model = "m"
kyes = []
[routes.r]
targets = ["a", "c"]
preset = "bacth"
strategy = "fastets"
on_cut = "stop"
commit = "never"
limits = { adaptive = { multiplier = 0.5 }, first_contnt = "8s" }
[routes.s]
targets = ["a", "d"]
preset = "bacth"
strategy = "fastets"
on_cut = "stop"
hedge = { at = "soon" }
limits = { adaptive = { multiplier = 0.5 } }
"#;
    let what = wrong(text);
    for part in [
        "unknown provider `opnai`",
        "; did you mean `openai`?",
        "unknown breaker `txtbook`",
        "unknown think_tags `odd`",
        "unknown field `kyes`",
        "; did you mean `keys`?",
        "unknown field `first_contnt`",
        "; did you mean `first_content`?",
        "unknown preset `bacth`",
        "; did you mean `batch`?",
        "unknown strategy `fastets`",
        "; did you mean `fastest`?",
        "unknown on_cut `stop`; valid values are continue and terminate",
        "hedge.at is `soon`",
        "limits.adaptive.multiplier is 0.5",
        "`d`",
    ] {
        assert!(what.contains(part), "{part} is not in:\n{what}");
    }
}

#[test]
fn a_target_with_mistakes_is_listed_among_those_that_exist() {
    let text = GOOD.replace("\"main\", [", "\"mian\", [").replace("\"ollama\"", "\"olama\"");
    let message = wrong(&text);
    let expected =
        "route `chat` names the target `mian`, which does not exist; there are: main, spare, local";
    assert!(message.contains(expected), "{message}");
}

#[test]
fn a_misspelt_kind_or_breaker_gets_a_hint() {
    let kind = |name: &str| wrong(&GOOD.replace("content_policy", name));
    let breaker = |name: &str| {
        let table = "{ failures = 3, window = \"60s\", cooldown = \"1m\" }";
        wrong(&GOOD.replace(table, &format!("\"{name}\"")))
    };
    for (message, hint) in [
        (kind("rate_limit"), "did you mean `rate_limited`?"),
        (
            breaker("textbok"),
            "valid values are default, evidence, window, textbook, never; did you mean `textbook`?",
        ),
    ] {
        assert!(message.contains(hint), "{message}");
    }
    for message in [kind("zebra"), breaker("zebra")] {
        assert!(message.contains("`zebra`") && !message.contains("did you mean"), "{message}");
    }
}

#[test]
fn a_mistake_in_a_targets_setting_is_reported_with_that_settings_line() {
    for (from, to, expected) in [
        ("provider = \"ollama\"", "provider = \"olama\"", "line 11: targets.local: unknown provider `olama`"),
        ("max_in_flight = 2", "breaker = \"odd\"", "line 13: targets.local: unknown breaker `odd`"),
        ("max_in_flight = 2", "think_tags = \"odd\"", "line 13: targets.local: unknown think_tags `odd`"),
        ("max_in_flight = 2", "keys = [{}]", "line 13: targets.local: a key names either"),
        ("max_in_flight = 2", "ca = \"ca.pem\"", "line 13: targets.local: ca ca.pem: the file was not read"),
    ] {
        let message = wrong(&GOOD.replace(from, to));
        assert!(message.starts_with(expected), "{expected} is missing in:\n{message}");
    }
}

#[test]
fn a_key_that_names_two_sources_hides_no_other_mistake() {
    let keys = "keys = [{ env = \"A\", file = \"b\" }]\nbreaker = \"odd\"";
    let message = wrong(&GOOD.replace("max_in_flight = 2", keys));
    for part in ["targets.local: a key names either `env`", "unknown breaker `odd`"] {
        assert!(message.contains(part), "{part} is missing in:\n{message}");
    }
}

/// A gateway before the host may take a credential of its own.
#[test]
fn only_the_header_of_the_hosts_own_key_is_refused() {
    for (like, header, has_keys, refused) in [
        ("compatible", "api-key = \"12345\"", true, false),
        ("compatible", "x-api-key = \"12345\"", false, false),
        ("compatible", "Authorization = \"Basic 12345\"", false, false),
        ("compatible", "Authorization = \"Basic 12345\"", true, true),
        ("compatible", "Authorization = \"bearer 12345\"", false, true),
        ("azure", "Api-Key = \"12345\"", false, true),
        ("azure", "Authorization = \"Bearer 12345\"", true, false),
        ("anthropic", "Authorization = \"Bearer 12345\"", true, false),
        ("anthropic", "X-Api-Key = \"12345\"", true, true),
        ("gemini", "x-goog-api-key = \"12345\"", false, true),
        ("gemini", "proxy-authorization = \"Basic 12345\"", true, false),
    ] {
        let keys = if has_keys { "keys = [{ env = \"HOTSPARE_TEST_UNSET\" }]" } else { "" };
        let text = format!(
            "[targets.a]\nprovider = {{ like = \"{like}\", base_url = \"http://127.0.0.1:1/v1\", headers = {{ {header} }} }}\n\
             model = \"m\"\n{keys}\n[routes.chat]\ntargets = [\"a\"]\n"
        );
        let outcome = Config::parse(&text).map(Config::client);
        let message = match outcome {
            Ok(Err(error)) | Err(error) => error.message().to_owned(),
            Ok(Ok(_)) => String::new(),
        };
        assert_eq!(message.contains("carries the key"), refused, "{like} {header} {has_keys}: {message}");
        assert!(refused || has_keys || message.is_empty(), "{like} {header}: {message}");
        assert!(!message.contains("12345"), "{message}");
    }
}
