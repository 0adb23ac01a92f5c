//! The conformance kit: what every provider must do, as checks that the provider's author runs.
//!
//! It judges neither the quality of answers nor the network: the kit plays the server, byte by byte, without a runtime
//! or a clock. The author supplies a wire and sample replies of its servers; the kit truncates, splits, corrupts and
//! cancels them. Invariant: nothing passes silently. What a wire cannot express is [`Verdict::Skipped`] with a reason,
//! and a missing sample is a failure.
//! ```no_run
//! # fn wire() -> impl hotspare_provider::Wire { unimplemented!() as std::sync::Arc<dyn hotspare_provider::Wire> }
//! use hotspare_core::Kind;
//! use hotspare_provider::conformance::{Conformance, Reply, Scenario};
//!
//! Conformance::new(wire())
//!     .whole(Reply::json(200, r#"{"text":"hello","done":true}"#), "hello")
//!     .cannot(Scenario::Streamed, "the server never streams")
//!     .cannot(Scenario::ToolCall, "the wire has no tools")
//!     .cannot(Scenario::Length, "the server gives no finish reason")
//!     .cannot(Scenario::LateFailure, "nothing is streamed")
//!     .failure(Kind::Auth, Reply::json(401, r#"{"error":"bad key"}"#))
//!     .failure(Kind::RateLimited, Reply::json(429, r#"{"error":"slow down"}"#))
//!     .run()
//!     .assert();
//! ```

mod contract;
mod faults;
mod report;
mod transport;

use std::sync::Arc;

use hotspare_core::{ChatRequest, Event, FinishReason, Json, Kind, Tool};

use crate::provider::{Outbound, Provider};
use crate::secret::Secret;
use crate::wire::Wire;

pub use contract::stream_contract;
pub use report::{Check, Report, Verdict};
pub use transport::Reply;

use transport::{CallRecord, Delivery, FakeTransport};

/// The key that must never appear in any output.
const PLANTED: &str = "sk-planted-key-0123456789";

/// A behavior the kit tests; each needs a sample reply, or a reason in [`Conformance::cannot`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scenario {
    /// An answer cut off by the output limit.
    Length,
    /// A failure reported inside a stream.
    LateFailure,
    /// An answer streamed in pieces.
    Streamed,
    /// An answer that calls a tool.
    ToolCall,
    /// An answer sent as one body.
    Whole,
}

impl Scenario {
    const ALL: [Self; 5] = [Self::Whole, Self::Streamed, Self::ToolCall, Self::Length, Self::LateFailure];
}

/// A wire under test, with sample replies of its servers.
#[derive(Debug)]
#[must_use]
pub struct Conformance {
    wire: Arc<dyn Wire>,
    model: String,
    samples: Vec<Sample>,
    impossible: Vec<(Scenario, String)>,
    failures: Vec<(Kind, Reply)>,
}

#[derive(Debug)]
struct Sample {
    scenario: Scenario,
    reply: Reply,
    /// The expected text, or the expected name of the tool.
    expected: String,
    late_failure: Option<Kind>,
}

impl Conformance {
    /// Creates a test of `wire` without samples.
    pub fn new(wire: impl Wire + 'static) -> Self {
        Self {
            wire: Arc::new(wire),
            model: "model".into(),
            samples: Vec::new(),
            impossible: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Sets the name of the requested model.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = model.into();
        self
    }

    /// Adds an unstreamed answer with the text `text`.
    pub fn whole(self, reply: Reply, text: impl Into<String>) -> Self {
        self.add(Scenario::Whole, reply, text, None)
    }

    /// Adds a streamed answer with the text `text`, in more than one piece.
    pub fn streamed(self, reply: Reply, text: impl Into<String>) -> Self {
        self.add(Scenario::Streamed, reply, text, None)
    }

    /// Adds an answer, whole or streamed, that calls `tool` once.
    pub fn tool_call(self, reply: Reply, tool: impl Into<String>) -> Self {
        self.add(Scenario::ToolCall, reply, tool, None)
    }

    /// Adds an answer, whole or streamed, with the text `text`, cut off by the output limit.
    pub fn length(self, reply: Reply, text: impl Into<String>) -> Self {
        self.add(Scenario::Length, reply, text, None)
    }

    /// Adds a stream that reports a failure of this kind, after `text` or at once.
    pub fn late_failure(self, reply: Reply, text: impl Into<String>, kind: Kind) -> Self {
        self.add(Scenario::LateFailure, reply, text, Some(kind))
    }

    /// Adds an unsuccessful reply of this kind. [`Kind::Auth`] and [`Kind::RateLimited`] are required.
    pub fn failure(mut self, kind: Kind, reply: Reply) -> Self {
        self.failures.push((kind, reply));
        self
    }

    /// Declares that the wire cannot express `scenario`; the report gives the reason.
    pub fn cannot(mut self, scenario: Scenario, reason: impl Into<String>) -> Self {
        self.impossible.push((scenario, reason.into()));
        self
    }

    fn add(
        mut self,
        scenario: Scenario,
        reply: Reply,
        expected: impl Into<String>,
        late_failure: Option<Kind>,
    ) -> Self {
        self.samples.push(Sample { scenario, reply, expected: expected.into(), late_failure });
        self
    }

    /// Runs every check.
    pub fn run(&self) -> Report {
        let mut report = Report::default();
        for scenario in Scenario::ALL {
            let name = format!("{scenario:?}");
            let mut samples = self.samples.iter().filter(|sample| sample.scenario == scenario).peekable();
            match self.impossible.iter().find(|(impossible, _)| *impossible == scenario) {
                Some((_, reason)) if samples.peek().is_none() => report.skip(&name, reason),
                Some(_) => report.fail(&name, "is given, but declared impossible"),
                None if samples.peek().is_none() => {
                    report
                        .fail(&name, "is missing: give a reply, or explain with `cannot` why there is none");
                }
                None => samples.for_each(|sample| self.scenario(sample, &mut report)),
            }
        }
        self.failures(&mut report);
        self.secrets(&mut report);
        report
    }

    fn scenario(&self, sample: &Sample, report: &mut Report) {
        let name = format!("{:?}", sample.scenario);
        let run = self.serve(&sample.reply, Delivery::Whole);
        report.note(&format!("{name}: decodes the expected answer"), check_answer(sample, &run));
        report.note(&format!("{name}: signals are in order"), contract::check(&run));
        report.note(&format!("{name}: one request per call"), run.one_request());
        report.note(&format!("{name}: chunk boundaries do not matter"), self.splits(&sample.reply, &run));
        report.note(&format!("{name}: dropping it cancels it"), self.cancels(&sample.reply));
        if sample.late_failure.is_none() {
            report.note(&format!("{name}: truncation is an error"), self.truncations(&sample.reply, &run));
        }
    }

    /// Serves a reply to one call.
    fn serve(&self, reply: &Reply, delivery: Delivery) -> CallRecord {
        FakeTransport::new(reply.clone(), delivery).call(&self.wire, self.call(reply.is_stream()))
    }

    fn call(&self, stream: bool) -> Outbound {
        let schema = Json::from(serde_json::json!({"type": "object", "properties": {}}));
        let tools = self.samples.iter().filter(|sample| sample.scenario == Scenario::ToolCall);
        let request = ChatRequest::to("route").system("Be brief.").user("Say something.").max_output(64);
        let request = tools.fold(request, |request, sample| {
            request.tool(Tool::new(sample.expected.as_str(), schema.clone()).with_description("a tool"))
        });
        Outbound::new(Arc::new(request), self.model.as_str(), stream).with_secret(Some(Secret::new(PLANTED)))
    }
}

/// Compares the decoded answer with the expected one.
fn check_answer(sample: &Sample, run: &CallRecord) -> Result<(), String> {
    let text: String = run
        .events()
        .filter_map(|event| match event {
            Event::TextDelta(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let finish = run.events().find_map(|event| match event {
        Event::Finished(reason) => Some(reason),
        _ => None,
    });
    match (&run.outcome, sample.late_failure) {
        (Err(error), Some(kind)) if error.kind() == kind && text == sample.expected => return Ok(()),
        (outcome, Some(kind)) => {
            return Err(format!(
                "{kind} after {:?} was expected, not {outcome:?} after {text:?}",
                sample.expected
            ));
        }
        (Err(error), None) => return Err(format!("fails: {error}")),
        (Ok(()), None) => {}
    }
    match sample.scenario {
        Scenario::ToolCall => {
            let called: Vec<&str> = run
                .events()
                .filter_map(|event| match event {
                    Event::ToolStarted { name, .. } => Some(name.as_str()),
                    _ => None,
                })
                .collect();
            let arguments: String = run
                .events()
                .filter_map(|event| match event {
                    Event::ToolDelta { arguments, .. } => Some(arguments.as_str()),
                    _ => None,
                })
                .collect();
            if called != [sample.expected.as_str()] {
                return Err(format!("calls {called:?}, not {:?} once", sample.expected));
            }
            match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&arguments) {
                Err(_) if !arguments.is_empty() => {
                    Err(format!("its arguments are not a JSON object: {arguments}"))
                }
                _ if finish != Some(&FinishReason::ToolCalls) => {
                    Err(format!("finishes with {finish:?}, not ToolCalls"))
                }
                _ => Ok(()),
            }
        }
        _ if text != sample.expected => Err(format!("says {text:?}, not {:?}", sample.expected)),
        Scenario::Length if finish != Some(&FinishReason::Length) => {
            Err(format!("finishes with {finish:?}, not Length"))
        }
        Scenario::Whole | Scenario::Streamed if finish != Some(&FinishReason::Stop) => {
            Err(format!("finishes with {finish:?}, not Stop"))
        }
        _ => Ok(()),
    }
}

/// A provider over the fake transport.
fn provider(wire: &Arc<dyn Wire>, transport: &Arc<FakeTransport>) -> impl Provider {
    crate::HttpProvider::new(Arc::clone(wire), Arc::clone(transport) as Arc<dyn crate::Transport>)
}
