//! What happens to the providers, and when.
//!
//! Invariant: faults come from here alone: from the act that is on, and on top of it from the watcher's keys.

use std::time::Duration;

use hotspare_chaos::{ChaosServer, Fault};

/// A part of the demonstration.
pub(crate) struct Act {
    pub(crate) title: &'static str,
    pub(crate) length: Duration,
    fault: Option<Fault>,
}

/// All parts, in order: about half a minute.
pub(crate) const ACTS: [Act; 7] = [
    act("all is well", 3, None),
    act("main is killed: connections are refused", 4, Some(Fault::Refuse)),
    act("main accepts connections and says nothing", 6, Some(Fault::Silence)),
    act("main is back", 3, None),
    act("main answers 429, and wants to be left alone for 2 s", 4, Some(Fault::RateLimited(2))),
    act("main cuts every stream after 9 words", 5, Some(Fault::CutAfter(9))),
    act("main is well again", 4, None),
];

const fn act(title: &'static str, seconds: u64, fault: Option<Fault>) -> Act {
    Act { title, length: Duration::from_secs(seconds), fault }
}

impl Act {
    /// Breaks what this act breaks, and mends the rest.
    pub(crate) async fn apply(&self, servers: &[ChaosServer]) {
        for (place, server) in servers.iter().enumerate() {
            server.set_fault(if place == 0 { self.fault } else { None }).await;
        }
    }
}

/// What a key does: the first press breaks, the second mends. Returns what to tell of it.
pub(crate) async fn press(key: char, servers: &[ChaosServer]) -> Option<String> {
    let (place, fault) = match key {
        '1'..='3' => (usize::from(key as u8 - b'1'), Fault::Refuse),
        's' => (0, Fault::SlowFirstToken(Duration::from_secs(2))),
        'r' => (0, Fault::RateLimited(2)),
        'c' => (0, Fault::CutAfter(9)),
        'x' => {
            for server in servers {
                server.set_fault(None).await;
            }
            return Some("the watcher mends everything".into());
        }
        _ => return None,
    };
    let server = servers.get(place)?;
    let (name, _) = super::PROVIDERS.get(place)?;
    let mend = server.fault() == Some(fault);
    server.set_fault((!mend).then_some(fault)).await;
    let what = if mend { "mends".to_owned() } else { format!("breaks ({fault})") };
    Some(format!("the watcher {what} {name}"))
}
