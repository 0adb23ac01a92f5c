//! The reasoning of earlier turns: signed or encrypted for the host that signed it, plain text for hosts that take it.
//!
//! Does not check the origin: signatures of other hosts have been removed before, which leaves visible reasoning as
//! plain text. Invariant: a signature goes back exactly as the host sent it.

use std::borrow::Cow;

use hotspare_core::{Message, Part, Reasoning, Role};
use hotspare_provider::fields::Fields;
use serde::ser::{Error, Serialize, SerializeSeq, Serializer};
use serde_json::value::to_raw_value;

use crate::dialect::Dialect;

pub(super) fn is_signed(part: &Part) -> bool {
    matches!(part, Part::Reasoning(Reasoning { signature: Some(_), .. }))
}

/// The reasoning of an assistant's turn that is sent as plain text, if there is any.
pub(super) fn plain_reasoning<'a>(message: &'a Message, dialect: &Dialect) -> Option<Cow<'a, str>> {
    if dialect.reasoning_fields.is_empty() {
        return None;
    }
    let texts = texts(message, dialect);
    match texts.as_slice() {
        [] => None,
        [one] => Some(Cow::Borrowed(one)),
        // Without a separator: they may be the pieces of a stream.
        more => Some(Cow::Owned(more.concat())),
    }
}

/// The blocks of an assistant's visible reasoning that the host has not signed.
pub(super) fn texts<'a>(message: &'a Message, dialect: &Dialect) -> Vec<&'a str> {
    let parts = message.parts.iter().filter(|_| message.role == Role::Assistant);
    let unsigned = parts.filter(|part| !(dialect.signs_reasoning && is_signed(part)));
    let text = |part: &'a Part| match part {
        Part::Reasoning(reasoning) if !reasoning.text.is_empty() => Some(reasoning.text.as_str()),
        _ => None,
    };
    unsigned.filter_map(text).collect()
}

/// The `reasoning_details` list of a turn.
pub(super) struct ReasoningDetails<'a>(pub(super) &'a [Part]);

impl Serialize for ReasoningDetails<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for part in self.0 {
            let Part::Reasoning(Reasoning { text, signature: Some(signature), .. }) = part else { continue };
            let text_json = to_raw_value(text).map_err(S::Error::custom)?;
            let Ok(mut detail) = serde_json::from_str::<Fields<'_>>(&signature.data) else { continue };
            // A stream sends the signature after the text that it covers.
            if !signature.redacted && !text.is_empty() && !detail.contains_key("summary") {
                detail.entry("text".into()).or_insert(&text_json);
            }
            list.serialize_element(&detail)?;
        }
        list.end()
    }
}
