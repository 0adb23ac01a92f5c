//! `application/vnd.amazon.eventstream`: binary messages with named headers and two checksums.
//!
//! A message is: total length, length of its headers, CRC-32 of these 8 bytes (each a big-endian u32), headers,
//! payload, CRC-32 of everything before it. Payloads are not interpreted. The frame's name is the message's
//! `:event-type`; an exception or error has the prefix `exception:` or `error:` before the host's name for it, so it
//! cannot be confused with an event, and an error's data is its `:error-message`. Invariant: a message is emitted only
//! after both checksums match; a body that ends inside a message is truncated.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use hotspare_core::{Error, Kind};

use super::{FRAME_LIMIT, Frame, Framer};

/// Total length, length of headers, and their checksum.
const PRELUDE_LEN: usize = 12;
/// The checksum at the end.
const TRAILER_LEN: usize = 4;

/// Splits a body into event stream messages.
#[derive(Debug)]
pub struct EventStream {
    /// The bytes of an incomplete message.
    partial: BytesMut,
    /// The message length from the verified prelude.
    total: Option<usize>,
    limit: usize,
}

impl Default for EventStream {
    fn default() -> Self {
        Self::with_limit(FRAME_LIMIT)
    }
}

impl EventStream {
    /// Prefix of the name of a frame that reports an exception declared in the host's API.
    pub const EXCEPTION: &str = "exception:";
    /// Prefix of the name of a frame that reports any other failure.
    pub const ERROR: &str = "error:";

    /// Accepts messages of at most `limit` bytes.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self { partial: BytesMut::new(), total: None, limit }
    }

    /// The length of the message at the start of the buffer, once its prelude has arrived and its checksum matched.
    fn length(&mut self) -> Result<Option<usize>, Error> {
        if let Some(total) = self.total {
            return Ok(Some(total));
        }
        let Some(prelude) = self.partial.get(..PRELUDE_LEN) else { return Ok(None) };
        let (total, headers) = (size(prelude), size(&prelude[4..]));
        if crc32fast::hash(&prelude[..8]) != number(&prelude[8..]) {
            return Err(malformed("a message's first checksum is wrong"));
        }
        if total > self.limit {
            return Err(malformed(format!("a message is larger than {} bytes", self.limit)));
        }
        if headers.saturating_add(PRELUDE_LEN + TRAILER_LEN) > total {
            return Err(malformed("a message is shorter than its headers"));
        }
        self.total = Some(total);
        Ok(self.total)
    }
}

impl Framer for EventStream {
    fn push(&mut self, bytes: Bytes, out: &mut VecDeque<Frame>) -> Result<(), Error> {
        self.partial.extend_from_slice(&bytes);
        while let Some(total) = self.length()? {
            if self.partial.len() < total {
                break;
            }
            self.total = None;
            out.push_back(message(self.partial.split_to(total).freeze())?);
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut VecDeque<Frame>) -> Result<(), Error> {
        if self.partial.is_empty() {
            return Ok(());
        }
        Err(Error::new(Kind::Truncated, "the body ended inside a message"))
    }
}

/// Parses one message whose prelude has been verified.
fn message(whole: Bytes) -> Result<Frame, Error> {
    let checked = whole.len() - TRAILER_LEN;
    if crc32fast::hash(&whole[..checked]) != number(&whole[checked..]) {
        return Err(malformed("a message's checksum is wrong"));
    }
    let headers_end = PRELUDE_LEN + size(&whole[4..]);
    let headers = Headers::read(&whole[PRELUDE_LEN..headers_end])?;
    let payload = || whole.slice(headers_end..checked);
    let named = |prefix: &str, name: &[u8]| Some(Bytes::from([prefix.as_bytes(), name].concat()));
    let (name, data) = match headers.kind {
        Some(b"exception") => (named(EventStream::EXCEPTION, headers.exception), payload()),
        Some(b"error") => (named(EventStream::ERROR, headers.error), whole.slice_ref(headers.message)),
        _ => (headers.event.map(|event| whole.slice_ref(event)), payload()),
    };
    Ok(Frame { name, data, whole: false })
}

/// The headers that name a message; the others are skipped.
#[derive(Debug, Default)]
struct Headers<'a> {
    kind: Option<&'a [u8]>,
    event: Option<&'a [u8]>,
    exception: &'a [u8],
    error: &'a [u8],
    message: &'a [u8],
}

impl<'a> Headers<'a> {
    fn read(mut rest: &'a [u8]) -> Result<Self, Error> {
        let mut headers = Self::default();
        while rest.has_remaining() {
            let length = usize::from(rest.get_u8());
            let name = take(&mut rest, length)?;
            let kind = take(&mut rest, 1)?[0];
            // Header types: true, false, integers of 1, 2, 4 and 8 bytes, bytes and string (both length-prefixed),
            // timestamp, UUID.
            let length = match kind {
                0 | 1 => 0,
                2 => 1,
                3 => 2,
                4 => 4,
                5 | 8 => 8,
                6 | 7 => usize::from(take(&mut rest, 2)?.get_u16()),
                9 => 16,
                _ => return Err(malformed("a message's header has a type that does not exist")),
            };
            let value = take(&mut rest, length)?;
            match name {
                b":message-type" => headers.kind = Some(value),
                b":event-type" => headers.event = Some(value),
                b":exception-type" => headers.exception = value,
                b":error-code" => headers.error = value,
                b":error-message" => headers.message = value,
                _ => {}
            }
        }
        Ok(headers)
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], Error> {
    rest.split_off(..length).ok_or_else(|| malformed("a message's headers are truncated"))
}

/// The first four bytes as a big-endian integer; callers never pass fewer.
fn number(mut bytes: &[u8]) -> u32 {
    bytes.try_get_u32().unwrap_or(0)
}

fn size(bytes: &[u8]) -> usize {
    usize::try_from(number(bytes)).unwrap_or(usize::MAX)
}

fn malformed(what: impl Into<String>) -> Error {
    Error::new(Kind::Protocol, what)
}

#[cfg(test)]
mod tests;
