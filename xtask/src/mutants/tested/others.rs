//! Mutations of strategies and adapters.

use super::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a degraded target is never explored",
        file: "crates/hotspare-routing/src/most_reliable.rs",
        from: "usable > steady && steady > 0",
        to: "usable < steady",
        package: "hotspare-routing",
    },
    Mutant {
        name: "a block of an answer is never closed",
        file: "crates/hotspare-anthropic/src/outgoing.rs",
        from: "if std::mem::replace(&mut self.open, BlockKind::None) != BlockKind::None {",
        to: "if false {",
        package: "hotspare-anthropic",
    },
    Mutant {
        name: "a foreign signature is passed on as this wire's",
        file: "crates/hotspare-anthropic/src/outgoing.rs",
        from: "if signature.origin.0 != ORIGIN {\n            return;\n        }\n",
        to: "",
        package: "hotspare-anthropic",
    },
    Mutant {
        name: "hedges continue while every target is slow",
        file: "crates/hotspare-routing/src/hedged.rs",
        from: "&& !view.degraded",
        to: "",
        package: "hotspare-routing",
    },
    Mutant {
        name: "a call fails although a target has recovered",
        file: "crates/hotspare-engine/src/call/start.rs",
        from: "if !self.is_alone() || self.refused.is_empty() || self.refused_at >= now {",
        to: "if true {",
        package: "hotspare-sim",
    },
    Mutant {
        name: "unhealthy targets keep their rank",
        file: "crates/hotspare-routing/src/health_aware.rs",
        from: "(Reverse(view.usable), ill(view, scene.draw))",
        to: "(Reverse(true | view.usable), 0 * ill(view, scene.draw))",
        package: "hotspare-routing",
    },
    Mutant {
        name: "unusable targets join a race",
        file: "crates/hotspare-routing/src/race.rs",
        from: "!scene.candidates[choice.index].view.usable);",
        to: "scene.candidates[choice.index].view.usable);",
        package: "hotspare-routing",
    },
    Mutant {
        name: "a prompt that cannot fit is sent",
        file: "crates/hotspare-routing/src/eligible.rs",
        from: "if certain > window {",
        to: "if certain > window && window == 0 {",
        package: "hotspare-routing",
    },
];
