//! One connection: requests in, answers or faults out.
//!
//! Invariant: a client that disconnects during an answer is noticed at once; when the server stops listening,
//! connections are reset rather than closed, as when a process is killed.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::binary;
use super::encoder::{ParsedRequest, ReplyEncoder, WireFormat};
use super::schema;
use super::{Settings, Shared};
use crate::fault::Fault;

/// Limits for the size of request heads and bodies.
const HEAD_LIMIT: usize = 64 << 10;
const BODY_LIMIT: usize = 64 << 20;

/// Serves a connection until either side ends it.
pub(super) async fn serve(shared: Arc<Shared>, stream: TcpStream, mut listening: watch::Receiver<bool>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut connection =
        Connection { stream, buffer: Vec::with_capacity(4_096), shared, bytes_until_reset: None };
    let close_mode = tokio::select! {
        close_mode = connection.run() => close_mode,
        _ = listening.wait_for(|listening| !*listening) => CloseMode::Reset,
    };
    if close_mode == CloseMode::Reset {
        // The client gets a reset even if data is unread or unsent.
        let _ = connection.stream.set_zero_linger();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CloseMode {
    Fin,
    Reset,
}

/// The connection must be closed, in this way.
struct Disconnect(CloseMode);

impl From<std::io::Error> for Disconnect {
    fn from(_: std::io::Error) -> Self {
        Self(CloseMode::Fin)
    }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    shared: Arc<Shared>,
    /// Number of bytes left before the connection is reset.
    bytes_until_reset: Option<usize>,
}

struct Request {
    path: String,
    key: Option<String>,
    body: Vec<u8>,
}

impl Connection {
    async fn run(&mut self) -> CloseMode {
        loop {
            let idle = self.shared.settings().idle;
            let request = match tokio::time::timeout(idle, self.read_request()).await {
                Ok(Ok(Some(request))) => request,
                Ok(Err(Disconnect(close_mode))) => return close_mode,
                _ => return CloseMode::Fin,
            };
            // Read again for each request: they may have changed while the connection was idle.
            let settings = self.shared.settings();
            let shared = Arc::clone(&self.shared);
            match self.answer(&settings, &request).await {
                Ok(()) => shared.completed(),
                Err(Disconnect(close_mode)) => return close_mode,
            }
        }
    }

    async fn read_request(&mut self) -> Result<Option<Request>, Disconnect> {
        let head_end = loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if self.buffer.len() > HEAD_LIMIT || self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..head_end]).into_owned();
        let mut lines = head.lines();
        let path = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
        let header = |name: &str| {
            head.lines().find_map(|line| {
                let (field, value) = line.split_once(':')?;
                field.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let length: usize = header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
        if length > BODY_LIMIT {
            return Ok(None);
        }
        while self.buffer.len() < head_end + length {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
        let body = self.buffer[head_end..head_end + length].to_vec();
        self.buffer.drain(..head_end + length);
        let bearer =
            header("authorization").and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned));
        let key = bearer.or_else(|| header("x-api-key")).or_else(|| header("x-goog-api-key"));
        Ok(Some(Request { path, key, body }))
    }

    async fn answer(&mut self, settings: &Settings, request: &Request) -> Result<(), Disconnect> {
        let encoder = ReplyEncoder {
            wire: settings.wire,
            model: &settings.model,
            id: self.shared.requests.load(std::sync::atomic::Ordering::Relaxed) + 1,
            prompt_tokens: request.body.len() as u64 / 4,
        };
        if request.path.ends_with("/models") {
            let body =
                format!(r#"{{"object":"list","data":[{{"id":"{}","object":"model"}}]}}"#, settings.model);
            return self.send_response(200, "application/json", "", &body).await;
        }
        let fault = self.shared.next_request();
        if settings.key.is_some() && settings.key != request.key {
            let body =
                encoder.error_body("authentication_error", "invalid_api_key", "Incorrect API key provided");
            return self.send_response(401, "application/json", "", &body).await;
        }
        let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
            let body = encoder.error_body("invalid_request_error", "invalid_json", "the body is not JSON");
            return self.send_response(400, "application/json", "", &body).await;
        };
        let is_embedding =
            ["/embeddings", ":batchEmbedContents"].iter().any(|end| request.path.ends_with(end));
        let parsed = if is_embedding {
            ParsedRequest::default()
        } else {
            ParsedRequest::parse(settings.wire, &request.path, &body)
        };
        if settings.wire == WireFormat::Anthropic && parsed.prefill.ends_with(char::is_whitespace) {
            let what = "messages: final assistant content cannot end with trailing whitespace";
            let body = encoder.error_body("invalid_request_error", "invalid_value", what);
            return self.send_response(400, "application/json", "", &body).await;
        }
        if let Some((code, message)) = schema::refusal(settings.wire, &body) {
            let body = encoder.error_body("invalid_request_error", code, &message);
            return self.send_response(400, "application/json", "", &body).await;
        }
        self.bytes_until_reset = match fault {
            Some(Fault::ResetAfterBytes(bytes)) => usize::try_from(bytes).ok(),
            _ => None,
        };
        match fault {
            Some(fault) if self.replace_answer(fault, &encoder).await? => Ok(()),
            fault if parsed.stream => self.send_stream(settings, &encoder, &parsed, fault).await,
            fault if is_embedding => {
                self.send_unstreamed(settings, &encoder, 0, &encoder.embeddings_body(&body), fault).await
            }
            fault => {
                let words = parsed.remaining_words(&settings.answer);
                let calls = parsed.calls(settings);
                let body = encoder.body(&words.concat(), &calls, words.len());
                self.send_unstreamed(settings, &encoder, words.len(), &body, fault).await
            }
        }
    }

    /// Applies a fault that replaces the whole answer; returns false for any other fault.
    async fn replace_answer(&mut self, fault: Fault, encoder: &ReplyEncoder<'_>) -> Result<bool, Disconnect> {
        match fault {
            Fault::Refuse | Fault::ResetBeforeHead => return Err(Disconnect(CloseMode::Reset)),
            Fault::CloseBeforeHead => return Err(Disconnect(CloseMode::Fin)),
            Fault::Silence => self.wait(None).await?,
            Fault::Status(status) => {
                let (kind, code) = match status {
                    401 => ("authentication_error", "invalid_api_key"),
                    402 => ("billing_error", "payment_required"),
                    404 => ("not_found_error", "model_not_found"),
                    400 => ("invalid_request_error", "invalid_value"),
                    429 => ("rate_limit_error", "rate_limit_exceeded"),
                    503 | 529 => ("overloaded_error", "server_is_overloaded"),
                    _ => ("api_error", "server_error"),
                };
                self.send_response(
                    status,
                    "application/json",
                    "",
                    &encoder.error_body(kind, code, "injected"),
                )
                .await?;
            }
            Fault::RateLimited(seconds) => {
                let pause = if seconds > 0 { format!("retry-after: {seconds}\r\n") } else { String::new() };
                let body =
                    encoder.error_body("rate_limit_error", "rate_limit_exceeded", "Rate limit reached");
                self.send_response(429, "application/json", &pause, &body).await?;
            }
            Fault::QuotaExhausted if encoder.wire == WireFormat::Anthropic => {
                let message = "Your credit balance is too low to access the API";
                let body = encoder.error_body("invalid_request_error", "", message);
                self.send_response(400, "application/json", "", &body).await?;
            }
            Fault::QuotaExhausted => {
                let message = "You exceeded your current quota";
                let body = encoder.error_body("insufficient_quota", "insufficient_quota", message);
                self.send_response(429, "application/json", "", &body).await?;
            }
            Fault::Empty200 => self.send_response(200, "application/json", "", "").await?,
            Fault::Html200 => {
                self.send_response(200, "text/html", "", "<html><body>Welcome</body></html>").await?
            }
            // An end without a beginning; on a wire without an end marker, no event at all.
            Fault::OnlyDone if encoder.wire == WireFormat::Bedrock => {
                self.send_response(200, encoder.wire.stream_content_type(), "", "").await?;
            }
            Fault::OnlyDone => self.send_response(200, "text/event-stream", "", "data: [DONE]\n\n").await?,
            Fault::HugeLine => self.send_huge("text/event-stream", "data: ", 10 << 20).await?,
            Fault::HugeBody => self.send_huge("application/json", "{\"x\":\"", 50 << 20).await?,
            Fault::HeaderBomb => {
                let padding = format!("x-bomb: {}\r\n", "x".repeat(8_000)).repeat(200);
                self.send_response(200, "application/json", &padding, "{}").await?;
            }
            Fault::OnlyPings => {
                self.send_stream_head(encoder.wire.stream_content_type()).await?;
                loop {
                    self.send_chunk(&encoder.ping_frame()).await?;
                    self.wait(Some(Duration::from_millis(50))).await?;
                }
            }
            // Inside the answer.
            Fault::CleanEndAfter(_)
            | Fault::CutAfter(_)
            | Fault::ErrorEventAfter(_)
            | Fault::MalformedAfter(_)
            | Fault::ResetAfterBytes(_)
            | Fault::SlowDrip(_)
            | Fault::SlowFirstToken(_)
            | Fault::StallAfter(_) => return Ok(false),
        }
        Ok(true)
    }

    async fn send_stream(
        &mut self,
        settings: &Settings,
        encoder: &ReplyEncoder<'_>,
        parsed: &ParsedRequest,
        fault: Option<Fault>,
    ) -> Result<(), Disconnect> {
        let (mut first, mut gap) = (settings.first_token, settings.gap);
        match fault {
            Some(Fault::SlowFirstToken(time)) => first = time,
            Some(Fault::SlowDrip(time)) => gap = time,
            _ => {}
        }
        let paced = !gap.is_zero() || fault.is_some();
        let mut out = String::new();
        self.send_stream_head(encoder.wire.stream_content_type()).await?;
        out.push_str(&encoder.start_frames());
        if !first.is_zero() || paced {
            self.send_chunk(&std::mem::take(&mut out)).await?;
            self.wait(Some(first)).await?;
        }
        let calls = parsed.calls(settings);
        if !calls.is_empty() {
            let frames = encoder.tool_call_frames(&calls, settings.interleaved);
            for (at, frames) in frames.iter().enumerate() {
                self.inject_at(at, fault, encoder).await?;
                out.push_str(frames);
                if paced {
                    self.send_chunk(&std::mem::take(&mut out)).await?;
                    self.wait(Some(gap)).await?;
                }
            }
            self.send_chunk(&out).await?;
            return self.send(b"0\r\n\r\n").await;
        }
        let words = parsed.remaining_words(&settings.answer);
        for (at, word) in words.iter().enumerate() {
            self.inject_at(at, fault, encoder).await?;
            out.push_str(&encoder.token_frames(at, word));
            if paced {
                self.send_chunk(&std::mem::take(&mut out)).await?;
                self.wait(Some(gap)).await?;
            }
        }
        self.inject_at(words.len(), fault, encoder).await?;
        out.push_str(&encoder.end_frames(&words, parsed.include_usage));
        self.send_chunk(&out).await?;
        self.send(b"0\r\n\r\n").await
    }

    /// Applies a fault inside a stream, before the token with this index.
    async fn inject_at(
        &mut self,
        at: usize,
        fault: Option<Fault>,
        encoder: &ReplyEncoder<'_>,
    ) -> Result<(), Disconnect> {
        let here = |n: u32| usize::try_from(n) == Ok(at);
        match fault {
            Some(Fault::CutAfter(n)) if here(n) => Err(Disconnect(CloseMode::Fin)),
            Some(Fault::StallAfter(n)) if here(n) => self.wait(None).await,
            Some(Fault::CleanEndAfter(n)) if here(n) => {
                self.send(b"0\r\n\r\n").await?;
                Err(Disconnect(CloseMode::Fin))
            }
            Some(Fault::ErrorEventAfter(n)) if here(n) => {
                self.send_chunk(&encoder.error_event()).await?;
                self.send(b"0\r\n\r\n").await?;
                Err(Disconnect(CloseMode::Fin))
            }
            Some(Fault::MalformedAfter(n)) if here(n) => {
                self.send_chunk("data: {\"choices\":[{\"del\n\n").await
            }
            _ => Ok(()),
        }
    }

    async fn send_unstreamed(
        &mut self,
        settings: &Settings,
        encoder: &ReplyEncoder<'_>,
        tokens: usize,
        body: &str,
        fault: Option<Fault>,
    ) -> Result<(), Disconnect> {
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        let time = match fault {
            Some(Fault::SlowFirstToken(time)) => time + settings.gap * tokens,
            Some(Fault::SlowDrip(time)) => settings.first_token + time * tokens,
            _ => settings.first_token + settings.gap * tokens,
        };
        if !time.is_zero() {
            self.wait(Some(time)).await?;
        }
        let half = body.len() / 2;
        match fault {
            Some(Fault::StallAfter(_)) => self.wait(None).await,
            Some(Fault::CutAfter(_)) => {
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                self.send(head.as_bytes()).await?;
                self.send(&body.as_bytes()[..half]).await?;
                Err(Disconnect(CloseMode::Fin))
            }
            Some(Fault::CleanEndAfter(_) | Fault::MalformedAfter(_)) => {
                let cut = String::from_utf8_lossy(&body.as_bytes()[..half]).into_owned();
                self.send_response(200, "application/json", "", &cut).await
            }
            Some(Fault::ErrorEventAfter(_)) => {
                let body = encoder.error_body("overloaded_error", "server_is_overloaded", "Overloaded");
                self.send_response(200, "application/json", "", &body).await
            }
            _ => self.send_response(200, "application/json", "", body).await,
        }
    }

    async fn send_response(
        &mut self,
        status: u16,
        kind: &str,
        headers: &str,
        body: &str,
    ) -> Result<(), Disconnect> {
        let out = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\nx-request-id: req-{}\r\n{headers}{}content-length: {}\r\n\r\n{body}",
            self.shared.requests.load(std::sync::atomic::Ordering::Relaxed),
            self.shared.settings().headers,
            body.len(),
        );
        self.send(out.as_bytes()).await
    }

    async fn send_huge(&mut self, kind: &str, start: &str, size: usize) -> Result<(), Disconnect> {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{start}",
            size + start.len()
        );
        self.send(head.as_bytes()).await?;
        let piece = vec![b'x'; 64 << 10];
        for _ in 0..size / piece.len() {
            self.send(&piece).await?;
        }
        Ok(())
    }

    async fn send_stream_head(&mut self, kind: &str) -> Result<(), Disconnect> {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncache-control: no-cache\r\nx-request-id: req-{}\r\n{}transfer-encoding: chunked\r\n\r\n",
            self.shared.requests.load(std::sync::atomic::Ordering::Relaxed),
            self.shared.settings().headers,
        );
        self.send(head.as_bytes()).await
    }

    async fn send_chunk(&mut self, text: &str) -> Result<(), Disconnect> {
        let body = match self.shared.settings().wire {
            WireFormat::Bedrock => binary::encode(text),
            _ => text.as_bytes().to_vec(),
        };
        let mut out = format!("{:x}\r\n", body.len()).into_bytes();
        out.extend(body);
        out.extend(b"\r\n");
        self.send(&out).await
    }

    /// Sends bytes, or as many of them as the fault allows.
    async fn send(&mut self, bytes: &[u8]) -> Result<(), Disconnect> {
        let whole = bytes.len();
        let sent = self.bytes_until_reset.map_or(whole, |left| left.min(whole));
        if self.stream.write_all(&bytes[..sent]).await.is_err() {
            self.shared.cancelled();
            return Err(Disconnect(CloseMode::Fin));
        }
        self.bytes_until_reset = self.bytes_until_reset.map(|left| left - sent);
        if sent < whole { Err(Disconnect(CloseMode::Reset)) } else { Ok(()) }
    }

    /// Waits for this time, or forever if `None`, unless the client disconnects.
    async fn wait(&mut self, time: Option<Duration>) -> Result<(), Disconnect> {
        if time.is_some_and(|time| time.is_zero()) {
            return Ok(());
        }
        let pause = async {
            match time {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        let mut byte = [0u8; 1];
        tokio::select! {
            () = pause => Ok(()),
            read = self.stream.read(&mut byte) => match read {
                // A client that sends more before it has its answer has to wait.
                Ok(1) => {
                    self.buffer.push(byte[0]);
                    Ok(())
                }
                _ => {
                    self.shared.cancelled();
                    Err(Disconnect(CloseMode::Fin))
                }
            },
        }
    }
}
