//! Recorded Converse requests: parsed into core types by a small reader, and encoded again.
//!
//! [`plain`] removes permitted differences from both sides, each with its reason. Requests that the provider rejected
//! may be rejected here, too.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hotspare_bedrock::{Bedrock, WIRE};
use hotspare_core::{
    ChatRequest, Json, Media, Message, Native, Origin, OutputFormat, Part, Reasoning, Role, Signature, Tool,
    ToolCall, ToolChoice, ToolResult,
};
use hotspare_provider::{Describe, Outbound, Wire};
use serde_json::{Value, json};

use crate::recordings;

#[test]
fn encoded_requests_match_the_recordings() {
    let (mut same, mut all, mut wrong) = (0, 0, Vec::new());
    for exchange in recordings::all().recordings.iter().map(|recording| &recording.exchange) {
        let stream = exchange.endpoint == "converse_stream";
        if exchange.provider != "bedrock" || (!stream && exchange.endpoint != "converse") {
            continue;
        }
        all += 1;
        let (name, url) = (&exchange.id, &exchange.url);
        // The model as given in the URL.
        let spelled = url.split("/model/").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let model = spelled.replace("%3A", ":").replace("%2F", "/");
        let body: Value = serde_json::from_slice(&exchange.request).unwrap();
        let wire =
            Bedrock::new("us-east-1").with_base_url(url.split("/model/").next().unwrap()).for_model(&model);
        let call = Outbound::new(Arc::new(request(&body, &wire)), model.as_str(), stream);
        match wire.encode(&call) {
            Ok(written) => {
                let again: Value = serde_json::from_slice(&written.body).unwrap();
                let (before, after) = (plain(&body), plain(&again));
                let address = written.url.replace("%3A", ":") == url.replace("%3A", ":");
                if before == after && address {
                    same += 1;
                } else {
                    wrong.push(format!("{name}: {}\n  {before}\n  {after}", written.url));
                }
            }
            Err(_) if !exchange.head.status.is_success() => same += 1,
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    println!("converse requests: {same} / {all}");
    assert!(wrong.is_empty(), "{} of {all} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// A body without what has no meaning: empty lists and objects, defaults, names of documents (they are numbered), blank
/// texts.
fn plain(body: &Value) -> Value {
    match body {
        Value::Object(fields) => {
            let kept = fields.iter().map(|(name, value)| (name.clone(), plain(value)));
            let said = |(name, value): &(String, Value)| {
                let empty = value.as_array().is_some_and(Vec::is_empty)
                    || (value.as_object().is_some_and(serde_json::Map::is_empty)
                        && ["inferenceConfig", "additionalModelRequestFields"].contains(&name.as_str()));
                let default = (name == "status" && value == "success")
                    || (name == "type" && fields.contains_key("toolUseId"));
                let counted = name == "name" && fields.contains_key("source");
                !(empty || default || counted)
            };
            // Ids are rewritten if a model's host would not accept them; their beginning is kept.
            let respelled = |(name, value): (String, Value)| match value.as_str() {
                Some(id) if name == "toolUseId" => {
                    let kept: String = id.chars().filter(char::is_ascii_alphanumeric).take(20).collect();
                    (name, kept.into())
                }
                _ => (name, value),
            };
            Value::Object(kept.filter(said).map(respelled).collect())
        }
        Value::Array(items) => {
            let blank = |item: &&Value| item["text"].as_str().is_none_or(|text| !text.trim().is_empty());
            let mut items: Vec<Value> = items.iter().filter(blank).map(plain).collect();
            // Consecutive turns of one role are merged: not every model accepts them separately.
            let mut at = 1;
            while at < items.len() {
                let turn = items[at]["content"].as_array().cloned();
                match turn
                    .filter(|_| items[at]["role"].is_string() && items[at]["role"] == items[at - 1]["role"])
                {
                    Some(mut content) => {
                        items[at - 1]["content"].as_array_mut().unwrap().append(&mut content);
                        items.remove(at);
                    }
                    None => at += 1,
                }
            }
            // Results come first in a turn; tools of the host's own follow the others.
            items.sort_by_key(|item| (item.get("toolResult").is_none(), item.get("toolSpec").is_none()));
            Value::Array(items)
        }
        Value::Number(number) => json!(number.as_f64()),
        other => other.clone(),
    }
}

pub(crate) fn request(body: &Value, wire: &Bedrock) -> ChatRequest {
    let mut request = ChatRequest::to("r");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let parts = |value: &Value| list(value).iter().map(|block| part(block, wire)).collect::<Vec<_>>();
    let head = parts(&body["system"]);
    if !head.is_empty() {
        request.messages.push(Message::new(Role::System, head));
    }
    for turn in list(&body["messages"]) {
        let role = if turn["role"] == "assistant" { Role::Assistant } else { Role::User };
        request.messages.push(Message::new(role, parts(&turn["content"])));
    }
    for tool in list(&body["toolConfig"]["tools"]) {
        let spec = &tool["toolSpec"];
        if !spec.is_object() {
            request.native_tools.push(Native::new(WIRE, Json::from(&tool)));
            continue;
        }
        let mut read = Tool::new(spec["name"].as_str().unwrap(), Json::from(&spec["inputSchema"]["json"]));
        read.description = spec["description"].as_str().map(str::to_owned);
        read.strict = spec["strict"].as_bool();
        request.tools.push(read);
    }
    let choice = &body["toolConfig"]["toolChoice"];
    request.tool_choice = match choice["tool"]["name"].as_str() {
        Some(name) => Some(ToolChoice::Named(name.to_owned())),
        None if choice["any"].is_object() => Some(ToolChoice::Required),
        None => choice["auto"].is_object().then_some(ToolChoice::Auto),
    };
    let config = &body["inferenceConfig"];
    request.max_output = config["maxTokens"].as_u64();
    request.sampling.temperature = config["temperature"].as_f64();
    request.sampling.top_p = config["topP"].as_f64();
    request.stop =
        list(&config["stopSequences"]).iter().map(|stop| stop.as_str().unwrap().to_owned()).collect();
    let format = &body["outputConfig"]["textFormat"]["structure"]["jsonSchema"];
    let described = format["description"].is_string();
    if let (Some(schema), Some(name), false) = (format["schema"].as_str(), format["name"].as_str(), described)
    {
        let schema = Json::parse(schema).unwrap();
        request.output = OutputFormat::JsonSchema { name: name.to_owned(), schema, strict: true };
    }
    let own = body.as_object().unwrap().iter().filter(|(name, _)| match name.as_str() {
        "system" | "messages" | "toolConfig" | "inferenceConfig" => false,
        "outputConfig" => request.output == OutputFormat::Text,
        _ => true,
    });
    let own = own.map(|(name, value)| (name.clone(), Json::from(value))).collect();
    request.extras.insert(WIRE.to_owned(), own);
    request
}

fn part(block: &Value, wire: &Bedrock) -> Part {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if let Some(said) = block["text"].as_str() {
        return Part::Text(said.to_owned());
    }
    if let Some(data) = block["image"]["source"]["bytes"].as_str() {
        let media_type = format!("image/{}", text(&block["image"]["format"]));
        return Part::Image(Media::Base64 { media_type, data: data.to_owned() });
    }
    if let Some(address) = block["image"]["source"]["s3Location"]["uri"].as_str() {
        return Part::Image(Media::Url(address.to_owned()));
    }
    if let Some(data) = block["document"]["source"]["bytes"].as_str() {
        let media_type = match block["document"]["format"].as_str() {
            Some("pdf") => "application/pdf",
            Some("txt") => "text/plain",
            Some("md") => "text/markdown",
            Some("csv") => "text/csv",
            Some("html") => "text/html",
            _ => return Part::Native(Native::new(WIRE, Json::from(block))),
        };
        return Part::Document(Media::Base64 { media_type: media_type.to_owned(), data: data.to_owned() });
    }
    let call = &block["toolUse"];
    if call.is_object() {
        return Part::ToolCall(ToolCall::new(
            text(&call["toolUseId"]),
            text(&call["name"]),
            call["input"].to_string(),
        ));
    }
    let result = &block["toolResult"];
    if result.is_object() {
        let content =
            result["content"].as_array().into_iter().flatten().map(|block| part(block, wire)).collect();
        let read = ToolResult::from_parts(text(&result["toolUseId"]), content);
        return Part::ToolResult(read.with_error(result["status"] == "error"));
    }
    let origin = wire.origin().unwrap_or(Origin(String::new()));
    let thought = &block["reasoningContent"]["reasoningText"];
    if thought["signature"].is_string() {
        let signature = Signature { origin, data: text(&thought["signature"]), redacted: false };
        return Part::Reasoning(Reasoning::new(text(&thought["text"])).with_signature(signature));
    }
    if let Some(hidden) = block["reasoningContent"]["redactedContent"].as_str() {
        let data = String::from_utf8(STANDARD.decode(hidden).unwrap()).unwrap();
        return Part::Reasoning(Reasoning::new("").with_signature(Signature {
            origin,
            data,
            redacted: true,
        }));
    }
    Part::Native(Native::new(WIRE, Json::from(block)))
}
