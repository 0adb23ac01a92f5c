//! `cargo xtask catalog --from DIR`: regenerates the model catalogue from tables that others maintain.
//!
//! Does not download: DIR holds `models.json` (a list of models with limits, prices and capabilities; see
//! `crates/hotspare-catalog/data/README.md`). Invariant: the same table gives the same file, line by line, so that a
//! refresh can be reviewed as a diff.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::run::root;

/// Writes the catalogue.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let [flag, folder] = args else { return Err("name the folder of the table: --from DIR".into()) };
    if flag != "--from" {
        return Err(format!("unknown option `{flag}`; the valid value is --from DIR"));
    }
    let path = Path::new(folder).join("models.json");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let table: Value = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let models = table["models"].as_array().ok_or("the table has no list `models`")?;
    let mut lines = Vec::with_capacity(models.len());
    for model in models {
        lines.push(line(model)?);
    }
    lines.sort();
    if let Some(twice) = lines.windows(2).find(|pair| key(&pair[0]) == key(&pair[1])) {
        return Err(format!("{} is defined twice", key(&twice[0])));
    }
    let out = root().join("crates/hotspare-catalog/data/models.txt");
    fs::write(&out, lines.join("\n") + "\n").map_err(|error| format!("{}: {error}", out.display()))?;
    println!("{} models in {}", lines.len(), out.display());
    Ok(())
}

fn key(line: &str) -> &str {
    line.split_once('\t').map_or(line, |(key, _)| key)
}

/// `provider/id`, a tab, and the known facts as compact JSON.
fn line(model: &Value) -> Result<String, String> {
    let word =
        |field: &str| model[field].as_str().ok_or_else(|| format!("a model has no `{field}`: {model}"));
    let (provider, id) = (word("provider")?, word("id")?);
    if provider.contains(['/', '\t', '\n']) || id.contains(['\t', '\n']) {
        return Err(format!("{provider} {id} contains a tab or line break"));
    }
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            out.insert(name.into(), value);
        }
    };
    put("window", model["context_window"].clone());
    put("output", model["max_output_tokens"].clone());
    put("price", prices(model)?);
    put("long", long_prices(model)?);
    let said = [
        ("tools", "tools"),
        ("vision", "vision"),
        ("schema", "json_schema"),
        ("reasoning", "reasoning"),
        ("parallel", "parallel_tools"),
        ("caching", "prompt_caching"),
        ("prefill", "assistant_prefill"),
        ("sampling", "sampling_params"),
    ];
    let asks_by_tool = asks_by_tool(provider, id);
    let can: Vec<&str> = said
        .iter()
        .filter(|(word, field)| model[field] == true && !(asks_by_tool && *word == "schema"))
        .map(|(word, _)| match *word {
            "reasoning" if reasons_on_request(id) => "reasoning-on-request",
            word => word,
        })
        .collect();
    if !can.is_empty() {
        put("can", can.join(" ").into());
    }
    // For these capabilities false means no; for all others it may also mean unknown.
    let mut cannot: Vec<&str> =
        said[6..].iter().filter(|(_, field)| model[field] == false).map(|(word, _)| *word).collect();
    if asks_by_tool {
        cannot.push("schema");
    }
    if !cannot.is_empty() {
        put("cannot", cannot.join(" ").into());
    }
    if let Some(regions) = words(&model["regional_prefixes"]) {
        put("regions", regions.into());
    }
    if model["mode"] != "chat" {
        put("mode", model["mode"].clone());
    }
    put("encoding", encoding(provider, id).map_or(Value::Null, Value::from));
    put("retires", model["deprecation_date"].clone());
    Ok(format!("{provider}/{id}\t{}", Value::Object(out)))
}

fn words(list: &Value) -> Option<String> {
    let words: Vec<&str> = list.as_array()?.iter().filter_map(Value::as_str).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// Prices of prompt, answer, cache reads and cache writes; the last two only where known.
fn prices(model: &Value) -> Result<Value, String> {
    let (Some(input), Some(output)) =
        (micros(&model["input_cost_per_token"])?, micros(&model["output_cost_per_token"])?)
    else {
        return Ok(Value::Null);
    };
    let cached = micros(&model["cached_input_cost_per_token"])?;
    let written = micros(&model["cache_write_cost_per_token"])?;
    Ok(match (cached, written) {
        (None, None) => json!([input, output]),
        (cached, None) => json!([input, output, cached]),
        (cached, written) => json!([input, output, cached, written]),
    })
}

/// Threshold in tokens, then prices of prompt, answer and cache reads.
fn long_prices(model: &Value) -> Result<Value, String> {
    let Some(tiers) = model["price_tiers"].as_object() else { return Ok(Value::Null) };
    let mark = |name: &str| {
        let thousands = name.split_once("_above_")?.1.strip_suffix("k_tokens")?;
        thousands.parse::<u64>().ok().map(|thousands| thousands * 1_000)
    };
    let Some(above) = tiers.keys().find_map(|name| mark(name)) else { return Ok(Value::Null) };
    if let Some(odd) = tiers.keys().find(|name| mark(name) != Some(above)) {
        return Err(format!("{}: a price tier beside {above} tokens: {odd}", model["id"]));
    }
    let tier = |name: &str| tiers.iter().find(|(key, _)| key.starts_with(name)).map(|(_, value)| value);
    let read = |name: &str| tier(name).map_or(Ok(None), micros);
    let (Some(input), Some(output)) = (read("input_cost_")?, read("output_cost_")?) else {
        return Ok(Value::Null);
    };
    Ok(match read("cache_read_")? {
        Some(cached) => json!([above, input, output, cached]),
        None => json!([above, input, output]),
    })
}

/// Converts dollars per token to micro-dollars per million tokens.
fn micros(price: &Value) -> Result<Option<u64>, String> {
    let Some(dollars) = price.as_f64() else { return Ok(None) };
    let micros = dollars * 1e12;
    if !(0.0..=1e15).contains(&micros) {
        return Err(format!("a price of {dollars} per token"));
    }
    Ok(Some(micros.round() as u64))
}

/// Models that can call tools but not enforce a schema on their text: those older than their provider's structured
/// outputs, according to its documentation. The table says of some that they accept a schema, because the client it was
/// made for emulates schemas with a tool.
fn asks_by_tool(provider: &str, id: &str) -> bool {
    let claude = [
        "claude-3-",
        "claude-opus-4-1",
        "claude-opus-4-2",
        "claude-opus-4@",
        "claude-sonnet-4-2",
        "claude-sonnet-4@",
    ];
    let gpt = ["gpt-3.5-turbo", "gpt-35-turbo", "gpt-4-", "gpt-4o-2024-05-13"];
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| id.starts_with(prefix));
    match provider {
        "bedrock" => {
            let author = id.strip_prefix("anthropic.").unwrap_or(id);
            id.starts_with("amazon.nova-") || claude.iter().any(|prefix| author.starts_with(prefix))
        }
        "anthropic" | "vertex" => begins(&claude),
        "openai" | "azure" => (id == "gpt-4" || begins(&gpt)) && !begins(&["gpt-3.5-turbo-instruct"]),
        _ => false,
    }
}

/// Models that reason only if the request asks for it, according to their providers' documentation; the table only says
/// that they can. Later Claude models decide for themselves. Names may have a prefix: `us.anthropic.`, `anthropic/`.
fn reasons_on_request(id: &str) -> bool {
    let plain = id.rsplit('/').next().unwrap_or(id);
    let plain = plain.find("claude-").or(plain.find("nova-")).map_or(plain, |at| &plain[at..]);
    let claude = ["claude-3", "claude-haiku-4", "claude-opus-4", "claude-sonnet-4"];
    let gpt = ["gpt-5.1", "gpt-5.2", "gpt-5.4", "gpt-5.4-mini", "gpt-5.4-nano"]
        .iter()
        .any(|name| plain.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("-20")));
    let others = ["deepseek-chat-v3", "gemini-2.5-flash-lite", "gpt-5-chat", "nova-2-"];
    gpt || claude.iter().chain(&others).any(|prefix| plain.starts_with(prefix))
}

/// The model's tokenizer. The prefixes are those of tiktoken's own table (`model.py`, MIT License, Copyright (c) 2022
/// OpenAI, Shantanu Jain). Applied only here; lookups read the stored result.
fn encoding(provider: &str, id: &str) -> Option<&'static str> {
    if !matches!(provider, "openai" | "azure") {
        return None;
    }
    let o200k = ["o1", "o3", "o4-mini", "chatgpt-4o", "gpt-4o", "gpt-4.1", "gpt-4.5", "gpt-5"];
    let cl100k = ["gpt-4", "gpt-3.5", "gpt-35-turbo"];
    let begins = |prefix: &&str| {
        id.strip_prefix(*prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
    };
    if o200k.iter().any(begins) {
        return Some("o200k");
    }
    cl100k.iter().any(begins).then_some("cl100k")
}
