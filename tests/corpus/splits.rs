//! Decoding does not depend on how the bytes are split.

use hotspare::recorded::Exchange;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};

use crate::recordings::all;

/// Larger bodies are only split into larger chunks: byte by byte is slow in a debug build.
const SMALL: usize = 24 << 10;
/// How often each body is cut at random positions.
const RANDOM: usize = 3;
/// The most random cuts of one body.
const MOST_CUTS: usize = 8;

/// The ends of the frames: empty lines or lines, or the messages of a binary stream.
fn frame_ends(exchange: &Exchange) -> Vec<usize> {
    let body = &exchange.body[..];
    if exchange.head.media_type() == "application/vnd.amazon.eventstream" {
        let mut ends = Vec::new();
        let mut at = 0;
        while let Some(length) = body.get(at..at + 4) {
            at += u32::from_be_bytes(length.try_into().unwrap()).max(1) as usize;
            ends.push(at);
        }
        return ends;
    }
    let line_ends: Vec<usize> =
        body.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
    let is_blank = |at: &&usize| body[..**at].trim_ascii_end().len() + 2 <= **at;
    let blank: Vec<usize> = line_ends.iter().filter(is_blank).copied().collect();
    if blank.is_empty() { line_ends } else { blank }
}

/// All cuts of a body: pieces of one size, one byte before, at and after each frame's end, and at random.
fn cuts(exchange: &Exchange, random: &mut TestRng) -> Vec<(String, Vec<usize>)> {
    let length = exchange.body.len();
    // A different size for each recording, so that the set as a whole is split everywhere.
    let own = 2 + length % 251;
    let sizes: &[usize] = if length <= SMALL { &[1, 7, own] } else { &[own, 1_447] };
    let mut cuts: Vec<(String, Vec<usize>)> = sizes
        .iter()
        .map(|size| (format!("pieces of {size} bytes"), (*size..length).step_by(*size).collect()))
        .collect();
    let ends = frame_ends(exchange);
    if !ends.is_empty() {
        cuts.push(("cuts before the frames' ends".into(), ends.iter().map(|end| end - 1).collect()));
        cuts.push(("cuts at the frames' ends".into(), ends.clone()));
        cuts.push(("cuts after the frames' ends".into(), ends.iter().map(|end| end + 1).collect()));
    }
    for _ in 0..RANDOM {
        let mut at: Vec<usize> = (0..=random.next_u32() as usize % MOST_CUTS)
            .map(|_| random.next_u32() as usize % length.max(1))
            .collect();
        at.sort_unstable();
        cuts.push((format!("cuts at {at:?}"), at));
    }
    cuts
}

#[test]
fn chunk_boundaries_do_not_change_answers() {
    let mut differing = Vec::new();
    let mut cut = 0;
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    for recording in &all().recordings {
        let exchange = &recording.exchange;
        if exchange.wire().is_err() || !exchange.head.status.is_success() {
            continue;
        }
        let whole = format!("{:?}", exchange.decode().outcome);
        for (how, cuts) in cuts(exchange, &mut random) {
            cut += 1;
            if format!("{:?}", exchange.decode_cut_at(&cuts).outcome) != whole {
                differing.push(format!("{} {} {}: {how}", exchange.provider, exchange.endpoint, exchange.id));
            }
        }
    }
    println!("{cut} ways of cutting");
    assert!(differing.is_empty(), "{} differ:\n{}", differing.len(), differing.join("\n"));
}
