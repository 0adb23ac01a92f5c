//! Durations as hosts write them: with units, in words, after a sentence's "try again in".
//!
//! Does not decide what a pause is worth, and reads no dates (see `retry_after.rs`). Invariant: reading is total, a
//! result is at most [`MAX_RETRY_AFTER`], and a number that may mean anything else is no duration.

use std::time::Duration;

/// The longest accepted hint, 31 days: a longer one is taken for a mistake.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(31 * 24 * 3600);

/// Words after which a sentence states how long to wait, and whether a clock after them (`07:01:20`) is a duration: after
/// the others, it shows a time of day.
const PHRASES: [(&str, bool); 19] = [
    ("again in", true),
    ("again after", false),
    ("retry in", true),
    ("retry after", false),
    ("retry-after", false),
    ("retry your request in", true),
    ("retry your request after", false),
    ("please wait", false),
    ("must wait", false),
    ("should wait", false),
    ("need to wait", false),
    ("reset in", true),
    ("resets in", true),
    ("reset after", false),
    ("resets after", false),
    ("refreshes in", true),
    ("renews in", true),
    ("available in", true),
    ("replenished in", true),
];

/// Words before a duration that do not change it by much.
const QUALIFIERS: [&str; 24] = [
    "a further ",
    "about ",
    "additional ",
    "an additional ",
    "another ",
    "approx. ",
    "approximately ",
    "around ",
    "at least ",
    "at most ",
    "between ",
    "exactly ",
    "for ",
    "in ",
    "just ",
    "less than ",
    "more than ",
    "only ",
    "roughly ",
    "the next ",
    "under ",
    "up to ",
    "~",
    "≈",
];

/// Numbers in words; a vague one is taken for a small number.
const NUMBERS: [(&str, f64); 17] = [
    ("half a ", 0.5),
    ("half an ", 0.5),
    ("a couple of ", 2.0),
    ("a few ", 3.0),
    ("a ", 1.0),
    ("an ", 1.0),
    ("couple of ", 2.0),
    ("few ", 3.0),
    ("several ", 3.0),
    ("one ", 1.0),
    ("two ", 2.0),
    ("three ", 3.0),
    ("five ", 5.0),
    ("ten ", 10.0),
    ("fifteen ", 15.0),
    ("thirty ", 30.0),
    ("sixty ", 60.0),
];

/// Parses `1h2m3.5s`, `250ms`, `12 seconds`, `1 hour and 5 minutes`, `about 3 hours`, `a few minutes`, of `5-10 minutes`
/// the longer, and a bare number as seconds; stops at the first other text.
#[must_use]
pub fn pause(text: &str) -> Option<Duration> {
    duration(&text.to_ascii_lowercase())?.0
}

/// A pause stated in a sentence: "try again in 6.07s", "retry after about 12 seconds", "please wait 30 seconds before",
/// "resets in 9h22m20s", "replenished in 07:01:20". A day's name, such as "tomorrow", is no hint: it has no zone.
#[must_use]
pub fn retry_after_in_text(sentence: &str) -> Option<Duration> {
    let lower = sentence.to_ascii_lowercase();
    PHRASES.into_iter().find_map(|(words, with_clock)| {
        lower.match_indices(words).find_map(|(at, _)| {
            let rest = &lower[at + words.len()..];
            let stated = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ':');
            if stated.len() == rest.len() {
                return None;
            }
            // What is available in 2026 has a date.
            let is_year = words == "available in" && is_bare(stated);
            let stated_pause = || duration(stated).filter(|_| !is_year)?.0;
            with_clock.then(|| clock(stated)).flatten().or_else(stated_pause)
        })
    })
}

/// Hours, minutes and seconds between colons.
fn clock(text: &str) -> Option<Duration> {
    let two = |from: usize| {
        let digits =
            text.get(from..from + 2).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
        digits.parse::<u64>().ok()
    };
    let colons = [2, 5].iter().all(|at| text.as_bytes().get(*at) == Some(&b':'));
    colons.then_some(Duration::from_secs(two(0)? * 3_600 + two(3)? * 60 + two(6)?))
}

/// Whether the text begins with a number without a unit.
fn is_bare(text: &str) -> bool {
    matches!(span(unqualified(text)), Some((_, None, _)))
}

/// A text without the words that only qualify a duration.
fn unqualified(text: &str) -> &str {
    let mut rest = text.trim();
    while let Some(after) = QUALIFIERS.iter().find_map(|words| rest.strip_prefix(words)) {
        rest = after.trim_start();
    }
    rest
}

/// A duration at the start of a text in lower case, and the text after it; `None` if there is none. The duration is
/// absent if it is too long.
pub(crate) fn duration(text: &str) -> Option<(Option<Duration>, &str)> {
    let (mut total, mut unit, after) = span(unqualified(text))?;
    let mut rest = after.trim_start();
    // `1 hour, 5 minutes and 3 seconds`: each unit is smaller than the one before it.
    loop {
        let next = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        let next = next.strip_prefix("and ").unwrap_or(next).trim_start();
        match span(next) {
            Some((seconds, smaller, after)) if smaller.is_some() && smaller < unit => {
                total += seconds;
                unit = smaller;
                rest = after.trim_start();
            }
            _ => break,
        }
    }
    Some((Duration::try_from_secs_f64(total).ok().filter(|pause| *pause <= MAX_RETRY_AFTER), rest))
}

/// One number and its unit as seconds, the length of the unit, which a bare number does not have, and the text after them.
fn span(text: &str) -> Option<(f64, Option<f64>, &str)> {
    let (mut number, in_words, mut rest) = amount(text)?;
    // Of a range, the end: by then, the host has said that it serves.
    let later = ["-", "–", "to ", "or ", "and "].iter().find_map(|joint| {
        let (number, in_words, rest) = amount(rest.trim_start().strip_prefix(joint)?.trim_start())?;
        (!in_words).then_some((number, rest))
    });
    let is_range = later.is_some();
    if let Some((end, after)) = later {
        (number, rest) = (end, after);
    }
    let spaced = rest.trim_start();
    let spaced = spaced.strip_prefix("more ").unwrap_or(spaced);
    let name = &spaced[..spaced.find(|c: char| !c.is_alphabetic()).unwrap_or(spaced.len())];
    if name.is_empty() {
        // Part of a date, a time of day, a share or a fraction.
        let is_part = rest.starts_with([':', '-', '–', '/', '%', '_']);
        return (!(in_words || is_range || is_part)).then_some((number, None, rest));
    }
    let unit = unit(name)?;
    Some((number * unit, Some(unit), &spaced[name.len()..]))
}

/// A number in digits or words, whether it is in words, and the text after it.
fn amount(text: &str) -> Option<(f64, bool, &str)> {
    if let Some(found) =
        NUMBERS.iter().find_map(|(word, number)| Some((*number, true, text.strip_prefix(word)?)))
    {
        return Some(found);
    }
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    // `1,200` is one number, `1, 200` is not.
    let groups = |at: usize| bytes[at] == b',' && (1..=3).all(|by| is_digit(at + by)) && !is_digit(at + 4);
    let end = (0..bytes.len()).find(|at| !(is_digit(*at) || bytes[*at] == b'.' || (*at > 0 && groups(*at))));
    let digits = text[..end.unwrap_or(bytes.len())].trim_end_matches('.');
    let fraction = text[digits.len()..]
        .strip_prefix(',')
        .map_or("", |rest| &rest[..rest.find(|sign: char| !sign.is_ascii_digit()).unwrap_or(rest.len())]);
    let after = digits.len() + 1 + fraction.len();
    // Many languages write `1,5`; `1,2,3` is a list.
    let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_whole
        && !digits.is_empty()
        && !fraction.is_empty()
        && !matches!(bytes.get(after), Some(b',' | b'.'))
    {
        return Some((format!("{digits}.{fraction}").parse().ok()?, false, &text[after..]));
    }
    let number = digits.replace(',', "").parse::<f64>().ok()?;
    Some((number, false, &text[digits.len()..]))
}

/// The length of a unit in seconds.
fn unit(name: &str) -> Option<f64> {
    Some(match name {
        "ns" => 1e-9,
        "us" | "µs" | "μs" => 1e-6,
        "ms" | "msec" | "msecs" | "millis" | "millisecond" | "milliseconds" => 0.001,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 604_800.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
