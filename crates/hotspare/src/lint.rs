//! Differences between the targets of a route that would otherwise surface only on a failover.
//!
//! Does not judge models: it compares what is known of them. Invariant: nothing is sent, and unknown values are
//! reported as unknown, not as differences.

use std::fmt;

use hotspare_core::{Capabilities, ChatRequest, ModelProfile, TargetId};
use hotspare_engine::{Target, TargetIndex};

use crate::client::Client;
use crate::shared::Shared;

/// Reports a spare whose price is at least this multiple of the main target's.
const PRICE_RATIO: u64 = 2;

const UNPRICED_REASK: &str =
    "has no known price, so `limits.max_reask_cost` lets it never be asked again; set `price` in its profile";

/// Something a caller will notice when a route fails over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lint {
    /// The route.
    pub route: String,
    /// The target that differs.
    pub target: TargetId,
    /// What differs, as a sentence fragment.
    pub what: String,
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "route {}: {} {}", self.route, self.target, self.what)
    }
}

impl Client {
    /// Compares each route's further targets with its first: capabilities, context windows, output limits, prices and
    /// retirement dates. Also reports a route that names one target several times and no other. `today` is a date such as
    /// `2026-11-25`; without it no model counts as retired.
    #[must_use]
    pub fn lint(&self, today: Option<&str>) -> Vec<Lint> {
        let shared = self.shared();
        let mut lints = Vec::new();
        // A target's own route has nothing to compare, but retirement dates and modes still apply.
        for route in &shared.routes {
            let Some((&first, rest)) = route.members.split_first() else { continue };
            let targets = &*shared.fleet;
            let mut report = |index: TargetIndex, what: Vec<String>| {
                let target = &targets[index].id;
                lints.extend(what.into_iter().map(|what| Lint {
                    route: route.name.clone(),
                    target: target.clone(),
                    what,
                }));
            };
            if rest.is_empty() && route.name == targets[first].id.as_str() {
                report(first, lint_target(&targets[first], today));
                continue;
            }
            let named = route.strategy.members().len();
            if rest.is_empty() && named > 1 {
                report(
                    first,
                    vec![format!("is named {named} times and is the only target, so it has no spare")],
                );
            }
            if route.limits.max_reask_cost.is_some() {
                for &index in route.members.iter().filter(|&&index| targets[index].profile.price.is_none()) {
                    report(index, vec![UNPRICED_REASK.into()]);
                }
            }
            for index in rest {
                report(*index, lint_spare(&targets[first], &targets[*index]));
            }
        }
        lints
    }

    /// Renders every prompt template with a sample conversation, with and without instructions.
    ///
    /// # Errors
    /// What is wrong, one fragment for each template that fails.
    pub fn check_prompts(&self) -> Result<usize, Vec<String>> {
        let shared = self.shared();
        let bare = ChatRequest::to("sample").user("What happened?").assistant("Nothing.").user("And then?");
        let mut instructed = bare.clone();
        instructed.messages.insert(0, hotspare_core::Message::system("Be brief."));
        let mut wrong = Vec::new();
        let mut tried = 0;
        for (route, target, prompt) in all_templates(shared) {
            tried += 1;
            let model = &shared.targets[target].model;
            let failure = [&bare, &instructed]
                .into_iter()
                .find_map(|sample| prompt.template.apply(sample, model).err());
            if let Some(error) = failure {
                let whose = route.map_or_else(String::new, |route| format!(" on route {route}"));
                wrong.push(format!(
                    "prompt {} for {}{whose}: {}",
                    prompt.name,
                    shared.targets[target].id,
                    error.message()
                ));
            }
        }
        if wrong.is_empty() { Ok(tried) } else { Err(wrong) }
    }
}

fn all_templates(
    shared: &Shared,
) -> impl Iterator<Item = (Option<&str>, TargetIndex, &crate::shared::NamedTemplate)> {
    let by_target = shared.targets.indexed();
    let by_target =
        by_target.filter_map(|(index, target)| target.prompt.as_ref().map(|prompt| (None, index, prompt)));
    let routes = shared.routes.iter().zip(&shared.prompts);
    let by_route = routes.flat_map(|(route, prompts)| {
        prompts.iter().map(|(index, prompt)| (Some(route.name.as_str()), *index, prompt))
    });
    by_target.chain(by_route)
}

/// What is worth reporting about a target regardless of its position.
fn lint_target(target: &Target, today: Option<&str>) -> Vec<String> {
    let profile = &target.profile;
    let mut what = Vec::new();
    // Capabilities that the wire sets for all models say nothing about this model.
    let mut model = profile.clone();
    model.capabilities = Capabilities::default();
    if model == ModelProfile::default() {
        what.push("is not in the catalogue: its window and price are unknown; set its profile".into());
    } else if profile.price.is_none() {
        what.push(
            "has no known price, so requests with a maximum cost skip it; set `price` in its profile".into(),
        );
    }
    if let Some(day) = &profile.retires {
        // ISO dates compare as text.
        let over = today.is_some_and(|today| day.as_str() <= today);
        what.push(if over {
            format!("was to be retired on {day}")
        } else {
            format!("will be retired on {day}")
        });
    }
    if let Some(mode) = &profile.mode {
        what.push(format!("is served only by the API `{mode}`"));
    }
    what
}

/// What a spare lacks compared with the main target.
fn lint_spare(main: &Target, spare: &Target) -> Vec<String> {
    let (a, b) = (&main.profile, &spare.profile);
    let mut what = Vec::new();
    let abilities = [
        ("call tools", a.capabilities.tools, b.capabilities.tools),
        ("call several tools at once", a.capabilities.parallel_tools, b.capabilities.parallel_tools),
        ("read images", a.capabilities.vision, b.capabilities.vision),
        ("enforce a JSON Schema", a.capabilities.json_schema, b.capabilities.json_schema),
    ];
    for (ability, main, spare) in abilities {
        match (main, spare) {
            (Some(true), Some(false)) => what.push(format!("cannot {ability}")),
            (Some(true), None) => what.push(format!("is not known to {ability}")),
            _ => {}
        }
    }
    let sizes =
        [("window", a.context_window, b.context_window), ("longest answer", a.max_output, b.max_output)];
    for (name, large, small) in sizes {
        if let (Some(large), Some(small)) = (large, small)
            && small < large
        {
            what.push(format!("has a smaller {name}: {small} tokens beside {large}"));
        }
    }
    if let (Some(main), Some(spare)) = (a.price, b.price) {
        let (cheap, expensive) = (main.input + main.output, spare.input + spare.output);
        if cheap > 0 && expensive >= cheap.saturating_mul(PRICE_RATIO) {
            let tenths = expensive.saturating_mul(10) / cheap;
            what.push(format!("costs {}.{} times as much", tenths / 10, tenths % 10));
        }
    }
    what
}
