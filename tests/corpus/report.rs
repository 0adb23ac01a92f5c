//! The results as tables: printed by the test, and kept in `docs/corpus.md` and `docs/providers.md`.
//!
//! The documents describe one set of recordings and name its fingerprint. With that set they must be up to date
//! (`HOTSPARE_BLESS=1` rewrites them); with any other set, results are only printed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hotspare::recorded::Exchange;

use crate::providers::Providers;

#[derive(Default)]
struct Count {
    answers: u32,
    compared: u32,
    equal: u32,
    failures: u32,
    exceptions: u32,
}

pub(crate) struct Report {
    fingerprint: u64,
    recordings: usize,
    counts: BTreeMap<(String, String), Count>,
    exceptions: Vec<(String, String, String, &'static str)>,
    skipped: BTreeMap<(String, &'static str), u32>,
    pub(crate) providers: Providers,
}

impl Report {
    pub(crate) fn new(fingerprint: u64, recordings: usize) -> Self {
        let (counts, exceptions, skipped, providers) = Default::default();
        Self { fingerprint, recordings, counts, exceptions, skipped, providers }
    }

    fn count(&mut self, exchange: &Exchange) -> &mut Count {
        self.counts.entry((exchange.provider.clone(), exchange.endpoint.clone())).or_default()
    }

    pub(crate) fn answer(&mut self, exchange: &Exchange, compared: bool, equal: bool) {
        let count = self.count(exchange);
        count.answers += 1;
        count.compared += u32::from(compared);
        count.equal += u32::from(compared && equal);
    }

    pub(crate) fn failure(&mut self, exchange: &Exchange) {
        self.count(exchange).failures += 1;
    }

    pub(crate) fn exception(&mut self, exchange: &Exchange, why: &'static str) {
        self.count(exchange).exceptions += 1;
        let (provider, endpoint) = (exchange.provider.clone(), exchange.endpoint.clone());
        self.exceptions.push((provider, endpoint, exchange.id.clone(), why));
    }

    pub(crate) fn skipped(&mut self, exchange: &Exchange, why: &'static str) {
        *self.skipped.entry((exchange.endpoint.clone(), why)).or_default() += 1;
    }

    /// The table.
    pub(crate) fn counts(&self) -> String {
        let mut out = String::from(
            "| provider | kind of call | answers | compared | equal | failures | exceptions |\n|---|---|---:|---:|---:|---:|---:|\n",
        );
        let mut all = Count::default();
        for ((provider, endpoint), count) in &self.counts {
            let Count { answers, compared, equal, failures, exceptions } = count;
            out.push_str(&format!(
                "| {provider} | {endpoint} | {answers} | {compared} | {equal} | {failures} | {exceptions} |\n"
            ));
            all.answers += answers;
            all.compared += compared;
            all.equal += equal;
            all.failures += failures;
            all.exceptions += exceptions;
        }
        let Count { answers, compared, equal, failures, exceptions } = all;
        out.push_str(&format!("| all | | {answers} | {compared} | {equal} | {failures} | {exceptions} |\n"));
        out
    }

    fn document(&self) -> String {
        let mut out = format!(
            "# Recorded traffic\n\n\
             Written by `HOTSPARE_BLESS=1 cargo test -p hotspare-tests --test corpus` from the {} recordings of the set `{:016x}` in the\n\
             directory named by `HOTSPARE_CORPUS`; without it, a small subset in the tree is read. `hotspare decode FILE.jsonl` shows how\n\
             recordings of your own are read.\n\n\
             *Answers* are successful replies. *Compared* ones were read again by a small independent reader that shares no code with the\n\
             adapter; *equal* means the same text, reasoning, refusal, tool calls (name, id, arguments as JSON), finish reason and tokens.\n\
             A reply that is a failure (an error inside a 200, a truncated stream, an empty answer) must be read as a failure to count as\n\
             equal. *Failures* are checked against [a reviewed table](../tests/corpus/errors.tsv). Each answer is also read with its bytes\n\
             split in three ways, which must make no difference.\n\n",
            self.recordings, self.fingerprint
        );
        out.push_str(&self.counts());
        out.push_str("\n## Exceptions\n\nReplies that are deliberately read differently from the independent reader, and why:\n\n");
        for (provider, endpoint, id, why) in &self.exceptions {
            out.push_str(&format!("- {provider} {endpoint} `{id}`: {why}\n"));
        }
        out.push_str("\n## Not read\n\n| kind of call | recordings | why |\n|---|---:|---|\n");
        for ((endpoint, why), count) in &self.skipped {
            out.push_str(&format!("| {endpoint} | {count} | {why} |\n"));
        }
        out
    }

    /// Compares the results with the documents, or rewrites them.
    pub(crate) fn settle(&self) {
        let set = format!("{:016x}", self.fingerprint);
        for (name, fresh) in [("corpus.md", self.document()), ("providers.md", self.providers.document(&set))]
        {
            let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
            if std::env::var_os("HOTSPARE_BLESS").is_some() {
                std::fs::write(&path, fresh).unwrap();
                continue;
            }
            let known = std::fs::read_to_string(&path).unwrap_or_default();
            if known.contains(&set) {
                assert!(
                    known == fresh,
                    "docs/{name} is out of date: run the tests once with HOTSPARE_BLESS=1"
                );
            } else {
                println!("docs/{name} speaks of another set of recordings");
            }
        }
    }
}
