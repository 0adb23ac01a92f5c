//! Every module's setters, in any order. Nothing is sent.

use hotspare_core::{Kind, Price};
use hotspare_provider::Secret;

use super::{Endpoint, WireSettings};
use crate::{Client, Key, anthropic, bedrock, cohere, gemini, ollama, openai};

const URL: &str = "http://127.0.0.1:9";

/// Key first or address first, own settings before or after the common ones.
fn both_orders<W: WireSettings + Clone>(endpoint: Endpoint<W>) -> [Endpoint; 2] {
    let key = || Key::from_secret(Secret::new("AKID:key"));
    let one = endpoint.clone().key(key()).max_in_flight(2).header("x-team", "ops").base_url(URL).probe(true);
    let other = endpoint.probe(true).base_url(URL).header("x-team", "ops").max_in_flight(2).key(key());
    [one.into_any(), other.into_any()]
}

#[test]
fn setters_work_in_any_order_for_every_module() {
    let modules = [
        both_orders(openai::target("gpt-4o").responses()),
        both_orders(anthropic::target("claude-sonnet-4-5").bearer()),
        both_orders(gemini::target("gemini-2.5-flash")),
        both_orders(bedrock::target("amazon.nova-pro-v1:0").region("eu-central-1")),
        both_orders(cohere::target("command-r")),
        both_orders(ollama::target("qwen3:8b")),
    ];
    for orders in modules {
        let shown = orders.map(|endpoint| {
            assert_eq!(endpoint.wire.address, URL);
            assert_eq!((endpoint.options.max_in_flight, endpoint.options.keys.len()), (Some(2), 1));
            assert!(endpoint.options.mistakes.is_empty() && !endpoint.wire.needs_key, "{endpoint:?}");
            format!("{endpoint:?}")
        });
        assert!(shown[0].contains("x-team"), "{}", shown[0]);
        assert_eq!(shown[0], shown[1]);
    }
}

/// A server of one's own may need no key.
#[test]
fn key_is_required_unless_the_address_is_custom() {
    let pairs: [(Endpoint, Endpoint); 4] = [
        (openai::target("m").into_any(), openai::target("m").base_url(URL).into_any()),
        (anthropic::target("m").into_any(), anthropic::target("m").base_url(URL).into_any()),
        (gemini::target("m").into_any(), gemini::target("m").base_url(URL).into_any()),
        (cohere::target("m").into_any(), cohere::target("m").base_url(URL).into_any()),
    ];
    for (endpoint, custom) in pairs {
        let error = Client::builder().target("main", endpoint).build().unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.message().contains("it needs a key"), "{error}");
        Client::builder().target("main", custom).build().unwrap();
    }
}

#[test]
fn invalid_headers_and_addresses_are_reported_together() {
    let endpoint = ollama::target("m").header("bad name", "x").base_url("localhost:11434");
    let error = Client::builder().target("local", endpoint).build().unwrap_err();
    for part in ["header `bad name`", "base_url `localhost:11434`"] {
        assert!(error.message().contains(part), "{part}: {error}");
    }
}

#[test]
fn adjusting_keeps_what_the_catalogue_knows() {
    let price = Price::micros_per_million(1, 2);
    let listed = openai::target("gpt-4o").model_profile();
    assert!(listed.context_window.is_some() && listed.price != Some(price));
    let mut expected = listed;
    expected.price = Some(price);
    let adjusted = openai::target("gpt-4o").adjust_profile(|profile| profile.price = Some(price));
    assert_eq!(adjusted.base_url(URL).into_any().model_profile(), expected);
    let text = "[targets.main]\nprovider = \"openai\"\nmodel = \"gpt-4o\"\nkeys = [{ env = \"X\" }]\n\
                profile = { price = { input = 0.000001, output = 0.000002 } }";
    let outline = crate::config::Config::parse(text).unwrap().builder().outline().unwrap();
    let profile = &outline.targets[0].profile;
    assert_eq!((profile.price, profile.context_window), (Some(price), expected.context_window));
}
