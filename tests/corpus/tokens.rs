//! Prompt estimates compared with providers' counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hotspare::recorded::{Exchange, ExchangeOutcome};
use hotspare::{ChatRequest, UsageSource};
use hotspare_bedrock::Bedrock;
use hotspare_catalog::Catalog;
use hotspare_core::{ModelProfile, PromptSize, Request};
use hotspare_engine::Measure;
use hotspare_normalize::{Calibration, chat_size};
use hotspare_routing::{Ineligible, ineligible};
use serde_json::Value;

use crate::recordings::all;

/// Number of counts after which estimates are evaluated.
const WARM_UP_COUNTS: usize = 20;
/// From this size on, an error of a few tokens is no longer a large share.
const LONG_PROMPT_TOKENS: u64 = 200;
/// Fields of one wire that make the provider add tokens not in the request: stored state, tools it runs, web results.
const PROVIDER_ADDED_FIELDS: &[&str] = &[
    "cachedContent",
    "container",
    "context_management",
    "documents",
    "mcp_servers",
    "plugins",
    "search_parameters",
    "web_search_options",
];

/// The wires whose recordings, for half of the models, were used to choose constants.
const TUNED_WIRES: &str = "chat completions and messages";

/// A recorded chat request, for the wires that the gateway accepts.
fn request(exchange: &Exchange) -> Option<ChatRequest> {
    match exchange.endpoint.as_str() {
        "chat_completions" => {
            hotspare_openai::ChatCompletionsRequest::parse(&exchange.request).ok().map(|read| read.request)
        }
        "messages" => {
            hotspare_anthropic::MessagesRequest::parse(&exchange.request).ok().map(|read| read.request)
        }
        _ => None,
    }
}

/// The same for every wire that has a reader.
pub(crate) fn any_request(exchange: &Exchange) -> Option<ChatRequest> {
    let body = || serde_json::from_slice::<Value>(&exchange.request).ok();
    match exchange.endpoint.as_str() {
        "responses" => {
            hotspare_openai::ResponsesRequest::parse(&exchange.request).ok().map(|read| read.request)
        }
        "generate_content" | "stream_generate_content" => {
            Some(crate::gemini_requests::request(&crate::gemini_requests::plain(&body()?), "o"))
        }
        "converse" | "converse_stream" => {
            Some(crate::converse::request(&body()?, &Bedrock::new("us-east-1")))
        }
        _ => request(exchange),
    }
}

/// The wire of a recording.
fn wire(exchange: &Exchange) -> &str {
    match exchange.endpoint.as_str() {
        "stream_generate_content" => "generate_content",
        "converse_stream" => "converse",
        other => other,
    }
}

/// Whether the request contains everything that the provider counted.
fn is_countable(request: &ChatRequest, size: &PromptSize) -> bool {
    let mut extras = request.extras.values().flat_map(|fields| fields.keys());
    !size.is_opaque() && !extras.any(|name| PROVIDER_ADDED_FIELDS.contains(&name.as_str()))
}

/// Errors of estimates.
#[derive(Default)]
struct Errors {
    /// In thousandths.
    all: Vec<u64>,
    long: Vec<u64>,
    /// For prompts whose kinds of parts the target had all counted before.
    known: Vec<u64>,
    /// For short prompts, in tokens.
    tokens: Vec<u64>,
}

impl Errors {
    fn add(&mut self, estimate: u64, counted: u64, known: bool) {
        let error = estimate.abs_diff(counted) * 1_000 / counted;
        self.all.push(error);
        if counted >= LONG_PROMPT_TOKENS {
            self.long.push(error);
        } else {
            self.tokens.push(estimate.abs_diff(counted));
        }
        if known {
            self.known.push(error);
        }
    }

    fn print(&mut self, name: &str) {
        let cell = |errors: &mut Vec<u64>| {
            let (p50, p95) = quantiles(errors);
            let tenths = |value: u64| format!("{}.{}", value / 10, value % 10);
            format!("{:>5} {:>6} {:>5}", tenths(p50), tenths(p95), errors.len())
        };
        let (p50, p95) = quantiles(&mut self.tokens);
        let short = format!("{p50:>3} {p95:>4} {:>5}", self.tokens.len());
        let [all, known, long] = [&mut self.all, &mut self.known, &mut self.long].map(cell);
        println!("{name:34} | {all} | {known} | {long} | {short}");
    }
}

/// Median and 95th percentile.
fn quantiles(errors: &mut [u64]) -> (u64, u64) {
    errors.sort_unstable();
    let at = |share: usize| errors.get(errors.len() * share / 100).or(errors.last()).copied().unwrap_or(0);
    (at(50), at(95))
}

/// What a target has counted so far.
#[derive(Default)]
struct Counts {
    calibration: Calibration,
    seen: usize,
    kinds: BTreeSet<usize>,
}

fn kinds(size: &PromptSize) -> BTreeSet<usize> {
    size.amounts().iter().enumerate().filter(|(_, amount)| **amount > 0).map(|(kind, _)| kind).collect()
}

#[test]
fn estimates_track_reported_counts_and_exclude_no_prompt_that_fitted() {
    let set = all();
    let mut targets: BTreeMap<(&str, &str, &str), Counts> = BTreeMap::new();
    let mut errors: BTreeMap<String, Errors> = BTreeMap::new();
    let mut worst: Vec<(u64, String)> = Vec::new();
    let (mut judged, mut uncountable, mut refused) = (0, 0, Vec::new());
    // Counts within the margin of the estimate, and counts that are lower.
    let mut covered = [0_u32; 2];
    for recording in &set.recordings {
        let exchange = &recording.exchange;
        if !exchange.head.status.is_success() {
            continue;
        }
        let Some(request) = any_request(exchange) else { continue };
        let ExchangeOutcome::Answered { answer: response, .. } = exchange.decode().outcome else { continue };
        let reported = response.usage.source == UsageSource::Reported;
        let Some(counted) = response.usage.input.filter(|counted| reported && *counted > 0) else { continue };
        let size = chat_size(&request);
        let (provider, model) = (exchange.provider.as_str(), exchange.model.as_str());
        let known = targets.entry((provider, wire(exchange), model)).or_default();
        let scale = known.calibration.scale();
        let estimate = scale.estimate(&size);
        if let Some(found) = Catalog::vendored().lookup(provider, model) {
            judged += 1;
            let (profile, asked) = (found.profile(), Request::Chat(Arc::new(request.clone())));
            let need = Measure::new(&asked, &size).need(&profile, &scale);
            let why = ineligible(&request, &profile, need);
            if let Some(why) = why.filter(Ineligible::is_length) {
                refused.push(format!("{provider} {model} {}: {why}", exchange.id));
            }
        }
        if !is_countable(&request, &size) {
            uncountable += 1;
            continue;
        }
        if known.seen >= WARM_UP_COUNTS {
            let asked = Request::Chat(Arc::new(request.clone()));
            let need = Measure::new(&asked, &size).need(&ModelProfile::default(), &scale);
            covered[usize::from(counted < need.prompt * (100 - need.margin.min(100)) / 100)] += 1;
            let chosen = matches!(exchange.endpoint.as_str(), "chat_completions" | "messages");
            let wires = if chosen { TUNED_WIRES } else { "other wires" };
            let old = kinds(&size).is_subset(&known.kinds);
            for name in [provider, "all", wires] {
                errors.entry(name.to_owned()).or_default().add(estimate, counted, old);
            }
            let error = estimate.abs_diff(counted) * 1_000 / counted;
            worst.push((
                error,
                format!("{provider} {model} {}: {estimate} for {counted}, {:?}", exchange.id, size.amounts()),
            ));
        }
        known.calibration.learn(&size, counted);
        known.seen += 1;
        known.kinds.extend(kinds(&size));
    }
    println!("errors of estimates after {WARM_UP_COUNTS} counts of a model in %: p50, p95, of so many");
    let long = format!("{LONG_PROMPT_TOKENS} tokens and more");
    println!("{:34} | {:18} | {:18} | {long:18} | shorter, in tokens", "", "all prompts", "of known kinds");
    for (name, errors) in &mut errors {
        errors.print(name);
    }
    println!("{} of {} counts are not below the estimate's margin", covered[0], covered[0] + covered[1]);
    println!("{uncountable} prompts hold what cannot be told from the request, and are not judged");
    println!("{judged} requests that fitted were judged by the catalogue's windows");
    worst.sort_unstable_by(|a, b| b.cmp(a));
    println!("the worst, in thousandths, with amounts in the order of `PromptPart`:");
    for (error, what) in worst.iter().take(20) {
        println!("{error:>6} {what}");
    }
    assert!(refused.is_empty(), "{refused:#?}");
    if set.described {
        let all = quantiles(&mut errors.get_mut("all").unwrap().all);
        let tuned = quantiles(&mut errors.get_mut(TUNED_WIRES).unwrap().long);
        assert!(all.0 <= 80 && tuned.1 <= 150, "{all:?} {tuned:?}");
        assert!(covered[1] * 50 <= covered[0], "{covered:?}");
    }
}

/// Token counts by the two published encodings, and the text with escaped line breaks.
const COUNTED: &str = include_str!("tokens.tsv");

fn counted() -> impl Iterator<Item = (u64, u64, String)> {
    COUNTED.lines().map(|line| {
        let mut fields = line.splitn(3, '\t');
        let mut field = || fields.next().unwrap();
        let (o200k, cl100k) = (field().parse().unwrap(), field().parse().unwrap());
        (o200k, cl100k, field().replace("\\n", "\n"))
    })
}

#[test]
fn estimates_are_close_to_published_encodings_in_every_script() {
    let mut errors = Vec::new();
    for (o200k, _, text) in counted().filter(|(o200k, ..)| *o200k >= 20) {
        errors.push(hotspare_normalize::estimate_text(&text).abs_diff(o200k) * 1_000 / o200k);
    }
    assert!(errors.len() > 500, "{}", errors.len());
    let (p50, p95) = quantiles(&mut errors);
    println!("estimates of 12 scripts beside o200k: p50 {p50} ‰, p95 {p95} ‰ of {}", errors.len());
    assert!(p50 <= 200 && p95 <= 600, "{p50} {p95}");
}

#[cfg(feature = "tiktoken")]
#[test]
fn exact_counts_match_the_reference_tokenizer() {
    use hotspare_core::Encoding;
    use hotspare_normalize::count_text;
    let mut texts = 0;
    for (o200k, cl100k, text) in counted() {
        texts += 1;
        assert_eq!(count_text(Encoding::O200k, &text), Some(o200k), "{text:?}");
        assert_eq!(count_text(Encoding::Cl100k, &text), Some(cl100k), "{text:?}");
    }
    assert_eq!(texts, 1_000);
}
