//! The faults of the providers, and their schedule.
//!
//! Invariant: faults come only from here: from the current act, and additionally from the viewer's keys.

use std::time::Duration;

use hotspare_chaos::{ChaosServer, Fault};

/// A part of the demonstration.
pub(crate) struct Act {
    pub(crate) title: &'static str,
    pub(crate) length: Duration,
    /// Faults of the first servers, in order; the others are healthy.
    faults: &'static [Fault],
}

/// All parts, in order: about half a minute.
pub(crate) const ACTS: [Act; 8] = [
    act("all providers are healthy", 3, &[]),
    act("main refuses connections", 4, &[Fault::Refuse]),
    act("main accepts connections and sends nothing", 5, &[Fault::Silence]),
    act("main and spare both refuse connections", 4, &[Fault::Refuse, Fault::Refuse]),
    act("both are back", 2, &[]),
    act("main answers 429 with Retry-After: 2", 4, &[Fault::RateLimited(2)]),
    act("main cuts every stream after 9 words", 4, &[Fault::CutAfter(9)]),
    act("main is healthy again", 3, &[]),
];

const fn act(title: &'static str, seconds: u64, faults: &'static [Fault]) -> Act {
    Act { title, length: Duration::from_secs(seconds), faults }
}

impl Act {
    /// Sets this act's faults and clears all others.
    pub(crate) async fn apply(&self, servers: &[ChaosServer]) {
        for (index, server) in servers.iter().enumerate() {
            server.set_fault(self.faults.get(index).copied()).await;
        }
    }
}

/// Handles a key: the first press breaks, the second repairs. Returns the line to show.
pub(crate) async fn handle_key(key: char, servers: &[ChaosServer]) -> Option<String> {
    let (index, fault) = match key {
        '1'..='3' => (usize::from(key as u8 - b'1'), Fault::Refuse),
        's' => (0, Fault::SlowFirstToken(Duration::from_secs(2))),
        'r' => (0, Fault::RateLimited(2)),
        'c' => (0, Fault::CutAfter(9)),
        'x' => {
            for server in servers {
                server.set_fault(None).await;
            }
            return Some("viewer: everything repaired".into());
        }
        _ => return None,
    };
    let server = servers.get(index)?;
    let (name, _) = super::PROVIDERS.get(index)?;
    let repair = server.fault() == Some(fault);
    server.set_fault((!repair).then_some(fault)).await;
    let what = if repair { "repaired".to_owned() } else { format!("broken ({fault})") };
    Some(format!("viewer: {name} {what}"))
}
