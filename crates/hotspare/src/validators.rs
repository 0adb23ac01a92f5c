//! Validators for answers and tool arguments, compiled once per schema.
//!
//! Not a validator: those are in `hotspare-normalize`. Invariant: the weight of cached schemas, and of those compiled
//! for one request, is bounded, regardless of what callers send.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hotspare_core::{ChatRequest, Error, Json, OutputFormat, Tool};
use hotspare_normalize::{OutputCheck, Validator, Violation};
use serde_json::Value;

use crate::blocking;

/// Maximum number of cached schemas; an application has a handful, an agent some dozens of tools.
const MAX_CACHED_SCHEMAS: usize = 256;

/// Approximate maximum size in bytes of all cached schemas, and of those for one request's tools.
const MAX_CACHE_BYTES: usize = 128 << 20;
const MAX_TOOL_BYTES: usize = MAX_CACHE_BYTES / 2;

/// The largest schema in bytes that is compiled on the caller's thread, if it has no regular expressions: about a
/// millisecond's work. A schema with 64 large regular expressions takes more than a hundred times as long.
#[cfg(feature = "schema")]
const INLINE_COMPILE_BYTES: usize = 8 << 10;

/// Compiled schemas.
#[derive(Default)]
pub(crate) struct Validators(Mutex<Cache>);

/// Compiled schemas by their text, and why others cannot be compiled, with their total weight.
#[derive(Default)]
struct Cache {
    by_text: HashMap<String, Result<Compiled, Error>>,
    weight: usize,
}

#[derive(Clone)]
struct Compiled {
    validator: Arc<dyn Validator>,
    /// Approximate size in bytes.
    weight: usize,
}

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

    /// The checks for tool arguments. A tool whose schema cannot be used is left to its provider to judge, and so are the
    /// tools from the one on that exceeds the budget: none after it is compiled.
    pub(crate) fn for_tools(&self, tools: &[Tool]) -> Vec<(String, OutputCheck)> {
        let mut budget = MAX_TOOL_BYTES;
        let mut checks = Vec::with_capacity(tools.len());
        for tool in tools {
            let Ok(Compiled { validator, weight }) = self.compiled(&tool.parameters) else { continue };
            let Some(rest) = budget.checked_sub(weight) else { break };
            budget = rest;
            checks.push((tool.name.clone(), OutputCheck::validated(validator)));
        }
        checks
    }

    /// The validator of a schema.
    ///
    /// # Errors
    /// As [`Validators::for_output`].
    pub(crate) fn validator(&self, schema: &Json) -> Result<Arc<dyn Validator>, Error> {
        self.compiled(schema).map(|compiled| compiled.validator)
    }

    fn compiled(&self, schema: &Json) -> Result<Compiled, Error> {
        if let Some(known) = self.cache().by_text.get(schema.as_str()) {
            return known.clone();
        }
        // Outside the lock, so that other requests need not wait.
        let compiled = compile(schema);
        let text = schema.as_str();
        let weight = compiled.as_ref().map_or(text.len(), |compiled| compiled.weight);
        let mut cache = self.cache();
        if cache.by_text.len() >= MAX_CACHED_SCHEMAS || cache.weight.saturating_add(weight) > MAX_CACHE_BYTES
        {
            *cache = Cache::default();
        }
        if cache.by_text.insert(text.to_owned(), compiled.clone()).is_none() {
            cache.weight = cache.weight.saturating_add(weight);
        }
        compiled
    }

    /// Compiles the schemas of a request that would hold up other tasks on this thread, on a thread of the blocking pool.
    /// Afterwards the cache has them, whether they can be used or not.
    ///
    /// # Errors
    /// [`Kind::Cancelled`](hotspare_core::Kind::Cancelled) if the runtime is shutting down.
    pub(crate) async fn prepare(self: &Arc<Self>, chat: &ChatRequest, with_tools: bool) -> Result<(), Error> {
        let output = match &chat.output {
            OutputFormat::JsonSchema { schema, .. } if self.is_slow(schema) => Some(schema.clone()),
            _ => None,
        };
        let slow = with_tools && chat.tools.iter().any(|tool| self.is_slow(&tool.parameters));
        let tools = if slow { chat.tools.clone() } else { Vec::new() };
        if output.is_none() && tools.is_empty() {
            return Ok(());
        }
        let validators = Arc::clone(self);
        let compile = move || {
            if let Some(schema) = &output {
                drop(validators.compiled(schema));
            }
            drop(validators.for_tools(&tools));
        };
        blocking::run(compile).await
    }

    /// Whether a schema has to be compiled yet and that may take long.
    #[cfg(feature = "schema")]
    fn is_slow(&self, schema: &Json) -> bool {
        let text = schema.as_str();
        // Includes `patternProperties`, and keywords that are written with escapes.
        let regular = text.contains("\"pattern") || text.contains("\\u");
        (text.len() > INLINE_COMPILE_BYTES || regular) && !self.cache().by_text.contains_key(text)
    }

    #[cfg(not(feature = "schema"))]
    fn is_slow(&self, _: &Json) -> bool {
        false
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(feature = "schema")]
fn compile(schema: &Json) -> Result<Compiled, Error> {
    let validator = hotspare_normalize::JsonSchema::compile(schema)?;
    let weight = validator.weight();
    Ok(Compiled { validator: Arc::new(validator), weight })
}

/// Without the feature `schema` an answer need only be JSON.
#[cfg(not(feature = "schema"))]
fn compile(_: &Json) -> Result<Compiled, Error> {
    struct AcceptAny;

    impl Validator for AcceptAny {
        fn validate(&self, _: &Value) -> Result<(), Vec<Violation>> {
            Ok(())
        }

        fn is_heavy(&self, _: usize) -> bool {
            false
        }
    }

    Ok(Compiled { validator: Arc::new(AcceptAny), weight: 0 })
}

/// A schema combined with the application's validator.
pub(crate) struct BothValidators<V>(pub(crate) Arc<dyn Validator>, pub(crate) V);

impl<V: Validator> Validator for BothValidators<V> {
    fn validate(&self, answer: &Value) -> Result<(), Vec<Violation>> {
        self.0.validate(answer)?;
        self.1.validate(answer)
    }

    fn respell(&self, answer: &mut Value) -> usize {
        self.0.respell(answer) + self.1.respell(answer)
    }

    fn drop_nulls(&self, answer: &mut Value) -> usize {
        self.0.drop_nulls(answer) + self.1.drop_nulls(answer)
    }

    fn is_heavy(&self, bytes: usize) -> bool {
        self.0.is_heavy(bytes) || self.1.is_heavy(bytes)
    }
}

impl std::fmt::Debug for Validators {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Validators")
    }
}
