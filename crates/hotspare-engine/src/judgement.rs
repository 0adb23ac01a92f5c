//! The work of judging one complete answer: assembling it, and validating and repairing it.
//!
//! Separate from the call, because it may take long and runs application code: a driver gets it as a
//! [`Step`](crate::Step), runs it without the world, and reports the result. Invariant: nothing else validates an answer,
//! and nothing in here refers to a call or the world.

use std::collections::BTreeMap;
use std::sync::Arc;

use hotspare_core::{ChatResponse, Error, Event, FinishReason, Kind, Part, Response};
use hotspare_normalize::{
    Assembler, OutputCheck, Repair, StreamedCalls, Vectors, Violation, invalid_arguments,
};

/// The longest answer in bytes that is assembled, read and repaired within a few milliseconds.
const QUICK: usize = 256 << 10;

/// An answer that is being assembled.
#[derive(Debug)]
pub(crate) enum Fold {
    Chat(Box<Assembler>),
    Embed(Vectors),
}

impl Fold {
    pub(crate) fn push(&mut self, event: Event) -> Result<(), Error> {
        match self {
            Self::Chat(assembler) => assembler.push(event),
            Self::Embed(vectors) => vectors.push(event),
        }
    }

    /// The whole answer, and what had to be repaired in it.
    pub(crate) fn finish(self) -> Result<(Box<Response>, Vec<Repair>), Error> {
        match self {
            Self::Chat(assembler) => {
                let (response, repairs) = assembler.finish_noting()?;
                Ok((Box::new(Response::Chat(response)), repairs))
            }
            Self::Embed(vectors) => Ok((Box::new(Response::Embed(vectors.finish()?)), Vec::new())),
        }
    }
}

/// What an attempt keeps of its answer to have it judged.
#[derive(Debug)]
pub(crate) enum Gathered {
    /// All of it: it is delivered as a whole.
    Whole(Fold),
    /// It is streamed.
    Streamed {
        /// Its tool calls.
        calls: StreamedCalls,
        /// Its text, if that must be validated.
        text: Option<String>,
    },
}

/// A complete answer that is to be judged.
#[derive(Debug)]
pub struct Judgement {
    pub(crate) gathered: Option<Gathered>,
    /// Whether the answer has tool calls.
    pub(crate) has_tool_calls: bool,
    /// Whether it has nothing but text and reasoning.
    pub(crate) text_only: bool,
    pub(crate) finish: Option<FinishReason>,
    /// What the text is validated against.
    pub(crate) check: Option<OutputCheck>,
    /// What the arguments of its tool calls are validated against, by tool name; empty if it has none.
    pub(crate) tools: Arc<[(String, OutputCheck)]>,
    /// Whether the caller already has the text, so that it cannot be repaired.
    pub(crate) delivered: bool,
    /// Bytes of content.
    pub(crate) bytes: usize,
}

/// The result of a [`Judgement`].
#[derive(Debug)]
pub struct Judged {
    /// What was repaired.
    pub(crate) notes: Vec<String>,
    pub(crate) result: Result<Accepted, Rejected>,
}

/// An answer as it may be delivered.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// The whole answer, unless it is streamed. Boxed, because it passes through many hands.
    pub(crate) response: Option<Box<Response>>,
    /// The repaired text of a streamed answer that is still held.
    pub(crate) text: Option<String>,
}

/// An answer that must not be delivered.
#[derive(Debug)]
pub(crate) struct Rejected {
    pub(crate) error: Error,
    pub(crate) violations: Vec<String>,
    pub(crate) reask: Option<Reask>,
}

/// An answer that failed validation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reask {
    /// The model's answer.
    pub answer: Arc<str>,
    /// What to tell the model about it.
    pub feedback: Arc<str>,
}

impl From<Error> for Rejected {
    fn from(error: Error) -> Self {
        Self { error, violations: Vec::new(), reask: None }
    }
}

impl Judgement {
    /// Whether [`Judgement::run`] may take longer than a few milliseconds, or run code of the application that may block.
    #[must_use]
    pub fn is_heavy(&self) -> bool {
        let applies = |check: &OutputCheck| check.is_heavy(self.bytes);
        self.bytes > QUICK
            || self.text_check().is_some_and(|(check, _)| applies(check))
            || self.tools.iter().any(|(_, check)| applies(check))
    }

    /// Judges the answer. Panics only if a validator does.
    #[must_use]
    pub fn run(self) -> Box<Judged> {
        let mut notes = Vec::new();
        let result = self.judge(&mut notes);
        Box::new(Judged { notes, result })
    }

    fn judge(mut self, notes: &mut Vec<String>) -> Result<Accepted, Rejected> {
        let fold = match self.gathered.take() {
            Some(Gathered::Whole(fold)) => fold,
            Some(Gathered::Streamed { calls, text }) => {
                if !self.finish.as_ref().is_some_and(FinishReason::is_cut) {
                    calls.validate(&self.tools)?;
                }
                let text = text.map_or(Ok(None), |text| self.validate(|| text, notes))?;
                return Ok(Accepted { response: None, text });
            }
            None => return Ok(Accepted { response: None, text: None }),
        };
        let (mut response, repairs) = fold.finish()?;
        note_arguments(notes, &repairs);
        if let Response::Chat(chat) = &mut *response {
            if let Some(text) = self.validate(|| chat.text(), notes)? {
                replace(chat, text);
            }
            self.validate_tool_calls(chat, notes)?;
        }
        Ok(Accepted { response: Some(response), text: None })
    }

    /// The check of the text. Tool calls, refusals and filtered answers need not have the requested form, nor does a turn
    /// that its own wire will go on with: it has a reason and parts that only that wire knows.
    fn text_check(&self) -> Option<(&OutputCheck, &FinishReason)> {
        let finish = self.finish.as_ref()?;
        let check = self.check.as_ref()?;
        let is_answer = match finish {
            FinishReason::ContentFilter | FinishReason::Refusal => false,
            FinishReason::Other(_) => self.text_only,
            _ => !self.has_tool_calls,
        };
        is_answer.then_some((check, finish))
    }

    /// Validates the answer's text, which is read only if there is a check. Returns the repaired text if it had to be
    /// repaired.
    fn validate(
        &self,
        text: impl FnOnce() -> String,
        notes: &mut Vec<String>,
    ) -> Result<Option<String>, Rejected> {
        let Some((check, finish)) = self.text_check() else { return Ok(None) };
        let text = text();
        match check.check(&text, finish) {
            Ok(None) => Ok(None),
            Ok(Some(repaired)) if !self.delivered => {
                notes.push(spelled(&repaired.repairs));
                Ok(Some(repaired.text))
            }
            Ok(Some(repaired)) => {
                let names =
                    repaired.repairs.iter().map(|repair| repair.as_str()).collect::<Vec<_>>().join(", ");
                Err(rejected(&[Violation::new("", format!("would need repairs ({names})"))]).into())
            }
            Err(violations) => {
                // Within the same limit another answer would be cut as well.
                let reask = (*finish != FinishReason::Length).then(|| Reask {
                    answer: text.into(),
                    feedback: OutputCheck::feedback(&violations).into(),
                });
                let error = rejected(&violations);
                Err(Rejected {
                    error,
                    violations: violations.iter().map(ToString::to_string).collect(),
                    reask,
                })
            }
        }
    }

    /// Validates the tool calls of a complete answer against their tools' schemas, and repairs them.
    fn validate_tool_calls(&self, response: &mut ChatResponse, notes: &mut Vec<String>) -> Result<(), Error> {
        if self.tools.is_empty() || response.finish.is_cut() {
            return Ok(());
        }
        let mut repairs = Vec::new();
        for part in &mut response.content {
            let Part::ToolCall(call) = part else { continue };
            let Some((_, form)) = self.tools.iter().find(|(name, _)| *name == call.name) else { continue };
            let checked = form.check(&call.arguments, &FinishReason::ToolCalls);
            if let Some(repaired) =
                checked.map_err(|violations| invalid_arguments(&call.name, &violations))?
            {
                call.arguments = repaired.text;
                repairs.extend(repaired.repairs);
            }
        }
        note_arguments(notes, &repairs);
        Ok(())
    }
}

fn replace(response: &mut ChatResponse, text: String) {
    let mut text = Some(text);
    response.content = std::mem::take(&mut response.content)
        .into_iter()
        .filter_map(|part| match part {
            Part::Text(_) => text.take().map(Part::Text),
            part => Some(part),
        })
        .collect();
}

fn rejected(violations: &[Violation]) -> Error {
    let list: Vec<String> = violations.iter().map(ToString::to_string).collect();
    Error::new(
        Kind::BadOutput,
        format!("the answer does not match the requested format: {}", list.join("; ")),
    )
}

fn note_arguments(notes: &mut Vec<String>, repairs: &[Repair]) {
    if !repairs.is_empty() {
        notes.push(format!("tool arguments {}", spelled(repairs)));
    }
}

fn spelled(repairs: &[Repair]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for repair in repairs {
        *counts.entry(repair.as_str()).or_default() += 1;
    }
    let list: Vec<String> = counts.iter().map(|(name, count)| format!("{name} ×{count}")).collect();
    format!("repaired: {}", list.join(", "))
}
