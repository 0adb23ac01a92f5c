//! Reads request bodies within limits of size, time and memory.
//!
//! Does not parse them. Invariant: a body that is too large according to its headers is refused before it is read; the
//! bodies of all in-flight requests together stay within their memory limit.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, EXPECT};
use hotspare::{Error, Kind, provider};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::refusal;

/// Memory per byte of a request body: as received, as parsed, and as sent.
pub(crate) const COPIES: usize = 3;

/// Memory of a parsed value, however short it is in the body.
const VALUE_BYTES: usize = 64;

/// Memory is accounted in permits of this many bytes.
const PERMIT_BYTES: usize = 1 << 10;

/// When a client should retry if there was no memory for its body.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How much of a refused body is still read, and for how long.
const DISCARD_LIMIT: (usize, Duration) = (64 << 20, Duration::from_secs(2));

/// The limits, and the memory in use.
#[derive(Debug)]
pub(crate) struct Uploads {
    max_bytes: usize,
    time: Duration,
    permits: usize,
    available: Arc<Semaphore>,
}

/// The memory reserved for one body, until dropped.
#[derive(Debug)]
pub(crate) struct BodyMemory(OwnedSemaphorePermit);

impl Uploads {
    /// Allows bodies of `max_bytes` bytes, each within `time`, and `memory` bytes for all together.
    pub(crate) fn new(max_bytes: usize, time: Duration, memory: usize) -> Self {
        let permits = permits_for(memory).min(Semaphore::MAX_PERMITS);
        Self { max_bytes, time, permits, available: Arc::new(Semaphore::new(permits)) }
    }

    /// Maximum memory in bytes for all bodies together.
    pub(crate) fn memory(&self) -> usize {
        self.permits * PERMIT_BYTES
    }

    /// Memory in bytes in use.
    pub(crate) fn used(&self) -> usize {
        (self.permits - self.available.available_permits()) * PERMIT_BYTES
    }

    /// Reads a body. Keep the returned reservation until the request is answered.
    pub(crate) async fn read(
        &self,
        headers: &HeaderMap,
        mut body: Body,
    ) -> Result<(Vec<u8>, BodyMemory), Error> {
        let read = self.accept(headers, &mut body).await;
        if read.is_err() {
            discard(headers, body);
        }
        let (text, mut reserved) = read?;
        // One of the copies is the parsed body, which takes more than the text if its values are short.
        let parsed = provider::count_values(&text).saturating_mul(VALUE_BYTES);
        let total = permits_for(text.len().saturating_mul(COPIES - 1).saturating_add(parsed));
        if total > self.permits {
            let what = format!(
                "the body's {} values take {} bytes when parsed, more than the gateway has for all bodies: send fewer or raise server.max_body_memory_bytes",
                parsed / VALUE_BYTES,
                total.saturating_mul(PERMIT_BYTES),
            );
            return Err(Error::new(Kind::InvalidRequest, what).with_status(413));
        }
        let missing = total.saturating_sub(reserved.0.num_permits());
        reserved.0.merge(self.reserve(missing)?);
        Ok((text, reserved))
    }

    async fn accept(&self, headers: &HeaderMap, body: &mut Body) -> Result<(Vec<u8>, BodyMemory), Error> {
        check_content_encoding(headers)?;
        let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if declared > self.max_bytes {
            return Err(self.too_large());
        }
        // Only checked, not reserved: a client that announces much and sends nothing would block the others.
        if permits_for(declared.saturating_mul(COPIES)) > self.available.available_permits() {
            return Err(no_memory());
        }
        let read = tokio::time::timeout(self.time, self.collect(body, declared)).await;
        read.map_err(|_| {
            let what = format!("the body did not arrive within {:?}", self.time);
            Error::new(Kind::InvalidRequest, what).with_status(408)
        })?
    }

    async fn collect(&self, body: &mut Body, declared: usize) -> Result<(Vec<u8>, BodyMemory), Error> {
        let mut reserved = BodyMemory(self.reserve(1)?);
        let mut text = Vec::with_capacity(declared.min(64 * PERMIT_BYTES));
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|error| body_error(&error))?.into_data() else { continue };
            let size = text.len() + data.len();
            if size > self.max_bytes {
                return Err(self.too_large());
            }
            let missing = permits_for(size.saturating_mul(COPIES)).saturating_sub(reserved.0.num_permits());
            reserved.0.merge(self.reserve(missing)?);
            text.extend_from_slice(&data);
        }
        Ok((text, reserved))
    }

    fn reserve(&self, permits: usize) -> Result<OwnedSemaphorePermit, Error> {
        let permits = u32::try_from(permits).map_err(|_| no_memory())?;
        Arc::clone(&self.available).try_acquire_many_owned(permits).map_err(|_| no_memory())
    }

    fn too_large(&self) -> Error {
        let what = format!("the body is larger than {} bytes", self.max_bytes);
        Error::new(Kind::InvalidRequest, what).with_status(413)
    }
}

/// Reads on in the background after a request was refused: a client that sends its whole body before it reads would see a
/// broken connection instead of the refusal.
pub(crate) fn discard(headers: &HeaderMap, mut body: Body) {
    // A client that waits for permission has sent nothing.
    if headers.contains_key(EXPECT) || body.is_end_stream() {
        return;
    }
    let (max_bytes, time) = DISCARD_LIMIT;
    tokio::spawn(tokio::time::timeout(time, async move {
        let mut size = 0;
        while let Some(Ok(frame)) = body.frame().await {
            size += frame.data_ref().map_or(0, bytes::Bytes::len);
            if size > max_bytes {
                break;
            }
        }
    }));
}

fn permits_for(bytes: usize) -> usize {
    bytes.div_ceil(PERMIT_BYTES)
}

fn check_content_encoding(headers: &HeaderMap) -> Result<(), Error> {
    let encoding = headers.get(CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("unknown").trim());
    match encoding {
        None | Some("" | "identity") => Ok(()),
        Some(encoding) => {
            let what = format!("the body's content-encoding is {encoding}: send it without one");
            Err(Error::new(Kind::InvalidRequest, what).with_status(415))
        }
    }
}

fn no_memory() -> Error {
    Error::new(Kind::NoTarget, "the gateway has no memory left for another body of this size; retry")
        .with_code(refusal::NO_MEMORY)
        .with_retry_after(RETRY_AFTER)
}

fn body_error(error: &axum::Error) -> Error {
    let mut source = error.source();
    let mut disconnected = false;
    while let Some(cause) = source {
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        let hyper = cause.downcast_ref::<hyper::Error>();
        disconnected |= matches!(
            io,
            Some(
                io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
            )
        ) || hyper.is_some_and(|error| error.is_incomplete_message() || error.is_canceled());
        source = cause.source();
    }
    let what = "the body ended early, or its chunks are damaged";
    let error = Error::new(Kind::InvalidRequest, what).with_status(400);
    if disconnected { error.with_code(refusal::CUT_OFF) } else { error }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn uploads(memory: usize) -> Uploads {
        Uploads::new(10 * PERMIT_BYTES, Duration::from_secs(60), memory)
    }

    fn body(pieces: usize) -> Body {
        Body::from_stream(stream::iter((0..pieces).map(|_| Ok::<_, io::Error>(vec![b'x'; PERMIT_BYTES]))))
    }

    #[tokio::test]
    async fn a_body_of_many_short_values_counts_what_it_takes_when_parsed() {
        let read = async |memory: usize, text: String| {
            let uploads = uploads(memory);
            let size = text.len();
            let read = uploads.read(&HeaderMap::new(), Body::from(text)).await;
            (
                size,
                read.map(|(_, kept)| (uploads.used(), drop(kept)).0)
                    .map_err(|error| (error.kind(), error.status())),
            )
        };
        let stops = |count: usize| format!("[{}1]", "1,".repeat(count - 1));
        let (size, used) = read(1 << 20, stops(4_000)).await;
        let expected = permits_for((COPIES - 1) * size + 4_001 * VALUE_BYTES) * PERMIT_BYTES;
        assert!(used == Ok(expected) && expected > 200_000, "{used:?} {expected}");
        assert_eq!(
            read(100 << 10, stops(4_000)).await.1,
            Err((Kind::InvalidRequest, Some(413))),
            "it never fits"
        );
        let (size, used) = read(1 << 20, format!("[\"{}\"]", "x".repeat(8_000))).await;
        assert_eq!(used, Ok(permits_for(COPIES * size) * PERMIT_BYTES), "long texts take no more");
    }

    #[tokio::test]
    async fn upload_memory_is_reserved_on_arrival_and_released_after_the_answer() {
        let uploads = uploads(COPIES * 20 * PERMIT_BYTES);
        let headers = HeaderMap::new();
        let (text, first) = uploads.read(&headers, body(10)).await.unwrap();
        assert_eq!((text.len(), uploads.used()), (10 * PERMIT_BYTES, COPIES * 10 * PERMIT_BYTES));
        let second = uploads.read(&headers, body(8)).await.unwrap();
        for late in [body(3), Body::from(vec![b'x'; 3 * PERMIT_BYTES])] {
            let error = uploads.read(&headers, late).await.unwrap_err();
            assert_eq!((error.code(), error.retry_after()), (Some(refusal::NO_MEMORY), Some(RETRY_AFTER)));
        }
        assert_eq!(uploads.used(), COPIES * 18 * PERMIT_BYTES, "a rejected body holds no memory");
        drop((first, second));
        assert_eq!(uploads.used(), 0);
        assert!(uploads.read(&headers, body(10)).await.is_ok());
        assert_eq!(uploads.read(&headers, body(11)).await.unwrap_err().status(), Some(413));
    }
}
