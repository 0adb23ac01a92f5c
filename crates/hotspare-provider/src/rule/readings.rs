//! What a failed reply may mean, in the order of the rules, and which words each meaning rests on.
//!
//! Does not know the request, so it decides nothing: see [`Error::settle`](hotspare_core::Error::settle). Invariant: a
//! rule that a quotation could satisfy is never the last meaning if what it says has consequences for other callers.

use std::borrow::Cow;

use hotspare_core::{Kind, Reading};

use super::{Classification, ErrorFields, Rule, Rules, by_status};

/// More texts than a host puts into one error: so many are quoted.
pub(crate) const MOST_TEXTS: usize = 32;

/// Codes of hosts that have found a mistake in the request: what their text says else is quoted from it.
const MISTAKES: &[&str] = &[
    "array_above_max_length",
    "array_below_min_length",
    "decimal_above_max_value",
    "decimal_below_min_value",
    "integer_above_max_value",
    "integer_below_min_value",
    "invalid_type",
    "invalid_value",
    "missing_required_parameter",
    "string_above_max_length",
    "string_below_min_length",
    "unknown_parameter",
];

/// Lists of mistakes, printed, with the values in question.
const PRINTED_MISTAKES: &[&str] = &["'loc': (", "'loc': [", "\"loc\":[", "\"loc\": ["];

impl ErrorFields<'_> {
    /// Whether the text may quote the request. A host sends these statuses for the key, the account or the rate.
    const fn may_quote(&self) -> bool {
        !matches!(self.status, Some(401 | 402 | 429))
    }

    /// Whether the host has checked the request itself and lists what is wrong with it.
    fn lists_mistakes(&self) -> bool {
        self.words.iter().any(|word| MISTAKES.iter().any(|code| word.eq_ignore_ascii_case(code)))
            || PRINTED_MISTAKES.iter().any(|mark| self.text.contains(mark))
    }
}

impl Rule {
    /// Whether nothing but the text tells that the rule applies: a code that repeats the status says no more than it.
    fn rests_on_text(&self, status: Option<u16>) -> bool {
        let repeats_status = |word: &&str| status.is_some_and(|status| word.parse() == Ok(status));
        !(self.text.is_empty() && self.also.is_empty()) && self.words.iter().all(repeats_status)
    }

    /// The phrases of which one satisfies the rule.
    const fn phrases(&self) -> &'static [&'static str] {
        if self.text.is_empty() { self.also } else { self.text }
    }

    /// The texts that satisfy the rule, each as the parts that a request may have supplied.
    fn said(&self, text: &str) -> Vec<Vec<String>> {
        self.phrases().iter().flat_map(|phrase| occurrences(text, phrase)).collect()
    }
}

/// What stands around a name.
fn is_mark(sign: char) -> bool {
    !sign.is_alphanumeric()
}

/// The first occurrences of a phrase: more of them make it no surer. One after a backslash is the rest of an escape
/// sequence, so it is quoted.
fn occurrences(text: &str, phrase: &str) -> Vec<Vec<String>> {
    let Some((before, after)) = phrase.split_once(" * ") else {
        let own = text.match_indices(phrase).any(|(at, _)| !text[..at].ends_with('\\'));
        return if own { vec![vec![phrase.to_owned()]] } else { Vec::new() };
    };
    let mut found = Vec::new();
    for (at, _) in text.match_indices(before).filter(|(at, _)| !text[..*at].ends_with('\\')) {
        if found.len() > MOST_TEXTS {
            break;
        }
        let word = text[at + before.len()..].strip_prefix(' ').and_then(|rest| rest.split_once(' '));
        if let Some((word, _)) = word.filter(|(word, rest)| !word.is_empty() && rest.starts_with(after)) {
            let head = format!("{before} {}", word.trim_end_matches(is_mark));
            found.push(vec![head, format!("{} {after}", word.trim_start_matches(is_mark))]);
        }
    }
    found
}

/// The text without what the caller may have written where a phrase occurs: the phrase, or only the word in it that may
/// be any, since hosts write the others around a name.
fn without(text: &str, phrase: &str) -> String {
    let Some((before, _)) = phrase.split_once(" * ") else { return text.replace(phrase, "") };
    let mut own = text.to_owned();
    for said in occurrences(text, phrase) {
        let head = said.first().map_or("", String::as_str);
        let Some(word) = head.strip_prefix(before).map(|word| word.trim_start_matches(is_mark)) else {
            continue;
        };
        own = own.replace(head, &head[..head.len() - word.len()]);
    }
    own
}

/// Classifies by the first rule that matches, or else by status, as [`by_status`] does. A 404 or 405 in which nothing is
/// said of a model, and which has no code of the API, is the failure of the server that answered, so that one of them
/// does not retire the model.
///
/// If that rests on the text alone and has consequences for other callers, the next meanings are kept for whoever knows
/// the request. Where nothing else is known than that the request may be wrong, another target is asked.
#[must_use]
pub fn apply_rules(rules: &Rules, fields: &ErrorFields<'_>) -> Classification {
    let (may_quote, lists_mistakes) = (fields.may_quote(), fields.lists_mistakes());
    let mut readings: Vec<Reading> = Vec::new();
    let mut last = None;
    let mut uncertain: Vec<&'static str> = Vec::new();
    for rule in rules.in_order(fields.foreign).filter(|rule| rule.matches(fields)) {
        let length = rule.kind == Kind::ContextOverflow;
        if !(may_quote && rule.rests_on_text(fields.status) && (length || rule.kind.affects_others())) {
            last = Some(Reading::new(rule.kind, rule.scope, Vec::new()));
            break;
        }
        let said = rule.said(fields.text);
        if said.is_empty() || (lists_mistakes && !length) {
            continue;
        }
        readings.push(Reading::new(rule.kind, rule.scope, said));
        uncertain.extend(rule.phrases());
        if length {
            return Classification { readings };
        }
    }
    let mut last = last.unwrap_or_else(|| {
        // If this is what the reply means, the request has what the readings before it rest on.
        let own =
            uncertain.iter().fold(Cow::Borrowed(fields.text), |own, phrase| without(&own, phrase).into());
        let kind = if fields.names_no_model(&own) { Kind::Server } else { by_status(fields.status) };
        Reading::new(kind, None, Vec::new())
    });
    if last.kind == Kind::InvalidRequest && !readings.is_empty() {
        last.kind = Kind::Unsupported;
    }
    readings.push(last);
    Classification { readings }
}

#[cfg(test)]
mod tests {
    use hotspare_core::Scope;

    use super::*;

    const RULES: Rules = Rules {
        specific: &[
            Rule::word(&["coded"], Kind::Auth).saying(&["said"]),
            Rule::word(&["404"], Kind::ModelUnavailable).at(404).saying(&["no resource"]),
        ],
        general: &[Rule::text(&["short"], Kind::Overloaded).at(500)],
    };

    /// The kind if the request has these words, and if it has none.
    fn kinds(status: u16, words: &[&str], text: &str, request: &str) -> (Kind, Kind) {
        let error = || apply_rules(&RULES, &ErrorFields::new(Some(status), words, text)).error(text);
        (error().settle(|said| request.contains(said)).kind(), error().settle(|_| false).kind())
    }

    #[test]
    fn words_of_the_request_disable_hold_and_count_nothing() {
        for (status, text, request, own) in [
            (
                400,
                "unknown parameter: 'your credit balance is too low'.",
                "credit balance",
                Kind::QuotaExhausted,
            ),
            (422, "invalid api key: extra inputs", "invalid api key", Kind::Auth),
            (400, "model m does not exist: extra", "\"model m does not exist\":1", Kind::ModelUnavailable),
            (400, "tool 'the model m' does not exist", "the model m", Kind::ModelUnavailable),
            (400, "invalid model 'x' not found'", "x' not found", Kind::ModelUnavailable),
            (400, "unknown: under high load", "under high load", Kind::Overloaded),
            (
                400,
                "invalid api key, credit balance",
                "invalid api key and credit balance",
                Kind::QuotaExhausted,
            ),
        ] {
            assert_eq!(kinds(status, &[], text, request), (Kind::Unsupported, own), "{text}");
        }
    }

    #[test]
    fn codes_and_statuses_stand_whatever_the_request_says() {
        for (status, words, text, expected) in [
            (401, &[][..], "invalid api key", Kind::Auth),
            (402, &[], "credit balance", Kind::QuotaExhausted),
            (429, &[], "requests per day", Kind::QuotaExhausted),
            (400, &["coded"], "said", Kind::Auth),
            (503, &[], "short", Kind::Overloaded),
        ] {
            assert_eq!(kinds(status, words, text, text), (expected, expected), "{text}");
        }
        assert_eq!(kinds(500, &[], "short", "short"), (Kind::Server, Kind::Overloaded));
        assert_eq!(
            kinds(404, &["404"], "no resource", "no resource"),
            (Kind::Server, Kind::ModelUnavailable)
        );
        let unknown = "the model x does not exist";
        assert_eq!(
            kinds(404, &[], unknown, "if it does not exist"),
            (Kind::ModelUnavailable, Kind::ModelUnavailable)
        );
        assert_eq!(kinds(404, &[], unknown, "x does not exist").0, Kind::ModelUnavailable);
        assert_eq!(kinds(404, &[], unknown, "compare model x with y").0, Kind::ModelUnavailable);
        assert_eq!(kinds(404, &[], "model x does not exist", "model x").0, Kind::ModelUnavailable);
        assert_eq!(kinds(404, &[], "tool 'the model m' does not exist", "the model m").0, Kind::Server);
    }

    #[test]
    fn a_host_that_lists_mistakes_says_nothing_of_keys_or_money() {
        for (words, text) in [
            (&["Unknown_Parameter"][..], "unknown parameter: 'credit balance'"),
            (&["invalid_value"], "invalid value: 'invalid api key'"),
            (&[], "[{'type': 'dict_type', 'loc': ('body', 'x'), 'input': 'invalid api key'}]"),
            (&[], r#"[{"loc":["body"],"input":"credit balance"}]"#),
        ] {
            assert_eq!(kinds(400, words, text, ""), (Kind::InvalidRequest, Kind::InvalidRequest), "{text}");
        }
        assert_eq!(kinds(400, &["invalid_value"], "x is not supported", "").0, Kind::Unsupported);
        assert_eq!(kinds(400, &["invalid_value"], "prompt is too long", "").0, Kind::ContextOverflow);
    }

    #[test]
    fn an_escape_sequence_begins_no_word() {
        assert_eq!(kinds(400, &[], r"invalid: '\no api key'", "").0, Kind::InvalidRequest);
        assert_eq!(kinds(400, &[], r"'\no api key': no api key", "").0, Kind::Auth);
    }

    #[test]
    fn a_length_is_learned_only_if_the_host_states_it() {
        let learned = |status, words: &[&str], text: &str, request: &str| {
            let error = apply_rules(&RULES, &ErrorFields::new(Some(status), words, text)).error(text);
            let error = error.settle(|said| request.contains(said));
            assert_eq!(error.kind(), Kind::ContextOverflow);
            (error.overflow().and_then(|told| told.limit), error.teaches_nothing())
        };
        let named = "the maximum context length is 4096 tokens";
        assert_eq!(learned(400, &[], named, "maximum context length"), (Some(4_096), false));
        assert_eq!(learned(400, &[], named, named), (None, true));
        let limit = "model token limit: 4096";
        assert_eq!(learned(413, &[], limit, "{}"), (Some(4_096), false));
        assert_eq!(learned(413, &[], limit, limit), (None, true));
        assert_eq!(learned(400, &[], "prompt is too long", ""), (None, false));
        assert_eq!(learned(400, &[], "prompt is too long", "a prompt is too long"), (None, true));
        assert_eq!(learned(413, &[], "too large", "too large"), (None, false));
    }

    #[test]
    fn the_first_meaning_is_the_kind_until_it_is_settled() {
        let fields = ErrorFields::new(Some(400), &[], "usage limit reached");
        let classified = apply_rules(&RULES, &fields);
        assert_eq!(
            (classified.kind(), classified.scope()),
            (Kind::QuotaExhausted, Some(Scope::CredentialModel))
        );
        assert_eq!(classified.error("m").kind(), Kind::QuotaExhausted);
    }
}
