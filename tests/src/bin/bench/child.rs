//! Runs this program in other roles, each in its own process, so that each is measured separately.

use std::process::{Command, Stdio};

use hotspare::Client;
use hotspare_chaos::{ChaosServer, Settings, WireFormat};

/// This program in another role; killed when dropped.
pub(crate) struct Child {
    process: std::process::Child,
    pub(crate) url: String,
}

impl Child {
    pub(crate) fn start(args: &[&str]) -> Self {
        let me = std::env::current_exe().expect("this program");
        Self::of(Command::new(me).args(args)).expect("a process")
    }

    /// As [`Child::start`], under callgrind; `None` without valgrind.
    pub(crate) fn counted(args: &[&str]) -> Option<Self> {
        let me = std::env::current_exe().expect("this program");
        Self::of(callgrind().arg(me).args(args).stderr(Stdio::piped()))
    }

    fn of(command: &mut Command) -> Option<Self> {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let mut url = String::new();
        let mut out = std::io::BufReader::new(process.stdout.take().expect("a pipe"));
        std::io::BufRead::read_line(&mut out, &mut url).expect("an address");
        Some(Self { process, url: url.trim().to_owned() })
    }

    /// Ends a child that was started under callgrind, and returns the instructions it took.
    pub(crate) fn instructions(mut self) -> Option<u64> {
        drop(self.process.stdin.take());
        let mut text = String::new();
        std::io::Read::read_to_string(self.process.stderr.as_mut()?, &mut text).ok()?;
        collected(&text)
    }

    /// CPU time so far, in hundredths of a second.
    pub(crate) fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        number(11) + number(12)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Callgrind, without a file of its own.
pub(crate) fn callgrind() -> Command {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command
}

/// The instructions that callgrind reports at its end.
pub(crate) fn collected(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.split("Collected : ").nth(1))?.trim().parse().ok()
}

/// Runs until the parent closes the pipe.
pub(crate) async fn until_closed() {
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await;
}

/// The server that all clients of a run use; it ends with its parent's pipe.
pub(crate) async fn serve(tokens: usize) {
    let server =
        ChaosServer::start(Settings::new(WireFormat::OpenAi).tokens(tokens)).await.expect("a loopback port");
    println!("{}", server.base_url());
    until_closed().await;
    drop(server);
}

/// The client under test: a main target at `url`, and a spare on standby.
pub(crate) fn hotspare(url: &str) -> Client {
    let key = || hotspare::Key::from_secret(hotspare::Secret::new("sk-bench"));
    Client::builder()
        .target("main", hotspare::openai::target("gpt-demo").base_url(url).key(key()))
        .target("spare", hotspare::openai::target("gpt-spare").base_url("http://127.0.0.1:9/v1").key(key()))
        .route("chat", hotspare::Sequential::new(["main", "spare"]))
        .build()
        .expect("a valid client")
}
