//! The counts of the demonstration.

use super::*;

#[tokio::test]
async fn samples_count_apart_from_the_requests_that_both_kinds_of_callers_send() {
    let embedded = Embedded::start().await.unwrap();
    let client = embedded.client().unwrap();
    let gateway = openai::compatible("http://127.0.0.1:9/v1", "demo");
    let gateway_client = Client::builder().target("gateway", gateway).build().unwrap();
    let demo = Demo::new(embedded, client, gateway_client, SocketAddr::from(([127, 0, 0, 1], 9))).unwrap();
    let sample = |expected: &str| demo.event_log.clone().sample(demo.client.clone(), expected.to_owned());
    sample(&demo.expected).await;
    sample("another text").await;
    let [hotspare, plain] = demo.scores();
    assert_eq!((hotspare.asked, plain.asked), (0, 0));
    let samples = demo.event_log.sample_score();
    assert_eq!((samples.asked, samples.answered, samples.lost), (2, 1, 1));
    assert_eq!(samples.reasons.values().sum::<u64>(), 1);
}
