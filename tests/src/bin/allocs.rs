//! Allocations per decoded event: the largest recorded streams of each kind of call, compared with parsing their frames
//! into `serde_json::Value`s. A separate program, because counting slows everything else down. Part of `cargo xtask
//! bench decode`.
#![expect(clippy::print_stdout, clippy::expect_used, reason = "benchmarks panic on failure")]

use hotspare_tests::recorded::{decode, enclosed, largest};

#[global_allocator]
static ALLOC: dhat::Alloc = dhat::Alloc;

fn main() {
    let _profiler = dhat::Profiler::builder().testing().build();
    println!("\n{:<26}{:>8}{:>16}{:>16}", "", "events", "allocs/event", "Value's");
    for (endpoint, streams) in largest(5).expect("a folder of recordings") {
        let (mut events, mut frames) = (0, Vec::new());
        let before = dhat::HeapStats::get().total_blocks;
        for stream in &streams {
            events += decode(stream, None).unwrap_or(0);
        }
        let ours = dhat::HeapStats::get().total_blocks - before;
        for stream in &streams {
            let _ = decode(stream, Some(&mut frames));
        }
        let in_envelopes = frames.iter().all(|frame| enclosed(frame).is_some());
        let before = dhat::HeapStats::get().total_blocks;
        for frame in &frames {
            // A frame that is no envelope is not tried as one: the error would be counted.
            let inner = if in_envelopes { enclosed(frame) } else { None };
            drop(serde_json::from_slice::<serde_json::Value>(inner.as_deref().unwrap_or(frame)));
        }
        let parsed = dhat::HeapStats::get().total_blocks - before;
        if events > 0 {
            let per = |blocks: u64| blocks as f64 / events as f64;
            println!("{endpoint:<26}{events:>8}{:>16.2}{:>16.2}", per(ours), per(parsed));
        }
    }
}
