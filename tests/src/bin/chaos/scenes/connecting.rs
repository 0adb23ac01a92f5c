//! Scenes in which no connection to the main target comes about, other than by a refusal.
//!
//! Invariant: each is judged like a refused connection: classed as such, blamed on the host, and its calls served by the spare.

use super::*;
use hotspare::{Kind, Outcome};

pub(super) fn all() -> Vec<Scene> {
    fn scene(name: &'static str, what: &'static str, run: fn() -> BoxFuture<'static, Vec<Mark>>) -> Scene {
        Scene { name, what, run }
    }
    vec![
        scene("unknown-host", "the main target's name does not resolve", || Box::pin(unknown_host())),
        scene("no-tls", "the main target speaks no TLS at an https address", || Box::pin(no_tls())),
    ]
}

async fn unknown_host() -> Vec<Mark> {
    // No name under `invalid` exists (RFC 6761).
    unreachable(|_| "https://main.hotspare.invalid/v1".to_owned()).await
}

async fn no_tls() -> Vec<Mark> {
    unreachable(|server| format!("https://{}/v1", server.address())).await
}

/// Sends one request after the other to a route whose main target is at this address.
async fn unreachable(address: fn(&ChaosServer) -> String) -> Vec<Mark> {
    let settings = vec![Settings::new(WireFormat::OpenAi); 2];
    let rig = Fixture::new(settings, Limits::default(), |index, server, target| match index {
        0 => {
            let mut breaker = BreakerConfig::default();
            // No probe falls within the scene.
            breaker.cooldown = Duration::from_secs(60);
            breaker.cooldown_cap = Duration::from_secs(60);
            let main = hotspare::openai::target("m").base_url(address(server)).key(hotspare_tests::key());
            Endpoint::from(main).breaker(breaker)
        }
        _ => target,
    })
    .await;
    let (mut lost, mut classed) = (0, 0);
    for _ in 0..40 {
        match rig.client.chat(hello()).await {
            Ok(answer) => {
                let attempts = &answer.trail.attempts;
                classed +=
                    attempts.iter().filter(|attempt| is_connect_failure(&attempt.outcome)).count() as u64;
            }
            Err(_) => lost += 1,
        }
    }
    let hosts = rig.entered(BreakerState::Open).iter().filter(|scope| **scope == Scope::Host).count() as u64;
    vec![
        exactly("lost", lost, 0),
        // As many as of refused connections, and no retry in place.
        exactly("calls to main until it opens", rig.client.targets()[0].counts.started, 3),
        exactly("classed as no connection", classed, 3),
        exactly("opened", rig.opened(), 1),
        exactly("hosts among them", hosts, 1),
        exactly("served by the spare", rig.served(1), 40),
    ]
}

fn is_connect_failure(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed { kind: Kind::Connect, status: None, .. })
}
