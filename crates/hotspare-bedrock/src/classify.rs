//! Classification of unsuccessful replies and of exceptions inside a stream.
//!
//! Invariant: total. The exception's name takes precedence over the message, and the message over the status; the name
//! that only says that the request is invalid is narrowed down by the message.

use hotspare_core::{Error, Kind, Scope};
use hotspare_provider::{
    Classification, ErrorFields, Head, Rule, Rules, apply_rules, own_or_foreign, plain_message, retry_after,
};
use serde_json::Value;

/// The rules; a reply that matches none is classified by its status.
pub const RULES: Rules = Rules {
    specific: &[
        Rule::text(&["payment instrument", "payment_instrument"], Kind::QuotaExhausted),
        Rule::word(
            &[
                "expiredtoken",
                "expiredtokenexception",
                "incompletesignature",
                "incompletesignatureexception",
                "invalidclienttokenid",
                "invalidsignatureexception",
                "missingauthenticationtoken",
                "missingauthenticationtokenexception",
                "notauthorizedexception",
                "requestexpired",
                "signaturedoesnotmatch",
                "unauthorizedexception",
                "unrecognizedclient",
                "unrecognizedclientexception",
            ],
            Kind::Auth,
        ),
        // One name covers both an unknown key and a model that the key may not use.
        Rule::text(
            &["api key", "bearer token", "security token", "authentication failed", "signature"],
            Kind::Auth,
        )
        .at(403),
        Rule::word(&["accessdenied", "accessdeniedexception", "optinrequired"], Kind::Forbidden),
        // A model's daily quota is reported under the names for a per-minute one.
        Rule::text(&["tokens per day", "requests per day"], Kind::QuotaExhausted)
            .within(Scope::CredentialModel),
        Rule::word(
            &[
                "requestlimitexceeded",
                "requestthrottledexception",
                "throttledexception",
                "throttling",
                "throttlingexception",
                "toomanyrequestsexception",
            ],
            Kind::RateLimited,
        ),
        Rule::word(&["limitexceededexception", "servicequotaexceededexception"], Kind::QuotaExhausted),
        Rule::word(
            &[
                "conflictexception",
                "modelnotreadyexception",
                "serviceunavailable",
                "serviceunavailableexception",
                "slowdown",
            ],
            Kind::Overloaded,
        ),
        Rule::word(&["modeltimeoutexception", "requesttimeout", "requesttimeoutexception"], Kind::Timeout),
        // Not the host's fault: the model wrote a malformed call.
        Rule::text(&["invalid sequence as part of tooluse"], Kind::BadOutput),
        Rule::word(
            &[
                "internalerror",
                "internalfailure",
                "internalservererror",
                "internalserverexception",
                "modelerrorexception",
                "modelstreamerrorexception",
            ],
            Kind::Server,
        ),
        // The account's owner has not answered what the model's maker asks of each account.
        Rule::text(&["use case details have not been submitted"], Kind::Forbidden)
            .within(Scope::CredentialModel),
        Rule::word(&["resourcenotfound", "resourcenotfoundexception"], Kind::ModelUnavailable),
        Rule::word(&["contenttoolargeexception", "requestentitytoolargeexception"], Kind::ContextOverflow),
        Rule::word(&["unknownoperationexception", "unsupportedmediatypeexception"], Kind::Unsupported),
    ],
    // A request refused by validation: only the message tells why.
    general: &[
        Rule::text(
            &["exceeds the context", "context length", "expected maxlength", "total number of tokens"],
            Kind::ContextOverflow,
        )
        .at(400),
        Rule::text(
            &["end of its life", "resolve the foundation model", "marked by provider as legacy"],
            Kind::ModelUnavailable,
        )
        .at(400),
        Rule::text(
            &["access to the model", "operation not allowed", "not authorized", "unsupported countries"],
            Kind::Forbidden,
        )
        .at(400),
        Rule::text(
            &["content filter", "blocked by", "responsible ai", "content policy", "usage policy"],
            Kind::ContentPolicy,
        )
        .at(400),
        Rule::text(&["unable to process your request"], Kind::Overloaded).at(400),
        // A limitation of this model or this host; another target may be able to serve the request.
        Rule::text(
            &[
                "n't support",
                "not support",
                "n't currently support",
                "unsupported",
                "exceeds the model limit",
                "pre-fill",
                "prefill",
                "not available in this region",
                "not enabled for",
                // A field of the body's top level, which differs from model to model.
                "#: extraneous key",
            ],
            Kind::Unsupported,
        )
        .at(400),
    ],
};

/// Classifies an unsuccessful reply.
pub(crate) fn reply(head: &Head, body: &[u8]) -> Error {
    let mut body = ErrorBody::read(&String::from_utf8_lossy(body));
    if let Some(name) = head.header("x-amzn-errortype").map(exception_name).filter(|name| !name.is_empty()) {
        name.clone_into(&mut body.code);
    }
    let status = head.status.as_u16();
    let error = body.error(Some(status)).with_status(status);
    error.with_retry_after(retry_after(head))
}

/// Classifies an exception with this name inside a stream.
pub(crate) fn in_stream(code: &str, data: &[u8]) -> Error {
    in_reply(code, data).unwrap_or_else(|| {
        ErrorBody { code: exception_name(code).to_owned(), ..ErrorBody::default() }.error(None)
    })
}

/// Classifies a body that should have been an answer, if it is an error.
pub(crate) fn in_reply(code: &str, data: &[u8]) -> Option<Error> {
    let mut body = ErrorBody::read(&String::from_utf8_lossy(data));
    if !code.is_empty() {
        exception_name(code).clone_into(&mut body.code);
    }
    (!body.code.is_empty() || !body.message.is_empty()).then(|| body.error(None))
}

/// An exception's name, without the namespace before `#` and anything after `:`.
fn exception_name(name: &str) -> &str {
    let name = name.split(':').next().unwrap_or_default();
    name.rsplit('#').next().unwrap_or_default().trim()
}

#[derive(Debug, Default)]
struct ErrorBody {
    message: String,
    /// Whether the message is from a field that this wire does not have.
    foreign: bool,
    code: String,
}

impl ErrorBody {
    fn read(text: &str) -> Self {
        let text = text.trim();
        let Ok(value) = serde_json::from_str::<Value>(text) else {
            return Self { message: plain_message(text).to_owned(), ..Self::default() };
        };
        // One of the host's frontends wraps its errors once more.
        let value = value.get("Output").unwrap_or(&value);
        let word = |names: &[&str]| {
            let found = names.iter().find_map(|name| value.get(name).and_then(Value::as_str));
            found.unwrap_or_default().to_owned()
        };
        let own = word(&["message", "Message", "originalMessage", "errorMessage"]);
        let (message, foreign) = own_or_foreign(Some(&own), value);
        let message = message.to_owned();
        let code = word(&["__type", "code", "Code"]);
        Self { message, foreign, code: exception_name(&code).to_owned() }
    }

    fn error(&self, status: Option<u16>) -> Error {
        let error = self.classification(status).error(self.message.clone());
        if self.code.is_empty() { error } else { error.with_code(self.code.clone()) }
    }

    fn classification(&self, status: Option<u16>) -> Classification {
        // Some messages use typographic apostrophes.
        let lower = self.message.to_ascii_lowercase().replace('\u{2019}', "'");
        // There is no status inside a stream, but this name always has the same one.
        let refused = self.code.eq_ignore_ascii_case("ValidationException").then_some(400);
        let status = refused.or(status);
        let words = &[&*self.code];
        let fields = ErrorFields::new(status, words, &lower).with_foreign_text(self.foreign);
        apply_rules(&RULES, &fields)
    }
}

#[cfg(test)]
mod tests;
