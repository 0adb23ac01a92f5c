//! The targets and routes of a client: what does not change while it runs.
//!
//! Not their health. Invariant: built once; a target is identified by its index, and health scopes are interned here,
//! so that targets at one host share the host's health, and targets that share a model or a key at one address share
//! that health too. One host may serve several addresses (`/eastus/v1`, `/westus/v1`): a failure behind one of them
//! says nothing about the other.

use std::collections::BTreeMap;
use std::ops::Index;
use std::sync::Arc;
use std::time::Duration;

use hotspare_catalog::{Catalog, is_same_model};
use hotspare_core::{Cost, ModelProfile, Price, Scope, TargetId, Usage};
use hotspare_health::{Book, Config, ScopeId};
use hotspare_routing::Strategy;

use crate::index::{KeyIndex, RouteIndex, TargetIndex};
use crate::rules::{Limits, Rules};

/// The specification of a target, before it joins a fleet.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TargetSpec {
    /// The application's name for it.
    pub id: TargetId,
    /// Scheme, host and port. Targets at equal hosts share the host's health.
    pub host: String,
    /// Base address of its API: the host and the path prefix. Models, keys and quotas at equal addresses share
    /// health.
    pub address: String,
    /// The provider's name of the model.
    pub model: String,
    /// What is known about the model.
    pub profile: ModelProfile,
    /// The provider under which the model catalogue lists the prices of its other models.
    pub price_list: Option<String>,
    /// Name of the wire.
    pub wire: &'static str,
    /// One opaque fingerprint per key; equal fingerprints at one address share health. Empty where no key is needed.
    pub keys: Vec<u64>,
    /// Maximum number of calls in flight.
    pub max_in_flight: Option<u32>,
    /// Maximum requests per minute.
    pub requests_per_minute: Option<u64>,
    /// Maximum tokens per minute, with prompts as estimated.
    pub tokens_per_minute: Option<u64>,
    /// When its breakers open. A breaker that several targets share, as their host's, takes the first target's.
    pub health: Config,
    /// Whether it is probed in the background while it is unhealthy.
    pub probe: bool,
}

impl TargetSpec {
    /// A model behind `address`, which is also its host's name for health. It has no key and no limit; the catalogue is
    /// not asked.
    pub fn new(
        id: impl Into<TargetId>,
        address: impl Into<String>,
        model: impl Into<String>,
        wire: &'static str,
    ) -> Self {
        let address = address.into();
        Self {
            id: id.into(),
            host: address.clone(),
            address,
            model: model.into(),
            profile: ModelProfile::default(),
            price_list: None,
            wire,
            keys: Vec::new(),
            max_in_flight: None,
            requests_per_minute: None,
            tokens_per_minute: None,
            health: Config::default(),
            probe: false,
        }
    }
}

/// A target of a fleet.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Target {
    /// The application's name for it.
    pub id: TargetId,
    /// The provider's name of the model.
    pub name: String,
    /// What is known about the model.
    pub profile: ModelProfile,
    /// The provider under which the model catalogue lists the prices of its other models.
    pub price_list: Option<String>,
    /// Name of the wire.
    pub wire: &'static str,
    /// Maximum number of calls in flight.
    pub max_in_flight: Option<u32>,
    /// Maximum requests per minute.
    pub requests_per_minute: Option<u64>,
    /// Maximum tokens per minute, with prompts as estimated.
    pub tokens_per_minute: Option<u64>,
    /// Whether it is probed in the background while it is unhealthy.
    pub probe: bool,
    /// Its breakers' lease: longer than any healthy answer needs to start.
    pub(crate) lease: Duration,
    host: ScopeId,
    model: ScopeId,
    keys: Vec<(ScopeId, ScopeId)>,
}

impl Target {
    /// Number of keys, at least 1 (a target without keys counts as one).
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// Its keys, in the order in which they were given.
    pub fn key_indices(&self) -> impl Iterator<Item = KeyIndex> + use<> {
        (0..self.keys.len()).map(KeyIndex)
    }

    /// The key at this place, from 0, if it has so many.
    #[must_use]
    pub fn key_index(&self, position: usize) -> Option<KeyIndex> {
        (position < self.keys.len()).then_some(KeyIndex(position))
    }

    /// The key that a random draw selects, and the others in a circle from it.
    pub(crate) fn keys_from(&self, draw: u64) -> (KeyIndex, impl Iterator<Item = KeyIndex> + use<>) {
        let count = self.keys.len();
        let first = usize::try_from(draw % count as u64).unwrap_or(0);
        (KeyIndex(first), (1..count).map(move |offset| KeyIndex((first + offset) % count)))
    }

    /// What a prompt of this many tokens costs, if the price is known; the length of the answer is not known in advance.
    #[must_use]
    pub fn prompt_cost(&self, tokens: u64) -> Option<Cost> {
        Some(self.profile.price?.cost(&Usage::estimated(Some(tokens), None)))
    }

    /// The price of a model of the same provider; `None` for the target's own, which may also be named, with a date or
    /// without. If the target's price is the listed one, a listed date counts at its own.
    pub(crate) fn price_of(&self, model: Option<&str>) -> Option<Price> {
        let listed = |name: &str| Catalog::vendored().lookup(self.price_list.as_deref()?, name);
        let own = self.profile.price;
        let Some(model) = model else { return own };
        let found = listed(model);
        if !is_same_model(model, &self.name) {
            return found?.profile().price;
        }
        let exact = found.filter(|found| found.alias.is_none()).and_then(|found| found.profile().price);
        let is_list_price =
            own.is_some() && own == listed(&self.name).and_then(|found| found.profile().price);
        exact.filter(|_| is_list_price).or(own)
    }

    /// The most that a prompt and an answer of so many tokens cost, if the price is known.
    #[must_use]
    pub fn most_cost(&self, prompt: u64, answer: u64) -> Option<Cost> {
        let mut usage = Usage::estimated(Some(prompt), Some(answer));
        let price = self.profile.price?;
        // How much of the answer is reasoning is not known in advance, so it counts as whichever costs more.
        usage.reasoning = usage.output.filter(|_| price.reasoning > Some(price.output));
        Some(price.cost(&usage))
    }

    /// Whether an operator limits its requests or tokens per minute.
    pub(crate) fn has_own_limit(&self) -> bool {
        self.requests_per_minute.is_some() || self.tokens_per_minute.is_some()
    }

    /// All scopes that must be healthy for a request with this key.
    #[must_use]
    pub fn scopes(&self, key: KeyIndex) -> TargetScopes {
        let (credential, credential_model) = self.keys[key.position().min(self.keys.len() - 1)];
        TargetScopes { host: self.host, model: self.model, credential, credential_model }
    }

    /// The scope of one level.
    #[must_use]
    pub fn scope(&self, key: KeyIndex, level: Scope) -> Option<ScopeId> {
        let scopes = self.scopes(key);
        match level {
            Scope::Host => Some(scopes.host),
            Scope::Model => Some(scopes.model),
            Scope::Credential => Some(scopes.credential),
            Scope::CredentialModel => Some(scopes.credential_model),
            Scope::None => None,
        }
    }
}

/// The scopes that must be healthy for a request to a target with one of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetScopes {
    /// The host.
    pub host: ScopeId,
    /// The model at this address.
    pub model: ScopeId,
    /// The key at this address.
    pub credential: ScopeId,
    /// The key for this model.
    pub credential_model: ScopeId,
}

impl TargetScopes {
    /// All of them, from the widest to the narrowest.
    #[must_use]
    pub const fn as_array(&self) -> [ScopeId; 4] {
        [self.host, self.model, self.credential, self.credential_model]
    }
}

/// All targets of a client.
#[derive(Debug)]
pub struct Fleet {
    targets: Vec<Target>,
    scopes: BTreeMap<ScopeId, (Scope, String)>,
}

impl Fleet {
    /// Interns the scopes of all targets in a fresh health book.
    #[must_use]
    pub fn assemble(specs: Vec<TargetSpec>) -> (Arc<Self>, Book) {
        let mut book = Book::new();
        let mut known: BTreeMap<(Scope, String), ScopeId> = BTreeMap::new();
        let mut scopes = BTreeMap::new();
        let targets = specs
            .into_iter()
            .map(|spec| {
                let mut intern = |level: Scope, host: Option<ScopeId>, identity: String, name: String| {
                    *known.entry((level, identity)).or_insert_with(|| {
                        // Only calls to the same model are comparable enough to judge latency.
                        let id = match (level, host) {
                            (Scope::Host, _) => book.add_host(spec.health.clone()),
                            (Scope::Model, Some(host)) => book.add_part(spec.health.clone(), host),
                            _ => book.add_shared_scope(spec.health.clone()),
                        };
                        scopes.insert(id, (level, name));
                        id
                    })
                };
                let host = intern(Scope::Host, None, spec.host.clone(), spec.host.clone());
                let model = format!("{} at {}", spec.model, spec.address);
                let model = intern(Scope::Model, Some(host), model.clone(), model);
                // A host that needs no key still needs a scope for its quota.
                let keys = if spec.keys.is_empty() {
                    vec![None]
                } else {
                    spec.keys.iter().copied().map(Some).collect()
                };
                let keys = keys
                    .into_iter()
                    .enumerate()
                    .map(|(index, fingerprint): (usize, Option<u64>)| {
                        // Identified by fingerprint, displayed by position: fingerprints are not for humans.
                        let identity = format!("{fingerprint:x?} at {}", spec.address);
                        let label = match fingerprint {
                            Some(_) => format!("key {} at {}", index + 1, spec.address),
                            None => format!("no key at {}", spec.address),
                        };
                        let pair = (
                            format!("{} with {identity}", spec.model),
                            format!("{} with {label}", spec.model),
                        );
                        let credential = intern(Scope::Credential, None, identity, label);
                        let pair = intern(Scope::CredentialModel, None, pair.0, pair.1);
                        (credential, pair)
                    })
                    .collect();
                Target {
                    id: spec.id,
                    name: spec.model,
                    profile: spec.profile,
                    price_list: spec.price_list,
                    wire: spec.wire,
                    max_in_flight: spec.max_in_flight,
                    requests_per_minute: spec.requests_per_minute,
                    tokens_per_minute: spec.tokens_per_minute,
                    probe: spec.probe,
                    lease: spec.health.lease,
                    host,
                    model,
                    keys,
                }
            })
            .collect();
        (Arc::new(Self { targets, scopes }), book)
    }

    /// All targets, in the order they were given.
    #[must_use]
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// The indices of all targets, in order.
    pub fn indices(&self) -> impl Iterator<Item = TargetIndex> + use<> {
        (0..self.targets.len()).map(TargetIndex)
    }

    /// The target at this place, from 0, if there are so many.
    #[must_use]
    pub fn target_index(&self, position: usize) -> Option<TargetIndex> {
        (position < self.targets.len()).then_some(TargetIndex(position))
    }

    /// The index of a target.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<TargetIndex> {
        self.targets.iter().position(|target| target.id.as_str() == id).map(TargetIndex)
    }

    /// A scope's level and display name.
    #[must_use]
    pub fn scope_name(&self, scope: ScopeId) -> Option<(Scope, &str)> {
        self.scopes.get(&scope).map(|(level, name)| (*level, name.as_str()))
    }

    /// The targets that use a scope.
    pub fn concerned(&self, scope: ScopeId) -> impl Iterator<Item = &Target> {
        self.targets.iter().filter(move |target| {
            target.host == scope
                || target.model == scope
                || target.keys.iter().any(|&(credential, pair)| credential == scope || pair == scope)
        })
    }
}

impl Index<TargetIndex> for Fleet {
    type Output = Target;

    fn index(&self, target: TargetIndex) -> &Target {
        &self.targets[target.position()]
    }
}

/// A route: a strategy over targets, with its limits and rules.
#[derive(Debug)]
#[non_exhaustive]
pub struct Route {
    /// Its name.
    pub name: String,
    /// Its index in the world's list of routes.
    pub index: RouteIndex,
    /// Ranks the targets.
    pub strategy: Arc<dyn Strategy>,
    /// The strategy's members as indices into the fleet, in its order, each once.
    pub members: Vec<TargetIndex>,
    /// How long to wait for what.
    pub limits: Limits,
    /// Behaviour that routes may configure.
    pub rules: Rules,
}

impl Route {
    /// A route.
    ///
    /// # Errors
    /// The members that are not in the fleet.
    pub fn new(
        name: impl Into<String>,
        index: RouteIndex,
        strategy: Arc<dyn Strategy>,
        fleet: &Fleet,
    ) -> Result<Self, Vec<TargetId>> {
        let mut unknown = Vec::new();
        let mut members = Vec::new();
        for member in strategy.members() {
            match fleet.find(member.as_str()) {
                // Two tiers may name the same target: it is one candidate.
                Some(place) if members.contains(&place) => {}
                Some(place) => members.push(place),
                None => unknown.push(member),
            }
        }
        if unknown.is_empty() {
            Ok(Self {
                name: name.into(),
                index,
                strategy,
                members,
                limits: Limits::default(),
                rules: Rules::default(),
            })
        } else {
            Err(unknown)
        }
    }

    /// Sets the limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the rules.
    #[must_use]
    pub fn with_rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(id: &str, address: &str) -> TargetSpec {
        TargetSpec {
            id: id.into(),
            host: "https://host".into(),
            address: address.into(),
            model: "m".into(),
            profile: ModelProfile::default(),
            price_list: None,
            wire: "w",
            keys: vec![1],
            max_in_flight: None,
            requests_per_minute: None,
            tokens_per_minute: None,
            health: Config::default(),
            probe: false,
        }
    }

    #[test]
    fn addresses_on_one_host_share_only_the_host_scope() {
        let (fleet, _) = Fleet::assemble(vec![
            spec("east", "https://host/east"),
            spec("west", "https://host/west"),
            spec("again", "https://host/west"),
        ]);
        let scopes: Vec<_> =
            fleet.targets().iter().map(|target| target.scopes(KeyIndex::FIRST).as_array()).collect();
        assert_eq!(scopes[0][0], scopes[1][0]);
        assert!((1..4).all(|level| scopes[0][level] != scopes[1][level]), "{scopes:?}");
        assert_eq!(scopes[1], scopes[2]);
    }

    #[test]
    fn a_dated_answer_has_the_listed_price_of_its_date_unless_the_target_has_a_price_of_its_own() {
        let list: Vec<_> = Catalog::vendored().iter().collect();
        let price_of = |at: usize| list[at].profile().price;
        let pairs =
            (0..list.len()).flat_map(|plain| (plain + 1..list.len()).map(move |dated| (plain, dated)));
        let (plain, dated) = pairs
            .filter(|(plain, dated)| list[*plain].provider == list[*dated].provider)
            .filter(|(plain, dated)| list[*dated].id.starts_with(&list[*plain].id))
            .filter(|(plain, dated)| is_same_model(&list[*plain].id, &list[*dated].id))
            .find(|(plain, dated)| {
                price_of(*plain).is_some()
                    && price_of(*dated).is_some()
                    && price_of(*plain) != price_of(*dated)
            })
            .unwrap();
        let (provider, list_price, dated_price) = (&list[plain].provider, price_of(plain), price_of(dated));
        let (plain, dated) = (list[plain].id.as_str(), list[dated].id.as_str());
        let own = Some(Price::micros_per_million(1, 2));
        let price = |target: Option<Price>, model: Option<&str>| {
            let mut spec = spec("a", "https://host");
            spec.model = plain.to_owned();
            spec.price_list = Some(provider.clone());
            spec.profile.price = target;
            Fleet::assemble(vec![spec]).0.targets()[0].price_of(model)
        };
        assert_eq!(price(list_price, Some(dated)), dated_price);
        let unlisted = format!("{plain}-2099-01-01");
        assert_eq!(price(list_price, Some(&unlisted)), list_price);
        assert_eq!(price(own, Some(dated)), own);
        for model in [None, Some(plain)] {
            assert_eq!(price(own, model), own);
        }
        assert_eq!(price(None, Some(dated)), None);
    }
}
