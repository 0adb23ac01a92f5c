//! Decoding recorded streams, compared with plain JSON parsing of the same frames.
//!
//! Decoding covers everything from bytes to events. Parsing starts from frames that are already split, and builds
//! `serde_json::Value`s or only skips over the JSON (the lower bound). Where frames carry their JSON in base64, it is
//! unpacked first, because the decoder does that, too. The program `allocs` counts allocations.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hotspare::recorded::Exchange;
use hotspare_tests::recorded::{decode, enclosed, largest};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

/// Number of streams per kind of call.
const STREAMS: usize = 5;
/// Number of alternating rounds; the median counts.
const ROUNDS: usize = 9;
/// Minimum number of bytes per round: short streams are read several times.
const ENOUGH: usize = 4 << 20;

/// Runs the bench.
pub(crate) fn run() {
    println!(
        "MB/s from bytes to events, beside serde_json parsing the same frames; the {STREAMS} largest streams of each kind of call\n"
    );
    println!(
        "{:<26}{:>8}{:>10}{:>10}{:>10}{:>8}{:>8}",
        "", "kB", "decode", "Value", "skip", "/Value", "/skip"
    );
    for (endpoint, streams) in largest(STREAMS).expect("a folder of recordings") {
        let streams: Vec<Exchange> =
            streams.into_iter().filter(|stream| decode(stream, None).is_ok()).collect();
        let size: usize = streams.iter().map(|stream| stream.body.len()).sum();
        if size == 0 {
            continue;
        }
        let mut frames = Vec::new();
        for stream in &streams {
            let _ = decode(stream, Some(&mut frames));
        }
        let in_envelopes = frames.iter().all(|frame| enclosed(frame).is_some());
        let times = ENOUGH.div_ceil(size);
        let mut taken = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            taken[0].push(time(times, || {
                streams.iter().for_each(|stream| drop(black_box(decode(stream, None))))
            }));
            taken[1].push(time(times, || parse::<Value>(&frames, in_envelopes)));
            taken[2].push(time(times, || parse::<IgnoredAny>(&frames, in_envelopes)));
        }
        let speed = taken.map(|mut taken| {
            taken.sort_unstable();
            (size * times) as f64 / 1e6 / taken[ROUNDS / 2].as_secs_f64()
        });
        println!(
            "{endpoint:<26}{:>8}{:>10.0}{:>10.0}{:>10.0}{:>8.2}{:>8.2}",
            size / 1_000,
            speed[0],
            speed[1],
            speed[2],
            speed[0] / speed[1],
            speed[0] / speed[2]
        );
    }
}

/// Parses frames, or what their envelopes enclose.
fn parse<T: DeserializeOwned>(frames: &[Bytes], in_envelopes: bool) {
    for frame in frames {
        if in_envelopes {
            let inner = enclosed(frame).unwrap_or_default();
            drop(black_box(serde_json::from_slice::<T>(&inner)));
        } else {
            drop(black_box(serde_json::from_slice::<T>(frame)));
        }
    }
}

fn time(times: usize, run: impl Fn()) -> Duration {
    let begun = Instant::now();
    (0..times).for_each(|_| run());
    begun.elapsed()
}
