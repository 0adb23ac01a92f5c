//! Recorded replies and requests, mutated at random: whatever a host sends, a client gets an answer or a typed error.
//!
//! Structure-aware: JSON values are replaced; frames are dropped, repeated and swapped; bytes are flipped. An ordinary
//! run has a few hundred cases; `cargo xtask fuzz --seconds 60` runs each target for that long. A failure is shrunk and
//! shows the recording's id and the mutations.

mod requests;

use std::time::{Duration, Instant};

use bytes::Bytes;
use hotspare::recorded::{Exchange, ExchangeOutcome};
use hotspare_provider::{EventStream, Frame, Framer, JsonArray, Ndjson, Sse, Whole};
use http::{HeaderName, HeaderValue, StatusCode};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::recordings::all;

/// Number of cases in an ordinary run, and in each round of a longer one.
const CASES: u32 = 150;
/// Larger bodies make cases slower but no better.
const LARGEST: usize = 12 << 10;
/// No longer pause is accepted, whatever a host asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(31 * 24 * 3600);

/// One mutation of a body; positions are taken modulo its length.
#[derive(Clone, Debug)]
enum Corruption {
    Cut(u32),
    Drop(u32, u16),
    Flip(u32, u8),
    Frame(u32, Framing),
    Insert(u32, Vec<u8>),
    Value(u32, usize),
}

/// A mutation of a frame.
#[derive(Clone, Debug)]
enum Framing {
    Drop,
    Repeat(u8),
    Swap(u32),
}

/// Replacements for JSON values.
const VALUES: [&str; 16] = [
    "null",
    "true",
    "0",
    "-1",
    "1.5",
    "1e999",
    "18446744073709551616",
    "\"\"",
    "\"\\u0000\"",
    "\"\\ud83d\"",
    "[]",
    "[null]",
    "{}",
    "{\"error\":{}}",
    "\"error\"",
    "[[[[[[[[[[[[[[[[{}]]]]]]]]]]]]]]]]",
];

/// Separators between frames, valid and invalid.
const PIECES: [&[u8]; 10] = [
    b"\n",
    b"\r\n",
    b"\n\n",
    b": ping\n\n",
    b"data: [DONE]\n\n",
    b"event: error\n",
    b"data: {\"error\":{\"message\":\"x\"}}\n\n",
    b"\xef\xbb\xbf",
    b"\xff",
    b"{\"error\":\"x\"}\n",
];

/// Pieces of an array of JSON objects, valid and invalid.
const BRACKETS: [&[u8]; 12] =
    [b"[", b"]", b",", b" ", b"{", b"}", b"{}", b"[{", b",{", b"\"", b"\\\"", b"{\"a\":[{\"]}\":1}]}"];

fn corruption() -> impl Strategy<Value = Corruption> {
    prop_oneof![
        1 => any::<u32>().prop_map(Corruption::Cut),
        2 => (any::<u32>(), any::<u16>()).prop_map(|(at, len)| Corruption::Drop(at, len % 512)),
        2 => (any::<u32>(), 0u8..8).prop_map(|(at, bit)| Corruption::Flip(at, bit)),
        4 => (any::<u32>(), framing()).prop_map(|(at, framing)| Corruption::Frame(at, framing)),
        2 => (any::<u32>(), prop::sample::select(PIECES.to_vec())).prop_map(|(at, piece)| Corruption::Insert(at, piece.to_vec())),
        1 => (any::<u32>(), prop::collection::vec(any::<u8>(), 1..20)).prop_map(|(at, piece)| Corruption::Insert(at, piece)),
        6 => (any::<u32>(), 0..VALUES.len()).prop_map(|(at, value)| Corruption::Value(at, value)),
    ]
}

fn framing() -> impl Strategy<Value = Framing> {
    prop_oneof![Just(Framing::Drop), (1u8..4).prop_map(Framing::Repeat), any::<u32>().prop_map(Framing::Swap),]
}

fn place(at: u32, length: usize) -> usize {
    at as usize % length.max(1)
}

impl Corruption {
    fn apply(&self, body: &mut Vec<u8>) {
        match self {
            Self::Cut(at) => body.truncate(place(*at, body.len())),
            Self::Drop(at, length) => {
                let from = place(*at, body.len());
                let to = (from + usize::from(*length)).min(body.len());
                body.drain(from..to);
            }
            Self::Flip(at, bit) => {
                let at = place(*at, body.len());
                if let Some(byte) = body.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
            Self::Insert(at, piece) => {
                let at = place(*at, body.len() + 1);
                body.splice(at..at, piece.iter().copied());
            }
            Self::Frame(at, framing) => {
                let text = String::from_utf8_lossy(body).into_owned();
                let end = if text.contains("\n\n") { "\n\n" } else { "\n" };
                let mut frames: Vec<&str> = text.split_inclusive(end).collect();
                let at = place(*at, frames.len());
                match framing {
                    _ if frames.is_empty() => {}
                    Framing::Drop => drop(frames.remove(at)),
                    Framing::Repeat(times) => {
                        let frame = frames[at];
                        frames.splice(at..at, std::iter::repeat_n(frame, usize::from(*times)));
                    }
                    Framing::Swap(with) => {
                        let with = place(*with, frames.len());
                        frames.swap(at, with);
                    }
                }
                *body = frames.concat().into_bytes();
            }
            Self::Value(at, value) => {
                // Colons that start a value.
                let colons: Vec<usize> = body
                    .windows(2)
                    .enumerate()
                    .filter(|(_, pair)| pair[0] == b':' && pair[1] != b'/')
                    .map(|(at, _)| at)
                    .collect();
                let Some(&colon) = colons.get(place(*at, colons.len())) else { return };
                let rest = &body[colon + 1..];
                let length = value_length(rest);
                body.splice(colon + 1..colon + 1 + length, VALUES[*value].bytes());
            }
        }
    }
}

/// The length in bytes of the JSON value at the start; a guess if there is none.
fn value_length(rest: &[u8]) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for (at, &byte) in rest.iter().enumerate() {
        if quoted {
            (quoted, escaped) = ((byte != b'"') || escaped, byte == b'\\' && !escaped);
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => depth -= 1,
            b',' if depth == 0 => return at,
            b'\n' => return at,
            _ => {}
        }
    }
    rest.len()
}

/// Runs a target for one round, or for as long as `HOTSPARE_FUZZ_SECONDS` says.
fn target<S: Strategy>(name: &str, strategy: &S, check: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let seconds = std::env::var("HOTSPARE_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let (begun, mut cases) = (Instant::now(), 0);
    loop {
        let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
        if let Err(failure) = TestRunner::new(config).run(strategy, &check) {
            panic!("{name}: {failure}");
        }
        cases += CASES;
        if begun.elapsed() >= Duration::from_secs(seconds) {
            break;
        }
    }
    println!("{name}: {cases} cases");
}

/// The sufficiently small recordings of each wire, by kind of call.
fn seeds(keep: impl Fn(&Exchange) -> bool) -> Vec<(String, Vec<&'static Exchange>)> {
    let mut seeds: std::collections::BTreeMap<String, Vec<&Exchange>> = Default::default();
    for recording in &all().recordings {
        let exchange = &recording.exchange;
        if exchange.wire().is_ok() && exchange.body.len() <= LARGEST && keep(exchange) {
            seeds.entry(exchange.endpoint.clone()).or_default().push(exchange);
        }
    }
    seeds.into_iter().collect()
}

#[test]
fn corrupted_answers_decode_or_give_typed_errors() {
    for (endpoint, seeds) in seeds(|exchange| exchange.head.status.is_success()) {
        let strategy = (0..seeds.len(), prop::collection::vec(corruption(), 1..5), 1usize..200);
        target(&format!("decode {endpoint}"), &strategy, |(seed, corruptions, size)| {
            let mut exchange = seeds[seed].clone();
            let mut body = exchange.body.to_vec();
            corruptions.iter().for_each(|corruption| corruption.apply(&mut body));
            exchange.body = Bytes::from(body);
            let (whole, split) = (exchange.decode(), exchange.decode_in_pieces(size));
            prop_assert_eq!(
                format!("{:?}", whole.outcome),
                format!("{:?}", split.outcome),
                "{}",
                exchange.id
            );
            let line = whole.to_json();
            prop_assert!(!line.contains('\n'));
            prop_assert!(
                serde_json::from_str::<serde::de::IgnoredAny>(&line).is_ok(),
                "{}: {}",
                exchange.id,
                line
            );
            if let ExchangeOutcome::Failed(error) = whole.outcome {
                prop_assert!(error.message().len() < 1_000);
                prop_assert!(error.retry_after().is_none_or(|pause| pause <= LONGEST_PAUSE));
            }
            Ok(())
        });
    }
}

#[test]
fn corrupted_failures_give_typed_errors() {
    let header = (
        prop::sample::select(vec![
            "retry-after",
            "retry-after-ms",
            "x-should-retry",
            "x-amzn-errortype",
            "content-type",
            "x-ratelimit-limit-requests",
            "x-ratelimit-remaining-requests",
            "x-ratelimit-reset-requests",
            "ratelimit-reset",
            "anthropic-ratelimit-requests-limit",
            "anthropic-ratelimit-requests-remaining",
            "anthropic-ratelimit-requests-reset",
        ]),
        prop_oneof!["[ -~]{0,30}", "[0-9.:TZ+-]{0,25}"],
    );
    for (endpoint, seeds) in seeds(|exchange| !exchange.head.status.is_success()) {
        let strategy = (
            0..seeds.len(),
            prop::collection::vec(corruption(), 0..5),
            prop::collection::vec(header.clone(), 0..3),
            300u16..600,
        );
        target(&format!("classify {endpoint}"), &strategy, |(seed, corruptions, headers, status)| {
            let mut exchange = seeds[seed].clone();
            let mut body = exchange.body.to_vec();
            corruptions.iter().for_each(|corruption| corruption.apply(&mut body));
            exchange.body = Bytes::from(body);
            exchange.head.status = StatusCode::from_u16(status).unwrap();
            for (name, value) in headers {
                exchange
                    .head
                    .headers
                    .insert(HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap());
            }
            let decoded = exchange.decode();
            let ExchangeOutcome::Failed(error) = &decoded.outcome else {
                return Err(TestCaseError::fail(format!("{}: {:?}", exchange.id, decoded.outcome)));
            };
            prop_assert_eq!(error.status(), Some(status));
            prop_assert!(error.message().len() < 1_000);
            prop_assert!(error.retry_after().is_none_or(|pause| pause <= LONGEST_PAUSE), "{:?}", error);
            prop_assert!(!decoded.to_json().contains('\n'));
            Ok(())
        });
    }
}

/// The frames up to the first failure, and whether there was one.
fn framed(framer: &mut dyn Framer, body: &[u8], size: usize) -> (Vec<Frame>, bool) {
    let mut out = std::collections::VecDeque::new();
    for piece in body.chunks(size) {
        if framer.push(Bytes::copy_from_slice(piece), &mut out).is_err() {
            return (out.into(), true);
        }
    }
    let failed = framer.finish(&mut out).is_err();
    (out.into(), failed)
}

#[test]
fn chunk_boundaries_do_not_change_frames() {
    type Make = fn() -> Box<dyn Framer>;
    let framers: [(&str, Make); 5] = [
        ("sse", || Box::new(Sse::default())),
        ("ndjson", || Box::new(Ndjson::default())),
        ("json array", || Box::new(JsonArray::default())),
        ("whole", || Box::new(Whole::default())),
        ("event stream", || Box::new(EventStream::default())),
    ];
    let piece = prop_oneof![
        4 => prop::sample::select(PIECES.to_vec()).prop_map(<[u8]>::to_vec),
        2 => prop::sample::select(BRACKETS.to_vec()).prop_map(<[u8]>::to_vec),
        2 => "(data|event|id|retry): ?[a-z{}]{0,9}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..30),
    ];
    let strategy = (prop::collection::vec(piece, 0..20), 1usize..40);
    for (name, framer) in framers {
        target(&format!("frame {name}"), &strategy, |(pieces, size)| {
            let body = pieces.concat();
            let whole = framed(&mut *framer(), &body, usize::MAX);
            prop_assert_eq!(framed(&mut *framer(), &body, size), whole);
            Ok(())
        });
    }
}
