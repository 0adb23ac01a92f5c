//! Deserializes a reply in place.
//!
//! Derived code builds each struct and moves it up level by level; for a frame with one word in it, that costs as much
//! as parsing it. No more lenient than the types of the fields. Invariant: the last value of a repeated field wins, and
//! `null` reads as missing.

use std::fmt;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Choice, Choices, Delta, Reply, ToolCall};

impl<'a> Reply<'a> {
    /// Deserializes a whole frame.
    pub(crate) fn read(text: &'a str) -> Result<Self, serde_json::Error> {
        let mut reply = Self::default();
        let mut json = serde_json::Deserializer::from_str(text);
        if !InPlaceSeed(&mut reply).deserialize(&mut json)? {
            return Err(serde_json::Error::custom("null is no reply"));
        }
        json.end()?;
        Ok(reply)
    }
}

/// A type with named fields.
trait ReadField<'de> {
    type FieldName: Deserialize<'de>;

    /// Deserializes the value of one field.
    fn field<A: MapAccess<'de>>(&mut self, name: Self::FieldName, map: &mut A) -> Result<(), A::Error>;
}

/// Deserializes into an existing value; returns false for `null`.
struct InPlaceSeed<'p, T>(&'p mut T);

impl<'de, T: ReadField<'de>> DeserializeSeed<'de> for InPlaceSeed<'_, T> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: ReadField<'de>> Visitor<'de> for InPlaceSeed<'_, T> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, or null")
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        while let Some(name) = map.next_key()? {
            self.0.field(name, &mut map)?;
        }
        Ok(true)
    }
}

/// Deserializes the list of choices, storing the first one without a list around it.
struct ChoicesSeed<'p, 'a>(&'p mut Choices<'a>);

impl<'de> DeserializeSeed<'de> for ChoicesSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ChoicesSeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of choices, or null")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Choices { first, more } = self.0;
        if list.next_element_seed(InPlaceSeed(first.insert(Choice::default())))?.is_none() {
            *first = None;
            return Ok(());
        }
        loop {
            let mut choice = Choice::default();
            if list.next_element_seed(InPlaceSeed(&mut choice))?.is_none() {
                return Ok(());
            }
            more.push(choice);
        }
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum ReplyField {
    BaseResp,
    Choices,
    Citations,
    Error,
    Id,
    Model,
    Object,
    ServiceTier,
    Usage,
    XGroq,
    #[serde(other)]
    Unknown,
}

impl<'de> ReadField<'de> for Reply<'de> {
    type FieldName = ReplyField;

    fn field<A: MapAccess<'de>>(&mut self, name: ReplyField, map: &mut A) -> Result<(), A::Error> {
        match name {
            ReplyField::BaseResp => self.base_resp = map.next_value()?,
            ReplyField::Choices => map.next_value_seed(ChoicesSeed(&mut self.choices))?,
            ReplyField::Citations => self.citations = map.next_value()?,
            ReplyField::Error => self.error = map.next_value()?,
            ReplyField::Id => self.id = map.next_value()?,
            ReplyField::Model => self.model = map.next_value()?,
            ReplyField::Object => self.object = map.next_value()?,
            ReplyField::ServiceTier => self.service_tier = map.next_value()?,
            ReplyField::Usage => self.usage = map.next_value()?,
            ReplyField::XGroq => self.x_groq = map.next_value()?,
            ReplyField::Unknown => skip(map)?,
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum ChoiceField {
    Delta,
    Error,
    FinishReason,
    Index,
    Logprobs,
    Message,
    NativeFinishReason,
    Text,
    Usage,
    #[serde(other)]
    Unknown,
}

impl<'de> ReadField<'de> for Choice<'de> {
    type FieldName = ChoiceField;

    fn field<A: MapAccess<'de>>(&mut self, name: ChoiceField, map: &mut A) -> Result<(), A::Error> {
        match name {
            ChoiceField::Delta => {
                if !map.next_value_seed(InPlaceSeed(self.delta.insert(Delta::default())))? {
                    self.delta = None;
                }
            }
            ChoiceField::Error => self.error = map.next_value()?,
            ChoiceField::FinishReason => self.finish_reason = map.next_value()?,
            ChoiceField::Index => self.index = map.next_value()?,
            ChoiceField::Logprobs => self.logprobs = map.next_value()?,
            ChoiceField::Message => {
                if !map.next_value_seed(InPlaceSeed(&mut **self.message.insert(Box::default())))? {
                    self.message = None;
                }
            }
            ChoiceField::NativeFinishReason => self.native_finish_reason = map.next_value()?,
            ChoiceField::Text => self.text = map.next_value()?,
            ChoiceField::Usage => self.usage = map.next_value()?,
            ChoiceField::Unknown => skip(map)?,
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum DeltaField {
    Annotations,
    Audio,
    Content,
    FunctionCall,
    Images,
    Reasoning,
    ReasoningContent,
    ReasoningDetails,
    ReasoningText,
    Refusal,
    ToolCalls,
    #[serde(other)]
    Unknown,
}

impl<'de> ReadField<'de> for Delta<'de> {
    type FieldName = DeltaField;

    fn field<A: MapAccess<'de>>(&mut self, name: DeltaField, map: &mut A) -> Result<(), A::Error> {
        match name {
            DeltaField::Annotations => self.annotations = map.next_value()?,
            DeltaField::Audio => self.audio = map.next_value()?,
            DeltaField::Content => self.content = map.next_value()?,
            DeltaField::FunctionCall => self.function_call = map.next_value()?,
            DeltaField::Images => self.images = map.next_value()?,
            DeltaField::Reasoning => self.reasoning = map.next_value()?,
            DeltaField::ReasoningContent => self.reasoning_content = map.next_value()?,
            DeltaField::ReasoningDetails => self.reasoning_details = map.next_value()?,
            DeltaField::ReasoningText => self.reasoning_text = map.next_value()?,
            DeltaField::Refusal => self.refusal = map.next_value()?,
            DeltaField::ToolCalls => self.tool_calls = map.next_value::<OneOrMany<'de>>()?.0,
            DeltaField::Unknown => skip(map)?,
        }
        Ok(())
    }
}

/// Tool calls; one host sends a call without the list around it.
struct OneOrMany<'a>(Option<Vec<ToolCall<'a>>>);

impl<'de> Deserialize<'de> for OneOrMany<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Calls;

        impl<'de> Visitor<'de> for Calls {
            type Value = OneOrMany<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of tool calls, one of them, or null")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(OneOrMany(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                ToolCall::deserialize(MapAccessDeserializer::new(map)).map(|call| OneOrMany(Some(vec![call])))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(|calls| OneOrMany(Some(calls)))
            }
        }

        deserializer.deserialize_any(Calls)
    }
}

fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(|_| ())
}
