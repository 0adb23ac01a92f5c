//! What a provider that enforces schemas refuses in one.
//!
//! Not a validator: only the rules that recorded refusals name. Invariant: a schema that a provider was recorded to
//! accept is accepted here.

use serde_json::Value;

use super::encoder::WireFormat;

/// Keywords for numbers, which the Messages wire's models refuse (recorded there and behind Converse).
const NUMERIC: [&str; 5] = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];

/// The rules for the schemas of one wire.
#[derive(Clone, Copy, Debug)]
struct SchemaRules {
    /// Every object must be closed.
    closed: bool,
    /// Every property must be required, and the root must be an object.
    strict: bool,
    /// Numbers must have no bounds.
    unbounded: bool,
}

/// The refusal of a request whose schemas break the rules of its wire: a code and a message.
pub(super) fn refusal(wire: WireFormat, body: &Value) -> Option<(&'static str, String)> {
    match wire {
        WireFormat::OpenAi => {
            let format = &body["response_format"]["json_schema"];
            let tools = functions(body).map(|tool| &tool["function"]);
            strict_refusal(format, "invalid_request_error", tools)
        }
        WireFormat::Responses => {
            strict_refusal(&body["text"]["format"], "invalid_json_schema", functions(body))
        }
        WireFormat::Anthropic => {
            let rules = SchemaRules { closed: true, strict: false, unbounded: true };
            let format = &body["output_config"]["format"]["schema"];
            let broken = rules.broken(format).map(|what| format!("output_config.format.schema: {what}"));
            let mut tools = functions(body).filter(|tool| tool["strict"] == true);
            let broken = broken.or_else(|| {
                tools
                    .find_map(|tool| rules.broken(&tool["input_schema"]))
                    .map(|what| format!("tools: {what}"))
            });
            broken.map(|message| ("invalid_value", message))
        }
        WireFormat::Bedrock => {
            let rules = SchemaRules { closed: false, strict: false, unbounded: true };
            let format = &body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"];
            let format = format.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
            let broken = format.and_then(|format| rules.broken(&format));
            let broken = broken.map(|what| format!("output_config.format.schema: {what}"));
            let tools = body["toolConfig"]["tools"].as_array();
            let tools = tools.into_iter().flatten().map(|tool| &tool["toolSpec"]);
            let mut tools = tools.filter(|tool| tool["strict"] == true);
            let broken = broken.or_else(|| {
                let schema = |tool: &Value| rules.broken(&tool["inputSchema"]["json"]);
                tools.find_map(schema).map(|what| format!("tools: {what}"))
            });
            let prefix = "The model returned the following errors: ";
            broken.map(|message| ("", format!("{prefix}{message}")))
        }
        _ => None,
    }
}

fn functions(body: &Value) -> impl Iterator<Item = &Value> {
    body["tools"].as_array().into_iter().flatten()
}

/// The refusal of an output format or a tool that is marked as strict.
fn strict_refusal<'a>(
    format: &Value,
    code: &'static str,
    mut tools: impl Iterator<Item = &'a Value>,
) -> Option<(&'static str, String)> {
    let rules = SchemaRules { closed: true, strict: true, unbounded: false };
    let broken = |named: &Value, schema: &str, what: &str| {
        let broken = Some(named).filter(|named| named["strict"] == true)?;
        let broken = rules.broken(&broken[schema])?;
        let name = named["name"].as_str().unwrap_or_default();
        Some(format!("Invalid schema for {what} '{name}': In context=(), {broken}"))
    };
    if let Some(message) = broken(format, "schema", "response_format") {
        return Some((code, message));
    }
    let message = tools.find_map(|tool| broken(tool, "parameters", "function"))?;
    Some(("invalid_function_parameters", message))
}

impl SchemaRules {
    /// The first rule that a schema, which may be missing, breaks.
    fn broken(self, schema: &Value) -> Option<String> {
        if self.strict && schema.is_object() && schema["type"] != "object" {
            return Some("schema must be a JSON Schema of 'type: \"object\"'.".to_owned());
        }
        self.broken_below(schema)
    }

    fn broken_below(self, schema: &Value) -> Option<String> {
        let keywords = schema.as_object()?;
        let kind = schema["type"].as_str().unwrap_or_default();
        if self.unbounded
            && let Some(keyword) = NUMERIC.iter().find(|keyword| keywords.contains_key(**keyword))
        {
            return Some(format!("For '{kind}' type, property '{keyword}' is not supported"));
        }
        let kinds = schema["type"].as_array();
        let is_object =
            kind == "object" || kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "object"));
        if is_object && self.closed && schema["additionalProperties"] != false {
            return Some(if self.strict {
                "'additionalProperties' is required to be supplied and to be false.".to_owned()
            } else {
                "For 'object' type, 'additionalProperties' must be explicitly set to false".to_owned()
            });
        }
        let properties = schema["properties"].as_object();
        if self.strict
            && let Some(missing) = properties.into_iter().flat_map(|all| all.keys()).find(|name| {
                !schema["required"].as_array().is_some_and(|list| list.iter().any(|one| one == *name))
            })
        {
            return Some(format!(
                "'required' is required to be supplied and to be an array including every key in properties. \
                 Missing '{missing}'."
            ));
        }
        let named =
            ["properties", "$defs", "definitions"].into_iter().filter_map(|name| schema[name].as_object());
        let mut below = named.flat_map(|named| named.values());
        let lists = ["anyOf", "allOf", "oneOf"].into_iter().filter_map(|name| schema[name].as_array());
        let mut listed = lists.flatten();
        below
            .find_map(|schema| self.broken_below(schema))
            .or_else(|| listed.find_map(|schema| self.broken_below(schema)))
            .or_else(|| self.broken_below(&schema["items"]))
    }
}
