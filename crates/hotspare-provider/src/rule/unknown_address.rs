//! Replies by whatever stands in front of a host: a 404 or 405 that says nothing of a model.
//!
//! Not a table: what such a reply lacks is what tells it. Invariant: a code of the API, or a text that speaks of a model,
//! is never taken for one.

use super::ErrorFields;

impl ErrorFields<'_> {
    /// Whether an address is unknown to whatever answered, which says nothing of a model: a proxy or a framework in
    /// front of the host, which answers so also while the host is being restarted. An API's own error has a code that
    /// says more than its status, or speaks of the model.
    /// `own` is the text without what the caller may have written.
    pub(super) fn names_no_model(&self, own: &str) -> bool {
        matches!(self.status, Some(404 | 405)) && !speaks_of_a_model(own) && !self.is_own()
    }

    /// Whether the API itself wrote the reply: there is a code where this wire has it, and a text that is not just the
    /// status in words.
    fn is_own(&self) -> bool {
        let says_more = |word: &&str| !matches!(*word, "" | "404" | "405");
        let text = self.text.trim();
        let text = text.strip_prefix("404").map_or(text, str::trim_start);
        !self.foreign && self.own_words.iter().any(says_more) && !matches!(text, "" | "not found")
    }
}

/// What hosting platforms write of a service that they do not have, in the words for a model.
const PLATFORMS: &[&str] = &["deployment could not be found"];

/// Whether a text in lower case has one of these words by itself. As part of a path or of a service's name
/// (`/v1/models/m`, `model-server`) they say nothing, and neither does what is between quotation marks, which the caller
/// may have written.
fn speaks_of_a_model(text: &str) -> bool {
    let own = without_quotations(text);
    let text = own.as_str();
    let is_part = |sign: char| sign.is_alphanumeric() || matches!(sign, '-' | '_' | '.');
    let tokens = text.split_whitespace().filter(|token| !token.contains('/'));
    let mut words = tokens
        .flat_map(|token| token.split(|sign| !is_part(sign)))
        .map(|word| word.trim_matches('.'))
        .filter(|word| word.chars().all(char::is_alphabetic));
    words.any(|word| ["model", "deployment"].iter().any(|what| word.contains(what)))
        && !PLATFORMS.iter().any(|phrase| text.contains(phrase))
}

/// The text without what is quoted in it. An apostrophe within a word opens and ends nothing, and neither do the marks of
/// JSON, of which only the escaped ones are the host's.
fn without_quotations(text: &str) -> String {
    let is_json = text.contains("{\"");
    let mut own = String::with_capacity(text.len());
    let mut open: Option<(char, usize)> = None;
    let mut before = ' ';
    for (at, sign) in text.char_indices() {
        let after = text[at + sign.len_utf8()..].chars().next().unwrap_or(' ');
        match open {
            _ if sign == '"' && (before == '\\') != is_json => {
                own.extend(open.is_none().then_some(' '));
            }
            Some((mark, _)) if sign == mark && !(mark == '\'' && after.is_alphanumeric()) => open = None,
            Some(_) => {}
            None if matches!(sign, '"' | '`') || (sign == '\'' && !before.is_alphanumeric()) => {
                open = Some((sign, at));
            }
            None => own.push(sign),
        }
        before = sign;
    }
    // A mark without its counterpart quotes nothing.
    if let Some((_, at)) = open {
        own.push_str(&text[at..]);
    }
    own
}

#[cfg(test)]
mod tests {
    use hotspare_core::Kind;

    use super::super::{Rules, apply_rules};
    use super::*;

    #[test]
    fn a_404_retires_a_model_only_if_the_api_itself_sent_it_or_it_names_one() {
        const RULES: Rules = Rules { specific: &[], general: &[] };
        let judged = |status, word, text, foreign| {
            let words = &[word];
            let fields = ErrorFields::new(Some(status), words, text).with_foreign_text(foreign);
            apply_rules(&RULES, &fields).kind()
        };
        for (word, text, foreign) in [
            ("", "", true),
            ("", "404 page not found", false),
            ("404", "not found", false),
            ("404", "application not found", false),
            ("not_found", "404 not found", false),
            ("", "cannot post /v1beta/models/x:generatecontent", false),
            ("", "services \"model-server\" not found", false),
            ("", "no host my-model.example.com", false),
            ("", "item 'my model' not found", false),
            ("", "item \"a 'model' b\" not found", false),
            ("", r#"failed: {"message":"no item \"a model\""}"#, false),
            ("404", "the deployment could not be found on its platform", false),
            ("invalid_request_error", "method not allowed", true),
        ] {
            assert_eq!(judged(404, word, text, foreign), Kind::Server, "{text}");
            assert_eq!(judged(405, word, text, foreign), Kind::Server, "{text}");
            assert_eq!(judged(410, word, text, foreign), Kind::ModelUnavailable, "{text}");
        }
        for (word, text, foreign) in [
            ("not_found", "resource not found", false),
            ("", "model: x", false),
            ("", "the model's weights are gone", false),
            ("", "'x' isn't a model", false),
            ("", r#"failed: {"message":"the model \"x\" is gone"}"#, false),
            ("", "can't find 'x: no model", false),
            ("invalid_request_error", "invalid url (post /v1/chat/completions)", false),
            ("", "no deployment of this name", true),
            ("", "this model is gone", false),
        ] {
            assert_eq!(judged(404, word, text, foreign), Kind::ModelUnavailable, "{text}");
        }
    }
}
