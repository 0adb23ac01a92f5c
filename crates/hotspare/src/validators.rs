//! Validators for answers and tool arguments, compiled once per schema.
//!
//! Not a validator: `hotspare-normalize` has those. Invariant: at most so many of at most such a length are kept, whatever
//! callers send.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hotspare_core::{Error, Json, OutputFormat, Tool};
use hotspare_normalize::{OutputCheck, Validator};

/// Most compiled schemas that are kept; an application has a handful, and an agent some dozens of tools.
const KEPT: usize = 256;

/// Longest schema that is kept, in bytes of its text: longer ones are compiled each time, which a caller can ask for only at
/// the rate at which it sends them. A compiled schema takes about as much memory as its text.
const LONGEST: usize = 64 << 10;

/// Compiled schemas by their text.
#[derive(Default)]
pub(crate) struct Validators(Mutex<HashMap<String, Arc<dyn Validator>>>);

impl Validators {
    /// The check for the format that `output` asks for.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`](hotspare_core::Kind::InvalidRequest) if the schema cannot be used.
    pub(crate) fn for_output(&self, output: &OutputFormat) -> Result<Option<OutputCheck>, Error> {
        match output {
            OutputFormat::JsonObject => Ok(Some(OutputCheck::json_object())),
            OutputFormat::JsonSchema { schema, .. } => {
                self.validator(schema).map(OutputCheck::validated).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The checks for tool arguments. A tool whose schema cannot be used is for its provider to judge.
    pub(crate) fn for_tools(&self, tools: &[Tool]) -> Vec<(String, OutputCheck)> {
        let form = |tool: &Tool| {
            Some((tool.name.clone(), OutputCheck::validated(self.validator(&tool.parameters).ok()?)))
        };
        tools.iter().filter_map(form).collect()
    }

    /// The validator of a schema.
    ///
    /// # Errors
    /// As [`Validators::for_output`].
    pub(crate) fn validator(&self, schema: &Json) -> Result<Arc<dyn Validator>, Error> {
        let known =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).get(schema.as_str()).map(Arc::clone);
        if let Some(validator) = known {
            return Ok(validator);
        }
        // Outside the lock: others need not wait for it.
        let validator = compile(schema)?;
        if schema.as_str().len() <= LONGEST {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() >= KEPT {
                kept.clear();
            }
            kept.insert(schema.as_str().to_owned(), Arc::clone(&validator));
        }
        Ok(validator)
    }
}

#[cfg(feature = "schema")]
fn compile(schema: &Json) -> Result<Arc<dyn Validator>, Error> {
    Ok(Arc::new(hotspare_normalize::JsonSchema::compile(schema)?))
}

/// Without the feature `schema` an answer need only be JSON.
#[cfg(not(feature = "schema"))]
fn compile(_: &Json) -> Result<Arc<dyn Validator>, Error> {
    Ok(Arc::new(|_: &serde_json::Value| Ok::<(), Vec<hotspare_normalize::Violation>>(())))
}

impl std::fmt::Debug for Validators {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Validators")
    }
}
