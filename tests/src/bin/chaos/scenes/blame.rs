//! Scenes in which several failures together tell more than each alone: about a host, load, or the local network.

use super::*;

pub(super) fn all() -> Vec<Scene> {
    fn scene(name: &'static str, what: &'static str, run: fn() -> BoxFuture<'static, Vec<Mark>>) -> Scene {
        Scene { name, what, run }
    }
    vec![
        scene("blackhole", "connections are neither accepted nor refused", || Box::pin(blackhole())),
        scene("rejects-all", "a burst meets a target that rejects every call", || Box::pin(rejects_all())),
        scene("busy", "a target serves most of a burst and rejects the rest", || Box::pin(busy())),
        scene("own-network", "no host is reachable, then all are", || Box::pin(own_network())),
        scene("three-models", "three models of a host fail, a fourth is asked", || Box::pin(three_models())),
        scene("odd-errors", "errors with implausible pauses", || Box::pin(odd_errors())),
    ]
}

/// An address at which connections hang: its backlog is full, and nothing accepts. Stays so while the returned handles
/// live.
async fn hole() -> (std::net::SocketAddr, Vec<tokio::task::JoinHandle<()>>) {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a loopback port");
    let listener = socket.listen(1).expect("a listener");
    let address = listener.local_addr().expect("an address");
    let mut holders = vec![tokio::spawn(async move {
        let _kept = listener;
        std::future::pending().await
    })];
    for _ in 0..8 {
        holders.push(tokio::spawn(async move {
            let _kept = tokio::net::TcpStream::connect(address).await;
            std::future::pending().await
        }));
    }
    // The backlog is full once a connection has to wait.
    while let Ok(Ok(_)) = tokio::time::timeout(ms(100), tokio::net::TcpStream::connect(address)).await {}
    (address, holders)
}

async fn blackhole() -> Vec<Mark> {
    let (address, holders) = hole().await;
    let settings = vec![Settings::new(WireFormat::OpenAi); 2];
    // The shipped connect timeout, 1 s.
    let rig = Fixture::new(settings, Limits::default(), |index, _, target| match index {
        0 => hotspare::openai::target("m")
            .base_url(format!("http://{address}/v1"))
            .key(hotspare_tests::key())
            .into(),
        _ => target,
    })
    .await;
    let begun = Instant::now();
    let calls = join_all((0..20).map(|_| rig.client.chat(hello()))).await;
    let lost = calls.iter().filter(|call| call.is_err()).count() as u64;
    let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let crossing = rig.client.targets()[0].counts.started;
    let later = rig.send_requests(20, ms(5)).await;
    let started = rig.client.targets()[0].counts.started;
    holders.iter().for_each(tokio::task::JoinHandle::abort);
    vec![
        exactly("lost", lost + later, 0),
        at_most("ms until all were served by the spare", took, 2_400),
        exactly("opened", rig.opened(), 1),
        at_most("calls sent to it after it opened", started - crossing, 1),
    ]
}

async fn rejects_all() -> Vec<Mark> {
    let settings = vec![Settings::new(WireFormat::OpenAi).pace(ms(20), Duration::ZERO); 2];
    let rig = Fixture::new(settings, Limits::default(), |_, _, target| target).await;
    let mut lost = rig.send_requests(20, ms(1)).await;
    let before = rig.servers[0].stats().requests;
    rig.servers[0].set_fault(Some(Fault::Status(503))).await;
    let calls = join_all((0..10).map(|_| rig.client.chat(hello()))).await;
    lost += calls.iter().filter(|call| call.is_err()).count() as u64;
    lost += rig.send_requests(50, ms(1)).await;
    vec![
        exactly("lost", lost, 0),
        // On a slow machine a probe may become due.
        Mark { what: "opened", got: rig.opened(), least: 1, most: 3 },
        at_most("calls that it refused, ten of them at once", rig.servers[0].stats().requests - before, 16),
    ]
}

async fn busy() -> Vec<Mark> {
    let settings = vec![Settings::new(WireFormat::OpenAi).pace(ms(40), Duration::ZERO); 2];
    let rig = Fixture::new(settings, Limits::default(), |_, _, target| target).await;
    rig.servers[0].set_plan(FaultPlan::seeded(3).share(Fault::Status(503), 3_000));
    let mut lost = 0;
    for _ in 0..40 {
        let calls = join_all((0..10).map(|_| rig.client.chat(hello()))).await;
        lost += calls.iter().filter(|call| call.is_err()).count() as u64;
    }
    vec![
        exactly("lost", lost, 0),
        exactly("opened", rig.opened(), 0),
        Mark { what: "of 400 served by it", got: rig.served(0), least: 240, most: 320 },
    ]
}

async fn own_network() -> Vec<Mark> {
    let rig = Fixture::plain(3).await;
    let mut lost = rig.send_requests(5, ms(1)).await;
    for server in &rig.servers {
        server.kill().await;
    }
    let down = Instant::now();
    let mut told = 0;
    while down.elapsed() < ms(3_000) {
        if let Err(error) = rig.client.chat(hello()).await {
            let words = format!("{error} {}", error.trail());
            told += u64::from(words.contains("no host is reachable"));
        }
        tokio::time::sleep(ms(10)).await;
    }
    let started = rig.started();
    for server in &rig.servers {
        server.restore().await;
    }
    tokio::time::sleep(ms(1_000)).await;
    lost += rig.send_requests(50, ms(1)).await;
    vec![
        exactly("lost before and after", lost, 0),
        Mark { what: "callers given the reason", got: told, least: 50, most: 300 },
        exactly("opened", rig.opened(), 0),
        at_most("attempts in 3 s at three hosts", started, 40),
        exactly("served by main after its return", rig.served(0), 55),
    ]
}

async fn three_models() -> Vec<Mark> {
    let settings = vec![Settings::new(WireFormat::OpenAi); 5];
    let rig = Fixture::new(settings, short_limits(), |index, server, target| match index {
        4 => target,
        _ => {
            let model = hotspare::openai::target(format!("m{index}")).base_url(server.base_url());
            model.key(hotspare_tests::key()).health_group("https://one.host").into()
        }
    })
    .await;
    for server in &rig.servers[..4] {
        server.set_fault(Some(Fault::Status(500))).await;
    }
    let lost = rig.send_requests(12, ms(5)).await;
    vec![
        exactly("lost", lost, 0),
        exactly("opened: three models and the host", rig.opened(), 4),
        at_most("calls to the fourth model", rig.servers[3].stats().requests, 12),
    ]
}

async fn odd_errors() -> Vec<Mark> {
    let (mut lost, mut served, mut calls) = (0, 0, 0);
    for pause in ["-1", "0", "1000000000", "Thu, 01 Jan 1970 00:00:00 GMT", "soon", "1e9", ""] {
        for fault in [Fault::RateLimited(0), Fault::Status(503)] {
            let odd = Settings::new(WireFormat::OpenAi).header("retry-after", pause);
            let rig =
                Fixture::new(vec![odd, Settings::new(WireFormat::OpenAi)], short_limits(), |_, _, target| {
                    target
                })
                .await;
            rig.servers[0].set_fault(Some(fault)).await;
            lost += rig.send_requests(20, ms(2)).await;
            served += rig.served(1);
            calls = calls.max(rig.servers[0].stats().requests);
            // No wait is longer than an hour.
            let wait = rig.client.targets()[0].view.usable_in.unwrap_or_default();
            lost += u64::from(wait > Duration::from_secs(3_600));
        }
    }
    vec![
        exactly("lost, or not tried for more than an hour", lost, 0),
        exactly("served by the spare", served, 14 * 20),
        at_most("calls to a limited or refusing target", calls, 4),
    ]
}
