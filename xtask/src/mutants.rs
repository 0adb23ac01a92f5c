//! `cargo xtask mutants`: the code broken on purpose, to see the tests fail.
//!
//! Works on a copy. Invariant: a mutation whose text is no longer there is an error, so that the list cannot rot.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::run::root;

struct Mutant {
    name: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
    package: &'static str,
}

const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a late reply moves the breaker",
        file: "crates/hotspare-health/src/breaker.rs",
        from: "if pass.generation != self.generation {\n            return None;\n        }\n        self.window.failure(now, weight_milli);",
        to: "self.window.failure(now, weight_milli);",
        package: "hotspare-health",
    },
    Mutant {
        name: "a lost probe is never freed",
        file: "crates/hotspare-health/src/breaker.rs",
        from: "leases.retain(|lease| lease.expires > now);",
        to: "",
        package: "hotspare-health",
    },
    Mutant {
        name: "another failure shortens a promise",
        file: "crates/hotspare-health/src/breaker.rs",
        from: "self.until = self.until.max(now + pause)",
        to: "self.until = (now + pause)",
        package: "hotspare-health",
    },
    Mutant {
        name: "a hinted pause is shortened",
        file: "crates/hotspare-health/src/gate.rs",
        from: "self.held_until.max(until.min(now + LONGEST_HOLD))",
        to: "until.min(now + LONGEST_HOLD)",
        package: "hotspare-health",
    },
    Mutant {
        name: "losing a race counts as a failure",
        file: "crates/hotspare-engine/src/call/settle.rs",
        from: "(false, _) => Outcome::neutral(),",
        to: "(false, _) => self.evidence(now, id, &Error::new(Kind::Timeout, \"lost\")),",
        package: "hotspare-engine",
    },
    Mutant {
        name: "a truncated answer passes",
        file: "crates/hotspare-engine/src/call/settle.rs",
        from: "if attempt.finished.is_none() {",
        to: "if false {",
        package: "hotspare-engine",
    },
    Mutant {
        name: "a continuation need not match",
        file: "crates/hotspare-engine/src/splice.rs",
        from: "if text.as_bytes()[..common] != known[..common] {",
        to: "if false {",
        package: "hotspare-engine",
    },
];

/// Applies each mutation to a copy and runs its package's tests, which must fail.
pub(crate) fn run() -> Result<(), String> {
    let copy = root().join("target/mutants/tree");
    let mut survivors = Vec::new();
    for mutant in MUTANTS {
        refresh(&copy)?;
        let path = copy.join(mutant.file);
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", mutant.file))?;
        if text.matches(mutant.from).count() != 1 {
            return Err(format!("`{}`: its text is not (or not only once) in {}", mutant.name, mutant.file));
        }
        std::fs::write(&path, text.replacen(mutant.from, mutant.to, 1)).map_err(|error| error.to_string())?;
        let status = Command::new("cargo")
            .current_dir(&copy)
            .args(["test", "--quiet", "-p", mutant.package, "--lib"])
            .env("CARGO_TARGET_DIR", root().join("target/mutants/target"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map_err(|error| error.to_string())?;
        println!("{:<44} {}", mutant.name, if status.success() { "SURVIVED" } else { "caught" });
        if status.success() {
            survivors.push(mutant.name);
        }
    }
    if survivors.is_empty() { Ok(()) } else { Err(format!("survived: {}", survivors.join(", "))) }
}

fn refresh(copy: &Path) -> Result<(), String> {
    let script =
        format!("mkdir -p '{0}' && git ls-files -z | xargs -0 cp --parents -t '{0}'", copy.display());
    let status = Command::new("sh").current_dir(root()).args(["-c", &script]).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        _ => Err("the work tree could not be copied".into()),
    }
}
