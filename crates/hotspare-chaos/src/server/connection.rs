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
use super::speech::{Asked, Speech, WireFormat};
use super::{Settings, Shared};
use crate::fault::Fault;

/// Limits for the size of request heads and bodies.
const HEAD_LIMIT: usize = 64 << 10;
const BODY_LIMIT: usize = 64 << 20;

/// Serves a connection until either side ends it.
pub(super) async fn serve(shared: Arc<Shared>, stream: TcpStream, mut up: watch::Receiver<bool>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut connection = Connection { stream, buffer: Vec::with_capacity(4_096), shared, left: None };
    let ending = tokio::select! {
        ending = connection.run() => ending,
        _ = up.wait_for(|up| !*up) => Ending::Reset,
    };
    if ending == Ending::Reset {
        // Whatever is unread or unsent, the client gets a reset.
        let _ = connection.stream.set_zero_linger();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Closed,
    Reset,
}

/// The connection is over, and how it ends.
struct Gone(Ending);

impl From<std::io::Error> for Gone {
    fn from(_: std::io::Error) -> Self {
        Self(Ending::Closed)
    }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    shared: Arc<Shared>,
    /// Number of bytes left before the connection is reset.
    left: Option<usize>,
}

struct Request {
    path: String,
    key: Option<String>,
    body: Vec<u8>,
}

impl Connection {
    async fn run(&mut self) -> Ending {
        loop {
            let idle = self.shared.settings().idle;
            let request = match tokio::time::timeout(idle, self.request()).await {
                Ok(Ok(Some(request))) => request,
                Ok(Err(Gone(ending))) => return ending,
                _ => return Ending::Closed,
            };
            // Read again for each request: they may have changed while the connection was idle.
            let settings = self.shared.settings();
            let shared = Arc::clone(&self.shared);
            match self.answer(&settings, &request).await {
                Ok(()) => shared.completed(),
                Err(Gone(ending)) => return ending,
            }
        }
    }

    async fn request(&mut self) -> Result<Option<Request>, Gone> {
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

    async fn answer(&mut self, settings: &Settings, request: &Request) -> Result<(), Gone> {
        let speech = Speech {
            wire: settings.wire,
            model: &settings.model,
            id: self.shared.requests.load(std::sync::atomic::Ordering::Relaxed) + 1,
            prompt_tokens: request.body.len() as u64 / 4,
        };
        if request.path.ends_with("/models") {
            let body =
                format!(r#"{{"object":"list","data":[{{"id":"{}","object":"model"}}]}}"#, settings.model);
            return self.whole(200, "application/json", "", &body).await;
        }
        let fault = self.shared.next_request();
        if settings.key.is_some() && settings.key != request.key {
            let body = speech.error("authentication_error", "invalid_api_key", "Incorrect API key provided");
            return self.whole(401, "application/json", "", &body).await;
        }
        let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
            let body = speech.error("invalid_request_error", "invalid_json", "the body is not JSON");
            return self.whole(400, "application/json", "", &body).await;
        };
        let vectors = ["/embeddings", ":batchEmbedContents"].iter().any(|end| request.path.ends_with(end));
        let asked = if vectors { Asked::default() } else { Asked::read(settings.wire, &request.path, &body) };
        if settings.wire == WireFormat::Anthropic && asked.prefill.ends_with(char::is_whitespace) {
            let what = "messages: final assistant content cannot end with trailing whitespace";
            let body = speech.error("invalid_request_error", "invalid_value", what);
            return self.whole(400, "application/json", "", &body).await;
        }
        self.left = match fault {
            Some(Fault::ResetAfterBytes(bytes)) => usize::try_from(bytes).ok(),
            _ => None,
        };
        match fault {
            Some(fault) if self.instead(fault, &speech).await? => Ok(()),
            fault if asked.stream => self.stream(settings, &speech, &asked, fault).await,
            fault if vectors => self.unstreamed(settings, &speech, 0, &speech.vectors(&body), fault).await,
            fault => {
                let words = asked.rest(&settings.answer);
                let call = asked.tool.as_deref().filter(|_| !settings.arguments.is_empty());
                let call = call.map(|name| (name, settings.arguments.concat()));
                let call = call.as_ref().map(|(name, arguments)| (*name, arguments.as_str()));
                let body = speech.whole(&words.concat(), call, words.len());
                self.unstreamed(settings, &speech, words.len(), &body, fault).await
            }
        }
    }

    /// Faults that replace the whole answer. Returns whether this was one.
    async fn instead(&mut self, fault: Fault, speech: &Speech<'_>) -> Result<bool, Gone> {
        match fault {
            Fault::Refuse | Fault::ResetBeforeHead => return Err(Gone(Ending::Reset)),
            Fault::CloseBeforeHead => return Err(Gone(Ending::Closed)),
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
                self.whole(status, "application/json", "", &speech.error(kind, code, "injected")).await?;
            }
            Fault::RateLimited(seconds) => {
                let pause = if seconds > 0 { format!("retry-after: {seconds}\r\n") } else { String::new() };
                let body = speech.error("rate_limit_error", "rate_limit_exceeded", "Rate limit reached");
                self.whole(429, "application/json", &pause, &body).await?;
            }
            Fault::QuotaExhausted if speech.wire == WireFormat::Anthropic => {
                let message = "Your credit balance is too low to access the API";
                let body = speech.error("invalid_request_error", "", message);
                self.whole(400, "application/json", "", &body).await?;
            }
            Fault::QuotaExhausted => {
                let message = "You exceeded your current quota";
                let body = speech.error("insufficient_quota", "insufficient_quota", message);
                self.whole(429, "application/json", "", &body).await?;
            }
            Fault::Empty200 => self.whole(200, "application/json", "", "").await?,
            Fault::Html200 => self.whole(200, "text/html", "", "<html><body>Welcome</body></html>").await?,
            // An end without a beginning; on a wire without an end marker, no event at all.
            Fault::OnlyDone if speech.wire == WireFormat::Bedrock => {
                self.whole(200, speech.wire.stream_type(), "", "").await?;
            }
            Fault::OnlyDone => self.whole(200, "text/event-stream", "", "data: [DONE]\n\n").await?,
            Fault::HugeLine => self.huge("text/event-stream", "data: ", 10 << 20).await?,
            Fault::HugeBody => self.huge("application/json", "{\"x\":\"", 50 << 20).await?,
            Fault::HeaderBomb => {
                let bomb = format!("x-bomb: {}\r\n", "x".repeat(8_000)).repeat(200);
                self.whole(200, "application/json", &bomb, "{}").await?;
            }
            Fault::OnlyPings => {
                self.head(speech.wire.stream_type()).await?;
                loop {
                    self.chunk(&speech.ping()).await?;
                    self.wait(Some(Duration::from_millis(50))).await?;
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    async fn stream(
        &mut self,
        settings: &Settings,
        speech: &Speech<'_>,
        asked: &Asked,
        fault: Option<Fault>,
    ) -> Result<(), Gone> {
        let (mut first, mut gap) = (settings.first_token, settings.gap);
        match fault {
            Some(Fault::SlowFirstToken(time)) => first = time,
            Some(Fault::SlowDrip(time)) => gap = time,
            _ => {}
        }
        let paced = !gap.is_zero() || fault.is_some();
        let mut out = String::new();
        self.head(speech.wire.stream_type()).await?;
        out.push_str(&speech.opening());
        if !first.is_zero() || paced {
            self.chunk(&std::mem::take(&mut out)).await?;
            self.wait(Some(first)).await?;
        }
        if let Some(tool) = asked.tool.as_ref().filter(|_| !settings.arguments.is_empty()) {
            for (at, frames) in speech.call(tool, &settings.arguments).iter().enumerate() {
                self.break_at(at, fault, speech).await?;
                out.push_str(frames);
                if paced {
                    self.chunk(&std::mem::take(&mut out)).await?;
                    self.wait(Some(gap)).await?;
                }
            }
            self.chunk(&out).await?;
            return self.send(b"0\r\n\r\n").await;
        }
        let words = asked.rest(&settings.answer);
        for (at, word) in words.iter().enumerate() {
            self.break_at(at, fault, speech).await?;
            out.push_str(&speech.token(at, word));
            if paced {
                self.chunk(&std::mem::take(&mut out)).await?;
                self.wait(Some(gap)).await?;
            }
        }
        self.break_at(words.len(), fault, speech).await?;
        out.push_str(&speech.closing(&words, asked.include_usage));
        self.chunk(&out).await?;
        self.send(b"0\r\n\r\n").await
    }

    /// Faults inside a stream, before the token with this index.
    async fn break_at(&mut self, at: usize, fault: Option<Fault>, speech: &Speech<'_>) -> Result<(), Gone> {
        let here = |n: u32| usize::try_from(n) == Ok(at);
        match fault {
            Some(Fault::CutAfter(n)) if here(n) => Err(Gone(Ending::Closed)),
            Some(Fault::StallAfter(n)) if here(n) => self.wait(None).await,
            Some(Fault::CleanEndAfter(n)) if here(n) => {
                self.send(b"0\r\n\r\n").await?;
                Err(Gone(Ending::Closed))
            }
            Some(Fault::ErrorEventAfter(n)) if here(n) => {
                self.chunk(&speech.error_event()).await?;
                self.send(b"0\r\n\r\n").await?;
                Err(Gone(Ending::Closed))
            }
            Some(Fault::MalformedAfter(n)) if here(n) => self.chunk("data: {\"choices\":[{\"del\n\n").await,
            _ => Ok(()),
        }
    }

    async fn unstreamed(
        &mut self,
        settings: &Settings,
        speech: &Speech<'_>,
        tokens: usize,
        body: &str,
        fault: Option<Fault>,
    ) -> Result<(), Gone> {
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
                Err(Gone(Ending::Closed))
            }
            Some(Fault::CleanEndAfter(_) | Fault::MalformedAfter(_)) => {
                let cut = String::from_utf8_lossy(&body.as_bytes()[..half]).into_owned();
                self.whole(200, "application/json", "", &cut).await
            }
            Some(Fault::ErrorEventAfter(_)) => {
                let body = speech.error("overloaded_error", "server_is_overloaded", "Overloaded");
                self.whole(200, "application/json", "", &body).await
            }
            _ => self.whole(200, "application/json", "", body).await,
        }
    }

    async fn whole(&mut self, status: u16, kind: &str, headers: &str, body: &str) -> Result<(), Gone> {
        let out = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\nx-request-id: req-{}\r\n{headers}{}content-length: {}\r\n\r\n{body}",
            self.shared.requests.load(std::sync::atomic::Ordering::Relaxed),
            self.shared.settings().headers,
            body.len(),
        );
        self.send(out.as_bytes()).await
    }

    async fn huge(&mut self, kind: &str, start: &str, size: usize) -> Result<(), Gone> {
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

    async fn head(&mut self, kind: &str) -> Result<(), Gone> {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncache-control: no-cache\r\nx-request-id: req-{}\r\n{}transfer-encoding: chunked\r\n\r\n",
            self.shared.requests.load(std::sync::atomic::Ordering::Relaxed),
            self.shared.settings().headers,
        );
        self.send(head.as_bytes()).await
    }

    async fn chunk(&mut self, text: &str) -> Result<(), Gone> {
        let body = match self.shared.settings().wire {
            WireFormat::Bedrock => binary::framed(text),
            _ => text.as_bytes().to_vec(),
        };
        let mut out = format!("{:x}\r\n", body.len()).into_bytes();
        out.extend(body);
        out.extend(b"\r\n");
        self.send(&out).await
    }

    /// Sends bytes, or as many of them as the fault allows.
    async fn send(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        let whole = bytes.len();
        let sent = self.left.map_or(whole, |left| left.min(whole));
        if self.stream.write_all(&bytes[..sent]).await.is_err() {
            self.shared.cancelled();
            return Err(Gone(Ending::Closed));
        }
        self.left = self.left.map(|left| left - sent);
        if sent < whole { Err(Gone(Ending::Reset)) } else { Ok(()) }
    }

    /// Waits for this time, or forever if `None`, unless the client disconnects.
    async fn wait(&mut self, time: Option<Duration>) -> Result<(), Gone> {
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
                    Err(Gone(Ending::Closed))
                }
            },
        }
    }
}
