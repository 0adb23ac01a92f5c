//! Embeddings through sockets: vectors stay comparable, whichever target answers.

use hotspare::{
    Client, Cost, EmbedRequest, Endpoint, HealthAware, Kind, Limits, ModelProfile, Price, RouteSpec,
    anthropic, gemini, openai,
};
use hotspare_chaos::{ChaosServer, Fault, Scripted, Settings, WireFormat};

fn target(server: &ChaosServer, model: &str) -> Endpoint {
    openai::compatible(server.base_url(), model).into()
}

async fn server() -> ChaosServer {
    ChaosServer::start(Settings::new(WireFormat::OpenAi)).await.unwrap()
}

fn client(targets: Vec<Endpoint>) -> Client {
    client_with(Limits::default(), targets)
}

fn client_with(limits: Limits, targets: Vec<Endpoint>) -> Client {
    let names = ["main", "spare", "third"];
    let route = HealthAware::new(names.into_iter().take(targets.len()));
    let mut builder = Client::builder();
    for (name, target) in names.into_iter().zip(targets) {
        builder = builder.target(name, target);
    }
    builder.route("embed", RouteSpec::new(route).limits(limits)).build().unwrap()
}

fn sample_request() -> EmbedRequest {
    EmbedRequest::to("embed").texts(["the pump", "the fan"])
}

/// Whatever fault the main target has, the spare with the same model gives the same vectors.
#[tokio::test]
async fn embeddings_survive_every_fault_of_the_main_target() {
    for fault in Fault::examples() {
        let (main, spare) = (server().await, server().await);
        let limits = hotspare_tests::limits_for(fault);
        let client = client_with(limits, vec![target(&main, "e"), target(&spare, "e")]);
        let well = client.embed(sample_request()).await.unwrap();
        assert_eq!(well.served_by.as_ref().map(|target| target.as_str()), Some("main"));
        main.set_fault(Some(fault)).await;
        let answer = client.embed(sample_request()).await.unwrap_or_else(|error| panic!("{fault}: {error}"));
        assert_eq!(answer.vectors, well.vectors, "{fault}");
        assert_eq!((answer.vectors.len(), answer.dimensions()), (2, 8), "{fault}");
        assert!(answer.usage.input.is_some(), "{fault}");
    }
}

/// Vectors are not tokens: only the input is charged.
#[tokio::test]
async fn embeddings_charge_only_for_input() {
    for wire in [WireFormat::OpenAi, WireFormat::Gemini] {
        let server = ChaosServer::start(Settings::new(wire)).await.unwrap();
        let mut profile = ModelProfile::default();
        profile.price = Some(Price::micros_per_million(1_000_000, 1_000_000));
        let target = match wire {
            WireFormat::Gemini => gemini::target("e").base_url(server.base_url()).into(),
            _ => target(&server, "e"),
        };
        let client = client(vec![target.profile(profile)]);
        let ask = EmbedRequest::to("embed").texts((0..20).map(|number| format!("text {number}")));
        let answer = client.embed(ask).await.unwrap();
        assert_eq!(answer.vectors.len(), 20);
        assert_eq!(answer.usage.output, Some(0));
        let read = answer.usage.input.unwrap();
        assert_eq!(answer.cost(), Some(Cost::from_micros(read)));
    }
}

/// One model at two hosts with different encodings of vectors.
#[tokio::test]
async fn failover_to_another_wire_gives_the_same_vectors() {
    for fault in [Fault::Status(503), Fault::RateLimited(7), Fault::CutAfter(1), Fault::ErrorEventAfter(0)] {
        let main = ChaosServer::start(Settings::new(WireFormat::Gemini)).await.unwrap();
        let spare = server().await;
        let gemini = gemini::target("e").base_url(main.base_url());
        let client = client(vec![gemini.into(), target(&spare, "e")]);
        let well = client.embed(sample_request().dimensions(5)).await.unwrap();
        assert_eq!((well.dimensions(), well.vectors.len(), well.usage.input.is_some()), (5, 2, true));
        main.set_fault(Some(fault)).await;
        let answer = client
            .embed(sample_request().dimensions(5))
            .await
            .unwrap_or_else(|error| panic!("{fault}: {error}"));
        assert_eq!(answer.served_by.unwrap().as_str(), "spare", "{fault}");
        assert_eq!(answer.vectors, well.vectors, "{fault}");
    }
}

/// Another model family, another length, a model without embeddings: skipped with the reason, even if no target is
/// left.
#[tokio::test]
async fn incompatible_embedding_models_are_skipped() {
    let (main, spare) = (server().await, server().await);
    let mut longer = ModelProfile::default();
    longer.embedding_family = Some("e".into());
    longer.embedding_dimensions = Some(16);
    let mut short = longer.clone();
    short.embedding_dimensions = Some(8);
    let chat = anthropic::target("claude-demo").base_url(spare.base_url());
    let others = [
        (target(&spare, "other"), "its embedding family is other, that of the route e"),
        (target(&spare, "f").profile(longer), "its vectors have 16 dimensions, those of the route 8"),
        (chat.into(), "it does not support embeddings"),
    ];
    for (other, why) in others {
        main.set_fault(None).await;
        let client = client(vec![target(&main, "e").profile(short.clone()), other]);
        let explained = client.explain_embed(&sample_request()).unwrap();
        let answer = client.embed(sample_request()).await.unwrap();
        assert_eq!(answer.trail.skipped[0].why, why);
        assert_eq!(explained.skipped, answer.trail.skipped, "the dry run says the same");
        assert_eq!(explained.choices.len(), 1);
        main.set_fault(Some(Fault::Status(500))).await;
        // Not even when its health is bad: the route determines the vector space, not the current ranking.
        for _ in 0..6 {
            let error = client.embed(sample_request()).await.unwrap_err();
            assert_eq!(error.trail().skipped[0].why, why);
        }
        assert_eq!(spare.stats().requests, 0);
    }
}

#[tokio::test]
async fn vectors_of_unexpected_length_are_rejected() {
    let (main, spare) = (server().await, server().await);
    let mut profile = ModelProfile::default();
    profile.embedding_dimensions = Some(12);
    let client = client(vec![target(&main, "e").profile(profile), target(&spare, "e")]);
    let answer = client.embed(sample_request().dimensions(4)).await.unwrap();
    assert_eq!(answer.dimensions(), 4);
    let error = client.embed(sample_request()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported, "{error}");
    assert!(error.to_string().contains("8 dimensions instead of 12"), "{error}");
}

#[tokio::test]
async fn base64_and_float_vectors_are_equal() {
    let server = server().await;
    let openai = openai::target("e").base_url(server.base_url()).key(hotspare_tests::key());
    let [base64, numbers] = [openai.into_any(), target(&server, "e")].map(|target| client(vec![target]));
    assert_eq!(
        base64.embed(sample_request()).await.unwrap().vectors,
        numbers.embed(sample_request()).await.unwrap().vectors
    );
}

#[tokio::test]
async fn invalid_embedding_requests_are_not_sent() {
    let server = server().await;
    let client = client(vec![target(&server, "e")]);
    for bad in [EmbedRequest::to("embed"), EmbedRequest::to("embed").text(""), sample_request().dimensions(0)]
    {
        assert_eq!(client.embed(bad).await.unwrap_err().kind(), Kind::InvalidRequest);
    }
    assert_eq!(server.stats().requests, 0);
}

/// Records what it was asked.
#[derive(Debug, Default)]
struct Listener(std::sync::Mutex<Vec<bool>>);

impl hotspare::provider::Describe for Listener {
    fn wire(&self) -> &'static str {
        "listener"
    }
}

#[async_trait::async_trait]
impl hotspare::provider::Provider for Listener {
    async fn send(
        &self,
        call: hotspare_provider::Outbound,
    ) -> Result<
        futures::stream::BoxStream<'static, Result<hotspare_provider::Signal, hotspare::Error>>,
        hotspare::Error,
    > {
        self.0.lock().unwrap().push(matches!(call.request, hotspare::Request::Embed(_)));
        Err(hotspare::Error::new(Kind::Server, "it only listens"))
    }
}

/// A chat probe sent to an embedding model would make the model look as if it did not exist.
#[tokio::test]
async fn probe_matches_the_kind_of_model() {
    let (vectors, words) =
        (std::sync::Arc::new(Listener::default()), std::sync::Arc::new(Listener::default()));
    let mut profile = ModelProfile::default();
    profile.embedding_dimensions = Some(8);
    let client = Client::builder()
        .target("vectors", Endpoint::custom(vectors.clone(), "e").profile(profile))
        .target("words", Endpoint::custom(words.clone(), "e"))
        .build()
        .unwrap();
    client.check_key("vectors", 1).await.unwrap_err();
    client.check_key("words", 1).await.unwrap_err();
    client.embed(EmbedRequest::to("words").text("x")).await.unwrap_err();
    client.check_key("words", 1).await.unwrap_err();
    assert_eq!(*vectors.0.lock().unwrap(), [true]);
    let heard = words.0.lock().unwrap();
    assert_eq!((heard.first(), heard.last()), (Some(&false), Some(&true)), "{heard:?}");
}

/// An application that embeds can be tested without a network.
#[tokio::test]
async fn scripted_provider_answers_with_vectors() {
    let scripted = Scripted::new().status(500).vectors([vec![1.0, 0.0], vec![0.0, 1.0]]);
    let provider = std::sync::Arc::new(scripted.clone());
    let client = Client::builder().target("embed", Endpoint::custom(provider, "e")).build().unwrap();
    assert_eq!(client.embed(sample_request()).await.unwrap().vectors, [[1.0, 0.0], [0.0, 1.0]]);
    let asked: Vec<String> =
        scripted.requests().iter().map(|asked| asked.request.model().to_owned()).collect();
    assert_eq!(asked, ["embed", "embed"]);
}
