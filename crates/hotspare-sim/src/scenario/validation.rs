//! Mistakes in a scenario that parses: what could not be run, or would have no effect.
//!
//! Not syntax: unknown keys and values of a wrong type never get here. Invariant: a setting without effect is a
//! mistake, so that no result seems to cover what was ignored; every accepted scenario terminates.

use super::{BreakerDto, FaultDto, Load, Scenario};
use crate::units::Span;

impl Scenario {
    pub(super) fn mistakes(&self) -> Vec<String> {
        let mut mistakes = self.load.mistakes();
        if self.targets.is_empty() || self.targets.len() > 64 {
            mistakes.push("there must be from 1 to 64 targets".into());
        }
        if self.length.0.is_zero() {
            mistakes.push("length must be more than 0".into());
        }
        if self.window[0] >= self.window[1] || self.window[1] > self.length {
            mistakes.push("the window must end after it begins, and within the length".into());
        }
        for target in &self.targets {
            if self.targets.iter().filter(|other| other.name == target.name).count() > 1 {
                mistakes.push(format!("target `{}` is defined twice", target.name));
            }
            if target.keys == 0 || target.keys > 64 {
                mistakes.push(format!("target `{}` has from 1 to 64 keys", target.name));
            }
            if let Some(Err(what)) = target.breaker.as_ref().map(BreakerDto::config) {
                mistakes.push(format!("target `{}`: {what}", target.name));
            }
        }
        for fault in &self.faults {
            self.fault_mistakes(fault, &mut mistakes);
        }
        if self.swizzle.as_ref().is_some_and(|swizzle| swizzle.every.0.as_millis() == 0) {
            mistakes.push("swizzle.every must be at least 1 ms".into());
        }
        if let Some(incidents) = &self.incidents
            && !(incidents.per_month.is_finite() && incidents.per_month >= 0.0 && incidents.sigma.is_finite())
        {
            mistakes.push("incidents.per_month and incidents.sigma must be numbers".into());
        }
        mistakes.extend(self.marks.iter().filter_map(|mark| mark.mistake(self)));
        mistakes.extend(self.setup().err());
        mistakes
    }

    fn fault_mistakes(&self, fault: &FaultDto, mistakes: &mut Vec<String>) {
        let what = |what: String| format!("the fault {} {what}", fault.effect);
        for name in &fault.on {
            if !self.targets.iter().any(|target| target.is_addressed_by(name)) {
                mistakes.push(what(format!("is on `{name}`, which is neither a target nor a group")));
            }
        }
        let [from, until] = self.window;
        if fault.from.unwrap_or(from) >= fault.until.unwrap_or(until) {
            mistakes.push(what("ends before it begins".into()));
        }
        let meant =
            self.targets.iter().filter(|target| fault.on.iter().any(|name| target.is_addressed_by(name)));
        let keys = meant.map(|target| target.keys).max().unwrap_or(0);
        if fault.key.is_some_and(|key| key == 0 || key > keys) {
            mistakes.push(what(format!("is for a key that is not from 1 to {keys}")));
        }
    }
}

impl Load {
    fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let cv = (0.0..=50.0).contains(&self.cv);
        if !(self.rate > 0.0 && self.rate <= 100_000.0 && cv) {
            mistakes.push("load.rate is from above 0 to 100000 a second, load.cv from 0 to 50".into());
        }
        for burst in &self.bursts {
            if !(burst.times > 0.0 && burst.times <= 1_000.0) {
                mistakes.push(format!("a burst's times is {}; it is from above 0 to 1000", burst.times));
            }
            if burst.from >= burst.until {
                mistakes.push("a burst must end after it begins".into());
            }
        }
        if let Some(long) = &self.long_prompts
            && !(long.ttft_times > 0.0 && long.ttft_times <= 1_000.0)
        {
            mistakes.push("load.long_prompts.ttft_times is from above 0 to 1000".into());
        }
        if self.deadline == Some(Span::secs(0)) {
            mistakes.push("load.deadline must be more than 0".into());
        }
        mistakes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        Scenario::parse("x", &format!("what = \"x\"\n{text}")).err().unwrap_or_default()
    }

    #[test]
    fn endless_or_ineffective_scenarios_are_rejected() {
        assert_eq!(wrong(""), "");
        for (text, says) in [
            ("load = { rate = nan }", "load.rate"),
            ("load = { rate = inf }", "load.rate"),
            ("load = { cv = nan }", "load.cv"),
            ("load = { bursts = [{ from = \"1s\", until = \"2s\", times = -1.0 }] }", "times is -1"),
            ("load = { bursts = [{ from = \"1s\", until = \"2s\", times = 0.0 }] }", "times is 0"),
            ("load = { bursts = [{ from = \"2s\", until = \"1s\", times = 2.0 }] }", "burst must end"),
            ("swizzle = { effects = [\"silence\"], every = \"0s\", until = \"9s\" }", "swizzle.every"),
            ("faults = [{ on = [\"a\"], effect = \"silence\", key = 9 }]", "from 1 to 1"),
            (
                "faults = [{ on = [\"a\"], effect = \"silence\", from = \"9s\", until = \"3s\" }]",
                "ends before",
            ),
            ("faults = [{ on = [\"z\"], effect = \"silence\" }]", "neither a target"),
            ("length = \"200s\"", "within the length"),
            ("marks = [{ measure = \"available\", at_least = 99.9 }]", "a share"),
        ] {
            assert!(wrong(text).contains(says), "{text}: {}", wrong(text));
        }
    }
}
