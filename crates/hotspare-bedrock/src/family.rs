//! Differences between the model families on this wire.
//!
//! Data, found by the vendor's segment in a model's id, whatever its region prefix and whether or not it is an ARN. Not
//! a list of models: a family that is missing has no fields of its own. Invariant: no code asks for a vendor's name.

use hotspare_core::SchemaSubset;

/// A vendor's models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Family {
    vendor: &'static str,
    /// The origin of its reasoning signatures: the vendor, if they are also valid on other hosts, otherwise Bedrock.
    pub(crate) origin: &'static str,
    /// Whether hidden reasoning is the vendor's own text, encoded in base64 once more.
    pub(crate) redacts_text: bool,
    /// Whether a model that is forced to think continues a loop of tool calls only if that began with its own
    /// reasoning.
    pub(crate) requires_leading_reasoning: bool,
    /// The path of `top_k` among the model's own fields.
    pub(crate) top_k: Option<&'static [&'static str]>,
    /// The model's own fields that set an effort: each a path and a fixed value, or else the effort itself. Empty if
    /// the wire's own field is used.
    pub(crate) effort: &'static [(&'static [&'static str], Option<&'static str>)],
    /// Whether its models call the tool that they are required to call by name (API reference, `ToolChoice`); `None` if
    /// only some do.
    pub(crate) forced_tool: Option<bool>,
    /// Whether the wire's schema for answers is enforced on its models (user guide, "Get validated JSON results");
    /// `None` if only on some, which the catalogue lists.
    pub(crate) json_schema: Option<bool>,
    /// The schemas that they accept where they enforce them; `None` if unknown.
    pub(crate) schema_subset: Option<&'static SchemaSubset>,
}

/// The schemas that Claude accepts: as on the Messages wire, because the same compiler reads them. That wire's adapter has
/// the original: neither crate may use the other, and crates that both use know no provider.
const CLAUDE_SCHEMAS: SchemaSubset = SchemaSubset {
    always_enforced: true,
    closed: true,
    all_required: false,
    some_required: false,
    recursive: false,
    lone_refs: false,
    keywords: &[
        "$defs",
        "$ref",
        "additionalProperties",
        "anyOf",
        "const",
        "default",
        "definitions",
        "description",
        "enum",
        "format",
        "items",
        "properties",
        "required",
        "type",
    ],
    formats: &["date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"],
};

/// Models without fields of their own.
const OTHER: Family = Family {
    vendor: "",
    origin: "bedrock",
    redacts_text: false,
    requires_leading_reasoning: false,
    top_k: None,
    effort: &[],
    forced_tool: None,
    json_schema: None,
    schema_subset: None,
};

const FAMILIES: [Family; 4] = [
    Family {
        vendor: "amazon",
        origin: "bedrock/amazon",
        top_k: Some(&["inferenceConfig", "topK"]),
        effort: &[
            (&["reasoningConfig", "type"], Some("enabled")),
            (&["reasoningConfig", "maxReasoningEffort"], None),
        ],
        forced_tool: Some(true),
        json_schema: Some(false),
        ..OTHER
    },
    Family {
        vendor: "anthropic",
        // Its signatures are valid on every host of its models.
        origin: "anthropic",
        redacts_text: true,
        requires_leading_reasoning: true,
        top_k: Some(&["top_k"]),
        effort: &[(&["output_config", "effort"], None)],
        forced_tool: Some(true),
        json_schema: None,
        schema_subset: Some(&CLAUDE_SCHEMAS),
    },
    Family { vendor: "meta", json_schema: Some(false), ..OTHER },
    Family { vendor: "openai", effort: &[(&["reasoning_effort"], None)], ..OTHER },
];

impl Family {
    /// The family that a model belongs to.
    pub(crate) fn of(model: &str) -> Self {
        let segments = || model.split(['.', '/', ':']);
        FAMILIES.into_iter().find(|family| segments().any(|part| part == family.vendor)).unwrap_or(OTHER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn family_is_found_in_every_model_id_format() {
        for (model, vendor) in [
            ("anthropic.claude-3-haiku-20240307-v1:0", "anthropic"),
            ("us.anthropic.claude-sonnet-4-6", "anthropic"),
            (
                "arn:aws:bedrock:us-east-1:123456789012:inference-profile/eu.anthropic.claude-opus-4-6-v1",
                "anthropic",
            ),
            ("global.amazon.nova-2-lite-v1:0", "amazon"),
            ("openai.gpt-oss-120b-1:0", "openai"),
            ("meta.llama3-2-1b-instruct-v1:0", "meta"),
            ("ai21.jamba-1-5-large-v1:0", ""),
            ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc", ""),
        ] {
            assert_eq!(Family::of(model).vendor, vendor, "{model}");
        }
    }
}
