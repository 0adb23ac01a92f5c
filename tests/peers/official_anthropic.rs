//! The official `anthropic` Python client talks to the gateway: messages, streams, tools, counts, models, error classes.

use hotspare_chaos::{Fault, WireFormat};
use hotspare_tests::Rig;

use crate::official_client::python;

const SCRIPT: &str = r#"
import sys, anthropic
url, expected = sys.argv[1].removesuffix("/v1"), sys.argv[2]
c = anthropic.Anthropic(base_url=url, api_key="sk-caller", max_retries=2)
ask = [{"role": "user", "content": "what happened?"}]
said = lambda m: "".join(b.text for b in m.content if b.type == "text")

m = c.messages.create(model="chat", max_tokens=64, messages=ask)
assert said(m) == expected and m.stop_reason == "end_turn" and m.usage.output_tokens == 20, m
assert m.id and m.model and m.type == "message", m

with c.messages.stream(model="chat", max_tokens=64, messages=ask) as stream:
    text = "".join(stream.text_stream)
    final = stream.get_final_message()
assert text == expected and said(final) == expected, (text, final)
assert final.stop_reason == "end_turn" and final.usage.output_tokens == 20 and final.usage.input_tokens > 0, final

kinds = [e.type for e in c.messages.create(model="chat", max_tokens=64, messages=ask, stream=True)]
assert kinds[0] == "message_start" and kinds[-2:] == ["message_delta", "message_stop"], kinds
assert kinds.count("content_block_start") == kinds.count("content_block_stop"), kinds

tools = [{"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}]
m = c.messages.create(model="chat", max_tokens=64, messages=ask, tools=tools, tool_choice={"type": "any"})
call = [b for b in m.content if b.type == "tool_use"][0]
assert (call.name, call.input, m.stop_reason) == ("weather", {"city": "Ulm"}, "tool_use"), m
with c.messages.stream(model="chat", max_tokens=64, messages=ask, tools=tools, tool_choice={"type": "any"}) as stream:
    streamed = [b for b in stream.get_final_message().content if b.type == "tool_use"][0]
assert (streamed.name, streamed.input) == ("weather", {"city": "Ulm"}), streamed
m = c.messages.create(model="chat", max_tokens=64, tools=tools, messages=ask + [
    {"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in m.content]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "rain"}]}])
assert said(m) == expected, m

assert c.messages.count_tokens(model="chat", messages=ask).input_tokens > 0
assert "chat" in [m.id for m in c.models.list().data]

def fails(kind, **kw):
    try:
        c.messages.create(**{"model": "chat", "max_tokens": 64, "messages": ask, **kw})
    except kind as e:
        assert e.body["type"] == "error" and e.request_id, e
        return e
    raise SystemExit(f"expected {kind.__name__} for {kw}")

assert "chat" in str(fails(anthropic.NotFoundError, model="caht"))
assert "temperature" in str(fails(anthropic.BadRequestError, extra_body={"temperature": -1}))
fails(anthropic.BadRequestError, messages=[{"role": "wizard", "content": "x"}])
print("ok")
"#;

const DOWN: &str = r#"
import sys, anthropic
c = anthropic.Anthropic(base_url=sys.argv[1].removesuffix("/v1"), api_key="sk-caller", max_retries=2)
ask = [{"role": "user", "content": "x"}]
try:
    c.messages.create(model="chat", max_tokens=64, messages=ask)
    raise SystemExit("answered although everybody is down")
except anthropic.InternalServerError as e:
    assert e.status_code in (502, 503, 529) and e.response.headers["x-should-retry"] == "false", e
try:
    for event in c.messages.create(model="cut", max_tokens=64, messages=ask, stream=True):
        pass
    raise SystemExit("a cut stream looked complete")
except anthropic.APIStatusError as e:
    print("ok", e)
"#;

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
            let done = tokio::task::spawn_blocking(move || python("anthropic", SCRIPT, &[&url, &expected]));
            if done.await.unwrap().is_none() {
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn official_client_retries_do_not_multiply() {
    let (client, server, _cut) = crate::official_client::down(WireFormat::Anthropic).await;
    let gateway = crate::gateway::start(client).await;
    let url = gateway.url();
    if tokio::task::spawn_blocking(move || python("anthropic", DOWN, &[&url])).await.unwrap().is_some() {
        assert_eq!(server.stats().requests, 1, "one call by the caller is one call upstream");
    }
}
