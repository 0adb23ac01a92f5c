//! Signed and encrypted reasoning, sent back to the host that signed it.
//!
//! Does not check the origin: signatures of other hosts have been removed before. Invariant: a signature goes back
//! exactly as the host sent it.

use hotspare_core::{Part, Reasoning};
use hotspare_provider::fields::Fields;
use serde::ser::{Error, Serialize, SerializeSeq, Serializer};
use serde_json::value::to_raw_value;

pub(super) fn is_signed(part: &Part) -> bool {
    matches!(part, Part::Reasoning(Reasoning { signature: Some(_), .. }))
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
            if !signature.redacted && !text.is_empty() {
                detail.entry("text".into()).or_insert(&text_json);
            }
            list.serialize_element(&detail)?;
        }
        list.end()
    }
}
