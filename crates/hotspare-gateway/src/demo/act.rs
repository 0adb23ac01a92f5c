//! What happens to the providers, and when.

use std::time::Duration;

use hotspare_chaos::{ChaosServer, Fault};

/// A part of the demonstration.
pub(crate) struct Act {
    pub(crate) title: &'static str,
    pub(crate) length: Duration,
    fault: Option<Fault>,
}

/// All parts, in order: about half a minute.
pub(crate) const ACTS: [Act; 6] = [
    Act { title: "all is well", length: Duration::from_secs(3), fault: None },
    Act {
        title: "main is killed: connections are refused",
        length: Duration::from_secs(5),
        fault: Some(Fault::Refuse),
    },
    Act {
        title: "main accepts connections and says nothing",
        length: Duration::from_secs(6),
        fault: Some(Fault::Silence),
    },
    Act {
        title: "main answers 429, and wants to be left alone for 2 s",
        length: Duration::from_secs(5),
        fault: Some(Fault::RateLimited(2)),
    },
    Act {
        title: "main is back, but cuts every stream after 9 words",
        length: Duration::from_secs(5),
        fault: Some(Fault::CutAfter(9)),
    },
    Act { title: "main is well again", length: Duration::from_secs(5), fault: None },
];

impl Act {
    pub(crate) async fn apply(&self, servers: &[ChaosServer]) {
        if let Some(main) = servers.first() {
            main.set_fault(self.fault).await;
        }
    }
}

/// What a key does.
pub(crate) async fn press(key: char, servers: &[ChaosServer]) {
    let (server, fault) = match key {
        '1'..='3' => {
            let place = usize::from(key as u8 - b'1');
            (servers.get(place), Fault::Refuse)
        }
        's' => (servers.first(), Fault::SlowFirstToken(Duration::from_secs(2))),
        'r' => (servers.first(), Fault::RateLimited(2)),
        'c' => (servers.first(), Fault::CutAfter(9)),
        _ => return,
    };
    let Some(server) = server else { return };
    // A second press of the same key makes it well again.
    let refused = tokio::net::TcpStream::connect(server.address()).await.is_err();
    server.set_fault(if refused { None } else { Some(fault) }).await;
}
