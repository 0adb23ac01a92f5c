//! The built-in scenarios.
//!
//! Invariant: every file of the folder is one, and each parses.

use crate::scenario::Scenario;

const FILES: &[(&str, &str)] = &[
    ("all-down", include_str!("../scenarios/all-down.toml")),
    ("bad-requests", include_str!("../scenarios/bad-requests.toml")),
    ("bursty-healthy", include_str!("../scenarios/bursty-healthy.toml")),
    ("clean-end", include_str!("../scenarios/clean-end.toml")),
    ("common-overload", include_str!("../scenarios/common-overload.toml")),
    ("crowd-in-flight", include_str!("../scenarios/crowd-in-flight.toml")),
    ("crowd-mid-answer", include_str!("../scenarios/crowd-mid-answer.toml")),
    ("cut-after-return", include_str!("../scenarios/cut-after-return.toml")),
    ("cut-continue", include_str!("../scenarios/cut-continue.toml")),
    ("cut-terminate", include_str!("../scenarios/cut-terminate.toml")),
    ("dead-key", include_str!("../scenarios/dead-key.toml")),
    ("error-event", include_str!("../scenarios/error-event.toml")),
    ("flapping", include_str!("../scenarios/flapping.toml")),
    ("garbage-hints", include_str!("../scenarios/garbage-hints.toml")),
    ("growth-limit", include_str!("../scenarios/growth-limit.toml")),
    ("half-errors", include_str!("../scenarios/half-errors.toml")),
    ("healthy", include_str!("../scenarios/healthy.toml")),
    ("healthy-long-prompts", include_str!("../scenarios/healthy-long-prompts.toml")),
    ("healthy-reasoning", include_str!("../scenarios/healthy-reasoning.toml")),
    ("keys-in-turn", include_str!("../scenarios/keys-in-turn.toml")),
    ("leaving-callers", include_str!("../scenarios/leaving-callers.toml")),
    ("local-network", include_str!("../scenarios/local-network.toml")),
    ("long-calls", include_str!("../scenarios/long-calls.toml")),
    ("long-reasoning", include_str!("../scenarios/long-reasoning.toml")),
    ("malformed", include_str!("../scenarios/malformed.toml")),
    ("metastable", include_str!("../scenarios/metastable.toml")),
    ("no-money", include_str!("../scenarios/no-money.toml")),
    ("one-left-and-small", include_str!("../scenarios/one-left-and-small.toml")),
    ("one-model-alone", include_str!("../scenarios/one-model-alone.toml")),
    ("one-model-of-a-host", include_str!("../scenarios/one-model-of-a-host.toml")),
    ("probes-drip", include_str!("../scenarios/probes-drip.toml")),
    ("probes-hang", include_str!("../scenarios/probes-hang.toml")),
    ("quiet-503", include_str!("../scenarios/quiet-503.toml")),
    ("quiet-return", include_str!("../scenarios/quiet-return.toml")),
    ("quiet-silence", include_str!("../scenarios/quiet-silence.toml")),
    ("quota-told", include_str!("../scenarios/quota-told.toml")),
    ("rate-limited-alone", include_str!("../scenarios/rate-limited-alone.toml")),
    ("rate-limited-bare", include_str!("../scenarios/rate-limited-bare.toml")),
    ("rate-limited-hint", include_str!("../scenarios/rate-limited-hint.toml")),
    ("rate-limited-now-and-then", include_str!("../scenarios/rate-limited-now-and-then.toml")),
    ("refused", include_str!("../scenarios/refused.toml")),
    ("restart", include_str!("../scenarios/restart.toml")),
    ("retired-model", include_str!("../scenarios/retired-model.toml")),
    ("silence", include_str!("../scenarios/silence.toml")),
    ("silent-queue", include_str!("../scenarios/silent-queue.toml")),
    ("silent-queue-unknown", include_str!("../scenarios/silent-queue-unknown.toml")),
    ("slow-everywhere", include_str!("../scenarios/slow-everywhere.toml")),
    ("slow-start-20", include_str!("../scenarios/slow-start-20.toml")),
    ("slow-start-5", include_str!("../scenarios/slow-start-5.toml")),
    ("slow-tokens", include_str!("../scenarios/slow-tokens.toml")),
    ("small-spares", include_str!("../scenarios/small-spares.toml")),
    ("small-spares-limited", include_str!("../scenarios/small-spares-limited.toml")),
    ("stall", include_str!("../scenarios/stall.toml")),
    ("stall-terminate", include_str!("../scenarios/stall-terminate.toml")),
    ("status-503", include_str!("../scenarios/status-503.toml")),
    ("swizzle", include_str!("../scenarios/swizzle.toml")),
    ("tenth-errors", include_str!("../scenarios/tenth-errors.toml")),
    ("three-companies-90-days", include_str!("../scenarios/three-companies-90-days.toml")),
    ("unreachable", include_str!("../scenarios/unreachable.toml")),
    ("unstreamed", include_str!("../scenarios/unstreamed.toml")),
    ("unstreamed-long", include_str!("../scenarios/unstreamed-long.toml")),
    ("unstreamed-silence", include_str!("../scenarios/unstreamed-silence.toml")),
    ("unstreamed-stall", include_str!("../scenarios/unstreamed-stall.toml")),
    ("weak-return", include_str!("../scenarios/weak-return.toml")),
];

impl Scenario {
    /// The names of the built-in scenarios.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FILES.iter().map(|(name, _)| *name)
    }

    /// A commented scenario with every setting.
    #[must_use]
    pub fn example() -> &'static str {
        include_str!("../example.toml")
    }

    /// The text of a built-in scenario.
    #[must_use]
    pub fn text(name: &str) -> Option<&'static str> {
        FILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
    }

    /// A built-in scenario.
    ///
    /// # Errors
    /// If there is none with that name.
    pub fn find(name: &str) -> Result<Self, String> {
        let text = Self::text(name).ok_or_else(|| format!("unknown scenario `{name}`"))?;
        Self::parse(name, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_built_in() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let paths = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let mut there: Vec<_> =
            paths.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
        there.sort();
        assert_eq!(there, Scenario::names().collect::<Vec<_>>());
    }

    #[test]
    fn every_scenario_file_parses() {
        for name in Scenario::names() {
            if let Err(what) = Scenario::find(name) {
                panic!("{what}");
            }
        }
    }
}
