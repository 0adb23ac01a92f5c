//! Dates at the end of models' names.
//!
//! Not a calendar: digits in the places of a date are one. Invariant: a name without its date is never empty, and a version
//! after the date stays.

/// Whether two names that one provider uses mean the same model: they are equal, or differ only in that one has no date
/// or writes it in another way. An undated name stands for what the provider serves by it, whose name may have a date.
#[must_use]
pub fn is_same_model(one: &str, other: &str) -> bool {
    let parts =
        |name: &str| split_date(name).map_or((name.to_owned(), None), |(rest, date)| (rest, Some(date)));
    let ((one, date), (other, other_date)) = (parts(one), parts(other));
    one == other && (date.is_none() || other_date.is_none() || date == other_date)
}

/// The name without the date it ends in, if it has one.
pub(crate) fn without_date(model: &str) -> Option<String> {
    split_date(model).map(|(name, _)| name)
}

/// The name without the date it ends in, and that date's digits.
fn split_date(model: &str) -> Option<(String, String)> {
    // Bedrock appends a version of its own after the date.
    let (name, version) = match model.rfind("-v") {
        Some(at) if model[at + 2..].bytes().all(|byte| byte.is_ascii_digit() || byte == b':') => {
            model.split_at(at)
        }
        _ => (model, ""),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_dashed_date = |date: &str| {
        let parts: Vec<&str> = date.split('-').collect();
        matches!(parts.as_slice(), [year, month, day]
            if (year.len(), month.len(), day.len()) == (4, 2, 2) && is_digits(&date.replace('-', "")))
    };
    for (length, is_date) in [(10, &is_dashed_date as &dyn Fn(&str) -> bool), (8, &is_digits)] {
        let Some(at) = name.len().checked_sub(length).filter(|at| name.is_char_boundary(*at)) else {
            continue;
        };
        let (rest, date) = name.split_at(at);
        if let Some(rest) = rest.strip_suffix(['-', '@'])
            && is_date(date)
            && !rest.is_empty()
        {
            return Some((format!("{rest}{version}"), date.replace('-', "")));
        }
    }
    None
}
