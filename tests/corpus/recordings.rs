//! The recordings, and which set of them is in use.
//!
//! Invariant: a line that cannot be parsed fails the test; nothing is skipped silently.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::sync::OnceLock;

use hotspare::recorded::Exchange;
use serde_json::Value;

/// One recording, with what its recorder noted.
pub(crate) struct Recording {
    pub(crate) exchange: Exchange,
    /// The error's code as noted by the recorder: `type/status/code`.
    pub(crate) code: String,
}

/// A set of recordings.
pub(crate) struct Set {
    pub(crate) recordings: Vec<Recording>,
    /// A hash of the ids, which tells whether a document describes this set.
    pub(crate) fingerprint: u64,
    /// Whether it is the set that `docs/corpus.md` describes: only of this one it is known how much must be found in it, and
    /// that every listed exception occurs.
    pub(crate) described: bool,
}

/// Every recording, read once for all tests.
pub(crate) fn all() -> &'static Set {
    static SET: OnceLock<Set> = OnceLock::new();
    SET.get_or_init(|| {
        let named = std::env::var_os("HOTSPARE_CORPUS").filter(|name| !name.is_empty()).map(PathBuf::from);
        let folder = named.unwrap_or_else(|| {
            println!("HOTSPARE_CORPUS names no folder of recordings: reading the subset in the tree");
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join("recorded")
        });
        let mut files: Vec<_> =
            std::fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
        files.sort();
        let mut recordings = Vec::new();
        for path in files {
            for (at, line) in BufReader::new(File::open(&path).unwrap()).split(b'\n').enumerate() {
                let line = line.unwrap();
                if line.trim_ascii().is_empty() {
                    continue;
                }
                let exchange = Exchange::parse(&line)
                    .unwrap_or_else(|why| panic!("{}:{}: {why}", path.display(), at + 1));
                let record: Value = serde_json::from_slice(&line).unwrap();
                let code = record["error_code"].as_str().unwrap_or_default().to_owned();
                recordings.push(Recording { exchange, code });
            }
        }
        assert!(!recordings.is_empty(), "{} holds no recordings", folder.display());
        let mut ids: Vec<&str> = recordings.iter().map(|recording| recording.exchange.id.as_str()).collect();
        ids.sort_unstable();
        let fingerprint =
            ids.iter().flat_map(|id| id.bytes()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        let described = include_str!("../../docs/corpus.md").contains(&format!("{fingerprint:016x}"));
        Set { recordings, fingerprint, described }
    })
}
