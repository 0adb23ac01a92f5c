//! The official `openai` Python client talks to the gateway: chat, streams with usage, tools, models, error classes.

use std::sync::Arc;
use std::time::Duration;

use hotspare::provider::Provider;
use hotspare::{Endpoint, OnCut, RouteSpec, Rules, Sequential};
use hotspare_chaos::{ChaosServer, Fault, Scripted, Settings, WireFormat};
use hotspare_tests::Rig;
use hotspare_tests::peer::command;

const SCRIPT: &str = r#"
import sys, openai
url, expected = sys.argv[1], sys.argv[2]
c = openai.OpenAI(base_url=url, api_key="sk-caller", max_retries=2)
ask = [{"role": "user", "content": "what happened?"}]

a = c.chat.completions.create(model="chat", messages=ask)
assert a.choices[0].message.content == expected, a
assert a.choices[0].finish_reason == "stop" and a.usage.completion_tokens == 20 and a.id and a.model, a

text, usage, finish = "", None, None
for chunk in c.chat.completions.create(model="chat", messages=ask, stream=True, stream_options={"include_usage": True}):
    if chunk.usage: usage = chunk.usage
    for choice in chunk.choices:
        text += choice.delta.content or ""
        finish = choice.finish_reason or finish
assert text == expected, text
assert usage is not None and usage.completion_tokens == 20 and finish == "stop", (usage, finish)

for chunk in c.chat.completions.create(model="chat", messages=ask, stream=True):
    assert not chunk.usage, "usage nobody asked for"

tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]
a = c.chat.completions.create(model="chat", messages=ask, tools=tools, tool_choice="required")
call = a.choices[0].message.tool_calls[0]
assert (call.function.name, call.function.arguments) == ("weather", '{"city":"Ulm"}'), call
assert a.choices[0].finish_reason == "tool_calls"
parts = [d.tool_calls[0] for chunk in c.chat.completions.create(model="chat", messages=ask, tools=tools, tool_choice="required", stream=True)
         for ch in chunk.choices for d in [ch.delta] if d.tool_calls]
assert parts[0].function.name == "weather" and "".join(p.function.arguments or "" for p in parts) == '{"city":"Ulm"}', parts
a = c.chat.completions.create(model="chat", tools=tools, messages=ask + [a.choices[0].message.model_dump(exclude_none=True),
    {"role": "tool", "tool_call_id": call.id, "content": "rain"}])
assert a.choices[0].message.content == expected

assert "chat" in [m.id for m in c.models.list().data]

def fails(kind, **kw):
    try:
        c.chat.completions.create(**{"model": "chat", "messages": ask, **kw})
    except kind as e:
        return e
    raise SystemExit(f"expected {kind.__name__} for {kw}")

e = fails(openai.NotFoundError, model="caht")
assert "chat" in str(e), e
e = fails(openai.BadRequestError, temperature=-1)
assert "temperature" in str(e), e
fails(openai.BadRequestError, messages=[{"role": "wizard", "content": "x"}])
print("ok")
"#;

const DOWN: &str = r#"
import sys, openai
c = openai.OpenAI(base_url=sys.argv[1], api_key="sk-caller", max_retries=2)
try:
    c.chat.completions.create(model="chat", messages=[{"role": "user", "content": "x"}])
    raise SystemExit("answered although everybody is down")
except openai.InternalServerError as e:
    assert e.status_code in (502, 503), e
    assert e.response.headers["x-should-retry"] == "false" and e.body["attempts"], (e.response.headers, e.body)
try:
    for chunk in c.chat.completions.create(model="cut", messages=[{"role": "user", "content": "x"}], stream=True):
        pass
    raise SystemExit("a cut stream looked complete")
except openai.APIError as e:
    print("ok", e)
"#;

const EMBED: &str = r#"
import sys, openai
c = openai.OpenAI(base_url=sys.argv[1], api_key="sk-caller", max_retries=0)
for kind in ({}, {"encoding_format": "float"}, {"encoding_format": "base64"}):
    a = c.embeddings.create(model="chat", input=["the pump", "the fan"], **kind)
    assert [d.index for d in a.data] == [0, 1] and a.model and a.usage.prompt_tokens > 0, a
one = c.embeddings.create(model="chat", input="the pump").data[0].embedding
assert one == c.embeddings.create(model="chat", input="the pump").data[0].embedding and len(one) > 1, one
try:
    c.embeddings.create(model="chat", input=[])
    raise SystemExit("embedded nothing")
except openai.BadRequestError as e:
    print("ok", e)
"#;

const LIMITED: &str = r#"
import sys, openai
c = openai.OpenAI(base_url=sys.argv[1], api_key="sk-caller", max_retries=2)
a = c.chat.completions.create(model="chat", messages=[{"role": "user", "content": "x"}])
assert a.choices[0].message.content == "served", a
print("ok")
"#;

/// Runs a script if there is a Python with the required package.
pub(crate) fn python(package: &str, script: &str, args: &[&str]) -> Option<()> {
    let python = hotspare_tests::peer::python(package)?;
    let out = command(python).arg("-c").arg(script).args(args).output().unwrap();
    let shown = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && shown.contains("ok"), "{shown}");
    Some(())
}

#[tokio::test(flavor = "multi_thread")]
async fn official_client_works() {
    for wires in [[WireFormat::OpenAi, WireFormat::Anthropic], [WireFormat::Anthropic, WireFormat::OpenAi]] {
        // Healthy, and with the first target dead.
        for fault in [None, Some(Fault::Refuse)] {
            let rig = Rig::sequential(&wires).await;
            rig.servers[0].set_fault(fault).await;
            let expected = rig.servers[1].settings().answer.concat();
            let gateway = crate::gateway::start(rig.client.clone()).await;
            let url = gateway.url();
            let done = tokio::task::spawn_blocking(move || python("openai", SCRIPT, &[&url, &expected]))
                .await
                .unwrap();
            if done.is_none() {
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn embeddings_fail_over_for_the_official_client() {
    let rig = Rig::sequential(&[WireFormat::OpenAi, WireFormat::OpenAi]).await;
    rig.servers[0].set_fault(Some(Fault::Refuse)).await;
    let gateway = crate::gateway::start(rig.client.clone()).await;
    let url = gateway.url();
    let _ = tokio::task::spawn_blocking(move || python("openai", EMBED, &[&url])).await.unwrap();
}

/// A route `chat` whose only target is down, and a route `cut` whose only target truncates; with both servers.
pub(crate) async fn down(wire: WireFormat) -> (hotspare::Client, ChaosServer, ChaosServer) {
    let server = ChaosServer::start(Settings::new(wire)).await.unwrap();
    let cut = ChaosServer::start(Settings::new(wire)).await.unwrap();
    server.set_fault(Some(Fault::Status(503))).await;
    cut.set_fault(Some(Fault::CutAfter(5))).await;
    let mut rules = Rules::default();
    rules.on_cut = OnCut::Terminate;
    let client = hotspare::Client::builder()
        .target("main", hotspare_tests::endpoint(&server, wire))
        .target("edge", hotspare_tests::endpoint(&cut, wire))
        .route("chat", Sequential::new(["main"]))
        .route("cut", RouteSpec::new(Sequential::new(["edge"])).rules(rules))
        .build()
        .unwrap();
    (client, server, cut)
}

/// As without the gateway: the client waits for as long as the provider asks.
#[tokio::test(flavor = "multi_thread")]
async fn official_client_waits_out_a_rate_limit() {
    let provider = Arc::new(Scripted::new().rate_limited(Duration::from_secs(1)).text("served"));
    let target = Endpoint::custom(Arc::clone(&provider) as Arc<dyn Provider>, "model");
    let builder = hotspare::Client::builder().target("main", target);
    let client = builder.route("chat", Sequential::new(["main"])).build().unwrap();
    let gateway = crate::gateway::start(client).await;
    let url = gateway.url();
    if tokio::task::spawn_blocking(move || python("openai", LIMITED, &[&url])).await.unwrap().is_some() {
        assert_eq!(provider.requests().len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn official_client_retries_do_not_multiply() {
    let (client, server, _cut) = down(WireFormat::OpenAi).await;
    let gateway = crate::gateway::start(client).await;
    let url = gateway.url();
    if tokio::task::spawn_blocking(move || python("openai", DOWN, &[&url])).await.unwrap().is_some() {
        assert_eq!(server.stats().requests, 1, "one call by the caller is one call upstream");
    }
}
