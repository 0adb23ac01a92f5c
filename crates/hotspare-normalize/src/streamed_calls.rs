//! The tool calls of a stream, as far as they have arrived.
//!
//! Not an assembler: nothing else of the answer is kept. Invariant: memory is bounded; calls that exceed the bound are
//! not validated, because the caller already has them.

use hotspare_core::{Error, Event, Kind};
use serde_json::Value;

use crate::output_check::OutputCheck;
use crate::validate::Violation;

/// The most bytes of names and arguments to keep, several times the longest answer of any model.
const LIMIT: usize = 4 << 20;

/// The tool calls of a streamed answer, by index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamedCalls {
    calls: Vec<(String, String)>,
    bytes: usize,
}

impl StreamedCalls {
    /// Records an event, which must be in order.
    pub fn push(&mut self, event: &Event) {
        let (Event::ToolStarted { name: added, .. } | Event::ToolDelta { arguments: added, .. }) = event
        else {
            return;
        };
        self.bytes = self.bytes.saturating_add(added.len());
        if self.bytes > LIMIT {
            self.calls.clear();
            return;
        }
        match event {
            Event::ToolStarted { name, .. } => self.calls.push((name.clone(), String::new())),
            Event::ToolDelta { index, arguments } => {
                let position = usize::try_from(*index).ok();
                if let Some((_, known_arguments)) = position.and_then(|position| self.calls.get_mut(position))
                {
                    known_arguments.push_str(arguments);
                }
            }
            _ => {}
        }
    }

    /// Whether there is nothing to validate.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Validates the complete calls: the arguments of each must be a JSON object that passes the check for its name.
    ///
    /// # Errors
    /// [`Kind::BadOutput`] that names the tool and what is wrong, without quoting the arguments.
    pub fn validate(&self, checks: &[(String, OutputCheck)]) -> Result<(), Error> {
        for (name, arguments) in &self.calls {
            // Empty arguments mean that there are none.
            let text = if arguments.trim().is_empty() { "{}" } else { arguments };
            let Some(value) = serde_json::from_str(text).ok().filter(Value::is_object) else {
                let what = format!("the arguments of a call to {name} are not a JSON object");
                return Err(Error::new(Kind::BadOutput, what));
            };
            if let Some((_, check)) = checks.iter().find(|(known, _)| known == name) {
                check.validate(&value).map_err(|violations| invalid_arguments(name, &violations))?;
            }
        }
        Ok(())
    }
}

/// The error for arguments that violate their tool's schema.
#[must_use]
pub fn invalid_arguments(tool: &str, violations: &[Violation]) -> Error {
    let describe = |violation: &Violation| match violation.path.as_str() {
        "" => violation.message.clone(),
        _ => violation.to_string(),
    };
    let list: Vec<String> = violations.iter().map(describe).collect();
    Error::new(Kind::BadOutput, format!("the arguments of a call to {tool} are invalid: {}", list.join("; ")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn calls(events: &[(u32, &str)]) -> StreamedCalls {
        let mut calls = StreamedCalls::default();
        for (index, arguments) in events {
            if calls.calls.len() <= *index as usize {
                calls.push(&Event::ToolStarted { index: *index, id: "i".into(), name: format!("t{index}") });
            }
            calls.push(&Event::ToolDelta { index: *index, arguments: (*arguments).into() });
        }
        calls
    }

    #[test]
    fn validates_arguments_from_interleaved_deltas() {
        let good = calls(&[(0, "{\"a\":"), (1, ""), (0, "1}"), (1, " ")]);
        assert!(good.validate(&[]).is_ok());
        for bad in ["{\"a\":", "[1]", "{'a':1}", "x"] {
            let error = calls(&[(0, "{}"), (1, bad)]).validate(&[]).unwrap_err();
            assert_eq!(error.kind(), Kind::BadOutput);
            assert_eq!(error.message(), "the arguments of a call to t1 are not a JSON object");
        }
    }

    #[test]
    fn each_tool_has_its_own_schema() {
        let has_city = |value: &Value| match value.get("city") {
            Some(_) => Ok(()),
            None => Err(vec![Violation::new("", "city is missing")]),
        };
        let checks = [("t1".to_owned(), OutputCheck::validated(Arc::new(has_city)))];
        assert!(calls(&[(0, "{}"), (1, "{\"city\":1}")]).validate(&checks).is_ok());
        let error = calls(&[(0, "{}"), (1, "")]).validate(&checks).unwrap_err();
        assert!(error.message().ends_with("t1 are invalid: city is missing"), "{error}");
    }

    #[test]
    fn oversized_arguments_are_not_kept() {
        let mut calls = calls(&[(0, "x")]);
        calls.push(&Event::ToolDelta { index: 0, arguments: "y".repeat(LIMIT) });
        assert!(calls.calls.is_empty() && calls.validate(&[]).is_ok());
    }
}
