//! Differences between generations of models, as rows.
//!
//! Not the catalogue: this is about how a request is encoded for a model, not about the model's limits or prices.
//! Invariant: the first row whose prefix matches a model's plain name applies, so longer prefixes come first; a name
//! without a row (a tuned model, another family) gets nothing that only some generations accept.

use std::ops::RangeInclusive;

/// How requests to a generation are encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Generation {
    /// The prefix of its models' names.
    prefix: &'static str,
    /// How thinking is requested.
    pub(crate) thinking: Thinking,
    /// Whether a function call in the history is refused without its signature, unless it carries the documented
    /// placeholder for calls that another model made.
    pub(crate) requires_signatures: bool,
    /// Whether images in a function's result go inside its response; otherwise they follow it.
    pub(crate) media_in_responses: bool,
    /// Whether JSON can be enforced in a request with tools; `None` if unknown.
    pub(crate) format_with_tools: Option<bool>,
}

/// How thinking is requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Thinking {
    /// By a number of tokens; `off` tells whether 0 is accepted.
    Budget { off: bool, range: RangeInclusive<u32> },
    /// By a level.
    Level,
    /// It cannot be requested.
    None,
}

const UNKNOWN: Generation = Generation {
    prefix: "",
    thinking: Thinking::None,
    requires_signatures: false,
    media_in_responses: false,
    format_with_tools: None,
};

/// What the first two generations have in common: "Function calling with a response mime type: 'application/json' is
/// unsupported".
const EARLY: Generation = Generation { format_with_tools: Some(false), ..UNKNOWN };

/// Ranges of budgets are from ai.google.dev/gemini-api/docs/thinking.
static ROWS: [Generation; 7] = [
    Generation { prefix: "gemini-1", ..EARLY },
    Generation { prefix: "gemini-2.0", ..EARLY },
    Generation {
        prefix: "gemini-2.5-pro",
        thinking: Thinking::Budget { off: false, range: 128..=32_768 },
        ..EARLY
    },
    Generation {
        prefix: "gemini-2.5-flash-lite",
        thinking: Thinking::Budget { off: true, range: 512..=24_576 },
        ..EARLY
    },
    Generation { prefix: "gemini-2.5", thinking: Thinking::Budget { off: true, range: 1..=24_576 }, ..EARLY },
    Generation { prefix: "gemini-2", ..EARLY },
    // The third generation, later ones, and aliases such as `gemini-flash-latest`.
    Generation {
        prefix: "gemini-",
        thinking: Thinking::Level,
        requires_signatures: true,
        media_in_responses: true,
        format_with_tools: None,
    },
];

static FALLBACK: Generation = UNKNOWN;

/// The row for a model, given by its plain name or its whole path.
pub(crate) fn of(model: &str) -> &'static Generation {
    let plain = model.rsplit('/').next().unwrap_or(model);
    ROWS.iter().find(|row| plain.starts_with(row.prefix)).unwrap_or(&FALLBACK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generation_is_found_by_model_name() {
        for (model, thinks, signs) in [
            ("gemini-1.5-flash", false, false),
            ("gemini-2.0-flash", false, false),
            ("models/gemini-2.5-flash", true, false),
            ("gemini-3-pro-preview", true, true),
            ("publishers/google/models/gemini-4-argon", true, true),
            ("gemini-flash-latest", true, true),
            ("gemma-3-27b-it", false, false),
            ("endpoints/1234", false, false),
        ] {
            let row = of(model);
            assert_eq!((row.thinking != Thinking::None, row.requires_signatures), (thinks, signs), "{model}");
        }
        let formats = ["gemini-2.5-flash", "gemini-3-pro-preview", "gemma-3-27b-it"];
        assert_eq!(formats.map(|model| of(model).format_with_tools), [Some(false), None, None]);
        assert_eq!(of("gemini-2.5-pro").thinking, Thinking::Budget { off: false, range: 128..=32_768 });
    }
}
