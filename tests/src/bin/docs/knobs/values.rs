//! The values of settings, read from the defaults in the code, and written as a configuration has them.

use std::fmt::Debug;

/// The fields of a struct and their values, parsed from its pretty `Debug` output.
pub(super) fn fields(value: &impl Debug) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in format!("{value:#?}").lines() {
        let inner = line.strip_prefix("    ").unwrap_or_default();
        match inner.split_once(": ") {
            Some((name, value)) if !inner.starts_with(' ') => fields.push((name.into(), value.trim().into())),
            _ if !inner.is_empty() && inner != "}," => {
                if let Some((_, value)) = fields.last_mut() {
                    value.push_str(inner.trim());
                }
            }
            _ => {}
        }
    }
    fields
}

/// A value as a person would write it.
pub(super) fn config_value(field: &str, value: &str) -> String {
    let value =
        value.trim_end_matches(',').trim_end_matches(')').trim_end_matches(',').trim_start_matches("Some(");
    match (field, value) {
        ("multiplier_percent", value) => {
            value.parse::<f64>().map_or(value.into(), |percent| (percent / 100.0).to_string())
        }
        ("unstreamed", value) if value.starts_with("Learned(") => {
            format!("{} (learned)", value.trim_start_matches("Learned(").trim_end_matches(','))
        }
        ("trip", value) => value.parse::<f64>().map_or(value.into(), |milli| (milli / 1_000.0).to_string()),
        (_, "0ns") => "0s".into(),
        ("on_cut" | "commit" | "validate_output" | "validate_tool_calls" | "on_refusal" | "trim", value) => {
            snake_case(value)
        }
        ("evidence", "None") => "off".into(),
        ("evidence", _) => "on".into(),
        ("on", _) => "–".into(),
        ("delay", "None") => "p95".into(),
        (_, "None") => "off".into(),
        (_, value) if field.ends_with("_bp") => {
            value.parse::<f64>().map_or(value.into(), |bp| format!("{} %", bp / 100.0))
        }
        ("keys" | "operator_keys", _) => "off".into(),
        ("max_buffered_bytes" | "max_body_bytes" | "max_body_memory_bytes", value) => {
            value.parse::<u64>().map_or(value.into(), |bytes| format!("{bytes} ({} MiB)", bytes >> 20))
        }
        (_, value) => value.into(),
    }
}

/// A variant's name in a configuration.
fn snake_case(variant: &str) -> String {
    let mut word = String::new();
    for (index, letter) in variant.char_indices() {
        if letter.is_ascii_uppercase() && index > 0 {
            word.push('_');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}
