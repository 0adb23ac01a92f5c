//! The metrics.

use std::collections::BTreeSet;

use hotspare_chaos::{Fault, WireFormat};
use hotspare_tests::{Rig, until};

use super::{get, post_chat};
use crate::gateway::start;

#[tokio::test]
async fn requests_are_counted_by_outcome() {
    let rig = Rig::sequential(&[WireFormat::OpenAi, WireFormat::Anthropic]).await;
    let gateway = start(rig.client.clone()).await;
    let before = get(&gateway, "/metrics").await;
    assert!(before.contains("hotspare_requests_total{route=\"chat\",outcome=\"served\"} 0\n"), "{before}");

    post_chat(&gateway, "chat", true).await.text().await.unwrap();
    rig.servers[0].set_fault(Some(Fault::Status(400))).await;
    rig.servers[1].set_fault(Some(Fault::Status(400))).await;
    assert_eq!(post_chat(&gateway, "chat", true).await.status(), 400);
    rig.servers[0].set_fault(Some(Fault::Status(503))).await;
    rig.servers[1].set_fault(None).await;
    assert_eq!(post_chat(&gateway, "chat", false).await.status(), 200, "two attempts, one request");
    assert_eq!(post_chat(&gateway, "nobody", false).await.status(), 404);
    rig.servers[0].set_fault(Some(Fault::StallAfter(2))).await;
    let mut left = post_chat(&gateway, "chat", true).await;
    left.chunk().await.unwrap();
    drop(left);

    let counted = "hotspare_requests_total{route=\"chat\",outcome=\"cancelled\"} 1\n";
    until("the call that was left is counted", async || get(&gateway, "/metrics").await.contains(counted))
        .await;
    let text = get(&gateway, "/metrics").await;
    for line in [
        "# TYPE hotspare_requests_total counter",
        "hotspare_requests_total{route=\"chat\",outcome=\"served\"} 2",
        "hotspare_requests_total{route=\"chat\",outcome=\"invalid_request\"} 1",
        "hotspare_requests_total{route=\"\",outcome=\"invalid_request\"} 1",
        "# TYPE hotspare_request_first_content_seconds histogram",
        "hotspare_request_first_content_seconds_count{route=\"chat\"} 2",
        "hotspare_request_duration_seconds_bucket{route=\"chat\",le=\"+Inf\"} 2",
        "hotspare_request_duration_seconds_count{route=\"chat\"} 2",
        "hotspare_requests_in_flight 0",
        "hotspare_max_connections 10000",
        "hotspare_network_suspected 0",
        "hotspare_attempt_first_content_seconds_bucket{target=\"main\",le=\"500\"} 2",
        "hotspare_attempt_first_content_seconds_count{target=\"spare\"} 1",
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line} is missing in\n{text}");
    }
    let connections = text.lines().find_map(|line| line.strip_prefix("hotspare_connections "));
    assert!(connections.unwrap().parse::<u32>().unwrap() >= 1);
}

#[tokio::test]
async fn documentation_lists_exactly_the_exposed_metrics() {
    let rig = Rig::sequential(&[WireFormat::OpenAi]).await;
    let gateway = start(rig.client.clone()).await;
    let text = get(&gateway, "/metrics").await;
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let exposed: BTreeSet<&str> = families.collect();
    let docs = include_str!("../../../docs/operating.md");
    let rows = docs.lines().filter(|line| line.starts_with("| `hotspare_"));
    let names = rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2));
    let documented: BTreeSet<&str> = names.collect();
    assert_eq!(exposed, documented);
    let named = docs.split(|c: char| !(c.is_ascii_lowercase() || c == '_'));
    for name in named.filter(|word| word.starts_with("hotspare_")) {
        assert!(exposed.contains(name), "docs/operating.md mentions {name}, which does not exist");
    }
}
