//! `cargo xtask new-provider NAME`: creates an adapter crate with a simple but complete wire.
//!
//! The generated crate compiles, is tidy and passes the conformance kit, so that its author can change one thing at a
//! time.

use std::fs;

use crate::run::{cargo, root, run};
use crate::tidy;

/// Each file of a new crate and its template.
const FILES: [(&str, &str); 7] = [
    ("Cargo.toml", include_str!("../templates/Cargo.toml.txt")),
    ("src/lib.rs", include_str!("../templates/lib.rs.txt")),
    ("src/wire.rs", include_str!("../templates/wire.rs.txt")),
    ("src/encode.rs", include_str!("../templates/encode.rs.txt")),
    ("src/decode.rs", include_str!("../templates/decode.rs.txt")),
    ("src/classify.rs", include_str!("../templates/classify.rs.txt")),
    ("src/tests.rs", include_str!("../templates/tests.rs.txt")),
];

/// Creates the crate.
pub(crate) fn new_provider(args: &[String]) -> Result<(), String> {
    let [name] = args else { return Err("usage: cargo xtask new-provider NAME".into()) };
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if !plain {
        return Err(format!("`{name}` is not a valid crate name here: use lower-case letters and digits"));
    }
    let folder = root().join(format!("crates/hotspare-{name}"));
    if folder.exists() {
        return Err(format!("{} already exists", folder.display()));
    }
    let kind: String =
        name.chars().take(1).flat_map(char::to_uppercase).chain(name.chars().skip(1)).collect();
    fs::create_dir_all(folder.join("src")).map_err(|error| format!("{}: {error}", folder.display()))?;
    for (file, template) in FILES {
        let text = template.replace("NAME", name).replace("TYPE", &kind);
        let path = folder.join(file);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    // Line breaks depend on the length of the name.
    run(cargo(&["fmt", "-p", &format!("hotspare-{name}")]))?;
    println!("wrote crates/hotspare-{name}; next: cargo test -p hotspare-{name}, and docs/extending.md");
    Ok(())
}

/// Creates a provider, tests it as its author would, and removes it.
pub(crate) fn check() -> Result<(), String> {
    const NAME: &str = "rehearsal";
    let folder = root().join(format!("crates/hotspare-{NAME}"));
    let lock = root().join("Cargo.lock");
    let before = fs::read(&lock).map_err(|error| error.to_string())?;
    let result = new_provider(&[NAME.to_owned()])
        .and_then(|()| run(cargo(&["test", "--quiet", "-p", "hotspare-rehearsal"])))
        .and_then(|()| tidy::run());
    let gone = fs::remove_dir_all(&folder).and_then(|()| fs::write(&lock, before));
    result.and(gone.map_err(|error| error.to_string()))
}
