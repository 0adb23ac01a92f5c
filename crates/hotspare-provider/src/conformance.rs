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
//!     .cannot(Scenario::Streamed, "the server only answers whole")
//!     .cannot(Scenario::ToolCall, "the wire has no tools")
//!     .cannot(Scenario::Length, "the server never says why it stopped")
//!     .cannot(Scenario::LateFailure, "nothing is streamed")
//!     .failure(Kind::Auth, Reply::json(401, r#"{"oops":"bad key"}"#))
//!     .failure(Kind::RateLimited, Reply::json(429, r#"{"oops":"slow down"}"#))
//!     .run()
//!     .assert();
//! ```

mod contract;
mod line;
mod report;
mod trouble;

use std::sync::Arc;

use hotspare_core::{ChatRequest, Event, FinishReason, Json, Kind, Tool};

use crate::provider::{Outbound, Provider};
use crate::secret::Secret;
use crate::wire::Wire;

pub use contract::stream_contract;
pub use line::Reply;
pub use report::{Check, Report, Verdict};

use line::{Line, Pace, Run};

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
    given: Vec<Given>,
    impossible: Vec<(Scenario, String)>,
    failures: Vec<(Kind, Reply)>,
}

#[derive(Debug)]
struct Given {
    scenario: Scenario,
    reply: Reply,
    /// The expected text, or the expected name of the tool.
    says: String,
    late: Option<Kind>,
}

impl Conformance {
    /// Creates a test of `wire` without samples.
    pub fn new(wire: impl Wire + 'static) -> Self {
        Self {
            wire: Arc::new(wire),
            model: "model".into(),
            given: Vec::new(),
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
        self.give(Scenario::Whole, reply, text, None)
    }

    /// Adds a streamed answer with the text `text`, in more than one piece.
    pub fn streamed(self, reply: Reply, text: impl Into<String>) -> Self {
        self.give(Scenario::Streamed, reply, text, None)
    }

    /// Adds an answer, whole or streamed, that calls `tool` once.
    pub fn tool_call(self, reply: Reply, tool: impl Into<String>) -> Self {
        self.give(Scenario::ToolCall, reply, tool, None)
    }

    /// Adds an answer, whole or streamed, with the text `text`, cut off by the output limit.
    pub fn length(self, reply: Reply, text: impl Into<String>) -> Self {
        self.give(Scenario::Length, reply, text, None)
    }

    /// Adds a stream that reports a failure of this kind, after `text` or at once.
    pub fn late_failure(self, reply: Reply, text: impl Into<String>, kind: Kind) -> Self {
        self.give(Scenario::LateFailure, reply, text, Some(kind))
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

    fn give(mut self, scenario: Scenario, reply: Reply, says: impl Into<String>, late: Option<Kind>) -> Self {
        self.given.push(Given { scenario, reply, says: says.into(), late });
        self
    }

    /// Runs every check.
    pub fn run(&self) -> Report {
        let mut report = Report::default();
        for scenario in Scenario::ALL {
            let name = format!("{scenario:?}");
            let mut given = self.given.iter().filter(|given| given.scenario == scenario).peekable();
            match self.impossible.iter().find(|(impossible, _)| *impossible == scenario) {
                Some((_, reason)) if given.peek().is_none() => report.skip(&name, reason),
                Some(_) => report.fail(&name, "is given, but declared impossible"),
                None if given.peek().is_none() => {
                    report
                        .fail(&name, "is missing: give a reply, or explain with `cannot` why there is none");
                }
                None => given.for_each(|given| self.scenario(given, &mut report)),
            }
        }
        self.failures(&mut report);
        self.secrets(&mut report);
        report
    }

    fn scenario(&self, given: &Given, report: &mut Report) {
        let name = format!("{:?}", given.scenario);
        let run = self.play(&given.reply, Pace::Whole);
        report.note(&format!("{name}: decodes the expected answer"), said(given, &run));
        report.note(&format!("{name}: signals are in order"), contract::check(&run));
        report.note(&format!("{name}: one request per call"), run.one_request());
        report.note(&format!("{name}: chunk boundaries do not matter"), self.splits(&given.reply, &run));
        report.note(&format!("{name}: dropping it cancels it"), self.cancels(&given.reply));
        if given.late.is_none() {
            report.note(&format!("{name}: truncation is an error"), self.truncations(&given.reply, &run));
        }
    }

    /// Plays a reply to one call.
    fn play(&self, reply: &Reply, pace: Pace) -> Run {
        Line::new(reply.clone(), pace).call(&self.wire, self.call(reply.is_stream()))
    }

    fn call(&self, stream: bool) -> Outbound {
        let schema = Json::from(serde_json::json!({"type": "object", "properties": {}}));
        let tools = self.given.iter().filter(|given| given.scenario == Scenario::ToolCall);
        let request = ChatRequest::to("route").system("Be brief.").user("Say something.").max_output(64);
        let request = tools.fold(request, |request, given| {
            request.tool(Tool::new(given.says.as_str(), schema.clone()).with_description("a tool"))
        });
        Outbound::new(Arc::new(request), self.model.as_str(), stream).with_secret(Some(Secret::new(PLANTED)))
    }
}

/// Checks an answer against what the author expects.
fn said(given: &Given, run: &Run) -> Result<(), String> {
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
    match (&run.outcome, given.late) {
        (Err(error), Some(kind)) if error.kind() == kind && text == given.says => return Ok(()),
        (outcome, Some(kind)) => {
            return Err(format!(
                "{kind} after {:?} was expected, not {outcome:?} after {text:?}",
                given.says
            ));
        }
        (Err(error), None) => return Err(format!("fails: {error}")),
        (Ok(()), None) => {}
    }
    match given.scenario {
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
            if called != [given.says.as_str()] {
                return Err(format!("calls {called:?}, not {:?} once", given.says));
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
        _ if text != given.says => Err(format!("says {text:?}, not {:?}", given.says)),
        Scenario::Length if finish != Some(&FinishReason::Length) => {
            Err(format!("finishes with {finish:?}, not Length"))
        }
        Scenario::Whole | Scenario::Streamed if finish != Some(&FinishReason::Stop) => {
            Err(format!("finishes with {finish:?}, not Stop"))
        }
        _ => Ok(()),
    }
}

/// A provider whose transport is `line`.
fn provider(wire: &Arc<dyn Wire>, line: &Arc<Line>) -> impl Provider {
    crate::HttpProvider::new(Arc::clone(wire), Arc::clone(line) as Arc<dyn crate::Transport>)
}
