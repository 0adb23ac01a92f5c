//! How the bytes were cut on their way must not matter.

use crate::recordings::all;

/// Bodies above this are cut into larger pieces only: one byte at a time is slow in a debug build.
const SMALL: usize = 24 << 10;

#[test]
fn an_answer_is_the_same_however_its_bytes_were_cut() {
    let mut differing = Vec::new();
    let mut cut = 0;
    for recording in &all().recordings {
        let exchange = &recording.exchange;
        if exchange.wire().is_err() || !exchange.head.status.is_success() {
            continue;
        }
        let whole = format!("{:?}", exchange.decode().outcome);
        // A size of its own for each recording, so that sets as a whole are cut everywhere.
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
