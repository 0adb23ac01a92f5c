//! Rules that classify failed replies: the data behind an adapter's `classify`.
//!
//! Does not parse bodies: an adapter extracts its host's error fields and passes them here. A table is tried from top
//! to bottom, the most specific rule first. Invariant: a table is data, so it can be printed, reviewed and tested as a
//! whole.

mod overflow;
mod readings;
mod sentences;
mod unknown_address;

use hotspare_core::{Error, Kind, Reading, Scope};

pub(crate) use self::readings::MOST_TEXTS;
pub use self::readings::apply_rules;
pub use self::sentences::SENTENCES;

/// One rule: every condition it states must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// The status; `None` matches any.
    pub status: Option<u16>,
    /// The code, type or other fixed word equals one of these, in lower case, with or without a suffix that begins
    /// with a point, or begins with one that ends in `*`; empty matches any.
    pub words: &'static [&'static str],
    /// The text contains one of these, in lower case; empty matches any. ` * ` stands for one word between spaces.
    pub text: &'static [&'static str],
    /// The text also contains one of these; empty matches any.
    pub also: &'static [&'static str],
    /// The kind of failure.
    pub kind: Kind,
    /// The scope that is affected, if the rule knows it better than the kind.
    pub scope: Option<Scope>,
}

impl Rule {
    /// Matches a code, type or other fixed word.
    #[must_use]
    pub const fn word(words: &'static [&'static str], kind: Kind) -> Self {
        Self { words, ..Self::of(kind) }
    }

    /// Matches the text.
    #[must_use]
    pub const fn text(text: &'static [&'static str], kind: Kind) -> Self {
        Self { text, ..Self::of(kind) }
    }

    /// Matches the status alone.
    #[must_use]
    pub const fn status(status: u16, kind: Kind) -> Self {
        Self { status: Some(status), ..Self::of(kind) }
    }

    const fn of(kind: Kind) -> Self {
        Self { status: None, words: &[], text: &[], also: &[], kind, scope: None }
    }

    /// Restricts the rule to one status.
    #[must_use]
    pub const fn at(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Also requires the text to contain one of these.
    #[must_use]
    pub const fn saying(mut self, text: &'static [&'static str]) -> Self {
        self.text = text;
        self
    }

    /// Requires the text to contain one of these besides any other text condition.
    #[must_use]
    pub const fn and(mut self, text: &'static [&'static str]) -> Self {
        self.also = text;
        self
    }

    /// Narrows the failure to this scope instead of the kind's.
    #[must_use]
    pub const fn within(mut self, scope: Scope) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Whether every condition of the rule is met.
    #[must_use]
    pub fn matches(&self, fields: &ErrorFields<'_>) -> bool {
        let given = |word: &&str| fields.words.iter().any(|given| is_word(given, word));
        let said = |phrase: &&str| contains(fields.text, phrase);
        self.status.is_none_or(|status| Some(status) == fields.status)
            && (self.words.is_empty() || self.words.iter().any(given))
            && (self.text.is_empty() || self.text.iter().any(said))
            && (self.also.is_empty() || self.also.iter().any(said))
    }

    /// Whether the rule has no word beside its text.
    const fn needs_only_text(&self) -> bool {
        self.words.is_empty() && !(self.text.is_empty() && self.also.is_empty())
    }
}

/// Whether a code is this word, or this word with a suffix such as `.PrivacyInformation`, or one of those that begin so.
fn is_word(given: &str, word: &str) -> bool {
    if let Some(beginning) = word.strip_suffix('*') {
        let head = given.as_bytes().get(..beginning.len());
        return head.is_some_and(|head| head.eq_ignore_ascii_case(beginning.as_bytes()));
    }
    let stem = given.split_once('.').map_or(given, |(stem, _)| stem);
    given.eq_ignore_ascii_case(word) || stem.eq_ignore_ascii_case(word)
}

/// Whether the text contains the phrase, in which ` * ` stands for one word.
fn contains(text: &str, phrase: &str) -> bool {
    let Some((before, after)) = phrase.split_once(" * ") else { return text.contains(phrase) };
    text.match_indices(before).any(|(at, _)| {
        let rest = text[at + before.len()..].strip_prefix(' ');
        let rest = rest.and_then(|rest| rest.split_once(' '));
        rest.is_some_and(|(word, rest)| !word.is_empty() && rest.starts_with(after))
    })
}

/// An adapter's rules. Between the two tables come the [`SENTENCES`] that all adapters share.
///
/// Texts in these tables are short, because they are compared with what this wire's hosts write in its own field. A
/// text from another field is by whatever stands in front of the host: rules that have no word beside their text do not
/// apply to it, only the sentences do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Codes and types that say more than any sentence, and texts that mean something else on this wire.
    pub specific: &'static [Rule],
    /// Words that only narrow the status, and texts too short to be trusted on other wires.
    pub general: &'static [Rule],
}

impl Rules {
    /// The rules in the order in which they are tried.
    fn in_order(&self, foreign: bool) -> impl Iterator<Item = &'static Rule> + use<> {
        let trusted = move |rule: &&Rule| !(foreign && rule.needs_only_text());
        self.specific.iter().filter(trusted).chain(SENTENCES).chain(self.general.iter().filter(trusted))
    }
}

/// The fields of an error that rules look at, extracted from a failed reply.
#[derive(Clone, Copy, Debug)]
pub struct ErrorFields<'a> {
    status: Option<u16>,
    words: &'a [&'a str],
    own_words: &'a [&'a str],
    text: &'a str,
    foreign: bool,
}

impl<'a> ErrorFields<'a> {
    /// The status (for an error inside a successful reply, the one it should have had), codes, types and other fixed
    /// words in any case, and the text in lower case: all from fields of this wire.
    #[must_use]
    pub const fn new(status: Option<u16>, words: &'a [&'a str], text: &'a str) -> Self {
        Self { status, words, own_words: words, text, foreign: false }
    }

    /// States which of the words are where this wire has its codes, so that its hosts wrote them; otherwise, all are.
    #[must_use]
    pub const fn with_own_words(self, own_words: &'a [&'a str]) -> Self {
        Self { own_words, ..self }
    }

    /// States whether the text is from a field that this wire does not have, where
    /// [`message_anywhere`](crate::message_anywhere) found it.
    #[must_use]
    pub const fn with_foreign_text(self, foreign: bool) -> Self {
        Self { foreign, ..self }
    }
}

/// The kind of failure that a reply reports, and its scope: the first of what it may mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classification {
    /// Never empty.
    readings: Vec<Reading>,
}

impl Classification {
    /// The kind of failure.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.readings.first().map_or(Kind::Server, |reading| reading.kind)
    }

    /// The scope that is affected, if the reply states it more exactly than its kind.
    #[must_use]
    pub fn scope(&self) -> Option<Scope> {
        self.readings.first()?.scope
    }

    /// Builds the error, with the host's message, what else it may mean, and the numbers in it if it rejects a prompt as
    /// too long.
    #[must_use]
    pub fn error(mut self, message: impl Into<String>) -> Error {
        let message = message.into();
        let length = self.readings.iter_mut().find(|reading| reading.kind == Kind::ContextOverflow);
        let numbers = length.and_then(|reading| {
            let (numbers, said) = overflow::stated(&message)?;
            reading.said = vec![said];
            Some(numbers)
        });
        let error = Error::new(self.kind(), message).with_scope(self.scope()).with_overflow(numbers);
        error.with_readings(self.readings)
    }
}

/// The message of a failed reply that is not JSON.
#[must_use]
pub fn plain_message(text: &str) -> &str {
    match text.trim() {
        "" => "the host sent no explanation",
        page if page.starts_with('<') => "the host sent an HTML page",
        words => words,
    }
}

/// What a status means by itself, where no rule of an adapter is more specific.
pub const BY_STATUS: &[Rule] = &[
    Rule::status(401, Kind::Auth),
    Rule::status(402, Kind::QuotaExhausted),
    Rule::status(403, Kind::Forbidden),
    Rule::status(404, Kind::ModelUnavailable),
    // There is something at the address, but not the endpoint. As for 404, only a reply by the API itself, or one that
    // speaks of a model, is judged by its status: see `apply_rules`.
    Rule::status(405, Kind::ModelUnavailable),
    // How this host is spoken to, which no caller decides: another host may accept it.
    Rule::status(406, Kind::Unsupported),
    // A proxy on the way wants a password.
    Rule::status(407, Kind::Connect),
    Rule::status(408, Kind::Timeout),
    Rule::status(409, Kind::Overloaded),
    Rule::status(410, Kind::ModelUnavailable),
    Rule::status(411, Kind::Unsupported),
    Rule::status(413, Kind::ContextOverflow),
    Rule::status(414, Kind::Unsupported),
    Rule::status(415, Kind::Unsupported),
    Rule::status(417, Kind::Unsupported),
    // A connection that was meant for another host.
    Rule::status(421, Kind::Server),
    Rule::status(423, Kind::Overloaded),
    // A dependency failed: a model behind a frontend, or a computation that other requests had started.
    Rule::status(424, Kind::Server),
    Rule::status(425, Kind::Overloaded),
    Rule::status(426, Kind::Unsupported),
    Rule::status(429, Kind::RateLimited),
    Rule::status(431, Kind::Unsupported),
    // A censor rejected the prompt: whether another host gets it is the application's choice.
    Rule::status(451, Kind::ContentPolicy),
    // The request was cancelled, but not by the caller, who would not have read this reply.
    Rule::status(499, Kind::Server),
    Rule::status(501, Kind::Unsupported),
    Rule::status(503, Kind::Overloaded),
    Rule::status(504, Kind::Timeout),
    // The request went round in a circle between gateways: no fault of the host.
    Rule::status(508, Kind::Unsupported),
    Rule::status(509, Kind::Overloaded),
    // The network on the way wants a login.
    Rule::status(511, Kind::Connect),
    Rule::status(522, Kind::Timeout),
    Rule::status(524, Kind::Timeout),
    Rule::status(529, Kind::Overloaded),
    Rule::status(598, Kind::Timeout),
];

/// The kind for a status alone: [`BY_STATUS`], then its class. An error without a status is the provider's failure.
#[must_use]
pub fn by_status(status: Option<u16>) -> Kind {
    let rule = BY_STATUS.iter().find(|rule| rule.status == status);
    rule.map_or(
        match status {
            Some(400..=499) => Kind::InvalidRequest,
            Some(500..=599) | None => Kind::Server,
            Some(_) => Kind::Protocol,
        },
        |rule| rule.kind,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_matches_only_if_all_its_conditions_do() {
        let fields = |status, text| ErrorFields::new(status, &["Rate_Limit"], text);
        let rule = Rule::word(&["other", "rate_limit"], Kind::RateLimited).at(429).saying(&["per day"]);
        assert!(rule.matches(&fields(Some(429), "50 requests per day")));
        assert!(rule.and(&["50", "60"]).matches(&fields(Some(429), "50 requests per day")));
        assert!(!rule.and(&["60"]).matches(&fields(Some(429), "50 requests per day")));
        assert!(!rule.matches(&fields(Some(400), "50 requests per day")));
        assert!(!rule.matches(&fields(None, "50 requests per day")));
        assert!(!rule.matches(&fields(Some(429), "50 requests")));
        assert!(!Rule::word(&["other"], Kind::Server).matches(&fields(None, "")));
    }

    #[test]
    fn words_match_with_a_suffix_and_phrases_with_any_single_word() {
        let fields = |words, text| ErrorFields::new(None, words, text);
        let code = Rule::word(&["sensitive"], Kind::ContentPolicy);
        assert!(code.matches(&fields(&["Sensitive.Privacy"], "")));
        assert!(code.matches(&fields(&["Sensitive"], "")));
        assert!(!code.matches(&fields(&["SensitiveX.Privacy"], "")));
        assert!(!code.matches(&fields(&["x.Sensitive"], "")));
        let family = Rule::word(&["cmek_*"], Kind::Forbidden);
        assert!(family.matches(&fields(&["CMEK_key_disabled"], "")));
        assert!(
            !family.matches(&fields(&["cmek"], "")) && !family.matches(&fields(&["x_cmek_key"], "cmek_key"))
        );
        let phrase = Rule::text(&["model * does not exist"], Kind::ModelUnavailable);
        for text in
            ["the model `m` does not exist or", "model. the model m does not exist", "model é does not exist"]
        {
            assert!(phrase.matches(&fields(&[], text)), "{text}");
        }
        for text in [
            "the model does not exist",
            "model m n does not exist",
            "it does not exist in the model",
            "model ",
        ] {
            assert!(!phrase.matches(&fields(&[], text)), "{text}");
        }
    }

    #[test]
    fn a_foreign_text_alone_meets_only_sentences() {
        const RULES: Rules = Rules {
            specific: &[Rule::text(&["a"], Kind::Auth), Rule::word(&["w"], Kind::Timeout).at(500)],
            general: &[Rule::word(&["v"], Kind::Server).and(&["a"]), Rule::status(404, Kind::BadOutput)],
        };
        let judged = |status, words, text, foreign| {
            let fields = ErrorFields::new(Some(status), words, text).with_foreign_text(foreign);
            apply_rules(&RULES, &fields).kind()
        };
        assert_eq!(judged(403, &[], "a", false), Kind::Auth);
        assert_eq!(judged(403, &[], "a", true), Kind::Forbidden);
        assert_eq!(judged(403, &["v"], "a", true), Kind::Server);
        assert_eq!(judged(500, &["w"], "a", true), Kind::Timeout);
        assert_eq!(judged(404, &[], "a", true), Kind::BadOutput);
        assert_eq!(judged(400, &[], "a prompt too long", true), Kind::ContextOverflow);
    }

    #[test]
    fn first_matching_rule_wins_and_every_status_has_a_kind() {
        const RULES: Rules = Rules {
            specific: &[Rule::text(&["a"], Kind::Auth).within(Scope::Model)],
            general: &[Rule::status(400, Kind::BadOutput)],
        };
        let judged = |status, text| {
            let error = apply_rules(&RULES, &ErrorFields::new(Some(status), &[], text)).error("m");
            (error.kind(), error.scope())
        };
        assert_eq!(judged(400, "a"), (Kind::Auth, Scope::Model));
        assert_eq!(judged(400, "b"), (Kind::BadOutput, Scope::None));
        // A shared sentence comes after the specific rules and before the general ones.
        assert_eq!(judged(400, "a prompt too long"), (Kind::Auth, Scope::Model));
        assert_eq!(judged(400, "prompt too long"), (Kind::ContextOverflow, Scope::None));
        assert_eq!(judged(401, "b"), (Kind::Auth, Scope::Credential));
        for status in 0..1_000 {
            let _ = by_status(Some(status));
        }
        assert_eq!(by_status(Some(410)), Kind::ModelUnavailable);
        assert_eq!(by_status(Some(418)), Kind::InvalidRequest);
        assert_eq!(by_status(Some(424)), Kind::Server);
        assert_eq!(by_status(None), Kind::Server);
    }
}
