//! The largest recorded streams of each kind of call, for benches of decoding.
//!
//! From the folder named by `HOTSPARE_CORPUS`, or the subset in the repository. Invariant: the same set in every run.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hotspare::ChatRequest;
use hotspare::recorded::Exchange;
use hotspare_core::{Chunk, Error};
use hotspare_provider::{Frame, Outbound};
use serde::Deserialize;

/// As much as a socket returns at once.
const READ_SIZE: usize = 8 << 10;

/// The `count` largest streams of each kind of call, by its name.
///
/// # Errors
/// If the folder cannot be read.
pub fn largest(count: usize) -> std::io::Result<BTreeMap<String, Vec<Exchange>>> {
    let named = std::env::var_os("HOTSPARE_CORPUS").filter(|name| !name.is_empty()).map(PathBuf::from);
    let folder =
        named.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join("recorded"));
    let mut found: BTreeMap<String, Vec<Exchange>> = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        for line in std::fs::read(path)?.split(|&byte| byte == b'\n') {
            let Ok(exchange) = Exchange::parse(line) else { continue };
            if exchange.streaming && exchange.head.status.is_success() && exchange.wire().is_ok() {
                let streams = found.entry(exchange.endpoint.clone()).or_default();
                streams.push(exchange);
                streams.sort_by_key(|stream| (std::cmp::Reverse(stream.body.len()), stream.id.clone()));
                streams.truncate(count);
            }
        }
    }
    Ok(found)
}

/// The JSON that a frame carries in base64, as Bedrock's envelope does; `None` for a frame of any other shape. Plain
/// parsing of such a frame without it would get none of the answer.
#[must_use]
pub fn enclosed(frame: &[u8]) -> Option<Vec<u8>> {
    let Envelope { bytes } = serde_json::from_slice(frame).ok()?;
    STANDARD.decode(bytes).ok()
}

#[derive(Deserialize)]
struct Envelope<'a> {
    bytes: &'a str,
}

/// Splits and decodes a stream as if it had just arrived; collects the frames if requested, and returns the number of
/// events.
///
/// # Errors
/// The codec's error.
pub fn decode(exchange: &Exchange, mut collected_frames: Option<&mut Vec<Bytes>>) -> Result<usize, Error> {
    let wire = exchange.wire().map_err(|why| Error::new(hotspare::Kind::Unsupported, why))?;
    let call = Outbound::new(ChatRequest::default(), "m", true);
    let mut decoding = wire.decoder(&call, &exchange.head)?;
    let (mut frames, mut chunks): (VecDeque<Frame>, VecDeque<Chunk>) = (VecDeque::new(), VecDeque::new());
    let mut rest = exchange.body.clone();
    let mut events = 0;
    loop {
        let ended = rest.is_empty();
        if ended {
            decoding.framer.finish(&mut frames)?;
        } else {
            decoding.framer.push(rest.split_to(rest.len().min(READ_SIZE)), &mut frames)?;
        }
        for frame in frames.drain(..) {
            if let Some(collected) = &mut collected_frames {
                collected.push(frame.data.clone());
            }
            decoding.decoder.push(frame, &mut chunks)?;
        }
        if ended {
            decoding.decoder.finish(&mut chunks)?;
        }
        events += chunks.len();
        chunks.clear();
        if ended {
            return Ok(events);
        }
    }
}
