//! Writes log lines to standard error from a dedicated thread.
//!
//! Does not decide what is logged. Invariant: logging never blocks, fails or panics the code that logs. If standard
//! error cannot be written, or not fast enough, lines are dropped and counted.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Maximum size of queued log lines in bytes: about 20,000 lines.
const MAX_QUEUED_BYTES: usize = 4 << 20;

/// How long writing the remaining lines may take when the program ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Log lines dropped by this process, which has a single standard error.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Number of log lines dropped so far.
pub(crate) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// A writer for [`tracing_subscriber::fmt()`] that never blocks and never fails.
#[derive(Clone, Debug)]
pub struct LogWriter {
    lines: Sender<Entry>,
    queued: Arc<AtomicUsize>,
}

#[derive(Debug)]
enum Entry {
    Line(Vec<u8>),
    /// Answered once all earlier lines are written.
    Flush(Sender<()>),
}

impl LogWriter {
    /// A writer to standard error.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn stderr() -> io::Result<Self> {
        Self::to(io::stderr())
    }

    /// A writer to `out`, which only the writer thread touches.
    fn to(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, queue) = mpsc::channel();
        let queued = Arc::new(AtomicUsize::new(0));
        let queued_bytes = Arc::clone(&queued);
        thread::Builder::new().name("log".into()).spawn(move || write_all(&queue, &queued_bytes, out))?;
        Ok(Self { lines, queued })
    }

    /// Waits until all lines so far are written, for at most a second.
    pub fn flush(&self) {
        let (done, written) = mpsc::channel();
        if self.lines.send(Entry::Flush(done)).is_ok() {
            // A reader that has stopped reading must not keep the program from exiting.
            let _ = written.recv_timeout(FLUSH_TIMEOUT);
        }
    }

    fn push(&self, line: &[u8]) {
        if self.queued.fetch_add(line.len(), Ordering::Relaxed) + line.len() > MAX_QUEUED_BYTES
            || self.lines.send(Entry::Line(line.to_owned())).is_err()
        {
            self.queued.fetch_sub(line.len(), Ordering::Relaxed);
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write_all(queue: &Receiver<Entry>, queued: &AtomicUsize, mut out: impl Write) {
    let mut reported = 0;
    while let Ok(entry) = queue.recv() {
        let line = match entry {
            Entry::Flush(done) => {
                let _ = done.send(());
                continue;
            }
            Entry::Line(line) => line,
        };
        let written = out.write_all(&line).and_then(|()| out.flush());
        queued.fetch_sub(line.len(), Ordering::Relaxed);
        if written.is_err() {
            DROPPED.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let dropped = dropped();
        if dropped > reported && queued.load(Ordering::Relaxed) < MAX_QUEUED_BYTES / 2 {
            tracing::warn!(target: "hotspare", "{} log lines were dropped: standard error was full", dropped - reported);
            reported = dropped;
        }
    }
}

/// `tracing_subscriber` writes each event as one whole line.
impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LogWriter {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Standard error on a full disk.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A pipe whose reader starts once the gate opens.
    struct Pipe(Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Pipe {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.lock().unwrap().write(line)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log_to(writer: &LogWriter, lines: u32) {
        let logs = tracing_subscriber::fmt().with_ansi(false).with_writer(writer.clone()).finish();
        tracing::subscriber::with_default(logs, || {
            for line in 0..lines {
                tracing::info!(line, "{}", "x".repeat(1_000));
            }
        });
    }

    /// Without the bound of [`LogWriter::flush`], which a slow machine may exceed.
    fn wait_until_written(writer: &LogWriter) {
        let (done, written) = mpsc::channel();
        writer.lines.send(Entry::Flush(done)).unwrap();
        written.recv_timeout(Duration::from_secs(60)).expect("all lines are written");
    }

    #[test]
    fn log_lines_that_cannot_be_written_are_dropped_and_counted() {
        let writer = LogWriter::to(Full).unwrap();
        let before = dropped();
        log_to(&writer, 3);
        wait_until_written(&writer);
        assert!(dropped() >= before + 3);
    }

    #[test]
    fn blocked_log_pipe_neither_blocks_callers_nor_buffers_unboundedly() {
        let (open, gate) = mpsc::channel();
        let text = Arc::new(Mutex::new(Vec::new()));
        let writer = LogWriter::to(Pipe(gate, Arc::clone(&text))).unwrap();
        let before = dropped();
        log_to(&writer, 10_000);
        assert!(writer.queued.load(Ordering::Relaxed) <= MAX_QUEUED_BYTES);
        let lost = dropped() - before;
        assert!(lost > 5_000, "{lost}");
        drop(open);
        wait_until_written(&writer);
        let text = String::from_utf8(text.lock().unwrap().clone()).unwrap();
        assert!(text.lines().count() > 3_000);
        assert!(text.contains("line=0 ") || text.contains("line=0\n"), "the first lines are kept");
    }
}
