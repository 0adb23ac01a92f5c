//! The route under test: targets as the engine knows them, a strategy, limits and rules.
//!
//! Not its environment. Invariant: every run assembles its own fleet, book and world, so that runs share nothing.

use std::sync::Arc;

use hotspare_core::{ModelProfile, Price, ReasoningMode};
use hotspare_engine::{Adaptive, Fleet, Limits, OnCut, Route, RouteIndex, Rules, TargetSpec, World};
use hotspare_health::Config as Breaker;
use hotspare_routing::{Hedge, Hedged, Sequential, Strategy, strategy_named, strategy_names};

use crate::rivals::RivalKind;
use crate::scenario::{PriceDto, RouteDto, Scenario, TargetDto};
use crate::units::duration;

/// A route under test.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its name in tables.
    pub name: String,
    /// Its targets; the first stands for a scenario's first, and so on. [`Scenario::assign`] puts them in that order.
    pub specs: Vec<TargetSpec>,
    /// The strategy.
    pub strategy: Arc<dyn Strategy>,
    /// The route's limits.
    pub limits: Limits,
    /// The route's rules.
    pub rules: Rules,
}

/// A setup assembled for one run.
#[derive(Debug)]
pub(crate) struct Assembled {
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) route: Arc<Route>,
    pub(crate) world: World,
}

impl Setup {
    pub(crate) fn assemble(&self) -> Result<Assembled, String> {
        let (fleet, book) = Fleet::assemble(self.specs.clone());
        let route = Route::new("trial", RouteIndex::new(0), Arc::clone(&self.strategy), &fleet).map_err(
            |unknown| format!("{}: the strategy names {unknown:?}, which are not targets", self.name),
        )?;
        let route = Arc::new(route.with_limits(self.limits.clone()).with_rules(self.rules.clone()));
        let world = World::new(Arc::clone(&fleet), book, std::slice::from_ref(&route));
        Ok(Assembled { fleet, route, world })
    }
}

impl Scenario {
    /// The setup of the route that the scenario describes.
    ///
    /// # Errors
    /// What is invalid.
    pub fn setup(&self) -> Result<Setup, String> {
        let specs: Vec<TargetSpec> = self.targets.iter().map(TargetDto::spec).collect::<Result<_, _>>()?;
        let names: Vec<&str> = self.targets.iter().map(|target| target.name.as_str()).collect();
        let limits = self.route.limits()?;
        let mut rules = Rules::default();
        rules.on_cut = match self.route.on_cut.as_str() {
            "continue" => OnCut::Continue,
            "terminate" => OnCut::Terminate,
            other => {
                return Err(format!("unknown on_cut `{other}`; valid values are continue and terminate"));
            }
        };
        let strategy = self.route.hedged(strategy(&self.route.strategy, &names)?)?;
        Ok(Setup { name: "hotspare".into(), specs, strategy: Arc::from(strategy), limits, rules })
    }

    /// The same without hedging, to measure what hedging costs and gains.
    ///
    /// # Errors
    /// What is invalid.
    pub fn setup_unhedged(&self) -> Result<Setup, String> {
        let mut unhedged = self.clone();
        unhedged.route.hedge = "off".into();
        Ok(Setup { name: "unhedged".into(), ..unhedged.setup()? })
    }

    /// The same targets on a route with default settings.
    ///
    /// # Errors
    /// What is invalid.
    pub fn setup_defaults(&self) -> Result<Setup, String> {
        let names = self.targets.iter().map(|target| target.name.as_str());
        Ok(Setup {
            name: "defaults".into(),
            strategy: Arc::new(Sequential::new(names)),
            limits: Limits::default(),
            rules: Rules::default(),
            ..self.setup()?
        })
    }

    /// The same with another of the product's strategies.
    ///
    /// # Errors
    /// If there is no such strategy.
    pub fn setup_with(&self, name: &str) -> Result<Setup, String> {
        let mut setup = self.setup()?;
        let names: Vec<&str> = self.targets.iter().map(|target| target.name.as_str()).collect();
        setup.strategy = Arc::from(self.route.hedged(strategy(name, &names)?)?);
        setup.name = name.to_owned();
        Ok(setup)
    }
}

/// A strategy of the product by name, over targets in order of preference.
///
/// # Errors
/// If there is no such strategy.
pub fn strategy(name: &str, targets: &[&str]) -> Result<Box<dyn Strategy>, String> {
    let members = targets.iter().map(|target| ((*target).into(), 1)).collect();
    strategy_named(name, members, None).ok_or_else(|| {
        let known = strategy_names();
        let (last, rest) = known.split_last().unwrap_or((&"", &[]));
        format!("unknown strategy `{name}`; valid values are {} and {last}", rest.join(", "))
    })
}

/// The rival that a name stands for, or `None` if it is a strategy of the product.
///
/// # Errors
/// If it is neither.
pub fn rival_or_strategy(name: &str) -> Result<Option<RivalKind>, String> {
    match RivalKind::find(name) {
        Some(kind) => Ok(Some(kind)),
        None => strategy(name, &[]).map(|_| None).map_err(|unknown| {
            let rivals: Vec<&str> = RivalKind::ALL.into_iter().map(RivalKind::name).collect();
            format!("{unknown}, and for comparison {}", rivals.join(", "))
        }),
    }
}

impl RouteDto {
    fn hedged(&self, strategy: Box<dyn Strategy>) -> Result<Box<dyn Strategy>, String> {
        let hedge = match self.hedge.as_str() {
            "off" => return Ok(strategy),
            "p95" => Hedge::at_p95(),
            delay => Hedge::after(
                duration(delay).ok_or_else(|| format!("hedge is `{delay}`; it is off, p95 or a duration"))?,
            ),
        };
        Ok(Box::new(Hedged::new(strategy, hedge.budget_bp(self.hedge_budget.basis_points()))))
    }

    pub(crate) fn limits(&self) -> Result<Limits, String> {
        let mut limits = match self.preset.as_str() {
            "default" => Limits::default(),
            "interactive" => Limits::interactive(),
            "batch" => Limits::batch(),
            "critical" => Limits::critical(),
            other => {
                return Err(format!(
                    "unknown preset `{other}`; valid values are default, interactive, batch and critical"
                ));
            }
        };
        if self.adaptive > 0.0 {
            let percent = (self.adaptive * 100.0) as u32;
            limits.adaptive = Some(Adaptive::new(percent, Adaptive::default().min));
        }
        let knobs = [
            (&mut limits.first_content, self.first_content),
            (&mut limits.gap, self.gap),
            (&mut limits.first_content_deadline, self.deadline),
            (&mut limits.total, self.total),
            (&mut limits.wait_for_rate_limit, self.wait_for_rate_limit),
        ];
        for (knob, value) in knobs {
            *knob = value.map_or(*knob, |span| span.0);
        }
        limits.first_content = limits.first_content.min(limits.first_content_deadline);
        match limits.mistakes().as_slice() {
            [] => Ok(limits),
            mistakes => Err(mistakes.join("; ")),
        }
    }
}

impl TargetDto {
    pub(crate) fn spec(&self) -> Result<TargetSpec, String> {
        let mut profile = ModelProfile::default();
        profile.capabilities.assistant_prefill = Some(self.prefill);
        profile.capabilities.reasoning =
            Some(if self.reasoning { ReasoningMode::ByDefault } else { ReasoningMode::Never });
        profile.price = self.price.map(PriceDto::price);
        let address = self.endpoint.as_deref().unwrap_or(&self.name);
        let mut spec = TargetSpec::new(self.name.as_str(), address, self.name.as_str(), "simulated");
        spec.profile = profile;
        spec.keys = (1..=u64::from(self.keys)).collect();
        spec.max_in_flight = self.max_in_flight;
        spec.requests_per_minute = self.requests_per_minute;
        spec.tokens_per_minute = self.tokens_per_minute;
        let breaker = self.breaker.as_ref();
        spec.health = breaker.map_or(Ok(Breaker::default()), crate::scenario::BreakerDto::config)?;
        Ok(spec)
    }
}

impl PriceDto {
    pub(crate) fn price(self) -> Price {
        Price::dollars_per_million(self.input, self.output).unwrap_or_default()
    }
}
