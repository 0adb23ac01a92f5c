//! Building a chat request, one setting at a time.
//!
//! Nothing is checked here. Invariant: a setter changes one field; messages, tools and stop sequences add up.

use std::time::Duration;

use super::{ChatRequest, OutputFormat};
use crate::cost::Cost;
use crate::json::Json;
use crate::message::{Message, Role};
use crate::target::TargetId;
use crate::tool::{Tool, ToolChoice};

impl ChatRequest {
    /// Appends a message.
    #[must_use]
    pub fn message(mut self, message: Message) -> Self {
        self.messages.push(message);
        self
    }

    /// Appends messages, such as the conversation so far.
    #[must_use]
    pub fn messages(mut self, messages: impl IntoIterator<Item = Message>) -> Self {
        self.messages.extend(messages);
        self
    }

    /// Appends a user message.
    #[must_use]
    pub fn user(self, text: impl Into<String>) -> Self {
        self.message(Message::user(text))
    }

    /// Appends a system message. Messages keep their order, so call it before [`ChatRequest::user`].
    #[must_use]
    pub fn system(self, text: impl Into<String>) -> Self {
        self.message(Message::system(text))
    }

    /// Appends a developer message: a system message under the newer name of that role.
    #[must_use]
    pub fn developer(self, text: impl Into<String>) -> Self {
        self.message(Message::text(Role::Developer, text))
    }

    /// Appends an assistant message.
    #[must_use]
    pub fn assistant(self, text: impl Into<String>) -> Self {
        self.message(Message::assistant(text))
    }

    /// Offers a tool.
    #[must_use]
    pub fn tool(mut self, tool: Tool) -> Self {
        self.tools.push(tool);
        self
    }

    /// Offers tools.
    #[must_use]
    pub fn tools(mut self, tools: impl IntoIterator<Item = Tool>) -> Self {
        self.tools.extend(tools);
        self
    }

    /// Sets whether the model may call several tools in one turn.
    #[must_use]
    pub fn parallel_tools(mut self, parallel: bool) -> Self {
        self.parallel_tools = Some(parallel);
        self
    }

    /// Limits the answer's length in tokens.
    #[must_use]
    pub fn max_output(mut self, tokens: u64) -> Self {
        self.max_output = Some(tokens);
        self
    }

    /// Sets the sampling temperature.
    #[must_use]
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.sampling.temperature = Some(temperature);
        self
    }

    /// Sets nucleus sampling, 0 to 1.
    #[must_use]
    pub fn top_p(mut self, share: f64) -> Self {
        self.sampling.top_p = Some(share);
        self
    }

    /// Sets the number of most likely tokens to consider.
    #[must_use]
    pub fn top_k(mut self, tokens: u64) -> Self {
        self.sampling.top_k = Some(tokens);
        self
    }

    /// Penalizes repeated tokens by frequency, -2 to 2.
    #[must_use]
    pub fn frequency_penalty(mut self, penalty: f64) -> Self {
        self.sampling.frequency_penalty = Some(penalty);
        self
    }

    /// Penalizes repeated tokens by presence, -2 to 2.
    #[must_use]
    pub fn presence_penalty(mut self, penalty: f64) -> Self {
        self.sampling.presence_penalty = Some(penalty);
        self
    }

    /// Sets the seed, for answers as repeatable as the provider can make them.
    #[must_use]
    pub fn seed(mut self, seed: i64) -> Self {
        self.sampling.seed = Some(seed);
        self
    }

    /// Adds a stop sequence.
    #[must_use]
    pub fn stop(mut self, text: impl Into<String>) -> Self {
        self.stop.push(text.into());
        self
    }

    /// Sets whether a tool is to be called, and which.
    #[must_use]
    pub fn tool_choice(mut self, choice: ToolChoice) -> Self {
        self.tool_choice = Some(choice);
        self
    }

    /// Sets how much to reason, in the providers' terms: `none`, `minimal`, `low`, `medium`, `high`.
    #[must_use]
    pub fn reasoning_effort(mut self, effort: impl Into<String>) -> Self {
        self.reasoning_effort = Some(effort.into());
        self
    }

    /// Names the end user, for providers' abuse detection and for session affinity.
    #[must_use]
    pub fn end_user(mut self, id: impl Into<String>) -> Self {
        self.end_user = Some(id.into());
        self
    }

    /// Starts no hedge and no race for this request. A target whose first content is late is still joined by the next
    /// one: that is failover.
    #[must_use]
    pub fn no_hedge(mut self) -> Self {
        self.options.no_hedge = true;
        self
    }

    /// Sets the output format.
    #[must_use]
    pub fn output(mut self, output: OutputFormat) -> Self {
        self.output = output;
        self
    }

    /// Requests JSON that fits `schema`, enforced by the provider if it can, and validated in any case. `name` consists
    /// of letters, digits, `_` and `-`. For an answer as a Rust type, see `Client::chat_as` of the `hotspare` crate.
    #[must_use]
    pub fn json_schema(self, name: impl Into<String>, schema: impl Into<Json>) -> Self {
        self.output(OutputFormat::JsonSchema { name: name.into(), schema: schema.into(), strict: true })
    }

    /// Adds a field that only one wire has, such as `service_tier` of `openai-chat`. It is sent verbatim, to that wire
    /// only.
    #[must_use]
    pub fn extra(mut self, wire: impl Into<String>, name: impl Into<String>, value: impl Into<Json>) -> Self {
        self.extras.entry(wire.into()).or_default().insert(name.into(), value.into());
        self
    }

    /// Adds a field as [`ChatRequest::extra`] does, for a request that makes no sense without it: only targets of that wire
    /// serve it, and of those only hosts that accept the field. The fields that a request requires are all of one wire; if
    /// several wires are named, the last one counts.
    #[must_use]
    pub fn required_extra(
        self,
        wire: impl Into<String>,
        name: impl Into<String>,
        value: impl Into<Json>,
    ) -> Self {
        let (wire, name) = (wire.into(), name.into());
        let mut request = self.extra(wire.clone(), name.clone(), value);
        // What ties it to that wire already may tie it to one provider, too.
        if request.bound.as_ref().is_none_or(|bound| bound.wire != wire) {
            request.bound = None;
            request = request.only_on_wire(wire, format!("the field {name}"));
        }
        if let Some(bound) = &mut request.bound {
            bound.fields.push(name);
        }
        request
    }

    /// Sets the time within which the answer must be complete.
    #[must_use]
    pub fn deadline(mut self, within: Duration) -> Self {
        self.options.deadline = Some(within);
        self
    }

    /// Sets the time within which the answer must begin: its first content if it is streamed, else all of it.
    #[must_use]
    pub fn first_content_deadline(mut self, within: Duration) -> Self {
        self.options.first_content_deadline = Some(within);
        self
    }

    /// Tries only these targets of the route.
    #[must_use]
    pub fn only(mut self, targets: impl IntoIterator<Item = impl Into<TargetId>>) -> Self {
        self.options.only = targets.into_iter().map(Into::into).collect();
        self
    }

    /// Excludes these targets of the route.
    #[must_use]
    pub fn without(mut self, targets: impl IntoIterator<Item = impl Into<TargetId>>) -> Self {
        self.options.without = targets.into_iter().map(Into::into).collect();
        self
    }

    /// States the wire that the request arrived on: see [`CallOptions::native_wire`](crate::CallOptions::native_wire).
    #[must_use]
    pub fn native_wire(mut self, wire: &'static str) -> Self {
        self.options.native_wire = Some(wire);
        self
    }

    /// Tries one target only.
    #[must_use]
    pub fn no_failover(mut self) -> Self {
        self.options.no_failover = true;
        self
    }

    /// Limits what the call may cost at list price. No attempt is started unless its prompt and an answer as long as the
    /// output limit are within it. Without an output limit, 1,024 tokens must be affordable, and the answer is limited
    /// to what the rest pays for. Targets without a known price are skipped.
    #[must_use]
    pub fn max_cost(mut self, cost: Cost) -> Self {
        self.options.max_cost = Some(cost);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_fields_restrict_a_request_to_their_wire() {
        let json = |text: &str| Json::parse(text).unwrap();
        let request = ChatRequest::to("chat")
            .required_extra("openai-chat", "logit_bias", json("{}"))
            .required_extra("openai-chat", "prediction", json("{}"));
        let bound = request.bound.as_ref().unwrap();
        assert_eq!((bound.wire.as_str(), bound.kept), ("openai-chat", false));
        assert_eq!(bound.fields, ["logit_bias", "prediction"]);
        assert_eq!(request.extras["openai-chat"].len(), 2);
        let kept = ChatRequest::to("chat").bound_to("w", "a file").required_extra("w", "x", json("1"));
        assert!(kept.bound.unwrap().kept, "it still belongs to one provider");
    }

    #[test]
    fn required_fields_outlast_what_ties_a_request_later() {
        let required = || ChatRequest::to("chat").required_extra("w", "x", Json::parse("1").unwrap());
        let kept = required().bound_to("w", "a file").bound.unwrap();
        assert_eq!((kept.what.as_str(), kept.kept, kept.fields), ("a file", true, vec!["x".to_owned()]));
        let restricted = required().only_on_wire("w", "the field y").bound.unwrap();
        assert_eq!((restricted.what.as_str(), restricted.fields), ("the field y", vec!["x".to_owned()]));
        for request in [required().bound_to("v", "a file"), required().only_on_wire("v", "the field y")] {
            assert_eq!(request.bound, required().bound, "the field is still required");
        }
        let last = required().required_extra("v", "y", Json::parse("1").unwrap()).bound.unwrap();
        assert_eq!((last.wire.as_str(), last.fields), ("v", vec!["y".to_owned()]));
    }

    #[test]
    fn setters_add_up() {
        let json = |text: &str| Json::parse(text).unwrap();
        let history = vec![Message::user("hi"), Message::assistant("hello")];
        let request = ChatRequest::to("chat")
            .developer("Be brief.")
            .messages(history)
            .user("What now?")
            .tools([Tool::new("a", json("{}")), Tool::new("b", json("{}"))])
            .extra("openai-chat", "service_tier", json("\"flex\""))
            .extra("openai-chat", "store", json("false"))
            .json_schema("note", json("{}"));
        let roles: Vec<Role> = request.messages.iter().map(|message| message.role).collect();
        assert_eq!(roles, [Role::Developer, Role::User, Role::Assistant, Role::User]);
        assert_eq!((request.tools.len(), request.extras["openai-chat"].len()), (2, 2));
        assert!(matches!(request.output, OutputFormat::JsonSchema { strict: true, .. }));
    }
}
