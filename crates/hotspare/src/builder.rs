//! Builds a client and reports every mistake at once.
//!
//! Invariant: nothing is sent while building, and a client that was built has targets, routes and readable keys.

mod mistakes;
mod outline;
mod route_spec;
mod transports;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hotspare_catalog::Catalog;
use hotspare_core::{Error, TargetId};
use hotspare_engine::{Fleet, OnKind, Route, SpendLimit, TargetSpec, World};
use hotspare_provider::{HttpProvider, Secret, Transport};
use hotspare_routing::Sequential;

pub(crate) use self::mistakes::{Mistakes, Subject};
pub use self::outline::Outline;
pub use self::route_spec::RouteSpec;
use self::transports::{NoTransport, Transports};
use crate::client::Client;
use crate::endpoint::{Backend, Endpoint, NetworkOptions};
use crate::key::KeySlot;
use crate::shared::{ConnectedTarget, NamedTemplate, Shared};

/// A client under construction.
#[derive(Debug, Default)]
pub struct ClientBuilder {
    targets: Vec<(TargetId, Endpoint)>,
    routes: Vec<(String, RouteSpec)>,
    transport: Option<Arc<dyn Transport>>,
    pub(crate) mistakes: Mistakes,
    /// Targets that were named but could not be described, so that routes using them are not reported as well.
    pub(crate) broken: Vec<TargetId>,
}

impl ClientBuilder {
    /// Adds a target.
    #[must_use]
    pub fn target(mut self, name: impl Into<TargetId>, endpoint: impl Into<Endpoint>) -> Self {
        self.targets.push((name.into(), endpoint.into()));
        self
    }

    /// Adds a route: a strategy such as [`Sequential`], or a [`RouteSpec`] with limits and rules.
    #[must_use]
    pub fn route(mut self, name: impl Into<String>, route: impl Into<RouteSpec>) -> Self {
        self.routes.push((name.into(), route.into()));
        self
    }

    /// Sends everything through this transport, such as one built on the application's own HTTP client.
    #[must_use]
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Sends everything through the application's own HTTP client.
    ///
    /// The client must not follow redirects, which would hand keys and prompts to other hosts: a reply that was redirected
    /// counts as a failure of its target ([`Kind::Protocol`](hotspare_core::Kind::Protocol)). It should make no retries of its
    /// own, which breakers and deadlines would not see, and have no total timeout, which would cut long streams:
    ///
    /// ```no_run
    /// # fn run() -> Result<(), reqwest::Error> {
    /// let http = reqwest::Client::builder()
    ///     .redirect(reqwest::redirect::Policy::none())
    ///     .retry(reqwest::retry::never())
    ///     .referer(false)
    ///     .connect_timeout(std::time::Duration::from_secs(5))
    ///     .build()?;
    /// let builder = hotspare::Client::builder().http_client(http);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "_http")]
    #[must_use]
    pub fn http_client(self, client: reqwest::Client) -> Self {
        self.transport(Arc::new(hotspare_http::ReqwestTransport::from_client(client)))
    }

    /// Builds the client.
    ///
    /// # Errors
    /// [`Kind::Config`](hotspare_core::Kind::Config) with every mistake: unset variables, unknown targets, limits that make no sense.
    pub fn build(self) -> Result<Client, Error> {
        Ok(self.assemble()?.0)
    }

    fn assemble(mut self) -> Result<(Client, Vec<TargetSpec>), Error> {
        let mut mistakes = std::mem::take(&mut self.mistakes);
        if self.targets.is_empty() && self.broken.is_empty() {
            mistakes.add(
                Subject::Client,
                "there are no targets; add one with `target`, or [targets.main] in a configuration",
            );
        }
        let mut seen = BTreeMap::new();
        for (name, _) in &self.targets {
            if seen.insert(name.clone(), ()).is_some() {
                mistakes.add(Subject::Target(name.to_string()), format!("target `{name}` is defined twice"));
            }
        }
        let mut transports = Transports { custom: self.transport.take(), pools: Vec::new() };
        let mut specs = Vec::new();
        let mut connected = Vec::new();
        let mut spend_limits = Vec::new();
        let mut custom_hosts = Vec::new();
        for (name, mut endpoint) in self.targets {
            assign_custom_host(&name, &mut endpoint, &mut custom_hosts);
            spend_limits.extend(endpoint.spend_limit.map(|limit| (specs.len(), limit)));
            let mut target_mistakes = Vec::new();
            let (spec, target) = connect(name.clone(), endpoint, &mut transports, &mut target_mistakes);
            for what in target_mistakes {
                mistakes.add(Subject::Target(name.to_string()), format!("target `{name}`: {what}"));
            }
            specs.push(spec);
            connected.push(target);
        }
        let target_specs = specs.clone();
        let (fleet, book) = Fleet::assemble(specs);
        // Every target can be requested by its own name, unless a route already uses that name.
        let taken = |name: &str| {
            self.routes
                .iter()
                .any(|(route, spec)| route == name || spec.answers_to.iter().any(|other| other == name))
        };
        let implicit_routes: Vec<_> = connected
            .iter()
            .filter(|target| !taken(target.id.as_str()))
            .map(|target| (target.id.to_string(), RouteSpec::new(Sequential::new([target.id.clone()]))))
            .collect();
        let specs: Vec<_> = self.routes.into_iter().chain(implicit_routes).collect();
        let prompts = specs
            .iter()
            .map(|(name, spec)| prompts(name, spec, &connected, &self.broken, &mut mistakes))
            .collect();
        let (routes, aliases) = routes(specs, &fleet, &self.broken, &mut mistakes);
        check_prices(&spend_limits, &fleet, &routes, &mut mistakes);
        mistakes.into_result()?;
        let mut world = World::new(Arc::clone(&fleet), book, &routes);
        for (index, limit) in spend_limits {
            world.limit_spending(index, limit);
        }
        Ok((Client::new(Shared::new(fleet, connected, routes, prompts, aliases, world)), target_specs))
    }
}

/// Gives a custom provider a name for its health, shared by all targets that use the same provider.
fn assign_custom_host(name: &TargetId, endpoint: &mut Endpoint, custom_hosts: &mut Vec<(*const (), String)>) {
    let Backend::Provider(provider) = &endpoint.backend else { return };
    if !endpoint.host.is_empty() {
        return;
    }
    let at = Arc::as_ptr(provider).cast::<()>();
    let known = custom_hosts.iter().find(|(known, _)| *known == at).map(|(_, host)| host.clone());
    let host = known.unwrap_or_else(|| {
        let host = format!("the provider of {name}");
        custom_hosts.push((at, host.clone()));
        host
    });
    endpoint.address.clone_from(&host);
    endpoint.host = host;
}

/// Connection settings that would have no effect because the connection is not made here. They are mistakes: ignoring a
/// proxy, for one, could go unnoticed.
fn ineffective_setting(endpoint: &Endpoint, custom_transport: bool) -> Option<String> {
    let custom = matches!(endpoint.backend, Backend::Provider(_));
    let has_network_options = endpoint.network != NetworkOptions::default();
    let settings = [
        ("proxy, ca and connect_timeout", has_network_options && (custom || custom_transport)),
        ("a signer", custom && endpoint.signer.is_some()),
        ("deadline_header", custom && endpoint.deadline_header.is_some()),
    ];
    let what = settings.iter().find(|(_, ineffective)| *ineffective)?.0;
    let whose = if custom { "its provider" } else { "the transport that the client was given" };
    Some(format!("{what}: no effect, because {whose} makes the connections"))
}

/// The prompts that a route sets for its targets.
fn prompts(
    route: &str,
    spec: &RouteSpec,
    targets: &[ConnectedTarget],
    broken: &[TargetId],
    mistakes: &mut Mistakes,
) -> BTreeMap<usize, NamedTemplate> {
    for what in &spec.mistakes {
        mistakes.add(Subject::Route(route.to_owned()), format!("route `{route}`: {what}"));
    }
    let members = spec.strategy.members();
    let mut prompts: BTreeMap<usize, (usize, NamedTemplate)> = BTreeMap::new();
    for (pattern, prompt) in &spec.prompts {
        let prefix = pattern.strip_suffix('*');
        let mut found = false;
        for (index, target) in targets.iter().enumerate().filter(|(_, target)| members.contains(&target.id)) {
            let (fits, specificity) = match prefix {
                Some(prefix) => (target.model.starts_with(prefix), prefix.len()),
                None => (target.id.as_str() == pattern, usize::MAX),
            };
            if fits {
                found = true;
                if prompts.get(&index).is_none_or(|(known, _)| specificity >= *known) {
                    prompts.insert(index, (specificity, prompt.clone()));
                }
            }
        }
        if !found && !members.iter().any(|member| broken.contains(member)) {
            let what =
                format!("route `{route}` has a prompt for `{pattern}`, which matches none of its targets");
            mistakes.add(Subject::Route(route.to_owned()), what);
        }
    }
    prompts.into_iter().map(|(index, (_, prompt))| (index, prompt)).collect()
}

/// Reports spend limits that cannot be enforced because a price is unknown.
fn check_prices(
    spend_limits: &[(usize, SpendLimit)],
    fleet: &Fleet,
    routes: &[Arc<Route>],
    mistakes: &mut Mistakes,
) {
    let has_no_price = |index: &usize| fleet.targets()[*index].profile.price.is_none();
    let id = |index: usize| &fleet.targets()[index].id;
    for (index, limit) in spend_limits {
        if limit.per.is_zero() {
            let what = format!("target `{}`: spend_limit must be per a time longer than 0s", id(*index));
            mistakes.add(Subject::Target(id(*index).to_string()), what);
        }
        if has_no_price(index) {
            let what =
                format!("target `{}` has a spend_limit and no known price; set its profile", id(*index));
            mistakes.add(Subject::Target(id(*index).to_string()), what);
        }
    }
    for route in routes.iter().filter(|route| route.limits.spend.is_some()) {
        for index in route.members.iter().filter(|index| has_no_price(index)) {
            let name = &route.name;
            let what = format!(
                "route `{name}` has a spend_limit, and `{}` no known price; set its profile",
                id(*index)
            );
            mistakes.add(Subject::Route(name.clone()), what);
        }
    }
}

fn routes(
    specs: Vec<(String, RouteSpec)>,
    fleet: &Fleet,
    broken: &[TargetId],
    mistakes: &mut Mistakes,
) -> (Vec<Arc<Route>>, Vec<(String, usize)>) {
    let mut routes: Vec<Arc<Route>> = Vec::new();
    let mut aliases: Vec<(String, usize)> = Vec::new();
    let names: Vec<String> = specs.iter().map(|(name, _)| name.clone()).collect();
    for (name, spec) in specs {
        let mut wrong = |what: String| mistakes.add(Subject::Route(name.clone()), what);
        if routes.iter().any(|route| route.name == name) {
            wrong(format!("route `{name}` is defined twice"));
        }
        for what in spec.limits.mistakes() {
            wrong(format!("route `{name}`: {what}"));
        }
        for alias in spec.answers_to {
            if aliases.iter().any(|(known, _)| *known == alias) {
                wrong(format!("two routes answer to `{alias}`"));
            }
            if names.contains(&alias) {
                wrong(format!("route `{name}` answers to `{alias}`, which is the name of a route"));
            }
            if alias.trim().is_empty() {
                wrong(format!("route `{name}` answers to an empty name"));
            }
            aliases.push((alias, routes.len()));
        }
        for target in spec.rules.on.values().flat_map(|on| match on {
            OnKind::To(targets) => targets.as_slice(),
            _ => &[],
        }) {
            if !spec.strategy.members().contains(target) {
                wrong(format!(
                    "route `{name}` sends failures to `{target}`, which is not one of its targets"
                ));
            }
        }
        match Route::new(name.clone(), routes.len(), spec.strategy, fleet) {
            Ok(route) if route.members.is_empty() => wrong(format!("route `{name}` has no targets")),
            Ok(route) => routes.push(Arc::new(route.with_limits(spec.limits).with_rules(spec.rules))),
            Err(unknown) => {
                let known: Vec<_> = fleet.targets().iter().map(|target| target.id.as_str()).collect();
                for target in unknown.iter().filter(|target| !broken.contains(target)) {
                    wrong(format!(
                        "route `{name}` names the target `{target}`, which does not exist; there are: {}",
                        known.join(", ")
                    ));
                }
            }
        }
    }
    (routes, aliases)
}

fn connect(
    name: TargetId,
    mut endpoint: Endpoint,
    transports: &mut Transports,
    mistakes: &mut Vec<String>,
) -> (TargetSpec, ConnectedTarget) {
    mistakes.append(&mut endpoint.mistakes);
    if endpoint.keys.is_empty() {
        endpoint.keys.extend(endpoint.default_key.take());
    }
    if endpoint.model.trim().is_empty() {
        mistakes.push("the model's name is empty".into());
    }
    if endpoint.needs_key && endpoint.keys.is_empty() {
        mistakes.push(
            "it needs a key: `.key(Key::env(\"NAME\"))`, or keys = [{ env = \"NAME\" }] in a configuration"
                .into(),
        );
    }
    mistakes.extend(ineffective_setting(&endpoint, transports.custom.is_some()));
    let limits = [
        ("max_in_flight", endpoint.max_in_flight.map(u64::from)),
        ("requests_per_minute", endpoint.requests_per_minute),
        ("tokens_per_minute", endpoint.tokens_per_minute),
    ];
    for (knob, _) in limits.iter().filter(|(_, limit)| *limit == Some(0)) {
        mistakes.push(format!("{knob} must be at least 1"));
    }
    if endpoint.network.connect.is_some_and(|limit| limit.is_zero()) {
        mistakes.push("connect must be longer than 0s".into());
    }
    if let Err(error) = endpoint.breaker.validate() {
        mistakes.push(error.to_string());
    }
    let mut keys = Vec::new();
    let mut fingerprints = Vec::new();
    for key in &endpoint.keys {
        if let Some(credentials) = key.credentials() {
            fingerprints.push(Arc::as_ptr(credentials).addr() as u64);
            keys.push(Arc::new(KeySlot::fetched(Arc::clone(credentials))));
            continue;
        }
        match key.resolve() {
            Ok(secret) => {
                fingerprints.push(fingerprint(&secret));
                keys.push(Arc::new(KeySlot::read(key.clone(), secret)));
            }
            Err(what) => mistakes.push(what),
        }
    }
    let provider = match endpoint.backend {
        Backend::Provider(provider) => provider,
        Backend::Wire(wire) => match transports.for_options(&endpoint.network) {
            Ok(transport) => {
                let mut provider = HttpProvider::new(wire, transport).with_signer(endpoint.signer);
                if let Some(name) = &endpoint.deadline_header {
                    match hotspare_provider::header(name, "") {
                        Ok((name, _)) => provider = provider.with_deadline_header(name),
                        Err(error) => mistakes.push(format!("deadline_header: {}", error.message())),
                    }
                }
                Arc::new(provider)
            }
            Err(what) => {
                mistakes.push(what);
                Arc::new(HttpProvider::new(wire, Arc::new(NoTransport)))
            }
        },
    };
    let mut profile = endpoint.profile.unwrap_or_else(|| {
        let entry =
            endpoint.catalog.as_deref().and_then(|list| Catalog::vendored().lookup(list, &endpoint.model));
        entry.map(|found| found.profile()).unwrap_or_default()
    });
    profile.think_tags = endpoint.think_tags.or(profile.think_tags);
    fill_capabilities(&mut profile.capabilities, &provider.capabilities(&endpoint.model));
    let spec = TargetSpec {
        id: name.clone(),
        endpoint: endpoint.host,
        address: endpoint.address,
        model: endpoint.model.clone(),
        profile,
        wire: provider.wire(),
        keys: fingerprints,
        max_in_flight: endpoint.max_in_flight,
        requests_per_minute: endpoint.requests_per_minute,
        tokens_per_minute: endpoint.tokens_per_minute,
        health: endpoint.breaker,
        probe: endpoint.probe,
    };
    let model = endpoint.model.into();
    let embeds = AtomicBool::new(spec.profile.embeds());
    let target = ConnectedTarget { id: name, provider, model, keys, prompt: endpoint.prompt, embeds };
    (spec, target)
}

/// Fills in capabilities that the catalogue does not state.
fn fill_capabilities(known: &mut hotspare_core::Capabilities, more: &hotspare_core::Capabilities) {
    known.assistant_first = known.assistant_first.or(more.assistant_first);
    known.assistant_prefill = known.assistant_prefill.or(more.assistant_prefill);
    known.embeddings = known.embeddings.or(more.embeddings);
    known.forced_tool = known.forced_tool.or(more.forced_tool);
    known.free_tool_ids = known.free_tool_ids.or(more.free_tool_ids);
    known.json_mode = known.json_mode.or(more.json_mode);
    known.json_schema = known.json_schema.or(more.json_schema);
    known.parallel_tools = known.parallel_tools.or(more.parallel_tools);
    known.prompt_caching = known.prompt_caching.or(more.prompt_caching);
    known.reasoning = known.reasoning.or(more.reasoning);
    known.sampling = known.sampling.or(more.sampling);
    known.tools = known.tools.or(more.tools);
    known.unlimited_output = known.unlimited_output.or(more.unlimited_output);
    known.vision = known.vision.or(more.vision);
}

/// Distinguishes keys without keeping them.
fn fingerprint(secret: &Secret) -> u64 {
    let mut hasher = DefaultHasher::new();
    secret.expose().hash(&mut hasher);
    hasher.finish()
}
