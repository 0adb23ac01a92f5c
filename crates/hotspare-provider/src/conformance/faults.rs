//! Fault injection: splits, truncation, cancellation, failed replies, and leaks of the key.

use hotspare_core::{Blame, Error, Event, Kind};

use super::report::Report;
use super::transport::{CallRecord, Delivery, FakeTransport, Reply};
use super::{Conformance, PLANTED, Scenario};
use crate::framing::{BODY_LIMIT, FRAME_LIMIT};

/// The most positions at which a reply is split or truncated; in a longer reply they are evenly spaced.
const MAX_POSITIONS: usize = 600;

fn positions(length: usize) -> impl Iterator<Item = usize> {
    let step = length.div_ceil(MAX_POSITIONS).max(1);
    (0..length).step_by(step)
}

fn describe(run: &CallRecord) -> String {
    let events: Vec<_> = run.events().collect();
    format!("{events:?} {:?}", run.outcome.as_ref().map_err(Error::kind))
}

impl Conformance {
    pub(super) fn splits(&self, reply: &Reply, whole: &CallRecord) -> Result<(), String> {
        let expected = describe(whole);
        let sizes = [1, 2, 3, 7, 64].map(Delivery::Every);
        for delivery in sizes.into_iter().chain(positions(reply.body.len()).map(Delivery::Cut)) {
            let got = describe(&self.serve(reply, delivery));
            if got != expected {
                return Err(format!("{delivery:?} gives {got} instead of {expected}"));
            }
        }
        Ok(())
    }

    /// A truncated answer is an error, whether the connection ends cleanly or breaks. One that still succeeds must have
    /// given every event of the whole.
    pub(super) fn truncations(&self, reply: &Reply, whole: &CallRecord) -> Result<(), String> {
        // Usage may follow the end, and some servers omit it.
        let content = |run: &CallRecord| {
            format!(
                "{:?}",
                run.events()
                    .filter(|event| !matches!(event, Event::Usage(_) | Event::Mark))
                    .collect::<Vec<_>>()
            )
        };
        let all = content(whole);
        for at in positions(reply.body.len()) {
            for delivery in [Delivery::EndAfter(at), Delivery::BreakAfter(at)] {
                let run = self.serve(reply, delivery);
                match &run.outcome {
                    // Only an end marker, usage or white space was missing.
                    Ok(()) if content(&run) == all => {}
                    Ok(()) => return Err(format!("{delivery:?} passes as a complete answer")),
                    Err(error) if error.blame() == Blame::Caller => {
                        return Err(format!("{delivery:?} blames the caller: {error}"));
                    }
                    Err(_) => {}
                }
            }
        }
        Ok(())
    }

    pub(super) fn cancels(&self, reply: &Reply) -> Result<(), String> {
        let call = || self.call(reply.is_stream());
        let half = reply.body.len() / 2;
        for (what, delivery, signals) in [
            ("before the head", Delivery::HangBefore, 0),
            ("before the first signal", Delivery::HangAfter(0), 0),
            ("after it was opened", Delivery::HangAfter(half), 1),
            ("in the middle", Delivery::HangAfter(half), 3),
        ] {
            let transport = FakeTransport::new(reply.clone(), delivery);
            let left = std::sync::Arc::clone(&transport).drop_after(&self.wire, call(), signals);
            if !transport.was_requested() {
                return Err(format!("{what}: nothing was sent"));
            }
            if left > 0 {
                return Err(format!("dropped {what}, the request is still in flight"));
            }
        }
        Ok(())
    }

    pub(super) fn failures(&self, report: &mut Report) {
        for required in [Kind::Auth, Kind::RateLimited] {
            if !self.failures.iter().any(|(kind, _)| *kind == required) {
                report.fail(&format!("failure {required}"), "is missing: give what the server says");
            }
        }
        for (kind, reply) in &self.failures {
            report.note(&format!("failure {kind}"), self.kind(reply, &[*kind]));
        }
        report.note("failures are classified by status alone", self.statuses());
        report.note("any status and body is classified", self.random_bodies());
        report.note("a reply without an answer is an error", self.replies_without_answer());
        report.note("endless replies are bounded", self.oversized_frames());
    }

    fn kind(&self, reply: &Reply, expected: &[Kind]) -> Result<(), String> {
        match self.serve(reply, Delivery::Whole).outcome {
            Err(error) if expected.contains(&error.kind()) => Ok(()),
            Err(error) => Err(format!("is {} ({error}), not {expected:?}", error.kind())),
            Ok(()) => Err(format!("passes as an answer, not {expected:?}")),
        }
    }

    /// Replies of a proxy in front of the server, which does not use the wire's error format.
    fn statuses(&self) -> Result<(), String> {
        let quota = [Kind::RateLimited, Kind::QuotaExhausted, Kind::GrowthLimited, Kind::Overloaded];
        for body in ["", "<html><body>nginx</body></html>"] {
            let reply = |status| Reply::new(status, "text/html", body);
            self.kind(&reply(401), &[Kind::Auth]).map_err(|why| format!("401 {body:?}: {why}"))?;
            self.kind(&reply(429), &quota).map_err(|why| format!("429 {body:?}: {why}"))?;
            for status in [500, 502, 503, 504] {
                let outcome = self.serve(&reply(status), Delivery::Whole).outcome;
                let blame = outcome.as_ref().map_err(Error::blame);
                if blame != Err(Blame::Target) {
                    return Err(format!("{status} {body:?} blames {blame:?}, not the target"));
                }
            }
        }
        Ok(())
    }

    fn random_bodies(&self) -> Result<(), String> {
        let mut state = 1u64;
        let mut byte = || {
            // A linear congruential generator: the same bytes in every run.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        };
        let nested = format!("{}{}", "[".repeat(5_000), "{\"error\":".repeat(5_000));
        let mut bodies: Vec<Vec<u8>> = (0..40).map(|length| (0..length).map(|_| byte()).collect()).collect();
        bodies.extend(
            ["null", "[]", "{}", "{\"error\":null}", "{\"error\":{}}", &nested].map(|text| text.into()),
        );
        for status in (400..600).step_by(7) {
            for body in &bodies {
                let outcome = self.serve(&Reply::json(status, body.clone()), Delivery::Whole).outcome;
                if outcome.is_ok() {
                    return Err(format!("{status} passes as an answer"));
                }
            }
        }
        Ok(())
    }

    /// Status 200 without an answer in the body.
    fn replies_without_answer(&self) -> Result<(), String> {
        for sample in &self.samples {
            let page = sample.reply.with_body("<html>Log in to the hotel's network</html>");
            let text = page.with_type("text/html");
            for reply in [sample.reply.with_body(""), sample.reply.with_body("{"), page, text] {
                match self.serve(&reply, Delivery::Whole).outcome {
                    Ok(()) => return Err(format!("{:?} passes as an answer", reply.body)),
                    Err(error) if error.blame() != Blame::Target => {
                        return Err(format!("{:?} does not blame the target: {error}", reply.body));
                    }
                    Err(_) => {}
                }
            }
        }
        Ok(())
    }

    fn oversized_frames(&self) -> Result<(), String> {
        for sample in self.samples.iter().filter(|sample| sample.scenario == Scenario::Streamed) {
            let flood = sample.reply.with_body(vec![b'a'; FRAME_LIMIT.min(BODY_LIMIT) + 1]);
            if self.serve(&flood, Delivery::Every(64 << 10)).outcome.is_ok() {
                return Err("a frame beyond the limit passes".into());
            }
        }
        Ok(())
    }

    /// Neither `Debug` output nor errors show the key, even where the server's reply quotes it.
    pub(super) fn secrets(&self, report: &mut Report) {
        let call = self.call(true);
        let mut texts = vec![("the call", format!("{call:?}")), ("the wire", format!("{:?}", self.wire))];
        match self.wire.encode(&call) {
            Ok(request) => {
                texts.push(("the request", format!("{request:?}")));
                let exposed = request.headers.values().any(|value| {
                    !value.is_sensitive() && value.to_str().is_ok_and(|value| value.contains(PLANTED))
                });
                let why = "a header with the key is not marked as sensitive".to_owned();
                report.note("the key's header is sensitive", if exposed { Err(why) } else { Ok(()) });
                let absolute = request.url.starts_with("https://") || request.url.starts_with("http://");
                let why = format!("the address {:?} is not absolute", request.url.split('?').next());
                report.note("the address is absolute", if absolute { Ok(()) } else { Err(why) });
            }
            Err(error) => report.fail("a plain request is encoded", &error.to_string()),
        }
        let echo = format!(
            "{{\"error\":{{\"message\":\"bad key {PLANTED}\",\"type\":\"{PLANTED}\",\"code\":\"{PLANTED}\"}},\"message\":\"{PLANTED}\"}}"
        );
        for status in [400, 401, 403, 429, 500] {
            if let Err(error) = self.serve(&Reply::json(status, echo.clone()), Delivery::Whole).outcome {
                texts.push(("an error", format!("{error} {error:?} {}", error.public_message())));
            }
        }
        for sample in &self.samples {
            let echoing = sample.reply.with_body(echo.clone());
            if let Err(error) = self.serve(&echoing, Delivery::Whole).outcome {
                texts.push(("an error in a reply", format!("{error} {error:?} {}", error.public_message())));
            }
        }
        let leak = texts.iter().find(|(_, text)| text.contains(PLANTED));
        let result = leak.map_or(Ok(()), |(what, _)| Err(format!("{what} shows it")));
        report.note("the key is never shown", result);
    }
}
