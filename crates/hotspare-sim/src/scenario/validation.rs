//! Mistakes in a scenario that parses: what could not be run, or would have no effect.
//!
//! Not syntax: unknown keys and values of a wrong type never get here. Invariant: a setting without effect is a
//! mistake, so that no result seems to cover what was ignored; every accepted scenario terminates.

use super::{BreakerDto, FaultDto, Load, PriceDto, Scenario};
use crate::units::{Share, Span};

impl Scenario {
    pub(super) fn mistakes(&self) -> Vec<String> {
        let mut mistakes = self.load.mistakes(self.length);
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
            if ["", "all"].contains(&target.name.as_str()) || target.groups.iter().any(|group| group == "all")
            {
                mistakes.push(
                    "`all` addresses every target, so that no target or group may have this name".into(),
                );
            }
            if let Some(PriceDto { input, output }) = target.price
                && ![input, output].iter().all(|price| (0.0..=1e6).contains(price))
            {
                mistakes.push(format!("target `{}`: a price is from 0 to 1000000", target.name));
            }
            if let Some(growth) = &target.growth
                && !(growth.factor > 0.0 && growth.factor <= 1e6 && !growth.window.0.is_zero())
            {
                mistakes.push(format!(
                    "target `{}`: growth.factor is from above 0 to 1000000, and growth.window more than 0",
                    target.name
                ));
            }
            if let Some(Err(what)) = target.breaker.as_ref().map(BreakerDto::config) {
                mistakes.push(format!("target `{}`: {what}", target.name));
            }
        }
        for fault in &self.faults {
            self.fault_mistakes(fault, &mut mistakes);
        }
        if let Some(swizzle) = &self.swizzle {
            if swizzle.every.0.as_millis() == 0 {
                mistakes.push("swizzle.every must be at least 1 ms".into());
            }
            if swizzle.effects.is_empty() {
                mistakes.push("swizzle.effects names no effect".into());
            }
            if swizzle.until < swizzle.every {
                mistakes.push("swizzle.until must not be before swizzle.every".into());
            }
        }
        if self.restart.is_some_and(|restart| restart.0.is_zero() || restart >= self.length) {
            mistakes.push("restart must be after the start and before the end".into());
        }
        if self.seeds == Some(0) {
            mistakes.push("seeds must be more than 0".into());
        }
        if let Some(incidents) = &self.incidents
            && !(incidents.per_month.is_finite() && incidents.per_month >= 0.0 && incidents.sigma.is_finite())
        {
            mistakes.push("incidents.per_month and incidents.sigma must be numbers".into());
        }
        mistakes.extend(self.marks.iter().flat_map(|mark| mark.mistakes(self)));
        if !(self.route.adaptive == 0.0 || (1.0..=100.0).contains(&self.route.adaptive)) {
            mistakes.push("route.adaptive is 0 (off) or from 1 to 100".into());
        }
        mistakes.extend(self.setup().err());
        mistakes
    }

    fn fault_mistakes(&self, fault: &FaultDto, mistakes: &mut Vec<String>) {
        let what = |what: String| format!("the fault {} {what}", fault.effect);
        if fault.on.is_empty() {
            mistakes.push(what("is on no target".into()));
        }
        if fault.share == Some(Share(0.0)) {
            mistakes.push(what("affects no request: its share is 0%".into()));
        }
        if fault.flap.is_some_and(|flap| flap.on.0.is_zero() || flap.off.0.is_zero()) {
            mistakes.push(what("has a flap of which a phase takes no time".into()));
        }
        if fault.cuts_in_flight && fault.flap.is_some() {
            mistakes.push(what("cuts what is in flight once, when it begins, and cannot flap".into()));
        }
        for name in &fault.on {
            if !self.targets.iter().any(|target| target.is_addressed_by(name)) {
                mistakes.push(what(format!("is on `{name}`, which is neither a target nor a group")));
            }
        }
        let [from, until] = self.window;
        if fault.from.unwrap_or(from) >= fault.until.unwrap_or(until) {
            mistakes.push(what("ends before it begins".into()));
        }
        if fault.from.is_some_and(|from| from >= self.length) {
            mistakes.push(what("begins after the scenario ends".into()));
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
    fn mistakes(&self, length: Span) -> Vec<String> {
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
            if burst.from >= length {
                mistakes.push("a burst begins after the scenario ends".into());
            }
        }
        if let Some(long) = &self.long_prompts
            && !(long.ttft_times > 0.0 && long.ttft_times <= 1_000.0)
        {
            mistakes.push("load.long_prompts.ttft_times is from above 0 to 1000".into());
        }
        for (name, share) in [
            ("load.long_prompts", self.long_prompts.as_ref().map(|long| long.share)),
            ("load.leave", self.leave.as_ref().map(|leave| leave.share)),
        ] {
            if share == Some(Share(0.0)) {
                mistakes.push(format!("{name} affects no request: its share is 0%"));
            }
        }
        if let Some(at) = self.crowd_at {
            if self.crowd == 0 {
                mistakes.push("load.crowd_at has no effect without load.crowd".into());
            }
            if at >= length {
                mistakes.push("load.crowd_at must be before the scenario ends".into());
            }
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
            ("faults = [{ on = [], effect = \"silence\" }]", "on no target"),
            ("faults = [{ on = [\"a\"], effect = \"silence\", share = \"0%\" }]", "affects no request"),
            (
                "faults = [{ on = [\"a\"], effect = \"silence\", from = \"20m\", until = \"21m\" }]",
                "begins after the scenario ends",
            ),
            (
                "faults = [{ on = [\"a\"], effect = \"silence\", flap = { on = \"0s\", off = \"0s\" } }]",
                "takes no time",
            ),
            (
                "faults = [{ on = [\"a\"], effect = \"silence\", flap = { on = \"5s\", off = \"0s\" } }]",
                "takes no time",
            ),
            (
                "faults = [{ on = [\"a\"], effect = \"silence\", cuts_in_flight = true, flap = { on = \"5s\", off = \"5s\" } }]",
                "cannot flap",
            ),
            ("load = { crowd_at = \"5s\" }", "no effect without load.crowd"),
            ("load = { crowd = 5, crowd_at = \"11m\" }", "before the scenario ends"),
            ("restart = \"20m\"", "restart must be"),
            ("route = { adaptive = nan }", "route.adaptive"),
            ("route = { adaptive = -3.0 }", "route.adaptive"),
            ("seeds = 0", "seeds must be"),
            ("load = { leave = { share = \"0%\", after = \"1s\" } }", "load.leave"),
            ("load = { bursts = [{ from = \"1h\", until = \"2h\", times = 2.0 }] }", "burst begins after"),
            ("swizzle = { effects = [], every = \"5s\", until = \"9s\" }", "names no effect"),
            ("targets = [{ name = \"all\" }]", "`all` addresses"),
            ("targets = [{ name = \"a\", groups = [\"all\"] }]", "`all` addresses"),
            ("targets = [{ name = \"a\", price = { input = -1, output = 1 } }]", "a price is from 0"),
            ("targets = [{ name = \"a\", price = { input = 1, output = nan } }]", "a price is from 0"),
            (
                "targets = [{ name = \"a\", growth = { factor = nan, window = \"1m\", floor = 1 } }]",
                "growth.factor",
            ),
            (
                "marks = [{ measure = \"lost\", at_most = 0, from = \"5m\", until = \"4m\" }]",
                "must end after it begins",
            ),
            ("marks = [{ measure = \"lost\", at_most = 0, until = \"11m\" }]", "ends after the scenario"),
            ("marks = [{ measure = \"used\", at_most = \"9%\", until = \"5m\" }]", "have no effect"),
            ("marks = [{ measure = \"lost\", at_most = 0, target = \"a\" }]", "not about one target"),
            ("marks = [{ measure = \"available\", at_least = \"500ms\" }]", "available is a share"),
            ("marks = [{ measure = \"available\", at_least = 0.5 }]", "available is a share"),
            ("marks = [{ measure = \"ttft-p99\", at_most = \"99%\" }]", "ttft-p99 is a time"),
            ("marks = [{ measure = \"ttft-p99\", at_most = 2 }]", "ttft-p99 is a time"),
            ("marks = [{ measure = \"lost\", at_most = \"2%\" }]", "lost is a number"),
            ("marks = [{ measure = \"lost\", at_most = nan }]", "lost is a number"),
            ("marks = [{ measure = \"lost\", at_most = 1, at_least = 2 }]", "cannot be at least 2"),
            (
                "length = \"3h\"\nmarks = [{ measure = \"amplification\", at_most = 2 }]",
                "more than two hours",
            ),
            (
                "load = { rate = 1 }\nmarks = [{ measure = \"recovered-after\", at_most = \"9s\" }]",
                "needs 200 requests before the window, to know the former share; there are 120",
            ),
            ("length = \"200s\"", "within the length"),
            ("marks = [{ measure = \"available\", at_least = 99.9 }]", "a share"),
        ] {
            assert!(wrong(text).contains(says), "{text}: {}", wrong(text));
        }
    }
}
