//! The client: what an application holds.
//!
//! Mechanism only: it looks up the route, makes a plan, and lets the driver run the state machine. Invariant: cheap to
//! clone, and all clones share one health.

use std::sync::Arc;
use std::time::Duration;

use hotspare_core::{
    ChatRequest, ChatResponse, EmbedRequest, EmbedResponse, Error, Json, Kind, Moment, OutputFormat,
    PromptSize, Request, Response, TargetView,
};
use hotspare_engine::{Call, CallSpec, Plan, PlanSeed, Route, Summary, ValidateToolCalls};
use hotspare_normalize::{OutputCheck, Validator, prompt_size};

use crate::clock::entropy;
use crate::driver::{Driver, Output};
use crate::explain::{ExplainedTarget, Explanation};
use crate::nearest::nearest;
use crate::observe;
use crate::prober_task;
use crate::requests::{checked_chat, checked_embed};
use crate::shared::Shared;
use crate::stream::ChatStream;
use crate::validators::BothValidators;

/// Sends requests and fails over between targets.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

impl Client {
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// Requests a whole answer. It is held back until it is complete, so failures along the way stay invisible.
    ///
    /// The answer is requested unstreamed: a spare starts after [`Limits::unstreamed`](crate::Limits::unstreamed) (30 s until
    /// it is learned), not after [`Limits::first_content`](crate::Limits::first_content), which is for streams.
    /// [`Rules::stream_upstream`](crate::Rules::stream_upstream) requests a stream and judges it by the limits of one.
    ///
    /// # Errors
    /// If no target gave an answer. The error returned is the most informative one; its [`Error::trail`] lists every
    /// attempt.
    pub async fn chat(&self, request: ChatRequest) -> Result<ChatResponse, Error> {
        self.compile(&request).await?;
        let check = self.shared.validators.for_output(&request.output)?;
        drive_chat(self.drive(checked_chat(request)?, false, check).await?).await
    }

    /// Requests JSON that `validator` accepts. An answer that it rejects is repaired, requested again, or requested
    /// from another target, as with a schema. The request must say what to answer, in its prompt or as its `output`; if
    /// that is a schema, the answer must match it as well.
    ///
    /// The validator runs on a thread of the runtime's blocking pool, unless its [`Validator::is_heavy`] returns false.
    /// It may block and use the client.
    ///
    /// # Errors
    /// As [`Client::chat`]; [`Kind::BadOutput`] if no target gave a valid answer, with the violations in the trail.
    pub async fn chat_validated(
        &self,
        request: ChatRequest,
        validator: impl Validator + 'static,
    ) -> Result<ChatResponse, Error> {
        self.compile(&request).await?;
        let check: Arc<dyn Validator> = match &request.output {
            OutputFormat::JsonSchema { schema, .. } => {
                Arc::new(BothValidators(self.validator(schema)?, validator))
            }
            _ => Arc::new(validator),
        };
        self.chat_checked(request, OutputCheck::validated(check)).await
    }

    pub(crate) async fn chat_checked(
        &self,
        request: ChatRequest,
        check: OutputCheck,
    ) -> Result<ChatResponse, Error> {
        drive_chat(self.drive(checked_chat(request)?, false, Some(check)).await?).await
    }

    /// Compiles a request's schemas in advance, off this thread if that takes long.
    pub(crate) async fn compile(&self, request: &ChatRequest) -> Result<(), Error> {
        check_runtime()?;
        let checks_tools = |route: &Arc<Route>| route.rules.validate_tool_calls != ValidateToolCalls::Never;
        let with_tools = self.find(&request.model).is_some_and(checks_tools);
        self.shared.validators.prepare(request, with_tools).await
    }

    pub(crate) fn validator(&self, schema: &Json) -> Result<Arc<dyn Validator>, Error> {
        self.shared.validators.validator(schema)
    }

    /// Requests embedding vectors. Only targets of the same model family and number of dimensions can replace each
    /// other: the first member of the route that can embed decides. The trail lists the others and why they were
    /// skipped.
    ///
    /// # Errors
    /// As [`Client::chat`].
    pub async fn embed(&self, request: EmbedRequest) -> Result<EmbedResponse, Error> {
        let driver = self.drive(checked_embed(request)?, false, None).await?;
        match *drive_to_end(driver).await? {
            Response::Embed(response) => Ok(response),
            Response::Chat(_) => Err(Error::new(Kind::Protocol, "the answer has no vectors")),
        }
    }

    /// Requests an answer piece by piece. Returns once the first content has arrived; until then, failing over is
    /// invisible.
    ///
    /// # Errors
    /// If no target gave any content. A later failure is the stream's last item.
    pub async fn stream(&self, request: ChatRequest) -> Result<ChatStream, Error> {
        self.compile(&request).await?;
        let check = self.shared.validators.for_output(&request.output)?;
        let mut driver = self.drive(checked_chat(request)?, true, check).await?;
        let first = std::future::poll_fn(|cx| driver.poll_output(cx)).await;
        match first {
            Output::Done(result) if result.is_err() => match *result {
                Err(error) => Err(error),
                Ok(_) => Ok(ChatStream::new(driver, Output::Done(result))),
            },
            first => Ok(ChatStream::new(driver, first)),
        }
    }

    /// Sends one tiny request to a target with one of its keys, counted from 1 in the order in which they were
    /// added. It bypasses routes and health and affects neither. It has no timeout of its own; set one around it.
    ///
    /// # Errors
    /// Whatever the target answers; [`Kind::Config`] if there is no such target or key. A target without keys is asked
    /// without one as key 1.
    pub async fn check_key(&self, target: impl AsRef<str>, key: usize) -> Result<(), Error> {
        check_runtime()?;
        let index = self.target_index(target.as_ref())?;
        let known = &self.shared.fleet[index];
        match key.checked_sub(1).and_then(|position| known.key_index(position)) {
            Some(key) => prober_task::probe(&self.shared, index, key).await,
            None => {
                let keys = self.shared.targets[index].keys.len();
                let what = format!(
                    "target `{}` has {keys} keys; there is no key {key}, counted from 1",
                    target.as_ref()
                );
                Err(Error::new(Kind::Config, what))
            }
        }
    }

    /// Shows which targets [`Client::chat`] would try for a request, in which order, and why. Sends nothing. Where
    /// chance decides, as in [`Weighted`](crate::Weighted), it shows the most likely order.
    ///
    /// # Errors
    /// If there is no such route.
    pub fn explain(&self, request: &ChatRequest) -> Result<Explanation, Error> {
        self.explain_any(&Request::from(request.clone()), false)
    }

    /// As [`Client::explain`], for [`Client::stream`]: streams have latencies of their own.
    ///
    /// # Errors
    /// If there is no such route.
    pub fn explain_stream(&self, request: &ChatRequest) -> Result<Explanation, Error> {
        self.explain_any(&Request::from(request.clone()), true)
    }

    /// As [`Client::explain`], for embeddings.
    ///
    /// # Errors
    /// If there is no such route.
    pub fn explain_embed(&self, request: &EmbedRequest) -> Result<Explanation, Error> {
        self.explain_any(&Request::from(request.clone()), false)
    }

    fn explain_any(&self, request: &Request, stream: bool) -> Result<Explanation, Error> {
        let route = self.route(request.model())?;
        self.check_targets(&route, request)?;
        let request = &self.bind(&route, request.clone());
        let now = self.shared.clock.now();
        let size = prompt_size(request);
        let views = self.shared.with_world(|world| world.views(now, &route, size.tokens(), stream));
        let plan = self.plan(&route, request, size, &views, PlanSeed::default());
        let choices = plan.choices.iter().map(|choice| {
            let index = route.members.iter().position(|member| *member == choice.target);
            ExplainedTarget {
                target: self.shared.targets[choice.target].id.clone(),
                why: choice.reason.to_string(),
                prompt_tokens: choice.prompt_tokens,
                trimmed: choice.trim_to.is_some(),
                view: index.map(|index| views[index].clone()).unwrap_or_default(),
            }
        });
        Ok(Explanation {
            route: route.name.clone(),
            strategy: route.strategy.name(),
            width: route.strategy.width(),
            stream: stream || route.rules.stream_upstream,
            prompt_tokens: plan.prompt_tokens,
            choices: choices.collect(),
            skipped: plan.skipped.clone(),
        })
    }

    /// The names that a request's `model` may use: routes, their further names, and targets.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let routes = self.shared.routes.iter().map(|route| route.name.clone());
        let aliases = self.shared.aliases.iter().map(|(alias, _)| alias.clone()).filter(|alias| alias != "*");
        routes.chain(aliases).collect()
    }

    /// Marks a request that refers to state which only one of the route's providers has.
    fn bind(&self, route: &Route, request: Request) -> Request {
        let Request::Chat(chat) = &request else { return request };
        if chat.bound.as_ref().is_some_and(|bound| bound.kept) {
            return request;
        }
        // The fields that the request requires have chosen the wire.
        let required = chat.bound.as_ref().filter(|bound| !bound.fields.is_empty());
        let mut providers = route
            .members
            .iter()
            .map(|&index| &self.shared.targets[index].provider)
            .filter(|provider| required.is_none_or(|bound| bound.wire == provider.wire()));
        match providers.find_map(|provider| Some((provider.wire(), provider.binds(chat)?))) {
            Some((wire, what)) => ChatRequest::clone(chat).bound_to(wire, what).into(),
            None => request,
        }
    }

    /// Puts rejected keys back into service once their sources hold a new one. Waits for the sources at most this long.
    async fn take_new_keys(&self, route: &Route, now: Moment, most: Duration) {
        let shared = &self.shared;
        let mut rereads = Vec::new();
        for &index in &route.members {
            let target = &shared.targets[index];
            for (key, slot) in shared.keys(index).filter(|(_, slot)| slot.is_rejected()) {
                rereads.push(async move {
                    if slot.was_replaced(now).await {
                        tracing::info!(target: "hotspare", target = %target.id, key = key.position() + 1, "key replaced");
                        shared.with_world(|world| world.renew_key(index, key));
                    }
                });
            }
        }
        if !rereads.is_empty() {
            // At once, so that several slow sources delay a call no longer than one; boxed because it is rare and large.
            let _ = Box::pin(tokio::time::timeout(most, futures::future::join_all(rereads))).await;
        }
    }

    async fn drive(
        &self,
        request: Request,
        stream: bool,
        check: Option<OutputCheck>,
    ) -> Result<Box<Driver>, Error> {
        check_runtime()?;
        let route = self.route(request.model())?;
        self.check_targets(&route, &request)?;
        let request = self.bind(&route, request);
        let shared = &self.shared;
        if shared.fleet.targets().iter().any(|target| target.probe) {
            prober_task::spawn(shared);
        }
        let seed = entropy();
        let started = shared.clock.now();
        let options = request.options();
        let allowed = options.deadline.into_iter().chain(options.first_content_deadline).min();
        // Half of what the caller allows at most: a source that hangs must not cost the call.
        let most = allowed.map_or(Duration::MAX, |allowed| allowed / 2);
        self.take_new_keys(&route, started, most).await;
        let now = shared.clock.now();
        let size = prompt_size(&request);
        let (views, turn) = shared
            .with_world(|world| (world.views(now, &route, size.tokens(), stream), world.next_turn(&route)));
        // Outside the lock: a strategy may be application code.
        let plan_seed = PlanSeed { draw: Some(seed.rotate_left(32)), turn };
        let plan = self.plan(&route, &request, size, &views, plan_seed);
        self.check_cost(&route, &request, &plan)?;
        let mut spec = CallSpec::of(&request, stream, seed);
        spec.output_check = check;
        if let (Request::Chat(chat), true) =
            (&request, route.rules.validate_tool_calls != ValidateToolCalls::Never)
        {
            spec.tool_checks = shared.validators.for_tools(&chat.tools).into();
        }
        let span = observe::call_span(&route);
        let call = Call::new(started, Arc::clone(&shared.fleet), route, spec, plan);
        // Boxed to keep the surrounding futures small: they are moved more often than the driver is created.
        Ok(Box::new(Driver::new(Arc::clone(shared), request, call, span)))
    }

    /// The plan of a call, and of its dry run.
    fn plan(
        &self,
        route: &Route,
        request: &Request,
        size: PromptSize,
        views: &[TargetView],
        seed: PlanSeed,
    ) -> Plan {
        let shared = &self.shared;
        let template = |place| shared.prompt(route.index, place).map(|prompt| &*prompt.template);
        let plan = Plan::with_templates(&shared.fleet, route, request, size, views, seed, &template);
        match request {
            Request::Chat(chat) => plan.with_reasoning(&shared.fleet, |place| {
                shared.targets[place].provider.asks_for_reasoning(chat)
            }),
            Request::Embed(_) => plan,
        }
    }

    /// The name of the route that serves a request for `model`, if there is one.
    #[must_use]
    pub fn route_for(&self, model: &str) -> Option<&str> {
        self.find(model).map(|route| route.name.as_str())
    }

    fn find(&self, name: &str) -> Option<&Arc<Route>> {
        let shared = &self.shared;
        let exact = shared.routes.iter().find(|route| route.name == name);
        let alias = || shared.aliases.iter().find(|(alias, _)| alias == name).map(|(_, index)| *index);
        let rest = || shared.aliases.iter().find(|(alias, _)| alias == "*").map(|(_, index)| *index);
        exact.or_else(|| shared.routes.get(alias().or_else(rest)?.position()))
    }

    /// Checks that the targets named in the request's options exist and that one is left: the caller's mistake must not look
    /// like an outage.
    fn check_targets(&self, route: &Route, request: &Request) -> Result<(), Error> {
        let (options, targets) = (request.options(), &self.shared.targets);
        let named = options.only.iter().chain(&options.without);
        if let Some(id) = named.into_iter().find(|id| targets.iter().all(|target| target.id != **id)) {
            let near = nearest(id.as_str(), targets.iter().map(|target| target.id.to_string()).collect());
            let what = format!("unknown target `{id}`; did you mean {near}?");
            return Err(Error::new(Kind::InvalidRequest, what).with_code("target_not_found"));
        }
        if route.members.iter().any(|&index| options.allows(&targets[index].id)) {
            return Ok(());
        }
        let option = match (options.only.is_empty(), options.without.is_empty()) {
            (false, false) => "options `only` and `without` leave",
            (false, true) => "option `only` leaves",
            (true, _) => "option `without` leaves",
        };
        let what = format!("the {option} no target of the route `{}`", route.name);
        Err(Error::new(Kind::InvalidRequest, what).with_code(NO_TARGET_LEFT))
    }

    /// Checks that the request's maximum cost pays for one of the planned targets at least.
    fn check_cost(&self, route: &Route, request: &Request, plan: &Plan) -> Result<(), Error> {
        let Some(most) = request.options().max_cost else { return Ok(()) };
        let costs = plan.choices.iter().filter_map(|choice| choice.most_cost(&self.shared.fleet));
        // Callers see these messages, and prices are none of their business.
        let what = match costs.min() {
            Some(least) if least <= most => return Ok(()),
            None if plan.choices.is_empty() => return Ok(()),
            Some(_) => {
                "the maximum cost is below that of the prompt and the answer at any target of the route"
            }
            None => {
                "the request has a maximum cost, but no price is known (`price` in `profile`) for any target of the route"
            }
        };
        Err(Error::new(Kind::InvalidRequest, format!("{what} `{}`", route.name)).with_code(NO_TARGET_LEFT))
    }

    fn route(&self, name: &str) -> Result<Arc<Route>, Error> {
        self.find(name).cloned().ok_or_else(|| {
            let near = nearest(name, self.names());
            Error::new(
                Kind::InvalidRequest,
                format!("unknown route or target `{name}`; did you mean {near}?"),
            )
            .with_code("model_not_found")
            .with_status(404)
        })
    }
}

/// The code of a request whose own options rule out every target.
const NO_TARGET_LEFT: &str = "no_target_left";

/// Drives a call to a chat response.
async fn drive_chat(driver: Box<Driver>) -> Result<ChatResponse, Error> {
    match *drive_to_end(driver).await? {
        Response::Chat(response) => Ok(response),
        Response::Embed(_) => Err(Error::new(Kind::Protocol, "the answer is not a chat response")),
    }
}

/// Without a runtime, connections and timers would panic inside their own crates.
fn check_runtime() -> Result<(), Error> {
    let what = "no Tokio runtime is running here: call from a task of one, or within its block_on";
    tokio::runtime::Handle::try_current().map(drop).map_err(|_| Error::new(Kind::Config, what))
}

/// Drives a call to its end.
async fn drive_to_end(mut driver: Box<Driver>) -> Result<Box<Response>, Error> {
    let result = std::future::poll_fn(|cx| {
        loop {
            if let Output::Done(result) = std::task::ready!(driver.poll_output(cx)) {
                return std::task::Poll::Ready(result);
            }
        }
    });
    let Summary { served_by, trail, response, .. } = (*result.await)?;
    let mut response = response.ok_or_else(|| Error::new(Kind::Protocol, "the answer was not collected"))?;
    match &mut *response {
        Response::Chat(chat) => (chat.served_by, chat.trail) = (Some(served_by), trail),
        Response::Embed(embed) => (embed.served_by, embed.trail) = (Some(served_by), trail),
    }
    Ok(response)
}
