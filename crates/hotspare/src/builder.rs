//! Builds a client and reports every mistake at once.
//!
//! Invariant: nothing is sent while building, and a client that was built has targets, routes and readable keys.

mod connect;
mod mistakes;
mod outline;
mod route_spec;
mod routes;
mod transports;

use std::collections::BTreeSet;
use std::sync::Arc;

use hotspare_core::{Error, TargetId};
use hotspare_engine::{Fleet, PerTarget, TargetSpec, World};
use hotspare_provider::Transport;
use hotspare_routing::Sequential;

use self::connect::{assign_custom_host, connect};
pub(crate) use self::mistakes::{Mistakes, Subject};
pub use self::outline::Outline;
pub use self::route_spec::RouteSpec;
use self::routes::{check_prices, prompts, routes};
use self::transports::Transports;
use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::shared::Shared;

impl Client {
    /// Starts building a client.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }
}

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
    /// own, which breakers and deadlines would not see, have no total timeout, which would cut long streams, and use HTTP/1.1 (see
    /// [`ReqwestTransport::from_client`](hotspare_http::ReqwestTransport::from_client)):
    ///
    /// ```no_run
    /// # fn run() -> Result<(), reqwest::Error> {
    /// let http = reqwest::Client::builder()
    ///     .redirect(reqwest::redirect::Policy::none())
    ///     .retry(reqwest::retry::never())
    ///     .referer(false)
    ///     .http1_only()
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
        let mut seen = BTreeSet::new();
        for (name, _) in &self.targets {
            if !seen.insert(name.clone()) {
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
            spend_limits.push(endpoint.options.spend_limit);
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
        let connected: PerTarget<_> = connected.into_iter().collect();
        let spend_limits: Vec<_> =
            fleet.indices().zip(spend_limits).filter_map(|(index, limit)| Some((index, limit?))).collect();
        // Every target can be requested by its own name, unless a route already uses that name.
        let taken = |name: &str| {
            self.routes
                .iter()
                .any(|(route, spec)| route == name || spec.answers_to.iter().any(|other| other == name))
        };
        let mut named = BTreeSet::new();
        let implicit_routes: Vec<_> = connected
            .iter()
            .filter(|target| !taken(target.id.as_str()) && named.insert(&target.id))
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
