//! Settings with a fixed set of values.
//!
//! Invariant: an unknown value is a mistake that lists the valid ones, and is never taken for another.

use crate::nearest::similar;

/// The value of this name. An unknown name is a mistake.
pub(super) fn choose<T: Clone>(
    setting: &str,
    name: Option<&str>,
    values: &[(&str, T)],
    mistakes: &mut Vec<String>,
) -> Option<T> {
    let name = name?;
    let found = values.iter().find(|(known, _)| *known == name);
    if found.is_none() {
        let names: Vec<&str> = values.iter().map(|(known, _)| *known).collect();
        mistakes.push(unknown(setting, name, &names));
    }
    found.map(|(_, value)| value.clone())
}

/// The value, unless there is a mistake in it.
pub(super) fn valid<T>(value: Result<T, String>, mistakes: &mut Vec<String>) -> Option<T> {
    value.map_err(|what| mistakes.push(what)).ok()
}

/// The mistake of a name that is none of `names`.
pub(super) fn unknown(setting: &str, name: &str, names: &[&str]) -> String {
    let list = match names {
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        names => names.concat(),
    };
    format!("unknown {setting} `{name}`; valid values are {list}{}", hint(name, names))
}

/// A hint at the name that was probably meant.
pub(super) fn hint(name: &str, names: &[&str]) -> String {
    similar(name, names).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}
