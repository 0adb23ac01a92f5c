//! What the watcher sees: a screen that is redrawn, or plain lines where there is no terminal.

use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use hotspare::{Client, TargetStatus};

use super::act::ACTS;
use super::crowd::Score;

/// Where the demonstration shows itself.
pub(crate) struct Screen {
    live: bool,
    address: SocketAddr,
    now: String,
    drawn: Instant,
    keys: Option<Receiver<char>>,
    /// Attempts started per target when the share was last taken.
    before: Vec<u64>,
    shares: Vec<f64>,
    sampled: Instant,
}

impl Screen {
    pub(crate) fn new(live: bool, address: SocketAddr) -> Self {
        let keys = live.then(|| {
            let (send, receive) = channel();
            // Reads whole lines: a terminal gives nothing sooner unless it is reprogrammed, and a demonstration should not.
            std::thread::spawn(move || {
                for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                    for key in line.chars() {
                        if send.send(key).is_err() {
                            return;
                        }
                    }
                }
            });
            receive
        });
        let screen = Self {
            live,
            address,
            now: String::new(),
            drawn: Instant::now(),
            keys,
            before: Vec::new(),
            shares: Vec::new(),
            sampled: Instant::now(),
        };
        if !live {
            say(&format!("hotspare demo: 3 embedded providers, real sockets, gateway at http://{address}"));
            say(&format!("try it meanwhile: {}", screen.curl()));
        }
        screen
    }

    fn curl(&self) -> String {
        format!(
            "curl -s http://{}/v1/chat/completions -d '{{\"model\":\"demo\",\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}]}}'",
            self.address
        )
    }

    pub(crate) fn act(&mut self, number: usize, title: &str) {
        self.now = format!("act {}/{}: {title}", number + 1, ACTS.len());
        if !self.live {
            say(&self.now);
        }
    }

    /// Keys pressed since the last time.
    pub(crate) fn keys(&self) -> Vec<char> {
        self.keys.as_ref().map(|keys| keys.try_iter().collect()).unwrap_or_default()
    }

    pub(crate) fn draw(
        &mut self,
        passed: Duration,
        length: Duration,
        client: &Client,
        mine: &Score,
        plain: &Score,
    ) {
        if !self.live || self.drawn.elapsed() < Duration::from_millis(200) {
            return;
        }
        self.drawn = Instant::now();
        let targets = client.targets();
        self.sample(&targets);
        let mut out = String::from("\x1b[2J\x1b[H");
        out.push_str(&format!(
            "\x1b[1mhotspare demo\x1b[0m   3 embedded providers, real sockets   {:.0} s of {:.0} s\n{}\n\n\x1b[1m{}\x1b[0m\n\n",
            passed.as_secs_f64(),
            length.as_secs_f64(),
            self.curl(),
            self.now
        ));
        out.push_str(&self.table(&targets));
        out.push('\n');
        out.push_str(&scores(mine, plain));
        out.push_str(
            "\n[1-3] kill/restore   [s] slow   [r] rate-limit   [c] cut streams   then Enter; Ctrl-C quits\n",
        );
        print(&out);
    }

    fn sample(&mut self, targets: &[TargetStatus]) {
        if self.sampled.elapsed() < Duration::from_secs(1) && !self.before.is_empty() {
            return;
        }
        self.sampled = Instant::now();
        let served: Vec<u64> = targets.iter().map(|target| target.counts.served).collect();
        let recent: Vec<u64> = served
            .iter()
            .enumerate()
            .map(|(at, now)| now - self.before.get(at).copied().unwrap_or(0).min(*now))
            .collect();
        let all = recent.iter().sum::<u64>().max(1);
        self.shares = recent.iter().map(|count| *count as f64 / all as f64).collect();
        self.before = served;
    }

    fn table(&self, targets: &[TargetStatus]) -> String {
        let mut out = format!(
            "{:<8}{:<20}{:<11}{:<26}{:>12}\n",
            "target", "wire", "breaker", "share of answers", "first token"
        );
        for (at, target) in targets.iter().enumerate() {
            let share = self.shares.get(at).copied().unwrap_or(0.0);
            let bar = "█".repeat((share * 18.0).round() as usize);
            let latency =
                target.view.latency.map_or_else(|| "–".to_owned(), |time| format!("{} ms", time.as_millis()));
            out.push_str(&format!(
                "{:<8}{:<20}{:<11}{:<19}{:>5.0} %{:>12}\n",
                target.id.as_str(),
                target.wire,
                target.view.breaker.to_string(),
                bar,
                share * 100.0,
                latency,
            ));
        }
        out
    }

    pub(crate) fn summary(&self, client: &Client, mine: &Score, plain: &Score) {
        let mut mine = mine.clone();
        for target in client.targets() {
            mine.wasted += target.counts.cancelled + target.counts.failed.values().sum::<u64>();
        }
        say(&format!("\n{}", scores(&mine, plain)));
        for (name, score) in [("hotspare", &mine), ("plain loop", plain)] {
            for (reason, count) in &score.reasons {
                say(&format!("{name} lost {count}: {reason}"));
            }
        }
        let verdict = match mine.lost {
            0 => format!("hotspare answered all {} requests.", mine.answered),
            lost => format!("hotspare LOST {lost} of {} requests.", mine.asked),
        };
        say(&format!("\n{verdict}"));
    }
}

fn scores(mine: &Score, plain: &Score) -> String {
    let mut out =
        format!("{:<12}{:>16}{:>8}{:>12}{:>15}\n", "", "answered", "lost", "slowest", "calls wasted");
    for (name, score) in [("hotspare", mine), ("plain loop", plain)] {
        out.push_str(&format!(
            "{name:<12}{:>16}{:>8}{:>10.2} s{:>15}\n",
            format!("{} / {}", score.answered, score.asked),
            score.lost,
            score.slowest.as_secs_f64(),
            score.wasted,
        ));
    }
    out
}

/// A watcher who went away is no reason to stop.
fn say(line: &str) {
    print(&format!("{line}\n"));
}

fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}
