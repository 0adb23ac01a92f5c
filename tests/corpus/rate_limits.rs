//! Rate-limit headers and request ids of every reply, read by its adapter and by a second, independent reader.
//!
//! The second reader splits the headers' names into words and knows no provider. Headers that nobody reads are listed,
//! each with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, UNIX_EPOCH};

use hotspare::recorded::{Exchange, ExchangeOutcome};
use hotspare_core::Allowance;

use crate::recordings::all;

/// Rate-limit headers that nobody reads (`*` for anything), and why.
const UNREAD: &[(&str, &str)] = &[
    ("*-audio-seconds-minute", "no chat request is counted in seconds"),
    ("*-input-images", "neither requests nor tokens"),
    ("*-query-cost", "what the request cost, not what is left"),
    ("llm_provider-*", "a proxy repeats the headers of the host behind it, and has limits of its own"),
    ("x-ratelimit", "no figure"),
    ("x-ratelimit-abusepenalty-active", "no figure"),
    ("x-ratelimit-key", "a name"),
    ("x-ratelimit-requests", "a second spelling of the limit"),
    ("x-ratelimit-timeremaining", "the pause, which the host also gives as retry-after"),
    ("x-ratelimit-tokens", "a second spelling of the limit"),
    ("x-ratelimit-type", "the name of a limit"),
];

fn is_unread(header: &str) -> bool {
    UNREAD.iter().any(|(pattern, _)| match pattern.split_once('*') {
        Some((start, end)) => header.starts_with(start) && header.ends_with(end),
        None => header == *pattern,
    })
}

/// Headers with a request's id. Where a host and a proxy before it both give one, either names the request.
const REQUEST_IDS: &[&str] = &[
    "apim-request-id",
    "mistral-correlation-id",
    "request-id",
    "x-amzn-requestid",
    "x-debug-trace-id",
    "x-ds-trace-id",
    "x-generation-id",
    "x-github-request-id",
    "x-inference-request-id",
    "x-log-id",
    "x-request-id",
];

/// Providers whose replies on these kinds of call carry another wire's headers: nobody reads those.
const OTHER_WIRE: &[(&str, &str)] = &[("local_gateway", "chat_completions")];

/// Hosts that no row matches by this name, whose header for the id is not the usual one.
const UNKNOWN_HOSTS: &[&str] = &["ai21", "github_models"];

/// What the recorder noted where a body has no code: the field or the format of the message.
const NO_CODE: &[&str] = &["detail", "empty", "error_string", "html", "json", "message", "text"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Requests,
    Tokens,
    InputTokens,
    OutputTokens,
}

#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    limit: Option<u64>,
    remaining: Option<u64>,
    reset: Option<Duration>,
    period: Option<Duration>,
}

/// The buckets of a reply, by unit and name, and the names of the headers that are none.
fn buckets(exchange: &Exchange) -> (BTreeMap<(Unit, String), Figures>, BTreeSet<String>) {
    let (mut buckets, mut unread) = (BTreeMap::<(Unit, String), Figures>::new(), BTreeSet::new());
    for (header, value) in &exchange.head.headers {
        let (header, value) = (header.as_str(), value.to_str().unwrap());
        let mut words: Vec<&str> = header.split('-').filter(|word| *word != "x").collect();
        // One host counts the calls of its trial keys.
        let trial = header.starts_with("x-trial-endpoint-call-");
        if !trial && !words.iter().any(|word| word.starts_with("ratelimit")) {
            continue;
        }
        let field = ["limit", "remaining", "reset", "renewalperiod"];
        let found = words.iter().position(|word| field.contains(word));
        let others = ["images", "audio", "llm_provider"];
        let Some(at) = found.filter(|_| !words.iter().any(|word| others.contains(word))) else {
            unread.insert(header.to_owned());
            continue;
        };
        let field = words.remove(at);
        let has = |word: &str| words.contains(&word);
        let tokens = has("tokens") || has("tokens_usage_based") || has("ratelimitbysize");
        let unit = match tokens {
            true if has("input") => Unit::InputTokens,
            true if has("output") => Unit::OutputTokens,
            true => Unit::Tokens,
            false => Unit::Requests,
        };
        let seconds = match words.last() {
            Some(&"second") if has("10") => Some(10),
            Some(&"second") => Some(1),
            Some(&"minute") => Some(60),
            Some(&"hour") => Some(60 * 60),
            Some(&"day") => Some(24 * 60 * 60),
            Some(&"month") => Some(30 * 24 * 60 * 60),
            _ => None,
        };
        let figures = buckets.entry((unit, words.join("-"))).or_default();
        figures.period = figures.period.or(seconds.map(Duration::from_secs));
        match field {
            "limit" => figures.limit = value.parse().ok(),
            "remaining" => figures.remaining = value.parse().ok(),
            "reset" => figures.reset = time_left(exchange, value),
            _ => figures.period = value.parse().ok().map(Duration::from_secs),
        }
    }
    (buckets, unread)
}

/// A duration (`1m2.5s`, `12ms`, `3.5`), or the time until a date or a Unix time.
fn time_left(exchange: &Exchange, value: &str) -> Option<Duration> {
    let now = exchange.head.received_at.duration_since(UNIX_EPOCH).unwrap();
    let until = |at: Duration| Some(at.saturating_sub(now)).filter(|left| left.as_secs() <= 31 * 24 * 3600);
    if let Some((date, time)) = value.strip_suffix('Z').and_then(|value| value.split_once('T')) {
        let numbers =
            |text: &str, by: char| -> Vec<u64> { text.split(by).map(|n| n.parse().unwrap()).collect() };
        let (date, time) = (numbers(date, '-'), numbers(time, ':'));
        let lengths = |year: u64| {
            [31, if year.is_multiple_of(4) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        };
        let years: u64 = (1970..date[0]).map(|year| lengths(year).iter().sum::<u64>()).sum();
        let months: u64 = lengths(date[0])[..date[1] as usize - 1].iter().sum();
        let days = years + months + date[2] - 1;
        let at = Duration::from_secs(days * 86_400 + time[0] * 3_600 + time[1] * 60 + time[2]);
        // A bucket that was full when the reply was sent has nothing left to wait for.
        return (at >= now).then(|| until(at))?;
    }
    if let Ok(seconds) = value.parse::<f64>() {
        return match seconds {
            1e12.. => until(Duration::from_secs_f64(seconds / 1_000.0)),
            1e9.. => until(Duration::from_secs_f64(seconds)),
            _ => Some(Duration::from_secs_f64(seconds)),
        };
    }
    let mut left = Duration::ZERO;
    let mut rest = value;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let unit = rest[number..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |end| number + end);
        let seconds = match &rest[number..unit] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        left += Duration::from_secs_f64(rest[..number].parse::<f64>().ok()? * seconds);
        rest = &rest[unit..];
    }
    Some(left)
}

/// The figures that are left least of, among those that can be true.
fn scarcest(buckets: &BTreeMap<(Unit, String), Figures>, unit: Unit) -> Option<(u64, u64, Option<Duration>)> {
    let figures = buckets.iter().filter(|((own, _), _)| *own == unit).map(|(_, figures)| figures);
    let known = figures.filter_map(|figures| {
        let remaining = figures.remaining.filter(|remaining| *remaining < u64::MAX >> 4)?;
        let limit = figures.limit.unwrap_or(remaining.max(1));
        (limit > 0 && remaining <= limit).then_some((limit, remaining, figures.reset.or(figures.period)))
    });
    known.min_by(|one, other| (one.1 * 1_000_000 / one.0).cmp(&(other.1 * 1_000_000 / other.0)))
}

/// Whether the figures are the same, with times equal to the millisecond.
fn same(read: Option<Allowance>, expected: Option<(u64, u64, Option<Duration>)>) -> bool {
    let millis = |time: Option<Duration>| time.map(|time| (time.as_secs_f64() * 1_000.0).round() as u64);
    match (read, expected) {
        (None, None) => true,
        (Some(read), Some((limit, remaining, reset))) => {
            read.limit == limit && read.remaining == remaining && millis(read.reset) == millis(reset)
        }
        _ => false,
    }
}

#[test]
fn rate_limits_match_an_independent_reader() {
    let (mut with_headers, mut with_figures, mut wrong) = (0, 0, Vec::new());
    for exchange in all().recordings.iter().map(|recording| &recording.exchange) {
        let Ok(wire) = exchange.wire() else { continue };
        let (buckets, unread) = buckets(exchange);
        let (provider, endpoint, id) = (&exchange.provider, &exchange.endpoint, &exchange.id);
        for header in unread.iter().filter(|header| !is_unread(header)) {
            wrong.push(format!("{provider} {endpoint} {id}: nobody reads {header}"));
        }
        with_headers += usize::from(!buckets.is_empty());
        let read = wire.limits(&exchange.head);
        with_figures += usize::from(read.requests.is_some() || read.tokens.is_some());
        if OTHER_WIRE.contains(&(provider.as_str(), endpoint.as_str())) {
            continue;
        }
        let tokens = scarcest(&buckets, Unit::InputTokens).or_else(|| scarcest(&buckets, Unit::Tokens));
        for (what, read, expected) in [
            ("requests", read.requests, scarcest(&buckets, Unit::Requests)),
            ("tokens", read.tokens, tokens),
            ("output tokens", read.output_tokens, scarcest(&buckets, Unit::OutputTokens)),
        ] {
            if !same(read, expected) {
                wrong.push(format!("{provider} {endpoint} {id}: {what} {read:?} instead of {expected:?}"));
            }
        }
    }
    println!("{with_headers} replies have rate-limit headers, {with_figures} have figures");
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(with_figures > 0 && (!all().described || with_figures > 500), "{with_figures}");
}

#[test]
fn request_ids_are_read() {
    let (mut read, mut wrong) = (0, Vec::new());
    for exchange in all().recordings.iter().map(|recording| &recording.exchange) {
        let Ok(wire) = exchange.wire() else { continue };
        let headers: Vec<&str> = REQUEST_IDS.iter().filter_map(|name| exchange.head.header(name)).collect();
        let id = wire.request_id(&exchange.head);
        let right = match &id {
            Some(id) => headers.contains(&id.as_str()),
            None => headers.is_empty() || UNKNOWN_HOSTS.contains(&exchange.provider.as_str()),
        };
        read += usize::from(id.is_some());
        if !right {
            let (provider, endpoint, record) = (&exchange.provider, &exchange.endpoint, &exchange.id);
            wrong.push(format!("{provider} {endpoint} {record}: {id:?} instead of one of {headers:?}"));
        }
    }
    println!("{read} request ids");
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(read > 0 && (!all().described || read > 1_000), "{read}");
}

#[test]
fn provider_codes_are_read() {
    let (mut read, mut wrong) = (0, Vec::new());
    for recording in &all().recordings {
        let exchange = &recording.exchange;
        let ExchangeOutcome::Failed(error) = exchange.decode().outcome else { continue };
        if recording.code.is_empty() || exchange.head.status.is_success() {
            continue;
        }
        let found = error.code().unwrap_or_default();
        // A detail's reason says more than the status that the recorder noted.
        let body: String = String::from_utf8_lossy(&exchange.body).split_whitespace().collect();
        let right = recording.code.split('/').any(|code| code == found)
            || body.contains(&format!("\"reason\":\"{found}\""))
            || (NO_CODE.contains(&recording.code.as_str()) && (found.is_empty() || body.contains(found)));
        read += usize::from(right);
        if !right {
            let (provider, endpoint, record) = (&exchange.provider, &exchange.endpoint, &exchange.id);
            wrong.push(format!("{provider} {endpoint} {record}: {found:?}, not in {}", recording.code));
        }
    }
    println!("{read} codes");
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
