//! What may differ between a recorded request and the one encoded again: data, each entry with its reason.
//!
//! Not the comparison. Invariant: a field that is ignored says why nothing is lost; every other is compared.

/// A path pattern (`*` for any index), what may differ there, and why.
pub(super) type Rule = (&'static str, Allowed, &'static str);

/// The schema of a function without parameters.
const NO_PARAMETERS: &str = r#"{"type":"object","properties":{}}"#;

/// A permitted difference, by a path pattern (`*` for any index).
#[derive(Clone, Copy)]
pub(super) enum Allowed {
    /// These values mean the same as omitting the field.
    Default(&'static [&'static str]),
    /// Omitting the field means this value.
    Missing(&'static str),
    /// The value belongs to the caller and is compared as it is, nulls included.
    Exact,
    /// The order of the list has no meaning.
    Order,
    /// The field is the older name of another.
    Renamed(&'static str),
    /// Nothing reads it.
    Ignored,
}

/// Messages: what may differ, and why.
pub(super) const MESSAGES: &[Rule] = &[
    ("stream", Allowed::Default(&["false"]), "whole answers are the default"),
    ("messages.*.content.*.is_error", Allowed::Default(&["false"]), "results are no errors by default"),
    ("messages.*.content.*.input", Allowed::Exact, "a call's arguments"),
    ("output_config.format.schema", Allowed::Exact, "a schema"),
    ("tools.*.input_schema", Allowed::Exact, "a schema"),
    ("tools", Allowed::Default(&["[]"]), "no tools"),
    ("tools.*.type", Allowed::Default(&["\"custom\""]), "the default type"),
    ("tools", Allowed::Order, "tools that the provider runs follow the others"),
    ("metadata", Allowed::Default(&["{}", "{\"user_id\":null}"]), "an empty object says nothing"),
];

/// Chat completions: what may differ, and why.
pub(super) const CHAT: &[Rule] = &[
    ("stream", Allowed::Default(&["false"]), "whole answers are the default"),
    (
        "stream_options",
        Allowed::Ignored,
        "counts are always asked for; the gateway drops them where nobody wants them",
    ),
    ("n", Allowed::Default(&["1"]), "one answer is the default"),
    ("max_tokens", Allowed::Renamed("max_completion_tokens"), "the newer name"),
    ("parallel_tool_calls", Allowed::Default(&["true"]), "the default"),
    ("stop", Allowed::Default(&["[]"]), "nothing stops by default"),
    ("response_format", Allowed::Default(&["{\"type\":\"text\"}"]), "text is the default"),
    ("response_format.json_schema.strict", Allowed::Default(&["false"]), "the default"),
    (
        "response_format.json_schema.name",
        Allowed::Missing("\"answer\""),
        "the wire needs a name: one is made up where it is missing",
    ),
    ("response_format.json_schema.schema", Allowed::Exact, "a schema"),
    (
        "response_format.json_schema.description",
        Allowed::Ignored,
        "a note on the schema; the schema has its own",
    ),
    ("tools", Allowed::Order, "tools of other types follow the functions"),
    ("messages.*.tool_calls.*.index", Allowed::Ignored, "a leftover of a stream"),
    ("tool_choice", Allowed::Default(&["\"auto\""]), "the default"),
    ("tools.*.function.required", Allowed::Ignored, "not a field of the wire"),
    ("tools.*.function.parameters", Allowed::Exact, "a schema"),
    (
        "tools.*.function.parameters",
        Allowed::Missing(NO_PARAMETERS),
        "no parameters are an empty object's schema",
    ),
    (
        "messages.*.content.*.file.filename",
        Allowed::Missing("\"document\""),
        "a name is made up where it is missing",
    ),
    ("messages.*.annotations", Allowed::Ignored, "notes on an earlier answer, for people"),
    ("messages.*.audio", Allowed::Default(&["null"]), "null says nothing"),
    ("messages.*.parsed", Allowed::Ignored, "an SDK's own field"),
    ("messages.*.function_call", Allowed::Default(&["null"]), "null says nothing"),
    ("messages.*.charset", Allowed::Ignored, "not a field of the wire"),
    ("messages.*.type", Allowed::Ignored, "not a field of the wire"),
    ("messages.*.name", Allowed::Ignored, "a tool's name is known by its call"),
    ("messages.*.content", Allowed::Default(&["null", "\"\"", "[]"]), "a turn without words"),
];

/// Responses: what may differ, and why.
pub(super) const RESPONSES: &[Rule] = &[
    ("stream", Allowed::Default(&["false"]), "whole answers are the default"),
    ("parallel_tool_calls", Allowed::Default(&["true"]), "the default"),
    ("tools", Allowed::Order, "tools of other types follow the functions"),
    ("tools", Allowed::Default(&["[]"]), "no tools"),
    ("text.format.schema", Allowed::Exact, "a schema"),
    ("tools.*.parameters", Allowed::Exact, "a schema"),
    ("tools.*.parameters", Allowed::Missing(NO_PARAMETERS), "no parameters are an empty object's schema"),
    ("text.format", Allowed::Default(&["{\"type\":\"text\"}"]), "text is the default"),
    ("text", Allowed::Default(&["{}", "{\"format\":{\"type\":\"text\"}}"]), "text is the default"),
    ("text.format.strict", Allowed::Default(&["false"]), "the default"),
    ("reasoning", Allowed::Default(&["{}"]), "an empty object says nothing"),
    ("input", Allowed::Default(&["[]"]), "nothing new is said"),
    ("input.*.type", Allowed::Default(&["\"message\""]), "the default type"),
    ("input.*.id", Allowed::Ignored, "a call is known by its call_id; other items keep their names"),
    ("input.*.status", Allowed::Ignored, "set by the provider, not read"),
    ("input.*.content.*.annotations", Allowed::Ignored, "notes on an earlier answer, for people"),
    ("input.*.content.*.logprobs", Allowed::Ignored, "figures of an earlier answer, for people"),
    ("input.*.output.*.filename", Allowed::Missing("\"document\""), "a name is made up where it is missing"),
    ("input.*.content.*.filename", Allowed::Missing("\"document\""), "a name is made up where it is missing"),
];

/// Accepted requests that are refused here: id, a part of the error, and why.
pub(super) const REFUSED: &[(&str, &str, &str)] = &[
    ("2aa46ef8a27b0bfc", "`n` must be 1", "two answers: a stream holds one, and so does failover"),
    ("05f3d88ad7be3373", "`n` must be 1", "several answers, as above"),
    ("09f1d726b1a199be", "`n` must be 1", "several answers, as above"),
    ("0e345ce67b142af3", "`n` must be 1", "several answers, as above"),
    ("37fd50f14d56e001", "`n` must be 1", "several answers, as above"),
    ("397a4579d82d4388", "`n` must be 1", "several answers, as above"),
    ("8963ad9cbe3aacf8", "`n` must be 1", "several answers, as above"),
    ("bd841ec24fb98579", "`n` must be 1", "several answers, as above"),
    ("c5b1ca46158d45c5", "`n` must be 1", "several answers, as above"),
    ("ae0881ac042497ca", "`top_k` must be", "a negative number, which its provider took for none"),
];
