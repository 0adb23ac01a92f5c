//! Decoding does not depend on how the bytes are split.

use crate::recordings::all;

/// Larger bodies are only split into larger chunks: byte by byte is slow in a debug build.
const SMALL: usize = 24 << 10;

#[test]
fn chunk_boundaries_do_not_change_answers() {
    let mut differing = Vec::new();
    let mut cut = 0;
    for recording in &all().recordings {
        let exchange = &recording.exchange;
        if exchange.wire().is_err() || !exchange.head.status.is_success() {
            continue;
        }
        let whole = format!("{:?}", exchange.decode().outcome);
        // A different size for each recording, so that the set as a whole is split everywhere.
        let own = 2 + exchange.body.len() % 251;
        let sizes: &[usize] = if exchange.body.len() <= SMALL { &[1, 7, own] } else { &[own, 1_447] };
        for &size in sizes {
            cut += 1;
            if format!("{:?}", exchange.decode_in_pieces(size).outcome) != whole {
                differing.push(format!(
                    "{} {} {}: pieces of {size} bytes change it",
                    exchange.provider, exchange.endpoint, exchange.id
                ));
            }
        }
    }
    println!("{cut} ways of cutting");
    assert!(differing.is_empty(), "{} differ:\n{}", differing.len(), differing.join("\n"));
}
