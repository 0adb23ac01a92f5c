//! Validates answers against the check that was requested, and applies repairs.
//!
//! The check itself is [`OutputCheck`](hotspare_normalize::OutputCheck). Invariant: tool calls, refusals and filtered
//! answers need not be JSON and are not validated; repairs are recorded in the trail.

use std::collections::BTreeMap;

use hotspare_core::{ChatResponse, Chunk, Error, Event, FinishReason, Kind, Part, Raw};
use hotspare_normalize::{OutputCheck, Repair, Violation, invalid_arguments};

use super::Call;
use crate::rules::ValidateOutput;
use crate::step::{AttemptId, Reask};

impl Call {
    /// Validates the complete answer of an attempt; repairs it if the caller has not received any of it.
    pub(super) fn validate(
        &mut self,
        id: AttemptId,
        response: Option<&mut ChatResponse>,
    ) -> Result<(), Error> {
        let Some(form) = &self.ask.output_check else { return Ok(()) };
        if self.route.rules.validate_output == ValidateOutput::Never {
            return Ok(());
        }
        let attempt = &self.attempts[id.0];
        let finish = match attempt.grammar.finished() {
            Some(finish @ (FinishReason::Stop | FinishReason::Length)) => finish.clone(),
            _ => return Ok(()),
        };
        let text = match (&response, &attempt.said) {
            (Some(response), _) if response.tool_calls().next().is_none() => response.text(),
            (None, Some(said)) => said.clone(),
            _ => return Ok(()),
        };
        match form.check(&text, &finish) {
            Ok(None) => Ok(()),
            Ok(Some(repaired)) if self.committed.is_none() => {
                self.note(id, [spelled(&repaired.repairs)]);
                match response {
                    Some(response) => replace(response, repaired.text),
                    None => self.replace_held(id, repaired.text),
                }
                Ok(())
            }
            // It could be repaired, but the caller already has it.
            Ok(Some(repaired)) => {
                let names =
                    repaired.repairs.iter().map(|repair| repair.as_str()).collect::<Vec<_>>().join(", ");
                Err(unfit(&[Violation::new("", format!("would need repairs ({names})"))]))
            }
            Err(violations) => {
                if let Some(entry) = self.trail.attempts.get_mut(id.0) {
                    entry.violations = violations.iter().map(ToString::to_string).collect();
                }
                // Within the same limit another answer would be cut as well.
                if finish != FinishReason::Length {
                    let feedback = OutputCheck::feedback(&violations).into();
                    self.reask = Some(Reask { answer: text.into(), feedback });
                }
                Err(unfit(&violations))
            }
        }
    }

    /// Validates the tool calls of a stream once they are complete.
    pub(super) fn validate_streamed_calls(&self, id: AttemptId, finish: &FinishReason) -> Result<(), Error> {
        if finish.is_cut() {
            return Ok(());
        }
        self.attempts[id.0].calls.as_ref().map_or(Ok(()), |calls| calls.validate(&self.ask.tool_checks))
    }

    /// Validates the tool calls of a complete answer against their tools' schemas, and applies repairs.
    pub(super) fn validate_tool_calls(
        &mut self,
        id: AttemptId,
        response: &mut ChatResponse,
    ) -> Result<(), Error> {
        if self.ask.tool_checks.is_empty() || response.finish.is_cut() {
            return Ok(());
        }
        let mut repairs = Vec::new();
        for part in &mut response.content {
            let Part::ToolCall(call) = part else { continue };
            let Some((_, form)) = self.ask.tool_checks.iter().find(|(name, _)| *name == call.name) else {
                continue;
            };
            let checked = form.check(&call.arguments, &FinishReason::ToolCalls);
            if let Some(repaired) =
                checked.map_err(|violations| invalid_arguments(&call.name, &violations))?
            {
                call.arguments = repaired.text;
                repairs.extend(repaired.repairs);
            }
        }
        if !repairs.is_empty() {
            response.raw = Raw::Absent;
            self.note(id, [format!("tool arguments {}", spelled(&repairs))]);
        }
        Ok(())
    }

    /// Replaces the buffered text with the repaired text; its frames no longer match and are dropped.
    fn replace_held(&mut self, id: AttemptId, text: String) {
        let attempt = &mut self.attempts[id.0];
        let mut text = Some(text);
        let held = std::mem::take(&mut attempt.held);
        attempt.held = held
            .into_iter()
            .filter_map(|chunk| match chunk.event {
                Event::TextDelta(_) => text.take().map(|text| Chunk::from(Event::TextDelta(text))),
                event => Some(Chunk::from(event)),
            })
            .collect();
    }
}

fn replace(response: &mut ChatResponse, text: String) {
    // The provider's raw answer no longer matches.
    response.raw = Raw::Absent;
    let mut text = Some(text);
    response.content = std::mem::take(&mut response.content)
        .into_iter()
        .filter_map(|part| match part {
            Part::Text(_) => text.take().map(Part::Text),
            part => Some(part),
        })
        .collect();
}

fn unfit(violations: &[Violation]) -> Error {
    let list: Vec<String> = violations.iter().map(ToString::to_string).collect();
    Error::new(
        Kind::BadOutput,
        format!("the answer does not match the requested format: {}", list.join("; ")),
    )
}

pub(super) fn spelled(repairs: &[Repair]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for repair in repairs {
        *counts.entry(repair.as_str()).or_default() += 1;
    }
    let list: Vec<String> = counts.iter().map(|(name, count)| format!("{name} ×{count}")).collect();
    format!("repaired: {}", list.join(", "))
}
