//! Files that a simulation reads: scenarios, configurations and recordings.
//!
//! Invariant: errors about unreadable files name them.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use hotspare::config::Config;
use hotspare_sim::{Scenario, Setup};

/// Maximum size of a recording, unpacked, as a guard against zip bombs.
const MAX_RECORDING_BYTES: u64 = 1 << 30;

pub(super) fn text(path: &Path) -> Result<String, String> {
    let in_file = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(in_file)?;
    let mut text = String::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        MultiGzDecoder::new(file).take(MAX_RECORDING_BYTES).read_to_string(&mut text).map_err(in_file)?;
    } else {
        file.take(MAX_RECORDING_BYTES).read_to_string(&mut text).map_err(in_file)?;
    }
    Ok(text)
}

pub(super) fn scenario(path: &Path, name: &str) -> Result<Scenario, String> {
    Scenario::parse(name, &text(path)?).map_err(|what| {
        // The scenario's name may be its path.
        let what = what.strip_prefix(&format!("{name}: ")).unwrap_or(&what);
        format!("{}: {what}", path.display())
    })
}

/// The setup of one of a configuration's routes, by the name that it has in tables. Keys are not read: a simulation has
/// no use for them.
pub(super) fn setup(path: &Path, name: String, route: Option<&str>) -> Result<Setup, String> {
    let in_file = |error: hotspare::Error| format!("{}: {}", path.display(), error.message());
    let mut config = Config::parse(&text(path)?).map_err(in_file)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    config.read_files(|file| std::fs::read_to_string(folder.join(file)));
    let outline = config.builder().outline().map_err(in_file)?;
    let found = outline.routes.iter().find(|known| route.is_none_or(|route| known.name == route));
    let route = found
        .ok_or_else(|| format!("{}: there is no route `{}`", path.display(), route.unwrap_or_default()))?;
    // In the route's order: unless names decide, the first stands for a scenario's first target.
    let members = route.members.iter().filter_map(|index| outline.targets.get(index.position()));
    Ok(Setup {
        name,
        specs: members.cloned().collect(),
        strategy: route.strategy.clone(),
        limits: route.limits.clone(),
        rules: route.rules.clone(),
    })
}

/// The folder itself if it exists, or the one of that name among the recordings.
pub(super) fn recording_folder(named: &Path) -> Result<PathBuf, String> {
    if named.is_dir() {
        return Ok(named.to_owned());
    }
    let short = match named.to_str() {
        Some("openrouter") => "openrouter_uptime",
        Some("azure") => "azure_llm_2023",
        Some("mooncake") => "mooncake_fast25",
        Some(other) => other,
        None => return Err("--trace is not a folder".into()),
    };
    let root = std::env::var_os("HOTSPARE_TRACES")
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
        .ok_or_else(|| format!("{} is not a folder, and HOTSPARE_TRACES is not set", named.display()))?;
    let folder = root.join(short);
    if folder.is_dir() { Ok(folder) } else { Err(format!("{} is not a folder", folder.display())) }
}

/// The files in a folder whose names end in one of `suffixes`, sorted.
pub(super) fn with_suffix(folder: &Path, suffixes: &[&str]) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let named = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        suffixes.iter().any(|end| name.ends_with(end))
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(named).collect();
    paths.sort();
    Ok(paths)
}
