//! Estimates of prompts beside what providers counted.

use std::collections::BTreeMap;

use hotspare::recorded::{Exchange, Outcome};
use hotspare::{ChatRequest, Part, UsageSource};
use hotspare_catalog::Catalog;
use hotspare_normalize::{Calibration, PromptSize};
use hotspare_routing::{Need, ineligible};

use crate::recordings::all;

/// Counts after which estimates are judged.
const SETTLED: usize = 20;

/// A recorded chat request.
pub(crate) fn request(exchange: &Exchange) -> Option<ChatRequest> {
    match exchange.endpoint.as_str() {
        "chat_completions" => {
            hotspare_openai::Incoming::parse(&exchange.request).ok().map(|read| read.request)
        }
        "messages" => hotspare_anthropic::Incoming::parse(&exchange.request).ok().map(|read| read.request),
        _ => None,
    }
}

/// Whether everything that the provider counted is in words that we have.
fn is_plain(request: &ChatRequest) -> bool {
    let native = |part: &Part| matches!(part, Part::Native(_) | Part::Document(_) | Part::Image(_));
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    request.native_tools.is_empty() && request.extras.is_empty() && !parts.into_iter().any(native)
}

/// Median and 95 % quantile, in tenths of a per cent.
fn quantiles(errors: &mut [u64]) -> (u64, u64) {
    errors.sort_unstable();
    let at = |share: usize| errors.get(errors.len() * share / 100).or(errors.last()).copied().unwrap_or(0);
    (at(50), at(95))
}

#[test]
fn estimates_follow_what_providers_count_and_refuse_nothing_that_fitted() {
    let set = all();
    let mut targets: BTreeMap<(&str, &str), (Calibration, usize)> = BTreeMap::new();
    let mut errors: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let (mut judged, mut refused) = (0, Vec::new());
    for recording in &set.recordings {
        let exchange = &recording.exchange;
        if !exchange.head.status.is_success() {
            continue;
        }
        let Some(request) = request(exchange) else { continue };
        let Outcome::Answered { answer: response, .. } = exchange.decode().outcome else { continue };
        let Some(counted) = response.usage.input.filter(|_| response.usage.source == UsageSource::Reported)
        else {
            continue;
        };
        let size = PromptSize::of(&request);
        let (provider, model) = (exchange.provider.as_str(), exchange.model.as_str());
        let (calibration, seen) = targets.entry((provider, model)).or_default();
        let scale = calibration.scale();
        let estimate = scale.estimate(size.shape, size.tokens);
        if let Some(found) = Catalog::vendored().lookup(provider, model) {
            judged += 1;
            let need = Need { prompt: estimate, margin: 15, overflow: None };
            if let Some(why) =
                ineligible(&request, &found.profile(), need).filter(hotspare_routing::Ineligible::is_length)
            {
                refused.push(format!("{provider} {model} {}: {why}", exchange.id));
            }
        }
        if is_plain(&request) && counted > 0 {
            if *seen >= SETTLED {
                let error = estimate.abs_diff(counted) * 1_000 / counted;
                errors.entry(provider).or_default().push(error);
                errors.entry("all").or_default().push(error);
                if counted >= 200 {
                    errors.entry("all of 200 tokens and more").or_default().push(error);
                }
            }
            calibration.learn(size, counted);
            *seen += 1;
        }
    }
    println!("error of estimates after {SETTLED} counts of a model (%):");
    for (provider, errors) in &mut errors {
        let (p50, p95) = quantiles(errors);
        let tenths = |value: u64| format!("{}.{}", value / 10, value % 10);
        println!("{provider:28} p50 {:>6}  p95 {:>6}  of {}", tenths(p50), tenths(p95), errors.len());
    }
    println!("{judged} requests that fitted were judged by the catalogue's windows");
    assert!(refused.is_empty(), "{refused:#?}");
    if let Some(errors) = errors.get_mut("all") {
        assert!(quantiles(errors).0 <= 150, "half of the estimates are off by more than 15 %");
    }
}

/// Tokens by the two published encodings, and the text with its line breaks escaped.
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
fn estimates_are_near_the_published_encodings_in_every_script() {
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
fn exact_counts_are_those_of_the_encodings_own_library() {
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
